//! References: REF, ADR, `^`, `?=`, `REF=`, pointer arithmetic.

use super::Checker;
use super::place::Named;
use crate::ast::{self, Area, Argument, BinaryOp as Op, Name, RefKind};
use crate::diagnostic::Code;
use crate::hir::{BinaryOp, Expr, ExprKind, Intrinsic, Mode, Place, Root, Step, StmtKind, Value};
use crate::ir::{Cond, IntOp};
use crate::layout::Elementary;
use crate::memory::Memory;
use crate::model::VarKind;
use crate::span::Span;
use crate::types::{Type, TypeId, Types};

impl Checker<'_, '_> {
    /// REF and ADR. `None`: another function.
    pub(super) fn reference_function(
        &mut self,
        name: &Name,
        arguments: &[Argument],
        span: Span,
    ) -> Option<Expr> {
        let kind = match name.key.as_ref() {
            "REF" => RefKind::To,
            "ADR" => RefKind::Pointer,
            "SIZEOF" => return Some(self.size_of(name, arguments, span)),
            "__ISVALIDREF" if self.types().vendor => return Some(self.is_bound(name, arguments, span)),
            _ => return None,
        };
        if kind == RefKind::Pointer {
            self.vendor_extension(name.span, "ADR");
        }
        let [Argument { name: None, value: Some(value), .. }] = arguments else {
            let message = format!("`{}` takes one variable", name.text);
            self.report(Code::WrongArgumentCount, span, message);
            return Some(Self::poison(span));
        };
        let Some(place) = self.variable(value) else { return Some(Self::poison(span)) };
        Some(self.reference_to(place, kind, span))
    }

    /// `__ISVALIDREF(r)`: whether a REFERENCE TO leads anywhere.
    fn is_bound(&mut self, name: &Name, arguments: &[Argument], span: Span) -> Expr {
        let [Argument { name: None, value: Some(value), .. }] = arguments else {
            let message = format!("`{}` takes one REFERENCE TO", name.text);
            self.report(Code::WrongArgumentCount, span, message);
            return Self::poison(span);
        };
        let Named::Place(place) = self.named_raw(value, None, false) else { return Self::poison(span) };
        let Type::Reference { kind: RefKind::Alias, .. } = *self.types().get(place.ty) else {
            if place.ty != Types::POISON {
                let have = self.type_name(place.ty);
                self.report(Code::NotAReference, value.span, format!("{have} is no REFERENCE TO"));
            }
            return Self::poison(span);
        };
        let reference = self.load(place);
        let null = Self::integer(0, Types::NULL, span);
        let kind = ExprKind::Compare(Cond::Ne, Box::new(reference), Box::new(null));
        Expr { kind, ty: Types::BOOL, span }
    }

    /// The reference to a place that lasts.
    pub(super) fn reference_to(&mut self, place: Place, kind: RefKind, span: Span) -> Expr {
        if let Some(why) = self.not_lasting(&place) {
            let source = self.model.excerpt(place.span);
            self.report(Code::ReferenceToTemporary, place.span, format!("`{source}` is {why}"));
            return Self::poison(span);
        }
        let ty = self.model.types.intern(Type::Reference { target: place.ty, kind });
        Expr { kind: ExprKind::Reference(Box::new(place)), ty, span }
    }

