//! Type names and type expressions to types.

use super::{EnumOwner, Item, Model, Resolved, TypeState};
use crate::ast::{self, Address, Name, PouKind, RefKind, TypeRef, TypeRefKind};
use crate::check;
use crate::diagnostic::Code;
use crate::hir::{Init, Value};
use crate::layout::Elementary;
use crate::lex::literal;
use crate::span::Span;
use crate::suggest;
use crate::types::{self, EnumDef, Field, MAX_STRING, StructDef, Type, TypeId, Types};
use std::rc::Rc;

/// Length of a STRING without one.
const DEFAULT_STRING: u16 = 254;

/// The elementary type of a name, long and short spellings.
pub(crate) fn elementary_name(key: &str) -> Option<Elementary> {
    match key {
        "TIME_OF_DAY" | "LTIME_OF_DAY" | "DATE_AND_TIME" | "LDATE_AND_TIME" => literal::temporal(key),
        _ => Elementary::ALL.into_iter().find(|e| e.name() == key),
    }
}

/// Bounds the time that long rows of EXTENDS take.
const MAX_INHERITED: usize = 100_000;

impl<'a> Model<'a> {
    pub(super) fn resolve_all_types(&mut self) {
        for at in 0..self.type_order.len() {
            let key = Rc::clone(&self.type_order[at]);
            self.named_type(&key);
        }
    }

    fn poison() -> Resolved {
        Resolved { ty: Types::POISON, init: None }
    }

    /// A declared type, resolved at its first use.
    pub(super) fn named_type(&mut self, key: &Rc<str>) -> Option<Resolved> {
        let entry = self.type_entries.get_mut(key)?;
        match entry.state {
            TypeState::Done(resolved) => return Some(resolved),
            TypeState::Running => {
                let span = entry.decl.name.span;
                let message = format!("type `{}` contains itself", entry.decl.name.text);
                self.sink.report(Code::RecursiveType, span, message);
                return Some(Self::poison());
            }
            TypeState::Open => {}
        }
        entry.state = TypeState::Running;
        let (decl, space) = (entry.decl, entry.space);
        let outer = std::mem::replace(&mut self.space, space);
        let mut resolved = if self.enter(decl.name.span) {
            let resolved = match &decl.ty.kind {
                TypeRefKind::Struct { groups, overlap, base } => {
                    let inherited = base.as_ref().map_or_else(Vec::new, |base| self.base_members(base, None));
                    let fields = self.fields(inherited, groups, *overlap, None);
                    self.named_structure(key, fields, *overlap, &decl.name)
                }
                _ => self.resolve_type(&decl.ty, None, Some(&decl.name)),
            };
            let resolved =
                if self.refused_open(resolved.ty, decl.name.span) { Self::poison() } else { resolved };
            self.leave();
            resolved
        } else {
            Self::poison()
        };
        // An initial value may name the type itself: `Colour : (Red, Green) := Green`.
        if let Some(entry) = self.type_entries.get_mut(key) {
            entry.state = TypeState::Done(resolved);
        }
        if let Some(init) = &decl.init
            && let Some(init) = check::initial_value(self, None, init, resolved.ty)
        {
            resolved.init = Some(self.inits.len());
            self.inits.push(init);
        }
        if let Some(entry) = self.type_entries.get_mut(key) {
            entry.state = TypeState::Done(resolved);
        }
        self.space = outer;
        Some(resolved)
    }

    /// The type of a declared structure before its members are known: references may lead in circles.
    fn structure_id(&mut self, key: &Rc<str>) -> Option<TypeId> {
        let entry = self.type_entries.get_mut(key)?;
        if entry.id.is_none() && matches!(entry.decl.ty.kind, TypeRefKind::Struct { .. }) {
            let name = Rc::clone(&entry.decl.name.text);
            let index = self.types.structs.len();
            self.types.structs.push(StructDef { name, fields: Vec::new(), overlap: false });
            entry.id = Some(self.types.intern(Type::Struct(index)));
        }
        entry.id
    }

    fn named_structure(
        &mut self,
        key: &Rc<str>,
        fields: Vec<Field<'a>>,
        overlap: bool,
        name: &Name,
    ) -> Resolved {
        let Some(ty) = self.structure_id(key) else { return Self::poison() };
        if let Type::Struct(index) = *self.types.get(ty) {
            debug_assert_eq!(self.types.structs[index].name, name.text);
            self.types.structs[index].fields = fields;
            self.types.structs[index].overlap = overlap;
        }
        Resolved { ty, init: None }
    }

