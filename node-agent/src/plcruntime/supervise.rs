//! A worker's keeper: found or started, given its program, seen, and started again when it died.

use std::sync::Arc;
use std::time::Duration;

use lineshaft_api_client::Backoff;
use lineshaft_plc_runtime::Error;
use lineshaft_plc_runtime::client::ApplyOutcome;
use lineshaft_plc_runtime::protocol::RefusalReason;
use tokio::time::Instant;

use super::keeper::{Keeper, Origin, Sight};
use super::record::Record;
use super::refusal::Refused;
use super::story;
use super::trouble::Trouble;
use super::worker::Worker;
use crate::events::Happening;
use crate::store::Store;

/// A keeper that lived this long is started again at once.
const STABLE_AFTER: Duration = Duration::from_mins(1);

/// When a keeper that died may be started again.
#[derive(Debug)]
pub(super) struct Restarts {
    backoff: Backoff,
    connected: Option<Instant>,
    not_before: Option<Instant>,
}

impl Restarts {
    pub(super) fn new(uid: &str) -> Self {
        Self { backoff: Backoff::new(uid), connected: None, not_before: None }
    }

    fn connected(&mut self, now: Instant) {
        self.connected = Some(now);
    }

    /// The first death is followed at once: outputs become safe only with the next keeper. Those that follow
    /// closely wait longer each time.
    fn died(&mut self, now: Instant) {
        if self.connected.is_some_and(|since| now.duration_since(since) >= STABLE_AFTER) {
            self.backoff.succeed();
        }
        let first = self.backoff.is_fresh();
        let delay = self.backoff.fail();
        self.not_before = (!first).then(|| now + delay);
    }

    fn wait_until(&self, now: Instant) -> Option<Instant> {
        self.not_before.filter(|time| *time > now)
    }
}

impl Worker {
    /// Takes notice of what the keeper said, and tells what it means.
    pub(super) fn look(&mut self) {
        let Some(keeper) = &mut self.keeper else { return };
        match keeper.sight() {
            Sight::Status(status) => {
                let before = self.seen.replace(Arc::clone(&status));
                for happening in before.iter().flat_map(|before| story::between(Some(before), &status)) {
                    self.tell(happening);
                }
                self.count(&status);
            }
            Sight::Lost(why) => self.lose(&why),
        }
    }

    /// A keeper that answers; or when to try again. What the disk holds does not matter here.
    pub(super) async fn ensure_keeper(&mut self) -> Result<Option<Instant>, Trouble> {
        if self.keeper.is_some() {
            return Ok(None);
        }
        if let Some(time) = self.restarts.wait_until(Instant::now()) {
            return Ok(Some(time));
        }
        let result = match self.adopt().await {
            Ok(true) => return Ok(None),
            Ok(false) => self.start().await,
            Err(trouble) => Err(trouble),
        };
        if let Err(trouble) = &result {
            self.keeper_missing = trouble.to_string();
        }
        result.map(|()| None)
    }

    /// Whether a keeper ran already.
    pub(super) async fn adopt(&mut self) -> Result<bool, Trouble> {
        let directory = self.shared.store.directory(&self.uid)?;
        let Some(keeper) = Keeper::adopt(&directory).await? else { return Ok(false) };
        self.connect(keeper);
        Ok(true)
    }

    async fn start(&mut self) -> Result<(), Trouble> {
        let directory = self.shared.store.directory(&self.uid)?;
        let options = &self.shared.options;
        let keeper = Keeper::start(options.keeper_exe.clone(), &directory, options.lifeline).await?;
        self.connect(keeper);
        Ok(())
    }

    fn connect(&mut self, mut keeper: Keeper) {
        let first = keeper.sight();
        let node = &self.shared.options.node_name;
        let happening = match keeper.origin {
            Origin::Started => Happening::normal("KeeperStarted", "Starting", format!("on node {node}")),
            Origin::Adopted => {
                Happening::normal("KeeperAdopted", "Starting", format!("it ran on node {node} already"))
            }
        };
        self.shared.metrics.keeper_connected(match keeper.origin {
            Origin::Started => "started",
            Origin::Adopted => "adopted",
        });
        self.tell(happening);
        // What it says first is where its story begins: of an adopted one, the rest has been told.
        if let Sight::Status(status) = first {
            self.count(&status);
            self.seen = Some(status);
        }
        self.restarts.connected(Instant::now());
        self.keeper = Some(keeper);
        self.applied = false;
        self.stopped = false;
    }

