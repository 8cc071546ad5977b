//! Which values an instruction uses, and how to put others in their place.

use super::{Context, Function, Inlined, Op, SiteId, Terminator, Value};

impl Function {
    /// The context of a site, in a module of so many sites.
    pub fn context(&self, site: SiteId, sites: usize) -> Option<&Context> {
        self.contexts.get(site.index().checked_sub(sites)?)
    }

    /// A new value.
    pub(crate) fn value(&mut self, ty: super::Ty) -> Value {
        self.value_types.push(ty);
        Value(self.value_types.len() as u32 - 1)
    }
}

impl Context {
    /// All values in it.
    pub fn values(&self) -> impl Iterator<Item = Value> {
        self.inlined.iter().filter_map(|level| level.this).chain(self.stores.iter().map(|(_, value)| *value))
    }

    pub(crate) fn rewrite(&mut self, mut map: impl FnMut(Value) -> Value) {
        for Inlined { this, .. } in &mut self.inlined {
            *this = this.map(&mut map);
        }
        for (_, value) in &mut self.stores {
            *value = map(*value);
        }
    }
}

/// Puts `map(v)` in the place of each operand `v`.
pub(crate) fn rewrite(op: &mut Op, mut map: impl FnMut(Value) -> Value) {
    let mut set = |value: &mut Value| *value = map(*value);
    match op {
        Op::Const(_) | Op::StateAddr(_) | Op::FrameAddr(_) | Op::Now | Op::Poll => {}
        Op::Offset { ptr, .. }
        | Op::Load { ptr, .. }
        | Op::LoadBit { ptr, .. }
        | Op::PtrToRef { ptr, .. } => set(ptr),
        Op::Index { ptr: a, index: b, .. }
        | Op::Store { ptr: a, value: b, .. }
        | Op::StoreBit { ptr: a, value: b, .. }
        | Op::Copy { to: a, from: b, .. }
        | Op::Int { a, b, .. }
        | Op::Div { a, b, .. }
        | Op::Rem { a, b, .. }
        | Op::Float { a, b, .. }
        | Op::IntCmp { a, b, .. }
        | Op::FloatCmp { a, b, .. } => {
            set(a);
            set(b);
        }
        Op::Select { cond, a, b } => {
            set(cond);
            set(a);
            set(b);
        }
        Op::Zero { to: a, .. }
        | Op::Neg(a)
        | Op::Not(a)
        | Op::FloatNeg(a)
        | Op::FloatAbs(a)
        | Op::SignExtend(a)
        | Op::ZeroExtend(a)
        | Op::Truncate(a)
        | Op::FloatConvert(a)
        | Op::Bitcast(a)
        | Op::CheckNull(a)
        | Op::CheckPointer { ptr: a, .. }
        | Op::RefToPtr(a)
        | Op::IntToFloat { value: a, .. }
        | Op::FloatToInt { value: a, .. }
        | Op::CheckIndex { index: a, .. }
        | Op::CheckRange { value: a, .. } => set(a),
        Op::CheckIndexIn { index, low, high } => {
            set(index);
            set(low);
            set(high);
        }
        Op::CallVirtual { class, this, args, .. } => {
            set(class);
            set(this);
            args.iter_mut().for_each(set);
        }
        Op::Call { args, .. } | Op::Helper { args, .. } => args.iter_mut().for_each(set),
    }
}

/// As [`rewrite`], for the end of a block.
pub(crate) fn rewrite_end(end: &mut Terminator, mut map: impl FnMut(Value) -> Value) {
    let mut set = |value: &mut Value| *value = map(*value);
    match end {
        Terminator::Jump(jump) => jump.args.iter_mut().for_each(set),
        Terminator::Branch { cond, then, otherwise } => {
            set(cond);
            then.args.iter_mut().chain(&mut otherwise.args).for_each(set);
        }
        Terminator::Return(value) => value.iter_mut().for_each(set),
        Terminator::Fault { operands, .. } => operands.iter_mut().for_each(set),
    }
}

/// The values that an operation uses.
pub(crate) fn operands(op: &Op) -> Vec<Value> {
    match op {
        Op::Const(_) | Op::StateAddr(_) | Op::FrameAddr(_) | Op::Now | Op::Poll => Vec::new(),
        Op::Offset { ptr, .. }
        | Op::Load { ptr, .. }
        | Op::LoadBit { ptr, .. }
        | Op::PtrToRef { ptr, .. } => {
            vec![*ptr]
        }
        Op::Index { ptr, index, .. } => vec![*ptr, *index],
        Op::Store { ptr, value, .. } | Op::StoreBit { ptr, value, .. } => vec![*ptr, *value],
        Op::Copy { to, from, .. } => vec![*to, *from],
        Op::Zero { to, .. } => vec![*to],
        Op::Int { a, b, .. }
        | Op::Div { a, b, .. }
        | Op::Rem { a, b, .. }
        | Op::Float { a, b, .. }
        | Op::IntCmp { a, b, .. }
        | Op::FloatCmp { a, b, .. } => vec![*a, *b],
        Op::Select { cond, a, b } => vec![*cond, *a, *b],
        Op::Neg(a)
        | Op::Not(a)
        | Op::FloatNeg(a)
        | Op::FloatAbs(a)
        | Op::SignExtend(a)
        | Op::ZeroExtend(a)
        | Op::Truncate(a)
        | Op::FloatConvert(a)
        | Op::Bitcast(a)
        | Op::CheckNull(a)
        | Op::CheckPointer { ptr: a, .. }
        | Op::RefToPtr(a)
        | Op::IntToFloat { value: a, .. }
        | Op::FloatToInt { value: a, .. }
        | Op::CheckIndex { index: a, .. }
        | Op::CheckRange { value: a, .. } => vec![*a],
        Op::CheckIndexIn { index, low, high } => vec![*index, *low, *high],
        Op::CallVirtual { class, this, args, .. } => [*class, *this].iter().chain(args).copied().collect(),
        Op::Call { args, .. } | Op::Helper { args, .. } => args.clone(),
    }
}

pub(crate) fn end_operands(end: &Terminator) -> Vec<Value> {
    match end {
        Terminator::Jump(jump) => jump.args.clone(),
        Terminator::Branch { cond, then, otherwise } => {
            let mut all = vec![*cond];
            all.extend(&then.args);
            all.extend(&otherwise.args);
            all
        }
        Terminator::Return(value) => value.iter().copied().collect(),
        Terminator::Fault { operands, .. } => operands.clone(),
    }
}
