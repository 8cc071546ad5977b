//! Somebody who says that he is LineB: in multicast DNS, and at an address.

use lineshaft_attacker::{Answer, End, Order};
use lineshaft_mesh::discovery::{Advert, RuntimeId};

use crate::lan::Lan;
use crate::site::{SCAN, Site, homes, wait};

/// Name, id, agent and fingerprint of B with another address: A dials it, the key does not fit, and B's own address
/// is tried.
#[test]
fn a_copied_advert_leads_to_a_dial_that_fails_in_tls() {
    let (lan, homes) = (Lan::new(), homes());
    let a = Site::start("LineA", &lan.a, "10.9.0.1:5210", homes[&'a'].path());
    let b = Site::start("LineB", &lan.b, "10.9.0.2:5210", homes[&'b'].path());
    a.trusts(&b.identity);
    b.trusts(&a.identity);
    let advert = Advert {
        runtime: RuntimeId::from_bytes([2; 16]),
        name: "LineB".parse().unwrap(),
        agent: b.agent(),
        site: "site-b".parse().unwrap(),
        key: b.identity.fingerprint(),
        version: "0.1.0".parse().unwrap(),
        published: 1,
        console_port: 0,
        pairing: false,
    };
    let record = advert.to_txt().iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
    let listen = "10.9.0.66:5210".parse().unwrap();
    let mut impostor = lan.attacker(&Order::Impersonate { listen, record, port: 5353 });
    assert_eq!(impostor.next(), Some(Answer::Ready));
    let astray = a.hears_of(b.agent());
    assert_eq!(astray, [listen], "the copy is believed as far as an advert goes");
    a.subscribes(b.agent(), "LineB", vec![listen]);
    // A judges the key of a server itself: the impostor sees A's alert, no name, no values.
    assert_eq!(impostor.next(), Some(Answer::Ended(End::Alert(49))));
    wait("the mismatch", || a.link(b.agent()).key_mismatch.is_some());
    a.subscribes(b.agent(), "LineB", vec![listen, b.address]);
    a.wait_fresh();
    let link = a.link(b.agent());
    assert_eq!((link.address, link.key_mismatch), (Some(b.address), None));
    // From then on the impostor changes nothing.
    let (silence, ()) = a.longest_silence(|| std::thread::sleep(50 * SCAN));
    assert!(silence < 50 * SCAN, "{silence:?}");
}
