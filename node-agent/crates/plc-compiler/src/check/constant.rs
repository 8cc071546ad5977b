//! Constant expressions and initial values.

use super::Checker;
use crate::ast::{self, Address, ExprKind as Ast};
use crate::diagnostic::Code;
use crate::hir::{Expr, ExprKind, FixedPlace, FixedRoot, FixedStep, Init, Mode, Place, Root, Step, Value};
use crate::model::{ConstantState, Model};
use crate::types::{Type, TypeId, Types};

/// Values that a repeated group of several values may come to: they are kept one by one.
const MAX_PATTERN: u64 = 1 << 20;

/// The value of a constant expression, converted to `want` where given.
pub(crate) fn constant(
    model: &mut Model<'_>,
    scope: Option<usize>,
    expr: &ast::Expr,
    want: Option<TypeId>,
) -> Option<(Value, TypeId)> {
    let mut checker = Checker::new(model, scope);
    let checked = checker.expr(expr, want);
    let checked = match want {
        Some(want) => checker.coerce(checked, want),
        None => checked,
    };
    checker.constant_value(&checked)
}

/// The value of a constant expression that must be an integer (or enumeration value).
pub(crate) fn constant_integer(
    model: &mut Model<'_>,
    scope: Option<usize>,
    expr: &ast::Expr,
) -> Option<i128> {
    if let (Value::Int(value), _) = constant(model, scope, expr, None)? {
        Some(value)
    } else {
        model.sink.report(Code::TypeMismatch, expr.span, "an integer is needed here");
        None
    }
}

/// The initial value of a variable of type `ty`.
pub(crate) fn initial_value(
    model: &mut Model<'_>,
    scope: Option<usize>,
    expr: &ast::Expr,
    ty: TypeId,
) -> Option<Init> {
    Checker::new(model, scope).initial(expr, ty)
}

impl Checker<'_, '_> {
    fn constant_value(&mut self, checked: &Expr) -> Option<(Value, TypeId)> {
        match &checked.kind {
            ExprKind::Const(value) => Some((value.clone(), checked.ty)),
            ExprKind::Poison => None,
            _ => {
                let source = self.model.excerpt(checked.span);
                let message = format!("`{source}` is not constant");
                self.report(Code::NotConstant, checked.span, message);
                None
            }
        }
    }

    fn initial(&mut self, expr: &ast::Expr, ty: TypeId) -> Option<Init> {
        if ty == Types::POISON {
            return None;
        }
        match (&expr.kind, self.types().get(ty).clone()) {
            (Ast::Error, _) => None,
            (Ast::Elements(elements), Type::Array { element, dimensions, .. }) => {
                let total = Types::count(&dimensions);
                self.initial_elements(elements, element, total, expr)
            }
            (Ast::Members(members), Type::Struct(index)) => {
                let mut inits = Vec::new();
                for (name, value) in members {
                    let fields = &self.types().structs[index].fields;
                    let Some(field) = fields.iter().position(|f| f.name.key == name.key) else {
                        let names: Vec<_> = fields.iter().map(|f| f.name.text.to_string()).collect();
                        self.unknown_member(name, ty, &names);
                        continue;
                    };
                    let field_ty = fields[field].ty;
                    inits.extend(self.initial(value, field_ty).map(|init| (field, init)));
                }
                Some(Init::Members(inits))
            }
            (Ast::Members(members), Type::Instance(pou)) => {
                let mut inits = Vec::new();
                for (name, value) in members {
                    let found = self.model.pou(pou).scope.get(&name.key).copied();
                    let found = found.filter(|var| self.visible_outside(pou, *var));
                    let Some(var) = found else {
                        let names = self.visible_names(pou);
                        self.unknown_member(name, ty, &names);
                        continue;
                    };
                    let var_ty = self.model.pou(pou).vars[var].ty;
                    inits.extend(self.initial(value, var_ty).map(|init| (var, init)));
                }
                Some(Init::Members(inits))
            }
            (Ast::Elements(_) | Ast::Members(_), _) => {
                let message = format!("this is no initial value for {}", self.type_name(ty));
                self.report(Code::InitialiserShape, expr.span, message);
                None
            }
            (_, Type::Array { .. } | Type::Struct(_) | Type::Instance(_)) => self.initial_copy(expr, ty),
            (_, Type::Reference { .. }) => self.initial_reference(expr, ty),
            _ => {
                let (value, _) = constant(self.model, self.scope, expr, Some(ty))?;
                Some(Init::Value(value))
            }
        }
    }

