//! The loop that executes the interpreter's instruction set.
//!
//! Every access is checked and every operation is total, so no program can end it but by returning, by a
//! fault, or at a back edge once the attention word is set.

use super::code::{Arith, Code, Op, holds};
use crate::engine::memory::{read, write};
use crate::stdlib;
use lineshaft_plc_compiler::MAX_CALL_DEPTH;
use lineshaft_plc_compiler::ir::{FaultCode, FloatOp};
use std::sync::atomic::{AtomicU32, Ordering};

/// A caller that waits for its callee.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Caller {
    /// Its function.
    pub(crate) func: u32,
    /// The call's operation.
    pub(crate) at: u32,
    /// First slot of its window.
    pub(crate) window: u32,
    /// Its frame.
    pub(crate) frame: u32,
}

/// Why execution ended early; the registers and callers are still as they were.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Trap {
    pub(crate) code: FaultCode,
    pub(crate) operands: [i64; 3],
    pub(crate) count: u8,
    /// Function that ran.
    pub(crate) func: u32,
    /// Operation that did it.
    pub(crate) at: u32,
    /// First slot of the function's window.
    pub(crate) window: u32,
}

/// What a thread of execution needs beside the code, allocated once.
#[derive(Debug)]
pub(crate) struct Stack {
    pub(crate) slots: Vec<u64>,
    pub(crate) callers: Vec<Caller>,
}

/// What one run is given.
pub(crate) struct Run<'a> {
    pub(crate) code: &'a Code,
    pub(crate) memory: &'a mut [u8],
    /// First byte of the frame arena.
    pub(crate) arena: u32,
    pub(crate) stack: &'a mut Stack,
    /// Composes strings whose sources may overlap their destination.
    pub(crate) scratch: &'a mut [u8],
    pub(crate) attention: &'a AtomicU32,
    /// Back edges that the run may take.
    pub(crate) budget: u64,
    pub(crate) now_ns: i64,
}

/// Where and why, before it is completed to a [`Trap`].
struct Stop(FaultCode, [i64; 3], u8);

const OUTSIDE: Stop = Stop(FaultCode::NullReference, [0; 3], 0);
const DIVIDE: Stop = Stop(FaultCode::DivideByZero, [0; 3], 0);
const WATCHDOG: Stop = Stop(FaultCode::Watchdog, [0; 3], 0);
const DEEP: Stop = Stop(FaultCode::StackOverflow, [0; 3], 0);

