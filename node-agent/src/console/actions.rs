//! What people do: each action writes one API object, as `kubectl` would, and says why where that is refused.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use kube::api::{DeleteParams, ObjectMeta, PostParams};
use kube::{Api, Client};
use lineshaft_api_client::sentence;
use lineshaft_crds::mesh_peer::{MeshPeerSpec, PeerSource};
use lineshaft_crds::pairing::{Approval, Claim, Offer, PairingSpec, PeerRef};
use lineshaft_crds::{MeshPeer, MeshSubscription, Pairing};
use serde_json::json;

use super::Console;
use super::page::{Asked, show};
use super::place::{Place, RuntimeName};
use super::visitor::{Posted, Visitor};

/// Who the API server says wrote a field.
const MANAGER: &str = "lineshaft-console";

/// `POST /network/peers`
pub(crate) async fn add_peer(State(console): State<Arc<Console>>, posted: Posted) -> Response {
    let address = posted.get("address").to_owned();
    let spec =
        MeshPeerSpec { source: PeerSource::Manual, addresses: vec![address], allowed_namespaces: Vec::new() };
    let done =
        create(&console, &posted.visitor, "peer-", |metadata| MeshPeer { metadata, spec, status: None });
    answer(&console, &posted.visitor, Place::Discovery, done.await).await
}

/// `POST /network/peers/{name}/remove`
pub(crate) async fn remove_peer(
    State(console): State<Arc<Console>>,
    Path(name): Path<String>,
    posted: Posted,
) -> Response {
    let done = delete::<MeshPeer>(&console, &posted.visitor, &name).await;
    answer(&console, &posted.visitor, Place::Discovery, done).await
}

/// `POST /network/pairing/offer`
pub(crate) async fn offer(State(console): State<Arc<Console>>, posted: Posted) -> Response {
    let spec = PairingSpec {
        node_name: console.node_name.clone(),
        approval: Approval::default(),
        offer: Some(Offer::default()),
        claim: None,
    };
    let done =
        create(&console, &posted.visitor, "offer-", |metadata| Pairing { metadata, spec, status: None });
    answer(&console, &posted.visitor, Place::Pairing, done.await).await
}

/// `POST /network/pairing/claim`
pub(crate) async fn claim(State(console): State<Arc<Console>>, posted: Posted) -> Response {
    let claim = match claimed(posted.get("peer"), posted.get("address"), posted.get("code")) {
        Ok(claim) => claim,
        Err(why) => return answer(&console, &posted.visitor, Place::Pairing, Err(why.to_owned())).await,
    };
    let spec = PairingSpec {
        node_name: console.node_name.clone(),
        approval: Approval::default(),
        offer: None,
        claim: Some(claim),
    };
    let done =
        create(&console, &posted.visitor, "claim-", |metadata| Pairing { metadata, spec, status: None });
    answer(&console, &posted.visitor, Place::Pairing, done.await).await
}

/// `POST /network/pairing/{name}/revoke`
pub(crate) async fn revoke(
    State(console): State<Arc<Console>>,
    Path(name): Path<String>,
    posted: Posted,
) -> Response {
    let done = delete::<Pairing>(&console, &posted.visitor, &name).await;
    answer(&console, &posted.visitor, Place::Pairing, done).await
}

/// `POST /network/mesh/subscribe`
pub(crate) async fn subscribe(State(console): State<Arc<Console>>, posted: Posted) -> Response {
    let wanted = subscription(posted.get("runtime"), posted.get("from"), posted.get("to"));
    let done = match wanted {
        Ok(object) => create_in(&console, &posted.visitor, object).await,
        Err(why) => Err(why.to_owned()),
    };
    answer(&console, &posted.visitor, Place::Mesh, done).await
}

/// A peer of the list, or an address; a code with or without its dash.
fn claimed(peer: &str, address: &str, code: &str) -> Result<Claim, &'static str> {
    let (peer, address) =
        (Some(peer).filter(|peer| !peer.is_empty()), Some(address).filter(|a| !a.is_empty()));
    let digits: String = code.chars().filter(|c| !c.is_whitespace() && *c != '-').collect();
    let (true, Some((one, two))) =
        (digits.len() == 8 && digits.bytes().all(|b| b.is_ascii_digit()), digits.split_at_checked(4))
    else {
        return Err("A code has eight digits, such as 4821-7730.");
    };
    let code = format!("{one}-{two}");
    match (peer, address) {
        (Some(name), None) => {
            Ok(Claim { peer_ref: Some(PeerRef { name: name.to_owned() }), address: None, code })
        }
        (None, Some(address)) => Ok(Claim { peer_ref: None, address: Some(address.to_owned()), code }),
        (Some(_), Some(_)) => Err("Choose a peer or give an address, not both."),
        (None, None) => Err("Choose a peer, or give an address."),
    }
}

