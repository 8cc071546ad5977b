//! Pairing: the code of an open offer, and all pairings.

use askama::Template;
use jiff::Timestamp;
use kube::ResourceExt;
use lineshaft_crds::Pairing;
use lineshaft_crds::pairing::{Approval, conditions};

use super::{Cell, Part, Row, Table, ago, part};

#[derive(Template)]
#[template(path = "console/code.html")]
struct Code {
    offers: Vec<Offer>,
}

struct Offer {
    code: String,
    left: String,
    attempts: String,
}

/// The page.
pub(crate) fn parts(pairings: &[impl AsRef<Pairing>], now: Timestamp) -> Vec<Part> {
    let table = Table {
        id: "pairings",
        title: "Pairings".to_owned(),
        columns: &["Pairing", "Side", "Peer", "State", "Approval", "Age", "Actions"],
        rows: pairings.iter().map(|pairing| row(pairing.as_ref(), now)).collect(),
        empty: "This host is paired with nobody.",
    };
    let offers = pairings.iter().filter_map(|pairing| offer(pairing.as_ref(), now)).collect();
    vec![part("pair-code", &Code { offers }), table.part()]
}

/// What a person reads out to the other side, while it is good for something.
fn offer(pairing: &Pairing, now: Timestamp) -> Option<Offer> {
    let status = pairing.status.as_ref()?;
    let code = status.code.clone()?;
    let seconds = status.expires_at.as_ref()?.0.as_second() - now.as_second();
    if seconds <= 0 || pairing.metadata.deletion_timestamp.is_some() {
        return None;
    }
    let attempts = match status.attempts_left {
        Some(1) => "one attempt is left".to_owned(),
        Some(left) => format!("{left} attempts are left"),
        None => String::new(),
    };
    Some(Offer { code, left: format!("{}:{:02}", seconds / 60, seconds % 60), attempts })
}

fn row(pairing: &Pairing, now: Timestamp) -> Row {
    let name = pairing.name_any();
    let status = pairing.status.clone().unwrap_or_default();
    let side = if pairing.spec.offer.is_some() { "offers" } else { "claims" };
    let peer = if let Some(peer) = &status.peer {
        let agent = peer.name.clone().unwrap_or_else(|| peer.agent_id.clone());
        Cell::new(agent).note(peer.runtimes.join(", "))
    } else {
        let claim = pairing.spec.claim.as_ref();
        let wanted = claim.and_then(|claim| {
            claim.peer_ref.as_ref().map(|peer| peer.name.clone()).or_else(|| claim.address.clone())
        });
        Cell::maybe(wanted)
    };
    let approval = match pairing.spec.approval {
        Approval::Approved => Cell::new("approved"),
        Approval::Pending => Cell::condition(&status.conditions, conditions::APPROVED),
    };
    let created = pairing.creation_timestamp().map(|time| ago(now.as_second() - time.0.as_second()));
    let action = if pairing.metadata.deletion_timestamp.is_some() {
        Cell::new("being revoked")
    } else {
        Cell::new("Revoke").href(format!("/network/pairing/{name}/revoke"))
    };
    Row {
        id: format!("pairing-{name}"),
        cells: vec![
            Cell::new(name).note(pairing.spec.node_name.clone()),
            Cell::new(side),
            peer,
            Cell::condition(&status.conditions, conditions::PAIRED),
            approval,
            Cell::maybe(created),
            action,
        ],
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::{Value, json};

    use super::super::tests::object;
    use super::*;

    #[allow(clippy::needless_pass_by_value, reason = "`json!` reads best where it is passed")]
    fn pairing(spec: Value, status: Value) -> Arc<Pairing> {
        let mut whole = json!({"apiVersion": "lineshaft.dev/v1alpha1", "kind": "Pairing",
            "metadata": {"name": "for-linea"}, "spec": spec, "status": status});
        whole["spec"]["nodeName"] = json!("edge-b");
        object(whole)
    }

    fn at(time: &str, pairing: Arc<Pairing>) -> [String; 2] {
        let parts = parts(&[pairing], time.parse().unwrap());
        [parts[0].html.clone(), parts[1].html.clone()]
    }

    #[test]
    fn a_code_counts_down_and_goes() {
        let offered = pairing(
            json!({"offer": {"ttlSeconds": 300}}),
            json!({
                "code": "4821-7730", "expiresAt": "2026-11-21T08:05:00Z", "attemptsLeft": 3,
                "conditions": [{"type": "Paired", "status": "False", "reason": "AwaitingClaim", "message": "", "lastTransitionTime": "2026-11-21T08:00:00Z"}],
            }),
        );
        let [code, table] = at("2026-11-21T08:00:55Z", offered.clone());
        for text in ["id=\"pair-code\"", "4821-7730", "4:05", "3 attempts are left"] {
            assert!(code.contains(text), "{text}: {code}");
        }
        for text in
            ["id=\"pairing-for-linea\"", "AwaitingClaim", "/network/pairing/for-linea/revoke", "edge-b"]
        {
            assert!(table.contains(text), "{text}: {table}");
        }
        let [code, _] = at("2026-11-21T08:05:00Z", offered);
        assert!(!code.contains("4821-7730") && code.contains("hidden"), "{code}");
    }

    #[test]
    fn both_sides_of_a_pairing() {
        let claim = json!({"claim": {"peerRef": {"name": "lineb"}, "code": "4821-7730"}});
        let [_, table] = at("2026-11-21T08:00:00Z", pairing(claim.clone(), json!({})));
        assert!(table.contains("lineb") && table.contains("claims") && !table.contains("4821"), "{table}");
        let paired = json!({"peer": {"agentID": "0c9e0000-0000-4000-8000-000000000000", "name": "edge-a",
            "fingerprint": "sha256:00", "runtimes": ["LineA"]}});
        let [_, table] = at("2026-11-21T08:00:00Z", pairing(claim, paired));
        assert!(table.contains("edge-a") && table.contains("LineA"), "{table}");
    }
}
