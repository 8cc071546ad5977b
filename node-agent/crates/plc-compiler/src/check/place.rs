//! Variables and their parts, for reading and for writing.

use super::Checker;
use crate::ast::{self, Address, ExprKind as Ast, Name, RefKind};
use crate::diagnostic::Code;
use crate::hir::{Expr, ExprKind, Place, Receiver, Root, Step};
use crate::model::{Item, VarKind};
use crate::span::Span;
use crate::suggest;
use crate::types::{Type, TypeId, Types};

/// What a path expression names.
pub(super) enum Named {
    Place(Place),
    Value(Expr),
    Property(Property),
    /// Already reported.
    Poison,
}

/// A property of an object.
pub(super) struct Property {
    pub(super) receiver: Receiver,
    /// Class or interface that the caller sees.
    pub(super) class: usize,
    pub(super) fixed: bool,
    pub(super) name: Name,
    pub(super) span: Span,
}

impl Checker<'_, '_> {
    /// A path read for its value.
    pub(super) fn value_of_place(&mut self, expr: &ast::Expr, want: Option<TypeId>) -> Expr {
        match self.named(expr, want, false) {
            Named::Poison => Self::poison(expr.span),
            Named::Value(value) => value,
            Named::Property(property) => self.get_property(property),
            Named::Place(place) => {
                if let (Some(interface), Type::Instance(_)) =
                    (self.wanted_interface(want), self.types().get(place.ty))
                {
                    return self.object_as_interface(place, interface);
                }
                self.load(place)
            }
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
        if self.types().open_dimensions(ty).is_some() {
            self.report(Code::NotAValue, span, "an array with open bounds is used element by element");
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
            Named::Place(place) if !matches!(place.root, Root::Value(_)) => Some(place),
            Named::Poison => None,
            _ => {
                let source = self.model.excerpt(expr.span);
                self.report(Code::NotAVariable, expr.span, format!("`{source}` is not a variable"));
                None
            }
        }
    }

    /// A variable that is written.
    pub(crate) fn target(&mut self, expr: &ast::Expr) -> Option<Place> {
        let place = self.variable(expr)?;
        self.written(place, expr)
    }

    /// As [`Checker::target`], but of an alias the reference itself.
    pub(super) fn raw_target(&mut self, expr: &ast::Expr) -> Option<Place> {
        match self.named_raw(expr, None, true) {
            Named::Place(place) => self.written(place, expr),
            Named::Poison => None,
            _ => {
                let source = self.model.excerpt(expr.span);
                self.report(Code::NotAVariable, expr.span, format!("`{source}` is not a variable"));
                None
            }
        }
    }

    /// A variable or property that is written.
    pub(super) fn target_or_property(&mut self, expr: &ast::Expr) -> Result<Option<Place>, Box<Property>> {
        match self.named(expr, None, true) {
            Named::Property(property) => Err(Box::new(property)),
            Named::Place(place) if !matches!(place.root, Root::Value(_)) => Ok(self.written(place, expr)),
            Named::Poison => Ok(None),
            _ => {
                let source = self.model.excerpt(expr.span);
                self.report(Code::NotAVariable, expr.span, format!("`{source}` is not a variable"));
                Ok(None)
            }
        }
    }

    /// The place if it may be written.
    fn written(&mut self, place: Place, expr: &ast::Expr) -> Option<Place> {
        if self.model.is_testing(self.scope) {
            return self.test_target(place);
        }
        let source = self.model.excerpt(expr.span);
        let refused = match place.root {
            Root::Image { area: ast::Area::Input, .. } => {
                self.report(Code::WriteToInput, expr.span, format!("`{source}` is part of the input image"));
                return None;
            }
            Root::Image { .. } | Root::This | Root::Reference(_) | Root::Value(_) => None,
            Root::Local(var) => {
                let pou = self.scope?;
                let var = &self.model.pou(pou).vars[var];
                if var.constant {
                    Some("a constant")
                } else if var.is_input_image() {
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
                if var.is_input_image() {
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
        let vendor = self.types().vendor;
        let mut output_written = false;
        let refused = refused.or_else(|| {
            // Of another instance only the inputs may be written, and what it opens.
            let own = matches!(place.root, Root::This);
            place.steps.iter().enumerate().find_map(|(at, step)| match step {
                Step::Member(pou, index) => {
                    let var = &self.model.pou(*pou).vars[*index];
                    let owner = self.model.declarer(*pou, *index);
                    let open = self.model.accessible(owner, var.access, self.scope);
                    match var.kind {
                        _ if var.constant => Some("a constant"),
                        VarKind::Input => None,
                        VarKind::Output if at == 0 && own => None,
                        _ if vendor && self.model.pou(*pou).kind == ast::PouKind::Program => None,
                        VarKind::InOut if at == 0 && own => None,
                        VarKind::Output if vendor => {
                            output_written = true;
                            None
                        }
                        VarKind::Output => Some("an output of an instance"),
                        VarKind::Local if open => None,
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
        if output_written {
            let message = format!("`{source}` is an output of an instance, which will write it itself");
            self.report(Code::NotAssignable, expr.span, message).severity(crate::Severity::Warning);
        }
        Some(place)
    }

    /// What an expression names; a REFERENCE TO stands for what it refers to.
    pub(super) fn named(&mut self, expr: &ast::Expr, want: Option<TypeId>, writing: bool) -> Named {
        let named = self.named_raw(expr, want, writing);
        let Named::Place(place) = named else { return named };
        let Type::Reference { kind: RefKind::Alias, target } = *self.types().get(place.ty) else {
            return Named::Place(place);
        };
        let (ty, span) = (place.ty, place.span);
        let of = Box::new(Expr { kind: ExprKind::Load(Box::new(place)), ty, span });
        let root = Root::Reference(of);
        Named::Place(Place { root, steps: Vec::new(), ty: target, span })
    }

    /// What stands before `.` or `[`.
    fn named_base(&mut self, expr: &ast::Expr, want: Option<TypeId>) -> Named {
        let value = match self.named(expr, want, true) {
            Named::Property(property) => self.get_property(property),
            Named::Value(value) => value,
            named => return named,
        };
        match self.types().get(value.ty) {
            // A structure or array that a function has given lies in memory too.
            Type::Struct(_) | Type::Array { .. } | Type::Text { .. }
                if !matches!(value.kind, ExprKind::Poison | ExprKind::Const(_)) =>
            {
                let (ty, span) = (value.ty, value.span);
                Named::Place(Place { root: Root::Value(Box::new(value)), steps: Vec::new(), ty, span })
            }
            _ => Named::Value(value),
        }
    }

    pub(super) fn named_raw(&mut self, expr: &ast::Expr, want: Option<TypeId>, writing: bool) -> Named {
        let span = expr.span;
        match &expr.kind {
            Ast::Name(name) => self.named_root(name, want, writing),
            Ast::Member(base, member) => self.named_member(base, member, want, span, writing),
            Ast::Index(base, indices) => match self.named_base(base, None) {
                Named::Place(place) => self.index(place, indices, span),
                Named::Value(value) => self.not_indexable(value.ty, base.span),
                Named::Poison | Named::Property(_) => Named::Poison,
            },
            Ast::Part(base, part) => match self.named_base(base, None) {
                Named::Place(place) => self.part(place, *part, span),
                Named::Value(_) => self.bad_part(span, "only variables have parts"),
                Named::Poison | Named::Property(_) => Named::Poison,
            },
            Ast::This => self.this(span).map_or(Named::Poison, Named::Place),
            Ast::Super => self.base_object(span).map_or(Named::Poison, Named::Place),
            Ast::Deref(inner) if matches!(inner.kind, Ast::This | Ast::Super) => {
                self.vendor_extension(span, "`^` after THIS or SUPER");
                self.named_raw(inner, want, writing)
            }
            Ast::Deref(inner) => {
                let reference = self.expr(inner, None);
                self.dereferenced(reference, span).map_or(Named::Poison, Named::Place)
            }
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
            if let (VarKind::Kept(member), Some(class)) = (kind, self.model.class_at(self.scope)) {
                return self.own_member(class, member, name.span, writing);
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
        if let Some(class) = self.model.class_at(self.scope) {
            if let Some(var) = self.model.pou(class).scope.get(&name.key).copied() {
                return self.own_member(class, var, name.span, writing);
            }
            if self.opt_property(class, name) {
                let Some(place) = self.this(name.span) else { return Named::Poison };
                let receiver = Receiver::Object(place);
                let name = name.clone();
                let span = name.span;
                return Named::Property(Property { receiver, class, fixed: false, name, span });
            }
        }
        match self.model.find(name, self.scope) {
            Some(Item::Global(global)) => {
                if self.model.options.dialect == crate::Dialect::Iec && self.scope.is_some() {
                    let message = format!("`{}` is global and not declared in VAR_EXTERNAL here", name.text);
                    self.report(Code::OutsideDialect, name.span, message);
                }
                return self.global(global, name.span, writing);
            }
            Some(Item::Pou(pou)) if self.model.named_program(pou).is_some() => {
                let global = self.model.named_program(pou).unwrap_or_default();
                return self.global(global, name.span, writing);
            }
            Some(item) => {
                let what = match item {
                    Item::Pou(pou) => self.model.pou(pou).kind.text(),
                    Item::Namespace => "namespace",
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

    pub(super) fn is_simple(&self, ty: TypeId) -> bool {
        self.types().storage(ty).is_some() || matches!(self.types().get(ty), Type::Text { .. })
    }

    pub(super) fn constant_reference(
        &mut self,
        pou: Option<usize>,
        var: usize,
        ty: TypeId,
        span: Span,
    ) -> Named {
        let Some(value) = self.value_of_constant(pou, var) else { return Named::Poison };
        let ty = match *self.types().get(ty) {
            Type::Subrange { base, .. } => Types::elementary(base),
            _ => ty,
        };
        Named::Value(Expr { kind: ExprKind::Const(value), ty, span })
    }

    pub(super) fn global(&mut self, global: usize, span: Span, writing: bool) -> Named {
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
        if let Some(named) = self.qualified_member(base, member, want, span, writing) {
            return named;
        }
        let place = match self.named_base(base, want) {
            Named::Place(place) => place,
            Named::Value(value) => return self.member_of_value(value, member, span),
            Named::Poison | Named::Property(_) => return Named::Poison,
        };
        let (step, ty) = match *self.types().get(place.ty) {
            Type::Poison => return Named::Poison,
            Type::Struct(index) => {
                let fields = &self.types().structs[index].fields;
                if let Some(field) = fields.iter().position(|f| f.name.key == member.key) {
                    return Named::Place(self.field(place, index, field, span));
                }
                let names: Vec<String> = fields.iter().map(|f| f.name.text.to_string()).collect();
                self.unknown_member(member, place.ty, &names);
                return Named::Poison;
            }
            Type::Instance(pou) => {
                let found = self.model.pou(pou).scope.get(&member.key).copied();
                match found.filter(|var| self.visible_outside(pou, *var)) {
                    Some(var) if self.may_use(pou, var, member) => {
                        (Step::Member(pou, var), self.model.pou(pou).vars[var].ty)
                    }
                    Some(_) => return Named::Poison,
                    None if self.opt_property(pou, member) => {
                        let fixed = self.is_exact(&place) || Self::is_super(base);
                        let receiver = Receiver::Object(place);
                        let name = member.clone();
                        return Named::Property(Property { receiver, class: pou, fixed, name, span });
                    }
                    None => {
                        let names = self.visible_names(pou);
                        self.unknown_member(member, place.ty, &names);
                        return Named::Poison;
                    }
                }
            }
            Type::Interface(_) => {
                let value = self.load(place);
                return self.member_of_value(value, member, span);
            }
            _ => {
                self.no_members(place.ty, member);
                return Named::Poison;
            }
        };
        let mut place = place;
        if let Step::Member(pou, var) = step {
            if self.model.pou(pou).vars[var].kind == VarKind::InOut {
                let message = format!("`{}` is a VAR_IN_OUT: it has no value between calls", member.text);
                self.report(Code::NotAValue, span, message);
                return Named::Poison;
            }
            if let Some(root) = self.located_root(pou, var) {
                return Named::Place(Place { root, steps: Vec::new(), ty, span });
            }
        }
        place.steps.push(step);
        place.ty = ty;
        place.span = span;
        Named::Place(place)
    }

    /// A member of a structure: in it, one bit of it, or image bytes.
    fn field(&self, mut place: Place, index: usize, field: usize, span: Span) -> Place {
        let def = &self.types().structs[index].fields[field];
        if let Some((Address { area, at: Some(at) }, _)) = def.address {
            let root = Root::Image { area, byte: at.byte, bit: (at.bits == 1).then_some(at.bit) };
            return Place { root, steps: Vec::new(), ty: def.ty, span };
        }
        place.steps.push(Step::Field(index, field));
        place.steps.extend(def.bit.map(|bit| Step::Part(0, Some(bit))));
        Place { ty: def.ty, span, ..place }
    }

    /// The image bytes that a variable of an instance is.
    pub(super) fn located_root(&self, pou: usize, var: usize) -> Option<Root> {
        let (Address { area, at }, _) = self.model.pou(pou).vars[var].address?;
        let at = at?;
        let bit = (at.bits == 1).then_some(at.bit);
        Some(Root::Image { area, byte: at.byte, bit })
    }

    /// A name behind that of a namespace or type.
    fn qualified_member(
        &mut self,
        base: &ast::Expr,
        member: &Name,
        want: Option<TypeId>,
        span: Span,
        writing: bool,
    ) -> Option<Named> {
        let path = self.path_of(base)?;
        match self.model.find(&path, self.scope)? {
            Item::Type => {
                self.extension(span, "`.` between an enumeration and its value");
                Some(Named::Value(self.qualified(&path, member, span)))
            }
            Item::Namespace => {
                let name = Name::new(&format!("{}.{}", path.text, member.text), span);
                match self.model.find(&name, self.scope) {
                    Some(Item::Global(global)) => Some(self.global(global, span, writing)),
                    Some(_) => Some(self.named_root(&name, want, writing)),
                    None => {
                        let message = format!("`{}` has no variable `{}`", path.text, member.text);
                        let inside = format!("{}.", self.model.visible(&path, self.scope));
                        let known = self.model.names.keys().filter_map(|key| key.strip_prefix(&inside));
                        let nearest = suggest::nearest(&member.text, known).map(str::to_owned);
                        let finding = self.report(Code::UnknownMember, member.span, message);
                        if let Some(nearest) = nearest {
                            finding.help(format!("did you mean `{nearest}`?"));
                        }
                        Some(Named::Poison)
                    }
                }
            }
            _ => None,
        }
    }

    /// `A.B.C` as one name, if no variable begins it.
    pub(super) fn path_of(&self, expr: &ast::Expr) -> Option<Name> {
        match &expr.kind {
            Ast::Name(name) => {
                let in_scope = |pou: usize| self.model.pou(pou).scope.contains_key(&name.key);
                let hidden =
                    self.scope.is_some_and(in_scope) || self.model.class_at(self.scope).is_some_and(in_scope);
                (!hidden).then(|| name.clone())
            }
            Ast::Member(base, member) => {
                let base = self.path_of(base)?;
                Some(Name::new(&format!("{}.{}", base.text, member.text), expr.span))
            }
            _ => None,
        }
    }

    /// A property of the object behind an interface.
    fn member_of_value(&mut self, value: Expr, member: &Name, span: Span) -> Named {
        if let Type::Interface(class) = *self.types().get(value.ty) {
            if matches!(value.kind, ExprKind::Poison) {
                return Named::Poison;
            }
            if self.opt_property(class, member) {
                let receiver = Receiver::Interface(Box::new(value));
                let name = member.clone();
                return Named::Property(Property { receiver, class, fixed: false, name, span });
            }
            let message = format!("{} has no property `{}`", self.type_name(value.ty), member.text);
            self.report(Code::UnknownMember, member.span, message);
            return Named::Poison;
        }
        self.no_members(value.ty, member);
        Named::Poison
    }

    pub(super) fn no_members(&mut self, ty: TypeId, member: &Name) {
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
}
