//! Operators of the dialect Codesys that look like functions: `__QUERYINTERFACE` and its kin.

use super::Checker;
use crate::ast::{self, Argument, Name};
use crate::diagnostic::Code;
use crate::hir::{Expr, ExprKind, StmtKind};
use crate::span::Span;
use crate::types::Types;

impl Checker<'_, '_> {
    /// `None`: another function. The parser lets these names pass in the dialect Codesys only.
    pub(super) fn vendor_operator(
        &mut self,
        name: &Name,
        arguments: &[Argument],
        span: Span,
    ) -> Option<Expr> {
        let result = match name.key.as_ref() {
            "__NEW" | "__DELETE" => {
                let message = format!("`{}`: not supported: no dynamic memory", name.text);
                self.report(Code::NoDynamicMemory, name.span, message)
                    .help("declare the variable, or an array of as many as there can be");
                None
            }
            "__QUERYINTERFACE" => self.query_interface(name, arguments, span),
            _ => return None,
        };
        Some(result.unwrap_or_else(|| Self::poison(span)))
    }

    /// The values of so many arguments by position.
    fn exact_values<'e, const N: usize>(
        &mut self,
        name: &Name,
        arguments: &'e [Argument],
    ) -> Option<[&'e ast::Expr; N]> {
        let plain = arguments.iter().filter(|argument| argument.name.is_none());
        let values: Vec<&ast::Expr> = plain.filter_map(|argument| argument.value.as_ref()).collect();
        if let (Ok(values), true) = (values.try_into(), arguments.len() == N) {
            return Some(values);
        }
        let message = format!("`{}` takes {N} arguments, not {}", name.text, arguments.len());
        self.report(Code::WrongArgumentCount, name.span, message);
        None
    }

    /// `to ?= from`, and whether it has given an object.
    fn query_interface(&mut self, name: &Name, arguments: &[Argument], span: Span) -> Option<Expr> {
        let [from, to] = self.exact_values(name, arguments)?;
        let StmtKind::Assign(place, value) = self.attempt(to, from, span)? else { return None };
        let kind = ExprKind::Taken(Box::new(place), Box::new(value));
        Some(Expr { kind, ty: Types::BOOL, span })
    }
}
