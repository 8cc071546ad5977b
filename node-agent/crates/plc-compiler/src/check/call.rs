//! Calls of user functions and of instances.

use super::callee::Callee;
use super::{Checker, convert, standard};
use crate::ast::{self, Argument, Name, PouKind};
use crate::diagnostic::Code;
use crate::hir::{Call, Expr, ExprKind, Place, Receiver};
use crate::model::VarKind;
use crate::span::Span;
use crate::suggest;
use crate::types::{Type, TypeId, Types};

/// Arguments that every function and function block has besides its own.
struct Enabling {
    enable: Option<Expr>,
    enabled: Option<Place>,
}

impl Checker<'_, '_> {
    /// A call inside an expression.
    pub(super) fn call_expression(
        &mut self,
        callee: &ast::Expr,
        arguments: &[Argument],
        want: Option<TypeId>,
        span: Span,
    ) -> Expr {
        match self.callee(callee) {
            Callee::Function(name) => return self.named_call(callee, &name, arguments, want, span),
            Callee::Method(method, name) => return self.method_call(method, &name, arguments, span),
            Callee::Place(place) => self.not_callable(place.ty, callee.span),
            Callee::Base(_) => {
                self.report(Code::NotAValue, callee.span, "the call of a body has no value");
            }
            Callee::Wrong => {}
        }
        self.check_loose(arguments);
        Self::poison(span)
    }

    /// The call of a function by its name.
    fn named_call(
        &mut self,
        callee: &ast::Expr,
        name: &Name,
        arguments: &[Argument],
        want: Option<TypeId>,
        span: Span,
    ) -> Expr {
        if let Some(pou) = self.model.find_pou(name, self.scope) {
            self.model.resolve_interfaces();
            return self.function_call(pou, name, arguments, span);
        }
        if let Some(bound) = self.bound_function(name, arguments, span) {
            return bound;
        }
        if let Some(reference) = self.reference_function(name, arguments, span) {
            return reference;
        }
        if let Some(result) = self.vendor_operator(name, arguments, span) {
            return result;
        }
        if let Some(enabling) = self.standard_enabling(arguments) {
            let rest: Vec<Argument> = arguments.iter().filter(|a| !is_enabling(a)).cloned().collect();
            return self.enabled_call(callee, &rest, enabling, want, span);
        }
        if let Some(result) = self.library_function(name, arguments, span) {
            return result;
        }
        if let Some(conversion) = convert::parse(&name.key) {
            let Some(mut args) = self.positional(name, arguments, &["IN"], 1) else {
                return Self::poison(span);
            };
            let Some(arg) = args.pop() else { return Self::poison(span) };
            return self.conversion(&name.text, &conversion, arg, want, span);
        }
        if let Some(result) = self.standard_call(name, arguments, want, span) {
            return result;
        }
        if self.model.find(name, self.scope).is_some() {
            if let Some(place) = self.variable(callee) {
                self.not_callable(place.ty, callee.span);
            }
        } else {
            self.unknown_function(name);
        }
        self.check_loose(arguments);
        Self::poison(span)
    }

    fn unknown_function(&mut self, name: &Name) {
        let known = self.model.names.keys().map(AsRef::as_ref).chain(standard::NAMES.iter().copied());
        let nearest = suggest::nearest(&name.text, known).map(str::to_owned);
        let message = format!("function `{}` is not declared", name.text);
        // Some vendors name a conversion after the enumeration.
        let enumeration = name.key.split_once("_TO_").filter(|(from, to)| {
            let declared = self.model.find_type(&Name::new(from, name.span), self.scope);
            crate::model::elementary_name(to).is_some() && declared.is_some()
        });
        let help = match (enumeration, nearest) {
            (Some((_, to)), _) => Some(format!("write TO_{to}(…)")),
            (None, nearest) => {
                suggest::vendor::help(&name.text).or_else(|| Some(format!("did you mean `{}`?", nearest?)))
            }
        };
        let finding = self.report(Code::UnknownName, name.span, message);
        if let Some(help) = help {
            finding.help(help);
        }
    }

    fn not_callable(&mut self, ty: TypeId, span: Span) {
        if ty == Types::POISON {
            return;
        }
        let source = self.model.excerpt(span);
        if let Type::Instance(_) = self.types().get(ty) {
            self.report(Code::NotAValue, span, format!("the call of the instance `{source}` has no value"))
                .help(format!("call it as a statement, then read `{source}.Q`"));
            return;
        }
        let have = self.type_name(ty);
        self.report(Code::NotCallable, span, format!("`{source}` is a {have} and cannot be called"));
    }

