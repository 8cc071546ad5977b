//! One function of the IR to Cranelift's: blocks, jumps, faults.
//!
//! Pointers are machine addresses. In memory they are offsets from the start of the state block, so that the
//! block never depends on where it lies. No instruction that this makes can trap: what would is guarded.

use super::context::{Entry, pack_code};
use super::plan::{Plan, machine};
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{
    self, AbiParam, Block as MachineBlock, BlockArg, InstBuilder, MemFlagsData, Signature, UserFuncName,
    Value as Machine, types,
};
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext};
use lineshaft_plc_compiler::ir::{
    BlockId, Const, FaultCode, FuncId, Function, Inlined, Inst, Jump, Location, Op, SiteId, Terminator, Ty,
    Value,
};
use std::collections::HashMap;

/// Memory of the program: never traps, may be unaligned.
pub(super) fn memory() -> MemFlagsData {
    MemFlagsData::new().with_notrap()
}

/// A field of the context that stays the same during a run.
fn fixed() -> MemFlagsData {
    MemFlagsData::trusted().with_readonly().with_can_move()
}

/// Gives the body of a function, which is `function` after its passes.
pub(super) fn translate(
    plan: &Plan<'_>,
    func: FuncId,
    function: &Function,
    frontend: &mut FunctionBuilderContext,
    target: cranelift_codegen::isa::TargetFrontendConfig,
) -> ir::Function {
    let name = UserFuncName::user(0, func.0);
    let mut machine_function = ir::Function::with_name_signature(name, plan.signature(func));
    let builder = FunctionBuilder::new(&mut machine_function, frontend);
    let mut translation = Translation::new(plan, func, function, builder);
    translation.function();
    translation.build.finalize(target);
    machine_function
}

pub(super) struct Translation<'t, 'm> {
    pub(super) plan: &'t Plan<'m>,
    pub(super) function: &'m Function,
    func: FuncId,
    pub(super) build: FunctionBuilder<'t>,
    values: Vec<Option<Machine>>,
    blocks: Vec<Option<MachineBlock>>,
    /// The start of the state block.
    pub(super) base: Machine,
    pub(super) context: Machine,
    pub(super) frame: Machine,
    /// The first parameter, if it is a pointer.
    this: Option<Machine>,
    /// Where all faults of the function end: takes code, site and operands.
    raise: Option<MachineBlock>,
    /// Where faults of callees pass through: takes the site of the call.
    unwind: Option<MachineBlock>,
    callees: HashMap<FuncId, ir::FuncRef>,
    /// Signatures of routines.
    pub(super) signatures: HashMap<Signature, ir::SigRef>,
    /// Room for the arguments of a routine.
    pub(super) arguments: Option<ir::StackSlot>,
    pub(super) site: SiteId,
}

impl<'t, 'm> Translation<'t, 'm> {
    fn new(plan: &'t Plan<'m>, func: FuncId, function: &'m Function, mut build: FunctionBuilder<'t>) -> Self {
        let entry = build.create_block();
        build.append_block_params_for_function_params(entry);
        build.switch_to_block(entry);
        let params = build.block_params(entry).to_vec();
        Self {
            plan,
            function,
            func,
            values: vec![None; function.value_types.len()],
            blocks: vec![None; function.blocks.len()],
            base: params[0],
            context: params[1],
            frame: params[2],
            this: None,
            raise: None,
            unwind: None,
            callees: HashMap::new(),
            signatures: HashMap::new(),
            arguments: None,
            site: SiteId(0),
            build,
        }
    }

    fn function(&mut self) {
        // The machine's entry cannot be jumped to, the IR's can.
        let entry = self.build.current_block().expect("the entry is open");
        let params = self.build.block_params(entry)[3..].to_vec();
        let first = self.function.blocks[0].params.first();
        if first.is_some_and(|param| self.ty(*param) == Ty::Ptr) {
            self.this = params.first().copied();
        }
        let order = order(self.function);
        for &block in &order {
            let made = self.build.create_block();
            self.blocks[block] = Some(made);
            for param in &self.function.blocks[block].params {
                let value = self.build.append_block_param(made, machine(self.ty(*param)));
                self.values[param.index()] = Some(value);
            }
        }
        let start = self.block(BlockId(0));
        let args: Vec<BlockArg> = params.into_iter().map(BlockArg::from).collect();
        self.build.ins().jump(start, &args);
        for &block in &order {
            let made = self.block(BlockId(block as u32));
            self.build.switch_to_block(made);
            for inst in &self.function.blocks[block].insts {
                self.site = inst.site;
                self.inst(inst);
            }
            self.end(&self.function.blocks[block].end);
        }
        self.fault_exits();
        self.build.seal_all_blocks();
    }

