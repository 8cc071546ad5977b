//! What instructions do: one variant of [`Op`] each, with its operands.

use super::{FuncId, Helper, Value};

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
    /// [`dispatch`](super::Module::dispatch), with `this` and `args`. Fault `NullReference` where the class has no
    /// entry, fault `StackOverflow` where more than [`crate::MAX_DISPATCH_DEPTH`] of these calls are open at one
    /// time, fault `PointerRange` where [`object_bytes`](super::Function::object_bytes) of the method do not lie in
    /// the state block at `this`: in a program with pointers the class is a number that anything may have
    /// overwritten.
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