/// `PEER:VARIABLE` into a variable of a runtime.
fn subscription(runtime: &str, from: &str, to: &str) -> Result<MeshSubscription, &'static str> {
    let runtime = RuntimeName::parse(runtime).ok_or("Choose the runtime that receives.")?;
    let (publisher, variable) = from
        .split_once(':')
        .filter(|(publisher, variable)| !publisher.is_empty() && !variable.is_empty())
        .ok_or("Say what to receive as PEER:VARIABLE, such as LineB:Status.PLCState.")?;
    if to.is_empty() {
        return Err("Say which variable of the program receives.");
    }
    let object = json!({
        "apiVersion": "lineshaft.dev/v1alpha1",
        "kind": "MeshSubscription",
        "metadata": {"generateName": format!("{}-", runtime.name), "namespace": runtime.namespace},
        "spec": {
            "runtimeRef": {"name": runtime.name},
            "subscribe": [{"to": to, "from": {"peer": publisher, "variable": variable}}],
        },
    });
    serde_json::from_value(object).map_err(|_| "This cannot be subscribed.")
}

fn client(console: &Console, visitor: &Visitor) -> Result<Client, String> {
    match visitor.person() {
        Some(person) => Ok(person.client()),
        None => {
            console.client.borrow().clone().ok_or_else(|| "The API server has not answered yet.".to_owned())
        }
    }
}

fn params() -> PostParams {
    PostParams { field_manager: Some(MANAGER.to_owned()), ..PostParams::default() }
}

async fn create<K>(
    console: &Console,
    visitor: &Visitor,
    prefix: &str,
    object: impl FnOnce(ObjectMeta) -> K,
) -> Result<(), String>
where
    K: kube::Resource<DynamicType = ()>
        + Clone
        + std::fmt::Debug
        + serde::Serialize
        + serde::de::DeserializeOwned,
{
    let metadata = ObjectMeta { generate_name: Some(prefix.to_owned()), ..ObjectMeta::default() };
    let api: Api<K> = Api::all(client(console, visitor)?);
    api.create(&params(), &object(metadata)).await.map(|_| ()).map_err(|error| sentence(&error))
}

async fn create_in(console: &Console, visitor: &Visitor, object: MeshSubscription) -> Result<(), String> {
    let namespace = object.metadata.namespace.clone().unwrap_or_default();
    let api: Api<MeshSubscription> = Api::namespaced(client(console, visitor)?, &namespace);
    api.create(&params(), &object).await.map(|_| ()).map_err(|error| sentence(&error))
}

async fn delete<K>(console: &Console, visitor: &Visitor, name: &str) -> Result<(), String>
where
    K: kube::Resource<DynamicType = ()> + Clone + std::fmt::Debug + serde::de::DeserializeOwned,
{
    let api: Api<K> = Api::all(client(console, visitor)?);
    match api.delete(name, &DeleteParams::default()).await {
        Ok(_) => Ok(()),
        // Somebody else was faster.
        Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
        Err(error) => Err(sentence(&error)),
    }
}

/// Back to the page, so that loading it again repeats nothing; or the page with what went wrong.
async fn answer(console: &Console, visitor: &Visitor, place: Place, done: Result<(), String>) -> Response {
    match done {
        Ok(()) => Redirect::to(&place.path()).into_response(),
        Err(why) => show(console, visitor, Asked { place, query: BTreeMap::new(), failed: Some(why) }).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claims_name_one_other_side_and_a_whole_code() {
        for code in ["4821-7730", "48217730", " 4821 7730 "] {
            assert_eq!(claimed("lineb", "", code).unwrap().code, "4821-7730");
        }
        assert_eq!(
            claimed("", "10.9.0.2:5210", "4821-7730").unwrap().address.as_deref(),
            Some("10.9.0.2:5210")
        );
        for code in ["", "4821-773", "4821-77300", "4821-773x", "４８２１７７３０"] {
            assert!(claimed("lineb", "", code).is_err(), "{code}");
        }
        assert!(claimed("", "", "4821-7730").is_err());
        assert!(claimed("lineb", "10.9.0.2:5210", "4821-7730").is_err());
    }

    #[test]
    fn subscriptions_are_written_as_the_mesh_names_things() {
        let object = subscription("line-a.plca", "LineB:Status.PLCState", "Status.RemoteState").unwrap();
        assert_eq!(object.metadata.namespace.as_deref(), Some("line-a"));
        assert_eq!(object.spec.runtime_ref.name, "plca");
        assert_eq!(object.spec.subscribe[0].from.peer.as_deref(), Some("LineB"));
        assert_eq!(object.spec.subscribe[0].from.variable, "Status.PLCState");
        for (runtime, from, to) in [
            ("plca", "a:b", "c"),
            ("n.p", "b", "c"),
            ("n.p", ":b", "c"),
            ("n.p", "a:", "c"),
            ("n.p", "a:b", ""),
        ] {
            assert!(subscription(runtime, from, to).is_err(), "{runtime} {from} {to}");
        }
    }
}
