//! The flags of `lineshaft up`.

use std::net::SocketAddr;
use std::path::PathBuf;

/// What `lineshaft up` can be told.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Manifests, and directories of manifests (*.yaml, *.yml, *.json, also in subdirectories); without any, what
    /// was applied before runs on
    #[arg(value_name = "FILE|DIR")]
    pub(super) paths: Vec<PathBuf>,

    /// Directory for everything that lasts; one `lineshaft up` at a time
    #[arg(long, value_name = "DIR", default_value = ".lineshaft")]
    pub(super) data_dir: PathBuf,

    /// Where the API server listens; port 0 takes a free one
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:16443")]
    pub(super) listen: SocketAddr,

    /// Where the console listens, with /metrics, /healthz and /readyz
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:9480")]
    pub(super) console: SocketAddr,

    /// Who may use the console: whoever sits at this machine, or whoever has its token, which is printed when it is
    /// made
    #[arg(long, value_name = "HOW", value_enum, default_value_t)]
    pub(super) console_auth: ConsoleAuth,

    /// Name of this node [default: the host's name]
    #[arg(long, value_name = "NAME", value_parser = node_name)]
    pub(super) node_name: Option<String>,

    /// What is logged to standard error, such as `info` or `warn,lineshaft_operator=debug`
    #[arg(long, value_name = "FILTER", default_value = "warn", value_parser = log_filter)]
    pub(super) log: String,

    /// Use the cluster of this kubeconfig instead of an API server of our own; its user must be allowed to
    /// install CRDs and roles, and to impersonate users
    #[arg(long, value_name = "FILE")]
    pub(super) kubeconfig: Option<PathBuf>,
}

/// Who may use the console.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum ConsoleAuth {
    /// No login; for loopback addresses only
    #[default]
    Local,
    /// A login with a token
    Token,
}

impl Arguments {
    /// The node's name, from the host where none was given.
    pub(super) fn node_name(&self) -> Result<String, String> {
        if let Some(name) = &self.node_name {
            return Ok(name.clone());
        }
        let host = lineshaft_node_agent::host_name();
        node_name(&host).map_err(|error| format!("the host's name `{host}` {error}: give --node-name"))
    }
}

/// Names of nodes are names of API objects.
fn node_name(name: &str) -> Result<String, String> {
    let label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    };
    if name.len() <= 63 && name.split('.').all(label) {
        Ok(name.to_owned())
    } else {
        Err("must be at most 63 lower-case letters, digits, `-` and `.`, and begin and end with a letter or digit"
            .to_owned())
    }
}

fn log_filter(text: &str) -> Result<String, tracing_subscriber::filter::ParseError> {
    tracing_subscriber::EnvFilter::builder().parse(text).map(|_| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn node_names_are_names_of_objects() {
        for good in ["box", "edge-07", "a.b"] {
            assert_eq!(node_name(good).as_deref(), Ok(good));
        }
        for bad in ["", "Box", "-a", "a-", "a..b", "a_b"] {
            assert!(node_name(bad).is_err(), "{bad}");
        }
    }
}
