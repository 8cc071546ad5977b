//! The types of a program, each interned once, and which converts to which without being asked.

use crate::ast::{Address, Name, RefKind};
use crate::ir::Ty;
use crate::layout::Elementary;
use crate::span::Span;
use std::collections::HashMap;
use std::rc::Rc;

/// Longest string in code units.
pub(crate) const MAX_STRING: u16 = 32_766;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct TypeId(u32);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Type {
    /// Already reported: fits everything, so that one mistake gives one message.
    Poison,
    /// No value.
    Void,
    /// An untyped integer constant, exact until it meets a type.
    AnyInt,
    /// An untyped real constant.
    AnyReal,
    Elementary(Elementary),
    Text {
        wide: bool,
        capacity: u16,
    },
    /// Index into [`Types::enums`].
    Enum(usize),
    Subrange {
        base: Elementary,
        low: i64,
        high: i64,
    },
    Array {
        element: TypeId,
        dimensions: Rc<[(i64, i64)]>,
        /// Initial value of an element whose type name brings one: index into the model's table.
        element_init: Option<usize>,
    },
    /// A parameter whose bounds the caller brings.
    OpenArray {
        element: TypeId,
        dimensions: u32,
    },
    /// Index into [`Types::structs`].
    Struct(usize),
    /// An instance of a function block or program: index of the POU.
    Instance(usize),
    /// `{u32 state offset, u32 class id}`
    Reference {
        target: TypeId,
        kind: RefKind,
    },
    /// A variable of an interface, as a reference: index of the interface's POU.
    Interface(usize),
    /// The type of NULL.
    Null,
}

#[derive(Debug)]
pub(crate) struct EnumDef {
    /// Empty for an enumeration without a name.
    pub(crate) name: Rc<str>,
    pub(crate) base: Elementary,
    /// Named values with an explicit storage type take part in arithmetic.
    pub(crate) open: bool,
    pub(crate) values: Vec<(Name, i128)>,
}

#[derive(Debug)]
pub(crate) struct StructDef<'a> {
    pub(crate) name: Rc<str>,
    pub(crate) fields: Vec<Field<'a>>,
    /// All members without a place of their own begin at the start.
    pub(crate) overlap: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct Field<'a> {
    pub(crate) name: Name,
    pub(crate) ty: TypeId,
    /// From its type's name.
    pub(crate) default: Option<usize>,
    pub(crate) init: Option<&'a crate::ast::Expr>,
    /// Byte at which it begins, where its declaration says so.
    pub(crate) at: Option<u32>,
    /// Of a BOOL: the bit of that byte that it is.
    pub(crate) bit: Option<u8>,
    /// The image bytes that it is: then it has no place in the structure.
    pub(crate) address: Option<(Address, Span)>,
}

#[derive(Debug)]
pub(crate) struct Types<'a> {
    list: Vec<Type>,
    index: HashMap<Type, TypeId>,
    pub(crate) enums: Vec<EnumDef>,
    pub(crate) structs: Vec<StructDef<'a>>,
    /// Names of the POUs, for messages.
    pub(crate) pou_names: Vec<Rc<str>>,
    /// As the dominant vendors have it: bit strings are unsigned integers, enumerations compute, and what only
    /// changes sign or precision converts without being asked.
    pub(crate) vendor: bool,
}

