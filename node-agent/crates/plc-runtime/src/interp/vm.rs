//! What instructions work on, and the loop that executes them.
//!
//! No access is checked that was proved before: the decoder notes for each function how far its operands reach
//! behind each base ([`Function`]), and a function is entered only if all of that lies
//! within slots and memory. Addresses that are computed are checked at each use. Every instruction is total, so
//! no program can end the loop but by returning, by a fault, or at a back edge once the attention word is set.

#![allow(unsafe_code, reason = "operands are read without a check that the entry of the function made")]
#![expect(clippy::inline_always, reason = "each handler is to be straight code, in test builds too")]

use super::code::{BASES, Base, Cell, Code, Function, INST_BYTES, Pc};
use super::width::{W64, Width};
use lineshaft_plc_compiler::MAX_CALL_DEPTH;
use lineshaft_plc_compiler::ir::FaultCode;
use std::sync::atomic::{AtomicU32, Ordering};

/// First slot of a function's window and first byte of its frame. They are one number: written in halves, they
/// could not be read as a whole before the halves have left the processor's store buffer.
#[derive(Clone, Copy, Debug, Default)]
struct Places(u64);

impl Places {
    fn new(window: u32, frame: u32) -> Self {
        Self(u64::from(window) | u64::from(frame) << 32)
    }

    fn window(self) -> u32 {
        self.0 as u32
    }

    fn frame(self) -> u32 {
        (self.0 >> 32) as u32
    }
}

/// A caller that waits for its callee.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Caller {
    places: Places,
    /// Its function.
    pub(crate) func: u32,
    /// The call's instruction.
    pub(crate) at: u32,
    /// What its first parameter points to, if it accesses that.
    this: u32,
    /// 1 if it called by dispatch.
    dispatched: u32,
}

impl Caller {
    /// First slot of its window.
    pub(crate) fn window(&self) -> u32 {
        self.places.window()
    }
}

/// Why execution ended early; the registers and callers are still as they were.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stop {
    pub(crate) code: FaultCode,
    pub(crate) operands: [i64; 3],
    pub(crate) count: u8,
    /// Function that ran.
    pub(crate) func: u32,
    /// Instruction that did it.
    pub(crate) at: u32,
    /// First slot of the function's window.
    pub(crate) window: u32,
    /// How many callers wait.
    pub(crate) depth: usize,
}

/// Instructions that one turn of the loop executes.
const UNROLLED: usize = 4;

/// What a thread of execution needs beside the code, allocated once.
#[derive(Debug)]
pub(crate) struct Stack {
    pub(crate) slots: Vec<u64>,
    pub(crate) callers: Box<[Caller; MAX_CALL_DEPTH]>,
}

/// One run.
pub(crate) struct Vm<'a> {
    /// Addresses of [`Base`]. `State` is the first byte of the memory, for as long as the run lasts.
    bases: [*mut u8; BASES],
    /// Bytes of memory: state block, then frame arena.
    length: usize,
    /// All slots: the first, and how many. They are borrowed for the whole run.
    slots: *mut u64,
    slot_count: usize,
    callers: &'a mut [Caller; MAX_CALL_DEPTH],
    /// How many of them wait.
    depth: usize,
    pub(crate) code: &'a Code,
    /// What runs: function, its places, what its first parameter points to, and where those of a callee begin.
    func: u32,
    places: Places,
    this: u32,
    next: Places,
    /// Calls by dispatch that are open.
    pub(crate) dispatches: u32,
    /// First byte of the frame arena.
    pub(crate) arena: u32,
    /// Composes strings whose sources may overlap their destination.
    scratch: &'a mut [u8],
    attention: &'a AtomicU32,
    budget: u64,
    stopped: Option<Stop>,
}

impl<'a> Vm<'a> {
    pub(crate) fn new(code: &'a Code, stack: &'a mut Stack, scope: &'a mut super::Scope<'_>) -> Self {
        let state = scope.memory.as_mut_ptr();
        let mut bases = [state; BASES];
        // Nothing is written through it: no instruction has a target behind this base.
        bases[Base::Now as usize] = (&raw mut scope.now_ns).cast();
        Self {
            bases,
            length: scope.memory.len(),
            slots: stack.slots.as_mut_ptr(),
            slot_count: stack.slots.len(),
            callers: &mut stack.callers,
            depth: 0,
            code,
            func: 0,
            places: Places::new(0, scope.arena),
            this: 0,
            next: Places::new(0, scope.arena),
            dispatches: 0,
            arena: scope.arena,
            scratch: scope.scratch,
            attention: scope.attention,
            budget: scope.budget.map_or(u64::MAX, |budget| budget.saturating_add(1)),
            stopped: None,
        }
    }

