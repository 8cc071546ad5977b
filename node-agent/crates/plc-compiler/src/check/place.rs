//! Variables and their parts, for reading and for writing.

use super::Checker;
use crate::ast::{self, Address, ExprKind as Ast, Name, Part};
use crate::diagnostic::Code;
use crate::hir::{Expr, ExprKind, Place, Root, Step, Value};
use crate::layout::Elementary;
use crate::model::{Item, VarKind};
use crate::span::Span;
use crate::suggest;
use crate::types::{self, Type, TypeId, Types};

/// What a path expression names.
enum Named {
    Place(Place),
    Value(Expr),
    /// Already reported.
    Poison,
}

impl Checker<'_, '_> {
    /// A path read for its value.
    pub(super) fn value_of_place(&mut self, expr: &ast::Expr, want: Option<TypeId>) -> Expr {
        match self.named(expr, want, false) {
            Named::Poison => Self::poison(expr.span),
            Named::Value(value) => value,
            Named::Place(place) => self.load(place),
        }
    }

    pub(super) fn load(&mut self, place: Place) -> Expr {
        let (ty, span) = (place.ty, place.span);
        if let Type::Instance(pou) = *self.types().get(ty) {
            let name = self.model.pou(pou).name.text.clone();
            self.report(Code::NotAValue, span, format!("an instance of `{name}` is no value"))
                .help("name one of its outputs");
            return Self::poison(span);
        }
        let ty = match *self.types().get(ty) {
            // A subrange computes as its storage.
            Type::Subrange { base, .. } => Types::elementary(base),
            _ => ty,
        };
        Expr { kind: ExprKind::Load(Box::new(place)), ty, span }
    }

    /// A path that must be a variable. Writing is checked by [`Checker::target`].
    pub(crate) fn variable(&mut self, expr: &ast::Expr) -> Option<Place> {
        match self.named(expr, None, true) {
            Named::Place(place) => Some(place),
            Named::Poison => None,
            Named::Value(_) => {
                let source = self.model.excerpt(expr.span);
                self.report(Code::NotAVariable, expr.span, format!("`{source}` is not a variable"));
                None
            }
        }
    }

    /// A variable that is written.
    pub(crate) fn target(&mut self, expr: &ast::Expr) -> Option<Place> {
        let place = self.variable(expr)?;
        if self.model.is_testing(self.scope) {
            return self.test_target(place);
        }
        let source = self.model.excerpt(expr.span);
        let refused = match place.root {
            Root::Image { area: ast::Area::Input, .. } => {
                self.report(Code::WriteToInput, expr.span, format!("`{source}` is part of the input image"));
                return None;
            }
            Root::Image { .. } => None,
            Root::Local(var) => {
                let pou = self.scope?;
                let var = &self.model.pou(pou).vars[var];
                if var.constant {
                    Some("a constant")
                } else if matches!(var.address, Some((Address { area: ast::Area::Input, .. }, _))) {
                    self.report(
                        Code::WriteToInput,
                        expr.span,
                        format!("`{source}` is part of the input image"),
                    );
                    return None;
                } else {
                    if var.kind == VarKind::Input && !self.model.pou(pou).standard {
                        let message =
                            format!("`{source}` is an input of this {}", self.model.pou(pou).kind.text());
                        self.report(Code::InputAssigned, expr.span, message);
                    }
                    None
                }
            }
            Root::Global(global) => {
                let var = &self.model.globals[global];
                if matches!(var.address, Some((Address { area: ast::Area::Input, .. }, _))) {
                    self.report(
                        Code::WriteToInput,
                        expr.span,
                        format!("`{source}` is part of the input image"),
                    );
                    return None;
                }
                var.constant.then_some("a constant")
            }
        };
        let refused = refused.or_else(|| {
            // Of another instance only the inputs may be written.
            place.steps.iter().find_map(|step| match step {
                Step::Member(pou, var) => {
                    let var = &self.model.pou(*pou).vars[*var];
                    match var.kind {
                        VarKind::Input if !var.constant => None,
                        VarKind::Output => Some("an output of an instance"),
                        _ => Some("internal to an instance"),
                    }
                }
                _ => None,
            })
        });
        if let Some(what) = refused {
            self.report(
                Code::NotAssignable,
                expr.span,
                format!("`{source}` is {what} and cannot be written"),
            );
            return None;
        }
        Some(place)
    }

