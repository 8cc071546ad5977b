//! From paths to places: which variables of a program can be published and received, and where they lie.

use super::claims::bits;
use super::place::Places;
use super::{Action, Binding, BitCopy, Copy, EntrySpec, parts};
use crate::protocol::{Described, MailboxInfo, OnStale, Problem, ProblemReason, Slot, Subscription};
use crate::state;
use lineshaft_plc_compiler::layout::{Elementary, Layout, Place, TypeId};
use std::collections::BTreeMap;
use std::ops::Range;

/// Variables of one direction, and bytes of all their values.
const ENTRIES_MAX: usize = 32_768;
const BYTES_MAX: u32 = 8 * 1024 * 1024;
/// Groups of entries whose signs of life are told apart.
const SOURCES_MAX: usize = 1_024;

/// What a program publishes and receives.
#[derive(Clone, Debug, Default)]
pub struct Resolved {
    /// For the scan.
    pub binding: Binding,
    /// For who carries values between runtimes. Number and interval are not known here.
    pub info: MailboxInfo,
    /// What cannot be published.
    pub unpublished: Vec<Problem>,
    /// What cannot be received.
    pub unreceived: Vec<Problem>,
}

/// The types of variables.
pub fn describe(layout: &Layout, paths: &[String]) -> Described {
    let places = Places::new(layout);
    let found: Vec<_> =
        paths.iter().map(|path| shareable(&places, path).map(|found| found.place.ty)).collect();
    let (types, numbers) = layout.excerpt(found.iter().flatten().copied());
    let mut numbers = numbers.into_iter();
    // One number for each that was found, in order.
    let variables = found.into_iter().map(|ty| ty.map(|ty| numbers.next().unwrap_or(ty))).collect();
    Described { types, variables }
}

/// Finds everything; what cannot be found is left out and told.
pub fn resolve(layout: &Layout, publish: &[String], subscriptions: &[Subscription]) -> Resolved {
    if publish.is_empty() && subscriptions.is_empty() {
        return Resolved::default();
    }
    let places = Places::new(layout);
    let mut resolved = Resolved::default();
    let published = published(&places, publish, &mut resolved.unpublished);
    let mut writers = Writers::default();
    let (mut end, mut types) = (0, Vec::new());
    for (path, at, found) in &published {
        resolved.copy(*at, found);
        types.push(found.place.ty);
        resolved.info.published.push(slot(path, "", *at..at + found.bytes));
    }
    resolved.coalesce();
    for subscription in subscriptions {
        let entry = entry(&places, subscription, &mut writers).and_then(|(entry, ty)| {
            let bytes = entry.memory.len() as u32;
            let full = resolved.binding.entries.len() == ENTRIES_MAX || end + bytes > BYTES_MAX;
            if full { Err(too_many(&subscription.to)) } else { Ok((entry, ty, bytes)) }
        });
        match entry {
            Ok((entry, ty, bytes)) => {
                let place = end..end + bytes;
                resolved.info.received.push(slot(&subscription.to, &subscription.from, place));
                resolved.binding.entries.push(entry);
                types.push(ty);
                end += bytes;
            }
            Err(problem) => resolved.unreceived.push(problem),
        }
    }
    let (types, numbers) = layout.excerpt(types);
    let info = &mut resolved.info;
    for (slot, number) in info.published.iter_mut().chain(&mut info.received).zip(numbers) {
        slot.ty = number;
    }
    info.types = types;
    info.sources = resolved.binding.entries.len().min(SOURCES_MAX) as u16;
    resolved
}

impl Resolved {
    /// Says which entries were there before, so that what is known of them stays.
    pub(crate) fn follow(&mut self, before: &Binding) {
        let mut known: BTreeMap<String, (usize, &EntrySpec)> = BTreeMap::new();
        for (index, entry) in before.entries.iter().enumerate() {
            known.insert(entry.to.to_ascii_uppercase(), (index, entry));
        }
        for entry in &mut self.binding.entries {
            let same = known.get(&entry.to.to_ascii_uppercase()).filter(|(_, old)| {
                old.from == entry.from && old.parts == entry.parts && old.bit.is_some() == entry.bit.is_some()
            });
            entry.before = same.map(|(index, _)| *index as u32);
        }
    }

