//! Who is not trusted: wrong protocols, wrong keys, no key.

use lineshaft_attacker::{End, Knock, Order};

use crate::lan::Lan;
use crate::site::{SOON, Site, homes, wait};

/// TLS alerts.
const CERTIFICATE_REQUIRED: u8 = 116;
const NO_APPLICATION_PROTOCOL: u8 = 120;
const PROTOCOL_VERSION: u8 = 70;
const ACCESS_DENIED: u8 = 49;
/// Close code of the mesh.
const UNTRUSTED: u64 = 1;

#[test]
fn a_stranger_gets_no_further_than_the_handshake() {
    let (lan, homes) = (Lan::new(), homes());
    let b = Site::start("LineB", &lan.b, "10.9.0.2:5210", homes[&'b'].path());
    let knock = |protocol: &str, certificate, old_tls| {
        let knock = Knock { protocol: protocol.to_owned(), certificate, old_tls };
        lan.end_of(&Order::Knock { at: b.address, knock })
    };
    assert_eq!(knock("lineshaft-mesh/1", true, true), End::Alert(PROTOCOL_VERSION), "TLS 1.2");
    for protocol in ["lineshaft-mesh/0", "lineshaft-pair/0", "h3", "hq-29"] {
        assert_eq!(knock(protocol, true, false), End::Alert(NO_APPLICATION_PROTOCOL), "{protocol}");
    }
    for protocol in ["lineshaft-mesh/1", "lineshaft-pair/1"] {
        assert_eq!(knock(protocol, false, false), End::Alert(CERTIFICATE_REQUIRED), "{protocol}");
        assert_eq!(knock(protocol, true, false), End::Alert(ACCESS_DENIED), "{protocol}, nothing is offered");
    }

    assert_eq!(b.hub.refusals().into_iter().collect::<Vec<_>>(), [("handshake", 9)]);

    // While a pairing is offered a stranger may finish the handshake, and still gets no values.
    let code = b.offers.offer(SOON, "uid".into()).unwrap();
    assert_eq!(knock("lineshaft-mesh/1", false, false), End::Alert(CERTIFICATE_REQUIRED));
    assert_eq!(knock("lineshaft-mesh/1", true, false), End::Closed(UNTRUSTED));
    // Who opens a pairing and says nothing keeps nobody from it, and uses nothing up.
    assert_eq!(knock("lineshaft-pair/1", true, false), End::Open);
    assert_eq!(b.offers.attempts_left(), 3);
    let a = Site::start("LineA", &lan.a, "10.9.0.1:5210", homes[&'a'].path());
    a.claim(b.address, code).unwrap();
    wait("the pins", || b.trust.pins().len() == 1 && a.trust.pins().len() == 1);
    assert_eq!(knock("lineshaft-pair/1", true, false), End::Alert(ACCESS_DENIED), "the offer is over");
}