impl Run<'_> {
    /// Calls a function with one argument, the address of an instance.
    pub(crate) fn call(&mut self, func: u32, this: u32) -> Result<(), Trap> {
        self.stack.callers.clear();
        let mut at = Position { pc: 0, func, window: 0, frame: self.arena };
        let entered = match self.enter(&at, func) {
            Some(()) => {
                if let Some(slot) = self.stack.slots.first_mut() {
                    *slot = u64::from(this);
                }
                at.pc = self.code.functions[func as usize].entry as usize;
                self.execute(&mut at)
            }
            None => Err(DEEP),
        };
        entered.map_err(|Stop(code, operands, count)| Trap {
            code,
            operands,
            count,
            func: at.func,
            at: (at.pc as u32).saturating_sub(1),
            window: at.window,
        })
    }

    /// Whether a function's slots and frame fit where they would begin.
    fn enter(&self, at: &Position, func: u32) -> Option<()> {
        let function = &self.code.functions[func as usize];
        let slots = at.window as usize + function.slots as usize;
        let frame = at.frame as usize + function.frame_bytes as usize;
        (slots <= self.stack.slots.len() && frame <= self.memory.len()).then_some(())
    }

    #[expect(clippy::inline_always, reason = "one call site, in the hot loop")]
    #[inline(always)]
    fn execute(&mut self, at: &mut Position) -> Result<(), Stop> {
        let code = self.code;
        let ops = code.ops.as_slice();
        let memory = &mut *self.memory;
        let mut slots = std::mem::take(&mut self.stack.slots);
        let result = (|| {
            let mut window = at.window as usize;
            let mut pc = at.pc;
            let mut frame = at.frame;
            macro_rules! stop {
                ($stop:expr) => {{
                    at.pc = pc;
                    at.window = window as u32;
                    at.frame = frame;
                    return Err($stop);
                }};
            }
            'window: loop {
                let r = &mut slots[window..];
                macro_rules! get {
                    ($slot:expr) => {
                        r[$slot as usize]
                    };
                }
                macro_rules! set {
                    ($slot:expr, $value:expr) => {{
                        let value: u64 = $value;
                        r[$slot as usize] = value;
                    }};
                }
                macro_rules! load {
                    ($dst:expr, $address:expr, $ty:ty) => {
                        match read(memory, $address) {
                            Some(bytes) => set!($dst, u64::from(<$ty>::from_le_bytes(bytes))),
                            None => stop!(OUTSIDE),
                        }
                    };
                }
                macro_rules! store {
                    ($address:expr, $src:expr, $ty:ty) => {
                        if write(memory, $address, (get!($src) as $ty).to_le_bytes()).is_none() {
                            stop!(OUTSIDE);
                        }
                    };
                }
                macro_rules! at {
                    ($ptr:expr, $offset:expr) => {
                        get!($ptr) as u32 as usize + $offset as usize
                    };
                }
                loop {
                    let op = ops[pc];
                    pc += 1;
                    match op {
                        Op::Const { dst, value } => set!(dst, value),
                        Op::Move { dst, src } => set!(dst, get!(src)),
                        Op::Frame { dst, bytes } => set!(dst, u64::from(frame.wrapping_add(bytes))),
                        Op::Offset { dst, ptr, bytes } => {
                            set!(dst, u64::from((get!(ptr) as u32).wrapping_add(bytes)));
                        }
                        Op::Index { stride, dst, ptr, index } => {
                            let moved = (get!(index) as u32).wrapping_mul(u32::from(stride));
                            set!(dst, u64::from((get!(ptr) as u32).wrapping_add(moved)));
                        }

                        Op::Load8 { dst, ptr, offset } => load!(dst, at!(ptr, offset), u8),
                        Op::Load16 { dst, ptr, offset } => load!(dst, at!(ptr, offset), u16),
                        Op::Load32 { dst, ptr, offset } => load!(dst, at!(ptr, offset), u32),
                        Op::Load64 { dst, ptr, offset } => load!(dst, at!(ptr, offset), u64),
                        Op::LoadState8 { dst, address } => load!(dst, address as usize, u8),
                        Op::LoadState16 { dst, address } => load!(dst, address as usize, u16),
                        Op::LoadState32 { dst, address } => load!(dst, address as usize, u32),
                        Op::LoadState64 { dst, address } => load!(dst, address as usize, u64),
                        Op::LoadFrame8 { dst, offset } => load!(dst, frame as usize + offset as usize, u8),
                        Op::LoadFrame16 { dst, offset } => load!(dst, frame as usize + offset as usize, u16),
                        Op::LoadFrame32 { dst, offset } => load!(dst, frame as usize + offset as usize, u32),
                        Op::LoadFrame64 { dst, offset } => load!(dst, frame as usize + offset as usize, u64),
                        Op::Store8 { ptr, offset, src } => store!(at!(ptr, offset), src, u8),
                        Op::Store16 { ptr, offset, src } => store!(at!(ptr, offset), src, u16),
                        Op::Store32 { ptr, offset, src } => store!(at!(ptr, offset), src, u32),
                        Op::Store64 { ptr, offset, src } => store!(at!(ptr, offset), src, u64),
                        Op::StoreState8 { address, src } => store!(address as usize, src, u8),
                        Op::StoreState16 { address, src } => store!(address as usize, src, u16),
                        Op::StoreState32 { address, src } => store!(address as usize, src, u32),
                        Op::StoreState64 { address, src } => store!(address as usize, src, u64),
                        Op::StoreFrame8 { offset, src } => store!(frame as usize + offset as usize, src, u8),
                        Op::StoreFrame16 { offset, src } => {
                            store!(frame as usize + offset as usize, src, u16);
                        }
                        Op::StoreFrame32 { offset, src } => {
                            store!(frame as usize + offset as usize, src, u32);
                        }
                        Op::StoreFrame64 { offset, src } => {
                            store!(frame as usize + offset as usize, src, u64);
                        }
                        Op::LoadBit { bit, dst, ptr, offset } => match memory.get(at!(ptr, offset)) {
                            Some(byte) => set!(dst, u64::from(byte >> (bit & 7) & 1)),
                            None => stop!(OUTSIDE),
                        },
                        Op::StoreBit { bit, ptr, offset, src } => {
                            let one = get!(src) & 1 == 1;
                            match memory.get_mut(at!(ptr, offset)) {
                                Some(byte) if one => *byte |= 1 << (bit & 7),
                                Some(byte) => *byte &= !(1 << (bit & 7)),
                                None => stop!(OUTSIDE),
                            }
                        }
                        Op::Copy { to, from, bytes } => {
                            let (to, from, bytes) = (at!(to, 0), at!(from, 0), bytes as usize);
                            if to + bytes > memory.len() || from + bytes > memory.len() {
                                stop!(OUTSIDE);
                            }
                            memory.copy_within(from..from + bytes, to);
                        }
                        Op::Zero { to, bytes } => {
                            let to = at!(to, 0);
                            match memory.get_mut(to..to + bytes as usize) {
                                Some(range) => range.fill(0),
                                None => stop!(OUTSIDE),
                            }
                        }

                        Op::Add32 { dst, a, b } => {
                            set!(dst, u64::from((get!(a) as u32).wrapping_add(get!(b) as u32)));
                        }
                        Op::Sub32 { dst, a, b } => {
                            set!(dst, u64::from((get!(a) as u32).wrapping_sub(get!(b) as u32)));
                        }
                        Op::Mul32 { dst, a, b } => {
                            set!(dst, u64::from((get!(a) as u32).wrapping_mul(get!(b) as u32)));
                        }
                        Op::Add64 { dst, a, b } => set!(dst, get!(a).wrapping_add(get!(b))),
                        Op::Sub64 { dst, a, b } => set!(dst, get!(a).wrapping_sub(get!(b))),
                        Op::Mul64 { dst, a, b } => set!(dst, get!(a).wrapping_mul(get!(b))),
                        Op::Add32Imm { dst, a, imm } => {
                            set!(dst, u64::from((get!(a) as u32).wrapping_add(imm as u32)));
                        }
                        Op::Mul32Imm { dst, a, imm } => {
                            set!(dst, u64::from((get!(a) as u32).wrapping_mul(imm as u32)));
                        }
                        Op::RemS32Imm { dst, a, imm } => {
                            let value = (get!(a) as i32).checked_rem(imm).unwrap_or(0);
                            set!(dst, u64::from(value as u32));
                        }
                        Op::Add64Imm { dst, a, imm } => {
                            set!(dst, get!(a).wrapping_add(i64::from(imm) as u64));
                        }
                        Op::Arith { op, bits, dst, a, b } => match arith(op, bits, get!(a), get!(b)) {
                            Some(value) => set!(dst, value),
                            None => stop!(DIVIDE),
                        },
                        Op::ArithImm { op, bits, dst, a, imm } => {
                            match arith(op, bits, get!(a), i64::from(imm) as u64) {
                                Some(value) => set!(dst, value),
                                None => stop!(DIVIDE),
                            }
                        }
                        Op::And { dst, a, b } => set!(dst, get!(a) & get!(b)),
                        Op::Or { dst, a, b } => set!(dst, get!(a) | get!(b)),
                        Op::Xor { dst, a, b } => set!(dst, get!(a) ^ get!(b)),
                        Op::AndImm { dst, a, imm } => set!(dst, get!(a) & u64::from(imm)),
                        Op::XorImm { dst, a, imm } => set!(dst, get!(a) ^ u64::from(imm)),
                        Op::Neg { bits, dst, a } => set!(dst, get!(a).wrapping_neg() & mask(bits)),
                        Op::Not { bits, dst, a } => set!(dst, !get!(a) & mask(bits)),

                        Op::Float32 { op, dst, a, b } => {
                            let (a, b) = (f32::from_bits(get!(a) as u32), f32::from_bits(get!(b) as u32));
                            let value = match op {
                                FloatOp::Add => a + b,
                                FloatOp::Sub => a - b,
                                FloatOp::Mul => a * b,
                                FloatOp::Div => a / b,
                                FloatOp::Min if a <= b || b.is_nan() => a,
                                FloatOp::Max if a >= b || b.is_nan() => a,
                                FloatOp::Min | FloatOp::Max => b,
                            };
                            set!(dst, u64::from(value.to_bits()));
                        }
                        Op::Float64 { op, dst, a, b } => {
                            let (a, b) = (f64::from_bits(get!(a)), f64::from_bits(get!(b)));
                            let value = match op {
                                FloatOp::Add => a + b,
                                FloatOp::Sub => a - b,
                                FloatOp::Mul => a * b,
                                FloatOp::Div => a / b,
                                FloatOp::Min if a <= b || b.is_nan() => a,
                                FloatOp::Max if a >= b || b.is_nan() => a,
                                FloatOp::Min | FloatOp::Max => b,
                            };
                            set!(dst, value.to_bits());
                        }
                        Op::FloatNeg { bits, dst, a } => set!(dst, get!(a) ^ 1 << (bits - 1)),
                        Op::FloatAbs { bits, dst, a } => set!(dst, get!(a) & !(1 << (bits - 1))),
                        Op::FloatCmp32 { cond, dst, a, b } => {
                            let (a, b) = (f32::from_bits(get!(a) as u32), f32::from_bits(get!(b) as u32));
                            set!(dst, u64::from(holds(cond, a, b)));
                        }
                        Op::FloatCmp64 { cond, dst, a, b } => {
                            let (a, b) = (f64::from_bits(get!(a)), f64::from_bits(get!(b)));
                            set!(dst, u64::from(holds(cond, a, b)));
                        }
                        Op::IntToFloat { signed, from, to, dst, a } => {
                            set!(dst, int_to_float(get!(a), signed, from, to));
                        }
                        Op::FloatToInt { mode, from, to, dst, a } => {
                            set!(dst, float_to_int(get!(a), mode, from, to));
                        }
                        Op::FloatConvert { to, dst, a } => {
                            let value = get!(a);
                            if to == 64 {
                                set!(dst, f64::from(f32::from_bits(value as u32)).to_bits());
                            } else {
                                set!(dst, u64::from((f64::from_bits(value) as f32).to_bits()));
                            }
                        }

                        Op::Cmp { cond, order, dst, a, b } => {
                            set!(dst, u64::from(holds(cond, order.key(get!(a)), order.key(get!(b)))));
                        }
                        Op::CmpImm { cond, order, dst, a, imm } => {
                            let imm = order.key(i64::from(imm) as u64);
                            set!(dst, u64::from(holds(cond, order.key(get!(a)), imm)));
                        }
                        Op::Select { dst, cond, pair } => {
                            let (a, b) = code.pairs[pair as usize];
                            set!(dst, if get!(cond) == 0 { get!(b) } else { get!(a) });
                        }
                        Op::SignExtend { from, to, dst, a } => {
                            set!(dst, sign_extend(get!(a), from) as u64 & mask(to));
                        }
                        Op::Truncate { to, dst, a } => set!(dst, get!(a) & mask(to)),

                        Op::Jump { target } => pc = target as usize,
                        Op::PollJump { target } => {
                            self.budget = self.budget.saturating_sub(1);
                            if self.attention.load(Ordering::Relaxed) != 0 || self.budget == 0 {
                                stop!(WATCHDOG);
                            }
                            pc = target as usize;
                        }
                        Op::BranchIf { cond, target } => {
                            if get!(cond) != 0 {
                                pc = target as usize;
                            }
                        }
                        Op::BranchIfNot { cond, target } => {
                            if get!(cond) == 0 {
                                pc = target as usize;
                            }
                        }
                        Op::Branch { cond, order, a, b, target } => {
                            if holds(cond, order.key(get!(a)), order.key(get!(b))) {
                                pc = target as usize;
                            }
                        }
                        Op::BranchImm { cond, order, a, imm, target } => {
                            let imm = order.key(i64::from(imm) as u64);
                            if holds(cond, order.key(get!(a)), imm) {
                                pc = target as usize;
                            }
                        }
                        Op::Return | Op::ReturnValue { .. } => {
                            let value = if let Op::ReturnValue { src } = op { get!(src) } else { 0 };
                            let Some(caller) = self.stack.callers.pop() else { return Ok(()) };
                            window = caller.window as usize;
                            frame = caller.frame;
                            at.func = caller.func;
                            pc = caller.at as usize + 1;
                            if let Op::Call { call } = ops[caller.at as usize]
                                && let Some(dst) = code.calls[call as usize].dst
                            {
                                slots[window + dst as usize] = value;
                            }
                            continue 'window;
                        }
                        Op::Call { call } => {
                            let call = &code.calls[call as usize];
                            let present = &code.functions[at.func as usize];
                            let callee = &code.functions[call.func as usize];
                            let next = window + present.slots as usize;
                            let next_frame = frame as usize + present.frame_bytes as usize;
                            let depth = self.stack.callers.len();
                            if next + callee.slots as usize > slots.len()
                                || next_frame + callee.frame_bytes as usize > memory.len()
                                || depth >= MAX_CALL_DEPTH
                            {
                                stop!(DEEP);
                            }
                            let (_, r) = slots.split_at_mut(window);
                            for (i, &arg) in call.args.iter().enumerate() {
                                r[present.slots as usize + i] = r[arg as usize];
                            }
                            self.stack.callers.push(Caller {
                                func: at.func,
                                at: pc as u32 - 1,
                                window: window as u32,
                                frame,
                            });
                            at.func = call.func;
                            window = next;
                            frame = next_frame as u32;
                            pc = callee.entry as usize;
                            continue 'window;
                        }
                        Op::Helper { call } => {
                            let call = &code.calls[call as usize];
                            let mut args = [0; stdlib::ARGUMENTS_MAX];
                            for (to, &from) in args.iter_mut().zip(&call.args) {
                                *to = get!(from);
                            }
                            let Some(routine) = call.helper else { stop!(OUTSIDE) };
                            match stdlib::call(routine, args, memory, self.scratch) {
                                Ok(value) => {
                                    if let Some(dst) = call.dst {
                                        set!(dst, value);
                                    }
                                }
                                Err(stdlib::Failure { code, operands, count }) => {
                                    stop!(Stop(code, operands, count));
                                }
                            }
                        }
                        Op::Fault { fault } => {
                            let trap = &code.traps[fault as usize];
                            let mut operands = [0; 3];
                            for (to, &(slot, bits)) in operands.iter_mut().zip(&trap.operands) {
                                *to = sign_extend(get!(slot), bits);
                            }
                            stop!(Stop(trap.code, operands, trap.operands.len().min(3) as u8));
                        }

                        Op::Now { dst } => set!(dst, self.now_ns as u64),
                        Op::CheckRange { src, check } => {
                            let check = &code.checks[check as usize];
                            let value = get!(src) as i64;
                            if value < check.low || value > check.high {
                                stop!(Stop(check.code, [value, check.low, check.high], 3));
                            }
                        }
                        Op::CheckNull { src } => {
                            if get!(src) as u32 == 0 {
                                stop!(OUTSIDE);
                            }
                        }
                        Op::LoadRef { dst, ptr } => load!(dst, at!(ptr, 0), u32),
                        Op::RefLow { dst, a } => set!(dst, u64::from(get!(a) as u32)),
                        Op::PtrToRef { dst, ptr, type_id } => {
                            let offset = u64::from(get!(ptr) as u32);
                            // NULL has no type: all NULL references are equal.
                            let ty = if offset == 0 { 0 } else { u64::from(type_id) << 32 };
                            set!(dst, offset | ty);
                        }
                        Op::Poll => {
                            self.budget = self.budget.saturating_sub(1);
                            if self.attention.load(Ordering::Relaxed) != 0 || self.budget == 0 {
                                stop!(WATCHDOG);
                            }
                        }
                    }
                }
            }
        })();
        self.stack.slots = slots;
        result
    }
}

