//! Objects: methods, properties, THIS and SUPER, interfaces.

use super::Checker;
use super::place::{Named, Property};
use crate::ast::{self, Accessor, Argument, ExprKind as Ast, Name, PouKind};
use crate::diagnostic::Code;
use crate::hir::{Call, Expr, ExprKind, Place, Receiver, Root, Step, StmtKind};
use crate::model::VarKind;
use crate::model::object::{BODY, Dispatch};
use crate::span::Span;
use crate::suggest;
use crate::types::{Type, TypeId, Types};
use std::rc::Rc;

/// A method with the object that it works on.
pub(super) struct Method {
    pub(super) receiver: Receiver,
    /// Class or interface that the caller sees.
    pub(super) class: usize,
    pub(super) pou: usize,
    /// The class decides, not the object.
    pub(super) fixed: bool,
}

impl Checker<'_, '_> {
    /// THIS, as an instance of the class around.
    pub(super) fn this(&mut self, span: Span) -> Option<Place> {
        let Some(class) = self.model.class_at(self.scope) else {
            self.report(
                Code::NoObject,
                span,
                "THIS is for methods and bodies of classes and function blocks",
            );
            return None;
        };
        let ty = self.model.types.intern(Type::Instance(class));
        Some(Place { root: Root::This, steps: Vec::new(), ty, span })
    }

    /// SUPER: the same object, as one of the base class.
    pub(super) fn base_object(&mut self, span: Span) -> Option<Place> {
        let base = self.model.class_at(self.scope).and_then(|class| self.model.pou(class).base);
        let Some(base) = base else {
            self.report(Code::NoObject, span, "SUPER is for methods and bodies of what EXTENDS something");
            return None;
        };
        let ty = self.model.types.intern(Type::Instance(base));
        Some(Place { root: Root::This, steps: Vec::new(), ty, span })
    }

    /// A variable of the object that a method works on.
    pub(super) fn own_member(&mut self, class: usize, var: usize, span: Span, writing: bool) -> Named {
        let variable = &self.model.pou(class).vars[var];
        let (kind, ty, constant, name) =
            (variable.kind, variable.ty, variable.constant, variable.name.clone());
        if ty == Types::POISON {
            return Named::Poison;
        }
        match kind {
            VarKind::InOut if self.types().vendor => self.model.in_outs_shared = true,
            VarKind::InOut => {
                let message = format!("`{}` is a VAR_IN_OUT: only the body can use it", name.text);
                self.report(Code::InOutInMethod, span, message)
                    .help("pass it to the method as a VAR_IN_OUT of its own");
                return Named::Poison;
            }
            VarKind::Temp => {
                let message = format!("`{}` is a VAR_TEMP: only the body can use it", name.text);
                self.report(Code::InOutInMethod, span, message);
                return Named::Poison;
            }
            VarKind::External(global) => return self.global(global, span, writing),
            _ => {}
        }
        if constant && !writing && self.is_simple(ty) {
            return self.constant_reference(Some(class), var, ty, span);
        }
        if let Some(root) = self.located_root(class, var) {
            return Named::Place(Place { root, steps: Vec::new(), ty, span });
        }
        Named::Place(Place { root: Root::This, steps: vec![Step::Member(class, var)], ty, span })
    }

    /// The property of that name of a class or interface.
    pub(super) fn opt_property(&self, class: usize, name: &Name) -> bool {
        [Accessor::Get, Accessor::Set]
            .into_iter()
            .any(|accessor| self.model.find_method(class, &accessor.key(&name.key)).is_some())
    }

    /// Reads a property.
    pub(super) fn get_property(&mut self, property: Property) -> Expr {
        let span = property.span;
        let key = Accessor::Get.key(&property.name.key);
        let Some(method) = self.model.find_method(property.class, &key) else {
            let message = format!("the property `{}` is write only: it has no GET", property.name.text);
            self.report(Code::BadProperty, span, message);
            return Self::poison(span);
        };
        let method =
            Method { receiver: property.receiver, class: property.class, pou: method, fixed: property.fixed };
        self.method_call(method, &property.name, &[], span)
    }

