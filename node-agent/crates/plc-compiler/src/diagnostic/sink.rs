//! Collects findings while the compiler works, and turns spans into lines and columns at the end.

use super::codes::Code;
use super::{Diagnostic, Place, Severity};
use crate::SourceUnit;
use crate::span::{LineIndex, Span};

/// Errors that a user gets to see.
const SHOWN_ERRORS: usize = 50;
/// Errors after which nothing more is collected: bounds time and memory on hostile input.
const COLLECTED_ERRORS: usize = 1000;

/// A finding whose place is still a span.
#[derive(Debug)]
pub(crate) struct Finding {
    code: Code,
    severity: Severity,
    span: Span,
    message: String,
    help: Option<String>,
    related: Vec<(Span, String)>,
}

impl Finding {
    pub(crate) fn help(&mut self, text: impl Into<String>) -> &mut Self {
        self.help = Some(text.into());
        self
    }

    pub(crate) fn related(&mut self, span: Span, text: impl Into<String>) -> &mut Self {
        self.related.push((span, text.into()));
        self
    }

    pub(crate) fn severity(&mut self, severity: Severity) -> &mut Self {
        self.severity = severity;
        self
    }
}

/// The findings of one compilation.
#[derive(Debug, Default)]
pub(crate) struct Sink {
    findings: Vec<Finding>,
    errors: usize,
    /// Takes what comes after the limit.
    overflow: Option<Box<Finding>>,
}

impl Sink {
    pub(crate) fn report(&mut self, code: Code, span: Span, message: impl Into<String>) -> &mut Finding {
        let severity = code.info().severity;
        let finding =
            Finding { code, severity, span, message: message.into(), help: None, related: Vec::new() };
        self.errors += usize::from(severity == Severity::Error);
        if self.is_full() || self.findings.len() > 2 * COLLECTED_ERRORS {
            return self.overflow.insert(Box::new(finding));
        }
        self.findings.push(finding);
        let last = self.findings.len() - 1;
        &mut self.findings[last]
    }

    /// Enough errors: the parser may give up.
    pub(crate) fn is_full(&self) -> bool {
        self.errors > COLLECTED_ERRORS
    }

    pub(crate) fn has_errors(&self) -> bool {
        self.findings.iter().any(|f| f.severity == Severity::Error)
    }

    /// All findings in order of file, position, code; each once.
    pub(crate) fn finish(mut self, units: &[SourceUnit], lines: &[LineIndex]) -> Vec<Diagnostic> {
        let full = self.is_full();
        let findings = &mut self.findings;
        findings.sort_by(|a, b| {
            (a.span.unit, a.span.start, a.code, &a.message).cmp(&(
                b.span.unit,
                b.span.start,
                b.code,
                &b.message,
            ))
        });
        findings.dedup_by(|a, b| a.span == b.span && a.code == b.code);
        let place = |span: Span| place_of(span, units, lines);
        let mut diagnostics = Vec::new();
        let mut errors = 0;
        for finding in findings.drain(..) {
            if finding.severity == Severity::Error {
                errors += 1;
                if errors > SHOWN_ERRORS {
                    diagnostics.push(Diagnostic {
                        place: place(finding.span),
                        code: Code::TooManyErrors.info().id.to_owned(),
                        severity: Severity::Note,
                        message: if full {
                            "more errors follow".to_owned()
                        } else {
                            "more errors follow here and below".to_owned()
                        },
                        help: None,
                        related: Vec::new(),
                    });
                    break;
                }
            }
            diagnostics.push(Diagnostic {
                place: place(finding.span),
                code: finding.code.info().id.to_owned(),
                severity: finding.severity,
                message: finding.message,
                help: finding.help,
                related: finding.related.into_iter().map(|(span, text)| (place(span), text)).collect(),
            });
        }
        diagnostics
    }
}

/// Where a span is, in lines and columns.
pub(crate) fn place_of(span: Span, units: &[SourceUnit], lines: &[LineIndex]) -> Place {
    let unit = span.unit as usize;
    let (Some(source), Some(index)) = (units.get(unit), lines.get(unit)) else {
        let file = "<standard>".to_owned();
        return Place { file, line: 1, column: 1, end_line: 1, end_column: 1 };
    };
    let (line, column) = index.position(&source.text, span.start);
    let (end_line, end_column) = index.position(&source.text, span.end.max(span.start));
    Place { file: source.name.clone(), line, column, end_line, end_column }
}
