//! The instruction set that the interpreter executes: the IR with slots instead of values, constants and
//! addresses folded into the operations, and jumps resolved.
//!
//! Slots hold integers zero-extended from their width, floats as their bits, pointers as 32-bit addresses.

use lineshaft_plc_compiler::ir::{Cond, FloatOp, Helper, SiteId, Ty, Value};

/// A register of the running function, relative to its window.
pub(crate) type Slot = u32;

/// Integer operations that depend on the width.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arith {
    Add,
    Sub,
    Mul,
    DivS,
    DivU,
    RemS,
    RemU,
    Shl,
    Shr,
    Rol,
    Ror,
}

/// How integers of some width are ordered: shifted to the top so that their signs meet, or with the top bit
/// flipped so that unsigned numbers order as signed ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Order {
    pub(crate) shift: u8,
    pub(crate) flip: bool,
}

impl Order {
    #[inline]
    pub(crate) fn key(self, value: u64) -> i64 {
        ((value << (self.shift & 63)) ^ (u64::from(self.flip) << 63)) as i64
    }
}

#[inline]
pub(crate) fn holds<T: PartialOrd + Copy>(cond: Cond, a: T, b: T) -> bool {
    match cond {
        Cond::Eq => a == b,
        Cond::Ne => a != b,
        Cond::Lt => a < b,
        Cond::Le => a <= b,
        Cond::Gt => a > b,
        Cond::Ge => a >= b,
    }
}

/// One operation, 16 bytes. `bits` is a width in bits; targets are indices into [`Code::ops`].
#[derive(Clone, Copy, Debug)]
pub(crate) enum Op {
    Const {
        dst: Slot,
        value: u64,
    },
    Move {
        dst: Slot,
        src: Slot,
    },
    Frame {
        dst: Slot,
        bytes: u32,
    },
    Offset {
        dst: Slot,
        ptr: Slot,
        bytes: u32,
    },
    Index {
        stride: u16,
        dst: Slot,
        ptr: Slot,
        index: Slot,
    },

    Load8 {
        dst: Slot,
        ptr: Slot,
        offset: u32,
    },
    Load16 {
        dst: Slot,
        ptr: Slot,
        offset: u32,
    },
    Load32 {
        dst: Slot,
        ptr: Slot,
        offset: u32,
    },
    Load64 {
        dst: Slot,
        ptr: Slot,
        offset: u32,
    },
    LoadState8 {
        dst: Slot,
        address: u32,
    },
    LoadState16 {
        dst: Slot,
        address: u32,
    },
    LoadState32 {
        dst: Slot,
        address: u32,
    },
    LoadState64 {
        dst: Slot,
        address: u32,
    },
    LoadFrame8 {
        dst: Slot,
        offset: u32,
    },
    LoadFrame16 {
        dst: Slot,
        offset: u32,
    },
    LoadFrame32 {
        dst: Slot,
        offset: u32,
    },
    LoadFrame64 {
        dst: Slot,
        offset: u32,
    },
    Store8 {
        ptr: Slot,
        offset: u32,
        src: Slot,
    },
    Store16 {
        ptr: Slot,
        offset: u32,
        src: Slot,
    },
    Store32 {
        ptr: Slot,
        offset: u32,
        src: Slot,
    },
    Store64 {
        ptr: Slot,
        offset: u32,
        src: Slot,
    },
    StoreState8 {
        address: u32,
        src: Slot,
    },
    StoreState16 {
        address: u32,
        src: Slot,
    },
    StoreState32 {
        address: u32,
        src: Slot,
    },
    StoreState64 {
        address: u32,
        src: Slot,
    },
    StoreFrame8 {
        offset: u32,
        src: Slot,
    },
    StoreFrame16 {
        offset: u32,
        src: Slot,
    },
    StoreFrame32 {
        offset: u32,
        src: Slot,
    },
    StoreFrame64 {
        offset: u32,
        src: Slot,
    },
    LoadBit {
        bit: u8,
        dst: Slot,
        ptr: Slot,
        offset: u32,
    },
    StoreBit {
        bit: u8,
        ptr: Slot,
        offset: u32,
        src: Slot,
    },
    Copy {
        to: Slot,
        from: Slot,
        bytes: u32,
    },
    Zero {
        to: Slot,
        bytes: u32,
    },

