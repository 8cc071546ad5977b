//! A keeper as the agent sees it: started or adopted, asked, and watched by a thread of its own.
//!
//! The keeper's client blocks, so every call runs beside the async tasks.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use lineshaft_plc_runtime::Error;
use lineshaft_plc_runtime::client::{ApplyOutcome, Cancel, KeeperClient};
use lineshaft_plc_runtime::launch::{self, Adopted, Lifeline, SpawnedKeeper};
use lineshaft_plc_runtime::protocol::{Bundle, Status, Stopped};
use tokio::sync::watch;
use tokio::task::spawn_blocking;

/// What the watching thread saw last.
#[derive(Clone, Debug)]
pub(crate) enum Sight {
    /// The keeper's status.
    Status(Arc<Status>),
    /// The keeper does not answer any more.
    Lost(String),
}

/// How a keeper came to this agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// This agent started it.
    Started,
    /// It ran already.
    Adopted,
}

/// A connection to a living keeper. Dropping it leaves an independent keeper alone.
#[derive(Debug)]
pub(crate) struct Keeper {
    pub(crate) origin: Origin,
    client: Arc<Mutex<KeeperClient>>,
    sight: watch::Receiver<Sight>,
    watching: Cancel,
    /// While this lives, so does a keeper that ends with its parent.
    _spawned: Option<SpawnedKeeper>,
}

impl Drop for Keeper {
    fn drop(&mut self) {
        // Ends the watching thread, which otherwise waits for as long as the keeper lives.
        self.watching.cancel();
    }
}

impl Keeper {
    /// The keeper that runs in a directory, if one does.
    pub(crate) async fn adopt(directory: &Path) -> Result<Option<Self>, Error> {
        let directory = directory.to_owned();
        blocking(move || match launch::adopt(&directory)? {
            Adopted::Running(client) => Self::connected(&directory, client, Origin::Adopted, None).map(Some),
            Adopted::Absent => Ok(None),
        })
        .await
    }

    /// A new keeper in a directory where none runs.
    pub(crate) async fn start(exe: PathBuf, directory: &Path, lifeline: Lifeline) -> Result<Self, Error> {
        let directory = directory.to_owned();
        blocking(move || {
            let spawned = launch::spawn_keeper(&exe, &directory, lifeline)?;
            let client = KeeperClient::connect(&directory)?;
            Self::connected(&directory, client, Origin::Started, Some(spawned))
        })
        .await
    }

    fn connected(
        directory: &Path,
        mut client: KeeperClient,
        origin: Origin,
        spawned: Option<SpawnedKeeper>,
    ) -> Result<Self, Error> {
        let status = client.status()?;
        let watcher = KeeperClient::connect(directory)?;
        let watching = watcher.canceller()?;
        let first = status.revision;
        let (sender, sight) = watch::channel(Sight::Status(Arc::new(status)));
        std::thread::Builder::new()
            .name("keeper-watch".to_owned())
            .spawn(move || look(watcher, first, &sender))
            .map_err(|source| Error::Io { what: "start a thread".to_owned(), source })?;
        Ok(Self { origin, client: Arc::new(Mutex::new(client)), sight, watching, _spawned: spawned })
    }

    /// What the keeper said last.
    pub(crate) fn sight(&mut self) -> Sight {
        self.sight.borrow_and_update().clone()
    }

    /// Returns when there is something new to see.
    pub(crate) async fn changed(&mut self) {
        // An error means that the watching thread is gone; what it saw last was `Lost`, and has been seen.
        if self.sight.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Hands over everything to run.
    pub(crate) async fn apply(&self, bundle: Bundle) -> Result<ApplyOutcome, Error> {
        self.ask(move |client| client.apply(bundle)).await
    }

    /// The figures of this moment.
    pub(crate) async fn status(&self) -> Result<Status, Error> {
        self.ask(KeeperClient::status).await
    }

    /// Ends a halt.
    pub(crate) async fn acknowledge(&self) -> Result<(), Error> {
        self.ask(KeeperClient::acknowledge).await
    }

    /// Ordered end of program and keeper, outputs safe.
    pub(crate) async fn shutdown(&self, deadline: Duration) -> Result<Stopped, Error> {
        self.ask(move |client| client.shutdown(deadline)).await
    }

    async fn ask<T: Send + 'static>(
        &self,
        request: impl FnOnce(&mut KeeperClient) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let client = Arc::clone(&self.client);
        blocking(move || request(&mut client.lock().unwrap_or_else(PoisonError::into_inner))).await
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    match spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(Error::Keeper(format!("the request was not carried out: {error}"))),
    }
}

/// Tells each new status until the keeper is gone or nobody listens.
fn look(mut client: KeeperClient, mut revision: u64, sender: &watch::Sender<Sight>) {
    loop {
        let sight = match client.watch(revision) {
            Ok(status) => {
                revision = status.revision;
                Sight::Status(Arc::new(status))
            }
            Err(error) => Sight::Lost(error.to_string()),
        };
        let lost = matches!(sight, Sight::Lost(_));
        if sender.send(sight).is_err() || lost {
            return;
        }
    }
}