    fn named(&mut self, expr: &ast::Expr, want: Option<TypeId>, writing: bool) -> Named {
        let span = expr.span;
        match &expr.kind {
            Ast::Name(name) => self.named_root(name, want, writing),
            Ast::Member(base, member) => self.named_member(base, member, want, span, writing),
            Ast::Index(base, indices) => match self.named(base, None, true) {
                Named::Place(place) => self.index(place, indices, span),
                Named::Value(value) => self.not_indexable(value.ty, base.span),
                Named::Poison => Named::Poison,
            },
            Ast::Part(base, part) => match self.named(base, None, true) {
                Named::Place(place) => self.part(place, *part, span),
                Named::Value(_) => self.bad_part(span, "a constant has no parts"),
                Named::Poison => Named::Poison,
            },
            Ast::Address(address) => self.direct(*address, span),
            Ast::Error => Named::Poison,
            _ => Named::Value(self.expr(expr, want)),
        }
    }

    fn named_root(&mut self, name: &Name, want: Option<TypeId>, writing: bool) -> Named {
        if let Some(pou) = self.scope
            && let Some(var) = self.model.pou(pou).scope.get(&name.key).copied()
        {
            let (kind, ty, constant) = {
                let var = &self.model.pou(pou).vars[var];
                (var.kind, var.ty, var.constant)
            };
            if ty == Types::POISON {
                return Named::Poison;
            }
            if let VarKind::External(global) = kind {
                return self.global(global, name.span, writing);
            }
            if let (VarKind::Enclosing(test, var), true, false) = (kind, constant, writing)
                && self.is_simple(ty)
            {
                return self.constant_reference(Some(test), var, ty, name.span);
            }
            if constant && !writing && self.is_simple(ty) {
                return self.constant_reference(Some(pou), var, ty, name.span);
            }
            let root = match self.model.pou(pou).edges.iter().find(|(input, ..)| *input == var) {
                // An input with edge detection reads as its pulse.
                Some((_, _, pulse)) if !writing => Root::Local(*pulse),
                _ => Root::Local(var),
            };
            return Named::Place(Place { root, steps: Vec::new(), ty, span: name.span });
        }
        match self.model.item(&name.key) {
            Some(Item::Global(global)) => {
                if self.model.options.dialect == crate::Dialect::Iec && self.scope.is_some() {
                    let message = format!("`{}` is global and not declared in VAR_EXTERNAL here", name.text);
                    self.report(Code::OutsideDialect, name.span, message);
                }
                return self.global(global, name.span, writing);
            }
            Some(item) => {
                let what = match item {
                    Item::Pou(pou) => self.model.pou(pou).kind.text(),
                    Item::List => "list of globals",
                    _ => "type",
                };
                self.report(
                    Code::NotAValue,
                    name.span,
                    format!("`{}` is a {what}, not a variable", name.text),
                );
                return Named::Poison;
            }
            None => {}
        }
        let mut owners = self.model.enums_with_value(&name.key);
        if let Some(want) = want
            && owners.contains(&want)
        {
            owners = vec![want];
        }
        match owners.as_slice() {
            [] => {
                self.model.unknown_name(name, self.scope);
                Named::Poison
            }
            [ty] => Named::Value(self.enum_value(*ty, name, name.span)),
            [first, ..] => {
                let first = self.type_name(*first);
                let names: Vec<_> = owners.iter().map(|ty| self.type_name(*ty)).collect();
                let message = format!("`{}` is a value of {}", name.text, names.join(" and "));
                self.report(Code::AmbiguousEnumValue, name.span, message)
                    .help(format!("write `{first}#{}`", name.text));
                Named::Poison
            }
        }
    }