    fn reference(&mut self, kind: RefKind, target: &'a TypeRef, scope: Option<usize>) -> TypeId {
        let early = match &target.kind {
            TypeRefKind::Named(name) => {
                let key = self.visible(name, scope);
                self.structure_id(&key)
            }
            _ => None,
        };
        let target_ty = early.unwrap_or_else(|| self.resolve_type(target, scope, None).ty);
        if target_ty == Types::POISON || self.refused_open(target_ty, target.span) {
            return Types::POISON;
        }
        if let Type::Reference { kind: RefKind::Alias, .. } | Type::Interface(_) = self.types.get(target_ty) {
            let name = self.types.name(target_ty);
            let message = format!("{name} is a reference already");
            self.sink.report(Code::NotAType, target.span, message);
            return Types::POISON;
        }
        self.types.intern(Type::Reference { target: target_ty, kind })
    }

    /// The type of a name, without messages. `scope` is the POU in which it is written.
    pub(crate) fn find_type(&mut self, name: &Name, scope: Option<usize>) -> Option<Resolved> {
        let key = &name.key;
        let plain = |ty| Some(Resolved { ty, init: None });
        if let Some(e) = elementary_name(key) {
            return plain(Types::elementary(e));
        }
        match key.as_ref() {
            "STRING" | "WSTRING" => return plain(self.types.text(key.len() == 7, DEFAULT_STRING)),
            "__TIME" | "__COUNT" => {
                let substitute = scope.and_then(|pou| self.pous[pou].substitute)?;
                return plain(Types::elementary(substitute));
            }
            _ => {}
        }
        let full = self.visible(name, scope);
        if let Some(resolved) = self.named_type(&full) {
            return Some(resolved);
        }
        // With the vendors a member of one bit; its own place is an optimisation that we leave.
        if self.types.vendor && key.as_ref() == "BIT" {
            return plain(Types::BOOL);
        }
        let pou = self.find_pou(name, scope)?;
        match self.pous[pou].kind {
            PouKind::Function => None,
            PouKind::Interface => plain(self.types.intern(Type::Interface(pou))),
            _ => plain(self.types.intern(Type::Instance(pou))),
        }
    }

    pub(crate) fn resolve_type(
        &mut self,
        ty: &'a TypeRef,
        scope: Option<usize>,
        name: Option<&Name>,
    ) -> Resolved {
        let plain = |ty| Resolved { ty, init: None };
        match &ty.kind {
            TypeRefKind::Error => Self::poison(),
            TypeRefKind::Named(type_name) => {
                if let Some(resolved) = self.find_type(type_name, scope) {
                    resolved
                } else {
                    self.unknown_type(type_name);
                    Self::poison()
                }
            }
            TypeRefKind::String { wide, length } => {
                let capacity = match length {
                    None => Some(DEFAULT_STRING),
                    Some(length) => self.string_capacity(length, scope),
                };
                plain(capacity.map_or(Types::POISON, |capacity| self.types.text(*wide, capacity)))
            }
            TypeRefKind::Array { dimensions, element } => self.array(dimensions, element, scope),
            TypeRefKind::OpenArray { dimensions, element } => {
                let element = self.resolve_type(element, scope, None).ty;
                if element == Types::POISON || self.refused_open(element, ty.span) {
                    return Self::poison();
                }
                plain(self.types.intern(Type::OpenArray { element, dimensions: *dimensions }))
            }
            TypeRefKind::Subrange { base, low, high } => plain(self.subrange(base, low, high, scope)),
            TypeRefKind::Enum { base, values } => plain(self.enumeration(base.as_ref(), values, scope, name)),
            TypeRefKind::Reference { kind, target } => plain(self.reference(*kind, target, scope)),
            TypeRefKind::Struct { groups, overlap, base } => {
                let inherited = base.as_ref().map_or_else(Vec::new, |base| self.base_members(base, scope));
                let fields = self.fields(inherited, groups, *overlap, scope);
                let index = self.types.structs.len();
                let name = name.map_or_else(|| "".into(), |n| Rc::clone(&n.text));
                self.types.structs.push(StructDef { name, fields, overlap: *overlap });
                plain(self.types.intern(Type::Struct(index)))
            }
        }
    }

