//! Whether and how a value of one type becomes a value of another without loss.

use super::Step;
use lineshaft_plc_compiler::layout::{Elementary, Layout, Leaf, TypeDesc, TypeId};

/// Elements that an array's plan may list; a larger array of a changed type is refused.
const STEPS_MAX: usize = 1 << 20;

/// Collects the steps for one variable.
pub(super) struct Carrier<'a> {
    old: &'a Layout,
    new: &'a Layout,
    pub(super) steps: Vec<Step>,
    exact: bool,
}

impl<'a> Carrier<'a> {
    pub(super) fn new(old: &'a Layout, new: &'a Layout) -> Self {
        Self { old, new, steps: Vec::new(), exact: true }
    }

    /// Whether the value stays the same bytes, or why it cannot be carried over.
    pub(super) fn leaf(&mut self, from: &Leaf, to: &Leaf) -> Result<bool, String> {
        if from.bit.is_some() || to.bit.is_some() {
            self.bit((from.ty, from.offset, from.bit), (to.ty, to.offset, to.bit))?;
            return Ok(true);
        }
        self.value(from.ty, from.offset, to.ty, to.offset)?;
        Ok(self.exact)
    }

    /// A BOOL of which one side at least is a single bit: type, offset and bit of both.
    fn bit(&mut self, from: (TypeId, u32, Option<u8>), to: (TypeId, u32, Option<u8>)) -> Result<(), String> {
        let bool_type = Layout::elementary(Elementary::Bool);
        if from.0 != bool_type || to.0 != bool_type {
            return Err(self.reason(from.0, to.0));
        }
        self.steps.push(Step::Bool { from: from.1, from_bit: from.2, to: to.1, to_bit: to.2 });
        Ok(())
    }

    fn reason(&self, from: TypeId, to: TypeId) -> String {
        format!("{} does not become {} without loss", self.old.type_name(from), self.new.type_name(to))
    }

