use super::*;
use proptest::prelude::*;
use rand_core::OsRng;

fn party(name: u8) -> Party {
    Party { agent: AgentId::from_bytes([name; 16]), key: Fingerprint::of_public_key(&[name]) }
}

fn binding() -> Binding {
    Binding::new(&[7; 32], &party(1), &party(2))
}

/// Runs a whole pairing; each side has its own idea of the code and of the connection.
fn pair(offer: &Offer, code: Code, at_claimer: Binding, at_offerer: Binding) -> Result<(), HandshakeError> {
    let (ke1, claim) = Claim::start(code, &mut OsRng);
    let (ke2, challenged) = offer.challenge(&ke1, at_offerer, &mut OsRng)?;
    let (ke3, proved) = claim.answer(&ke2, at_claimer, &mut OsRng)?;
    let at_b = challenged.verify(&ke3)?;
    let at_a = proved.accepted(&at_b.accept())?;
    at_b.check_done(&at_a.done())
}

#[test]
fn the_right_code_pairs_as_often_as_it_is_asked() {
    let offer = Offer::new(&mut OsRng);
    for _ in 0..2 {
        assert_eq!(pair(&offer, offer.code().clone(), binding(), binding()), Ok(()));
    }
}

#[test]
fn another_code_does_not() {
    let offer = Offer::new(&mut OsRng);
    let other = loop {
        let code = Code::draw(&mut OsRng);
        if code != *offer.code() {
            break code;
        }
    };
    assert_eq!(pair(&offer, other, binding(), binding()), Err(HandshakeError::WrongCode));
}

/// Each part of the binding counts: the connection, both keys, both names, and who is who.
#[test]
fn who_sits_in_between_has_another_binding() {
    let offer = Offer::new(&mut OsRng);
    let others = [
        Binding::new(&[8; 32], &party(1), &party(2)),
        Binding::new(&[7; 32], &party(3), &party(2)),
        Binding::new(&[7; 32], &party(1), &party(3)),
        Binding::new(&[7; 32], &party(2), &party(1)),
        Binding::new(&[7; 32], &Party { agent: party(3).agent, ..party(1) }, &party(2)),
        Binding::new(&[7; 32], &party(1), &Party { agent: party(3).agent, ..party(2) }),
    ];
    for other in others {
        let outcome = pair(&offer, offer.code().clone(), other, binding());
        assert_eq!(outcome, Err(HandshakeError::WrongCode));
    }
}

/// What a listener recorded is of no use, even when he learns the code's offer is still open.
#[test]
fn a_recorded_proof_fits_no_other_challenge() {
    let offer = Offer::new(&mut OsRng);
    let (ke1, claim) = Claim::start(offer.code().clone(), &mut OsRng);
    let (ke2, first) = offer.challenge(&ke1, binding(), &mut OsRng).unwrap();
    let (ke3, _) = claim.answer(&ke2, binding(), &mut OsRng).unwrap();
    let (_, second) = offer.challenge(&ke1, binding(), &mut OsRng).unwrap();
    assert_eq!(second.verify(&ke3).err(), Some(HandshakeError::WrongCode));
    assert!(first.verify(&ke3).is_ok());
}

#[test]
fn confirmations_are_not_interchangeable() {
    let offer = Offer::new(&mut OsRng);
    let (ke1, claim) = Claim::start(offer.code().clone(), &mut OsRng);
    let (ke2, challenged) = offer.challenge(&ke1, binding(), &mut OsRng).unwrap();
    let (ke3, proved) = claim.answer(&ke2, binding(), &mut OsRng).unwrap();
    let session = challenged.verify(&ke3).unwrap();
    assert_eq!(session.check_done(&session.accept()), Err(HandshakeError::WrongCode));
    assert_eq!(proved.accepted(&session.done()).err(), Some(HandshakeError::WrongCode));
}

/// Few, since each of them takes elliptic curves; as many as are asked for when somebody asks.
fn cases() -> ProptestConfig {
    match std::env::var_os("PROPTEST_CASES") {
        Some(_) => ProptestConfig::default(),
        None => ProptestConfig::with_cases(64),
    }
}

proptest! {
    #![proptest_config(cases())]
    #[test]
    fn fuzz_messages(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let offer = Offer::new(&mut OsRng);
        let _ = offer.challenge(&bytes, binding(), &mut OsRng);
        let (ke1, claim) = Claim::start(offer.code().clone(), &mut OsRng);
        prop_assert!(claim.answer(&bytes, binding(), &mut OsRng).is_err());
        let (_, challenged) = offer.challenge(&ke1, binding(), &mut OsRng).unwrap();
        prop_assert!(challenged.verify(&bytes).is_err());
    }
}