impl Types<'_> {
    pub(crate) const POISON: TypeId = TypeId(0);
    pub(crate) const VOID: TypeId = TypeId(1);
    pub(crate) const ANY_INT: TypeId = TypeId(2);
    pub(crate) const ANY_REAL: TypeId = TypeId(3);
    pub(crate) const BOOL: TypeId = TypeId(4);
    pub(crate) const NULL: TypeId = TypeId(4 + Elementary::ALL.len() as u32);

    pub(crate) fn new(vendor: bool) -> Self {
        let mut types = Self {
            vendor,
            list: Vec::new(),
            index: HashMap::new(),
            enums: Vec::new(),
            structs: Vec::new(),
            pou_names: Vec::new(),
        };
        for ty in [Type::Poison, Type::Void, Type::AnyInt, Type::AnyReal] {
            types.intern(ty);
        }
        for e in Elementary::ALL {
            types.intern(Type::Elementary(e));
        }
        types.intern(Type::Null);
        types
    }

    pub(crate) fn elementary(e: Elementary) -> TypeId {
        TypeId(4 + e as u32)
    }

    pub(crate) fn intern(&mut self, ty: Type) -> TypeId {
        if let Some(id) = self.index.get(&ty) {
            return *id;
        }
        let id = TypeId(self.list.len() as u32);
        self.list.push(ty.clone());
        self.index.insert(ty, id);
        id
    }

    pub(crate) fn text(&mut self, wide: bool, capacity: u16) -> TypeId {
        self.intern(Type::Text { wide, capacity })
    }

    pub(crate) fn get(&self, id: TypeId) -> &Type {
        &self.list[id.0 as usize]
    }

    /// The elementary type that holds the value: of subranges and enumerations their storage.
    pub(crate) fn storage(&self, id: TypeId) -> Option<Elementary> {
        match self.get(id) {
            Type::Elementary(e) | Type::Subrange { base: e, .. } => Some(*e),
            Type::Enum(index) => Some(self.enums[*index].base),
            _ => None,
        }
    }

    /// The elementary type in which a value computes; not for closed enumerations, but with the vendors.
    pub(crate) fn arithmetic(&self, id: TypeId) -> Option<Elementary> {
        match self.get(id) {
            Type::Enum(index) if !self.enums[*index].open && !self.vendor => None,
            _ => self.storage(id),
        }
    }

    /// Machine type of a scalar.
    pub(crate) fn scalar(&self, id: TypeId) -> Option<Ty> {
        if self.is_reference(id) {
            return Some(Ty::I64);
        }
        self.storage(id).map(machine)
    }

    /// Whether values of the type lead somewhere else: references, and NULL.
    pub(crate) fn is_reference(&self, id: TypeId) -> bool {
        matches!(self.get(id), Type::Reference { .. } | Type::Interface(_) | Type::Null)
    }

    pub(crate) fn has_pointers(&self) -> bool {
        self.list.iter().any(|ty| matches!(ty, Type::Reference { kind: RefKind::Pointer, .. }))
    }

    /// Dimensions of an array parameter whose bounds the caller brings.
    pub(crate) fn open_dimensions(&self, id: TypeId) -> Option<u32> {
        match self.get(id) {
            Type::OpenArray { dimensions, .. } => Some(*dimensions),
            _ => None,
        }
    }

    /// What a reference leads to.
    pub(crate) fn pointee(&self, id: TypeId) -> TypeId {
        match self.get(id) {
            Type::Reference { target, .. } => *target,
            _ => Self::POISON,
        }
    }

    pub(crate) fn name(&self, id: TypeId) -> String {
        match self.get(id) {
            Type::Poison => "?".to_owned(),
            Type::Void => "no value".to_owned(),
            Type::AnyInt => "integer literal".to_owned(),
            Type::AnyReal => "real literal".to_owned(),
            Type::Elementary(e) => e.name().to_owned(),
            Type::Text { wide, capacity } => {
                format!("{}[{capacity}]", if *wide { "WSTRING" } else { "STRING" })
            }
            Type::Enum(index) => {
                let def = &self.enums[*index];
                if def.name.is_empty() { "enumeration".to_owned() } else { def.name.to_string() }
            }
            Type::Subrange { base, low, high } => format!("{}({low}..{high})", base.name()),
            Type::Array { element, dimensions, .. } => {
                let bounds: Vec<_> = dimensions.iter().map(|(l, h)| format!("{l}..{h}")).collect();
                format!("ARRAY[{}] OF {}", bounds.join(", "), self.name(*element))
            }
            Type::OpenArray { element, dimensions } => {
                let stars = vec!["*"; *dimensions as usize].join(", ");
                format!("ARRAY[{stars}] OF {}", self.name(*element))
            }
            Type::Struct(index) => {
                let name = &self.structs[*index].name;
                if name.is_empty() { "STRUCT".to_owned() } else { name.to_string() }
            }
            Type::Instance(pou) | Type::Interface(pou) => self.pou_names[*pou].to_string(),
            Type::Reference { target, kind } => {
                let kind = match kind {
                    RefKind::To => "REF_TO",
                    RefKind::Pointer => "POINTER TO",
                    RefKind::Alias => "REFERENCE TO",
                };
                format!("{kind} {}", self.name(*target))
            }
            Type::Null => "NULL".to_owned(),
        }
    }

    /// Whether values convert without being asked, and without loss. Equal types included.
    pub(crate) fn implicit(&self, from: TypeId, to: TypeId) -> bool {
        if from == to || from == Self::POISON || to == Self::POISON {
            return true;
        }
        if let (Type::Text { wide: a, .. }, Type::Text { wide: b, .. }) = (self.get(from), self.get(to)) {
            return a == b;
        }
        if let Type::Text { wide, .. } = self.get(to) {
            let unit = if *wide { Elementary::Wchar } else { Elementary::Char };
            return self.get(from) == &Type::Elementary(unit);
        }
        if matches!((self.get(from), self.get(to)), (Type::Enum(_), Type::Enum(_))) && self.vendor {
            return false;
        }
        match (self.arithmetic(from), self.arithmetic(to)) {
            (Some(a), Some(b)) => elementary_implicit(a, b) || self.vendor && vendor_implicit(a, b),
            _ => false,
        }
    }

    /// Whether a number of the type counts: integers, and bit strings with the vendors.
    pub(crate) fn counts(&self, e: Elementary) -> bool {
        is_integer(e) || self.vendor && is_bits(e) && e != Elementary::Bool
    }

    /// Whether AND and its kin take the type: bit strings, and integers with the vendors.
    pub(crate) fn has_bits(&self, e: Elementary) -> bool {
        is_bits(e) || self.vendor && is_integer(e)
    }

    /// The type in which two operands meet.
    pub(crate) fn common(&self, a: Elementary, b: Elementary) -> Option<Elementary> {
        if self.vendor { vendor_common(a, b) } else { common(a, b) }
    }

    /// Element count of an array; saturates.
    pub(crate) fn count(dimensions: &[(i64, i64)]) -> u64 {
        dimensions.iter().fold(1u64, |n, (low, high)| {
            n.saturating_mul((i128::from(*high) - i128::from(*low) + 1).clamp(0, i128::from(u64::MAX)) as u64)
        })
    }
}

