//! Elements of arrays and strings, parts of words, direct addresses.

use super::Checker;
use super::place::Named;
use crate::ast::{self, Address, Argument, Name, Part, RefKind};
use crate::diagnostic::Code;
use crate::hir::{Expr, ExprKind, Place, Root, Step, Value};
use crate::layout::Elementary;
use crate::span::Span;
use crate::types::{self, Type, TypeId, Types};

impl Checker<'_, '_> {
    pub(super) fn not_indexable(&mut self, ty: TypeId, span: Span) -> Named {
        if ty != Types::POISON {
            let message = format!("{} has no elements", self.type_name(ty));
            self.report(Code::NotIndexable, span, message);
        }
        Named::Poison
    }

    pub(super) fn index(&mut self, mut place: Place, indices: &[ast::Expr], span: Span) -> Named {
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
                place.steps.push(Step::Character(place.ty, Box::new(index)));
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
            Type::OpenArray { element, dimensions } => {
                if indices.len() != dimensions as usize {
                    let message = format!("{} indices for {dimensions} dimensions", indices.len());
                    self.report(Code::WrongIndexCount, span, message);
                    return Named::Poison;
                }
                let mut checked = Vec::new();
                for index in indices {
                    let Some(index) = self.index_value(index) else { return Named::Poison };
                    checked.push(self.as_index(index));
                }
                place.steps.push(Step::Index(place.ty, checked));
                place.ty = element;
                place.span = span;
                Named::Place(place)
            }
            Type::Reference { kind: RefKind::Pointer, .. } => {
                self.pointer_element(place, indices, span).map_or(Named::Poison, Named::Place)
            }
            _ => self.not_indexable(place.ty, span),
        }
    }

    /// LOWER_BOUND and UPPER_BOUND. `None`: another function.
    pub(super) fn bound_function(&mut self, name: &Name, arguments: &[Argument], span: Span) -> Option<Expr> {
        let upper = match name.key.as_ref() {
            "LOWER_BOUND" => false,
            "UPPER_BOUND" => true,
            _ => return None,
        };
        let values: Vec<_> = arguments.iter().filter_map(|argument| argument.value.as_ref()).collect();
        let [array, dimension] = *values else {
            let message = format!("`{}` takes an array and a dimension", name.text);
            self.report(Code::WrongArgumentCount, span, message);
            return Some(Self::poison(span));
        };
        Some(self.bound(array, dimension, upper, span).unwrap_or_else(|| Self::poison(span)))
    }

    fn bound(&mut self, array: &ast::Expr, dimension: &ast::Expr, upper: bool, span: Span) -> Option<Expr> {
        let place = self.variable(array)?;
        let number = super::constant_integer(self.model, self.scope, dimension)?;
        let (count, fixed) = match self.types().get(place.ty) {
            Type::Array { dimensions, .. } => (dimensions.len(), Some(std::rc::Rc::clone(dimensions))),
            Type::OpenArray { dimensions, .. } => (*dimensions as usize, None),
            _ => {
                self.not_indexable(place.ty, array.span);
                return None;
            }
        };
        let at = usize::try_from(number).ok().and_then(|number| number.checked_sub(1));
        let Some(dimension) = at.filter(|at| *at < count) else {
            let message = format!("the array has the dimensions 1 to {count}, not {number}");
            self.report(Code::ConstantIndex, dimension.span, message);
            return None;
        };
        let dint = Types::elementary(Elementary::Dint);
        let Some(fixed) = fixed else {
            let kind = ExprKind::Bound { of: Box::new(place), dimension, upper };
            return Some(Expr { kind, ty: dint, span });
        };
        let (low, high) = fixed[dimension];
        let value = Self::integer(i128::from(if upper { high } else { low }), Types::ANY_INT, span);
        Some(self.coerce(value, dint))
    }

    /// An index is any integer; enumeration values index too.
    fn index_value(&mut self, index: &ast::Expr) -> Option<Expr> {
        let checked = self.expr(index, None);
        if matches!(checked.kind, ExprKind::Poison) {
            return None;
        }
        let storage = self.types().storage(checked.ty);
        let is_enum = matches!(self.types().get(checked.ty), Type::Enum(_));
        if checked.ty == Types::ANY_INT || is_enum || storage.is_some_and(|e| self.types().counts(e)) {
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

    pub(super) fn bad_part(&mut self, span: Span, message: &str) -> Named {
        self.report(Code::BadPartialAccess, span, message);
        Named::Poison
    }

    pub(super) fn part(&mut self, mut place: Place, part: Part, span: Span) -> Named {
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

    pub(super) fn direct(&mut self, address: Address, span: Span) -> Named {
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
