//! Counts guesses at a code, and locks the door behind those who guess.
//!
//! An attempt counts when it begins: an attacker who breaks off, or makes the agent restart, has still used it up.
//! What must survive a restart is in [`GuardRecord`], which is on the disk before an attempt is answered. No clock
//! of the calendar is involved: a box that boots in 1970 counts as well as any other.

use serde::{Deserialize, Serialize};

const SECOND_NS: u64 = 1_000_000_000;
/// Guesses at one code.
const ATTEMPTS: u32 = 3;
const FIRST_LOCK_NS: u64 = 30 * SECOND_NS;
const LONGEST_LOCK_NS: u64 = 3_600 * SECOND_NS;
const FORGIVEN_AFTER_NS: u64 = 24 * 3_600 * SECOND_NS;
const BETWEEN_ATTEMPTS_NS: u64 = SECOND_NS;

/// What a restart must not undo.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GuardRecord {
    /// Offers in a row that ended by wrong codes.
    pub spoiled_offers: u32,
    /// The last of them locked the agent, and the lock had not run off.
    pub locked: bool,
}

/// Why an offer cannot be made, or a claim gets no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Too many wrong codes; nothing is answered until then (monotonic clock).
    #[error("locked after wrong codes")]
    Locked {
        /// ns.
        until_ns: u64,
    },
    /// Nobody offers to pair.
    #[error("no pairing is offered")]
    NoOffer,
    /// The offer's time has run off.
    #[error("the offer has expired")]
    Expired,
    /// Another claim is under way, or the last one began less than a second ago.
    #[error("another claim is under way")]
    Busy,
}

/// What a failed attempt leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// The offer stands.
    StillOpen {
        /// Attempts that are left.
        left: u32,
    },
    /// The offer is gone and the agent locked (monotonic clock).
    Spoiled {
        /// ns.
        locked_until_ns: u64,
    },
}

/// The guesses at the codes of one agent.
#[derive(Debug)]
pub struct Guard {
    record: GuardRecord,
    locked_until_ns: u64,
    spoiled_at_ns: u64,
    offer: Option<Offer>,
}

#[derive(Debug)]
struct Offer {
    expires_ns: u64,
    attempts: u32,
    last_attempt_ns: Option<u64>,
    under_way: bool,
}

impl Guard {
    /// A lock that had not run off starts anew: nobody knows how long the agent was down.
    pub fn new(record: GuardRecord, now_ns: u64) -> Self {
        let locked_until_ns = if record.locked { now_ns + lock_ns(record.spoiled_offers) } else { 0 };
        Self { record, locked_until_ns, spoiled_at_ns: now_ns, offer: None }
    }

    /// What must be on the disk before the next message leaves.
    pub fn record(&self) -> GuardRecord {
        self.record
    }

    /// Opens an offer in place of the present one.
    pub fn open(&mut self, ttl_ns: u64, now_ns: u64) -> Result<(), Refusal> {
        self.time_heals(now_ns);
        if now_ns < self.locked_until_ns {
            return Err(Refusal::Locked { until_ns: self.locked_until_ns });
        }
        self.offer =
            Some(Offer { expires_ns: now_ns + ttl_ns, attempts: 0, last_attempt_ns: None, under_way: false });
        Ok(())
    }

    /// Withdraws the offer.
    pub fn close(&mut self) {
        self.offer = None;
    }

    /// Whether a claim could succeed now.
    pub fn is_open(&self, now_ns: u64) -> bool {
        self.offer.as_ref().is_some_and(|offer| now_ns < offer.expires_ns)
    }

    /// Whether no offer can be made for a while.
    pub fn is_locked(&self, now_ns: u64) -> bool {
        now_ns < self.locked_until_ns
    }

    /// Attempts left at the present offer.
    pub fn attempts_left(&self) -> u32 {
        self.offer.as_ref().map_or(0, |offer| ATTEMPTS - offer.attempts)
    }

    /// A claim has come. `Ok` counts it as an attempt; the record must be stored before it is answered. The last
    /// attempt counts as failed until it has succeeded, so that a restart in its middle does not forgive it.
    pub fn attempt(&mut self, now_ns: u64) -> Result<(), Refusal> {
        self.time_heals(now_ns);
        if now_ns < self.locked_until_ns {
            return Err(Refusal::Locked { until_ns: self.locked_until_ns });
        }
        let offer = self.offer.as_mut().ok_or(Refusal::NoOffer)?;
        if now_ns >= offer.expires_ns {
            self.offer = None;
            return Err(Refusal::Expired);
        }
        let early = offer.last_attempt_ns.is_some_and(|last| now_ns < last + BETWEEN_ATTEMPTS_NS);
        if offer.under_way || early {
            return Err(Refusal::Busy);
        }
        offer.under_way = true;
        offer.last_attempt_ns = Some(now_ns);
        offer.attempts += 1;
        if offer.attempts == ATTEMPTS {
            self.record.spoiled_offers = self.record.spoiled_offers.saturating_add(1);
            self.record.locked = true;
        }
        Ok(())
    }

