//! An agent from its start to its end.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use kube::Client;
use lineshaft_api_client::Reachability;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::error::Error;
use crate::events;
use crate::metrics::Metrics;
use crate::options::Options;
use crate::plcruntime::Shared;
use crate::plcruntime::fleet;
use crate::state_lock::StateLock;
use crate::store::Store;
use crate::{edge_node, lease, mesh};

/// How long the last events may take to be published.
const LAST_WORDS_MAX: Duration = Duration::from_secs(2);

/// Runs an agent until `shutdown`.
///
/// `client` may take as long as it likes: what is stored runs meanwhile. A client whose server cannot be reached
/// yet is as good. When the agent is told to end, keepers end with it or go on as `options.lifeline` says;
/// [`Error::OutputsUnconfirmed`] names the devices that did not confirm their safe values.
pub async fn run(
    client: impl Future<Output = Client> + Send + 'static,
    options: Options,
    shutdown: CancellationToken,
) -> Result<(), Error> {
    let _lock = StateLock::take(&options.state_dir)?;
    let metrics = Metrics::register(&options.registry, options.board.clone())?;
    let store = Store::open(keepers(&options.state_dir))?;
    let contents = store.load()?;
    let (memory, mut remembered) = mesh::Memory::open(&options.state_dir.join("mesh").join("objects"))?;
    options.readiness.wait_for("the API server");

    let (known_client, client_seen) = watch::channel(None);
    let (teller, publisher) = events::channel(&options.node_name, client_seen.clone(), metrics.clone());
    let api = Reachability::default();
    let runtimes = watch::Sender::new(Arc::new(remembered.take_runtimes()));
    let keepers = watch::Sender::new(Arc::default());
    let context = mesh::Context {
        options: options.clone(),
        client: client_seen.clone(),
        api: api.clone(),
        teller: teller.clone(),
        metrics: metrics.clone(),
    };
    let (known, kept) = (runtimes.subscribe(), keepers.subscribe());
    let mesh = tokio::spawn(mesh::run(context, (memory, remembered), known, kept, shutdown.clone()));
    let shared = Shared {
        runtimes,
        keepers,
        options: options.clone(),
        store: Arc::new(store),
        client: client_seen,
        api: api.clone(),
        teller,
        metrics: metrics.clone(),
    };
    let mut node = JoinSet::new();
    node.spawn(async move {
        let client = client.await;
        known_client.send_replace(Some(client.clone()));
        let about_node = edge_node::keep(client.clone(), options.clone(), api.clone(), metrics.clone());
        // Whoever waits before the next attempt is woken by what looks like a new client.
        let api_is_back = || known_client.send_modify(|_| {});
        tokio::join!(about_node, lease::keep(client, options, api, metrics, api_is_back));
    });
    let publishing = tokio::spawn(publisher.run());

    let unconfirmed = fleet::run(Arc::new(shared), contents, shutdown).await;
    if let Err(error) = mesh.await {
        tracing::error!(%error, "the mesh broke off");
    }

    // Every teller is gone now: the publisher ends when it has published what it was told.
    let abort = publishing.abort_handle();
    if timeout(LAST_WORDS_MAX, publishing).await.is_err() {
        abort.abort();
    }
    node.shutdown().await;
    if unconfirmed.is_empty() { Ok(()) } else { Err(Error::OutputsUnconfirmed(unconfirmed)) }
}

/// Where each keeper has a directory, by the uid of its object.
pub(crate) fn keepers(state_dir: &Path) -> PathBuf {
    state_dir.join("plc")
}
