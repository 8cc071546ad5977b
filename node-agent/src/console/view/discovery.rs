//! Discovery: peers, whether they are trusted, and what is wrong with their names.

use std::net::SocketAddr;

use jiff::Timestamp;
use kube::ResourceExt;
use lineshaft_crds::condition::find;
use lineshaft_crds::mesh_peer::{PeerSource, Trust, conditions};
use lineshaft_crds::{MeshPeer, MeshPeerStatus};

use super::{Cell, Part, Row, Table, Tone, ago};

/// Digits of a runtime's identity that a page shows.
const ID_DIGITS: usize = 8;

/// The page.
pub(crate) fn parts(peers: &[impl AsRef<MeshPeer>], now: Timestamp) -> Vec<Part> {
    let table = Table {
        id: "peers",
        title: "Peers".to_owned(),
        columns: &["Peer", "Trust", "Address", "Reachable", "Name", "Publishes", "Console", "Actions"],
        rows: peers.iter().map(|peer| row(peer.as_ref(), now)).collect(),
        empty: "No peer is seen. Peers announce themselves on the local network; one that is elsewhere is added below.",
    };
    vec![table.part()]
}

/// `peer-6f1c2a9e`, or the object's name while nobody knows who it is.
fn row(peer: &MeshPeer, now: Timestamp) -> Row {
    let status = peer.status.clone().unwrap_or_default();
    let name = peer.name_any();
    let id = status.runtime_id.as_deref().and_then(|id| id.get(..ID_DIGITS)).unwrap_or(&name);
    let service = status.service_name.clone().unwrap_or_else(|| name.clone());
    let site = status.site.as_ref().map(|site| format!(", site {site}")).unwrap_or_default();
    let action = match (peer.spec.source, status.trust) {
        (_, None | Some(Trust::Unpaired | Trust::RevokedByPeer | Trust::KeyMismatch)) => {
            Cell::new("Pair").href(format!("/network/pairing?peer={name}"))
        }
        (PeerSource::Manual, _) => Cell::new("Remove").href(format!("/network/peers/{name}/remove")),
        (PeerSource::Discovered, _) => Cell::new(""),
    };
    Row {
        id: format!("peer-{id}"),
        cells: vec![
            Cell::new(service).note(format!("{name}{site}")),
            trust(&status),
            address(peer, &status, now),
            Cell::condition(&status.conditions, conditions::REACHABLE),
            name_unique(&status),
            Cell::maybe(status.published_variables),
            console(&status),
            action,
        ],
    }
}

fn trust(status: &MeshPeerStatus) -> Cell {
    let (text, tone) = match status.trust {
        None => ("Unknown", Tone::Doubtful),
        Some(Trust::Unpaired) => ("Unpaired", Tone::Doubtful),
        Some(Trust::Paired) => ("Paired", Tone::Good),
        Some(Trust::RevokedByPeer) => ("Revoked by peer", Tone::Bad),
        Some(Trust::KeyMismatch) => ("Another key", Tone::Bad),
    };
    let message = find(&status.conditions, conditions::TRUSTED).map(|condition| condition.message.clone());
    let note = if tone == Tone::Good { None } else { message };
    Cell::new(text).tone(tone).note(note.unwrap_or_default())
}

fn address(peer: &MeshPeer, status: &MeshPeerStatus, now: Timestamp) -> Cell {
    let seen = status.observers.iter().find(|observer| !observer.addresses.is_empty());
    let Some(seen) = seen else { return Cell::maybe(peer.spec.addresses.first()) };
    let interfaces = seen.interfaces.join(", ");
    let since = seen.last_seen.as_ref().map(|time| ago(now.as_second() - time.0.as_second()));
    let last = since.map(|since| format!("seen {since} ago by {}", seen.node_name));
    let note = [interfaces, last.unwrap_or_default()];
    let note: Vec<&str> = note.iter().map(String::as_str).filter(|text| !text.is_empty()).collect();
    Cell::new(seen.addresses[0].clone()).note(note.join(", "))
}