    /// Finds mistakes inside the arguments of a call that is wrong itself.
    pub(super) fn check_loose(&mut self, arguments: &[Argument]) {
        for value in arguments.iter().filter_map(|a| a.value.as_ref()) {
            self.check_loose_value(value);
        }
    }

    /// The argument of a parameter that is not known: an instance may have been right.
    fn check_loose_value(&mut self, value: &ast::Expr) {
        use ast::ExprKind as Ast;
        if matches!(value.kind, Ast::Name(_) | Ast::Member(..) | Ast::Index(..) | Ast::Deref(_) | Ast::This) {
            self.named(value, None, false);
        } else {
            self.expr(value, None);
        }
    }

    /// A call as a statement.
    pub(super) fn statement_call(
        &mut self,
        callee: &ast::Expr,
        arguments: &[Argument],
        span: Span,
    ) -> Option<Expr> {
        match self.callee(callee) {
            Callee::Function(name) => {
                if let Some(pou) = self.model.find_pou(&name, self.scope)
                    && !matches!(self.model.pou(pou).kind, PouKind::Function)
                {
                    let what = self.model.pou(pou).kind.text();
                    let message = format!("`{}` is a {what}: only instances of it can be called", name.text);
                    self.report(Code::NotCallable, callee.span, message)
                        .help(format!("declare `x : {};` in VAR and call `x(…)`", name.text));
                    return None;
                }
                Some(self.named_call(callee, &name, arguments, None, span))
            }
            Callee::Method(method, name) => Some(self.method_call(method, &name, arguments, span)),
            Callee::Base(place) => self.instance_call(place, true, callee.span, arguments, span),
            Callee::Place(place) => self.instance_call(place, false, callee.span, arguments, span),
            Callee::Wrong => {
                self.check_loose(arguments);
                None
            }
        }
    }

    fn instance_call(
        &mut self,
        place: Place,
        fixed: bool,
        callee: Span,
        arguments: &[Argument],
        span: Span,
    ) -> Option<Expr> {
        match *self.types().get(place.ty) {
            Type::Instance(pou) if self.model.pou(pou).kind == PouKind::Class => {
                let name = self.model.pou(pou).name.text.clone();
                self.report(
                    Code::NotCallable,
                    callee,
                    format!("`{name}` is a class: it has methods, no body"),
                );
                None
            }
            Type::Instance(pou) => self.body_call(pou, place, fixed, arguments, span),
            _ => {
                self.not_callable(place.ty, callee);
                None
            }
        }
    }

    pub(super) fn used(&mut self, callee: usize, span: Span) {
        if let Some(pou) = self.scope {
            self.model.pous[pou].uses.push((callee, span));
        }
    }

    fn function_call(&mut self, pou: usize, name: &Name, arguments: &[Argument], span: Span) -> Expr {
        let kind = self.model.pou(pou).kind;
        if kind != PouKind::Function {
            let message = format!("`{}` is a {}, which has no value", name.text, kind.text());
            self.report(Code::NotCallable, name.span, message)
                .help(format!("declare an instance `x : {};` in VAR and call `x(…)`", name.text));
            return Self::poison(span);
        }
        self.used(pou, name.span);
        let Some(call) = self.arguments(pou, name, arguments, span) else { return Self::poison(span) };
        let ty = self.model.pou(pou).result.unwrap_or(Types::VOID);
        Expr { kind: ExprKind::Call(Box::new(call)), ty, span }
    }