    fn block(&self, block: BlockId) -> MachineBlock {
        self.blocks[block.index()].expect("every block that is reached was made")
    }

    pub(super) fn ty(&self, value: Value) -> Ty {
        self.function.value_types[value.index()]
    }

    pub(super) fn value(&self, value: Value) -> Machine {
        self.values[value.index()].expect("definitions come before their uses in this order")
    }

    pub(super) fn int(&mut self, ty: ir::Type, value: i64) -> Machine {
        // The immediate of a narrow type is its bits, zero-extended.
        let bits = ty.bits();
        let value = if bits < 64 { value & ((1 << bits) - 1) } else { value };
        self.build.ins().iconst(ty, value)
    }

    fn inst(&mut self, inst: &Inst) {
        let value = self.op(&inst.op, inst.result);
        if let Some(result) = inst.result {
            self.values[result.index()] = Some(value.expect("an operation with a result gives one"));
        }
    }

    /// Anything of the type, for a result that nobody looks at.
    pub(super) fn nothing(&mut self, ty: ir::Type) -> Machine {
        match ty {
            types::F32 => self.build.ins().f32const(0.0),
            types::F64 => self.build.ins().f64const(0.0),
            ty => self.int(ty, 0),
        }
    }

    pub(super) fn constant(&mut self, constant: Const) -> Machine {
        match constant {
            Const::I8(v) => self.int(types::I8, i64::from(v)),
            Const::I16(v) => self.int(types::I16, i64::from(v)),
            Const::I32(v) => self.int(types::I32, i64::from(v)),
            Const::I64(v) => self.int(types::I64, v),
            Const::F32(v) => self.build.ins().f32const(v),
            Const::F64(v) => self.build.ins().f64const(v),
            Const::Null => self.base,
        }
    }

    fn jump_args(&self, jump: &Jump) -> (MachineBlock, Vec<BlockArg>) {
        let args = jump.args.iter().map(|arg| BlockArg::from(self.value(*arg))).collect();
        (self.block(jump.block), args)
    }

    fn end(&mut self, end: &Terminator) {
        match end {
            Terminator::Jump(jump) => {
                let (block, args) = self.jump_args(jump);
                self.build.ins().jump(block, &args);
            }
            Terminator::Branch { cond, then, otherwise } => {
                let cond = self.value(*cond);
                let (then, then_args) = self.jump_args(then);
                let (otherwise, otherwise_args) = self.jump_args(otherwise);
                self.build.ins().brif(cond, then, &then_args, otherwise, &otherwise_args);
            }
            Terminator::Return(value) => {
                let status = self.int(types::I32, 0);
                let mut results = vec![status];
                results.extend(value.map(|value| self.value(value)));
                self.build.ins().return_(&results);
            }
            Terminator::Fault { code, operands, site } => {
                self.site = *site;
                let operands: Vec<Machine> = operands
                    .iter()
                    .take(3)
                    .map(|value| {
                        let value = self.value(*value);
                        self.widen(value, true)
                    })
                    .collect();
                self.fault(pack_code(*code, operands.len()), &operands);
            }
        }
    }

    /// Any integer as an I64.
    pub(super) fn widen(&mut self, value: Machine, signed: bool) -> Machine {
        if self.build.func.dfg.value_type(value) == types::I64 {
            return value;
        }
        if signed {
            self.build.ins().sextend(types::I64, value)
        } else {
            self.build.ins().uextend(types::I64, value)
        }
    }

    /// Ends the present block with a fault.
    fn fault(&mut self, code: u64, operands: &[Machine]) {
        let code = self.int(types::I64, code as i64);
        let mut operands = operands.to_vec();
        operands.resize(3, code);
        let (inlined, site) = self.store_back();
        let site = self.int(types::I64, i64::from(site.0));
        if let [first, outer @ ..] = inlined {
            let (level, this) = self.inlined_level(first);
            let mut args = vec![self.context, code, level, this];
            args.extend(operands);
            self.routine(Entry::Raise.address(), &args, &[]);
            self.pass_through(outer, site);
            return;
        }
        let raise = match self.raise {
            Some(raise) => raise,
            None => {
                let raise = self.build.create_block();
                self.build.set_cold_block(raise);
                for _ in 0..5 {
                    self.build.append_block_param(raise, types::I64);
                }
                *self.raise.insert(raise)
            }
        };
        let args: Vec<BlockArg> = [code, site].into_iter().chain(operands).map(BlockArg::from).collect();
        self.build.ins().jump(raise, &args);
    }

