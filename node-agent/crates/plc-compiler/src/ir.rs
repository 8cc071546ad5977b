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
mod values;
mod verify;

pub use helper::{Helper, MathFn, TextFormat};
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

/// Integer operations that wrap at the width of their operands (two's complement).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IntOp {
    /// `a + b`
    Add,
    /// `a - b`
    Sub,
    /// `a * b`
    Mul,
    /// Bitwise and.
    And,
    /// Bitwise or.
    Or,
    /// Bitwise exclusive or.
    Xor,
    /// Shift left by `b` (same type as `a`); `b` ≥ width gives 0, negative `b` (as signed) acts as 0.
    Shl,
    /// Shift right, zero fill; limits as [`IntOp::Shl`].
    Shr,
    /// Rotate left by `b` modulo the width; negative `b` acts as 0.
    Rol,
    /// Rotate right by `b` modulo the width; negative `b` acts as 0.
    Ror,
}

/// Floating-point operations, IEC 60559, nearest-even.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FloatOp {
    /// `a + b`
    Add,
    /// `a - b`
    Sub,
    /// `a * b`
    Mul,
    /// `a / b`; by 0 gives infinity or NaN.
    Div,
    /// The smaller; if one operand is NaN, the other.
    Min,
    /// The larger; if one operand is NaN, the other.
    Max,
}

/// Comparisons. For floats every comparison with NaN is false except `Ne`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cond {
    /// `=`
    Eq,
    /// `<>`
    Ne,
    /// `<`
    Lt,
    /// `<=`
    Le,
    /// `>`
    Gt,
    /// `>=`
    Ge,
}

/// A constant.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Const {
    /// 8 bits.
    I8(i8),
    /// 16 bits.
    I16(i16),
    /// 32 bits.
    I32(i32),
    /// 64 bits.
    I64(i64),
    /// REAL.
    F32(f32),
    /// LREAL.
    F64(f64),
    /// The null pointer.
    Null,
}