    /// Calls a function with one argument, the address of an instance.
    pub(crate) fn call(&mut self, func: u32, this: u32) -> Result<(), Stop> {
        self.func = func;
        if self.slot_count > 0 {
            self.set_argument(0, 0, u64::from(this));
        }
        let outside = self.code.state_bytes > self.length as u64;
        let function = &self.code.functions[func as usize];
        let mut pc = match self.room(function) {
            _ if outside => self.stop(std::ptr::null(), FaultCode::NullReference),
            None => self.stop(std::ptr::null(), FaultCode::StackOverflow),
            Some(next) => match self.enter(func, function, this, next) {
                Some(pc) => pc,
                None => self.stop(std::ptr::null(), FaultCode::NullReference),
            },
        };
        // Several places that call handlers tell the processor more about what comes next than one.
        'run: while !pc.is_null() {
            // SAFETY: `enter` gives the first instruction of a function; handlers give others of the same
            // function, or what `enter` and `leave` give them. Every function ends in an instruction that leaves it.
            unsafe {
                for _ in 0..UNROLLED {
                    pc = ((*pc).run)(pc, self);
                    if pc.is_null() {
                        break 'run;
                    }
                }
            }
        }
        self.stopped.take().map_or(Ok(()), Err)
    }

    /// Where the places of a function end that begins behind what runs now, if there is room for them.
    #[inline(always)]
    fn room(&self, function: &Function) -> Option<Places> {
        let window = self.next.window() as usize + function.slots as usize;
        let frame = self.next.frame() as usize + function.frame_bytes as usize;
        (window <= self.slot_count && frame <= self.length).then(|| Places::new(window as u32, frame as u32))
    }

    /// Goes to the first instruction of a function for which there is room up to `next`, if what it accesses
    /// behind its first argument lies in the memory.
    #[inline(always)]
    fn enter(&mut self, func: u32, function: &Function, this: u32, next: Places) -> Option<Pc> {
        // The first argument is an address only where something behind it is accessed.
        let this = if function.this_bytes == 0 { 0 } else { this };
        if this as usize + function.this_bytes as usize > self.length {
            return None;
        }
        let first = &raw const self.code.insts[function.entry as usize];
        self.func = func;
        self.place(self.next, this);
        self.next = next;
        Some(first)
    }

    /// Sets the bases of a function whose reach was checked for these places.
    #[inline(always)]
    fn place(&mut self, places: Places, this: u32) {
        (self.places, self.this) = (places, this);
        let state = self.bases[Base::State as usize];
        let slots = self.slots.wrapping_add(places.window() as usize);
        self.bases[Base::Slots as usize] = slots.cast::<u8>();
        self.bases[Base::This as usize] = state.wrapping_add(this as usize);
        self.bases[Base::Frame as usize] = state.wrapping_add(places.frame() as usize);
    }

    /// Enters a callee: `pass` writes its arguments into the window that begins at the given slot, and gives the
    /// first one.
    #[inline(always)]
    pub(crate) fn descend(
        &mut self,
        pc: Pc,
        func: u32,
        dispatched: u32,
        pass: impl FnOnce(&mut Self, u32) -> u32,
    ) -> Pc {
        let function = &self.code.functions[func as usize];
        let (Some(next), true) = (self.room(function), self.depth < MAX_CALL_DEPTH) else {
            return self.stop(pc, FaultCode::StackOverflow);
        };
        let argument = pass(self, self.next.window());
        let (places, this, caller) = (self.places, self.this, self.func);
        let Some(first) = self.enter(func, function, argument, next) else {
            return self.stop(pc, FaultCode::NullReference);
        };
        let at = self.index(pc);
        self.callers[self.depth] = Caller { places, func: caller, at, this, dispatched };
        self.depth += 1;
        self.dispatches += dispatched;
        first
    }

    /// Whether a function could be entered by [`Vm::descend`], wherever its instance is.
    #[inline(always)]
    pub(crate) fn may_descend(&self, func: u32) -> bool {
        self.depth < MAX_CALL_DEPTH && self.room(&self.code.functions[func as usize]).is_some()
    }

    /// Goes back to the caller: the instruction of the call, or null where there is no caller.
    #[inline(always)]
    pub(crate) fn leave(&mut self) -> Pc {
        let Some(&caller) = self.depth.checked_sub(1).and_then(|depth| self.callers.get(depth)) else {
            return std::ptr::null();
        };
        self.depth -= 1;
        self.func = caller.func;
        self.dispatches -= caller.dispatched;
        self.next = self.places;
        // These places were checked when the caller was entered, and neither slots nor memory move in a run.
        self.place(caller.places, caller.this);
        &raw const self.code.insts[caller.at as usize]
    }

    /// Sets a slot of the window of a callee.
    #[inline(always)]
    pub(crate) fn set_argument(&mut self, window: u32, slot: usize, value: u64) {
        let slot = window as usize + slot;
        assert!(slot < self.slot_count, "a callee has a slot for each of its arguments");
        // SAFETY: the slot is one of those that were borrowed mutably for the whole run.
        unsafe { *self.slots.add(slot) = value };
    }

    fn index(&self, pc: Pc) -> u32 {
        let bytes = (pc as usize).wrapping_sub(self.code.insts.as_ptr() as usize);
        (bytes / INST_BYTES as usize) as u32
    }

    /// Ends the run with a fault without operands.
    #[cold]
    #[inline(never)]
    pub(crate) fn stop(&mut self, pc: Pc, code: FaultCode) -> Pc {
        self.stop_with(pc, code, [0; 3], 0)
    }

    /// Ends the run with a fault.
    #[cold]
    #[inline(never)]
    pub(crate) fn stop_with(&mut self, pc: Pc, code: FaultCode, operands: [i64; 3], count: u8) -> Pc {
        let at = if pc.is_null() { 0 } else { self.index(pc) };
        let (func, window, depth) = (self.func, self.places.window(), self.depth);
        self.stopped = Some(Stop { code, operands, count, func, at, window, depth });
        std::ptr::null()
    }

    /// Counts a back edge; whether the run may go on.
    #[inline(always)]
    pub(crate) fn poll(&mut self) -> bool {
        self.budget = self.budget.saturating_sub(1);
        self.attention.load(Ordering::Relaxed) == 0 && self.budget != 0
    }

    /// The operand at a place, zero-extended.
    ///
    /// # Safety
    ///
    /// The cell must be a place that the decoder made at least so wide, for the function that was entered last.
    #[inline(always)]
    pub(crate) unsafe fn get<W: Width>(&self, cell: Cell) -> u64 {
        // SAFETY: the decoder made the cell with a base of the four, and what it reaches was checked at entry.
        unsafe { W::read(self.bases.get_unchecked(cell.base as usize).add(cell.offset as usize)) }
    }

    /// Writes the low bits of a value at a place.
    ///
    /// # Safety
    ///
    /// As [`Vm::get`].
    #[inline(always)]
    pub(crate) unsafe fn set<W: Width>(&mut self, cell: Cell, value: u64) {
        // SAFETY: as for `get`; slots and memory are borrowed mutably for the whole run.
        unsafe { W::write(self.bases.get_unchecked(cell.base as usize).add(cell.offset as usize), value) }
    }

    /// The pointer in a slot.
    ///
    /// # Safety
    ///
    /// As [`Vm::get`], with the offset of a slot.
    #[inline(always)]
    pub(crate) unsafe fn pointer(&self, slot_offset: u32) -> u32 {
        // SAFETY: the same contract.
        unsafe {
            self.get::<super::width::W32>(Cell { offset: slot_offset, base: Base::Slots as u32 }) as u32
        }
    }

    /// The value at a computed address, or nothing outside of the memory.
    #[inline(always)]
    pub(crate) fn load<W: Width>(&self, address: u64) -> Option<u64> {
        let end = address + u64::from(W::BITS / 8);
        // SAFETY: the bytes lie in the memory.
        (end <= self.length as u64)
            .then(|| unsafe { W::read(self.bases[Base::State as usize].add(address as usize)) })
    }

    /// Writes a value at a computed address; nothing outside of the memory.
    #[inline(always)]
    pub(crate) fn store<W: Width>(&mut self, address: u64, value: u64) -> Option<()> {
        let end = address + u64::from(W::BITS / 8);
        // SAFETY: the bytes lie in the memory, which is borrowed mutably for the whole run.
        (end <= self.length as u64)
            .then(|| unsafe { W::write(self.bases[Base::State as usize].add(address as usize), value) })
    }

    /// So many bytes at a computed address, or nothing outside of the memory.
    #[inline(always)]
    pub(crate) fn instance(&mut self, address: u32, bytes: usize) -> Option<&mut [u8]> {
        let first = address as usize;
        self.parts().0.get_mut(first..first + bytes)
    }

    /// The task clock.
    #[inline(always)]
    pub(crate) fn now_ns(&self) -> i64 {
        // SAFETY: this base is the address of the clock in the scope that is borrowed for the whole run.
        unsafe { W64::read(self.bases[Base::Now as usize]) as i64 }
    }

    /// Bytes of the memory.
    pub(crate) fn length(&self) -> usize {
        self.length
    }

    /// Address of a byte of the present frame.
    #[inline(always)]
    pub(crate) fn frame_address(&self, offset: u32) -> u32 {
        self.places.frame().wrapping_add(offset)
    }

    /// The whole memory and the place where strings are composed.
    pub(crate) fn parts(&mut self) -> (&mut [u8], &mut [u8]) {
        // SAFETY: `bases[State]` and `length` are of the slice that `new` borrowed mutably for the whole run, and
        // nothing else reads or writes it while the result lives.
        let memory = unsafe { std::slice::from_raw_parts_mut(self.bases[Base::State as usize], self.length) };
        (memory, self.scratch)
    }
}