/// Machine type of an elementary type.
pub(crate) fn machine(e: Elementary) -> Ty {
    match e {
        Elementary::Real => Ty::F32,
        Elementary::Lreal => Ty::F64,
        _ => match e.size() {
            1 => Ty::I8,
            2 => Ty::I16,
            4 => Ty::I32,
            _ => Ty::I64,
        },
    }
}

pub(crate) fn is_signed(e: Elementary) -> bool {
    matches!(e, Elementary::Sint | Elementary::Int | Elementary::Dint | Elementary::Lint) || is_temporal(e)
}

pub(crate) fn is_integer(e: Elementary) -> bool {
    matches!(
        e,
        Elementary::Sint
            | Elementary::Int
            | Elementary::Dint
            | Elementary::Lint
            | Elementary::Usint
            | Elementary::Uint
            | Elementary::Udint
            | Elementary::Ulint
    )
}

pub(crate) fn is_real(e: Elementary) -> bool {
    matches!(e, Elementary::Real | Elementary::Lreal)
}

/// BOOL is a bit string of length 1.
pub(crate) fn is_bits(e: Elementary) -> bool {
    matches!(
        e,
        Elementary::Bool | Elementary::Byte | Elementary::Word | Elementary::Dword | Elementary::Lword
    )
}

pub(crate) fn is_duration(e: Elementary) -> bool {
    matches!(e, Elementary::Time | Elementary::Ltime)
}

/// The unsigned integer as long as a bit string.
pub(crate) fn unsigned(bits: Elementary) -> Elementary {
    match bits.size() {
        1 => Elementary::Usint,
        2 => Elementary::Uint,
        4 => Elementary::Udint,
        _ => Elementary::Ulint,
    }
}

/// Durations, dates, times of day.
pub(crate) fn is_temporal(e: Elementary) -> bool {
    is_duration(e)
        || matches!(
            e,
            Elementary::Date
                | Elementary::Ldate
                | Elementary::Tod
                | Elementary::Ltod
                | Elementary::Dt
                | Elementary::Ldt
        )
}

/// Lowest and highest value of what is stored as an integer.
pub(crate) fn range(e: Elementary) -> (i128, i128) {
    if e == Elementary::Bool {
        return (0, 1);
    }
    let bits = e.size() * 8;
    if is_signed(e) { (-(1i128 << (bits - 1)), (1i128 << (bits - 1)) - 1) } else { (0, (1i128 << bits) - 1) }
}

/// Figures 11 and 12 of the standard.
fn elementary_implicit(from: Elementary, to: Elementary) -> bool {
    use Elementary as E;
    if from == to {
        return true;
    }
    let rank = |e: E| e.size();
    match (from, to) {
        (E::Real | E::Dint | E::Udint, E::Lreal)
        | (E::Sint | E::Int | E::Usint | E::Uint, E::Real | E::Lreal)
        | (E::Time, E::Ltime)
        | (E::Date, E::Ldate)
        | (E::Tod, E::Ltod)
        | (E::Dt, E::Ldt) => true,
        _ if is_bits(from) && is_bits(to) => rank(from) < rank(to) || from == E::Bool,
        _ if is_integer(from) && is_integer(to) => match (is_signed(from), is_signed(to)) {
            (true, false) => false,
            _ => rank(from) < rank(to),
        },
        _ => false,
    }
}