    /// Writes a property.
    pub(super) fn set_property(&mut self, property: Property, value: &ast::Expr) -> Option<StmtKind> {
        let span = property.span;
        let key = Accessor::Set.key(&property.name.key);
        let Some(method) = self.model.find_method(property.class, &key) else {
            let message = format!("the property `{}` is read only: it has no SET", property.name.text);
            self.report(Code::BadProperty, span, message);
            self.expr(value, None);
            return None;
        };
        let method =
            Method { receiver: property.receiver, class: property.class, pou: method, fixed: property.fixed };
        let argument = Argument { name: None, output: false, value: Some(value.clone()), span: value.span };
        let call = self.method_call(method, &property.name, &[argument], span);
        (!matches!(call.kind, ExprKind::Poison)).then_some(StmtKind::Evaluate(call))
    }

    pub(super) fn method_call(
        &mut self,
        target: Method,
        name: &Name,
        arguments: &[Argument],
        span: Span,
    ) -> Expr {
        let Method { receiver, class, pou: method, fixed } = target;
        let owner = self.model.pou(method).owner.unwrap_or(class);
        let access = self.model.method_access(method);
        if !self.model.accessible(owner, access, self.scope) {
            let message =
                format!("`{}` is {} in `{}`", name.text, access.text(), self.model.pou(owner).name.text);
            self.report(Code::NotAccessible, name.span, message);
            self.check_loose(arguments);
            return Self::poison(span);
        }
        let decl = self.model.pou(method).decl;
        if fixed && decl.modifiers.is_abstract && !matches!(receiver, Receiver::Interface(_)) {
            let message = format!("`{}` is ABSTRACT in `{}`", name.text, self.model.pou(owner).name.text);
            self.report(Code::AbstractCalled, name.span, message);
            return Self::poison(span);
        }
        let key = Rc::clone(&decl.name.key);
        let dispatch = if fixed {
            self.used(method, name.span);
            None
        } else {
            self.dispatched(class, Rc::clone(&key), name.span);
            Some((class, key))
        };
        let Some(call) = self.arguments(method, name, arguments, span) else { return Self::poison(span) };
        let ty = self.model.pou(method).result.unwrap_or(Types::VOID);
        let call = Call { receiver, dispatch, ..call };
        Expr { kind: ExprKind::Call(Box::new(call)), ty, span }
    }

    fn dispatched(&mut self, class: usize, method: Rc<str>, span: Span) {
        if let Some(pou) = self.scope {
            self.model.pous[pou].dispatches.push(Dispatch { class, method, span });
        }
    }

    /// The call of the body of an instance; of a derived one, if the place may hold one.
    pub(super) fn body_call(
        &mut self,
        pou: usize,
        place: Place,
        fixed: bool,
        arguments: &[Argument],
        span: Span,
    ) -> Option<Expr> {
        self.model.resolve_interfaces();
        let callee_span = place.span;
        let dispatch = if fixed || self.is_exact(&place) || self.model.pou(pou).derived.is_empty() {
            self.used(pou, callee_span);
            None
        } else {
            self.dispatched(pou, BODY.into(), callee_span);
            Some((pou, BODY.into()))
        };
        let name = self.model.pou(pou).name.clone();
        let call = self.arguments(pou, &name, arguments, span)?;
        let call = Call { receiver: Receiver::Object(place), dispatch, ..call };
        Some(Expr { kind: ExprKind::Call(Box::new(call)), ty: Types::VOID, span })
    }

