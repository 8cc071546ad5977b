//! The loop that executes the interpreter's instruction set.
//!
//! Every access is checked and every operation is total, so no program can end it but by returning, by a
//! fault, or at a back edge once the attention word is set.

use super::code::{Code, Op, holds};
use super::number::{arith, float_to_int, int_to_float, mask, sign_extend};
use crate::engine::memory::{read, write};
use crate::stdlib;
use lineshaft_plc_compiler::ir::{FaultCode, FloatOp};
use lineshaft_plc_compiler::{MAX_CALL_DEPTH, MAX_DISPATCH_DEPTH};
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
    /// Calls by dispatch that are open.
    pub(crate) dispatches: u32,
}

/// Where and why, before it is completed to a [`Trap`].
struct Stop(FaultCode, [i64; 3], u8);

/// The first bytes of the state block, to which no pointer leads.
const HEADER_BYTES: u32 = 64;

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
                            let made = ops[caller.at as usize];
                            if matches!(made, Op::CallVirtual { .. }) {
                                self.dispatches -= 1;
                            }
                            if let Op::Call { call } | Op::CallVirtual { call } = made
                                && let Some(dst) = code.calls[call as usize].dst
                            {
                                slots[window + dst as usize] = value;
                            }
                            continue 'window;
                        }
                        Op::Call { call } | Op::CallVirtual { call } => {
                            let call = &code.calls[call as usize];
                            let func = match call.dispatch {
                                None => call.func,
                                Some((slot, class)) => {
                                    let Some(func) = code.method(slot, get!(class) as u32) else {
                                        stop!(OUTSIDE);
                                    };
                                    if self.dispatches as usize >= MAX_DISPATCH_DEPTH {
                                        stop!(DEEP);
                                    }
                                    func
                                }
                            };
                            let present = &code.functions[at.func as usize];
                            let callee = &code.functions[func as usize];
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
                            self.dispatches += u32::from(call.dispatch.is_some());
                            at.func = func;
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
                        Op::CheckIn { src, low, high } => {
                            let (value, low, high) = (get!(src) as i64, get!(low) as i64, get!(high) as i64);
                            if value < low || value > high {
                                stop!(Stop(FaultCode::IndexOutOfBounds, [value, low, high], 3));
                            }
                        }
                        Op::CheckPointer { frames, src, bytes } => {
                            let first = get!(src) as u32;
                            let end = u64::from(first) + u64::from(bytes);
                            let limit = if frames { memory.len() as u64 } else { u64::from(self.arena) };
                            if first < HEADER_BYTES || end > limit {
                                stop!(Stop(FaultCode::PointerRange, [0; 3], 0));
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