    Add32 {
        dst: Slot,
        a: Slot,
        b: Slot,
    },
    Sub32 {
        dst: Slot,
        a: Slot,
        b: Slot,
    },
    Mul32 {
        dst: Slot,
        a: Slot,
        b: Slot,
    },
    Add64 {
        dst: Slot,
        a: Slot,
        b: Slot,
    },
    Sub64 {
        dst: Slot,
        a: Slot,
        b: Slot,
    },
    Mul64 {
        dst: Slot,
        a: Slot,
        b: Slot,
    },
    Add32Imm {
        dst: Slot,
        a: Slot,
        imm: i32,
    },
    Mul32Imm {
        dst: Slot,
        a: Slot,
        imm: i32,
    },
    RemS32Imm {
        dst: Slot,
        a: Slot,
        imm: i32,
    },
    Add64Imm {
        dst: Slot,
        a: Slot,
        imm: i32,
    },
    Arith {
        op: Arith,
        bits: u8,
        dst: Slot,
        a: Slot,
        b: Slot,
    },
    ArithImm {
        op: Arith,
        bits: u8,
        dst: Slot,
        a: Slot,
        imm: i32,
    },
    And {
        dst: Slot,
        a: Slot,
        b: Slot,
    },
    Or {
        dst: Slot,
        a: Slot,
        b: Slot,
    },
    Xor {
        dst: Slot,
        a: Slot,
        b: Slot,
    },
    AndImm {
        dst: Slot,
        a: Slot,
        imm: u32,
    },
    XorImm {
        dst: Slot,
        a: Slot,
        imm: u32,
    },
    Neg {
        bits: u8,
        dst: Slot,
        a: Slot,
    },
    Not {
        bits: u8,
        dst: Slot,
        a: Slot,
    },

    Float32 {
        op: FloatOp,
        dst: Slot,
        a: Slot,
        b: Slot,
    },
    Float64 {
        op: FloatOp,
        dst: Slot,
        a: Slot,
        b: Slot,
    },
    FloatNeg {
        bits: u8,
        dst: Slot,
        a: Slot,
    },
    FloatAbs {
        bits: u8,
        dst: Slot,
        a: Slot,
    },
    FloatCmp32 {
        cond: Cond,
        dst: Slot,
        a: Slot,
        b: Slot,
    },
    FloatCmp64 {
        cond: Cond,
        dst: Slot,
        a: Slot,
        b: Slot,
    },
    IntToFloat {
        signed: bool,
        from: u8,
        to: u8,
        dst: Slot,
        a: Slot,
    },
    /// `mode` bit 0: signed, bit 1: toward zero.
    FloatToInt {
        mode: u8,
        from: u8,
        to: u8,
        dst: Slot,
        a: Slot,
    },
    FloatConvert {
        to: u8,
        dst: Slot,
        a: Slot,
    },

    Cmp {
        cond: Cond,
        order: Order,
        dst: Slot,
        a: Slot,
        b: Slot,
    },
    CmpImm {
        cond: Cond,
        order: Order,
        dst: Slot,
        a: Slot,
        imm: i32,
    },
    /// Chooses between the two slots of entry `pair` of [`Code::pairs`].
    Select {
        dst: Slot,
        cond: Slot,
        pair: u32,
    },
    SignExtend {
        from: u8,
        to: u8,
        dst: Slot,
        a: Slot,
    },
    Truncate {
        to: u8,
        dst: Slot,
        a: Slot,
    },

