//! `lineshaft mesh subscribe`.

use std::io::{self, Write};
use std::process::ExitCode;

use kube::Api;
use kube::api::PostParams;
use lineshaft_crds::mesh_subscription::Subscription;
use lineshaft_crds::{MeshSubscription, MeshSubscriptionSpec};
use serde_json::json;

use super::client::Cluster;
use super::{MeshError, Server};
use crate::failure::Failure;
use crate::mapping::Mapping;

/// Others may change the object meanwhile; they do so seldom.
const ATTEMPTS: usize = 5;

/// The flags of `lineshaft mesh subscribe`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The PlcRuntime that receives
    #[arg(value_name = "RUNTIME")]
    runtime: String,

    /// What it receives: '"LineB:Status.PLCState" = "Local.Status.RemoteState"'
    #[arg(value_name = "MAPPING", required = true)]
    mappings: Vec<String>,

    /// Namespace of the runtime [default: that of the context]
    #[arg(short, long, value_name = "NAME")]
    namespace: Option<String>,

    #[command(flatten)]
    pub(super) server: Server,
}

/// Adds entries to the subscription of a runtime.
pub(super) async fn subscribe(cluster: &Cluster, arguments: &Arguments) -> Result<ExitCode, Failure> {
    let mut entries = Vec::new();
    for text in &arguments.mappings {
        entries.push(entry(text)?);
    }
    let namespace = arguments.namespace.as_ref().unwrap_or(&cluster.namespace);
    let api = Api::<MeshSubscription>::namespaced(cluster.client.clone(), namespace);
    let name = format!("{}-remote", arguments.runtime);
    for _ in 0..ATTEMPTS {
        if let Some(done) = once(&api, &name, &arguments.runtime, &entries).await? {
            writeln!(io::stdout().lock(), "meshsubscription/{name} {done}")?;
            return Ok(ExitCode::SUCCESS);
        }
    }
    Err(MeshError::Said(format!("MeshSubscription {name} is being changed by others: try again")).into())
}

fn entry(text: &str) -> Result<Subscription, Failure> {
    let mapping = Mapping::parse(text).map_err(|error| Failure::Usage(format!("MAPPING: {error}")))?;
    let Mapping { peer, variable, to } = mapping;
    let entry = json!({"to": to, "from": {"peer": peer, "variable": variable}});
    serde_json::from_value(entry).map_err(|error| Failure::Usage(format!("MAPPING: {error}")))
}

/// What was done; nothing, if somebody else was faster.
async fn once(
    api: &Api<MeshSubscription>,
    name: &str,
    runtime: &str,
    entries: &[Subscription],
) -> Result<Option<&'static str>, MeshError> {
    let read = api.get_opt(name).await.map_err(MeshError::api("read the subscription"))?;
    let (result, done) = if let Some(mut found) = read {
        if found.spec.runtime_ref.name != runtime {
            let other = &found.spec.runtime_ref.name;
            return Err(MeshError::Said(format!(
                "MeshSubscription {name} is of runtime {other}: write one of your own with kubectl"
            )));
        }
        let before = found.spec.clone();
        merge(&mut found.spec, entries);
        if found.spec == before {
            return Ok(Some("unchanged"));
        }
        (api.replace(name, &PostParams::default(), &found).await, "configured")
    } else {
        let spec = json!({"runtimeRef": {"name": runtime}, "subscribe": entries});
        let spec = serde_json::from_value(spec).map_err(|error| MeshError::Said(error.to_string()))?;
        (api.create(&PostParams::default(), &MeshSubscription::new(name, spec)).await, "created")
    };
    match result {
        Ok(_) => Ok(Some(done)),
        Err(kube::Error::Api(status)) if status.code == 409 => Ok(None),
        Err(error) => Err(MeshError::api("write the subscription")(error)),
    }
}

/// A target that is there gets the new source and keeps what else is said of it.
fn merge(spec: &mut MeshSubscriptionSpec, entries: &[Subscription]) {
    for entry in entries {
        match spec.subscribe.iter_mut().find(|known| known.to.eq_ignore_ascii_case(&entry.to)) {
            Some(known) => known.from = entry.from.clone(),
            None => spec.subscribe.push(entry.clone()),
        }
    }
}