    /// Binds arguments to parameters. `None`: already reported.
    pub(super) fn arguments(
        &mut self,
        pou: usize,
        name: &Name,
        arguments: &[Argument],
        span: Span,
    ) -> Option<Call> {
        let mut call = Call {
            pou,
            receiver: Receiver::None,
            dispatch: None,
            enable: None,
            enabled: None,
            inputs: Vec::new(),
            in_outs: Vec::new(),
            outputs: Vec::new(),
        };
        let mut ok = true;
        let named = arguments.iter().filter(|a| a.name.is_some()).count();
        if named != 0 && named != arguments.len() {
            let message = format!("the call of `{}` mixes named and positional arguments", name.text);
            self.report(Code::MixedArguments, span, message);
            return None;
        }
        if named == 0 && !arguments.is_empty() {
            let takes: Vec<usize> = (0..self.model.pou(pou).vars.len())
                .filter(|v| {
                    let var = &self.model.pou(pou).vars[*v];
                    matches!(var.kind, VarKind::Input | VarKind::InOut) && !var.open_output
                })
                .collect();
            if takes.len() != arguments.len() {
                let message =
                    format!("`{}` takes {} arguments, not {}", name.text, takes.len(), arguments.len());
                let names: Vec<_> =
                    takes.iter().map(|v| self.model.pou(pou).vars[*v].name.text.to_string()).collect();
                self.report(Code::WrongArgumentCount, span, message)
                    .help(format!("its parameters are {}", names.join(", ")));
                return None;
            }
            for (var, argument) in takes.into_iter().zip(arguments) {
                if let Some(value) = &argument.value {
                    ok &= self.bind_input(&mut call, var, value);
                }
            }
        }
        let mut seen = std::collections::HashSet::new();
        let mut enabling = Enabling { enable: None, enabled: None };
        for argument in arguments {
            let Some(parameter) = &argument.name else { continue };
            if !seen.insert(&parameter.key) {
                let message = format!("`{}` is given twice", parameter.text);
                self.report(Code::DuplicateArgument, parameter.span, message);
                ok = false;
                continue;
            }
            ok &= self.bind_named(&mut call, &mut enabling, parameter, argument, name);
        }
        call.enable = enabling.enable;
        call.enabled = enabling.enabled;
        let missing: Vec<String> = self
            .model
            .pou(pou)
            .vars
            .iter()
            .enumerate()
            .filter(|(var, v)| {
                v.kind == VarKind::InOut && !call.in_outs.iter().any(|(bound, _)| bound == var)
            })
            .map(|(_, v)| v.name.text.to_string())
            .collect();
        if ok && !missing.is_empty() {
            let message = format!("`{}` needs its VAR_IN_OUT {}", name.text, missing.join(", "));
            self.report(Code::MissingInOut, span, message);
            ok = false;
        }
        ok.then_some(call)
    }

    fn bind_named(
        &mut self,
        call: &mut Call,
        enabling: &mut Enabling,
        parameter: &Name,
        argument: &Argument,
        callee: &Name,
    ) -> bool {
        let pou = call.pou;
        let found = self.model.pou(pou).scope.get(&parameter.key).copied();
        let found = found.filter(|var| {
            matches!(self.model.pou(pou).vars[*var].kind, VarKind::Input | VarKind::Output | VarKind::InOut)
        });
        let Some(var) = found else {
            match (parameter.key.as_ref(), &argument.value) {
                ("EN", Some(value)) if !argument.output => {
                    enabling.enable = Some(self.condition(value));
                    return true;
                }
                ("ENO", Some(value)) if argument.output => {
                    enabling.enabled = self.enabled_target(value);
                    return true;
                }
                _ => {}
            }
            let names = self.visible_names(pou);
            let nearest =
                suggest::nearest(&parameter.text, names.iter().map(String::as_str)).map(str::to_owned);
            let message = format!("`{}` has no parameter `{}`", callee.text, parameter.text);
            let finding = self.report(Code::UnknownParameter, parameter.span, message);
            if let Some(nearest) = nearest {
                finding.help(format!("did you mean `{nearest}`?"));
            }
            if let Some(value) = &argument.value {
                self.check_loose_value(value);
            }
            return false;
        };
        let open_output = self.model.pou(pou).vars[var].open_output;
        let is_output = open_output || self.model.pou(pou).vars[var].kind == VarKind::Output;
        if is_output != argument.output {
            let arrow = if is_output { "=>" } else { ":=" };
            let what = if is_output { "an output" } else { "an input" };
            let message = format!("`{}` is {what} of `{}`", parameter.text, callee.text);
            self.report(Code::UnknownParameter, argument.span, message)
                .help(format!("write `{} {arrow} …`", parameter.text));
            return false;
        }
        let Some(value) = &argument.value else { return true };
        if !is_output || open_output {
            return self.bind_input(call, var, value);
        }
        let Some(place) = self.target(value) else { return false };
        let ty = self.model.pou(pou).vars[var].ty;
        if !self.types().implicit(ty, place.ty) {
            let (have, want) = (self.type_name(ty), self.type_name(place.ty));
            let message = format!("cannot assign the output `{}` of type {have} to {want}", parameter.text);
            let code = if self.loses(ty, place.ty) { Code::Narrowing } else { Code::TypeMismatch };
            self.report(code, value.span, message).help("read the output after the call and convert it");
            return false;
        }
        call.outputs.push((var, place));
        true
    }

