//! Timers. TIME and LTIME are nanoseconds in 64 bits both.

use super::{Block, Member, Number, truth};

const IN: usize = 0;
const PT: usize = 8;
const Q: usize = 16;
const ET: usize = 24;
/// Whether the timer runs, or in which phase it is.
const PHASE: usize = 32;
const START: usize = 40;
const MEMBERS: &[Member] = &[(IN, 1), (PT, 8), (Q, 1), (ET, 8), (PHASE, 1), (START, 8)];

/// Sets ET; whether the time is over.
#[inline]
fn elapse(instance: &mut [u8], now_ns: i64) -> bool {
    let limit = i64::get(instance, PT).max(0);
    // The clock minus a start that something else wrote wraps.
    let elapsed = now_ns.wrapping_sub(i64::get(instance, START)).min(limit);
    elapsed.set(instance, ET);
    elapsed >= limit
}

/// Switches on late. The phase is a BOOL.
pub(crate) struct Ton;

impl Block for Ton {
    const MEMBERS: &'static [Member] = MEMBERS;

    #[inline]
    fn call(instance: &mut [u8], now_ns: i64) {
        if !truth(instance, IN) {
            instance[PHASE] = 0;
            instance[Q] = 0;
            0i64.set(instance, ET);
            return;
        }
        if !truth(instance, PHASE) {
            instance[PHASE] = 1;
            now_ns.set(instance, START);
        }
        instance[Q] = u8::from(elapse(instance, now_ns));
    }
}

/// Switches off late. Phase 1: IN is TRUE, 2: running off.
pub(crate) struct Tof;

impl Block for Tof {
    const MEMBERS: &'static [Member] = MEMBERS;

    #[inline]
    fn call(instance: &mut [u8], now_ns: i64) {
        if truth(instance, IN) {
            instance[PHASE] = 1;
            instance[Q] = 1;
            0i64.set(instance, ET);
            return;
        }
        if instance[PHASE] == 1 {
            instance[PHASE] = 2;
            now_ns.set(instance, START);
        }
        if instance[PHASE] == 2 {
            let over = elapse(instance, now_ns);
            instance[Q] = u8::from(!over);
            if over {
                instance[PHASE] = 0;
            }
        }
    }
}

/// A pulse. Phase 1: pulse, 2: it is over while IN is still TRUE.
pub(crate) struct Tp;

impl Block for Tp {
    const MEMBERS: &'static [Member] = MEMBERS;

    #[inline]
    fn call(instance: &mut [u8], now_ns: i64) {
        if instance[PHASE] == 0 && truth(instance, IN) {
            instance[PHASE] = 1;
            now_ns.set(instance, START);
        }
        if instance[PHASE] == 1 {
            let over = elapse(instance, now_ns);
            instance[Q] = u8::from(!over);
            if over {
                instance[PHASE] = 2;
            }
        }
        if instance[PHASE] == 2 && !truth(instance, IN) {
            instance[PHASE] = 0;
            0i64.set(instance, ET);
        }
    }
}
