//! Names by which runtimes announce themselves, and who else has one. Pure.

use lineshaft_crds::{MeshPeer, PlcRuntime};

/// The name by which a runtime of this site announces itself, if it does.
pub(crate) fn announced(plc: &PlcRuntime) -> Option<&str> {
    let discovery = plc.spec.discovery.as_ref().filter(|discovery| discovery.advertise)?;
    discovery.service_name.as_deref().or(plc.metadata.name.as_deref())
}

/// Who else has the name of a peer, in the order of their names; `None` as long as the peer has not said its own.
pub(super) fn others_of_that_name(
    peer: &MeshPeer,
    peers: &[MeshPeer],
    runtimes: &[PlcRuntime],
) -> Option<Vec<String>> {
    let (name, id) = identity(peer)?;
    // Names travel in DNS, which does not tell cases apart.
    let same = |other: &str| other.eq_ignore_ascii_case(name);
    let mut others: Vec<String> = peers
        .iter()
        .filter(|other| identity(other).is_some_and(|(name, other)| same(name) && other != id))
        .map(|other| format!("MeshPeer {}", other.metadata.name.as_deref().unwrap_or_default()))
        .collect();
    let own = runtimes.iter().filter(|plc| plc.metadata.uid.as_deref() != Some(id));
    others.extend(own.filter(|plc| announced(plc).is_some_and(same)).map(|plc| {
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        format!("PlcRuntime {}/{} of this site", text(&plc.metadata.namespace), text(&plc.metadata.name))
    }));
    others.sort();
    Some(others)
}

fn identity(peer: &MeshPeer) -> Option<(&str, &str)> {
    let status = peer.status.as_ref()?;
    Some((status.service_name.as_deref()?, status.runtime_id.as_deref()?))
}
