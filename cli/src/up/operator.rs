//! The operator in this process: started, and started again when it ends by itself.
//!
//! It ends when the API server does not accept it. That may be so for a moment while a server that has just started
//! learns its roles, and a node goes on without an operator, so it is no reason to end a plant.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use kube::Client;
use lineshaft_api_client::sentence;
use lineshaft_operator as operator;
use prometheus::Registry;
use prometheus::proto::MetricFamily;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::screen::Screen;

/// Name of this replica: on one box there is no other.
const REPLICA: &str = "lineshaft-up";
/// Delay before the first restart, doubled each time.
const BACKOFF_FIRST: Duration = Duration::from_millis(250);
/// Longest delay between restarts.
const BACKOFF_MAX: Duration = Duration::from_secs(30);
/// One that ran this long is started again without delay.
const STEADY: Duration = Duration::from_mins(1);

/// What others may know of it. Clones share it.
#[derive(Clone, Default)]
pub(crate) struct Watched {
    /// Its life now: each begins with counters of its own.
    life: Arc<Mutex<Life>>,
}

#[derive(Clone, Default)]
struct Life {
    registry: Registry,
    readiness: operator::Readiness,
}

impl Watched {
    /// Its metrics.
    pub(crate) fn gather(&self) -> Vec<MetricFamily> {
        self.life().registry.gather()
    }

    /// What it waits for.
    pub(crate) fn pending(&self) -> Vec<String> {
        self.life().readiness.pending()
    }

    fn life(&self) -> Life {
        self.life.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn begin(&self) -> Life {
        let life = Life::default();
        *self.life.lock().unwrap_or_else(PoisonError::into_inner) = life.clone();
        life
    }
}

/// Runs it until it is told to stop.
pub(crate) async fn run(client: Client, watched: Watched, screen: Screen, stop: CancellationToken) {
    let mut delay = BACKOFF_FIRST;
    loop {
        let Life { registry, readiness } = watched.begin();
        let options = operator::Options { registry, readiness, ..operator::Options::new(REPLICA) };
        let started = Instant::now();
        let ended = Box::pin(operator::run(client.clone(), options, stop.clone())).await;
        if stop.is_cancelled() {
            return;
        }
        if started.elapsed() >= STEADY {
            delay = BACKOFF_FIRST;
        }
        let cause = ended.map_or_else(|error| sentence(&error), |()| "nobody asked it to".to_owned());
        // The first refusal is expected while the API server still learns the roles that were just installed.
        if delay > BACKOFF_FIRST {
            screen.line(&format!("the operator ended ({cause}): starting it again; programs run on"));
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = sleep(delay) => {}
        }
        delay = (delay * 2).min(BACKOFF_MAX);
    }
}