/// Where execution is, as far as a fault needs it.
struct Position {
    pc: usize,
    func: u32,
    window: u32,
    frame: u32,
}

fn mask(bits: u8) -> u64 {
    u64::MAX >> (64 - bits)
}

fn sign_extend(value: u64, bits: u8) -> i64 {
    let shift = 64 - bits;
    (value << shift) as i64 >> shift
}

/// `None` for a division by zero. Every case that overflows wraps.
#[inline]
fn arith(op: Arith, bits: u8, a: u64, b: u64) -> Option<u64> {
    let value = match op {
        Arith::Add => a.wrapping_add(b),
        Arith::Sub => a.wrapping_sub(b),
        Arith::Mul => a.wrapping_mul(b),
        Arith::DivS => {
            let (a, b) = (sign_extend(a, bits), sign_extend(b, bits));
            if b == 0 {
                return None;
            }
            a.wrapping_div(b) as u64
        }
        Arith::DivU => a.checked_div(b & mask(bits))?,
        Arith::RemS => {
            let (a, b) = (sign_extend(a, bits), sign_extend(b, bits));
            if b == 0 { 0 } else { a.wrapping_rem(b) as u64 }
        }
        Arith::RemU => a.checked_rem(b & mask(bits)).unwrap_or(0),
        Arith::Shl | Arith::Shr => {
            let by = sign_extend(b, bits).max(0);
            match (by < i64::from(bits), op) {
                (false, _) => 0,
                (true, Arith::Shl) => a << by,
                (true, _) => a >> by,
            }
        }
        Arith::Rol | Arith::Ror => {
            let width = u32::from(bits);
            let by = (sign_extend(b, bits).max(0) % i64::from(bits)) as u32;
            let left = if op == Arith::Rol { by } else { width - by };
            let right = width - left;
            a.checked_shl(left).unwrap_or(0) | a.checked_shr(right).unwrap_or(0)
        }
    };
    Some(value & mask(bits))
}

