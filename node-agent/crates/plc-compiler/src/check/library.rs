//! Standard functions whose name or argument chooses a function of the library: BCD and byte order.

use super::Checker;
use crate::ast::{Argument, Name};
use crate::hir::{Call, Expr, ExprKind, Mode, Receiver};
use crate::layout::Elementary;
use crate::span::Span;
use crate::types::{self, TypeId, Types};

/// From decimal digits in half bytes, or to them.
enum Bcd {
    From { bits: Option<Elementary>, number: Elementary },
    To { number: Option<Elementary>, bits: Elementary },
}

fn bits(name: &str) -> Option<Elementary> {
    crate::model::elementary_name(name).filter(|e| types::is_bits(*e) && *e != Elementary::Bool)
}

fn unsigned(name: &str) -> Option<Elementary> {
    crate::model::elementary_name(name).filter(|e| types::is_integer(*e) && !types::is_signed(*e))
}

/// `WORD_BCD_TO_UINT`, `BCD_TO_UINT`, `UINT_TO_BCD_WORD`, `TO_BCD_WORD`.
fn bcd(key: &str) -> Option<Bcd> {
    if let Some(name) = key.strip_prefix("BCD_TO_") {
        return Some(Bcd::From { bits: None, number: unsigned(name)? });
    }
    if let Some(name) = key.strip_prefix("TO_BCD_") {
        return Some(Bcd::To { number: None, bits: bits(name)? });
    }
    if let Some((from, to)) = key.split_once("_BCD_TO_") {
        return Some(Bcd::From { bits: Some(bits(from)?), number: unsigned(to)? });
    }
    let (from, to) = key.split_once("_TO_BCD_")?;
    Some(Bcd::To { number: Some(unsigned(from)?), bits: bits(to)? })
}

impl Checker<'_, '_> {
    /// `None`: another function.
    pub(super) fn library_function(
        &mut self,
        name: &Name,
        arguments: &[Argument],
        span: Span,
    ) -> Option<Expr> {
        let swapped = match name.key.as_ref() {
            "TO_BIG_ENDIAN" | "FROM_BIG_ENDIAN" => Some(true),
            "TO_LITTLE_ENDIAN" | "FROM_LITTLE_ENDIAN" => Some(false),
            _ => None,
        };
        let bcd = bcd(&name.key);
        if swapped.is_none() && bcd.is_none() {
            return None;
        }
        let arg = self.exact_count(name, arguments, &["IN"]).and_then(|mut args| args.pop());
        let Some(arg) = arg else { return Some(Self::poison(span)) };
        let result = match (bcd, swapped) {
            (Some(Bcd::From { bits, number }), _) => {
                self.through(arg, bits, Elementary::Lword, "__FROM_BCD", number, span)
            }
            (Some(Bcd::To { number, bits }), _) => {
                self.through(arg, number, Elementary::Ulint, "__TO_BCD", bits, span)
            }
            (None, swapped) => self.byte_order(name, arg, swapped == Some(true), span),
        };
        Some(result.unwrap_or_else(|| Self::poison(span)))
    }

    /// The argument as `typed` where the name says so, widened for the function, its result narrowed.
    fn through(
        &mut self,
        arg: Expr,
        typed: Option<Elementary>,
        wide: Elementary,
        function: &str,
        result: Elementary,
        span: Span,
    ) -> Option<Expr> {
        let arg = match typed {
            Some(e) => self.coerce(arg, Types::elementary(e)),
            None => arg,
        };
        let arg = self.coerce(arg, Types::elementary(wide));
        let value = self.library_call(function, arg, span)?;
        Some(self.converted(value, Mode::Value, Types::elementary(result), span))
    }

    fn converted(&mut self, value: Expr, mode: Mode, ty: TypeId, span: Span) -> Expr {
        if value.ty == ty {
            return value;
        }
        self.make(ExprKind::Convert(Box::new(value), mode), ty, span)
    }

    /// The machine is little-endian, so only the other order moves bytes.
    fn byte_order(&mut self, name: &Name, arg: Expr, swap: bool, span: Span) -> Option<Expr> {
        let arg = self.settle(arg);
        let Some(e) = self.elementary(arg.ty) else { return self.refuse(name, &arg) };
        let ty = Types::elementary(e);
        let (bits, function) = match e.size() {
            1 => return Some(arg),
            2 => (Elementary::Word, "__SWAP_WORD"),
            4 => (Elementary::Dword, "__SWAP_DWORD"),
            _ => (Elementary::Lword, "__SWAP_LWORD"),
        };
        if !swap {
            return Some(arg);
        }
        // Times are stored as integers; everything else copies its bits.
        let mode = if types::is_temporal(e) { Mode::Same } else { Mode::Value };
        let raw = self.converted(arg, mode, Types::elementary(bits), span);
        let turned = self.library_call(function, raw, span)?;
        Some(self.converted(turned, mode, ty, span))
    }

    /// A function of the library with one input.
    fn library_call(&mut self, function: &str, arg: Expr, span: Span) -> Option<Expr> {
        if matches!(arg.kind, ExprKind::Poison) {
            return None;
        }
        let pou = self.model.find_pou(&Name::new(function, span), None)?;
        self.model.resolve_interfaces();
        self.used(pou, span);
        let input = *self.model.pou(pou).scope.get("IN")?;
        let call = Call {
            pou,
            receiver: Receiver::None,
            dispatch: None,
            enable: None,
            enabled: None,
            inputs: vec![(input, arg)],
            in_outs: Vec::new(),
            outputs: Vec::new(),
        };
        let ty = self.model.pou(pou).result?;
        Some(Expr { kind: ExprKind::Call(Box::new(call)), ty, span })
    }
}