    Jump {
        target: u32,
    },
    PollJump {
        target: u32,
    },
    BranchIf {
        cond: Slot,
        target: u32,
    },
    BranchIfNot {
        cond: Slot,
        target: u32,
    },
    Branch {
        cond: Cond,
        order: Order,
        a: Slot,
        b: Slot,
        target: u32,
    },
    BranchImm {
        cond: Cond,
        order: Order,
        a: Slot,
        imm: i32,
        target: u32,
    },
    Return,
    ReturnValue {
        src: Slot,
    },
    Call {
        call: u32,
    },
    CallVirtual {
        call: u32,
    },
    Helper {
        call: u32,
    },
    Fault {
        fault: u32,
    },

    Now {
        dst: Slot,
    },
    CheckRange {
        src: Slot,
        check: u32,
    },
    CheckNull {
        src: Slot,
    },
    CheckIn {
        src: Slot,
        low: Slot,
        high: Slot,
    },
    CheckPointer {
        frames: bool,
        src: Slot,
        bytes: u32,
    },
    LoadRef {
        dst: Slot,
        ptr: Slot,
    },
    RefLow {
        dst: Slot,
        a: Slot,
    },
    PtrToRef {
        dst: Slot,
        ptr: Slot,
        type_id: u32,
    },
    Poll,
}

/// A call of a function or of a routine.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    /// Function called; unused for routines.
    pub(crate) func: u32,
    /// Where the result goes.
    pub(crate) dst: Option<Slot>,
    /// Arguments.
    pub(crate) args: Box<[Slot]>,
    /// Row of the dispatch table and slot of the class, for [`Op::CallVirtual`].
    pub(crate) dispatch: Option<(u32, Slot)>,
    /// Routine, for [`Op::Helper`].
    pub(crate) helper: Option<Routine>,
}

/// A routine of the engine with what its arguments alone do not tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Routine {
    pub(crate) helper: Helper,
    /// Float arguments and results are F32.
    pub(crate) single: bool,
}

impl Routine {
    /// Of an operation with these arguments.
    pub(crate) fn new(helper: Helper, args: &[Value], result: Option<Value>, types: &[Ty]) -> Self {
        let single = args.iter().chain(&result).any(|v| types[v.index()] == Ty::F32);
        Self { helper, single }
    }
}

/// Bounds of a check and the fault when they do not hold.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Check {
    pub(crate) low: i64,
    pub(crate) high: i64,
    pub(crate) code: lineshaft_plc_compiler::ir::FaultCode,
}

/// An explicit fault.
#[derive(Clone, Debug)]
pub(crate) struct Trap {
    pub(crate) code: lineshaft_plc_compiler::ir::FaultCode,
    /// Slots with the widths of their values.
    pub(crate) operands: Box<[(Slot, u8)]>,
}

/// One function.
#[derive(Clone, Debug)]
pub(crate) struct Function {
    /// Index of its first operation.
    pub(crate) entry: u32,
    /// Slots that it needs.
    pub(crate) slots: u32,
    /// Bytes of frame, a multiple of 8.
    pub(crate) frame_bytes: u32,
}

/// A decoded module.
#[derive(Debug, Default)]
pub(crate) struct Code {
    pub(crate) ops: Vec<Op>,
    /// Source place of each operation.
    pub(crate) sites: Vec<SiteId>,
    pub(crate) functions: Vec<Function>,
    pub(crate) calls: Vec<Call>,
    pub(crate) checks: Vec<Check>,
    pub(crate) traps: Vec<Trap>,
    /// Operands of selections.
    pub(crate) pairs: Vec<(Slot, Slot)>,
    /// Functions by slot and class.
    pub(crate) dispatch: Vec<Vec<Option<u32>>>,
}

impl Code {
    pub(crate) fn method(&self, slot: u32, class: u32) -> Option<u32> {
        *self.dispatch.get(slot as usize)?.get(class as usize)?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operation_takes_sixteen_bytes() {
        assert_eq!(size_of::<Op>(), 16);
    }

    #[test]
    fn keys_order_as_the_numbers_do() {
        let signed = Order { shift: 48, flip: false };
        assert!(signed.key(0xffff) < signed.key(0));
        let unsigned = Order { shift: 0, flip: true };
        assert!(unsigned.key(0xffff) > unsigned.key(0));
    }
}