/// What an instruction does. Operand types are checked by the verifier.
#[derive(Clone, Debug)]
pub enum Op {
    /// A constant.
    Const(Const),
    /// Address of the byte at this offset of the state block.
    StateAddr(u32),
    /// Address of the byte at this offset of the current frame.
    FrameAddr(u32),
    /// `ptr + offset` bytes, offset known.
    Offset {
        /// Base address.
        ptr: Value,
        /// Bytes.
        bytes: u32,
    },
    /// `ptr + index * stride`; `index` is an `I64`, already checked and zero-based.
    Index {
        /// Base address.
        ptr: Value,
        /// Zero-based.
        index: Value,
        /// Bytes of one element.
        stride: u32,
    },
    /// Load a value of the result's type from `ptr + offset`.
    Load {
        /// Base address.
        ptr: Value,
        /// Bytes added to it.
        offset: u32,
    },
    /// Store `value` at `ptr + offset`.
    Store {
        /// Base address.
        ptr: Value,
        /// Bytes added to it.
        offset: u32,
        /// What.
        value: Value,
    },
    /// Load a bit as BOOL from byte `ptr + offset`.
    LoadBit {
        /// Base address.
        ptr: Value,
        /// Bytes added to it.
        offset: u32,
        /// 0 (least significant) to 7.
        bit: u8,
    },
    /// Store a BOOL into one bit of byte `ptr + offset`.
    StoreBit {
        /// Base address.
        ptr: Value,
        /// Bytes added to it.
        offset: u32,
        /// 0 (least significant) to 7.
        bit: u8,
        /// 0 or 1.
        value: Value,
    },
    /// Copy `bytes` from `from` to `to`; the ranges may overlap.
    Copy {
        /// Destination.
        to: Value,
        /// Source.
        from: Value,
        /// Length.
        bytes: u32,
    },
    /// Fill `bytes` at `to` with zero.
    Zero {
        /// Destination.
        to: Value,
        /// Length.
        bytes: u32,
    },
    /// Wrapping integer arithmetic and logic.
    Int {
        /// Which.
        op: IntOp,
        /// Left.
        a: Value,
        /// Right.
        b: Value,
    },
    /// Integer division, truncating toward zero. By 0: fault `DivideByZero`. `MIN / -1` wraps to `MIN`.
    Div {
        /// Signed operands.
        signed: bool,
        /// Dividend.
        a: Value,
        /// Divisor.
        b: Value,
    },
    /// Remainder with the dividend's sign. By 0: 0 (IEC 61131-3 Table 29). `MIN MOD -1` is 0.
    Rem {
        /// Signed operands.
        signed: bool,
        /// Dividend.
        a: Value,
        /// Divisor.
        b: Value,
    },
    /// Two's complement negation, wraps.
    Neg(Value),
    /// Bitwise complement. For BOOL lowering uses `Xor 1`.
    Not(Value),
    /// Floating-point arithmetic.
    Float {
        /// Which.
        op: FloatOp,
        /// Left.
        a: Value,
        /// Right.
        b: Value,
    },
    /// Floating-point negation.
    FloatNeg(Value),
    /// Absolute value of a float.
    FloatAbs(Value),
    /// Compare integers (or pointers for `Eq`/`Ne`), giving 0 or 1.
    IntCmp {
        /// Which.
        cond: Cond,
        /// Signed operands.
        signed: bool,
        /// Left.
        a: Value,
        /// Right.
        b: Value,
    },
    /// Compare floats, giving 0 or 1.
    FloatCmp {
        /// Which.
        cond: Cond,
        /// Left.
        a: Value,
        /// Right.
        b: Value,
    },
    /// `a` where `cond` is not 0, else `b`; both are already computed.
    Select {
        /// An `I8`.
        cond: Value,
        /// Taken when not 0.
        a: Value,
        /// Taken when 0.
        b: Value,
    },
    /// Widen with the sign to the result's type.
    SignExtend(Value),
    /// Widen with zeros to the result's type.
    ZeroExtend(Value),
    /// Keep the low bits that fit the result's type.
    Truncate(Value),
    /// Integer to the result's float type, nearest-even.
    IntToFloat {
        /// Signed source.
        signed: bool,
        /// Source.
        value: Value,
    },
    /// Float to the result's integer type: saturates, NaN gives 0.
    FloatToInt {
        /// Signed result.
        signed: bool,
        /// Toward zero (TRUNC) instead of nearest with ties to even.
        truncate: bool,
        /// Source.
        value: Value,
    },
    /// F32 to F64 or F64 to F32.
    FloatConvert(Value),
    /// Same bits, other type of the same width.
    Bitcast(Value),
    /// Call a function of the module.
    Call {
        /// Callee.
        func: FuncId,
        /// One for each parameter of its entry block.
        args: Vec<Value>,
    },
    /// Call a method of the object at `this`, chosen by its class: entry `class` of slot `slot` of
    /// [`Module::dispatch`], with `this` and `args`. Fault `NullReference` where the class has no entry, fault
    /// `StackOverflow` where more than [`crate::MAX_DISPATCH_DEPTH`] of these calls are open at one time, fault
    /// `PointerRange` where [`Function::object_bytes`] of the method do not lie in the state block at `this`: in a program
    /// with pointers the class is a number that anything may have overwritten.
    CallVirtual {
        /// Row of the table.
        slot: u32,
        /// An `I32`: the number of the object's class.
        class: Value,
        /// Address of the object.
        this: Value,
        /// The other arguments.
        args: Vec<Value>,
    },
    /// Call a routine of the engine.
    Helper {
        /// Which; its documentation gives the arguments.
        helper: Helper,
        /// Arguments.
        args: Vec<Value>,
    },
    /// The task clock: `I64` nanoseconds, one value a scan.
    Now,
    /// Fault `IndexOutOfBounds` unless `low <= index <= high` (signed `I64`); operands index, low, high.
    CheckIndex {
        /// An `I64`.
        index: Value,
        /// Lowest legal.
        low: i64,
        /// Highest legal.
        high: i64,
    },
    /// As [`Op::CheckIndex`] with computed bounds (all `I64`).
    CheckIndexIn {
        /// What is checked.
        index: Value,
        /// Lowest legal.
        low: Value,
        /// Highest legal.
        high: Value,
    },
    /// Fault `SubrangeViolation` unless `low <= value <= high` (signed `I64`); operands value, low, high.
    CheckRange {
        /// An `I64`.
        value: Value,
        /// Lowest legal.
        low: i64,
        /// Highest legal.
        high: i64,
    },
    /// Fault `NullReference` when the pointer is null.
    CheckNull(Value),
    /// Fault `PointerRange` unless the `bytes` at `ptr` lie in the state block behind its first 64 bytes, or, with
    /// `frames`, in the frame arena. A program with pointers can write anywhere in the block: what it loads from
    /// there to use as an address (references, parameters VAR_IN_OUT of instances) is checked so before its use.
    CheckPointer {
        /// Address of the first byte.
        ptr: Value,
        /// How many.
        bytes: u32,
        /// The arena is legal too.
        frames: bool,
    },
    /// Load a reference (`{u32 state offset, u32 type id}`) as a pointer; null stays null.
    RefToPtr(Value),
    /// A pointer into the state block as a reference (`I64`: offset in the low half, `type_id` above).
    PtrToRef {
        /// Address in the state block, or null.
        ptr: Value,
        /// Type of what is referred to.
        type_id: u32,
    },
    /// Stands on each loop's back edge, and where many calls are made: ends the scan when the engine was told to
    /// (watchdog, stop).
    Poll,
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
