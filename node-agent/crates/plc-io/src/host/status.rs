//! How a driver is doing, for status, events and metrics.

use std::sync::{Mutex, MutexGuard, PoisonError};

use lineshaft_exchange::{Quality, Wakeup};

/// Whether a driver reaches its device.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum DriverState {
    /// It has not reached the device yet, and has not failed either.
    #[default]
    Starting,
    /// Everything is exchanged.
    Operational,
    /// The device answers, but refuses part of what it is asked.
    Degraded {
        /// The first refusal.
        error: String,
    },
    /// The device does not answer.
    Unreachable {
        /// What was tried last, and what came of it.
        error: String,
    },
    /// The driver was stopped.
    Stopped,
}

/// A driver at one time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DriverStatus {
    /// Its name.
    pub name: String,
    /// Whether it reaches its device.
    pub state: DriverState,
    /// What its inputs are worth.
    pub quality: Quality,
    /// Inputs are missing for too long, and the declaration asks for a fault of the runtime then.
    pub fault_requested: bool,
    /// The device has acknowledged the safe values, and nothing else was sent since.
    pub safe_confirmed: bool,
    /// Requests that failed or were refused, since the start.
    pub errors: u64,
    /// The last of them.
    pub last_error: Option<String>,
    /// Connections that were made.
    pub connects: u64,
}

/// Shared by a driver's thread and its keeper.
#[derive(Debug)]
pub(crate) struct StatusCell {
    figures: Mutex<Figures>,
    changed: Wakeup,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Figures {
    pub(crate) state: DriverState,
    pub(crate) quality: Quality,
    pub(crate) fault_requested: bool,
    pub(crate) errors: u64,
    pub(crate) last_error: Option<String>,
    pub(crate) connects: u64,
}

impl StatusCell {
    pub(crate) fn new(changed: Wakeup) -> Self {
        Self { figures: Mutex::new(Figures::default()), changed }
    }

    fn figures(&self) -> MutexGuard<'_, Figures> {
        // Nothing in here is ever half changed in a way that matters.
        self.figures.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn snapshot(&self) -> Figures {
        self.figures().clone()
    }

    /// Changes the figures and tells the keeper when it should look.
    pub(crate) fn update(&self, change: impl FnOnce(&mut Figures)) {
        let mut figures = self.figures();
        let before = (figures.state.clone(), figures.quality, figures.fault_requested);
        change(&mut figures);
        let now = (&figures.state, figures.quality, figures.fault_requested);
        if now != (&before.0, before.1, before.2) {
            drop(figures);
            self.changed.signal();
        }
    }

    pub(crate) fn failed(&self, error: &str) {
        self.update(|figures| {
            figures.errors += 1;
            figures.last_error = Some(error.to_owned());
        });
    }
}
