//! The intermediate representation: a control-flow graph with block parameters (Cranelift's shape).
//!
//! Values are machine scalars; signedness is in the operation. All variables live in memory: the *state
//! block* (one contiguous, 64-byte aligned block that [`crate::layout::Layout`] describes) or the *frame* of
//! the running function (locals, temporaries, strings). Lowering emits plain loads and stores; passes may
//! promote them later, and every engine must give the same state after each scan.
//!
//! A pointer is the address of a byte in state block or frame arena. Engines choose its representation; the
//! IR never converts it to an integer except by [`Op::PtrToRef`].

mod display;
mod helper;
mod op;
mod values;
mod verify;

pub use helper::{Helper, MathFn, TextFormat};
pub use op::{Cond, Const, FloatOp, IntOp, Op};
pub(crate) use values::{end_operands, operands, rewrite, rewrite_end};
pub use verify::verify;
pub(crate) use verify::verify_function;

use serde::{Deserialize, Serialize};
use std::sync::Arc;

macro_rules! index {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub struct $name(pub u32);
        impl $name {
            /// The position in the table that this index belongs to.
            pub fn index(self) -> usize {
                self.0 as usize
            }
        }
    };
}

index!(
    /// A function of the module.
    FuncId
);
index!(
    /// A basic block of a function.
    BlockId
);
index!(
    /// A value of a function: a block parameter or the result of an instruction.
    Value
);
index!(
    /// A place in the source text that a fault can name.
    SiteId
);

/// Type of a value. BOOL is `I8` holding 0 or 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ty {
    /// 8 bits: BOOL, SINT, USINT, BYTE, CHAR.
    I8,
    /// 16 bits: INT, UINT, WORD, WCHAR, enums.
    I16,
    /// 32 bits: DINT, UDINT, DWORD.
    I32,
    /// 64 bits: LINT, ULINT, LWORD, all times and dates (nanoseconds).
    I64,
    /// REAL.
    F32,
    /// LREAL.
    F64,
    /// Address of a byte in the state block or the frame arena.
    Ptr,
}

impl Ty {
    /// Bytes in memory. A `Ptr` in memory (VAR_IN_OUT parameters) takes 8.
    pub fn size(self) -> u32 {
        match self {
            Self::I8 => 1,
            Self::I16 => 2,
            Self::I32 | Self::F32 => 4,
            Self::I64 | Self::F64 | Self::Ptr => 8,
        }
    }
}

/// A compiled program: all functions that any task can reach.
#[derive(Clone, Debug, Default)]
pub struct Module {
    /// Indexed by [`FuncId`].
    pub functions: Vec<Function>,
    /// Indexed by [`SiteId`].
    pub sites: Vec<Site>,
    /// What [`Op::CallVirtual`] calls, by slot and class. All functions of a slot have one signature.
    pub dispatch: Vec<Vec<Option<FuncId>>>,
}

/// One function, method, function-block body or program body.
///
/// Parameters are the parameters of block 0. A body of a function block or program has one: `this`, the
/// address of the instance. A function has its inputs by value (scalars) or by address (everything else,
/// VAR_IN_OUT, VAR_OUTPUT, and a result that is not a scalar), in declaration order, the result's address
/// first where there is one. The address of a VAR_IN_OUT string is followed by its capacity (`I64`). The
/// callee copies what it gets by address as an input; the caller gives outputs and the result a place of its
/// own frame. Loads and stores may be unaligned: located variables overlay the image byte by byte.
#[derive(Clone, Debug, Default)]
pub struct Function {
    /// Name as declared, for call stacks.
    pub name: String,
    /// Scalar result, if any.
    pub result: Option<Ty>,
    /// Block 0 is the entry.
    pub blocks: Vec<Block>,
    /// Type of each [`Value`].
    pub value_types: Vec<Ty>,
    /// Bytes of the frame, a multiple of 8. Its content is undefined at entry.
    pub frame_bytes: u32,
    /// Of a body or method in a program with pointers: bytes of an object of the class that declares it, which
    /// [`Op::CallVirtual`] checks. Else 0.
    pub object_bytes: u32,
    /// What faults at some places mean, once passes have moved code and variables. An instruction whose site is
    /// `module.sites.len() + n` has the context `n`.
    pub contexts: Vec<Context>,
}