    fn bind_input(&mut self, call: &mut Call, var: usize, value: &ast::Expr) -> bool {
        let (ty, kind) = {
            let var = &self.model.pou(call.pou).vars[var];
            (var.ty, var.kind)
        };
        if kind == VarKind::InOut {
            // What is only read may be a constant.
            let read_only = self.model.pou(call.pou).vars[var].constant;
            let place = if read_only { self.variable(value) } else { self.target(value) };
            let Some(place) = place else { return false };
            let derived = matches!((self.types().get(place.ty), self.types().get(ty)),
                (Type::Instance(a), Type::Instance(b)) if self.model.is_derived(*a, *b));
            let same = place.ty == ty
                || derived
                || self.opens(place.ty, ty)
                || ty == Types::POISON
                || self.any_text(place.ty, ty)
                || self.vendors_twin(place.ty, ty);
            let is_bit = self.is_bit(&place);
            if !same || is_bit {
                let (have, want) = (self.type_name(place.ty), self.type_name(ty));
                let message = if is_bit {
                    "a single bit has no address that VAR_IN_OUT could take".to_owned()
                } else {
                    format!("VAR_IN_OUT needs a variable of type {want}, not {have}")
                };
                self.report(Code::InOutNeedsVariable, value.span, message);
                return false;
            }
            call.in_outs.push((var, place));
            return true;
        }
        let checked = match *self.types().get(ty) {
            Type::Reference { target, kind: ast::RefKind::Alias } => {
                let Some(bound) = self.alias_to(value, target, ty) else { return false };
                bound
            }
            _ => {
                let checked = self.expr(value, Some(ty));
                self.coerce(checked, ty)
            }
        };
        let ok = !matches!(checked.kind, ExprKind::Poison);
        call.inputs.push((var, checked));
        ok
    }

    /// Whether an array can stand where one with open bounds is asked for.
    fn opens(&self, have: TypeId, want: TypeId) -> bool {
        match (self.types().get(have), self.types().get(want)) {
            (
                Type::Array { element: a, dimensions, .. },
                Type::OpenArray { element: b, dimensions: open },
            ) => a == b && dimensions.len() == *open as usize,
            _ => false,
        }
    }

    /// Whether the vendors see no difference: an enumeration and the integer in which it is stored.
    fn vendors_twin(&self, a: TypeId, b: TypeId) -> bool {
        let is_enum = |ty| matches!(self.types().get(ty), Type::Enum(_));
        let is_plain = |ty| matches!(self.types().get(ty), Type::Elementary(_));
        self.types().vendor
            && (is_enum(a) && is_plain(b) || is_plain(a) && is_enum(b))
            && self.types().storage(a) == self.types().storage(b)
    }

    /// Whether both are strings of one width.
    fn any_text(&self, a: TypeId, b: TypeId) -> bool {
        matches!((self.types().get(a), self.types().get(b)),
            (Type::Text { wide: a, .. }, Type::Text { wide: b, .. }) if a == b)
    }

    /// Whether the place is one bit of the image or of a word.
    pub(super) fn is_bit(&self, place: &Place) -> bool {
        use crate::hir::{Root, Step};
        if let Some(last) = place.steps.last() {
            return matches!(last, Step::Part(_, Some(_)) | Step::Character(..));
        }
        let address = match place.root {
            Root::Image { bit, .. } => return bit.is_some(),
            Root::This | Root::Reference(_) | Root::Value(_) => return false,
            Root::Local(var) => self.scope.and_then(|pou| self.model.pou(pou).vars[var].address),
            Root::Global(global) => self.model.globals[global].address,
        };
        address.is_some_and(|(address, _)| address.at.is_some_and(|at| at.bits == 1))
    }

    /// The BOOL that ENO goes to.
    fn enabled_target(&mut self, value: &ast::Expr) -> Option<Place> {
        let place = self.target(value)?;
        if !matches!(place.ty, Types::BOOL | Types::POISON) {
            let have = self.type_name(place.ty);
            self.report(Code::TypeMismatch, value.span, format!("ENO is BOOL, not {have}"));
            return None;
        }
        Some(place)
    }

