//! `lineshaft pair`.

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use kube::api::{DeleteParams, ListParams, PostParams};
use kube::runtime::wait::{await_condition, conditions::is_deleted};
use kube::{Api, ResourceExt};
use lineshaft_crds::pairing::{Approval, Claim, Offer, PeerRef, conditions};
use lineshaft_crds::{Condition, Pairing, PairingSpec, PairingStatus, condition};
use lineshaft_mesh::pairing::Code;
use tokio::time::timeout;

use super::client::Cluster;
use super::table::{or_dash, print};
use super::{MeshError, Server, peers};
use crate::failure::Failure;

/// An agent that runs shows a code within milliseconds.
const CODE_WITHIN: Duration = Duration::from_secs(15);
/// An agent that runs drops a key at once.
const REVOKED_WITHIN: Duration = Duration::from_secs(30);
/// Reasons after which a pairing does not come about any more.
const FINAL: [&str; 7] =
    ["WrongCode", "BadCheckDigit", "Expired", "TooManyAttempts", "Locked", "AgentRestarted", "NoOffer"];

/// The flags of `lineshaft pair offer`.
#[derive(Debug, clap::Args)]
pub(crate) struct OfferArguments {
    /// Node whose agent is to be paired [default: the only one]
    #[arg(long, value_name = "NAME")]
    node: Option<String>,

    /// How long the code is good for, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 300, value_parser = clap::value_parser!(i32).range(30..=3600))]
    ttl: i32,

    /// Stay until the pairing is made, or will not be
    #[arg(long)]
    wait: bool,

    #[command(flatten)]
    pub(super) server: Server,
}

/// The flags of `lineshaft pair claim`.
#[derive(Debug, clap::Args)]
pub(crate) struct ClaimArguments {
    /// The other side: its service name or its MeshPeer, as `lineshaft peers` shows them, or HOST:PORT
    #[arg(value_name = "PEER")]
    peer: String,

    /// The code that the other side shows
    #[arg(value_name = "CODE")]
    code: String,

    /// Node whose agent is to be paired [default: the only one]
    #[arg(long, value_name = "NAME")]
    node: Option<String>,

    /// How long to wait, in seconds; the claim goes on afterwards
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    timeout: u64,

    #[command(flatten)]
    pub(super) server: Server,
}

/// The flags of `lineshaft pair list`.
#[derive(Debug, clap::Args)]
pub(crate) struct ListArguments {
    #[command(flatten)]
    pub(super) server: Server,
}

/// The flags of `lineshaft pair revoke`.
#[derive(Debug, clap::Args)]
pub(crate) struct RevokeArguments {
    /// The pairing, as `lineshaft pair list` shows it
    #[arg(value_name = "NAME")]
    name: String,

    #[command(flatten)]
    pub(super) server: Server,
}

/// Offers a code, and prints it.
pub(super) async fn offer(cluster: &Cluster, arguments: &OfferArguments) -> Result<ExitCode, Failure> {
    let node_name = cluster.node(arguments.node.as_deref()).await?;
    let offer = Some(Offer { ttl_seconds: arguments.ttl });
    let spec = PairingSpec { node_name, approval: Approval::Approved, offer, claim: None };
    let (api, name) = create(cluster, "offer-", spec).await?;
    let open = watch(&api, &name, CODE_WITHIN, |status| status.code.is_some() || ended(status).is_some());
    let status = open.await?.ok_or_else(|| {
        let seconds = CODE_WITHIN.as_secs();
        MeshError::Said(format!("Pairing {name}: the agent has shown no code in {seconds} s: does it run?"))
    })?;
    if let Some(code) = &status.code {
        writeln!(io::stdout().lock(), "{code}")?;
        // Without standard error there is nobody to tell.
        let until = status.expires_at.map_or_else(String::new, |end| format!(", until {}", end.0));
        let _ = writeln!(io::stderr(), "on the other side{until}: lineshaft pair claim PEER {code}");
        if !arguments.wait {
            return Ok(ExitCode::SUCCESS);
        }
    }
    // The agent ends an offer itself; the limit is for an agent that is gone.
    let patience = Duration::from_secs(u64::try_from(arguments.ttl).unwrap_or_default()) + CODE_WITHIN;
    let status = watch(&api, &name, patience, |status| ended(status).is_some()).await?;
    report(&name, status.as_ref())
}

/// Claims a code.
pub(super) async fn claim(cluster: &Cluster, arguments: &ClaimArguments) -> Result<ExitCode, Failure> {
    let code: Code = arguments.code.parse().map_err(|error| Failure::Usage(format!("CODE: {error}")))?;
    let code = code.to_string();
    let node_name = cluster.node(arguments.node.as_deref()).await?;
    let claim = if arguments.peer.contains(':') {
        Claim { peer_ref: None, address: Some(arguments.peer.clone()), code }
    } else {
        let name = peers::find(cluster, &arguments.peer).await?;
        Claim { peer_ref: Some(PeerRef { name }), address: None, code }
    };
    let spec = PairingSpec { node_name, approval: Approval::Approved, offer: None, claim: Some(claim) };
    let (api, name) = create(cluster, "claim-", spec).await?;
    let patience = Duration::from_secs(arguments.timeout);
    let status = watch(&api, &name, patience, |status| ended(status).is_some()).await?;
    let status = match status {
        Some(status) => Some(status),
        None => {
            api.get_opt(&name).await.map_err(MeshError::api("read the pairing"))?.and_then(|one| one.status)
        }
    };
    report(&name, status.as_ref())
}

