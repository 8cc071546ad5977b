//! What the agent of the receiving node says of a subscription. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use lineshaft_api_client::bounded;
use lineshaft_crds::mesh_subscription::conditions::{COMPATIBLE, CONNECTED, FRESH, RESOLVED_REFS};
use lineshaft_crds::mesh_subscription::{EntryCounts, Link, Staleness, Transport};
use lineshaft_crds::{Condition, ConditionStatus, MeshSubscription, MeshSubscriptionStatus, story};
use lineshaft_mesh::link::LinkStatus;

use super::board::Figures;
use super::local::{LocalSubscription, Publisher, publisher_of};
use super::plan::{Binding, Plan, Route, Seen, Unresolved};

const LONGEST_MESSAGE_BYTES: usize = 1024;
/// The conditions that the agent writes.
const OWN: [&str; 4] = [RESOLVED_REFS, COMPATIBLE, CONNECTED, FRESH];
/// A round trip is news when it is so many times longer or shorter than the one that was told last.
const RTT_NEWS: i64 = 2;

/// Figures alone are written no more often.
const FIGURES_EVERY: Duration = Duration::from_mins(1);

/// What has become of the entries that one publisher is to give, in the order of the spec.
pub(crate) type Report = Vec<EntryState>;

/// What has become of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum EntryState {
    /// Nothing yet: there is no connection, or no answer.
    Waiting,
    /// The publisher, or the own program, refuses.
    Refused {
        /// Of the condition `Compatible`.
        reason: &'static str,
        /// For people.
        message: String,
    },
    /// It has a value.
    Value {
        /// 0 to 255, as the program sees it.
        quality: u8,
        /// Nothing was heard of the publisher's scan within the timeout.
        stale: bool,
    },
}

/// What the network knows of a subscription.
pub(crate) struct Knowledge<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) seen: &'a Seen,
    pub(crate) reports: &'a BTreeMap<Binding, Report>,
    /// What had arrived when counts were last told; they alone are told once a minute at most.
    pub(crate) figures: &'a BTreeMap<Binding, Figures>,
    pub(crate) now: Timestamp,
}

/// Figures as the status has them: those of the last time, until they are old.
#[derive(Default)]
pub(crate) struct Told(BTreeMap<Binding, (Figures, Duration)>);

impl Told {
    /// Takes the newest figures where they are due; `now` is of any clock that does not go back.
    pub(crate) fn renew(
        &mut self,
        newest: BTreeMap<Binding, Figures>,
        now: Duration,
    ) -> BTreeMap<Binding, Figures> {
        self.0.retain(|binding, _| newest.contains_key(binding));
        for (binding, figures) in newest {
            let known = self.0.get(&binding);
            // The first ones when there is a rate, so that they say something for the whole minute.
            let is_due = match known {
                Some((_, at)) => now.saturating_sub(*at) >= FIGURES_EVERY,
                None => figures.per_second.is_some(),
            };
            if is_due {
                self.0.insert(binding, (figures, now));
            }
        }
        self.0.iter().map(|(binding, (figures, _))| (binding.clone(), *figures)).collect()
    }
}

/// What the status should say, if it does not say it yet.
pub(crate) fn news(object: &MeshSubscription, knowledge: &Knowledge<'_>) -> Option<MeshSubscriptionStatus> {
    let known = own_part(object.status.clone().unwrap_or_default());
    let publishers = publishers(object, knowledge);
    let counts = counts(object, &publishers);
    let judged = [resolved(&publishers), compatible(&publishers), connected(&publishers), fresh(&publishers)];
    let conditions = OWN.into_iter().zip(judged).map(|(type_, (status, reason, message))| {
        debug_assert!(
            story::is_condition("MeshSubscription", type_, reason),
            "{type_}/{reason} is not documented"
        );
        let message = bounded(&message, LONGEST_MESSAGE_BYTES);
        Condition::new(type_, status, reason, message, object.metadata.generation, knowledge.now)
            .keeping_time_of(&known.conditions)
    });
    let wanted = MeshSubscriptionStatus {
        entries: Some(counts),
        links: publishers.iter().map(|publisher| link(publisher, &known.links)).collect(),
        conditions: conditions.collect(),
        ..MeshSubscriptionStatus::default()
    };
    (known != wanted).then_some(wanted)
}

