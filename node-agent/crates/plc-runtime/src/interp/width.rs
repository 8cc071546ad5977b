//! How wide a value is, and where an operand comes from: what instructions are made of at compile time.

#![allow(unsafe_code, reason = "reads and writes raw bytes; see `vm` for what makes that sound")]
#![expect(clippy::inline_always, reason = "each handler is to be straight code, in test builds too")]

use super::code::Cell;
use super::vm::Vm;

/// The width of a value.
pub(crate) trait Width {
    const BITS: u8;

    /// The value at an address, zero-extended.
    ///
    /// # Safety
    ///
    /// So many bytes must be readable there; they may be unaligned.
    unsafe fn read(from: *const u8) -> u64;

    /// Writes the low bits of a value.
    ///
    /// # Safety
    ///
    /// So many bytes must be writable there; they may be unaligned.
    unsafe fn write(to: *mut u8, value: u64);

    /// The value with its sign.
    fn signed(value: u64) -> i64;
}

macro_rules! width {
    ($name:ident, $unsigned:ty, $signed:ty) => {
        pub(crate) struct $name;

        impl Width for $name {
            const BITS: u8 = <$unsigned>::BITS as u8;

            #[inline(always)]
            unsafe fn read(from: *const u8) -> u64 {
                // SAFETY: the caller grants the bytes.
                u64::from(<$unsigned>::from_le(unsafe { from.cast::<$unsigned>().read_unaligned() }))
            }

            #[inline(always)]
            unsafe fn write(to: *mut u8, value: u64) {
                // SAFETY: the caller grants the bytes.
                unsafe { to.cast::<$unsigned>().write_unaligned((value as $unsigned).to_le()) };
            }

            #[inline(always)]
            fn signed(value: u64) -> i64 {
                i64::from(value as $signed)
            }
        }
    };
}

width!(W8, u8, i8);
width!(W16, u16, i16);
width!(W32, u32, i32);
width!(W64, u64, i64);

/// Where a right operand comes from.
pub(crate) trait Source {
    /// The operand, zero-extended from its width.
    ///
    /// # Safety
    ///
    /// As [`Vm::get`].
    unsafe fn get<W: Width>(vm: &Vm<'_>, x: Cell) -> u64;
}

/// From a place.
pub(crate) struct Place;

impl Source for Place {
    #[inline(always)]
    unsafe fn get<W: Width>(vm: &Vm<'_>, x: Cell) -> u64 {
        // SAFETY: the same contract.
        unsafe { vm.get::<W>(x) }
    }
}

/// From the instruction itself.
pub(crate) struct Number;

impl Source for Number {
    #[inline(always)]
    unsafe fn get<W: Width>(_: &Vm<'_>, x: Cell) -> u64 {
        x.bits()
    }
}
