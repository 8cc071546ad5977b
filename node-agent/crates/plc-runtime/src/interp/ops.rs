//! The functions that carry instructions out, and the choice of one for an operation and its operands.

#![allow(unsafe_code, reason = "every handler relies on the decoder; its contract is that of `Handler`")]

mod call;
mod check;
mod compare;
mod convert;
mod element;
mod float;
mod integer;
mod latch;
mod memory;

pub(super) use call::{
    call, call_standard, call_this, call_virtual, fault, helper, return_none, return_value,
};
pub(super) use check::{check_in, check_null, check_pointer, check_range, poll};
pub(super) use compare::{
    Compared, branch, branch_if, branch_moved, compare, jump, poll_branch, poll_jump, targets,
};
pub(super) use convert::{convert_float, extend, float_to_int, int_to_float};
pub(super) use element::{branch_element, element, load_element, store_element};
pub(super) use float::{float, float_sign};
pub(super) use integer::{Arith, arith, negate, not};
pub(super) use latch::latch;
pub(super) use memory::{
    copy, frame_address, index, load, load_bit, move_value, offset, ref_of_pointer, select, store, store_bit,
    zero,
};

/// A handler for a width in bits, and for a right operand that is a number or at a place.
macro_rules! by_width {
    ($bits:expr, $handler:ident $(, $part:ty)*) => {
        match $bits {
            8 => $handler::<$($part,)* crate::interp::width::W8>,
            16 => $handler::<$($part,)* crate::interp::width::W16>,
            32 => $handler::<$($part,)* crate::interp::width::W32>,
            _ => $handler::<$($part,)* crate::interp::width::W64>,
        }
    };
}

/// As `by_width`, with the kind of the right operand as the last part.
macro_rules! by_width_and_source {
    ($bits:expr, $number:expr, $handler:ident $(, $part:ty)*) => {
        match ($bits, $number) {
            (8, false) => $handler::<$($part,)* W8, Place>,
            (8, true) => $handler::<$($part,)* W8, Number>,
            (16, false) => $handler::<$($part,)* W16, Place>,
            (16, true) => $handler::<$($part,)* W16, Number>,
            (32, false) => $handler::<$($part,)* W32, Place>,
            (32, true) => $handler::<$($part,)* W32, Number>,
            (_, false) => $handler::<$($part,)* W64, Place>,
            (_, true) => $handler::<$($part,)* W64, Number>,
        }
    };
}

use {by_width, by_width_and_source};