async fn create(
    cluster: &Cluster,
    prefix: &str,
    spec: PairingSpec,
) -> Result<(Api<Pairing>, String), MeshError> {
    let api = Api::<Pairing>::all(cluster.client.clone());
    let mut pairing = Pairing::new("", spec);
    pairing.metadata.name = None;
    pairing.metadata.generate_name = Some(prefix.to_owned());
    let made = api.create(&PostParams::default(), &pairing).await;
    let name = made.map_err(MeshError::api("make the pairing"))?.name_any();
    Ok((api, name))
}

/// The status once it holds, if that is in time.
async fn watch(
    api: &Api<Pairing>,
    name: &str,
    limit: Duration,
    holds: impl Fn(&PairingStatus) -> bool,
) -> Result<Option<PairingStatus>, MeshError> {
    let status = |object: Option<&Pairing>| object.map(|object| object.status.clone().unwrap_or_default());
    // An object that is deleted meanwhile ends the wait too.
    let condition = |object: Option<&Pairing>| status(object).is_none_or(|status| holds(&status));
    match timeout(limit, await_condition(api.clone(), name, condition)).await {
        Err(_elapsed) => Ok(None),
        Ok(Ok(Some(object))) => Ok(Some(object.status.unwrap_or_default())),
        Ok(Ok(None)) => Err(MeshError::Said(format!("Pairing {name} was deleted"))),
        Ok(Err(error)) => Err(match error {
            kube::runtime::wait::Error::ProbeFailed(source) => MeshError::Watch(Box::new(source)),
        }),
    }
}

/// The condition that nothing follows, if it has come to that.
fn ended(status: &PairingStatus) -> Option<&Condition> {
    let paired = condition::find(&status.conditions, conditions::PAIRED)?;
    (paired.is_true() || FINAL.contains(&paired.reason.as_str())).then_some(paired)
}

fn report(name: &str, status: Option<&PairingStatus>) -> Result<ExitCode, Failure> {
    let status = status.cloned().unwrap_or_default();
    if let Some(paired) = ended(&status).filter(|paired| paired.is_true()) {
        let peer = status.peer.as_ref();
        let who = peer.and_then(|peer| peer.name.clone()).unwrap_or_else(|| "the other side".to_owned());
        let runtimes = peer.map(|peer| peer.runtimes.join(", ")).filter(|names| !names.is_empty());
        let runtimes = runtimes.map_or_else(String::new, |names| format!(", with {names}"));
        writeln!(io::stdout().lock(), "paired with {who}{runtimes}: Pairing {name}, {}", paired.reason)?;
        return Ok(ExitCode::SUCCESS);
    }
    let said = [conditions::APPROVED, conditions::PAIRED]
        .into_iter()
        .filter_map(|type_| condition::find(&status.conditions, type_))
        .find(|condition| !condition.is_true());
    let why = said.map_or_else(
        || "the agent has said nothing: does it run?".to_owned(),
        |condition| format!("{}: {}", condition.reason, condition.message),
    );
    Err(MeshError::Said(format!("Pairing {name}: {why}")).into())
}

/// Prints all pairings.
pub(super) async fn list(cluster: &Cluster) -> Result<ExitCode, Failure> {
    let pairings = Api::<Pairing>::all(cluster.client.clone()).list(&ListParams::default()).await;
    let mut pairings = pairings.map_err(MeshError::api("list the pairings"))?.items;
    pairings.sort_by_key(ResourceExt::name_any);
    let rows: Vec<_> = pairings.iter().map(row).collect();
    let heading = ["NAME", "NODE", "ROLE", "PEER", "RUNTIMES", "PAIRED", "REASON", "EXPIRES"];
    print(heading, &rows, "no pairings: make one with `lineshaft pair offer` and `lineshaft pair claim`")?;
    Ok(ExitCode::SUCCESS)
}

fn row(pairing: &Pairing) -> [String; 8] {
    let status = pairing.status.clone().unwrap_or_default();
    let paired = condition::find(&status.conditions, conditions::PAIRED);
    let runtimes = status.peer.as_ref().map(|peer| peer.runtimes.join(","));
    [
        pairing.name_any(),
        pairing.spec.node_name.clone(),
        if pairing.spec.offer.is_some() { "Offer" } else { "Claim" }.to_owned(),
        or_dash(status.peer.as_ref().and_then(|peer| peer.name.as_ref())),
        or_dash(runtimes.filter(|names| !names.is_empty())),
        or_dash(paired.map(|paired| format!("{:?}", paired.status))),
        or_dash(paired.map(|paired| &paired.reason)),
        or_dash(status.code.and(status.expires_at).map(|end| end.0)),
    ]
}

/// Deletes a pairing, and waits until its agent has dropped the key.
pub(super) async fn revoke(cluster: &Cluster, arguments: &RevokeArguments) -> Result<ExitCode, Failure> {
    let (api, name) = (Api::<Pairing>::all(cluster.client.clone()), arguments.name.as_str());
    let found = api.get_opt(name).await.map_err(MeshError::api("read the pairing"))?;
    let Some(found) = found else {
        return Err(MeshError::Said(format!("there is no Pairing {name}: see `lineshaft pair list`")).into());
    };
    api.delete(name, &DeleteParams::default()).await.map_err(MeshError::api("delete the pairing"))?;
    let uid = found.uid().unwrap_or_default();
    let gone = await_condition(api, name, is_deleted(&uid));
    match timeout(REVOKED_WITHIN, gone).await {
        Ok(Ok(_)) => {
            writeln!(io::stdout().lock(), "revoked {name}")?;
            Ok(ExitCode::SUCCESS)
        }
        Ok(Err(kube::runtime::wait::Error::ProbeFailed(source))) => {
            Err(MeshError::Watch(Box::new(source)).into())
        }
        Err(_elapsed) => Err(MeshError::Said(format!(
            "Pairing {name} is marked, but the agent of {} has not dropped the key yet: it does when it runs",
            found.spec.node_name
        ))
        .into()),
    }
}
