//! `lineshaft peers`, and which peer a word means.

use std::process::ExitCode;

use kube::api::ListParams;
use kube::{Api, ResourceExt};
use lineshaft_crds::{MeshPeer, condition, mesh_peer};

use super::MeshError;
use super::client::Cluster;
use super::table::{or_dash, print};
use crate::failure::Failure;
use crate::spelling;

async fn all(cluster: &Cluster) -> Result<Vec<MeshPeer>, MeshError> {
    let peers = Api::<MeshPeer>::all(cluster.client.clone()).list(&ListParams::default()).await;
    Ok(peers.map_err(MeshError::api("list the peers"))?.items)
}

/// Prints all of them.
pub(super) async fn list(cluster: &Cluster) -> Result<ExitCode, Failure> {
    let mut peers = all(cluster).await?;
    peers.sort_by_key(|peer| (service_name(peer).to_lowercase(), peer.name_any()));
    let rows: Vec<_> = peers.iter().map(row).collect();
    let heading = ["SERVICE", "NAME", "TRUST", "ADDRESS", "PUBLISHED", "READY", "REASON"];
    print(heading, &rows, "no peers: none has announced itself, and none was added by hand")?;
    Ok(ExitCode::SUCCESS)
}

fn row(peer: &MeshPeer) -> [String; 7] {
    let status = peer.status.clone().unwrap_or_default();
    let seen = status.observers.first().and_then(|observer| observer.addresses.first());
    let ready = condition::find(&status.conditions, mesh_peer::conditions::READY);
    [
        or_dash(status.service_name.as_ref()),
        peer.name_any(),
        or_dash(status.trust.map(|trust| format!("{trust:?}"))),
        or_dash(seen.or(peer.spec.addresses.first())),
        or_dash(status.published_variables),
        or_dash(ready.map(|ready| format!("{:?}", ready.status))),
        or_dash(ready.map(|ready| &ready.reason)),
    ]
}

fn service_name(peer: &MeshPeer) -> String {
    peer.status.as_ref().and_then(|status| status.service_name.clone()).unwrap_or_default()
}

/// The name of the object that a person means by its name or by its service name.
pub(super) async fn find(cluster: &Cluster, word: &str) -> Result<String, MeshError> {
    let peers = all(cluster).await?;
    if peers.iter().any(|peer| peer.name_any() == word) {
        return Ok(word.to_owned());
    }
    let mut named: Vec<String> = peers
        .iter()
        .filter(|peer| service_name(peer).eq_ignore_ascii_case(word))
        .map(ResourceExt::name_any)
        .collect();
    named.sort();
    match named.as_slice() {
        [only] => Ok(only.clone()),
        [] => {
            let known: Vec<String> =
                peers.iter().flat_map(|peer| [peer.name_any(), service_name(peer)]).collect();
            let hint = spelling::hint(word, known.iter().map(String::as_str));
            Err(MeshError::Said(format!(
                "there is no peer {word:?}{hint}: see `lineshaft peers`, or give its HOST:PORT"
            )))
        }
        several => Err(MeshError::Said(format!(
            "several peers say that they are {word:?}, and one may pose as the other: name the object: {}",
            several.join(", ")
        ))),
    }
}