    /// Stores what passes keep out of memory. Gives the inlined functions that the place is in, and the place in
    /// this one.
    fn store_back(&mut self) -> (&'m [Inlined], SiteId) {
        let function = self.function;
        let Some(context) = function.context(self.site, self.plan.program.module().sites.len()) else {
            return (&[], self.site);
        };
        for (location, value) in &context.stores {
            let is_pointer = self.ty(*value) == Ty::Ptr;
            let mut value = self.value(*value);
            if is_pointer {
                value = self.build.ins().isub(value, self.base);
            }
            let (base, offset) = match *location {
                Location::State(offset) => (self.base, offset),
                Location::Frame(offset) => (self.frame, offset),
                Location::Param(param, offset) => {
                    (self.value(function.blocks[0].params[param as usize]), offset)
                }
            };
            let (base, offset) = self.near(base, offset);
            self.build.ins().store(memory(), value, base, offset);
        }
        (&context.inlined, context.site)
    }

    fn inlined_level(&mut self, inlined: &Inlined) -> (Machine, Machine) {
        let level = i64::from(inlined.func.0) << 32 | i64::from(inlined.site.0);
        let this = match inlined.this {
            Some(this) => {
                let this = self.value(this);
                self.build.ins().isub(this, self.base)
            }
            None => self.int(types::I64, 0),
        };
        (self.int(types::I64, level), this)
    }

    /// Records the callers that were inlined, then leaves through this function.
    fn pass_through(&mut self, inlined: &[Inlined], site: Machine) {
        for inlined in inlined {
            let (level, this) = self.inlined_level(inlined);
            self.routine(Entry::Unwind.address(), &[self.context, level, this], &[]);
        }
        let unwind = match self.unwind {
            Some(unwind) => unwind,
            None => {
                let unwind = self.build.create_block();
                self.build.set_cold_block(unwind);
                self.build.append_block_param(unwind, types::I64);
                *self.unwind.insert(unwind)
            }
        };
        self.build.ins().jump(unwind, &[BlockArg::from(site)]);
    }

    /// Goes on only if `bad` is 0; else faults with the operands that `operands` makes.
    pub(super) fn guard(
        &mut self,
        bad: Machine,
        code: FaultCode,
        operands: impl FnOnce(&mut Self) -> Vec<Machine>,
    ) {
        let cold = self.cold_branch(bad);
        let next = self.build.current_block();
        self.build.switch_to_block(cold);
        let operands = operands(self);
        self.fault(pack_code(code, operands.len()), &operands);
        self.resume(next);
    }

    /// Faults with what a routine has left if `failed` is not 0.
    pub(super) fn guard_routine(&mut self, failed: Machine) {
        let cold = self.cold_branch(failed);
        let next = self.build.current_block();
        self.build.switch_to_block(cold);
        self.fault(super::context::FAILED_ROUTINE, &[]);
        self.resume(next);
    }

    /// Leaves through the fault of a callee if `status` is not 0.
    fn guard_call(&mut self, status: Machine) {
        let cold = self.cold_branch(status);
        let next = self.build.current_block();
        self.build.switch_to_block(cold);
        let (inlined, site) = self.store_back();
        let site = self.int(types::I64, i64::from(site.0));
        self.pass_through(inlined, site);
        self.resume(next);
    }

    /// Branches to a new cold block, which is given, if the condition is not 0; goes on in another new block.
    fn cold_branch(&mut self, bad: Machine) -> MachineBlock {
        let (cold, next) = (self.build.create_block(), self.build.create_block());
        self.build.set_cold_block(cold);
        self.build.ins().brif(bad, cold, &[], next, &[]);
        self.build.switch_to_block(next);
        cold
    }

    fn resume(&mut self, block: Option<MachineBlock>) {
        self.build.switch_to_block(block.expect("there is a block to go on in"));
    }

    /// The ways out that all faults of the function share.
    fn fault_exits(&mut self) {
        if let Some(raise) = self.raise {
            self.build.switch_to_block(raise);
            let params = self.build.block_params(raise).to_vec();
            let (level, this) = self.level(params[1]);
            let args = [self.context, params[0], level, this, params[2], params[3], params[4]];
            self.routine(Entry::Raise.address(), &args, &[]);
            self.leave();
        }
        if let Some(unwind) = self.unwind {
            self.build.switch_to_block(unwind);
            let site = self.build.block_params(unwind)[0];
            let (level, this) = self.level(site);
            self.routine(Entry::Unwind.address(), &[self.context, level, this], &[]);
            self.leave();
        }
    }