    /// EN and ENO of a standard function.
    fn standard_enabling(&mut self, arguments: &[Argument]) -> Option<Enabling> {
        if !arguments.iter().any(is_enabling) {
            return None;
        }
        let mut enabling = Enabling { enable: None, enabled: None };
        for argument in arguments.iter().filter(|a| is_enabling(a)) {
            let Some(value) = &argument.value else { continue };
            if argument.output {
                enabling.enabled = self.enabled_target(value);
            } else {
                enabling.enable = Some(self.condition(value));
            }
        }
        Some(enabling)
    }

    /// A standard function that runs only if EN, and tells by ENO whether it could.
    fn enabled_call(
        &mut self,
        callee: &ast::Expr,
        arguments: &[Argument],
        enabling: Enabling,
        want: Option<TypeId>,
        span: Span,
    ) -> Expr {
        // What is folded tells no error.
        let unfolded = enabling.enabled.as_ref().map(|_| span);
        let outer = std::mem::replace(&mut self.unfolded, unfolded);
        let value = self.call_expression(callee, arguments, want, span);
        self.unfolded = outer;
        let value = self.settle(value);
        if matches!(value.kind, ExprKind::Poison) {
            return value;
        }
        let enable = enabling.enable.unwrap_or_else(|| Self::integer(1, Types::BOOL, span));
        let ty = value.ty;
        let kind = ExprKind::Enabled {
            enable: Box::new(enable),
            enabled: enabling.enabled.map(Box::new),
            value: Box::new(value),
        };
        Expr { kind, ty, span }
    }

    /// Arguments of a standard function by position or name; extensible ones have more than `names`.
    pub(super) fn positional(
        &mut self,
        name: &Name,
        arguments: &[Argument],
        names: &[&str],
        least: usize,
    ) -> Option<Vec<Expr>> {
        let mut slots: Vec<Option<Expr>> = Vec::new();
        let mut ok = true;
        for (position, argument) in arguments.iter().enumerate() {
            let slot = match &argument.name {
                None => Some(position),
                Some(parameter) => names
                    .iter()
                    .position(|n| *n == parameter.key.as_ref())
                    .or_else(|| extensible(&parameter.key, names)),
            };
            let (Some(slot), Some(value), false) = (slot, &argument.value, argument.output) else {
                let text = argument.name.as_ref().map_or("", |n| &n.text);
                let message = format!("`{}` has no parameter `{text}`", name.text);
                self.report(Code::UnknownParameter, argument.span, message)
                    .help(format!("its parameters are {}", names.join(", ")));
                ok = false;
                continue;
            };
            let checked = self.expr(value, None);
            ok &= !matches!(checked.kind, ExprKind::Poison);
            if checked.ty == Types::VOID {
                self.report(Code::NoResult, checked.span, "the function gives no result");
                ok = false;
            }
            if slots.len() <= slot {
                slots.resize(slot + 1, None);
            }
            if slots[slot].replace(checked).is_some() {
                self.report(Code::DuplicateArgument, argument.span, "this parameter is given twice");
                ok = false;
            }
        }
        if !ok {
            return None;
        }
        let found = slots.len();
        let complete: Option<Vec<Expr>> = slots.into_iter().collect();
        match complete {
            Some(list) if list.len() >= least => Some(list),
            _ => {
                let message = format!("`{}` takes {} arguments, not {found}", name.text, least);
                self.report(Code::WrongArgumentCount, name.span, message);
                None
            }
        }
    }
}

fn is_enabling(argument: &Argument) -> bool {
    let key = argument.name.as_ref().map(|name| name.key.as_ref());
    match key {
        Some("EN") => !argument.output,
        Some("ENO") => argument.output,
        _ => false,
    }
}

/// Position of `IN7` in a function whose inputs go on without end; bounded by what anyone writes.
fn extensible(key: &str, names: &[&str]) -> Option<usize> {
    let first = names.iter().position(|n| n.starts_with("IN") && n.len() > 2)?;
    let base: usize = names[first][2..].parse().ok()?;
    let number: usize = key.strip_prefix("IN")?.parse().ok()?;
    let slot = first + number.checked_sub(base)?;
    (slot < 256).then_some(slot)
}
