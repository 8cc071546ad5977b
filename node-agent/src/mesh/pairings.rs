//! What is to be done about a pairing, and what its status says. Pure.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt;
use lineshaft_crds::condition::find;
use lineshaft_crds::pairing::conditions::{APPROVED, PAIRED};
use lineshaft_crds::pairing::{Approval, Claim, FINALIZER, PairedPeer, Role};
use lineshaft_crds::{Condition, Pairing, PairingStatus, story};
use lineshaft_mesh::pairing::PairingError;
use lineshaft_mesh::trust::Pin;

use super::plan::Seen;

/// A claim that nobody answered is tried again after this.
const CLAIM_AGAIN: Duration = Duration::from_secs(5);

/// How far a pairing is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// The code is shown.
    Offering { code: String, expires: Timestamp, left: u32 },
    /// The other side is being asked.
    Claiming,
    /// It did not answer, or this side is locked: tried again.
    Later { reason: &'static str, message: String, again: Timestamp },
    /// The key is pinned.
    Paired { one_sided: bool },
    /// Nothing comes of it any more.
    Over { reason: &'static str, message: String },
}

impl Stage {
    /// Nothing comes of it.
    pub(crate) fn over(reason: &'static str, message: impl Into<String>) -> Self {
        Self::Over { reason, message: message.into() }
    }

    /// What an error of a claim means.
    pub(crate) fn failed(error: &PairingError, now: Timestamp) -> Self {
        let reason = match error {
            PairingError::WrongCode => "WrongCode",
            PairingError::NoOffer | PairingError::Oneself => "NoOffer",
            PairingError::Expired => "Expired",
            PairingError::Locked => "Locked",
            _ => return Self::later("PeerUnreachable", error.to_string(), now),
        };
        Self::over(reason, error.to_string())
    }

    /// Tried again soon.
    pub(crate) fn later(reason: &'static str, message: String, now: Timestamp) -> Self {
        Self::Later { reason, message, again: now.checked_add(CLAIM_AGAIN).unwrap_or(now) }
    }
}

/// What is to be done next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Nothing, until something changes.
    Wait,
    /// Drop the pin, then the finalizer.
    Release,
    /// Set the finalizer, so that the object does not go before its pin.
    Protect,
    /// Make a code.
    Offer(Duration),
    /// Ask the other side.
    Claim(Claim),
    /// It has come to this without us, before the agent started or meanwhile.
    Enter(Stage),
}

/// What is to be done about a pairing of this node.
pub(crate) fn step(object: &Pairing, stage: Option<&Stage>, seen: &Seen, now: Timestamp) -> Step {
    let protected = object.finalizers().iter().any(|name| name == FINALIZER);
    if object.metadata.deletion_timestamp.is_some() {
        return if protected { Step::Release } else { Step::Wait };
    }
    if object.spec.approval == Approval::Pending {
        return Step::Wait;
    }
    match stage {
        None => match recovered(object, seen) {
            Some(stage) => Step::Enter(stage),
            None if !protected => Step::Protect,
            None => begin(object),
        },
        Some(Stage::Offering { expires, .. }) if now >= *expires => {
            Step::Enter(Stage::over("Expired", "the time of the offer is over"))
        }
        Some(Stage::Offering { left: 0, .. }) => {
            Step::Enter(Stage::over("TooManyAttempts", "three wrong codes ended the offer"))
        }
        Some(Stage::Later { again, .. }) if now >= *again => begin(object),
        Some(Stage::Paired { one_sided: true }) if is_connected(object, seen) => {
            Step::Enter(Stage::Paired { one_sided: false })
        }
        Some(_) => Step::Wait,
    }
}

fn begin(object: &Pairing) -> Step {
    match (&object.spec.offer, &object.spec.claim) {
        (Some(offer), _) => Step::Offer(Duration::from_secs(offer.ttl_seconds.unsigned_abs().into())),
        (None, Some(claim)) => Step::Claim(claim.clone()),
        // The API server lets no such object in.
        (None, None) => Step::Wait,
    }
}

/// The key that this pairing pinned.
pub(crate) fn pin_of<'a>(object: &Pairing, seen: &'a Seen) -> Option<&'a Pin> {
    let uid = object.uid()?;
    seen.pins.iter().find(|pin| pin.pairing == uid)
}