    /// The members that a structure has from the one that it extends.
    fn base_members(&mut self, base: &'a Name, scope: Option<usize>) -> Vec<Field<'a>> {
        let Some(resolved) = self.find_type(base, scope) else {
            self.unknown_type(base);
            return Vec::new();
        };
        match *self.types.get(resolved.ty) {
            Type::Struct(index) => {
                let fields = &self.types.structs[index].fields;
                self.inherited_members += fields.len();
                if self.inherited_members <= MAX_INHERITED {
                    return fields.clone();
                }
                let message = format!("structures have more than {MAX_INHERITED} members from others");
                self.sink.report(Code::StateTooLarge, base.span, message);
                Vec::new()
            }
            Type::Poison => Vec::new(),
            _ => {
                let message = format!("`{}` is no structure", base.text);
                self.sink.report(Code::BadInheritance, base.span, message);
                Vec::new()
            }
        }
    }

    fn fields(
        &mut self,
        mut fields: Vec<Field<'a>>,
        groups: &'a [ast::VarGroup],
        overlap: bool,
        scope: Option<usize>,
    ) -> Vec<Field<'a>> {
        for group in groups {
            let resolved = self.resolve_type(&group.ty, scope, None);
            for (position, (field, at)) in group.names.iter().enumerate() {
                let place = group.places.iter().find(|(name, ..)| *name == position);
                if (overlap || place.is_some()) && !self.is_plain(resolved.ty) {
                    let message = format!("`{}` cannot share its place: it is no plain data", field.text);
                    self.sink.report(Code::BadOverlap, field.span, message);
                }
                if let Some((Address { at: None, .. }, span)) = at {
                    let message =
                        "the address of a member must be complete: all structures of the type share it";
                    self.sink.report(Code::IncompleteAddress, *span, message);
                }
                if let Some((_, place, span)) = place
                    && place.bits == 1
                    && !matches!(resolved.ty, Types::BOOL | Types::POISON)
                {
                    let ty = self.types.name(resolved.ty);
                    let message = format!("`{}` is {ty}, but its place is a single bit", field.text);
                    self.sink.report(Code::AddressTypeMismatch, *span, message);
                }
                let open = self.refused_open(resolved.ty, field.span);
                if fields.iter().any(|f| f.name.key == field.key) {
                    let message = format!("member `{}` is declared twice", field.text);
                    self.sink.report(Code::DuplicateName, field.span, message);
                    continue;
                }
                let ty = if open { Types::POISON } else { resolved.ty };
                let default = resolved.init;
                let bit = place.filter(|(_, at, _)| at.bits == 1).map(|(_, at, _)| at.bit);
                fields.push(Field {
                    name: field.clone(),
                    ty,
                    default,
                    init: group.init.as_ref(),
                    at: place.map(|(_, at, _)| at.byte),
                    bit,
                    address: *at,
                });
            }
        }
        fields
    }

    pub(super) fn unknown_type(&mut self, name: &Name) {
        let key = self.visible(name, None);
        if let Some((item, _)) = self.names.get(&key) {
            let what = match item {
                Item::Pou(pou) => self.pous[*pou].kind.text(),
                Item::Global(_) => "global variable",
                Item::Namespace | Item::Type => "namespace",
            };
            self.sink.report(Code::NotAType, name.span, format!("`{}` is a {what}, not a type", name.text));
            return;
        }
        let elementary = Elementary::ALL.iter().map(|e| e.name());
        let known = self.type_entries.keys().chain(self.names.keys()).chain(self.standard.keys());
        let known = known.map(AsRef::as_ref).filter(|key: &&str| !key.starts_with("__"));
        let nearest = suggest::nearest(&name.text, known.chain(elementary)).map(str::to_owned);
        let finding =
            self.sink.report(Code::UnknownType, name.span, format!("type `{}` is not declared", name.text));
        if let Some(help) = suggest::vendor::help(&name.text) {
            finding.help(help);
        } else if let Some(nearest) = nearest {
            finding.help(format!("did you mean `{nearest}`?"));
        }
    }

    /// Reports `ARRAY[*]` where no caller brings the bounds.
    pub(super) fn refused_open(&mut self, ty: TypeId, span: Span) -> bool {
        let open = self.types.open_dimensions(ty).is_some();
        if open {
            let message = "ARRAY[*] is for parameters: here nobody brings its bounds";
            self.sink.report(Code::OpenArrayNotAllowed, span, message).help("write the bounds");
        }
        open
    }

    fn string_capacity(&mut self, length: &'a ast::Expr, scope: Option<usize>) -> Option<u16> {
        let value = check::constant_integer(self, scope, length)?;
        if (1..=i128::from(MAX_STRING)).contains(&value) {
            return Some(value as u16);
        }
        let message = format!("a string holds 1 to {MAX_STRING} characters, not {value}");
        self.sink.report(Code::BadStringLength, length.span, message);
        None
    }

