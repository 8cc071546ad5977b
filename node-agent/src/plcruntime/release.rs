//! Letting go of an object: outputs safe, confirmed by their devices, before anybody is told that it is done.

use std::time::Duration;

use kube::ResourceExt;
use lineshaft_crds::{PlcRuntime, PlcRuntimeStatus};
use lineshaft_plc_runtime::client::ApplyOutcome;
use lineshaft_plc_runtime::launch::Lifeline;
use lineshaft_plc_runtime::protocol::{DriverState, Outputs, Status, Stopped};

use super::finalizer;
use super::trouble::Trouble;
use super::worker::{Next, Worker};
use crate::error::Unconfirmed;
use crate::events::Happening;
use crate::store::Store;

/// With the value `"true"`: give up on devices that do not confirm their safe values.
const ABANDON: &str = "lineshaft.dev/abandon-outputs";
/// How long a device is asked when it was given up, or when nobody waits for the answer.
const BRIEFLY: Duration = Duration::from_secs(1);

impl Worker {
    /// The object is wanted here (again).
    pub(super) fn resume(&mut self) {
        self.releasing = None;
        if self.stopped {
            // The release was called off: the keeper gets its program back.
            self.stopped = false;
            self.applied = false;
        }
    }

    /// Ends the program of an object that is deleted or moves, then lets the object go.
    pub(super) async fn release(&mut self, object: &PlcRuntime, why: &str) -> Result<Next, Trouble> {
        if self.record.is_some() || self.keeper.is_some() || self.adopt().await? {
            if self.releasing.is_none() {
                self.releasing = Some(why.to_owned());
                self.tell(Happening::normal("Stopping", "Releasing", why));
            }
            let abandoned = object.annotations().get(ABANDON).is_some_and(|value| value == "true");
            match self.make_safe(abandoned).await? {
                None => {}
                Some(next) => return Ok(next),
            }
        }
        self.forget().await?;
        self.wanted.send_replace(Some(PlcRuntimeStatus::default()));
        let holder = object.status.as_ref().and_then(|status| status.holder.as_deref());
        if holder == Some(&self.shared.options.node_name) {
            // The finalizer goes last: until the status is written, this object is this node's.
            return Ok(Next::Wait);
        }
        if let Some(client) = self.client() {
            finalizer::remove(&client, object).await.map_err(Trouble::Finalizer)?;
        }
        Ok(Next::Wait)
    }

    /// Ends the program of an object that is gone already. Once, and not again later: by then another node may
    /// drive these outputs.
    pub(super) async fn let_go(&mut self) -> Result<Next, Trouble> {
        if self.keeper.is_none() {
            self.adopt().await?;
        }
        if let Some(keeper) = &self.keeper {
            self.tell(Happening::normal(
                "Stopping",
                "Releasing",
                "no longer bound to this node: the program ends, outputs go to their safe values",
            ));
            let stopped = keeper.shutdown(self.shared.options.safe_deadline).await;
            match self.checked(stopped) {
                Ok(Stopped::Confirmed) => {}
                Ok(Stopped::Unconfirmed { drivers }) => self.tell(Happening::warning(
                    "OutputsUnconfirmed",
                    "Releasing",
                    format!("ended without a confirmation of safe values: {}", list(&drivers)),
                )),
                // It died on the way; its connections died with it.
                Err(trouble) => tracing::warn!(object = self.name(), %trouble, "the keeper broke off"),
            }
            self.dismiss();
        }
        self.forget().await?;
        Ok(Next::Finished)
    }