    fn is_simple(&self, ty: TypeId) -> bool {
        self.types().storage(ty).is_some() || matches!(self.types().get(ty), Type::Text { .. })
    }

    fn constant_reference(&mut self, pou: Option<usize>, var: usize, ty: TypeId, span: Span) -> Named {
        let Some(value) = self.value_of_constant(pou, var) else { return Named::Poison };
        let ty = match *self.types().get(ty) {
            Type::Subrange { base, .. } => Types::elementary(base),
            _ => ty,
        };
        Named::Value(Expr { kind: ExprKind::Const(value), ty, span })
    }

    fn global(&mut self, global: usize, span: Span, writing: bool) -> Named {
        let var = &self.model.globals[global];
        let ty = var.ty;
        if ty == Types::POISON {
            return Named::Poison;
        }
        if var.constant && !writing && self.is_simple(ty) {
            return self.constant_reference(None, global, ty, span);
        }
        Named::Place(Place { root: Root::Global(global), steps: Vec::new(), ty, span })
    }

    fn named_member(
        &mut self,
        base: &ast::Expr,
        member: &Name,
        want: Option<TypeId>,
        span: Span,
        writing: bool,
    ) -> Named {
        if let Ast::Name(name) = &base.kind
            && !self.scope.is_some_and(|pou| self.model.pou(pou).scope.contains_key(&name.key))
        {
            match self.model.item(&name.key) {
                Some(Item::List) => {
                    let members = self.model.lists.get(&name.key);
                    if let Some(global) = members.and_then(|m| m.get(&member.key)).copied() {
                        return self.global(global, span, writing);
                    }
                    let names: Vec<String> =
                        members.into_iter().flat_map(|m| m.keys()).map(ToString::to_string).collect();
                    let message = format!("`{}` has no variable `{}`", name.text, member.text);
                    let nearest = suggest::nearest(&member.text, names.iter().map(String::as_str));
                    let finding = self.model.sink.report(Code::UnknownMember, member.span, message);
                    if let Some(nearest) = nearest {
                        finding.help(format!("did you mean `{nearest}`?"));
                    }
                    return Named::Poison;
                }
                // `Color.Red`
                Some(Item::Type) => return Named::Value(self.qualified(name, member, span)),
                _ => {}
            }
        }
        let place = match self.named(base, want, true) {
            Named::Place(place) => place,
            Named::Value(value) => {
                self.no_members(value.ty, member);
                return Named::Poison;
            }
            Named::Poison => return Named::Poison,
        };
        let (step, ty) = match *self.types().get(place.ty) {
            Type::Poison => return Named::Poison,
            Type::Struct(index) => {
                let fields = &self.types().structs[index].fields;
                if let Some(field) = fields.iter().position(|f| f.name.key == member.key) {
                    (Step::Field(index, field), fields[field].ty)
                } else {
                    let names: Vec<String> = fields.iter().map(|f| f.name.text.to_string()).collect();
                    self.unknown_member(member, place.ty, &names);
                    return Named::Poison;
                }
            }
            Type::Instance(pou) => {
                let found = self.model.pou(pou).scope.get(&member.key).copied();
                match found.filter(|var| self.visible_outside(pou, *var)) {
                    Some(var)
                        if self.model.pou(pou).vars[var].kind != VarKind::Local
                            || self.model.is_testing(self.scope) =>
                    {
                        (Step::Member(pou, var), self.model.pou(pou).vars[var].ty)
                    }
                    Some(_) => {
                        let message = format!(
                            "`{}` is internal to {}: only its inputs and outputs are visible",
                            member.text,
                            self.type_name(place.ty)
                        );
                        self.report(Code::UnknownMember, member.span, message);
                        return Named::Poison;
                    }
                    None => {
                        let names = self.visible_names(pou);
                        self.unknown_member(member, place.ty, &names);
                        return Named::Poison;
                    }
                }
            }
            _ => {
                self.no_members(place.ty, member);
                return Named::Poison;
            }
        };
        let mut place = place;
        if let Step::Member(pou, var) = step {
            let (address, kind) = (self.model.pou(pou).vars[var].address, self.model.pou(pou).vars[var].kind);
            if kind == VarKind::InOut {
                let message = format!("`{}` is a VAR_IN_OUT: it has no value between calls", member.text);
                self.report(Code::NotAValue, span, message);
                return Named::Poison;
            }
            if let Some((Address { area, at: Some(at) }, _)) = address {
                let bit = (at.bits == 1).then_some(at.bit);
                let root = Root::Image { area, byte: at.byte, bit };
                return Named::Place(Place { root, steps: Vec::new(), ty, span });
            }
        }
        place.steps.push(step);
        place.ty = ty;
        place.span = span;
        Named::Place(place)
    }

