use std::path::Path;

use super::*;

const NOW: u64 = 1_763_700_000;
const EXPORTER: [u8; 32] = [3; 32];

fn peer(number: u8) -> AgentId {
    AgentId::from_bytes([number; 16])
}

fn asked(home: &Path) -> Identity {
    let identity = Identity::open(home).unwrap();
    std::fs::write(home.join(WANTED_FILE), b"").unwrap();
    identity
}

#[test]
fn a_key_goes_a_week_after_the_last_peer_knows_the_new_one() {
    let home = tempfile::tempdir().unwrap();
    let identity = asked(home.path());
    let (old, peers) = (identity.fingerprint(), [peer(1), peer(2)]);
    assert!(identity.rotate(&peers, NOW).unwrap());
    let new = identity.next().unwrap();
    assert!(identity.fingerprint() == old && new != old);
    assert!(!home.path().join(WANTED_FILE).exists(), "once");
    identity.acknowledge(peer(1), old, NOW).unwrap();
    assert!(!identity.is_acknowledged(peer(1)), "that is the old one");
    identity.acknowledge(peer(1), new, NOW).unwrap();
    assert_eq!(identity.key_for(peer(1)).fingerprint, new);
    assert_eq!(identity.key_for(peer(2)).fingerprint, old);
    assert!(!identity.rotate(&peers, NOW + AFTER_LAST).unwrap(), "one does not know it yet");

    // Over a restart.
    let identity = Identity::open(home.path()).unwrap();
    assert_eq!((identity.fingerprint(), identity.next()), (old, Some(new)));
    assert_eq!(identity.key_for(peer(1)).fingerprint, new);
    identity.acknowledge(peer(2), new, NOW + DAY).unwrap();
    assert!(!identity.rotate(&peers, NOW + AFTER_LAST).unwrap());
    assert!(identity.rotate(&peers, NOW + DAY + AFTER_LAST).unwrap());
    assert_eq!((identity.fingerprint(), identity.next()), (new, None));
    let identity = Identity::open(home.path()).unwrap();
    assert_eq!((identity.fingerprint(), identity.next()), (new, None));
}

#[test]
fn a_peer_that_stays_away_does_not_hold_it_up_for_ever() {
    let home = tempfile::tempdir().unwrap();
    let identity = asked(home.path());
    identity.rotate(&[peer(1)], NOW).unwrap();
    assert!(!identity.rotate(&[peer(1)], NOW + LONGEST_OVERLAP - 1).unwrap());
    assert!(identity.rotate(&[peer(1)], NOW + LONGEST_OVERLAP).unwrap());
    assert!(identity.next().is_none());
}

#[test]
fn once_a_year_and_not_by_a_clock_that_is_not_set() {
    let home = tempfile::tempdir().unwrap();
    let identity = Identity::open(home.path()).unwrap();
    assert!(!identity.rotate(&[], 100).unwrap());
    assert!(!identity.rotate(&[], NOW).unwrap());
    assert!(!identity.rotate(&[], NOW + YEARLY - 1).unwrap());
    assert!(identity.rotate(&[], NOW + YEARLY).unwrap());
    // Nobody has to learn of it.
    assert!(identity.rotate(&[], NOW + YEARLY).unwrap());
    assert!(identity.next().is_none() && !identity.rotate(&[], NOW + YEARLY + DAY).unwrap());
}

/// Whatever has been written when the agent is killed, it has a key that its peers know.
#[test]
fn a_kill_between_any_two_writes_leaves_a_key_that_peers_know() {
    let home = tempfile::tempdir().unwrap();
    let identity = asked(home.path());
    let old = identity.fingerprint();
    identity.rotate(&[peer(1)], NOW).unwrap();
    let new = identity.next().unwrap();
    let reopen = || Identity::open(home.path()).unwrap();
    // The new key without its record: it begins anew.
    let record = home.path().join(RECORD_FILE);
    std::fs::remove_file(&record).unwrap();
    let identity = reopen();
    assert_eq!((identity.fingerprint(), identity.next()), (old, Some(new)));
    assert!(!identity.rotate(&[peer(1)], NOW + DAY).unwrap(), "the time of the overlap begins here");
    assert!(!identity.rotate(&[peer(1)], NOW + LONGEST_OVERLAP).unwrap());
    identity.acknowledge(peer(1), new, NOW).unwrap();
    let next = std::fs::read(home.path().join(NEXT_FILE)).unwrap();
    let kept = std::fs::read(&record).unwrap();
    assert!(identity.rotate(&[peer(1)], NOW + LONGEST_OVERLAP).unwrap());
    // The new key has taken the old one's place, and nothing was removed yet; then the key alone.
    std::fs::write(home.path().join(NEXT_FILE), &next).unwrap();
    std::fs::set_permissions(
        home.path().join(NEXT_FILE),
        std::os::unix::fs::PermissionsExt::from_mode(0o600),
    )
    .unwrap();
    std::fs::write(&record, &kept).unwrap();
    let identity = reopen();
    assert_eq!((identity.fingerprint(), identity.next()), (new, None));
    std::fs::write(&record, &kept).unwrap();
    let identity = reopen();
    assert_eq!((identity.fingerprint(), identity.next()), (new, None));
    assert!(!record.exists());
}

#[test]
fn a_proof_holds_for_one_connection_of_one_agent() {
    let home = tempfile::tempdir().unwrap();
    let identity = asked(home.path());
    assert_eq!(identity.proof(&EXPORTER), None);
    identity.rotate(&[peer(1)], NOW).unwrap();
    let proof = identity.proof(&EXPORTER).unwrap();
    assert_eq!(proof.check(&EXPORTER, identity.agent()), identity.next());
    assert_eq!(proof.check(&[4; 32], identity.agent()), None, "another connection");
    assert_eq!(proof.check(&EXPORTER, peer(1)), None, "another agent");
    let other = Proof { new: Hex([5; 32]), ..proof };
    assert_eq!(other.check(&EXPORTER, identity.agent()), None, "another key");
}