    fn array(
        &mut self,
        dimensions: &'a [(ast::Expr, ast::Expr)],
        element: &'a TypeRef,
        scope: Option<usize>,
    ) -> Resolved {
        let element_span = element.span;
        let element = self.resolve_type(element, scope, None);
        let mut bounds = Vec::new();
        for (low, high) in dimensions {
            let span = low.span.to(high.span);
            let values =
                (check::constant_integer(self, scope, low), check::constant_integer(self, scope, high));
            let (Some(low), Some(high)) = values else { return Self::poison() };
            let fits = |v: i128| i64::try_from(v).ok();
            match (fits(low), fits(high)) {
                (Some(low), Some(high)) if low <= high => bounds.push((low, high)),
                _ => {
                    let message =
                        format!("array bounds {low}..{high}: the lower bound must not exceed the upper");
                    self.sink.report(Code::BadArrayBounds, span, message);
                    return Self::poison();
                }
            }
        }
        if element.ty == Types::POISON || self.refused_open(element.ty, element_span) {
            return Self::poison();
        }
        // Far above any state block: keeps later sums of sizes inside u64.
        if Types::count(&bounds) > 1 << 32 {
            let span = dimensions[0].0.span;
            self.sink.report(Code::StateTooLarge, span, "the array has more than 4294967296 elements");
            return Self::poison();
        }
        let dimensions = bounds.into();
        let (element, element_init) = (element.ty, element.init);
        Resolved { ty: self.types.intern(Type::Array { element, dimensions, element_init }), init: None }
    }

    fn subrange(
        &mut self,
        base: &'a Name,
        low: &'a ast::Expr,
        high: &'a ast::Expr,
        scope: Option<usize>,
    ) -> TypeId {
        let Some(e) = elementary_name(&base.key).filter(|e| types::is_integer(*e)) else {
            let message = format!("a subrange needs an integer type, not {}", base.text);
            self.sink.report(Code::BadSubrange, base.span, message);
            return Types::POISON;
        };
        let values = (check::constant_integer(self, scope, low), check::constant_integer(self, scope, high));
        let (Some(lowest), Some(highest)) = values else { return Types::POISON };
        let (least, most) = types::range(e);
        let most = most.min(i128::from(i64::MAX));
        if lowest > highest || lowest < least || highest > most {
            let message = format!("{lowest}..{highest} is no range of {}", e.name());
            self.sink.report(Code::BadSubrange, low.span.to(high.span), message);
            return Types::POISON;
        }
        self.types.intern(Type::Subrange { base: e, low: lowest as i64, high: highest as i64 })
    }

    fn enumeration(
        &mut self,
        base: Option<&'a Name>,
        values: &'a [(Name, Option<ast::Expr>)],
        scope: Option<usize>,
        name: Option<&Name>,
    ) -> TypeId {
        let storage = match base {
            None => Elementary::Int,
            Some(base) => match elementary_name(&base.key) {
                Some(e) if types::is_integer(e) || types::is_bits(e) && e != Elementary::Bool => e,
                _ => {
                    let message =
                        format!("an enumeration is stored in an integer or bit string, not {}", base.text);
                    self.sink.report(Code::NotAType, base.span, message);
                    Elementary::Int
                }
            },
        };
        let (least, most) = types::range(storage);
        let mut next = 0i128;
        let mut known: Vec<(Name, i128)> = Vec::new();
        for (value_name, value) in values {
            if let Some(value) = value
                && let Some(value) = check::constant_integer(self, scope, value)
            {
                next = value;
            }
            if known.iter().any(|(other, _)| other.key == value_name.key) {
                let message = format!("value `{}` is declared twice", value_name.text);
                self.sink.report(Code::DuplicateName, value_name.span, message);
            } else if let Some((other, _)) = known.iter().find(|(_, v)| *v == next) {
                let message =
                    format!("`{}` and `{}` both have the value {next}", other.text, value_name.text);
                self.sink.report(Code::EnumValueRepeated, value_name.span, message);
            } else if next < least || next > most.min(i128::from(i64::MAX)) {
                let message = format!("{next} does not fit {}", storage.name());
                self.sink.report(Code::LiteralOutOfRange, value_name.span, message);
            } else {
                known.push((value_name.clone(), next));
            }
            next += 1;
        }
        let index = self.types.enums.len();
        let type_name = name.map_or_else(|| "".into(), |n| Rc::clone(&n.text));
        let keys: Vec<Rc<str>> = known.iter().map(|(n, _)| Rc::clone(&n.key)).collect();
        self.types.enums.push(EnumDef {
            name: type_name,
            base: storage,
            open: base.is_some(),
            values: known,
        });
        let ty = self.types.intern(Type::Enum(index));
        if name.is_none() {
            for key in keys {
                self.enum_values.entry(key).or_default().push(EnumOwner::Anonymous(ty));
            }
        }
        ty
    }

    /// The value that a variable of the type starts with when nothing is said: first enumeration value, lower
    /// limit of a subrange, else zero.
    pub(crate) fn type_default(&self, ty: TypeId) -> Option<Init> {
        let value = match self.types.get(ty) {
            Type::Enum(index) => self.types.enums[*index].values.first().map_or(0, |(_, v)| *v),
            Type::Subrange { low, .. } => i128::from(*low),
            _ => return None,
        };
        (value != 0).then_some(Init::Value(Value::Int(value)))
    }
}