    fn value(&mut self, from_ty: TypeId, from: u32, to_ty: TypeId, to: u32) -> Result<(), String> {
        use TypeDesc as T;
        if self.same(from_ty, to_ty) {
            self.steps.push(Step::Copy { from, to, bytes: self.new.size_of(to_ty) });
            return self.class_numbers(to_ty, to);
        }
        if self.steps.len() > STEPS_MAX {
            return Err(format!("{} is too large to convert", self.new.type_name(to_ty)));
        }
        let refuse = || Err(self.reason(from_ty, to_ty));
        let (a, b) = (&self.old.types[from_ty.0 as usize], &self.new.types[to_ty.0 as usize]);
        let step = match (a, b) {
            (T::Subrange { base: a, .. }, T::Elementary(b)) if a == b => {
                Step::Copy { from, to, bytes: b.size() }
            }
            (T::Elementary(a) | T::Subrange { base: a, .. }, T::Elementary(b)) => {
                match widening(*a, *b, from, to) {
                    Some(step) => step,
                    None => return refuse(),
                }
            }
            (T::Subrange { base: a, low, high }, T::Subrange { base: b, low: l, high: h })
                if a == b && l <= low && high <= h =>
            {
                Step::Copy { from, to, bytes: b.size() }
            }
            (T::String { capacity: a }, T::String { capacity: b }) if a <= b => {
                Step::Text { from, to, unit: 1, capacity: *b }
            }
            (T::Wstring { capacity: a }, T::Wstring { capacity: b }) if a <= b => {
                Step::Text { from, to, unit: 2, capacity: *b }
            }
            (T::Enum { base: a, values: old, .. }, T::Enum { base: b, values: new, .. }) => {
                let number =
                    |name: &str| new.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| *v);
                let numbers: Option<Vec<_>> = old.iter().map(|(name, v)| Some((*v, number(name)?))).collect();
                let Some(numbers) = numbers else {
                    return Err(format!("{} has lost one of its names", self.new.type_name(to_ty)));
                };
                Step::Named { from, size: a.size() as u8, to, to_size: b.size() as u8, numbers }
            }
            (T::Array { .. }, T::Array { .. }) => return self.array(from_ty, from, to_ty, to),
            (T::Struct { members: old, .. }, T::Struct { members: new, .. }) => {
                self.exact = false;
                for member in new {
                    let source = old.iter().find(|m| m.name.eq_ignore_ascii_case(&member.name));
                    if let Some(source) = source {
                        if source.bit.is_some() || member.bit.is_some() {
                            let (at, to) = (from + source.offset, to + member.offset);
                            self.bit((source.ty, at, source.bit), (member.ty, to, member.bit))?;
                            continue;
                        }
                        self.value(source.ty, from + source.offset, member.ty, to + member.offset)?;
                    }
                }
                return Ok(());
            }
            (T::Reference { .. } | T::Interface { .. }, T::Reference { .. } | T::Interface { .. }) => {
                return Err("a reference cannot be carried over".to_owned());
            }
            _ => return refuse(),
        };
        self.exact = false;
        self.steps.push(step);
        Ok(())
    }

    /// A copy of whole objects brings the class numbers of the old program: those of the new one go over them.
    fn class_numbers(&mut self, ty: TypeId, at: u32) -> Result<(), String> {
        if !self.holds_class(ty) {
            return Ok(());
        }
        let too_large = || Err(format!("{} is too large to convert", self.new.type_name(ty)));
        if self.steps.len() > STEPS_MAX {
            return too_large();
        }
        if let Some(class) = self.new.classes.iter().find(|class| class.ty == ty) {
            self.steps.push(Step::Class { to: at + class.offset, number: class.number });
        }
        let new = self.new;
        match &new.types[ty.0 as usize] {
            TypeDesc::Array { element, dimensions } => {
                let size = new.size_of(*element);
                let count = dimensions.iter().map(|(low, high)| (high - low + 1).max(0)).product::<i64>();
                if count > STEPS_MAX as i64 {
                    return too_large();
                }
                for position in 0..count as u32 {
                    self.class_numbers(*element, at + position * size)?;
                }
            }
            TypeDesc::Struct { members, .. } => {
                for member in members {
                    self.class_numbers(member.ty, at + member.offset)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Whether an object with a class number is part of a value of the type.
    fn holds_class(&self, ty: TypeId) -> bool {
        let own = self.new.classes.iter().any(|class| class.ty == ty);
        own || match &self.new.types[ty.0 as usize] {
            TypeDesc::Array { element, .. } => self.holds_class(*element),
            TypeDesc::Struct { members, .. } => members.iter().any(|member| self.holds_class(member.ty)),
            _ => false,
        }
    }

    /// Elements that both arrays have keep their values.
    fn array(&mut self, from_ty: TypeId, from: u32, to_ty: TypeId, to: u32) -> Result<(), String> {
        let (
            TypeDesc::Array { element: a, dimensions: old },
            TypeDesc::Array { element: b, dimensions: new },
        ) = (&self.old.types[from_ty.0 as usize], &self.new.types[to_ty.0 as usize])
        else {
            return Err(self.reason(from_ty, to_ty));
        };
        if old.len() != new.len() {
            return Err("an array cannot change its number of dimensions".to_owned());
        }
        let common: Vec<(i64, i64)> =
            old.iter().zip(new).map(|(o, n)| (o.0.max(n.0), o.1.min(n.1))).collect();
        let (a_size, b_size) = (self.old.size_of(*a), self.new.size_of(*b));
        let count = common.iter().map(|(low, high)| (high - low + 1).max(0)).product::<i64>();
        if count > STEPS_MAX as i64 {
            return Err(format!("{} is too large to convert", self.new.type_name(to_ty)));
        }
        self.exact = false;
        let mut index: Vec<i64> = common.iter().map(|(low, _)| *low).collect();
        for _ in 0..count {
            let position = |dimensions: &[(i64, i64)]| {
                let row = |at: i64, (i, (low, high)): (&i64, &(i64, i64))| at * (high - low + 1) + (i - low);
                index.iter().zip(dimensions).fold(0, row) as u32
            };
            self.value(*a, from + position(old) * a_size, *b, to + position(new) * b_size)?;
            for (i, (low, high)) in index.iter_mut().zip(&common).rev() {
                *i += 1;
                if *i <= *high {
                    break;
                }
                *i = *low;
            }
        }
        Ok(())
    }

    /// Whether both types mean the same and lie in memory alike.
    fn same(&self, from: TypeId, to: TypeId) -> bool {
        use TypeDesc as T;
        match (&self.old.types[from.0 as usize], &self.new.types[to.0 as usize]) {
            (T::Array { element: a, dimensions: old }, T::Array { element: b, dimensions: new }) => {
                old == new && self.same(*a, *b)
            }
            (T::Struct { members: old, bytes: a, .. }, T::Struct { members: new, bytes: b, .. }) => {
                let member = |(o, n): (&lineshaft_plc_compiler::layout::Member, &_)| {
                    let n: &lineshaft_plc_compiler::layout::Member = n;
                    o.name.eq_ignore_ascii_case(&n.name)
                        && o.offset == n.offset
                        && o.bit == n.bit
                        && self.same(o.ty, n.ty)
                };
                a == b && old.len() == new.len() && old.iter().zip(new).all(member)
            }
            (T::Enum { base: a, values: old, .. }, T::Enum { base: b, values: new, .. }) => {
                a == b && old == new
            }
            // Offsets move with the layout, so a reference is never simply copied.
            (T::Reference { .. } | T::Interface { .. }, _)
            | (_, T::Reference { .. } | T::Interface { .. }) => false,
            (a, b) => a == b,
        }
    }
}

/// The implicit conversions of the standard (Figures 11 and 12): only where nothing is lost.
fn widening(a: Elementary, b: Elementary, from: u32, to: u32) -> Option<Step> {
    use Elementary as E;
    let rank = |e: Elementary| match e {
        E::Sint => Some((true, 1_u8)),
        E::Int => Some((true, 2)),
        E::Dint => Some((true, 4)),
        E::Lint => Some((true, 8)),
        E::Usint => Some((false, 1)),
        E::Uint => Some((false, 2)),
        E::Udint => Some((false, 4)),
        E::Ulint => Some((false, 8)),
        _ => None,
    };
    let bits = |e: Elementary| match e {
        E::Bool => Some(0_u8),
        E::Byte => Some(1),
        E::Word => Some(2),
        E::Dword => Some(4),
        E::Lword => Some(8),
        _ => None,
    };
    match (rank(a), rank(b)) {
        (Some((signed, size)), Some((to_signed, to_size))) => {
            let holds = size < to_size && (signed == to_signed || to_signed);
            return holds.then_some(Step::Widen { from, size, signed, to, to_size });
        }
        (Some((signed, size)), None) => {
            let double = b == E::Lreal;
            let holds = (b == E::Real && size <= 2) || (double && size <= 4);
            return holds.then_some(Step::Float { from, size, signed, to, double });
        }
        _ => {}
    }
    if let (Some(size), Some(to_size)) = (bits(a), bits(b)) {
        let step = Step::Widen { from, size: size.max(1), signed: false, to, to_size: to_size.max(1) };
        return (size < to_size).then_some(step);
    }
    match (a, b) {
        (E::Real, E::Lreal) => Some(Step::Double { from, to }),
        (E::Time, E::Ltime) | (E::Date, E::Ldate) | (E::Tod, E::Ltod) | (E::Dt, E::Ldt) => {
            Some(Step::Copy { from, to, bytes: 8 })
        }
        _ => None,
    }
}