    /// This function with a site, and the instance that it works on.
    fn level(&mut self, site: Machine) -> (Machine, Machine) {
        let func = self.int(types::I64, i64::from(self.func.0) << 32);
        let level = self.build.ins().bor(func, site);
        let this = match self.this {
            Some(this) => self.build.ins().isub(this, self.base),
            None => self.int(types::I64, 0),
        };
        (level, this)
    }

    fn leave(&mut self) {
        let mut results = vec![self.int(types::I32, 1)];
        if let Some(ty) = self.function.result {
            results.push(self.nothing(machine(ty)));
        }
        self.build.ins().return_(&results);
    }

    /// Calls a routine at a fixed address.
    pub(super) fn routine(
        &mut self,
        address: usize,
        args: &[Machine],
        results: &[ir::Type],
    ) -> Option<Machine> {
        let mut signature = Signature::new(self.plan.call_conv);
        let types = args.iter().map(|arg| self.build.func.dfg.value_type(*arg));
        signature.params.extend(types.map(AbiParam::new));
        signature.returns.extend(results.iter().copied().map(AbiParam::new));
        let signature = match self.signatures.get(&signature) {
            Some(known) => *known,
            None => {
                let made = self.build.import_signature(signature.clone());
                *self.signatures.entry(signature).or_insert(made)
            }
        };
        let address = self.int(types::I64, address as i64);
        let call = self.build.ins().call_indirect(signature, address, args);
        self.build.inst_results(call).first().copied()
    }

    /// Calls a function of the module.
    pub(super) fn call(&mut self, func: FuncId, args: &[Machine]) -> Option<Machine> {
        let callee = match self.callees.get(&func) {
            Some(callee) => *callee,
            None => {
                let signature = self.build.import_signature(self.plan.signature(func));
                let name = ir::UserExternalName::new(0, func.0);
                let name = ir::ExternalName::user(self.build.func.declare_imported_user_function(name));
                let data = ir::ExtFuncData { name, signature, colocated: true, patchable: false };
                let callee = self.build.import_function(data);
                *self.callees.entry(func).or_insert(callee)
            }
        };
        let bytes = i64::from(self.function.frame_bytes);
        let frame = self.build.ins().iadd_imm_s(self.frame, bytes);
        if self.plan.recursive {
            self.check_depth(frame, self.plan.function(func).frame_bytes);
        }
        let mut all = vec![self.base, self.context, frame];
        all.extend(args);
        let call = self.build.ins().call(callee, &all);
        let results = self.build.inst_results(call).to_vec();
        self.guard_call(results[0]);
        if self.plan.recursive {
            let depth = self.field(types::I64, std::mem::offset_of!(super::context::Context, depth));
            let depth = self.build.ins().iadd_imm_s(depth, -1);
            self.set_field(depth, std::mem::offset_of!(super::context::Context, depth));
        }
        results.get(1).copied()
    }

    /// One call more, with `frame` as its frame.
    fn check_depth(&mut self, frame: Machine, frame_bytes: u32) {
        let place = std::mem::offset_of!(super::context::Context, depth);
        let end = std::mem::offset_of!(super::context::Context, arena_end);
        let depth = self.field(types::I64, place);
        let limit = lineshaft_plc_compiler::MAX_CALL_DEPTH as i64;
        let deep = self.build.ins().icmp_imm_s(IntCC::UnsignedGreaterThanOrEqual, depth, limit);
        let end = self.field(types::I64, end);
        let needed = self.build.ins().iadd_imm_s(frame, i64::from(frame_bytes));
        let full = self.build.ins().icmp(IntCC::UnsignedGreaterThan, needed, end);
        let bad = self.build.ins().bor(deep, full);
        self.guard(bad, FaultCode::StackOverflow, |_| Vec::new());
        let depth = self.build.ins().iadd_imm_s(depth, 1);
        self.set_field(depth, place);
    }

    /// A field of the context that changes.
    pub(super) fn field(&mut self, ty: ir::Type, offset: usize) -> Machine {
        self.build.ins().load(ty, memory(), self.context, offset as i32)
    }

    pub(super) fn set_field(&mut self, value: Machine, offset: usize) {
        self.build.ins().store(memory(), value, self.context, offset as i32);
    }

