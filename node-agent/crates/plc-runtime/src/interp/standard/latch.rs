//! Bistable blocks and edges.

use super::{Block, Member, truth};

/// Two inputs and Q1, or input, Q and memory.
const MEMBERS: &[Member] = &[(0, 1), (1, 1), (2, 1)];

/// Set dominates.
pub(crate) struct Sr;

impl Block for Sr {
    const MEMBERS: &'static [Member] = MEMBERS;

    #[inline]
    fn call(instance: &mut [u8], _: i64) {
        let [s1, r, q1] = [0, 1, 2].map(|offset| truth(instance, offset));
        instance[2] = u8::from(s1 || !r && q1);
    }
}

/// Reset dominates.
pub(crate) struct Rs;

impl Block for Rs {
    const MEMBERS: &'static [Member] = MEMBERS;

    #[inline]
    fn call(instance: &mut [u8], _: i64) {
        let [s, r1, q1] = [0, 1, 2].map(|offset| truth(instance, offset));
        instance[2] = u8::from(!r1 && (s || q1));
    }
}

/// Rising edge.
pub(crate) struct RTrig;

impl Block for RTrig {
    const MEMBERS: &'static [Member] = MEMBERS;

    #[inline]
    fn call(instance: &mut [u8], _: i64) {
        let [clk, memory] = [0, 2].map(|offset| truth(instance, offset));
        instance[1] = u8::from(clk && !memory);
        instance[2] = u8::from(clk);
    }
}

/// Falling edge.
pub(crate) struct FTrig;

impl Block for FTrig {
    const MEMBERS: &'static [Member] = MEMBERS;

    #[inline]
    fn call(instance: &mut [u8], _: i64) {
        let [clk, memory] = [0, 2].map(|offset| truth(instance, offset));
        instance[1] = u8::from(!clk && !memory);
        instance[2] = u8::from(!clk);
    }
}