/// What the dominant vendors convert besides: nothing gets shorter, but signs and digits may be lost.
fn vendor_implicit(from: Elementary, to: Elementary) -> bool {
    let whole = |e| is_integer(e) || is_bits(e) && e != Elementary::Bool;
    match (whole(from), whole(to)) {
        (true, true) => from.size() <= to.size(),
        (true, false) => is_real(to),
        _ => from == Elementary::Lreal && to == Elementary::Real,
    }
}

/// The longer one; a sign wins between equals, and a real type over every integer.
fn vendor_common(a: Elementary, b: Elementary) -> Option<Elementary> {
    let whole = |e| is_integer(e) || is_bits(e) && e != Elementary::Bool;
    if is_real(a) && is_real(b) || !whole(a) || !whole(b) {
        let real = if is_real(a) && whole(b) { Some(a) } else { Some(b).filter(|b| is_real(*b) && whole(a)) };
        return real.or_else(|| common(a, b));
    }
    let longer = a.size().max(b.size());
    let signed = |e: &Elementary| e.size() == longer && is_signed(*e);
    let integer = |e: &Elementary| e.size() == longer && is_integer(*e);
    let any = |e: &Elementary| e.size() == longer;
    let both = [a, b];
    [&signed as &dyn Fn(&Elementary) -> bool, &integer, &any]
        .iter()
        .find_map(|wanted| both.into_iter().find(|e| wanted(e)))
}

/// The least type to which both convert.
fn common(a: Elementary, b: Elementary) -> Option<Elementary> {
    use Elementary as E;
    if elementary_implicit(a, b) {
        return Some(b);
    }
    if elementary_implicit(b, a) {
        return Some(a);
    }
    [E::Int, E::Dint, E::Lint, E::Real, E::Lreal]
        .into_iter()
        .find(|c| elementary_implicit(a, *c) && elementary_implicit(b, *c))
}

#[cfg(test)]
mod tests {
    use super::*;
    use Elementary as E;

    #[test]
    fn only_lossless_conversions_are_implicit() {
        for (from, to) in [(E::Sint, E::Int), (E::Usint, E::Int), (E::Udint, E::Lint), (E::Uint, E::Real)] {
            assert!(elementary_implicit(from, to), "{from:?} to {to:?}");
            assert!(!elementary_implicit(to, from), "{to:?} to {from:?}");
        }
        for (from, to) in [(E::Dint, E::Real), (E::Int, E::Uint), (E::Uint, E::Int), (E::Word, E::Uint)] {
            assert!(!elementary_implicit(from, to), "{from:?} to {to:?}");
        }
        assert_eq!(common(E::Int, E::Uint), Some(E::Dint));
        assert_eq!(common(E::Dint, E::Real), Some(E::Lreal));
        assert_eq!(common(E::Lint, E::Ulint), None);
        assert_eq!(common(E::Bool, E::Byte), Some(E::Byte));
    }

    #[test]
    fn vendors_convert_where_nothing_gets_shorter() {
        for (from, to) in [(E::Word, E::Int), (E::Int, E::Uint), (E::Dint, E::Real), (E::Lreal, E::Real)] {
            assert!(vendor_implicit(from, to), "{from:?} to {to:?}");
        }
        for (from, to) in [(E::Dint, E::Int), (E::Real, E::Dint), (E::Bool, E::Int), (E::Time, E::Dword)] {
            assert!(!vendor_implicit(from, to), "{from:?} to {to:?}");
        }
        for (a, b, meet) in [
            (E::Byte, E::Int, Some(E::Int)),
            (E::Udint, E::Dint, Some(E::Dint)),
            (E::Word, E::Uint, Some(E::Uint)),
            (E::Byte, E::Word, Some(E::Word)),
            (E::Lint, E::Real, Some(E::Real)),
            (E::Real, E::Lreal, Some(E::Lreal)),
            (E::Bool, E::Byte, Some(E::Byte)),
            (E::Time, E::Int, None),
        ] {
            assert_eq!(vendor_common(a, b), meet, "{a:?} and {b:?}");
            assert_eq!(vendor_common(b, a), meet, "{b:?} and {a:?}");
        }
    }

    #[test]
    fn elementary_ids_are_fixed() {
        let types = Types::new(false);
        for e in E::ALL {
            assert_eq!(types.get(Types::elementary(e)), &Type::Elementary(e));
        }
        assert_eq!(Types::BOOL, Types::elementary(E::Bool));
    }
}