    /// Ends the scan if the engine was told to, or if the budget is used up.
    pub(super) fn poll(&mut self) {
        use super::context::Context;
        let offset = std::mem::offset_of!(Context, attention) as i32;
        let word = self.build.ins().load(types::I64, fixed(), self.context, offset);
        // Atomic, so that no pass takes the value of an earlier load for it.
        let mut stop = self.build.ins().atomic_load(types::I32, memory(), word);
        if self.plan.budgeted {
            let place = std::mem::offset_of!(Context, budget);
            let budget = self.field(types::I64, place);
            let left = self.build.ins().iadd_imm_s(budget, -1);
            self.set_field(left, place);
            let none = self.build.ins().icmp_imm_s(IntCC::Equal, left, 0);
            let told = self.build.ins().icmp_imm_s(IntCC::NotEqual, stop, 0);
            stop = self.build.ins().bor(none, told);
        }
        self.guard(stop, FaultCode::Watchdog, |_| Vec::new());
    }

    /// The task clock.
    pub(super) fn now(&mut self) -> Machine {
        let offset = std::mem::offset_of!(super::context::Context, now_ns) as i32;
        self.build.ins().load(types::I64, fixed(), self.context, offset)
    }

    /// Whether a value is a known integer.
    pub(super) fn known(&self, value: Value) -> Option<i64> {
        let made = self.values[value.index()]?;
        let ir::ValueDef::Result(inst, 0) = self.build.func.dfg.value_def(made) else { return None };
        match self.build.func.dfg.insts[inst] {
            ir::InstructionData::UnaryImm { opcode: ir::Opcode::Iconst, imm } => {
                let shift = 64 - self.ty(value).size() * 8;
                Some(imm.bits() << shift >> shift)
            }
            _ => None,
        }
    }
}

/// Blocks that can be reached, each before what it dominates.
fn order(function: &Function) -> Vec<usize> {
    let mut seen = vec![false; function.blocks.len()];
    let mut order = Vec::new();
    let mut stack = vec![(0, 0)];
    seen[0] = true;
    while let Some((block, next)) = stack.pop() {
        let successor = match (&function.blocks[block].end, next) {
            (Terminator::Jump(jump), 0) => Some(jump.block.index()),
            // The second first: the order is turned around, and the first way then follows its block.
            (Terminator::Branch { otherwise, .. }, 0) => Some(otherwise.block.index()),
            (Terminator::Branch { then, .. }, 1) => Some(then.block.index()),
            _ => None,
        };
        let Some(successor) = successor else {
            order.push(block);
            continue;
        };
        stack.push((block, next + 1));
        if !seen[successor] {
            seen[successor] = true;
            stack.push((successor, 0));
        }
    }
    order.reverse();
    order
}

impl Translation<'_, '_> {
    /// Calls and what has no result; everything else is in `ops`.
    pub(super) fn effect(&mut self, op: &Op) -> Option<Machine> {
        match op {
            Op::Call { func, args } => {
                let args: Vec<Machine> = args.iter().map(|arg| self.value(*arg)).collect();
                self.call(*func, &args)
            }
            Op::CallVirtual { slot, class, this, args } => self.call_virtual(*slot, *class, *this, args),
            Op::CheckIndexIn { index, low, high } => {
                self.check_in(*index, *low, *high);
                None
            }
            Op::CheckPointer { ptr, bytes, frames } => {
                self.check_pointer(*ptr, *bytes, *frames);
                None
            }
            Op::CheckIndex { index, low, high } => {
                self.check(*index, *low, *high, FaultCode::IndexOutOfBounds);
                None
            }
            Op::CheckRange { value, low, high } => {
                self.check(*value, *low, *high, FaultCode::SubrangeViolation);
                None
            }
            Op::CheckNull(pointer) => {
                let pointer = self.value(*pointer);
                let null = self.build.ins().icmp(IntCC::Equal, pointer, self.base);
                self.guard(null, FaultCode::NullReference, |_| Vec::new());
                None
            }
            _ => {
                self.poll();
                None
            }
        }
    }

    /// One unsigned comparison: below `low` wraps to far above `high`.
    fn check(&mut self, value: Value, low: i64, high: i64, code: FaultCode) {
        let value = self.value(value);
        let from_low = if low == 0 { value } else { self.build.ins().iadd_imm_s(value, low.wrapping_neg()) };
        let bad = self.build.ins().icmp_imm_s(IntCC::UnsignedGreaterThan, from_low, high.wrapping_sub(low));
        self.guard(bad, code, |t| vec![value, t.int(types::I64, low), t.int(types::I64, high)]);
    }
}
