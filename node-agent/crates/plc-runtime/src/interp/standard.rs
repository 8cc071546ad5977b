//! The standard function blocks a second time: what a call of one does to its instance, written in Rust.
//!
//! `standard.st` of the compiler says the same in Structured Text, which is what compiled code is made from. A call
//! here is one instruction, and the two engines check each other. So the state afterwards is that of the Structured
//! Text for any bytes that were there before. A byte of a BOOL other than 0 and 1 is TRUE: only pointers and what
//! overlaps write such bytes, and in programs that have those all code takes them so.

mod counter;
mod latch;
mod timer;

pub(crate) use counter::{Ctd, Ctu, Ctud};
pub(crate) use latch::{FTrig, RTrig, Rs, Sr};
pub(crate) use timer::{Tof, Ton, Tp};

/// A member of an instance: its offset, and its bytes.
pub(crate) type Member = (usize, usize);

/// A standard function block.
pub(crate) trait Block {
    /// All its members, in order.
    const MEMBERS: &'static [Member];

    /// Bytes up to the end of the last member.
    const BYTES: usize = end(Self::MEMBERS);

    /// Calls an instance, whose first [`Self::BYTES`] these are, at this time of the task clock.
    fn call(instance: &mut [u8], now_ns: i64);
}

const fn end(members: &[Member]) -> usize {
    match members.last() {
        Some((offset, bytes)) => *offset + *bytes,
        None => 0,
    }
}

/// A number as members hold it.
pub(crate) trait Number: Copy + Ord {
    const BYTES: usize;
    const ZERO: Self;

    fn get(instance: &[u8], offset: usize) -> Self;
    fn set(self, instance: &mut [u8], offset: usize);
    /// One more; nothing beyond the limit of the type.
    fn up(self) -> Self;
    /// One less.
    fn down(self) -> Self;
}

macro_rules! numbers {
    ($($number:ident)*) => {$(
        impl Number for $number {
            const BYTES: usize = size_of::<Self>();
            const ZERO: Self = 0;

            #[inline]
            fn get(instance: &[u8], offset: usize) -> Self {
                let mut bytes = [0; Self::BYTES];
                bytes.copy_from_slice(&instance[offset..offset + Self::BYTES]);
                Self::from_le_bytes(bytes)
            }

            #[inline]
            fn set(self, instance: &mut [u8], offset: usize) {
                instance[offset..offset + Self::BYTES].copy_from_slice(&self.to_le_bytes());
            }

            #[inline]
            fn up(self) -> Self {
                self.saturating_add(1)
            }

            #[inline]
            fn down(self) -> Self {
                self.saturating_sub(1)
            }
        }
    )*};
}

numbers!(i16 i32 i64 u32 u64);

/// A BOOL. It is written by `u8::from`.
fn truth(instance: &[u8], offset: usize) -> bool {
    instance[offset] != 0
}

#[cfg(test)]
mod tests;