    /// NULL, or `REF(x)` of a variable that lasts.
    fn initial_reference(&mut self, expr: &ast::Expr, ty: TypeId) -> Option<Init> {
        let checked = self.expr(expr, Some(ty));
        let mut checked = self.coerce(checked, ty);
        while let ExprKind::Convert(inner, Mode::Same) = checked.kind {
            checked = *inner;
        }
        if let ExprKind::Reference(place) = &checked.kind {
            if let Some(place) = self.fixed_place(place) {
                return Some(Init::Reference(Box::new(place)));
            }
            let source = self.model.excerpt(place.span);
            let message = format!("where `{source}` is, is not constant");
            self.report(Code::NotConstant, place.span, message).help("assign the reference in the body");
            return None;
        }
        self.constant_value(&checked).map(|(value, _)| Init::Value(value))
    }

    /// The place if it is the same at every call.
    fn fixed_place(&self, place: &Place) -> Option<FixedPlace> {
        let root = match place.root {
            Root::Local(var) => match self.model.pou(self.scope?).vars[var].address {
                Some((Address { area, at }, _)) => FixedRoot::Image(area, at?.byte),
                None => FixedRoot::Member(self.scope?, var),
            },
            Root::Global(global) => FixedRoot::Global(global),
            Root::Image { area, byte, bit: None } => FixedRoot::Image(area, byte),
            _ => return None,
        };
        let mut steps = Vec::new();
        for step in &place.steps {
            steps.push(match step {
                Step::Field(index, field) => FixedStep::Field(*index, *field),
                Step::Member(pou, var) => FixedStep::Member(*pou, *var),
                Step::Part(byte, None) => FixedStep::Part(*byte),
                Step::Index(array, indices) => self.fixed_element(*array, indices)?,
                Step::Part(_, Some(_)) | Step::Character(..) => return None,
            });
        }
        Some(FixedPlace { root, steps, ty: place.ty })
    }

    fn fixed_element(&self, array: TypeId, indices: &[Expr]) -> Option<FixedStep> {
        let Type::Array { element, dimensions, .. } = self.types().get(array) else { return None };
        let mut position = 0i128;
        for (index, (low, high)) in indices.iter().zip(dimensions.iter()) {
            let ExprKind::Const(Value::Int(index)) = index.kind else { return None };
            let (low, high) = (i128::from(*low), i128::from(*high));
            position = position * (high - low + 1) + (index - low);
        }
        Some(FixedStep::Element(*element, u32::try_from(position).ok()?))
    }

    /// A structured constant as the initial value of another variable.
    fn initial_copy(&mut self, expr: &ast::Expr, ty: TypeId) -> Option<Init> {
        if let Some((pou, var)) = self.constant_variable(expr) {
            let (init, scope, var_ty) = match pou {
                Some(pou) => {
                    let var = &self.model.pous[pou].vars[var];
                    (var.init, Some(pou), var.ty)
                }
                None => (self.model.globals[var].init, None, self.model.globals[var].ty),
            };
            if let Some(init) = init
                && var_ty == ty
            {
                return initial_value(self.model, scope, init, ty);
            }
        }
        let shape = if matches!(self.types().get(ty), Type::Array { .. }) {
            "[…]"
        } else {
            "(member := value, …)"
        };
        let message = format!("the initial value of {} has the form {shape}", self.type_name(ty));
        self.report(Code::InitialiserShape, expr.span, message);
        None
    }

    /// A name of a CONSTANT: POU (none for a global) and index.
    fn constant_variable(&mut self, expr: &ast::Expr) -> Option<(Option<usize>, usize)> {
        let Ast::Name(name) = &expr.kind else { return None };
        if let Some(pou) = self.scope
            && let Some(var) = self.model.pou(pou).scope.get(&name.key)
        {
            return self.model.pou(pou).vars[*var].constant.then_some((Some(pou), *var));
        }
        match self.model.find(name, self.scope) {
            Some(crate::model::Item::Global(global)) if self.model.globals[global].constant => {
                Some((None, global))
            }
            _ => None,
        }
    }