    fn no_members(&mut self, ty: TypeId, member: &Name) {
        if ty != Types::POISON {
            let message = format!("{} has no members, so no `{}`", self.type_name(ty), member.text);
            self.report(Code::UnknownMember, member.span, message);
        }
    }

    pub(super) fn unknown_member(&mut self, name: &Name, ty: TypeId, known: &[String]) {
        let message = format!("{} has no member `{}`", self.type_name(ty), name.text);
        let nearest = suggest::nearest(&name.text, known.iter().map(String::as_str)).map(str::to_owned);
        let finding = self.report(Code::UnknownMember, name.span, message);
        if let Some(nearest) = nearest {
            finding.help(format!("did you mean `{nearest}`?"));
        } else if !known.is_empty() && known.len() <= 8 {
            finding.help(format!("it has {}", known.join(", ")));
        }
    }

    fn not_indexable(&mut self, ty: TypeId, span: Span) -> Named {
        if ty != Types::POISON {
            let message = format!("{} has no elements", self.type_name(ty));
            self.report(Code::NotIndexable, span, message);
        }
        Named::Poison
    }

    fn index(&mut self, mut place: Place, indices: &[ast::Expr], span: Span) -> Named {
        let lint = Types::elementary(Elementary::Lint);
        match self.types().get(place.ty).clone() {
            Type::Poison => Named::Poison,
            Type::Text { wide, .. } => {
                let [index] = indices else {
                    self.report(Code::WrongIndexCount, span, "a string takes one index");
                    return Named::Poison;
                };
                let Some(index) = self.index_value(index) else { return Named::Poison };
                let index = self.coerce(index, lint);
                place.steps.push(Step::Character(Box::new(index)));
                place.ty = Types::elementary(if wide { Elementary::Wchar } else { Elementary::Char });
                place.span = span;
                Named::Place(place)
            }
            Type::Array { element, dimensions, .. } => {
                // `a[i][j]` on two dimensions is the vendors' spelling of `a[i, j]`; arrays of arrays are the
                // only case of the standard.
                if indices.len() != dimensions.len() {
                    let message = format!("{} indices for {} dimensions", indices.len(), dimensions.len());
                    self.report(Code::WrongIndexCount, span, message);
                    return Named::Poison;
                }
                let mut checked = Vec::new();
                for (index, (low, high)) in indices.iter().zip(dimensions.iter()) {
                    let Some(index) = self.index_value(index) else { return Named::Poison };
                    if let ExprKind::Const(Value::Int(v)) = index.kind
                        && (v < i128::from(*low) || v > i128::from(*high))
                    {
                        let message = format!("index {v} is outside {low}..{high}");
                        self.report(Code::ConstantIndex, index.span, message);
                        return Named::Poison;
                    }
                    checked.push(self.as_index(index));
                }
                place.steps.push(Step::Index(place.ty, checked));
                place.ty = element;
                place.span = span;
                Named::Place(place)
            }
            _ => self.not_indexable(place.ty, span),
        }
    }

