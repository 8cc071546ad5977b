//! Counters of any type that counts.

use super::{Block, Member, Number, truth};
use std::marker::PhantomData;

/// Where the members of CTU and CTD are; their first two are the BOOLs that count and reset or load.
struct Places<N>(PhantomData<N>);

impl<N: Number> Places<N> {
    const PV: usize = 2usize.next_multiple_of(N::BYTES);
    const Q: usize = Self::PV + N::BYTES;
    const CV: usize = (Self::Q + 1).next_multiple_of(N::BYTES);
    const MEMORY: usize = Self::CV + N::BYTES;
    const EDGE: usize = Self::MEMORY + 1;
    const MEMBERS: &'static [Member] = &[
        (0, 1),
        (1, 1),
        (Self::PV, N::BYTES),
        (Self::Q, 1),
        (Self::CV, N::BYTES),
        (Self::MEMORY, 1),
        (Self::EDGE, 1),
    ];
}

/// Whether an input has risen since the last call, as R_EDGE says it.
fn edge(instance: &mut [u8], input: usize, memory: usize) -> bool {
    let now = truth(instance, input);
    let rises = now && !truth(instance, memory);
    instance[memory + 1] = u8::from(rises);
    instance[memory] = u8::from(now);
    rises
}

/// Counts up.
pub(crate) struct Ctu<N>(PhantomData<N>);

impl<N: Number> Block for Ctu<N> {
    const MEMBERS: &'static [Member] = Places::<N>::MEMBERS;

    #[inline]
    fn call(instance: &mut [u8], _: i64) {
        let counts = edge(instance, 0, Places::<N>::MEMORY);
        let pv = N::get(instance, Places::<N>::PV);
        let mut cv = N::get(instance, Places::<N>::CV);
        if truth(instance, 1) {
            cv = N::ZERO;
        } else if counts {
            cv = cv.up();
        }
        cv.set(instance, Places::<N>::CV);
        instance[Places::<N>::Q] = u8::from(cv >= pv);
    }
}

/// Counts down.
pub(crate) struct Ctd<N>(PhantomData<N>);

impl<N: Number> Block for Ctd<N> {
    const MEMBERS: &'static [Member] = Places::<N>::MEMBERS;

    #[inline]
    fn call(instance: &mut [u8], _: i64) {
        let counts = edge(instance, 0, Places::<N>::MEMORY);
        let mut cv = N::get(instance, Places::<N>::CV);
        if truth(instance, 1) {
            cv = N::get(instance, Places::<N>::PV);
        } else if counts {
            cv = cv.down();
        }
        cv.set(instance, Places::<N>::CV);
        instance[Places::<N>::Q] = u8::from(cv <= N::ZERO);
    }
}

/// Counts up and down: CU, CD, R and LD come first.
pub(crate) struct Ctud<N>(PhantomData<N>);

impl<N: Number> Ctud<N> {
    const PV: usize = 4usize.next_multiple_of(N::BYTES);
    const QU: usize = Self::PV + N::BYTES;
    const QD: usize = Self::QU + 1;
    const CV: usize = (Self::QD + 1).next_multiple_of(N::BYTES);
    const UP: usize = Self::CV + N::BYTES;
    const DOWN: usize = Self::UP + 2;
}

impl<N: Number> Block for Ctud<N> {
    const MEMBERS: &'static [Member] = &[
        (0, 1),
        (1, 1),
        (2, 1),
        (3, 1),
        (Self::PV, N::BYTES),
        (Self::QU, 1),
        (Self::QD, 1),
        (Self::CV, N::BYTES),
        (Self::UP, 1),
        (Self::UP + 1, 1),
        (Self::DOWN, 1),
        (Self::DOWN + 1, 1),
    ];

    #[inline]
    fn call(instance: &mut [u8], _: i64) {
        let up = edge(instance, 0, Self::UP);
        let down = edge(instance, 1, Self::DOWN);
        let pv = N::get(instance, Self::PV);
        let mut cv = N::get(instance, Self::CV);
        if truth(instance, 2) {
            cv = N::ZERO;
        } else if truth(instance, 3) {
            cv = pv;
        } else if up && !down {
            cv = cv.up();
        } else if down && !up {
            cv = cv.down();
        }
        cv.set(instance, Self::CV);
        instance[Self::QU] = u8::from(cv >= pv);
        instance[Self::QD] = u8::from(cv <= N::ZERO);
    }
}