/// The fields that the agent writes.
fn own_part(status: MeshSubscriptionStatus) -> MeshSubscriptionStatus {
    let own = |type_: &str| status.conditions.iter().find(|one| one.type_ == type_).cloned();
    let mut links = status.links;
    // The server keeps its own order.
    links.sort_by(|a, b| a.publisher.cmp(&b.publisher));
    MeshSubscriptionStatus {
        entries: status.entries,
        conditions: OWN.into_iter().filter_map(own).collect(),
        links,
        ..MeshSubscriptionStatus::default()
    }
}

/// A publisher, and all that is known of it.
struct Known<'a> {
    label: String,
    route: Option<&'a Result<Route, Unresolved>>,
    link: Option<&'a LinkStatus>,
    report: &'a [EntryState],
    figures: Option<&'a Figures>,
}

fn publishers<'a>(object: &MeshSubscription, knowledge: &Knowledge<'a>) -> Vec<Known<'a>> {
    let local = LocalSubscription::of(object);
    let known = |publisher: Publisher| {
        let label = publisher.label();
        let binding = (local.uid.clone(), publisher);
        let route = knowledge.plan.routes.get(&binding);
        let agent = route.and_then(|route| route.as_ref().ok()).map(|route| route.agent);
        let link = agent.and_then(|agent| knowledge.seen.links.get(&agent));
        let report = knowledge.reports.get(&binding).map(Vec::as_slice).unwrap_or_default();
        let figures = knowledge.figures.get(&binding);
        Known { label, route, link, report, figures }
    };
    let mut publishers: Vec<Known<'a>> = local.publishers.clone().into_iter().map(known).collect();
    publishers.sort_by(|a, b| a.label.cmp(&b.label));
    publishers
}

