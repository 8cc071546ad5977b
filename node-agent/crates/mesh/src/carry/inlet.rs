//! Values that arrive, into the inbox of a runtime.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lineshaft_exchange::InboxWriter;

use crate::link::{Delivery, EntryProblem, Sink};
use crate::now_ns;
use crate::wire::Quality;

/// The inbox of a runtime, and whose signs of life each of its sources carries.
pub struct Inbox {
    boxed: Mutex<Boxed>,
}

struct Boxed {
    writer: InboxWriter,
    /// Sources that a flow has.
    taken: Vec<bool>,
}

/// Where the values of an entry of a wish go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Its number in the inbox.
    pub inbox: usize,
    /// Bytes of a value.
    pub size: usize,
    /// Silence for so long is stale.
    pub timeout_ns: u64,
}

/// What has become of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Nothing was heard of it yet.
    Waiting,
    /// It gets no values.
    Problem(EntryProblem),
    /// What its value is worth, and whether nothing was heard of its publisher for the timeout.
    Value {
        /// As its bringer knows it.
        quality: Quality,
        /// By the clock of the reader.
        stale: bool,
    },
}

/// The entries of one wish, on their way into an inbox.
pub struct Inlet {
    inbox: Arc<Inbox>,
    places: Vec<Place>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    entries: Vec<Entry>,
    /// The flow that has an entry for its first one.
    flows: HashMap<u32, Flow>,
}

#[derive(Clone, Default)]
struct Entry {
    problem: Option<EntryProblem>,
    quality: Option<Quality>,
    /// The flow that brings it, by its first entry.
    flow: u32,
    /// The inbox has its newest value.
    shown: bool,
}

struct Flow {
    /// Its number and its negotiation.
    name: (u16, u32),
    source: u16,
    alive_ns: u64,
}

impl Inbox {
    /// Nobody else writes it.
    pub fn new(writer: InboxWriter) -> Self {
        let taken = vec![false; usize::from(writer.sources())];
        Self { boxed: Mutex::new(Boxed { writer, taken }) }
    }

    fn lock(&self) -> MutexGuard<'_, Boxed> {
        self.boxed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Boxed {
    /// A source that nobody has. When there is none left, several flows share one: then one that falls silent alone
    /// is stale only with the others.
    fn source(&mut self, near: usize) -> u16 {
        let count = self.taken.len().max(1);
        let free =
            (0..count).map(|step| (near + step) % count).find(|&at| self.taken.get(at) == Some(&false));
        let Some(free) = free else { return (near % count) as u16 };
        self.taken[free] = true;
        self.writer.alive(free as u16, 0);
        free as u16
    }
}

impl Inlet {
    /// `places` are those of the wish's entries, in their order.
    pub fn new(inbox: Arc<Inbox>, places: Vec<Place>) -> Self {
        let entries = vec![Entry::default(); places.len()];
        Self { inbox, places, state: Mutex::new(State { entries, flows: HashMap::new() }) }
    }

    /// What has become of an entry; `None` if there is none of that number.
    pub fn standing(&self, entry: usize) -> Option<Standing> {
        let (place, now_ns) = (self.places.get(entry)?, now_ns());
        let state = self.state();
        let entry = &state.entries[entry];
        Some(match (&entry.problem, entry.quality) {
            (Some(problem), _) => Standing::Problem(problem.clone()),
            (None, None) => Standing::Waiting,
            (None, Some(quality)) => {
                let alive_ns = state.flows.get(&entry.flow).map_or(0, |flow| flow.alive_ns);
                Standing::Value { quality, stale: now_ns.saturating_sub(alive_ns) >= place.timeout_ns }
            }
        })
    }

    /// For how long nothing was heard of the publisher of an entry; `None` if nothing ever was.
    pub fn silence_ns(&self, entry: usize) -> Option<u64> {
        let state = self.state();
        // Before its first value no flow is known to bring it.
        let entry = state.entries.get(entry).filter(|entry| entry.quality.is_some())?;
        let flow = state.flows.get(&entry.flow)?;
        (flow.alive_ns > 0).then(|| now_ns().saturating_sub(flow.alive_ns))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The flow of a delivery by its first entry, which no other flow has, and its source.
    fn flow(&self, delivery: &Delivery<'_>, state: &mut State, boxed: &mut Boxed) -> Option<(u32, u16)> {
        let &first = delivery.entries.first()?;
        let near = self.places.get(first as usize)?.inbox;
        let config = delivery.subscription.config();
        let name = (config.flow, config.epoch);
        let alive_ns = delivery.subscription.last_alive_ns().unwrap_or(0);
        let flow = match state.flows.get_mut(&first) {
            Some(flow) => {
                if flow.name != name {
                    flow.name = name;
                    // What its predecessor has shown is no sign of life of this one.
                    boxed.writer.alive(flow.source, 0);
                }
                flow
            }
            None => state.flows.entry(first).or_insert(Flow { name, source: boxed.source(near), alive_ns }),
        };
        flow.alive_ns = alive_ns;
        Some((first, flow.source))
    }
}

impl Drop for Inlet {
    fn drop(&mut self) {
        let mut boxed = self.inbox.lock();
        for flow in self.state().flows.values() {
            if let Some(taken) = boxed.taken.get_mut(usize::from(flow.source)) {
                *taken = false;
            }
        }
    }
}

impl Sink for Inlet {
    fn deliver(&self, delivery: &Delivery<'_>) {
        let (mut boxed, mut state) = (self.inbox.lock(), self.state());
        let Some((first, source)) = self.flow(delivery, &mut state, &mut boxed) else { return };
        let inbox = &mut boxed.writer;
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
            if !entry.shown || entry.flow != first {
                inbox.set(place.inbox, value);
                inbox.set_source(place.inbox, source);
            } else if inbox.value(place.inbox) != Some(value) {
                inbox.set(place.inbox, value);
            }
            if entry.quality != Some(quality) {
                inbox.set_quality(place.inbox, quality as u8);
            }
            *entry = Entry { problem: None, quality: Some(quality), flow: first, shown: true };
        }
    }

    fn alive(&self, delivery: &Delivery<'_>) {
        let (mut boxed, mut state) = (self.inbox.lock(), self.state());
        // The flow notes when; `show` tells the program.
        self.flow(delivery, &mut state, &mut boxed);
    }

    fn show(&self, values: bool) {
        let (mut boxed, state) = (self.inbox.lock(), self.state());
        if values {
            boxed.writer.publish();
        }
        for flow in state.flows.values().filter(|flow| flow.alive_ns > 0) {
            boxed.writer.alive(flow.source, flow.alive_ns.cast_signed());
        }
    }

    fn problem(&self, number: u32, problem: EntryProblem) {
        let number = number as usize;
        let (mut boxed, mut state) = (self.inbox.lock(), self.state());
        let (Some(place), Some(entry)) = (self.places.get(number), state.entries.get_mut(number)) else {
            return;
        };
        let quality = problem.quality();
        let refused = matches!(problem, EntryProblem::Refused(..));
        // A flow that comes later shows its values anew.
        *entry = Entry {
            problem: refused.then_some(problem),
            quality: entry.quality.map(|_| quality),
            flow: entry.flow,
            shown: false,
        };
        boxed.writer.set_quality(place.inbox, quality as u8);
        // When a connection ends, all entries are told one by one: shown together.
        if refused || number + 1 == self.places.len() {
            boxed.writer.publish();
        }
    }
}

#[cfg(test)]
mod tests;