fn name_unique(status: &MeshPeerStatus) -> Cell {
    match find(&status.conditions, conditions::NAME_UNIQUE) {
        Some(condition) if !condition.is_true() => {
            Cell::condition(&status.conditions, conditions::NAME_UNIQUE)
        }
        _ => Cell::new("unique"),
    }
}

/// A link to the peer's own console, at the address at which it is seen. What a peer says is never a link by itself.
fn console(status: &MeshPeerStatus) -> Cell {
    let mut seen = status.observers.iter().flat_map(|observer| &observer.addresses);
    let address = seen.find_map(|address| address.parse::<SocketAddr>().ok());
    let port = status.console_port.and_then(|port| u16::try_from(port).ok());
    match (address, port) {
        (Some(address), Some(port)) => {
            let target = SocketAddr::new(address.ip(), port);
            Cell::new("open").href(format!("http://{target}/"))
        }
        _ => Cell::new("–"),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::{Value, json};

    use super::super::tests::object;
    use super::*;

    #[allow(clippy::needless_pass_by_value, reason = "`json!` reads best where it is passed")]
    fn peer(source: &str, status: Value) -> Arc<MeshPeer> {
        let mut spec = json!({"source": source});
        if source == "Manual" {
            spec["addresses"] = json!(["10.9.0.2:5210"]);
        }
        object(
            json!({"apiVersion": "lineshaft.dev/v1alpha1", "kind": "MeshPeer", "metadata": {"name": "lineb-6f1c2a9e"},
            "spec": spec, "status": status}),
        )
    }

    fn html(peer: Arc<MeshPeer>) -> String {
        parts(&[peer], "2026-11-21T08:02:00Z".parse().unwrap())[0].html.clone()
    }

    #[test]
    fn a_peer_that_is_seen() {
        let seen = html(peer(
            "Discovered",
            json!({
                "serviceName": "LineB", "runtimeID": "6f1c2a9e-0000-4000-8000-000000000000", "trust": "Unpaired",
                "publishedVariables": 3, "consolePort": 9480, "site": "north",
                "observers": [{"nodeName": "edge-a", "addresses": ["[fe80::2]:5210"], "interfaces": ["eth0"], "lastSeen": "2026-11-21T08:00:00Z"}],
                "conditions": [{"type": "NameUnique", "status": "False", "reason": "NameConflict", "message": "lineb-2 has it too", "lastTransitionTime": "2026-11-21T08:00:00Z"}],
            }),
        ));
        for text in [
            "id=\"peer-6f1c2a9e\"",
            "LineB",
            "lineb-6f1c2a9e, site north",
            "Unpaired",
            "eth0, seen 2 min ago by edge-a",
            "NameConflict",
            "lineb-2 has it too",
            "http://[fe80::2]:9480/",
            "/network/pairing?peer=lineb-6f1c2a9e",
        ] {
            assert!(seen.contains(text), "{text}: {seen}");
        }
    }

    #[test]
    fn a_peer_that_nobody_has_seen_yet() {
        let added = html(peer("Manual", json!({})));
        assert!(added.contains("id=\"peer-lineb-6f1c2a9e\"") && added.contains("10.9.0.2:5210"), "{added}");
    }

    #[test]
    fn trust_that_was_lost_stands_out() {
        for (trust, class) in
            [("Paired", "good"), ("Unpaired", "doubtful"), ("RevokedByPeer", "bad"), ("KeyMismatch", "bad")]
        {
            let html = html(peer("Manual", json!({"trust": trust})));
            assert!(html.contains(&format!("class=\"{class}\"")), "{trust}: {html}");
        }
        assert!(
            html(peer("Manual", json!({"trust": "Paired"}))).contains("/network/peers/lineb-6f1c2a9e/remove")
        );
    }
}