    /// Why no reference can lead to a place.
    fn not_lasting(&self, place: &Place) -> Option<&'static str> {
        if self.is_bit(place) {
            return Some("a single bit or character, which has no address");
        }
        let in_out = |step: &Step| match step {
            Step::Member(pou, var) => self.model.pou(*pou).vars[*var].kind == VarKind::InOut,
            _ => false,
        };
        if place.steps.iter().any(in_out) {
            return Some("a VAR_IN_OUT: it lasts no longer than the call");
        }
        match &place.root {
            Root::Local(var) => {
                let pou = self.model.pou(self.scope?);
                let var = &pou.vars[*var];
                match var.kind {
                    VarKind::InOut => Some("a VAR_IN_OUT: it lasts no longer than the call"),
                    VarKind::Temp | VarKind::Result => Some("temporary: it lasts no longer than the call"),
                    VarKind::Input | VarKind::Output if pou.is_on_frame() => {
                        Some("a parameter of a function: it lasts no longer than the call")
                    }
                    _ if var.constant => Some("a constant"),
                    _ if var.is_input_image() => Some("part of the input image"),
                    _ => None,
                }
            }
            Root::Global(global) => {
                let var = &self.model.globals[*global];
                match (var.constant, var.is_input_image()) {
                    (true, _) => Some("a constant"),
                    (_, true) => Some("part of the input image"),
                    _ => None,
                }
            }
            Root::Image { area: Area::Input, .. } => Some("part of the input image"),
            Root::Value(_) => Some("no variable"),
            Root::Image { .. } | Root::This | Root::Reference(_) => None,
        }
    }

    fn size_of(&mut self, name: &Name, arguments: &[Argument], span: Span) -> Expr {
        self.vendor_extension(name.span, "SIZEOF");
        let [Argument { name: None, value: Some(value), .. }] = arguments else {
            self.report(Code::WrongArgumentCount, span, "SIZEOF takes one variable or type");
            return Self::poison(span);
        };
        let named = match &value.kind {
            ast::ExprKind::Name(name) if !self.is_variable(name) => self.model.find_type(name, self.scope),
            _ => None,
        };
        let ty = match named {
            Some(resolved) => resolved.ty,
            None => match self.variable(value) {
                Some(place) => place.ty,
                None => return Self::poison(span),
            },
        };
        self.model.resolve_interfaces();
        let bytes = Memory::new(self.model).size(ty).0;
        Self::integer(i128::from(bytes), Types::ANY_INT, span)
    }

    fn is_variable(&mut self, name: &Name) -> bool {
        let local = self.scope.is_some_and(|pou| self.model.pou(pou).scope.contains_key(&name.key));
        local || matches!(self.model.find(name, self.scope), Some(crate::model::Item::Global(_)))
    }

    /// What `p^` names.
    pub(super) fn dereferenced(&mut self, reference: Expr, span: Span) -> Option<Place> {
        if matches!(reference.kind, ExprKind::Poison) {
            return None;
        }
        let Type::Reference { target, .. } = *self.types().get(reference.ty) else {
            let message = format!("{} is no reference", self.type_name(reference.ty));
            self.report(Code::NotAReference, span, message);
            return None;
        };
        let root = Root::Reference(Box::new(reference));
        Some(Place { root, steps: Vec::new(), ty: target, span })
    }

    /// A reference as another type of reference, or a message.
    pub(super) fn coerce_reference(&mut self, expr: Expr, target: TypeId) -> Expr {
        if let (ExprKind::Const(Value::Int(0)), Types::ANY_INT) = (&expr.kind, expr.ty)
            && self.model.options.dialect == crate::Dialect::Codesys
        {
            return Expr { ty: target, ..expr };
        }
        if expr.ty == Types::NULL
            && matches!(expr.kind, ExprKind::Const(_))
            && self.types().is_reference(target)
        {
            return Expr { ty: target, ..expr };
        }
        let span = expr.span;
        match self.fits_reference(expr.ty, target) {
            Fit::Yes => Expr { kind: ExprKind::Convert(Box::new(expr), Mode::Same), ty: target, span },
            Fit::Foreign => {
                let (have, want) = (self.type_name(expr.ty), self.type_name(target));
                self.report(Code::ForeignPointer, span, format!("{have} does not become {want}"));
                Self::poison(span)
            }
            Fit::No => self.mismatch(&expr, target),
        }
    }

    fn fits_reference(&self, from: TypeId, to: TypeId) -> Fit {
        let types = self.types();
        if from == to {
            return Fit::Yes;
        }
        match (types.get(from), types.get(to)) {
            (Type::Null, _) => Fit::Yes,
            (Type::Interface(from), Type::Interface(to)) => Fit::of(self.model.conforms(*from, *to)),
            (Type::Reference { target: a, kind: from }, Type::Reference { target: b, kind: to }) => {
                let derived = match (types.get(*a), types.get(*b)) {
                    (Type::Instance(a), Type::Instance(b)) => self.model.is_derived(*a, *b),
                    _ => a == b,
                };
                if from != to {
                    return Fit::No;
                }
                if derived {
                    return Fit::Yes;
                }
                match to {
                    RefKind::Pointer if self.model.is_plain(*a) && self.model.is_plain(*b) => Fit::Yes,
                    RefKind::Pointer => Fit::Foreign,
                    _ => Fit::No,
                }
            }
            _ => Fit::No,
        }
    }

    /// Whether the types can lead to one object.
    pub(super) fn comparable_references(&self, a: TypeId, b: TypeId) -> bool {
        let both = |a, b| matches!(self.fits_reference(a, b), Fit::Yes);
        let interfaces =
            matches!((self.types().get(a), self.types().get(b)), (Type::Interface(_), Type::Interface(_)));
        interfaces || both(a, b) || both(b, a)
    }

    /// `target ?= value`: NULL where the object is of another class.
    pub(super) fn attempt(&mut self, target: &ast::Expr, value: &ast::Expr, span: Span) -> Option<StmtKind> {
        let place = self.raw_target(target);
        let want = place.as_ref().map(|place| place.ty);
        let checked = match &place {
            Some(place) if matches!(self.types().get(place.ty), Type::Interface(_)) => {
                self.object_or_value(value)
            }
            _ => self.expr(value, want),
        };
        let place = place?;
        if matches!(checked.kind, ExprKind::Poison) {
            return None;
        }
        let wanted = match *self.types().get(place.ty) {
            Type::Interface(interface) => Some(interface),
            Type::Reference { target, .. } => match *self.types().get(target) {
                Type::Instance(class) => Some(class),
                _ => None,
            },
            _ => {
                let have = self.type_name(place.ty);
                self.report(Code::NotAReference, target.span, format!("{have} is no reference"));
                return None;
            }
        };
        let given = match *self.types().get(checked.ty) {
            Type::Interface(_) => true,
            Type::Reference { target, .. } => matches!(self.types().get(target), Type::Instance(_)),
            _ => false,
        };
        let fits = matches!(self.fits_reference(checked.ty, place.ty), Fit::Yes);
        let (Some(wanted), true, false) = (wanted, given, fits) else {
            let checked = self.coerce(checked, place.ty);
            return (!matches!(checked.kind, ExprKind::Poison)).then_some(StmtKind::Assign(place, checked));
        };
        let classes = self.model.possible_classes(wanted);
        let ty = place.ty;
        let checked = Expr { kind: ExprKind::Attempt(Box::new(checked), classes), ty, span };
        Some(StmtKind::Assign(place, checked))
    }

    /// `r REF= x`
    pub(super) fn bind(&mut self, target: &ast::Expr, value: &ast::Expr) -> Option<StmtKind> {
        let place = self.raw_target(target)?;
        let Type::Reference { target: wanted, kind: RefKind::Alias } = *self.types().get(place.ty) else {
            if place.ty != Types::POISON {
                let have = self.type_name(place.ty);
                self.report(Code::NotAReference, target.span, format!("{have} is no REFERENCE TO"));
            }
            return None;
        };
        let bound = self.alias_to(value, wanted, place.ty)?;
        Some(StmtKind::Assign(place, bound))
    }

    /// What a REFERENCE TO `wanted`, which is of the type `alias`, binds to.
    pub(super) fn alias_to(&mut self, value: &ast::Expr, wanted: TypeId, alias: TypeId) -> Option<Expr> {
        let source = self.expr_or_place(value)?;
        let bound = match source {
            PlaceOrValue::Value(value) => value,
            PlaceOrValue::Place(source) => self.reference_to(source, RefKind::Alias, value.span),
        };
        let have = match self.types().get(bound.ty) {
            Type::Reference { target, .. } => *target,
            _ => bound.ty,
        };
        if matches!(bound.kind, ExprKind::Poison) {
            return None;
        }
        let bound = if have == wanted && !matches!(bound.ty, Types::NULL) {
            let span = bound.span;
            Expr { kind: ExprKind::Convert(Box::new(bound), Mode::Same), ty: alias, span }
        } else {
            self.coerce(bound, alias)
        };
        (!matches!(bound.kind, ExprKind::Poison)).then_some(bound)
    }

    /// NULL and what else is no place, or the place.
    fn expr_or_place(&mut self, value: &ast::Expr) -> Option<PlaceOrValue> {
        match value.kind {
            ast::ExprKind::Null | ast::ExprKind::Literal { .. } => {
                Some(PlaceOrValue::Value(self.expr(value, None)))
            }
            _ => self.variable(value).map(PlaceOrValue::Place),
        }
    }

    /// `p + n`, `p - n`, `p - q`.
    pub(super) fn pointer_arithmetic(&mut self, op: Op, left: Expr, right: Expr, span: Span) -> Expr {
        let pointer = |c: &Self, x: &Expr| {
            matches!(c.types().get(x.ty), Type::Reference { kind: RefKind::Pointer, .. })
        };
        let lint = Types::elementary(Elementary::Lint);
        let (left, right) =
            if op == Op::Add && !pointer(self, &left) { (right, left) } else { (left, right) };
        if op == Op::Subtract && pointer(self, &left) && pointer(self, &right) {
            let kind = ExprKind::Intrinsic(Intrinsic::PointerDistance, vec![left, right]);
            return Expr { kind, ty: lint, span };
        }
        let right = self.settle(right);
        let integer = self.elementary(right.ty).is_some_and(|e| self.types().counts(e));
        if !pointer(self, &left) || !integer || !matches!(op, Op::Add | Op::Subtract) {
            let (a, b) = (self.type_name(left.ty), self.type_name(right.ty));
            self.report(Code::BadOperand, span, format!("{} does not take {a} and {b}", op.text()));
            return Self::poison(span);
        }
        let by = self.as_index(right);
        let by = if op == Op::Subtract { self.make(ExprKind::Negate(Box::new(by)), lint, span) } else { by };
        let ty = left.ty;
        Expr { kind: ExprKind::Intrinsic(Intrinsic::MovePointer, vec![left, by]), ty, span }
    }

    /// `p[i]`: the i-th element behind a pointer.
    pub(super) fn pointer_element(
        &mut self,
        place: Place,
        indices: &[ast::Expr],
        span: Span,
    ) -> Option<Place> {
        let Type::Reference { target, .. } = *self.types().get(place.ty) else { return None };
        let [index] = indices else {
            self.report(Code::WrongIndexCount, span, "a pointer takes one index");
            return None;
        };
        let lint = Types::elementary(Elementary::Lint);
        let index = self.expr(index, None);
        let index = self.settle(index);
        if !self.elementary(index.ty).is_some_and(|e| self.types().counts(e)) {
            let have = self.type_name(index.ty);
            self.report(Code::TypeMismatch, index.span, format!("an index must be an integer, not {have}"));
            return None;
        }
        let index = self.as_index(index);
        let bytes = Memory::new(self.model).size(target).0;
        let stride = Self::integer(i128::from(bytes), lint, span);
        let by = self.lint(BinaryOp::Int(IntOp::Mul), index, stride, span);
        let ty = place.ty;
        let base = Expr { kind: ExprKind::Load(Box::new(place)), ty, span };
        let moved = Expr { kind: ExprKind::Intrinsic(Intrinsic::MovePointer, vec![base, by]), ty, span };
        self.dereferenced(moved, span)
    }

    /// Whether what a place names may be a derived object: its class is known at run time only.
    pub(super) fn is_exact(&self, place: &Place) -> bool {
        match place.steps.last() {
            Some(Step::Member(pou, var)) => self.model.pou(*pou).vars[*var].kind != VarKind::InOut,
            Some(_) => true,
            None => match place.root {
                Root::Local(var) => {
                    self.scope.is_none_or(|pou| self.model.pou(pou).vars[var].kind != VarKind::InOut)
                }
                Root::Global(_) | Root::Image { .. } | Root::Value(_) => true,
                Root::This | Root::Reference(_) => false,
            },
        }
    }
}

enum PlaceOrValue {
    Place(Place),
    Value(Expr),
}

/// Whether one reference can stand for another.
enum Fit {
    Yes,
    No,
    /// A pointer that could forge what lies behind it.
    Foreign,
}

impl Fit {
    fn of(fits: bool) -> Self {
        if fits { Self::Yes } else { Self::No }
    }
}