/// What a fault at an instruction of an optimised function must leave behind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Context {
    /// Inlined functions that the instruction is in, innermost first.
    pub inlined: Vec<Inlined>,
    /// Place in the function itself: of the instruction, or of the call that was inlined.
    pub site: SiteId,
    /// Variables that are not in memory now, with their values.
    pub stores: Vec<(Location, Value)>,
}

/// A function that was inlined.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Inlined {
    /// Which.
    pub func: FuncId,
    /// Where in it.
    pub site: SiteId,
    /// Its first argument, if that is a pointer.
    pub this: Option<Value>,
}

/// The address of a variable that a pass keeps in a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Location {
    /// Offset in the state block.
    State(u32),
    /// Bytes behind the address that a parameter of the function holds.
    Param(u32, u32),
    /// Offset in the frame.
    Frame(u32),
}

/// A straight run of instructions that ends in a terminator.
#[derive(Clone, Debug)]
pub struct Block {
    /// Values that a jump here must supply.
    pub params: Vec<Value>,
    /// In order.
    pub insts: Vec<Inst>,
    /// The way out.
    pub end: Terminator,
}

/// One instruction.
#[derive(Clone, Debug)]
pub struct Inst {
    /// Where the result goes, if the operation has one.
    pub result: Option<Value>,
    /// What to do.
    pub op: Op,
    /// Source place that a fault of this instruction names.
    pub site: SiteId,
}

/// A jump target with the arguments for its parameters.
#[derive(Clone, Debug)]
pub struct Jump {
    /// Target.
    pub block: BlockId,
    /// One for each parameter of the target.
    pub args: Vec<Value>,
}

/// How a block ends.
#[derive(Clone, Debug)]
pub enum Terminator {
    /// Go there.
    Jump(Jump),
    /// `cond` is an `I8`; not 0 takes `then`.
    Branch {
        /// The condition.
        cond: Value,
        /// Taken when not 0.
        then: Jump,
        /// Taken when 0.
        otherwise: Jump,
    },
    /// Leave the function.
    Return(Option<Value>),
    /// End the scan with a fault.
    Fault {
        /// Which.
        code: FaultCode,
        /// Integers that the record shows (index, bounds…).
        operands: Vec<Value>,
        /// Where.
        site: SiteId,
    },
}

/// Why a scan ended early (plc-engine §2.10).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum FaultCode {
    /// Integer division by zero.
    DivideByZero,
    /// Array index or string position outside its bounds; operands index, low, high.
    IndexOutOfBounds,
    /// NULL reference or interface.
    NullReference,
    /// A pointer that was moved out of the state block.
    PointerRange,
    /// Value outside a subrange; operands value, low, high.
    SubrangeViolation,
    /// FOR with BY 0.
    ForStepZero,
    /// Calls nested too deep, or the frame arena is used up.
    StackOverflow,
    /// ASSERT of FALSE.
    AssertionFailed,
    /// The scan took longer than its watchdog allows, or was told to stop.
    Watchdog,
    /// Integer overflow where the manifest asks for a fault.
    IntegerOverflow,
    /// REAL division by zero where the manifest asks for a fault.
    RealDivideByZero,
    /// Conversion out of range where the manifest asks for a fault.
    ConversionRange,
    /// A received value is stale and its subscription asks for a fault. Raised by the scan, never by a program.
    MeshStale,
}

impl FaultCode {
    /// The name as users see it.
    pub fn name(self) -> &'static str {
        match self {
            Self::DivideByZero => "DivideByZero",
            Self::IndexOutOfBounds => "IndexOutOfBounds",
            Self::NullReference => "NullReference",
            Self::PointerRange => "PointerRange",
            Self::SubrangeViolation => "SubrangeViolation",
            Self::ForStepZero => "ForStepZero",
            Self::StackOverflow => "StackOverflow",
            Self::AssertionFailed => "AssertionFailed",
            Self::Watchdog => "Watchdog",
            Self::IntegerOverflow => "IntegerOverflow",
            Self::RealDivideByZero => "RealDivideByZero",
            Self::ConversionRange => "ConversionRange",
            Self::MeshStale => "MeshStale",
        }
    }
}

/// A place in the source text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    /// Name of the source unit.
    pub file: Arc<str>,
    /// From 1.
    pub line: u32,
    /// From 1, in characters.
    pub column: u32,
}
