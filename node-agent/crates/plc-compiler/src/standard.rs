//! The standard function blocks and some functions: Structured Text that goes through the same pipeline as the user's.

use crate::ast::{Decl, Pou};
use crate::diagnostic::Sink;
use crate::layout::Elementary;
use crate::parse;
use std::collections::HashMap;
use std::rc::Rc;

/// The source.
pub(crate) const TEXT: &str = include_str!("standard.st");
/// How diagnostics and fault sites name it.
pub(crate) const FILE: &str = "<standard>";

const COUNTS: [Elementary; 5] =
    [Elementary::Int, Elementary::Dint, Elementary::Lint, Elementary::Udint, Elementary::Ulint];
const TIMES: [Elementary; 2] = [Elementary::Time, Elementary::Ltime];

/// The syntax tree of the library; `unit` is its number among the source units.
pub(crate) fn parse(unit: u32) -> Vec<Decl> {
    let mut sink = Sink::default();
    let decls = parse::parse_standard(TEXT, unit, &mut sink);
    debug_assert!(!sink.has_errors(), "the standard library is correct Structured Text");
    decls
}

/// Names of the library: each template under its own name and under those of its variants.
pub(crate) fn names(decls: &[Decl]) -> HashMap<Rc<str>, (&Pou, Option<Elementary>)> {
    let mut names = HashMap::new();
    for decl in decls {
        let Decl::Pou(pou) = decl else { continue };
        let key = Rc::clone(&pou.name.key);
        let variants: &[Elementary] = match key.as_ref() {
            "CTU" | "CTD" | "CTUD" => &COUNTS,
            "TON" | "TOF" | "TP" => &TIMES,
            _ => &[],
        };
        for e in variants {
            names.insert(format!("{key}_{}", e.name()).into(), (pou, Some(*e)));
        }
        names.insert(key, (pou, variants.first().copied()));
    }
    names
}