fn is_connected(object: &Pairing, seen: &Seen) -> bool {
    let link = pin_of(object, seen).and_then(|pin| seen.links.get(&pin.agent));
    link.is_some_and(|link| link.connected)
}

/// What the disk and the status say to an agent that has just started.
fn recovered(object: &Pairing, seen: &Seen) -> Option<Stage> {
    let conditions = object.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
    let said = find(conditions, PAIRED);
    if pin_of(object, seen).is_some() {
        return Some(Stage::Paired { one_sided: said.is_some_and(|said| said.reason == "OneSided") });
    }
    let over = |reason| Some(Stage::over(reason, said.map(|said| said.message.clone()).unwrap_or_default()));
    match said?.reason.as_str() {
        "AwaitingClaim" | "AgentRestarted" => {
            Some(Stage::over("AgentRestarted", "the code did not outlive its agent: make a new offer"))
        }
        "Paired" | "OneSided" => {
            Some(Stage::over("AgentRestarted", "the key that was pinned is not on the disk: pair again"))
        }
        "Expired" => over("Expired"),
        "TooManyAttempts" => over("TooManyAttempts"),
        "WrongCode" => over("WrongCode"),
        "BadCheckDigit" => over("BadCheckDigit"),
        "NoOffer" => over("NoOffer"),
        // Being claimed, locked, unreachable: once more.
        _ => None,
    }
}

/// What the status should say, if it does not say it yet.
pub(crate) fn news(
    object: &Pairing,
    stage: Option<&Stage>,
    seen: &Seen,
    now: Timestamp,
) -> Option<PairingStatus> {
    let known = object.status.clone().unwrap_or_default();
    let condition = |type_, status: bool, reason: &str, message: &str| {
        debug_assert!(story::is_condition("Pairing", type_, reason), "{type_}/{reason} is not documented");
        Condition::new(type_, status, reason, message, object.metadata.generation, now)
            .keeping_time_of(&known.conditions)
    };
    let mut wanted = PairingStatus {
        observed_generation: object.metadata.generation,
        role: Some(if object.spec.offer.is_some() { Role::Offer } else { Role::Claim }),
        ..PairingStatus::default()
    };
    if object.spec.approval == Approval::Pending {
        wanted.conditions = vec![condition(APPROVED, false, "AwaitingApproval", "")];
        return (known != wanted).then_some(wanted);
    }
    wanted.conditions = vec![condition(APPROVED, true, "Approved", "")];
    let (status, reason, message) = match stage? {
        Stage::Offering { code, expires, left } => {
            wanted.code = Some(code.clone());
            wanted.expires_at = Some(Time(*expires));
            wanted.attempts_left = i32::try_from(*left).ok();
            (false, "AwaitingClaim", String::new())
        }
        Stage::Claiming => (false, "Claiming", String::new()),
        Stage::Later { reason, message, .. } | Stage::Over { reason, message } => {
            (false, *reason, message.clone())
        }
        Stage::Paired { one_sided } => {
            wanted.peer = pin_of(object, seen).map(|pin| peer(pin, seen));
            let name = wanted.peer.as_ref().and_then(|peer| peer.name.clone()).unwrap_or_default();
            let reason = if *one_sided { "OneSided" } else { "Paired" };
            (!one_sided, reason, format!("with {name}"))
        }
    };
    wanted.conditions.push(condition(PAIRED, status, reason, &message));
    (known != wanted).then_some(wanted)
}

fn peer(pin: &Pin, seen: &Seen) -> PairedPeer {
    let link = seen.links.get(&pin.agent);
    let mut runtimes: Vec<String> = seen
        .peers
        .values()
        .filter(|peer| peer.trusted && peer.advert.agent == pin.agent)
        .map(|peer| peer.advert.name.to_string())
        .chain(link.into_iter().flat_map(|link| link.runtimes.iter().map(|info| info.name.clone())))
        .collect();
    runtimes.sort();
    runtimes.dedup();
    PairedPeer {
        agent_id: pin.agent.to_string(),
        name: Some(pin.name.clone()).filter(|name| !name.is_empty()),
        fingerprint: pin.keys.last().map(ToString::to_string).unwrap_or_default(),
        runtimes,
    }
}

#[cfg(test)]
mod tests;