    /// `None` once every device has confirmed its safe values and the keeper has ended.
    async fn make_safe(&mut self, abandoned: bool) -> Result<Option<Next>, Trouble> {
        if let Some(time) = self.ensure_keeper().await? {
            return Ok(Some(Next::At(time)));
        }
        // Standing still first, with a living keeper that goes on trying; it is sent away when it has succeeded.
        if !self.stopped
            && let Some(record) = &self.record
        {
            let bundle = record.stopped();
            if let ApplyOutcome::Refused(refusal) = self.apply(bundle).await? {
                tracing::warn!(object = self.name(), refusal.message, "the keeper refused to stop this way");
            }
            self.stopped = true;
        }
        let Some(keeper) = &self.keeper else { return Ok(Some(Next::Wait)) };
        let status = keeper.status().await;
        let status = self.checked(status)?;
        if !abandoned && !is_safe(&status) {
            self.report_unsafe(&silent(&status));
            return Ok(Some(Next::Wait));
        }
        let deadline = if abandoned { BRIEFLY } else { self.shared.options.safe_deadline };
        let Some(keeper) = &self.keeper else { return Ok(Some(Next::Wait)) };
        let stopped = keeper.shutdown(deadline).await;
        let stopped = self.checked(stopped)?;
        self.dismiss();
        match stopped {
            Stopped::Confirmed => {
                let note = "every device confirmed its safe values, and the keeper has ended";
                self.tell(Happening::normal("Released", "Releasing", note));
                Ok(None)
            }
            Stopped::Unconfirmed { drivers } if abandoned => {
                let note = format!("given up by annotation {ABANDON}: {}", list(&drivers));
                self.tell(Happening::warning("OutputsAbandoned", "Releasing", note));
                Ok(None)
            }
            Stopped::Unconfirmed { drivers } => {
                let drivers = list(&drivers);
                self.report_unsafe(&drivers);
                Err(Trouble::OutputsUnconfirmed(drivers))
            }
        }
    }

    fn report_unsafe(&mut self, drivers: &str) {
        let note = format!(
            "waiting for devices to confirm their safe values: {drivers}; to give up on them, annotate the object \
             with {ABANDON}: \"true\""
        );
        // Once for each wording: the status says it for as long as it lasts.
        if !drivers.is_empty() && self.releasing.as_deref() != Some(&note) {
            self.tell(Happening::warning("OutputsUnconfirmed", "Releasing", note.clone()));
            self.releasing = Some(note);
        }
    }

    /// Nothing is left of it on this node.
    async fn forget(&mut self) -> Result<(), Trouble> {
        self.on_disk(Store::remove).await?;
        if let Some((namespace, name)) = self.name().split_once('/') {
            self.shared.metrics.runtime_gone(namespace, name, &self.uid);
        }
        self.record = None;
        self.refused = None;
        self.releasing = None;
        self.holding = false;
        Ok(())
    }

    /// The agent ends. What happens to the keeper depends on whose life it shares.
    pub(super) async fn end(mut self) -> Vec<Unconfirmed> {
        let Some(keeper) = self.keeper.take() else { return Vec::new() };
        self.shared.metrics.keeper_gone();
        if self.shared.options.lifeline == Lifeline::Independent {
            return Vec::new();
        }
        let runtime = self.name();
        let drivers = match keeper.shutdown(self.shared.options.safe_deadline).await {
            Ok(Stopped::Confirmed) => Vec::new(),
            Ok(Stopped::Unconfirmed { drivers }) => drivers,
            Err(error) => vec![("keeper".to_owned(), error.to_string())],
        };
        drivers
            .into_iter()
            .map(|(driver, reason)| Unconfirmed { runtime: runtime.clone(), driver, reason })
            .collect()
    }
}

/// A keeper without drivers has nothing that could be unsafe.
fn is_safe(status: &Status) -> bool {
    status.outputs == Outputs::Safe || status.drivers.is_empty()
}

/// The drivers whose devices cannot be asked, each with its error.
fn silent(status: &Status) -> String {
    let silent: Vec<(String, String)> = status
        .drivers
        .iter()
        .filter(|driver| driver.state != DriverState::Operational)
        .map(|driver| (driver.name.clone(), driver.error.clone()))
        .collect();
    list(&silent)
}

fn list(drivers: &[(String, String)]) -> String {
    let text = |(name, error): &(String, String)| {
        if error.is_empty() { name.clone() } else { format!("{name} ({error})") }
    };
    drivers.iter().map(text).collect::<Vec<_>>().join(", ")
}
