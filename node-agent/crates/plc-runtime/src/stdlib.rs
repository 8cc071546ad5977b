//! Routines of the standard library that the IR calls by name: strings, text conversion, mathematics.
//!
//! None of them allocates, panics or takes longer than its operands are long. Every engine calls these same
//! functions, so results never depend on the engine.

mod math;
mod strings;
pub(crate) mod text;

use crate::interp::Routine;
use lineshaft_plc_compiler::ir::{FaultCode, Helper};

/// Most arguments that any routine takes.
pub(crate) const ARGUMENTS_MAX: usize = 6;

/// A fault of a routine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) code: FaultCode,
    pub(crate) operands: [i64; 3],
    pub(crate) count: u8,
}

/// An address outside of the address space.
const OUTSIDE: Failure = Failure { code: FaultCode::NullReference, operands: [0; 3], count: 0 };

/// Calls a routine. Arguments and result are as they lie in the interpreter's slots; `scratch` composes
/// strings whose sources overlap their destination.
pub(crate) fn call(
    routine: Routine,
    args: [u64; ARGUMENTS_MAX],
    memory: &mut [u8],
    scratch: &mut [u8],
) -> Result<u64, Failure> {
    match routine.helper {
        Helper::Math(function) => Ok(math::apply(function, args[0], routine.single)),
        Helper::Pow => Ok(math::pow(args[0], args[1], routine.single)),
        Helper::Atan2 => Ok(math::atan2(args[0], args[1], routine.single)),
        Helper::IntPow => Ok(math::int_pow(args[0] as i64, args[1] as i64) as u64),
        Helper::Assert if args[0] == 0 => {
            Err(Failure { code: FaultCode::AssertionFailed, operands: [0; 3], count: 0 })
        }
        Helper::Assert => Ok(0),
        helper => strings::call(helper, args, routine.single, memory, scratch),
    }
}
