//! The API server, as kubectl finds it.

use kube::api::ListParams;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config, ResourceExt};
use lineshaft_crds::EdgeNode;

use super::{MeshError, Server};

/// An API server, and where objects go that are given no namespace.
pub(super) struct Cluster {
    pub(super) client: Client,
    pub(super) namespace: String,
}

impl Cluster {
    pub(super) async fn connect(server: &Server) -> Result<Self, MeshError> {
        let wrong = |error: &dyn std::fmt::Display| MeshError::Kubeconfig(error.to_string());
        let options = KubeConfigOptions { context: server.context.clone(), ..KubeConfigOptions::default() };
        let config = match &server.kubeconfig {
            Some(path) => {
                let kubeconfig = Kubeconfig::read_from(path).map_err(|error| wrong(&error))?;
                Config::from_custom_kubeconfig(kubeconfig, &options).await
            }
            None => Config::from_kubeconfig(&options).await,
        };
        let config = config.map_err(|error| wrong(&error))?;
        let namespace = config.default_namespace.clone();
        let client = Client::try_from(config).map_err(|error| wrong(&error))?;
        Ok(Self { client, namespace })
    }

    /// The node that is named, or the only one there is.
    pub(super) async fn node(&self, chosen: Option<&str>) -> Result<String, MeshError> {
        if let Some(name) = chosen {
            return Ok(name.to_owned());
        }
        let nodes = Api::<EdgeNode>::all(self.client.clone()).list(&ListParams::default()).await;
        let mut found: Vec<String> =
            nodes.map_err(MeshError::api("list the nodes"))?.iter().map(ResourceExt::name_any).collect();
        match (found.pop(), found.len()) {
            (Some(only), 0) => Ok(only),
            (None, _) => Err(MeshError::Said("there is no EdgeNode: no agent has been started".to_owned())),
            (Some(last), _) => {
                found.push(last);
                found.sort();
                let all = found.join(", ");
                Err(MeshError::Said(format!("there are several nodes: choose one with --node: {all}")))
            }
        }
    }
}