    fn copy(&mut self, to: u32, found: &Found) {
        match found.place.bit {
            Some(bit) => self.binding.bits.push(BitCopy { from: found.place.offset, bit, to }),
            None => self.binding.copies.extend(found.parts.iter().map(|part| {
                let range = part.range();
                let (at, bytes) = (range.start as u32, range.len() as u32);
                Copy { from: found.place.offset + at, to: to + at, bytes }
            })),
        }
    }

    /// Neighbouring copies become one.
    fn coalesce(&mut self) {
        let mut copies = std::mem::take(&mut self.binding.copies);
        copies.sort_by_key(|copy| (copy.from, copy.to));
        for copy in copies {
            match self.binding.copies.last_mut() {
                Some(last) if last.from + last.bytes == copy.from && last.to + last.bytes == copy.to => {
                    last.bytes += copy.bytes;
                }
                _ => self.binding.copies.push(copy),
            }
        }
    }
}

/// A variable that can be shared.
struct Found {
    place: Place,
    parts: Vec<parts::Part>,
    bytes: u32,
}

fn shareable(places: &Places<'_>, path: &str) -> Result<Found, Problem> {
    let place = places.find(path).ok_or_else(|| {
        problem(path, ProblemReason::NotFound, format!("the program has no variable {path:?}"))
    })?;
    let bytes = places.layout.size_of(place.ty);
    if bytes > BYTES_MAX {
        return Err(problem(
            path,
            ProblemReason::NotShareable,
            format!("{path:?} is too large to be shared"),
        ));
    }
    let parts = parts::parts(places.layout, place.ty).map_err(|why| {
        problem(path, ProblemReason::NotShareable, format!("{path:?} cannot be shared: {why}"))
    })?;
    Ok(Found { place, parts, bytes })
}

/// Published variables, in the order asked for, each with its place among the values. Values lie in the order of the
/// state block, so that neighbours are copied at once.
fn published(
    places: &Places<'_>,
    paths: &[String],
    problems: &mut Vec<Problem>,
) -> Vec<(String, u32, Found)> {
    let mut found = Vec::new();
    for path in paths {
        match shareable(places, path) {
            Ok(variable) => found.push((path.clone(), 0, variable)),
            Err(problem) => problems.push(problem),
        }
    }
    let mut order: Vec<usize> = (0..found.len()).collect();
    order.sort_by_key(|&index| found[index].2.place.offset);
    let mut end = 0;
    let mut left_out = vec![false; found.len()];
    for (count, index) in order.into_iter().enumerate() {
        let (path, at, variable) = &mut found[index];
        if count >= ENTRIES_MAX || end + variable.bytes > BYTES_MAX {
            problems.push(too_many(path));
            left_out[index] = true;
            continue;
        }
        *at = end;
        end += variable.bytes;
    }
    let mut left_out = left_out.into_iter();
    found.retain(|_| !left_out.next().unwrap_or(false));
    found
}