    /// The method of that name on an object or interface. `None`: reported.
    pub(super) fn method_on(&mut self, base: Named, name: &Name) -> Option<Method> {
        let (receiver, class, fixed) = match base {
            Named::Poison => return None,
            Named::Place(place) => match *self.types().get(place.ty) {
                Type::Instance(class) => {
                    let fixed = self.is_exact(&place);
                    (Receiver::Object(place), class, fixed)
                }
                Type::Interface(class) => {
                    let value = self.load(place);
                    (Receiver::Interface(Box::new(value)), class, false)
                }
                _ => {
                    self.no_members(place.ty, name);
                    return None;
                }
            },
            Named::Value(value) => match *self.types().get(value.ty) {
                Type::Interface(class) => (Receiver::Interface(Box::new(value)), class, false),
                _ => {
                    self.no_members(value.ty, name);
                    return None;
                }
            },
            Named::Property(property) => {
                let value = self.get_property(property);
                if matches!(value.kind, ExprKind::Poison) {
                    return None;
                }
                return self.method_on(Named::Value(value), name);
            }
        };
        if let Some(method) = self.model.find_method(class, &name.key) {
            return Some(Method { receiver, class, pou: method, fixed });
        }
        let mut known: Vec<String> = self
            .model
            .lineage(class)
            .flat_map(|c| self.model.pou(c).methods.values())
            .map(|method| self.model.pou(*method).decl)
            .filter(|decl| decl.accessor.is_none())
            .map(|decl| decl.name.text.to_string())
            .collect();
        known.sort();
        let ty = self.model.pou(class).name.text.clone();
        let message = format!("{ty} has no method `{}`", name.text);
        let nearest = suggest::nearest(&name.text, known.iter().map(String::as_str)).map(str::to_owned);
        let finding = self.report(Code::UnknownMember, name.span, message);
        if let Some(nearest) = nearest {
            finding.help(format!("did you mean `{nearest}`?"));
        } else if !known.is_empty() && known.len() <= 8 {
            finding.help(format!("it has {}", known.join(", ")));
        }
        None
    }

    /// An object where an interface is wanted: its reference.
    pub(super) fn object_as_interface(&mut self, place: Place, interface: usize) -> Expr {
        let span = place.span;
        let Type::Instance(class) = *self.types().get(place.ty) else { return Self::poison(span) };
        if !self.model.conforms(class, interface) {
            let (have, want) = (self.type_name(place.ty), self.model.pou(interface).name.text.to_string());
            self.report(Code::TypeMismatch, span, format!("`{have}` does not implement `{want}`"));
            return Self::poison(span);
        }
        let reference = self.reference_to(place, ast::RefKind::To, span);
        if matches!(reference.kind, ExprKind::Poison) {
            return reference;
        }
        let ty = self.model.types.intern(Type::Interface(interface));
        Expr { ty, ..reference }
    }

    /// An object as a reference to it, anything else as its value.
    pub(super) fn object_or_value(&mut self, value: &ast::Expr) -> Expr {
        match self.named(value, None, false) {
            Named::Poison => Self::poison(value.span),
            Named::Value(value) => value,
            Named::Property(property) => self.get_property(property),
            Named::Place(place) if matches!(self.types().get(place.ty), Type::Instance(_)) => {
                self.reference_to(place, ast::RefKind::To, value.span)
            }
            Named::Place(place) => self.load(place),
        }
    }

    /// The interface that the context wants.
    pub(super) fn wanted_interface(&self, want: Option<TypeId>) -> Option<usize> {
        match *self.types().get(want?) {
            Type::Interface(interface) => Some(interface),
            _ => None,
        }
    }

    /// Whether code here may use the variable of another object.
    pub(super) fn may_use(&mut self, class: usize, var: usize, member: &Name) -> bool {
        // A test looks inside.
        if self.model.is_testing(self.scope) {
            return true;
        }
        let owner = self.model.declarer(class, var);
        let (access, kind) = (self.model.pou(class).vars[var].access, self.model.pou(class).vars[var].kind);
        // With the vendors what is local can be read from everywhere, and that of a program written too.
        if self.types().vendor && kind == VarKind::Local && access == ast::Access::Protected {
            return true;
        }
        if self.model.accessible(owner, access, self.scope) {
            return true;
        }
        let what = self.model.pou(class).name.text.clone();
        if kind == VarKind::Local
            && access == ast::Access::Protected
            && self.model.pou(class).kind != PouKind::Class
        {
            let message =
                format!("`{}` is internal to {what}: only its inputs and outputs are visible", member.text);
            self.report(Code::UnknownMember, member.span, message);
        } else {
            let message = format!("`{}` is {} in `{what}`", member.text, access.text());
            self.report(Code::NotAccessible, member.span, message);
        }
        false
    }

    /// SUPER, also as `SUPER^`.
    pub(super) fn is_super(expr: &ast::Expr) -> bool {
        match &expr.kind {
            Ast::Super => true,
            Ast::Deref(inner) => matches!(inner.kind, Ast::Super),
            _ => false,
        }
    }
}