    /// An index is any integer; enumeration values index too.
    fn index_value(&mut self, index: &ast::Expr) -> Option<Expr> {
        let checked = self.expr(index, None);
        if matches!(checked.kind, ExprKind::Poison) {
            return None;
        }
        let storage = self.types().storage(checked.ty);
        let is_enum = matches!(self.types().get(checked.ty), Type::Enum(_));
        if checked.ty == Types::ANY_INT || is_enum || storage.is_some_and(types::is_integer) {
            return Some(checked);
        }
        let message = format!("an index must be an integer, not {}", self.type_name(checked.ty));
        self.report(Code::TypeMismatch, index.span, message);
        None
    }

    /// Widened to LINT.
    pub(super) fn as_index(&mut self, index: Expr) -> Expr {
        let lint = Types::elementary(Elementary::Lint);
        let span = index.span;
        let index = self.settle(index);
        if index.ty == lint {
            return index;
        }
        if self.types().storage(index.ty) == Some(Elementary::Ulint) {
            // Above the range of LINT it must not come back as a small negative number: as an index that may
            // be inside the bounds, as a count or a selector it would act as 0.
            let ty = index.ty;
            let highest = Self::integer(i128::from(i64::MAX), ty, span);
            let capped = ExprKind::Intrinsic(crate::hir::Intrinsic::Min, vec![index, highest]);
            let index = self.make(capped, ty, span);
            return self.make(ExprKind::Convert(Box::new(index), crate::hir::Mode::Same), lint, span);
        }
        self.make(ExprKind::Convert(Box::new(index), crate::hir::Mode::Value), lint, span)
    }

    fn bad_part(&mut self, span: Span, message: &str) -> Named {
        self.report(Code::BadPartialAccess, span, message);
        Named::Poison
    }

    fn part(&mut self, mut place: Place, part: Part, span: Span) -> Named {
        let Some(e) = self.types().storage(place.ty) else {
            if place.ty == Types::POISON {
                return Named::Poison;
            }
            let message = format!("{} has no parts", self.type_name(place.ty));
            return self.bad_part(span, &message);
        };
        if e == Elementary::Bool || !(types::is_bits(e) || types::is_integer(e)) {
            let message = format!("{} has no parts", e.name());
            return self.bad_part(span, &message);
        }
        let bits = e.size() * 8;
        let start = part.number.checked_mul(part.bits).filter(|start| *start < bits);
        let Some(start) = start.filter(|_| part.bits <= bits) else {
            let last = (bits / part.bits.max(1)).saturating_sub(1);
            let message = format!("{} has parts 0..{last} of {} bits", e.name(), part.bits);
            return self.bad_part(span, &message);
        };
        let bit = (part.bits == 1).then_some((start % 8) as u8);
        place.steps.push(Step::Part(start / 8, bit));
        place.ty = Types::elementary(match part.bits {
            1 => Elementary::Bool,
            8 => Elementary::Byte,
            16 => Elementary::Word,
            32 => Elementary::Dword,
            _ => Elementary::Lword,
        });
        place.span = span;
        Named::Place(place)
    }

    fn direct(&mut self, address: Address, span: Span) -> Named {
        let Some(at) = address.at else {
            self.report(Code::IncompleteAddress, span, "an incomplete address can only stand after AT");
            return Named::Poison;
        };
        let (e, bit) = match at.bits {
            1 => (Elementary::Bool, Some(at.bit)),
            8 => (Elementary::Byte, None),
            16 => (Elementary::Word, None),
            32 => (Elementary::Dword, None),
            _ => (Elementary::Lword, None),
        };
        let high = &mut self.model.image_high[address.area as usize];
        *high = (*high).max(at.byte + e.size());
        let root = Root::Image { area: address.area, byte: at.byte, bit };
        Named::Place(Place { root, steps: Vec::new(), ty: Types::elementary(e), span })
    }
}
