//! What a publisher answers to a wish list: which entries it gives, in which flows, and why it refuses others.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use lineshaft_plc_compiler::layout::Elementary;

use super::{Entry, MAX_ENTRIES, Reason, Refused, Subscribe};
use crate::flow::{Deadband, MAX_SLOTS};
use crate::schema::Schema;

/// What one runtime publishes.
#[derive(Debug, Default)]
pub struct Catalogue {
    by_path: HashMap<String, Offered>,
    /// Interval of the scans that values leave after.
    pub scan_us: u64,
}

/// A published variable.
#[derive(Debug, Clone)]
pub struct Offered {
    /// Its type.
    pub schema: Schema,
    /// Set if it is a plain number, which can have a deadband.
    pub number: Option<Elementary>,
    /// Where its memory lies in the image of published values.
    pub image: Range<usize>,
    /// Names of runtimes and agents that may have it; empty: all that are trusted.
    pub to: Vec<String>,
    /// At least so long between two values.
    pub min_interval_us: u64,
}

/// What a publisher gives away at most.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Flows that the connection may still open.
    pub flows: usize,
    /// Bytes of values a second that the agent may still promise.
    pub bytes_per_second: u64,
    /// Values that the connection may still have.
    pub slots: usize,
    /// Bytes of memory that the publisher still sets aside for them.
    pub memory: u64,
}

/// A flow that is to be set up.
#[derive(Debug, Clone)]
pub struct Flow {
    /// Values leave every so many scans.
    pub every_scans: u32,
    /// The same as time.
    pub interval_us: u64,
    /// Between two signs of life.
    pub beat_us: u64,
    /// In order of slots.
    pub slots: Vec<Granted>,
}

/// An entry that is given.
#[derive(Debug, Clone)]
pub struct Granted {
    /// Of the entry.
    pub i: u32,
    /// The variable.
    pub variable: Offered,
    /// As wished.
    pub deadband: Option<Deadband>,
}

impl Catalogue {
    /// A runtime that publishes nothing yet.
    pub fn new(scan_us: u64) -> Self {
        Self { by_path: HashMap::new(), scan_us: scan_us.max(1) }
    }

    /// Publishes a variable.
    pub fn publish(&mut self, path: &str, offered: Offered) {
        self.by_path.insert(path.to_ascii_uppercase(), offered);
    }

    /// Variables.
    pub fn len(&self) -> usize {
        self.by_path.len()
    }

    /// Nothing is published.
    pub fn is_empty(&self) -> bool {
        self.by_path.is_empty()
    }
}

/// Judges each entry by itself, then forms a flow of all that have one interval.
pub fn negotiate(catalogue: &Catalogue, wish: &Subscribe, mut limits: Limits) -> (Vec<Flow>, Vec<Refused>) {
    let mut flows: BTreeMap<u32, (Vec<Granted>, u64)> = BTreeMap::new();
    let mut refused = Vec::new();
    for (position, entry) in wish.entries.iter().enumerate() {
        let judged = if position < MAX_ENTRIES {
            judge(catalogue, &wish.subscriber_name, entry, &mut limits)
        } else {
            Err((Reason::LimitExceeded, None))
        };
        let every_scans = judged.as_ref().map_or(0, |(every, _)| *every);
        let room = flows.get(&every_scans).map_or(flows.len() < limits.flows, |(s, _)| s.len() < MAX_SLOTS);
        match judged {
            Ok((every_scans, granted)) if room => {
                let (slots, timeout_us) = flows.entry(every_scans).or_insert((Vec::new(), u64::MAX));
                slots.push(granted);
                *timeout_us = (*timeout_us).min(entry.timeout_us);
            }
            Ok(_) => refused.push(refusal(entry, Reason::LimitExceeded, None)),
            Err((reason, ty)) => refused.push(refusal(entry, reason, ty)),
        }
    }
    let flows = flows
        .into_iter()
        .map(|(every_scans, (slots, timeout_us))| {
            let interval_us = catalogue.scan_us * u64::from(every_scans);
            Flow { every_scans, interval_us, beat_us: interval_us.max(timeout_us / 4), slots }
        })
        .collect();
    (flows, refused)
}

fn judge(
    catalogue: &Catalogue,
    subscriber: &str,
    entry: &Entry,
    limits: &mut Limits,
) -> Result<(u32, Granted), (Reason, Option<String>)> {
    let offered = catalogue
        .by_path
        .get(&entry.variable.to_ascii_uppercase())
        .filter(|offered| offered.to.is_empty() || offered.to.iter().any(|name| name == subscriber))
        .ok_or((Reason::NotPublished, None))?;
    if offered.schema.hash() != entry.hash {
        return Err((Reason::TypeMismatch, Some(offered.schema.text().to_owned())));
    }
    let deadband = deadband(entry, offered)?;
    let wanted_us = catalogue.scan_us.max(entry.min_interval_us).max(offered.min_interval_us);
    let every_scans = u32::try_from(wanted_us.div_ceil(catalogue.scan_us)).unwrap_or(u32::MAX);
    let interval_us = catalogue.scan_us.saturating_mul(u64::from(every_scans));
    if entry.timeout_us < interval_us {
        return Err((Reason::TimeoutBelowInterval, None));
    }
    let longest = u64::from(offered.schema.codec().wire_len().longest());
    let bytes_per_second = longest.saturating_mul(1_000_000) / interval_us;
    let memory = u64::from(offered.schema.codec().memory_len());
    let slots = limits.slots.checked_sub(1).ok_or((Reason::LimitExceeded, None))?;
    let memory = limits.memory.checked_sub(memory).ok_or((Reason::LimitExceeded, None))?;
    let rate = limits.bytes_per_second.checked_sub(bytes_per_second);
    let bytes_per_second = rate.ok_or((Reason::RateExceeded, None))?;
    *limits = Limits { bytes_per_second, slots, memory, ..*limits };
    Ok((every_scans, Granted { i: entry.i, variable: offered.clone(), deadband }))
}

fn deadband(entry: &Entry, offered: &Offered) -> Result<Option<Deadband>, (Reason, Option<String>)> {
    let Some(text) = &entry.deadband else { return Ok(None) };
    let limit: f64 = text.parse().map_err(|_| (Reason::InvalidDeadband, None))?;
    if limit == 0.0 {
        return Ok(None);
    }
    let number = offered.number.ok_or((Reason::InvalidDeadband, None))?;
    Deadband::new(number, limit).map(Some).ok_or((Reason::InvalidDeadband, None))
}

fn refusal(entry: &Entry, reason: Reason, publisher_type: Option<String>) -> Refused {
    Refused { i: entry.i, reason, publisher_type }
}