    fn initial_elements(
        &mut self,
        elements: &[(Option<ast::Expr>, Vec<ast::Expr>)],
        element: TypeId,
        total: u64,
        whole: &ast::Expr,
    ) -> Option<Init> {
        let mut runs: Vec<(u64, Init)> = Vec::new();
        let mut filled = 0u64;
        for (count, values) in elements {
            let (count, values) = match (count, values.as_slice()) {
                (Some(count), values) => (Some(count), values.iter().collect::<Vec<_>>()),
                (None, [one]) => match &one.kind {
                    // `N(0)` with a constant N.
                    Ast::Call(callee, args) if self.constant_variable(callee).is_some() => {
                        (Some(&**callee), args.iter().filter_map(|a| a.value.as_ref()).collect())
                    }
                    _ => (None, vec![one]),
                },
                (None, values) => (None, values.iter().collect()),
            };
            let count = match count {
                None => 1,
                Some(count) => match constant_integer(self.model, self.scope, count)? {
                    n if n < 0 => 0,
                    n => u64::try_from(n).unwrap_or(u64::MAX),
                },
            };
            let mut inner = Vec::new();
            for value in values {
                inner.push(self.initial(value, element)?);
            }
            let added = count.saturating_mul(inner.len().max(1) as u64);
            filled = filled.saturating_add(added);
            if filled > total {
                let message = format!("{filled} values for {total} elements");
                self.report(Code::TooManyValues, whole.span, message);
                return None;
            }
            if inner.len() > 1 && added > MAX_PATTERN {
                let message = format!("a repeated group makes at most {MAX_PATTERN} values, not {added}");
                self.report(Code::TooManyValues, whole.span, message);
                return None;
            }
            if inner.is_empty() {
                // `5()`: five elements keep the default of their type.
                inner.push(Init::Members(Vec::new()));
            }
            if let [one] = inner.as_slice() {
                runs.push((count, one.clone()));
            } else {
                for _ in 0..count {
                    runs.extend(inner.iter().map(|init| (1, init.clone())));
                }
            }
        }
        if filled < total {
            let message =
                format!("{filled} values for {total} elements: the others start with their default");
            self.report(Code::TooFewValues, whole.span, message);
        }
        Some(Init::Elements(runs))
    }

    /// The value of a CONSTANT variable of a scalar or string type, computed at its first use.
    pub(super) fn value_of_constant(&mut self, pou: Option<usize>, var: usize) -> Option<Value> {
        // Names in the value of an inherited constant are those of its own class.
        let pou = pou.map(|pou| self.model.declarer(pou, var));
        let space = if pou.is_none() { self.model.globals[var].space } else { 0 };
        let outer = std::mem::replace(&mut self.model.space, space);
        let value = self.computed_constant(pou, var);
        self.model.space = outer;
        value
    }

    fn computed_constant(&mut self, pou: Option<usize>, var: usize) -> Option<Value> {
        let entry = match pou {
            Some(pou) => &mut self.model.pous[pou].vars[var],
            None => &mut self.model.globals[var],
        };
        let (ty, init, span) = (entry.ty, entry.init, entry.name.span);
        match &entry.value {
            ConstantState::Done(value) => return value.clone(),
            ConstantState::Running => {
                let message = format!("constant `{}` depends on itself", entry.name.text);
                self.report(Code::RecursiveConstant, span, message);
                return None;
            }
            ConstantState::Open => entry.value = ConstantState::Running,
        }
        let default = entry.default;
        let value = match init {
            Some(init) if self.model.enter(span) => {
                let value = constant(self.model, pou, init, Some(ty)).map(|(value, _)| value);
                self.model.leave();
                value
            }
            Some(_) => None,
            None => match default.map(|index| &self.model.inits[index]) {
                Some(Init::Value(value)) => Some(value.clone()),
                _ => None,
            },
        };
        let state = ConstantState::Done(value.clone());
        match pou {
            Some(pou) => self.model.pous[pou].vars[var].value = state,
            None => self.model.globals[var].value = state,
        }
        value
    }

    pub(super) fn visible_outside(&self, pou: usize, var: usize) -> bool {
        use crate::model::VarKind;
        let pou = self.model.pou(pou);
        let var = &pou.vars[var];
        match var.kind {
            VarKind::Input | VarKind::Output | VarKind::InOut => true,
            // The variables of a program and locals of function blocks can be read for supervision.
            VarKind::Local => !pou.is_on_frame() && !var.hidden,
            _ => false,
        }
    }

    pub(super) fn visible_names(&self, pou: usize) -> Vec<String> {
        let vars = &self.model.pou(pou).vars;
        (0..vars.len())
            .filter(|v| self.visible_outside(pou, *v))
            .map(|v| vars[v].name.text.to_string())
            .collect()
    }
}
