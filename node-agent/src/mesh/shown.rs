//! Where values that arrive go: into the inbox of a runtime, and what is known of them into the status.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use lineshaft_exchange::{InboxWriter, monotonic_ns};
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
    /// Its number in the inbox.
    pub(crate) inbox: usize,
    /// Bytes of a value.
    pub(crate) size: usize,
    /// Of the variable that receives.
    pub(crate) ty: String,
    /// For messages: `LineB:Status.PLCState`.
    pub(crate) from: String,
    /// Silence for so long is stale.
    pub(crate) timeout_ns: u64,
}

/// The entries of one wish, as the program and the status are shown them.
pub(crate) struct Shown {
    inbox: Arc<Mutex<InboxWriter>>,
    /// Signs of life that the inbox tells apart.
    sources: u16,
    places: Vec<Place>,
    /// Number of an entry by the variable that receives.
    numbers: HashMap<String, usize>,
    state: Mutex<State>,
}

struct State {
    entries: Vec<Entry>,
    /// Negotiation of the flow that each source was last used for.
    flows: HashMap<u16, (u16, u32)>,
    counts: Counts,
}

#[derive(Clone, Default)]
struct Entry {
    refused: Option<(&'static str, String)>,
    quality: Option<Quality>,
    alive_ns: u64,
    /// The value that was shown last.
    value: Vec<u8>,
}

impl Shown {
    pub(crate) fn new(inbox: Arc<Mutex<InboxWriter>>, sources: u16, places: Vec<Place>) -> Self {
        let entries = vec![Entry::default(); places.len()];
        let numbers = places.iter().enumerate().map(|(number, place)| (place.to.clone(), number)).collect();
        Self {
            inbox,
            sources,
            places,
            numbers,
            state: Mutex::new(State { entries, flows: HashMap::new(), counts: Counts::default() }),
        }
    }

    /// What has become of an entry, by the variable that receives.
    pub(crate) fn state_of(&self, to: &str) -> Option<EntryState> {
        let number = *self.numbers.get(to)?;
        let (place, now_ns) = (&self.places[number], monotonic_ns().cast_unsigned());
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = &state.entries[number];
        Some(match (&entry.refused, entry.quality) {
            (Some((reason, message)), _) => EntryState::Refused { reason, message: message.clone() },
            (None, None) => EntryState::Waiting,
            (None, Some(quality)) => EntryState::Value {
                quality: quality as u8,
                stale: now_ns.saturating_sub(entry.alive_ns) >= place.timeout_ns,
            },
        })
    }

    /// Each flow has other entries, so the first of them names its source.
    fn source(&self, entries: &[u32]) -> u16 {
        let first = entries
            .iter()
            .filter_map(|&entry| self.places.get(entry as usize))
            .map(|place| place.inbox)
            .min();
        (first.unwrap_or(0) % usize::from(self.sources.max(1))) as u16
    }
}

impl Flow for Shown {
    fn figures(&self) -> Figures {
        let now_ns = monotonic_ns().cast_unsigned();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let state = &mut *state;
        let known = || self.places.iter().zip(&state.entries);
        let is_silent = |(place, entry): &(&Place, &Entry)| {
            entry.quality.is_some() && now_ns.saturating_sub(entry.alive_ns) >= place.timeout_ns
        };
        let newest = state.entries.iter().map(|entry| entry.alive_ns).max().unwrap_or(0);
        let total = state.counts.total();
        Figures {
            messages: total.messages,
            lost: total.lost,
            age_ms: (newest > 0).then(|| now_ns.saturating_sub(newest) / NS_PER_MS),
            stale: known().filter(is_silent).count(),
            refused: state.entries.iter().filter(|entry| entry.refused.is_some()).count(),
            per_second: state.counts.per_second(now_ns),
        }
    }

    fn received(&self) -> Vec<(String, Received)> {
        let now_ns = monotonic_ns().cast_unsigned();
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let known = self.places.iter().zip(&state.entries).map(|(place, entry)| {
            let refused = if entry.refused.is_some() { Quality::Refused } else { Quality::NotConnected };
            let silence_ns = now_ns.saturating_sub(entry.alive_ns);
            let received = Received {
                from: place.from.clone(),
                quality: entry.quality.unwrap_or(refused) as u8,
                stale: entry.quality.is_some() && silence_ns >= place.timeout_ns,
                age_ms: (entry.alive_ns > 0).then_some(silence_ns / NS_PER_MS),
            };
            (place.to.clone(), received)
        });
        known.collect()
    }
}

impl Sink for Shown {
    fn deliver(&self, delivery: &Delivery<'_>) {
        let mut inbox = self.inbox.lock().unwrap_or_else(PoisonError::into_inner);
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let source = self.source(delivery.entries);
        let config = delivery.subscription.config();
        state.counts.count((config.flow, config.epoch), delivery.subscription.tally());
        if state.flows.insert(source, (config.flow, config.epoch)) != Some((config.flow, config.epoch)) {
            inbox.alive(source, 0);
        }
        let alive_ns = delivery.subscription.last_alive_ns().unwrap_or(0);
        let mut rest = delivery.subscription.image();
        for (&number, quality) in delivery.entries.iter().zip(delivery.subscription.qualities()) {
            let number = number as usize;
            let (Some(place), Some(entry)) = (self.places.get(number), state.entries.get_mut(number)) else {
                return;
            };
            let Some((value, others)) = rest.split_at_checked(place.size) else { return };
            rest = others;
            // Before its first value a slot has none to show.
            if quality == Quality::NotConnected {
                continue;
            }
            if entry.value != value || entry.quality.is_none() {
                entry.value.clear();
                entry.value.extend_from_slice(value);
                inbox.set(place.inbox, value);
                inbox.set_source(place.inbox, source);
            }
            if entry.quality != Some(quality) {
                inbox.set_quality(place.inbox, quality as u8);
            }
            entry.refused = None;
            entry.quality = Some(quality);
            entry.alive_ns = alive_ns;
        }
        inbox.publish();
        inbox.alive(source, alive_ns.cast_signed());
    }

    fn problem(&self, number: u32, problem: EntryProblem) {
        let number = number as usize;
        let mut inbox = self.inbox.lock().unwrap_or_else(PoisonError::into_inner);
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (Some(place), Some(entry)) = (self.places.get(number), state.entries.get_mut(number)) else {
            return;
        };
        let quality = match &problem {
            EntryProblem::NotConnected | EntryProblem::NoSuchRuntime => Quality::NotConnected,
            EntryProblem::Refused(Reason::TypeMismatch, _) => Quality::TypeMismatch,
            EntryProblem::Refused(..) => Quality::Refused,
        };
        // A flow that comes later shows its values anew.
        *entry = Entry {
            refused: refusal(place, problem),
            quality: entry.quality.map(|_| quality),
            alive_ns: entry.alive_ns,
            value: Vec::new(),
        };
        inbox.set_quality(place.inbox, quality as u8);
        // When a connection ends, all entries are told one by one: shown together.
        if entry.refused.is_some() || number + 1 == self.places.len() {
            inbox.publish();
        }
    }
}

fn refusal(place: &Place, problem: EntryProblem) -> Option<(&'static str, String)> {
    let EntryProblem::Refused(reason, publisher_type) = problem else { return None };
    let from = &place.from;
    Some(match reason {
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
    })
}
