//! What is received: where its values go, and what is known of them for the status.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lineshaft_exchange::monotonic_ns;
use lineshaft_mesh::carry::{self, Inbox, Inlet, Standing};
use lineshaft_mesh::control::Reason;
use lineshaft_mesh::link::{Delivery, EntryProblem, Sink};
use lineshaft_mesh::wire::Quality;

use super::board::{Figures, Flow, Received};
use super::counts::Counts;
use super::subscriptions::EntryState;

const NS_PER_MS: u64 = 1_000_000;

/// An entry of a wish, at its receiver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// Path of the variable that receives.
    pub(crate) to: String,
    /// Where its values go.
    pub(crate) values: carry::Place,
    /// Of the variable that receives.
    pub(crate) ty: String,
    /// For messages: `LineB:Status.PLCState`.
    pub(crate) from: String,
}

/// The entries of one wish, as the program and the status are shown them.
pub(crate) struct Shown {
    inlet: Inlet,
    places: Vec<Place>,
    /// Number of an entry by the variable that receives.
    numbers: HashMap<String, usize>,
    counts: Mutex<Counts>,
}

impl Shown {
    pub(crate) fn new(inbox: Arc<Inbox>, places: Vec<Place>) -> Self {
        let numbers = places.iter().enumerate().map(|(number, place)| (place.to.clone(), number)).collect();
        let inlet = Inlet::new(inbox, places.iter().map(|place| place.values.clone()).collect());
        Self { inlet, places, numbers, counts: Mutex::default() }
    }

    /// What has become of an entry, by the variable that receives.
    pub(crate) fn state_of(&self, to: &str) -> Option<EntryState> {
        let number = *self.numbers.get(to)?;
        Some(match self.inlet.standing(number)? {
            Standing::Waiting => EntryState::Waiting,
            Standing::Problem(problem) => refused(&self.places[number], problem),
            Standing::Value { quality, stale } => EntryState::Value { quality: quality as u8, stale },
        })
    }

    fn standings(&self) -> impl Iterator<Item = Standing> {
        (0..self.places.len()).filter_map(|number| self.inlet.standing(number))
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self, delivery: &Delivery<'_>) {
        let config = delivery.subscription.config();
        self.counts().count((config.flow, config.epoch), delivery.subscription.tally());
    }
}

impl Flow for Shown {
    fn figures(&self) -> Figures {
        let silences = (0..self.places.len()).filter_map(|number| self.inlet.silence_ns(number));
        let mut counts = self.counts();
        let total = counts.total();
        let (mut stale, mut refused) = (0, 0);
        for standing in self.standings() {
            match standing {
                Standing::Value { stale: true, .. } => stale += 1,
                Standing::Problem(_) => refused += 1,
                Standing::Waiting | Standing::Value { .. } => {}
            }
        }
        Figures {
            messages: total.messages,
            lost: total.lost,
            age_ms: silences.min().map(|silence| silence / NS_PER_MS),
            stale,
            refused,
            per_second: counts.per_second(monotonic_ns().cast_unsigned()),
        }
    }

    fn received(&self) -> Vec<(String, Received)> {
        let known = self.places.iter().enumerate().filter_map(|(number, place)| {
            let (quality, stale) = match self.inlet.standing(number)? {
                Standing::Waiting => (Quality::NotConnected, false),
                Standing::Problem(problem) => (problem.quality(), false),
                Standing::Value { quality, stale } => (quality, stale),
            };
            let received = Received {
                from: place.from.clone(),
                quality: quality as u8,
                stale,
                age_ms: self.inlet.silence_ns(number).map(|silence| silence / NS_PER_MS),
            };
            Some((place.to.clone(), received))
        });
        known.collect()
    }
}

impl Sink for Shown {
    fn deliver(&self, delivery: &Delivery<'_>) {
        self.count(delivery);
        self.inlet.deliver(delivery);
    }

    fn alive(&self, delivery: &Delivery<'_>) {
        self.count(delivery);
        self.inlet.alive(delivery);
    }

    fn show(&self, values: bool) {
        self.inlet.show(values);
    }

    fn problem(&self, entry: u32, problem: EntryProblem) {
        self.inlet.problem(entry, problem);
    }
}

fn refused(place: &Place, problem: EntryProblem) -> EntryState {
    let EntryProblem::Refused(reason, publisher_type) = problem else { return EntryState::Waiting };
    let from = &place.from;
    let (reason, message) = match reason {
        Reason::NotPublished => ("NotPublished", format!("{from} is not published, or not to this runtime")),
        Reason::TypeMismatch => {
            let theirs = publisher_type.unwrap_or_default();
            ("TypeMismatch", format!("{from} is {theirs}, the variable that receives it {}", place.ty))
        }
        Reason::TimeoutBelowInterval => {
            ("TimeoutBelowInterval", format!("{from} comes less often than its timeout"))
        }
        Reason::RateExceeded => ("RateExceeded", format!("{from} is more than the publisher may send")),
        Reason::LimitExceeded => ("LimitExceeded", format!("{from} is more than the publisher gives")),
        Reason::InvalidDeadband => {
            ("TypeMismatch", format!("{from} is no number and cannot have a deadband"))
        }
    };
    EntryState::Refused { reason, message }
}