fn counts(object: &MeshSubscription, publishers: &[Known<'_>]) -> EntryCounts {
    let total = object.spec.subscribe.iter().filter(|entry| publisher_of(&entry.from).is_some()).count();
    let of = |wanted: fn(u8) -> bool| {
        let states = publishers.iter().flat_map(|publisher| publisher.report);
        let counted = states
            .filter(|state| matches!(state, EntryState::Value { quality, stale: false } if wanted(*quality)));
        counted.count()
    };
    let (good, uncertain) = (of(|quality| quality < 0x40), of(|quality| (0x40..0x80).contains(&quality)));
    let number = |count: usize| i32::try_from(count).unwrap_or(i32::MAX);
    EntryCounts {
        total: number(total),
        good: number(good),
        uncertain: number(uncertain),
        bad: number(total.saturating_sub(good + uncertain)),
    }
}

type Judged = (ConditionStatus, &'static str, String);

fn good(reason: &'static str) -> Judged {
    (ConditionStatus::True, reason, String::new())
}

fn resolved(publishers: &[Known<'_>]) -> Judged {
    let unresolved = publishers.iter().find_map(|publisher| publisher.route?.as_ref().err());
    match unresolved {
        Some(Unresolved { reason, message }) => (ConditionStatus::False, reason, message.clone()),
        None => good("ResolvedRefs"),
    }
}

fn compatible(publishers: &[Known<'_>]) -> Judged {
    let mut states = publishers.iter().flat_map(|publisher| publisher.report);
    let refused = states.clone().find_map(|state| match state {
        EntryState::Refused { reason, message } => Some((ConditionStatus::False, *reason, message.clone())),
        _ => None,
    });
    let asked = publishers.iter().all(|publisher| !publisher.report.is_empty());
    let waiting = !asked || states.any(|state| *state == EntryState::Waiting);
    match refused {
        Some(refused) => refused,
        None if waiting => (ConditionStatus::Unknown, "NotNegotiated", String::new()),
        None => good("Compatible"),
    }
}

fn connected(publishers: &[Known<'_>]) -> Judged {
    let away: Vec<&Known<'_>> =
        publishers.iter().filter(|one| !one.link.is_some_and(|link| link.connected)).collect();
    let revoked = away.iter().find(|one| one.link.is_some_and(|link| link.revoked));
    if let Some(revoked) = revoked {
        let message = format!("{}: the other side deleted its Pairing", revoked.label);
        return (ConditionStatus::False, "RevokedByPeer", message);
    }
    let words: BTreeSet<String> = away
        .iter()
        .map(|one| match one.link.and_then(|link| link.last_error.as_ref()) {
            Some(error) => format!("{}: {error}", one.label),
            None => format!("{}: not connected", one.label),
        })
        .collect();
    if words.is_empty() {
        good("Connected")
    } else {
        (ConditionStatus::False, "Dialing", words.into_iter().collect::<Vec<_>>().join("; "))
    }
}

fn fresh(publishers: &[Known<'_>]) -> Judged {
    const STOPPED: u8 = 0x84;
    let states = || publishers.iter().flat_map(|publisher| publisher.report);
    let is_stopped = |state: &&EntryState| matches!(state, EntryState::Value { quality: STOPPED, .. });
    let stale = states().filter(|state| matches!(state, EntryState::Value { stale: true, .. })).count();
    let never = states().filter(|state| !matches!(state, EntryState::Value { .. })).count();
    let unknown = publishers.iter().any(|publisher| publisher.report.is_empty());
    if states().any(|state| is_stopped(&state)) {
        (ConditionStatus::False, "PublisherStopped", String::new())
    } else if stale > 0 {
        (ConditionStatus::False, "Stale", format!("{stale} entries are stale"))
    } else if unknown || never > 0 {
        (ConditionStatus::False, "NeverReceived", String::new())
    } else {
        good("AllFresh")
    }
}

fn link(publisher: &Known<'_>, told: &[Link]) -> Link {
    let link = publisher.link;
    let received = publisher.report.iter().any(|state| matches!(state, EntryState::Value { .. }));
    let stale = publisher.report.iter().any(|state| matches!(state, EntryState::Value { stale: true, .. }));
    let staleness = match (received, stale) {
        (false, _) => Staleness::NeverReceived,
        (true, true) => Staleness::Stale,
        (true, false) => Staleness::Fresh,
    };
    let connected = link.is_some_and(|link| link.connected);
    let rtt = link.filter(|_| connected).and_then(|link| i64::try_from(link.rtt_us).ok());
    let before =
        told.iter().find(|told| told.publisher == publisher.label).and_then(|told| told.rtt_microseconds);
    let as_before = |now: i64, before: i64| now <= RTT_NEWS * before && before <= RTT_NEWS * now;
    let rtt = rtt.map(|now| before.filter(|before| as_before(now, *before)).unwrap_or(now));
    let figures = publisher.figures;
    // Of a connection that is gone the last rate says nothing.
    let per_second = figures.filter(|_| connected).and_then(|one| i32::try_from(one.per_second?).ok());
    Link {
        publisher: publisher.label.clone(),
        address: link.and_then(|link| link.address).map(|address| address.to_string()),
        transport: link.map(|link| if link.in_process { Transport::InProcess } else { Transport::Quic }),
        connected,
        staleness: Some(staleness),
        last_received_age_milliseconds: figures
            .and_then(|one| one.age_ms)
            .and_then(|age| i64::try_from(age).ok()),
        rtt_microseconds: rtt,
        messages_received: figures.map(|one| i64::try_from(one.messages).unwrap_or(i64::MAX)),
        messages_lost: figures.map(|one| i64::try_from(one.lost).unwrap_or(i64::MAX)),
        messages_per_second: per_second,
    }
}

#[cfg(test)]
mod tests;
