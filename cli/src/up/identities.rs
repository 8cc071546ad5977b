//! Who talks to the API: the administrator, the operator, the agent of this node; each with a kubeconfig.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use lineshaft_api_client::sentence;

use super::data_directory::DataDirectory;

/// User of the operator, as RBAC knows it.
const OPERATOR: &str = "lineshaft:operator";
/// Prefix of the agents' users; the rest is the node's name, to which admission binds them.
const AGENT_PREFIX: &str = "lineshaft:node:";
/// Group of all agents.
const AGENTS: &str = "lineshaft:agents";

/// Why an identity cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum IdentityError {
    /// The file is missing or no kubeconfig.
    #[error("{}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: Box<kube::config::KubeconfigError>,
    },
    /// The cluster's address or certificates do not make a client.
    #[error("{}: {}", path.display(), sentence(source.as_ref()))]
    Client {
        /// The kubeconfig.
        path: PathBuf,
        /// Why.
        source: Box<kube::Error>,
    },
}

/// One user with its kubeconfig.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    /// The kubeconfig.
    pub(crate) path: PathBuf,
    user: String,
    groups: Vec<String>,
    /// Whether the kubeconfig is somebody else's, who speaks in this user's name.
    impersonated: bool,
}

/// All of them.
#[derive(Clone, Debug)]
pub(crate) struct Identities {
    /// For installing, and for the user's manifests.
    pub(crate) admin: Identity,
    /// `lineshaft:operator`.
    pub(crate) operator: Identity,
    /// `lineshaft:node:NODE`.
    pub(crate) agent: Identity,
}

impl Identities {
    /// Those that the embedded API server issues.
    pub(crate) fn embedded(data: &DataDirectory, node: &str) -> Self {
        let new = |name: &str, user: String, groups: &[&str]| Identity {
            path: data.join(name),
            user,
            groups: groups.iter().map(|group| (*group).to_owned()).collect(),
            impersonated: false,
        };
        Self {
            admin: new("kubeconfig", String::new(), &[]),
            operator: new("operator.kubeconfig", OPERATOR.to_owned(), &[]),
            agent: new("agent.kubeconfig", format!("{AGENT_PREFIX}{node}"), &[AGENTS]),
        }
    }

    /// Those on a cluster of the user's: its administrator impersonates the other two, so that they can do
    /// there what they could do here, and nothing else.
    pub(crate) fn impersonated(kubeconfig: &Path, node: &str) -> Self {
        let new = |user: String, groups: &[&str]| Identity {
            path: kubeconfig.to_owned(),
            groups: groups.iter().map(|group| (*group).to_owned()).collect(),
            impersonated: !user.is_empty(),
            user,
        };
        Self {
            admin: new(String::new(), &[]),
            operator: new(OPERATOR.to_owned(), &[]),
            agent: new(format!("{AGENT_PREFIX}{node}"), &[AGENTS]),
        }
    }
}

impl Identity {
    /// `PATH=USER,GROUP`, as the API server takes it.
    pub(crate) fn as_argument(&self) -> OsString {
        let mut argument = self.path.clone().into_os_string();
        argument.push("=");
        argument.push(&self.user);
        for group in &self.groups {
            argument.push(",");
            argument.push(group);
        }
        argument
    }

    /// A client that asks again when the server says "later".
    pub(crate) async fn client(&self) -> Result<Client, IdentityError> {
        self.connect(true).await
    }

    /// A client that passes on every "later" at once: for those who know better when to ask again.
    pub(crate) async fn impatient_client(&self) -> Result<Client, IdentityError> {
        self.connect(false).await
    }

    async fn connect(&self, asks_again: bool) -> Result<Client, IdentityError> {
        let read = |source| IdentityError::Read { path: self.path.clone(), source: Box::new(source) };
        let kubeconfig = Kubeconfig::read_from(&self.path).map_err(read)?;
        let mut config =
            Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.map_err(read)?;
        config.default_retry = asks_again;
        if self.impersonated {
            config.auth_info.impersonate = Some(self.user.clone());
            config.auth_info.impersonate_groups = (!self.groups.is_empty()).then(|| self.groups.clone());
        }
        Client::try_from(config)
            .map_err(|source| IdentityError::Client { path: self.path.clone(), source: Box::new(source) })
    }
}