    /// The attempt under way proved the code: the offer is used up, the past forgiven.
    pub fn succeeded(&mut self) {
        self.offer = None;
        self.record = GuardRecord::default();
    }

    /// The attempt under way failed, broke off or took too long.
    pub fn failed(&mut self, now_ns: u64) -> Failure {
        match &mut self.offer {
            Some(offer) if offer.attempts < ATTEMPTS => {
                offer.under_way = false;
                Failure::StillOpen { left: ATTEMPTS - offer.attempts }
            }
            _ => {
                self.offer = None;
                self.spoiled_at_ns = now_ns;
                self.locked_until_ns = now_ns + lock_ns(self.record.spoiled_offers);
                Failure::Spoiled { locked_until_ns: self.locked_until_ns }
            }
        }
    }

    fn time_heals(&mut self, now_ns: u64) {
        if now_ns >= self.locked_until_ns && self.offer.is_none() {
            self.record.locked = false;
        }
        if self.offer.is_none() && now_ns >= self.spoiled_at_ns + FORGIVEN_AFTER_NS {
            self.record.spoiled_offers = 0;
        }
    }
}

fn lock_ns(spoiled_offers: u32) -> u64 {
    let doublings = spoiled_offers.saturating_sub(1).min(16);
    (FIRST_LOCK_NS << doublings).min(LONGEST_LOCK_NS)
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: u64 = SECOND_NS;

    fn spoil(guard: &mut Guard, mut now: u64) -> u64 {
        guard.open(300 * S, now).unwrap();
        for left in [2, 1] {
            guard.attempt(now).unwrap();
            assert_eq!(guard.failed(now), Failure::StillOpen { left });
            now += S;
        }
        guard.attempt(now).unwrap();
        let Failure::Spoiled { locked_until_ns } = guard.failed(now) else { panic!("the third ends it") };
        locked_until_ns - now
    }

    #[test]
    fn three_wrong_codes_end_it_and_lock() {
        let mut guard = Guard::new(GuardRecord::default(), 0);
        assert_eq!(guard.attempt(0), Err(Refusal::NoOffer));
        assert_eq!(spoil(&mut guard, 0), 30 * S);
        assert_eq!(guard.attempt(3 * S), Err(Refusal::Locked { until_ns: 32 * S }));
        assert_eq!(guard.open(S, 31 * S), Err(Refusal::Locked { until_ns: 32 * S }));
        assert_eq!(spoil(&mut guard, 32 * S), 60 * S);
        assert_eq!(spoil(&mut guard, 1_000 * S), 120 * S);
        let mut now = 10_000 * S;
        for _ in 0..10 {
            let lock = spoil(&mut guard, now);
            assert!(lock <= 3_600 * S);
            now += lock + 10 * S;
        }
        assert_eq!(spoil(&mut guard, now), 3_600 * S);
        assert_eq!(spoil(&mut guard, now + 25 * 3_600 * S), 30 * S, "a day forgives");
    }

    #[test]
    fn a_restart_forgives_nothing() {
        let mut guard = Guard::new(GuardRecord::default(), 0);
        guard.open(300 * S, 0).unwrap();
        for at in 0..3 {
            guard.attempt(at * S).unwrap();
            if at < 2 {
                guard.failed(at * S);
            }
        }
        // The agent dies while it answers the third.
        let mut after = Guard::new(guard.record(), 0);
        assert_eq!(after.open(S, 29 * S), Err(Refusal::Locked { until_ns: 30 * S }));
        assert_eq!(after.open(S, 30 * S), Ok(()));
        assert!(!after.record().locked);
        assert_eq!(after.record().spoiled_offers, 1);
    }

    #[test]
    fn the_third_attempt_may_be_the_right_one() {
        let mut guard = Guard::new(GuardRecord::default(), 0);
        guard.open(300 * S, 0).unwrap();
        for at in 0..2 {
            guard.attempt(at * S).unwrap();
            guard.failed(at * S);
        }
        guard.attempt(2 * S).unwrap();
        guard.succeeded();
        assert_eq!(guard.record(), GuardRecord::default());
        assert_eq!(guard.attempt(9 * S), Err(Refusal::NoOffer), "a code works once");
    }

    #[test]
    fn one_claim_at_a_time_and_none_after_the_end() {
        let mut guard = Guard::new(GuardRecord::default(), 0);
        guard.open(10 * S, 0).unwrap();
        guard.attempt(0).unwrap();
        assert_eq!(guard.attempt(2 * S), Err(Refusal::Busy));
        guard.failed(2 * S);
        assert_eq!(guard.attempts_left(), 2);
        guard.attempt(2 * S).unwrap();
        guard.failed(2 * S);
        assert_eq!(guard.attempt(2 * S + 1), Err(Refusal::Busy), "a second apart");
        assert!(guard.is_open(9 * S));
        assert_eq!(guard.attempt(10 * S), Err(Refusal::Expired));
        assert_eq!(guard.attempt(10 * S), Err(Refusal::NoOffer));
    }
}