fn int_to_float(value: u64, signed: bool, from: u8, to: u8) -> u64 {
    let signed_value = sign_extend(value, from);
    match (to, signed) {
        (32, true) => u64::from((signed_value as f32).to_bits()),
        (32, false) => u64::from((value as f32).to_bits()),
        (_, true) => (signed_value as f64).to_bits(),
        (_, false) => (value as f64).to_bits(),
    }
}

fn float_to_int(value: u64, mode: u8, from: u8, to: u8) -> u64 {
    let value = if from == 32 { f64::from(f32::from_bits(value as u32)) } else { f64::from_bits(value) };
    let value = if mode & 2 == 0 { value.round_ties_even() } else { value.trunc() };
    // `as` saturates and takes NaN to 0, which is the rule here too.
    let integer = match (to, mode & 1 == 1) {
        (8, true) => value as i8 as u64,
        (8, false) => u64::from(value as u8),
        (16, true) => value as i16 as u64,
        (16, false) => u64::from(value as u16),
        (32, true) => value as i32 as u64,
        (32, false) => u64::from(value as u32),
        (_, true) => value as i64 as u64,
        (_, false) => value as u64,
    };
    integer & mask(to)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn arithmetic_is_total() {
        assert_eq!(arith(Arith::DivS, 32, 0x8000_0000, 0xffff_ffff), Some(0x8000_0000), "MIN / -1 wraps");
        assert_eq!(arith(Arith::RemS, 64, 1 << 63, u64::MAX), Some(0), "MIN MOD -1 is 0");
        assert_eq!(arith(Arith::RemS, 16, 5, 0), Some(0), "MOD by 0 is 0");
        assert_eq!(arith(Arith::DivU, 8, 5, 0), None);
        assert_eq!(arith(Arith::Shl, 8, 0xff, 8), Some(0));
        assert_eq!(arith(Arith::Shr, 8, 0x80, 7), Some(1), "zero fill");
        assert_eq!(arith(Arith::Shl, 8, 1, 0xff), Some(1), "a negative count acts as 0");
        assert_eq!(arith(Arith::Rol, 8, 0x81, 9), Some(3));
        assert_eq!(arith(Arith::Ror, 16, 1, 1), Some(0x8000));
        assert_eq!(arith(Arith::Rol, 64, 1 << 63, 1), Some(1));
        assert_eq!(arith(Arith::Ror, 64, 7, 0), Some(7));
    }

    #[test]
    fn floats_become_integers_by_the_rules() {
        let dint = |v: f64, mode| float_to_int(v.to_bits(), mode, 64, 32) as i32;
        assert_eq!((dint(2.5, 1), dint(3.5, 1), dint(-2.5, 1)), (2, 4, -2), "ties to even");
        assert_eq!((dint(2.9, 3), dint(-2.9, 3)), (2, -2));
        assert_eq!((dint(1e10, 1), dint(-1e10, 1), dint(f64::NAN, 1)), (i32::MAX, i32::MIN, 0));
    }

    proptest! {
        #[test]
        fn sixteen_bits_behave_as_i16(a: i16, b: i16) {
            let (x, y) = (u64::from(a as u16), u64::from(b as u16));
            let is = |op, want: i16| arith(op, 16, x, y) == Some(u64::from(want as u16));
            prop_assert!(is(Arith::Add, a.wrapping_add(b)));
            prop_assert!(is(Arith::Sub, a.wrapping_sub(b)));
            prop_assert!(is(Arith::Mul, a.wrapping_mul(b)));
            if b != 0 {
                prop_assert!(is(Arith::DivS, a.wrapping_div(b)));
                prop_assert!(is(Arith::RemS, a.wrapping_rem(b)));
            }
        }
    }
}