    /// There is no keeper any more, or none that answers.
    pub(super) fn lose(&mut self, why: &str) {
        if self.keeper.take().is_none() {
            return;
        }
        self.shared.metrics.keeper_gone();
        self.restarts.died(Instant::now());
        self.seen = None;
        self.keeper_missing = format!("the keeper ended: {why}");
        let note = format!(
            "it ended by itself, or hangs and is killed ({why}); the next one first makes the outputs safe"
        );
        self.tell(Happening::warning("KeeperLost", "Supervising", note));
    }

    /// The keeper ended as it was told to.
    pub(super) fn dismiss(&mut self) {
        if self.keeper.take().is_some() {
            self.shared.metrics.keeper_gone();
        }
        self.seen = None;
        "the keeper has ended".clone_into(&mut self.keeper_missing);
        self.applied = false;
        self.stopped = false;
    }

    /// Gives the keeper what is on disk, once.
    pub(super) async fn apply_record(&mut self) -> Result<(), Trouble> {
        let Some(record) = self.record.clone() else { return Ok(()) };
        if self.applied {
            return Ok(());
        }
        let version = record.version();
        match self.apply(record.bundle).await? {
            ApplyOutcome::Applied(_) => {
                self.refused.take_if(|refused| refused.version == version);
            }
            ApplyOutcome::Refused(refusal) => {
                self.refuse(Refused::by_keeper(&refusal));
                if refusal.reason == RefusalReason::RunnerFailed {
                    // That has causes outside the program, and nothing runs meanwhile.
                    return Err(Trouble::RunnerFailed(refusal.message));
                }
            }
        }
        // Also after any other refusal: the answer would be the same.
        self.applied = true;
        Ok(())
    }

    /// A new version: on the disk before it runs, and off it again if it is refused.
    pub(super) async fn load(&mut self, candidate: Record) -> Result<(), Trouble> {
        let saved = candidate.clone();
        self.on_disk(move |store, uid| store.save(uid, &saved)).await?;
        match self.apply(candidate.bundle.clone()).await? {
            ApplyOutcome::Applied(_) => {
                self.record = Some(candidate);
                self.refused = None;
                self.applied = true;
            }
            ApplyOutcome::Refused(refusal) => {
                match self.record.clone() {
                    Some(before) => self.on_disk(move |store, uid| store.save(uid, &before)).await?,
                    None => self.on_disk(Store::discard).await?,
                }
                self.refuse(Refused::by_keeper(&refusal));
            }
        }
        Ok(())
    }

    pub(super) async fn apply(
        &mut self,
        bundle: lineshaft_plc_runtime::protocol::Bundle,
    ) -> Result<ApplyOutcome, Trouble> {
        let Some(keeper) = &self.keeper else {
            return Err(Trouble::Keeper(Error::Closed));
        };
        let outcome = keeper.apply(bundle).await;
        self.checked(outcome)
    }

    /// A keeper that fails to answer is given up: an answer that comes late would be taken for the next one's.
    pub(super) fn checked<T>(&mut self, answer: Result<T, Error>) -> Result<T, Trouble> {
        if let Err(error) = &answer
            && !matches!(error, Error::Keeper(_))
        {
            self.lose(&error.to_string());
        }
        Ok(answer?)
    }

    /// For the metrics: what moves with every scan is not pushed by the keeper.
    pub(super) async fn fetch_figures(&mut self) -> Result<(), Trouble> {
        let Some(keeper) = &self.keeper else { return Ok(()) };
        let status = keeper.status().await;
        let status = self.checked(status)?;
        self.count(&Arc::new(status));
        Ok(())
    }

    fn count(&self, status: &Arc<lineshaft_plc_runtime::protocol::Status>) {
        if let Some((namespace, name)) = self.name().split_once('/') {
            self.shared.metrics.runtime(namespace, name, &self.uid, Arc::clone(status));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_death_is_followed_at_once_and_close_ones_wait() {
        let start = Instant::now();
        let mut restarts = Restarts::new("6a1f");
        restarts.connected(start);
        restarts.died(start);
        assert_eq!(restarts.wait_until(start), None);
        restarts.connected(start);
        restarts.died(start);
        let time = restarts.wait_until(start).unwrap();
        assert!(time > start + Duration::from_millis(1700) && time < start + Duration::from_millis(2300));
        assert_eq!(restarts.wait_until(time), None);
        restarts.connected(time);
        restarts.died(time + STABLE_AFTER);
        assert_eq!(restarts.wait_until(time + STABLE_AFTER), None, "it was stable");
    }
}