fn entry(
    places: &Places<'_>,
    wanted: &Subscription,
    writers: &mut Writers,
) -> Result<(EntrySpec, TypeId), Problem> {
    let to = &wanted.to;
    let found = shareable(places, to)?;
    let place = found.place;
    let tell = |path: &str, place: Option<Place>, elementary: Elementary| {
        let name = elementary.name();
        let message = |why: String| format!("the variable {path:?} for {to:?} {why}");
        match place {
            None => Err((ProblemReason::NotFound, message("is not in the program".to_owned()))),
            Some(place) if !places.is(place, elementary) => {
                let ty = places.layout.type_name(place.ty);
                Err((ProblemReason::WrongType, message(format!("is {ty} where {name} is needed"))))
            }
            Some(place) => Ok((path.to_owned(), place)),
        }
    };
    let special = |path: &Option<String>, elementary| {
        path.as_ref().map(|path| tell(path, places.find(path), elementary)).transpose()
    };
    let failed = |(reason, message)| problem(to, reason, message);
    let quality = special(&wanted.quality, Elementary::Byte).map_err(failed)?;
    let age = special(&wanted.age, Elementary::Time).map_err(failed)?;
    let own = (to.clone(), place);
    let targets: Vec<&(String, Place)> =
        [Some(&own), quality.as_ref(), age.as_ref()].into_iter().flatten().collect();
    for (path, place) in &targets {
        if let Some(why) = places.obstacle(path, *place) {
            return Err(problem(to, ProblemReason::Conflict, format!("{path:?} {why}")));
        }
    }
    let action = match &wanted.on_stale {
        OnStale::Hold => Action::Hold,
        OnStale::Fault => Action::Fault,
        OnStale::Substitute(literal) => Action::Substitute(substitute(places.layout, to, place, literal)?),
    };
    writers.claim(places.layout, to, &targets)?;
    let spec = EntrySpec {
        to: to.clone(),
        from: wanted.from.clone(),
        memory: place.offset..place.offset + found.bytes,
        bit: place.bit,
        parts: found.parts,
        quality: quality.map(|(_, place)| place.offset),
        age: age.map(|(_, place)| place.offset),
        timeout_ns: i64::try_from(wanted.timeout_ns).unwrap_or(i64::MAX).max(1),
        grace_ns: i64::try_from(wanted.startup_grace_ns).unwrap_or(i64::MAX),
        action,
        before: None,
    };
    Ok((spec, place.ty))
}

/// The memory of a literal.
fn substitute(layout: &Layout, to: &str, place: Place, literal: &str) -> Result<Vec<u8>, Problem> {
    let mut value = vec![0; layout.size_of(place.ty) as usize];
    let alone = Place { offset: 0, bit: None, ty: place.ty };
    state::write_at(layout, &mut value, alone, literal).map_err(|error| {
        problem(to, ProblemReason::InvalidSubstitute, format!("the substitute of {to:?}: {error}"))
    })?;
    Ok(value)
}

/// Who writes which bits of the state block.
#[derive(Default)]
struct Writers {
    /// First bit; the bit after the last, and the subscription.
    claimed: BTreeMap<u64, (u64, String)>,
}

impl Writers {
    /// All of them or none.
    fn claim(&mut self, layout: &Layout, to: &str, targets: &[&(String, Place)]) -> Result<(), Problem> {
        let mut made = Vec::new();
        for (path, place) in targets {
            let bits = bits(place.offset, layout.size_of(place.ty).max(1), place.bit);
            let before = self.claimed.range(..bits.end).next_back();
            if let Some((_, (_, other))) = before.filter(|(_, (end, _))| *end > bits.start) {
                let message = if other == to {
                    format!("{path:?} is written twice by the subscription of {to:?}")
                } else {
                    format!("{path:?} is written by the subscription of {other:?} already")
                };
                for start in made {
                    self.claimed.remove(&start);
                }
                return Err(problem(to, ProblemReason::Conflict, message));
            }
            self.claimed.insert(bits.start, (bits.end, to.to_owned()));
            made.push(bits.start);
        }
        Ok(())
    }
}

fn slot(path: &str, from: &str, place: Range<u32>) -> Slot {
    Slot {
        variable: path.to_owned(),
        from: from.to_owned(),
        // Known when all types are.
        ty: TypeId(0),
        place,
    }
}

fn too_many(path: &str) -> Problem {
    let message =
        format!("{path:?} is one too many: {ENTRIES_MAX} variables and {BYTES_MAX} bytes are the most");
    problem(path, ProblemReason::LimitExceeded, message)
}

fn problem(path: &str, reason: ProblemReason, message: String) -> Problem {
    Problem { variable: path.to_owned(), reason, message }
}
