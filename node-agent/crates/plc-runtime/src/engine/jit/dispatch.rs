//! Calls whose target depends on an object, and the checks that references need.

use super::context::Context;
use super::translate::Translation;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{BlockArg, InstBuilder, Value as Machine, types};
use lineshaft_plc_compiler::MAX_DISPATCH_DEPTH;
use lineshaft_plc_compiler::ir::{FaultCode, FuncId, Value};
use std::mem::offset_of;

/// The first bytes of the state block, to which no pointer leads.
const HEADER_BYTES: i64 = 64;

impl Translation<'_, '_> {
    /// Compares the class with those that have the method, function by function.
    pub(super) fn call_virtual(
        &mut self,
        slot: u32,
        class: Value,
        this: Value,
        args: &[Value],
    ) -> Option<Machine> {
        let class = self.value(class);
        let all: Vec<Machine> =
            std::iter::once(this).chain(args.iter().copied()).map(|v| self.value(v)).collect();
        let row = &self.plan.program.module().dispatch[slot as usize];
        let depth = self.field(types::I64, offset_of!(Context, dispatches));
        let limit = MAX_DISPATCH_DEPTH as i64;
        let mut targets: Vec<FuncId> = row.iter().flatten().copied().collect();
        targets.sort_unstable();
        targets.dedup();
        let (join, none) = (self.build.create_block(), self.build.create_block());
        let result = targets.first().and_then(|func| self.plan.function(*func).result);
        let result = result.map(|ty| self.build.append_block_param(join, super::plan::machine(ty)));
        let deep = self.build.ins().icmp_imm_s(IntCC::UnsignedGreaterThanOrEqual, depth, limit);
        for func in targets {
            let (chosen, next) = (self.build.create_block(), self.build.create_block());
            for (number, _) in row.iter().enumerate().filter(|(_, target)| **target == Some(func)) {
                let other = self.build.create_block();
                let same = self.build.ins().icmp_imm_s(IntCC::Equal, class, number as i64);
                self.build.ins().brif(same, chosen, &[], other, &[]);
                self.build.switch_to_block(other);
            }
            self.build.ins().jump(next, &[]);
            self.build.switch_to_block(chosen);
            self.guard(deep, FaultCode::StackOverflow, |_| Vec::new());
            let object = self.plan.function(func).object_bytes;
            if object > 0 {
                self.check_pointer(this, object, false);
            }
            let more = self.build.ins().iadd_imm_s(depth, 1);
            self.set_field(more, offset_of!(Context, dispatches));
            let value = self.call(func, &all);
            self.set_field(depth, offset_of!(Context, dispatches));
            let args: Vec<BlockArg> = value.into_iter().map(BlockArg::from).collect();
            self.build.ins().jump(join, &args);
            self.build.switch_to_block(next);
        }
        self.build.ins().jump(none, &[]);
        self.build.switch_to_block(none);
        let always = self.int(types::I8, 1);
        self.guard(always, FaultCode::NullReference, |_| Vec::new());
        // Never reached: what runs has faulted.
        let empty: Vec<BlockArg> = result
            .map(|value| {
                let ty = self.build.func.dfg.value_type(value);
                let nothing = self.nothing(ty);
                BlockArg::from(nothing)
            })
            .into_iter()
            .collect();
        self.build.ins().jump(join, &empty);
        self.build.switch_to_block(join);
        result
    }

    pub(super) fn check_in(&mut self, index: Value, low: Value, high: Value) {
        let (index, low, high) = (self.value(index), self.value(low), self.value(high));
        let below = self.build.ins().icmp(IntCC::SignedLessThan, index, low);
        let above = self.build.ins().icmp(IntCC::SignedGreaterThan, index, high);
        let bad = self.build.ins().bor(below, above);
        self.guard(bad, FaultCode::IndexOutOfBounds, |_| vec![index, low, high]);
    }

    /// The range in the state block, or with `frames` in the arena behind it.
    pub(super) fn check_pointer(&mut self, ptr: Value, bytes: u32, frames: bool) {
        let ptr = self.value(ptr);
        let offset = self.build.ins().isub(ptr, self.base);
        let end = if frames {
            let end = self.field(types::I64, offset_of!(Context, arena_end));
            self.build.ins().isub(end, self.base)
        } else {
            self.int(types::I64, i64::from(self.plan.state_bytes))
        };
        // Unsigned: what lies below is far above, and no sum can wrap.
        let from_first = self.build.ins().iadd_imm_s(offset, -HEADER_BYTES);
        let room = self.build.ins().iadd_imm_s(end, -(HEADER_BYTES + i64::from(bytes)));
        let none = self.build.ins().icmp_imm_s(IntCC::SignedLessThan, room, 0);
        let far = self.build.ins().icmp(IntCC::UnsignedGreaterThan, from_first, room);
        let bad = self.build.ins().bor(none, far);
        self.guard(bad, FaultCode::PointerRange, |_| Vec::new());
    }
}
