//! Checks that a module is well formed: what an engine may rely on without checking again.

use super::values::{end_operands, operands};
use super::{
    Block, BlockId, Const, FuncId, Function, Helper, Jump, Module, Op, SiteId, Terminator, Ty, Value,
};

/// The first mistake found, as a sentence.
pub fn verify(module: &Module) -> Result<(), String> {
    for (index, function) in module.functions.iter().enumerate() {
        verify_function(module, function)
            .map_err(|mistake| format!("function {} `{}`: {mistake}", index, function.name))?;
    }
    Ok(())
}

/// The first mistake in a function that belongs to a module.
pub(crate) fn verify_function(module: &Module, function: &Function) -> Result<(), String> {
    Verifier { module, function }.function()
}

struct Verifier<'m> {
    module: &'m Module,
    function: &'m Function,
}

impl Verifier<'_> {
    fn function(&self) -> Result<(), String> {
        if self.function.blocks.is_empty() {
            return Err("no blocks".to_owned());
        }
        if !self.function.frame_bytes.is_multiple_of(8) {
            return Err("frame is no multiple of 8".to_owned());
        }
        let count = self.function.value_types.len();
        let mut home: Vec<Option<(usize, usize)>> = vec![None; count];
        for (index, block) in self.function.blocks.iter().enumerate() {
            let results =
                block.insts.iter().enumerate().filter_map(|(at, inst)| Some((at + 1, inst.result?)));
            for (at, value) in block.params.iter().map(|value| (0, *value)).chain(results) {
                let slot = home.get_mut(value.index()).ok_or(format!("v{} has no type", value.0))?;
                if slot.replace((index, at)).is_some() {
                    return Err(format!("v{} is defined twice", value.0));
                }
            }
        }
        let dominators = self.dominators()?;
        for (index, block) in self.function.blocks.iter().enumerate() {
            let reachable = index == 0 || dominators[index].is_some();
            let defined = |value: Value, at: usize| -> Result<(), String> {
                let (block, place) = home
                    .get(value.index())
                    .copied()
                    .flatten()
                    .ok_or(format!("v{} is used and never defined", value.0))?;
                let before = if block == index { place <= at } else { dominates(&dominators, block, index) };
                if before || !reachable {
                    Ok(())
                } else {
                    Err(format!("v{} is used before its definition", value.0))
                }
            };
            for (at, inst) in block.insts.iter().enumerate() {
                let place = |mistake: String| format!("block{index} inst{at} {:?}: {mistake}", inst.op);
                for value in operands(&inst.op) {
                    defined(value, at).map_err(place)?;
                }
                for value in self.context(inst.site).map_err(place)? {
                    defined(value, at).map_err(place)?;
                }
                self.op(&inst.op, inst.result).map_err(place)?;
            }
            for value in end_operands(&block.end) {
                defined(value, usize::MAX).map_err(|mistake| format!("block{index} end: {mistake}"))?;
            }
            self.end(block).map_err(|mistake| format!("block{index} end: {mistake}"))?;
        }
        Ok(())
    }

    /// Values that a fault at a site needs.
    fn context(&self, site: SiteId) -> Result<Vec<Value>, String> {
        match self.function.context(site, self.module.sites.len()) {
            Some(context) => Ok(context.values().collect()),
            None if site.index() < self.module.sites.len() => Ok(Vec::new()),
            None => Err("unknown site".to_owned()),
        }
    }

    fn successors(block: &Block) -> Vec<BlockId> {
        match &block.end {
            Terminator::Jump(jump) => vec![jump.block],
            Terminator::Branch { then, otherwise, .. } => vec![then.block, otherwise.block],
            Terminator::Return(_) | Terminator::Fault { .. } => Vec::new(),
        }
    }

    /// The immediate dominator of each block; none for the entry and for what is not reachable.
    fn dominators(&self) -> Result<Vec<Option<usize>>, String> {
        let count = self.function.blocks.len();
        let mut order = Vec::new();
        let mut seen = vec![false; count];
        let mut stack = vec![(0usize, 0usize)];
        seen[0] = true;
        while let Some((block, next)) = stack.pop() {
            let successors = Self::successors(&self.function.blocks[block]);
            match successors.get(next) {
                Some(successor) => {
                    stack.push((block, next + 1));
                    let target = successor.index();
                    if target >= count {
                        return Err(format!("jump to unknown block{target}"));
                    }
                    if !seen[target] {
                        seen[target] = true;
                        stack.push((target, 0));
                    }
                }
                None => order.push(block),
            }
        }
        order.reverse();
        let mut number = vec![usize::MAX; count];
        for (position, block) in order.iter().enumerate() {
            number[*block] = position;
        }
        let mut predecessors = vec![Vec::new(); count];
        for block in &order {
            for successor in Self::successors(&self.function.blocks[*block]) {
                predecessors[successor.index()].push(*block);
            }
        }
        let mut idom: Vec<Option<usize>> = vec![None; count];
        idom[0] = Some(0);
        let mut changed = true;
        while changed {
            changed = false;
            for block in order.iter().skip(1) {
                let mut new: Option<usize> = None;
                for predecessor in &predecessors[*block] {
                    if idom[*predecessor].is_none() {
                        continue;
                    }
                    new = Some(match new {
                        None => *predecessor,
                        Some(other) => {
                            let (mut a, mut b) = (other, *predecessor);
                            while a != b {
                                while number[a] > number[b] {
                                    a = idom[a].unwrap_or(0);
                                }
                                while number[b] > number[a] {
                                    b = idom[b].unwrap_or(0);
                                }
                            }
                            a
                        }
                    });
                }
                if new != idom[*block] {
                    idom[*block] = new;
                    changed = true;
                }
            }
        }
        Ok(idom)
    }

    fn ty(&self, value: Value) -> Ty {
        self.function.value_types[value.index()]
    }

    fn is(&self, value: Value, want: Ty) -> Result<(), String> {
        let have = self.ty(value);
        if have == want { Ok(()) } else { Err(format!("v{} is {have:?}, not {want:?}", value.0)) }
    }

    fn integer(&self, value: Value) -> Result<(), String> {
        match self.ty(value) {
            Ty::I8 | Ty::I16 | Ty::I32 | Ty::I64 => Ok(()),
            have => Err(format!("v{} is {have:?}, not an integer", value.0)),
        }
    }

    fn float(&self, value: Value) -> Result<(), String> {
        match self.ty(value) {
            Ty::F32 | Ty::F64 => Ok(()),
            have => Err(format!("v{} is {have:?}, not a float", value.0)),
        }
    }

    fn same(&self, a: Value, b: Value) -> Result<(), String> {
        self.is(b, self.ty(a))
    }

    /// Checks operands and gives the type of the result where it follows from them.
    fn op(&self, op: &Op, result: Option<Value>) -> Result<(), String> {
        let wanted = match op {
            Op::Const(constant) => Some(match constant {
                Const::I8(_) => Ty::I8,
                Const::I16(_) => Ty::I16,
                Const::I32(_) => Ty::I32,
                Const::I64(_) => Ty::I64,
                Const::F32(_) => Ty::F32,
                Const::F64(_) => Ty::F64,
                Const::Null => Ty::Ptr,
            }),
            Op::StateAddr(_) => Some(Ty::Ptr),
            Op::FrameAddr(offset) => {
                if *offset > self.function.frame_bytes {
                    return Err("outside the frame".to_owned());
                }
                Some(Ty::Ptr)
            }
            Op::Offset { ptr, .. } => {
                self.is(*ptr, Ty::Ptr)?;
                Some(Ty::Ptr)
            }
            Op::Index { ptr, index, .. } => {
                self.is(*ptr, Ty::Ptr)?;
                self.is(*index, Ty::I64)?;
                Some(Ty::Ptr)
            }
            Op::Load { ptr, .. } => {
                self.is(*ptr, Ty::Ptr)?;
                result.map(|value| self.ty(value))
            }
            Op::Store { ptr, .. } => {
                self.is(*ptr, Ty::Ptr)?;
                None
            }
            Op::LoadBit { ptr, bit, .. } => {
                self.is(*ptr, Ty::Ptr)?;
                bit_number(*bit)?;
                Some(Ty::I8)
            }
            Op::StoreBit { ptr, bit, value, .. } => {
                self.is(*ptr, Ty::Ptr)?;
                self.is(*value, Ty::I8)?;
                bit_number(*bit)?;
                None
            }
            Op::Copy { to, from, .. } => {
                self.is(*to, Ty::Ptr)?;
                self.is(*from, Ty::Ptr)?;
                None
            }
            Op::Zero { to, .. } => {
                self.is(*to, Ty::Ptr)?;
                None
            }
            Op::Int { a, b, .. } | Op::Div { a, b, .. } | Op::Rem { a, b, .. } => {
                self.integer(*a)?;
                self.same(*a, *b)?;
                Some(self.ty(*a))
            }
            Op::Neg(a) | Op::Not(a) => {
                self.integer(*a)?;
                Some(self.ty(*a))
            }
            Op::Float { a, b, .. } => {
                self.float(*a)?;
                self.same(*a, *b)?;
                Some(self.ty(*a))
            }
            Op::FloatNeg(a) | Op::FloatAbs(a) => {
                self.float(*a)?;
                Some(self.ty(*a))
            }
            Op::IntCmp { a, b, .. } => {
                if self.ty(*a) != Ty::Ptr {
                    self.integer(*a)?;
                }
                self.same(*a, *b)?;
                Some(Ty::I8)
            }
            Op::FloatCmp { a, b, .. } => {
                self.float(*a)?;
                self.same(*a, *b)?;
                Some(Ty::I8)
            }
            Op::Select { cond, a, b } => {
                self.is(*cond, Ty::I8)?;
                self.same(*a, *b)?;
                Some(self.ty(*a))
            }
            Op::SignExtend(a) | Op::ZeroExtend(a) => return self.width(*a, result, |from, to| from < to),
            Op::Truncate(a) => return self.width(*a, result, |from, to| from > to),
            Op::IntToFloat { value, .. } => {
                self.integer(*value)?;
                result.map(|value| self.float(value).map(|()| self.ty(value))).transpose()?
            }
            Op::FloatToInt { value, .. } => {
                self.float(*value)?;
                result.map(|value| self.integer(value).map(|()| self.ty(value))).transpose()?
            }
            Op::FloatConvert(a) => {
                self.float(*a)?;
                result.map(|value| self.float(value).map(|()| self.ty(value))).transpose()?
            }
            Op::Bitcast(a) => {
                let result = result.ok_or("no result")?;
                if self.ty(*a).size() != self.ty(result).size() {
                    return Err("widths differ".to_owned());
                }
                Some(self.ty(result))
            }
            Op::Call { func, args } => self.call(*func, args)?,
            Op::CallVirtual { slot, class, this, args } => self.virtual_call(*slot, *class, *this, args)?,
            Op::Helper { helper, args } => return self.helper(*helper, args, result),
            Op::Now => Some(Ty::I64),
            Op::CheckIndex { index: value, low, high } | Op::CheckRange { value, low, high } => {
                self.is(*value, Ty::I64)?;
                if low > high {
                    return Err("empty range".to_owned());
                }
                None
            }
            Op::CheckIndexIn { index, low, high } => {
                for value in [index, low, high] {
                    self.is(*value, Ty::I64)?;
                }
                None
            }
            Op::CheckNull(a) | Op::CheckPointer { ptr: a, .. } => {
                self.is(*a, Ty::Ptr)?;
                None
            }
            Op::RefToPtr(a) => {
                self.is(*a, Ty::I64)?;
                Some(Ty::Ptr)
            }
            Op::PtrToRef { ptr, .. } => {
                self.is(*ptr, Ty::Ptr)?;
                Some(Ty::I64)
            }
            Op::Poll => None,
        };
        match (wanted, result) {
            (Some(want), Some(result)) => self.is(result, want),
            (None, None) => Ok(()),
            (Some(_), None) => Err("result missing".to_owned()),
            (None, Some(_)) => Err("result of an operation that has none".to_owned()),
        }
    }

    fn width(&self, from: Value, to: Option<Value>, legal: impl Fn(u32, u32) -> bool) -> Result<(), String> {
        let to = to.ok_or("no result")?;
        self.integer(from)?;
        self.integer(to)?;
        if legal(self.ty(from).size(), self.ty(to).size()) {
            Ok(())
        } else {
            Err("widths do not fit".to_owned())
        }
    }

    fn call(&self, func: FuncId, args: &[Value]) -> Result<Option<Ty>, String> {
        let callee = self.module.functions.get(func.index()).ok_or("unknown function")?;
        let params = callee.blocks.first().map(|block| block.params.as_slice()).unwrap_or_default();
        if params.len() != args.len() {
            return Err(format!("{} arguments for {} parameters", args.len(), params.len()));
        }
        for (param, arg) in params.iter().zip(args) {
            self.is(*arg, callee.value_types[param.index()])?;
        }
        Ok(callee.result)
    }

    /// Every function that the slot holds must take the arguments; all give the same.
    fn virtual_call(
        &self,
        slot: u32,
        class: Value,
        this: Value,
        args: &[Value],
    ) -> Result<Option<Ty>, String> {
        self.is(class, Ty::I32)?;
        self.is(this, Ty::Ptr)?;
        let row = self.module.dispatch.get(slot as usize).ok_or("unknown slot")?;
        let all: Vec<Value> = std::iter::once(this).chain(args.iter().copied()).collect();
        let mut result = None;
        for func in row.iter().flatten() {
            let given = self.call(*func, &all)?;
            if *result.get_or_insert(given) != given {
                return Err("the functions of a slot give different results".to_owned());
            }
        }
        result.ok_or_else(|| "a slot without functions".to_owned())
    }

    fn helper(&self, helper: Helper, args: &[Value], result: Option<Value>) -> Result<(), String> {
        use Ty::{I8, I16, I64, Ptr};
        let float = |value: Value| self.float(value).map(|()| self.ty(value));
        let unit = |wide| if wide { I16 } else { I8 };
        let (params, gives): (Vec<Ty>, Option<Ty>) = match helper {
            Helper::Math(_) => {
                let ty = float(*args.first().ok_or("no argument")?)?;
                (vec![ty], Some(ty))
            }
            Helper::Pow | Helper::Atan2 => {
                let ty = float(*args.first().ok_or("no argument")?)?;
                (vec![ty, ty], Some(ty))
            }
            Helper::IntPow => (vec![I64, I64], Some(I64)),
            Helper::StrAssign { .. } | Helper::StrConvert { .. } => (vec![Ptr, I64, Ptr], None),
            Helper::StrConcat { .. } => (vec![Ptr, I64, Ptr, Ptr], None),
            Helper::StrLen { .. } | Helper::TextIsLiteral { .. } => (vec![Ptr], Some(I64)),
            Helper::StrLeft { .. } | Helper::StrRight { .. } => (vec![Ptr, I64, Ptr, I64], None),
            Helper::StrMid { .. } | Helper::StrDelete { .. } => (vec![Ptr, I64, Ptr, I64, I64], None),
            Helper::StrInsert { .. } => (vec![Ptr, I64, Ptr, Ptr, I64], None),
            Helper::StrReplace { .. } => (vec![Ptr, I64, Ptr, Ptr, I64, I64], None),
            Helper::StrFind { .. } | Helper::StrCompare { .. } => (vec![Ptr, Ptr], Some(I64)),
            Helper::StrGet { wide } => (vec![Ptr, I64], Some(unit(wide))),
            Helper::StrSet { wide } => (vec![Ptr, I64, unit(wide)], None),
            Helper::ToString { .. } => {
                let value = self.ty(*args.get(2).ok_or("no value")?);
                if !matches!(value, Ty::I64 | Ty::F32 | Ty::F64) {
                    return Err(format!("cannot write {value:?}"));
                }
                (vec![Ptr, I64, value], None)
            }
            Helper::FromString { .. } => (vec![Ptr], result.map(|value| self.ty(value))),
            Helper::Assert => (vec![I8], None),
        };
        if params.len() != args.len() {
            return Err(format!("{} arguments for {}", args.len(), params.len()));
        }
        for (want, arg) in params.into_iter().zip(args) {
            self.is(*arg, want)?;
        }
        match (gives, result) {
            (Some(want), Some(result)) => self.is(result, want),
            (None, None) => Ok(()),
            _ => Err("result does not match the helper".to_owned()),
        }
    }

    fn jump(&self, jump: &Jump) -> Result<(), String> {
        let target = self.function.blocks.get(jump.block.index()).ok_or("jump to an unknown block")?;
        if target.params.len() != jump.args.len() {
            return Err(format!("{} arguments for block{}", jump.args.len(), jump.block.0));
        }
        for (param, arg) in target.params.iter().zip(&jump.args) {
            self.same(*param, *arg)?;
        }
        Ok(())
    }

    fn end(&self, block: &Block) -> Result<(), String> {
        match &block.end {
            Terminator::Jump(jump) => self.jump(jump),
            Terminator::Branch { cond, then, otherwise } => {
                self.is(*cond, Ty::I8)?;
                self.jump(then)?;
                self.jump(otherwise)
            }
            Terminator::Return(value) => match (value, self.function.result) {
                (Some(value), Some(ty)) => self.is(*value, ty),
                (None, None) => Ok(()),
                _ => Err("result does not match the function".to_owned()),
            },
            Terminator::Fault { operands, .. } => operands.iter().try_for_each(|value| self.integer(*value)),
        }
    }
}

fn bit_number(bit: u8) -> Result<(), String> {
    if bit < 8 { Ok(()) } else { Err("bit above 7".to_owned()) }
}

fn dominates(idom: &[Option<usize>], above: usize, mut below: usize) -> bool {
    loop {
        if above == below {
            return true;
        }
        match idom[below] {
            Some(next) if next != below => below = next,
            _ => return false,
        }
    }
}
