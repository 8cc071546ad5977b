//! What a call calls: a function, a method, the body of an instance.

use super::Checker;
use super::object::Method;
use crate::ast::{self, ExprKind as Ast, Name};
use crate::hir::{Place, Receiver};
use crate::model::Item;
use crate::types::{Type, TypeId};

/// What stands before the parenthesis.
pub(super) enum Callee {
    /// A simple or qualified name that is no variable: a function, or nothing known.
    Function(Name),
    /// A variable.
    Place(Place),
    Method(Method, Name),
    /// The body of the base class.
    Base(Place),
    /// Already reported.
    Wrong,
}

impl Checker<'_, '_> {
    pub(super) fn callee(&mut self, callee: &ast::Expr) -> Callee {
        if Self::is_super(callee) {
            return self.base_object(callee.span).map_or(Callee::Wrong, Callee::Base);
        }
        match &callee.kind {
            Ast::Name(name) => {
                let local = self.scope.and_then(|pou| self.model.pou(pou).scope.get(&name.key).copied());
                let is_result =
                    self.scope.is_some_and(|pou| local.is_some() && self.model.pou(pou).result_var == local);
                if local.is_none() || is_result {
                    if let Some(method) = self.own_method(name) {
                        return Callee::Method(method, name.clone());
                    }
                    let class = self.model.class_at(self.scope);
                    let member = class.is_some_and(|c| self.model.pou(c).scope.contains_key(&name.key));
                    let global = match self.model.find(name, self.scope) {
                        Some(Item::Global(_)) => true,
                        Some(Item::Pou(pou)) => self.model.named_program(pou).is_some(),
                        _ => false,
                    };
                    if is_result || !member && !global {
                        return Callee::Function(name.clone());
                    }
                }
            }
            Ast::Member(base, name) => {
                if let Some(path) = self.path_of(base)
                    && matches!(self.model.find(&path, self.scope), Some(Item::Namespace))
                {
                    let full = Name::new(&format!("{}.{}", path.text, name.text), callee.span);
                    if !matches!(self.model.find(&full, self.scope), Some(Item::Global(_))) {
                        return Callee::Function(full);
                    }
                } else if !self.names_variable(base, name) {
                    return self.method_of(base, name);
                }
            }
            _ => {}
        }
        self.variable(callee).map_or(Callee::Wrong, Callee::Place)
    }

    /// A method of the object around.
    fn own_method(&mut self, name: &Name) -> Option<Method> {
        let class = self.model.class_at(self.scope)?;
        let method = self.model.find_method(class, &name.key)?;
        let receiver = Receiver::Object(self.this(name.span)?);
        Some(Method { receiver, class, pou: method, fixed: false })
    }

    /// Whether `base.name` is an instance inside of another, by declarations alone.
    fn names_variable(&mut self, base: &ast::Expr, name: &Name) -> bool {
        match self.declared(base) {
            Some(Type::Instance(pou)) => {
                self.model.find_method(pou, &name.key).is_none()
                    && self.model.pou(pou).scope.contains_key(&name.key)
            }
            Some(Type::Struct(_)) => true,
            _ => false,
        }
    }

    fn declared(&mut self, expr: &ast::Expr) -> Option<Type> {
        let ty = self.declared_type(expr)?;
        Some(self.types().get(ty).clone())
    }

    /// The type of a path of variables, without a word on what is wrong with it.
    fn declared_type(&mut self, expr: &ast::Expr) -> Option<TypeId> {
        let ty = match &expr.kind {
            Ast::Name(name) => {
                let local = self.scope.and_then(|pou| {
                    let pou = self.model.pou(pou);
                    Some(pou.vars[*pou.scope.get(&name.key)?].ty)
                });
                let member = || {
                    let pou = self.model.pou(self.model.class_at(self.scope)?);
                    Some(pou.vars[*pou.scope.get(&name.key)?].ty)
                };
                match local.or_else(member) {
                    Some(ty) => ty,
                    None => match self.model.find(name, self.scope)? {
                        Item::Global(global) => self.model.globals[global].ty,
                        Item::Pou(pou) => {
                            let global = self.model.named_program(pou)?;
                            self.model.globals[global].ty
                        }
                        _ => return None,
                    },
                }
            }
            Ast::Member(base, name) => match self.declared(base)? {
                Type::Instance(pou) => {
                    let pou = self.model.pou(pou);
                    pou.vars[*pou.scope.get(&name.key)?].ty
                }
                Type::Struct(index) => {
                    let fields = &self.types().structs[index].fields;
                    fields.iter().find(|field| field.name.key == name.key)?.ty
                }
                _ => return None,
            },
            Ast::Index(base, _) => match self.declared(base)? {
                Type::Array { element, .. } => element,
                Type::Reference { target, kind: ast::RefKind::Pointer } => target,
                _ => return None,
            },
            Ast::Deref(base) => match self.declared(base)? {
                Type::Reference { target, .. } => target,
                _ => return None,
            },
            _ => return None,
        };
        match *self.types().get(ty) {
            Type::Reference { target, kind: ast::RefKind::Alias } => Some(target),
            _ => Some(ty),
        }
    }

    fn method_of(&mut self, base: &ast::Expr, name: &Name) -> Callee {
        let through_super = Self::is_super(base);
        let named = self.named(base, None, true);
        let Some(method) = self.method_on(named, name) else { return Callee::Wrong };
        let fixed = method.fixed || through_super;
        Callee::Method(Method { fixed, ..method }, name.clone())
    }
}
