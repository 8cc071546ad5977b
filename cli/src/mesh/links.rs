//! `lineshaft mesh links` and `lineshaft mesh watch`.

use std::collections::HashMap;
use std::io::{self, Write};
use std::process::ExitCode;

use futures::StreamExt;
use kube::api::ListParams;
use kube::runtime::watcher::{self, Event};
use kube::runtime::{WatchStreamExt, watcher as watch_of};
use kube::{Api, ResourceExt};
use lineshaft_api_client::WatchBackoff;
use lineshaft_crds::mesh_subscription::{Link, conditions};
use lineshaft_crds::{MeshSubscription, condition};

use super::client::Cluster;
use super::table::{or_dash, print};
use super::{MeshError, Server};
use crate::failure::Failure;

/// Where to look.
#[derive(Debug, clap::Args)]
struct Where {
    /// Namespace of the subscriptions [default: that of the context]
    #[arg(short, long, value_name = "NAME", conflicts_with = "all_namespaces")]
    namespace: Option<String>,

    /// Those of all namespaces
    #[arg(short = 'A', long)]
    all_namespaces: bool,
}

/// The flags of `lineshaft mesh links`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    place: Where,

    #[command(flatten)]
    pub(super) server: Server,
}

/// The flags of `lineshaft mesh watch`.
#[derive(Debug, clap::Args)]
pub(crate) struct WatchArguments {
    #[command(flatten)]
    place: Where,

    #[command(flatten)]
    pub(super) server: Server,
}

impl Where {
    fn api(&self, cluster: &Cluster) -> Api<MeshSubscription> {
        if self.all_namespaces {
            return Api::all(cluster.client.clone());
        }
        let namespace = self.namespace.as_ref().unwrap_or(&cluster.namespace);
        Api::namespaced(cluster.client.clone(), namespace)
    }
}

/// Prints all links.
pub(super) async fn list(cluster: &Cluster, arguments: &Arguments) -> Result<ExitCode, Failure> {
    let found = arguments.place.api(cluster).list(&ListParams::default()).await;
    let mut found = found.map_err(MeshError::api("list the subscriptions"))?.items;
    found.sort_by_key(|one| (one.namespace(), one.name_any()));
    let rows: Vec<_> = found.iter().flat_map(rows).collect();
    let heading = [
        "SUBSCRIPTION",
        "RUNTIME",
        "PUBLISHER",
        "ADDRESS",
        "CONNECTED",
        "FRESH",
        "GOOD",
        "RTT",
        "RATE",
        "LOST",
        "REASON",
    ];
    print(heading, &rows, "no subscriptions: make one with `lineshaft mesh subscribe`")?;
    Ok(ExitCode::SUCCESS)
}

/// One for each link; one without a link for a subscription that has none yet.
fn rows(subscription: &MeshSubscription) -> Vec<[String; 11]> {
    let status = subscription.status.clone().unwrap_or_default();
    let ready = condition::find(&status.conditions, conditions::READY);
    let row = |link: Option<&Link>| {
        [
            subscription.name_any(),
            subscription.spec.runtime_ref.name.clone(),
            or_dash(link.map(|link| &link.publisher)),
            or_dash(link.and_then(|link| link.address.as_ref())),
            or_dash(link.map(|link| link.connected)),
            or_dash(link.and_then(|link| link.staleness).map(|staleness| format!("{staleness:?}"))),
            or_dash(status.entries.map(|entries| format!("{}/{}", entries.good, entries.total))),
            or_dash(link.and_then(|link| link.rtt_microseconds).map(|rtt| format!("{rtt}µs"))),
            or_dash(link.and_then(|link| link.messages_per_second).map(|rate| format!("{rate}/s"))),
            or_dash(link.and_then(|link| link.messages_lost)),
            or_dash(ready.map(|ready| &ready.reason)),
        ]
    };
    if status.links.is_empty() {
        vec![row(None)]
    } else {
        status.links.iter().map(|link| row(Some(link))).collect()
    }
}

/// Prints a line for each change.
pub(super) async fn watch(cluster: &Cluster, arguments: &WatchArguments) -> Result<ExitCode, Failure> {
    let events = watch_of(arguments.place.api(cluster), watcher::Config::default());
    let mut events = std::pin::pin!(events.backoff(WatchBackoff::new("watch")));
    let mut said: HashMap<String, Vec<String>> = HashMap::new();
    while let Some(event) = events.next().await {
        let lines = match event {
            Ok(Event::Apply(object) | Event::InitApply(object)) => {
                let lines = lines(&object);
                let before = said.insert(object.uid().unwrap_or_default(), lines.clone()).unwrap_or_default();
                lines.into_iter().filter(|line| !before.contains(line)).collect()
            }
            Ok(Event::Delete(object)) => {
                said.remove(&object.uid().unwrap_or_default());
                vec![format!("{}: deleted", object.name_any())]
            }
            Ok(Event::Init | Event::InitDone) => Vec::new(),
            // A server that does not answer any more is asked again; one that refuses is not.
            Err(error) if is_refusal(&error) => return Err(MeshError::Watch(Box::new(error)).into()),
            Err(_) => vec!["the API server does not answer".to_owned()],
        };
        let mut out = io::stdout().lock();
        for line in lines {
            writeln!(out, "{line}")?;
        }
        out.flush()?;
    }
    Ok(ExitCode::SUCCESS)
}

fn is_refusal(error: &watcher::Error) -> bool {
    use watcher::Error::{InitialListFailed, WatchError, WatchStartFailed};
    match error {
        InitialListFailed(kube::Error::Api(status)) | WatchStartFailed(kube::Error::Api(status)) => {
            matches!(status.code, 401 | 403 | 404)
        }
        WatchError(status) => matches!(status.code, 401 | 403 | 404),
        _ => false,
    }
}

/// What is worth a line when it changes: no ages and rates, which always do.
fn lines(subscription: &MeshSubscription) -> Vec<String> {
    let status = subscription.status.clone().unwrap_or_default();
    let name = subscription.name_any();
    let good =
        status.entries.map_or_else(String::new, |found| format!(", {}/{} good", found.good, found.total));
    let mut lines: Vec<String> = status
        .links
        .iter()
        .map(|link| {
            let connected = if link.connected { "connected" } else { "not connected" };
            let staleness = link.staleness.map_or_else(String::new, |found| format!(", {found:?}"));
            format!("{name}: {} {connected}{staleness}{good}", link.publisher)
        })
        .collect();
    if let Some(ready) = condition::find(&status.conditions, conditions::READY) {
        let message = if ready.message.is_empty() { String::new() } else { format!(": {}", ready.message) };
        lines.push(format!("{name}: Ready={:?} {}{message}", ready.status, ready.reason));
    }
    lines
}
