//! Copies between places, and accesses at computed addresses: a cell that stands for one holds the offset of the
//! slot with the pointer, and what is added to it.

use super::by_width_and_source;
use crate::interp::code::{Cell, Handler, Pc};
use crate::interp::vm::Vm;
use crate::interp::width::{Number, Place, Source, W8, W16, W32, W64, Width};
use lineshaft_plc_compiler::ir::FaultCode;

/// A computed address.
///
/// # Safety
///
/// The cell must have been made for one.
#[inline]
unsafe fn address(vm: &Vm<'_>, x: Cell) -> u64 {
    // SAFETY: the cell names a slot.
    u64::from(unsafe { vm.pointer(x.offset) }) + u64::from(x.base)
}

/// The fault of an access outside of the memory.
#[cold]
fn outside(pc: Pc, vm: &mut Vm<'_>) -> Pc {
    vm.stop(pc, FaultCode::NullReference)
}

macro_rules! handlers {
    ($($(#[$doc:meta])* $name:ident $(<$($part:ident: $bound:ident),*>)?: |$pc:ident, $vm:ident| $body:expr;)*) => {$(
        $(#[$doc])*
        pub(crate) unsafe fn $name$(<$($part: $bound),*>)?($pc: Pc, $vm: &mut Vm<'_>) -> Pc {
            // SAFETY: `pc` is an instruction with these operands; it does not end its function.
            unsafe { $body }
        }
    )*};
}

handlers! {
    move_as<W: Width, S: Source>: |pc, vm| {
        let [to, from, _] = (*pc).x;
        vm.set::<W>(to, S::get::<W>(vm, from));
        pc.add(1)
    };
    load_as<W: Width, S: Source>: |pc, vm| {
        let [to, from, _] = (*pc).x;
        match vm.load::<W>(address(vm, from)) {
            Some(value) => {
                vm.set::<W>(to, value);
                pc.add(1)
            }
            None => outside(pc, vm),
        }
    };
    store_as<W: Width, S: Source>: |pc, vm| {
        let [to, from, _] = (*pc).x;
        let value = S::get::<W>(vm, from);
        match vm.store::<W>(address(vm, to), value) {
            Some(()) => pc.add(1),
            None => outside(pc, vm),
        }
    };
    /// `x0` = bit `x2` of the byte at the address `x1`
    load_bit: |pc, vm| {
        let [to, from, bit] = (*pc).x;
        match vm.load::<W8>(address(vm, from)) {
            Some(byte) => {
                vm.set::<W8>(to, byte >> (bit.offset & 7) & 1);
                pc.add(1)
            }
            None => outside(pc, vm),
        }
    };
    /// Bit `x2` of the byte at the address `x0` = the byte `x1`
    store_bit: |pc, vm| {
        let [to, from, bit] = (*pc).x;
        let (at, bit) = (address(vm, to), bit.offset & 7);
        let set = vm.get::<W8>(from) & 1;
        let Some(byte) = vm.load::<W8>(at) else { return outside(pc, vm) };
        match vm.store::<W8>(at, byte & !(1 << bit) | set << bit) {
            Some(()) => pc.add(1),
            None => outside(pc, vm),
        }
    };
    /// As many bytes as `x2` says from the address `x1` to the address `x0`
    copy: |pc, vm| {
        let [to, from, bytes] = (*pc).x;
        let (to, from) = (address(vm, to) as usize, address(vm, from) as usize);
        let bytes = bytes.offset as usize;
        let (memory, _) = vm.parts();
        if to + bytes > memory.len() || from + bytes > memory.len() {
            return outside(pc, vm);
        }
        memory.copy_within(from..from + bytes, to);
        pc.add(1)
    };
    /// Zero into as many bytes as `x1` says at the address `x0`
    zero: |pc, vm| {
        let [to, bytes, _] = (*pc).x;
        let to = address(vm, to) as usize;
        match vm.parts().0.get_mut(to..to + bytes.offset as usize) {
            Some(range) => {
                range.fill(0);
                pc.add(1)
            }
            None => outside(pc, vm),
        }
    };
    /// The slot `x0` = the address `x1`, which wraps
    offset: |pc, vm| {
        let [to, from, _] = (*pc).x;
        vm.set::<W64>(to, u64::from(vm.pointer(from.offset).wrapping_add(from.base)));
        pc.add(1)
    };
    /// The slot `x0` = the pointer in the slot `x1`, and behind it, `x2` times as the slot that follows says
    index: |pc, vm| {
        let [to, from, by] = (*pc).x;
        let moved = vm.get::<W64>(by).wrapping_mul(u64::from(from.base));
        let address = u64::from(vm.pointer(from.offset)).wrapping_add(moved);
        // What is too far stays so: half of it could be an address again.
        vm.set::<W64>(to, u64::from(u32::try_from(address).unwrap_or(u32::MAX)));
        pc.add(1)
    };
    /// The slot `x0` = the address of the byte of the frame that `x1` says
    frame_address: |pc, vm| {
        let [to, offset, _] = (*pc).x;
        let address = vm.frame_address(offset.offset);
        vm.set::<W64>(to, u64::from(address));
        pc.add(1)
    };
    /// `x0` = a reference to what the pointer in `x1` points to, of the type that `x2` says
    ref_of_pointer: |pc, vm| {
        let [to, from, ty] = (*pc).x;
        let offset = vm.get::<W32>(from);
        // NULL has no type: all NULL references are equal.
        let ty = if offset == 0 { 0 } else { u64::from(ty.offset) << 32 };
        vm.set::<W64>(to, offset | ty);
        pc.add(1)
    };
    select_as<W: Width, S: Source>: |pc, vm| {
        let [to, condition, a] = (*pc).x;
        let b = (*pc.add(1)).x[0];
        let value = if vm.get::<W8>(condition) == 0 { S::get::<W>(vm, b) } else { vm.get::<W>(a) };
        vm.set::<W>(to, value);
        pc.add(2)
    };
}

/// `x0 = x1`; `number`: the instruction holds `x1`.
pub(crate) fn move_value(bits: u8, number: bool) -> Handler {
    by_width_and_source!(bits, number, move_as)
}

/// `x0` = what is at the address `x1`
pub(crate) fn load(bits: u8) -> Handler {
    by_width_and_source!(bits, false, load_as)
}

/// At the address `x0`: `x1`; `number`: the instruction holds `x1`.
pub(crate) fn store(bits: u8, number: bool) -> Handler {
    by_width_and_source!(bits, number, store_as)
}

/// `x0 = x2` if the byte `x1` is not 0, else the first operand of the instruction behind; `number`: that holds it.
pub(crate) fn select(bits: u8, number: bool) -> Handler {
    by_width_and_source!(bits, number, select_as)
}
