//! Everything of a runtime that can be known before it runs, as one pure function.

mod declare;
mod support;
mod symbols;
mod tested;

use lineshaft_api_client::bounded;
use lineshaft_crds::PlcRuntimeSpec;
use lineshaft_crds::plc_runtime::{Diagnostic, Severity, SourceFile, TestPolicy};
use lineshaft_plc_compiler as compiler;
use lineshaft_plc_io as plc_io;

/// The status shows so many diagnostics, and the condition so many of the errors.
const DIAGNOSTICS_IN_STATUS: usize = 20;
const ERRORS_IN_MESSAGE: usize = 3;
const LONGEST_MESSAGE_BYTES: usize = 1024;

/// Why a spec is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Reason of the condition.
    pub reason: &'static str,
    /// Its message.
    pub message: String,
}

/// What the checks say of a spec with its sources.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// Whether an agent may run it.
    pub verdict: Result<(), Refusal>,
    /// What the compiler says, warnings and notes included.
    pub diagnostics: Vec<compiler::Diagnostic>,
}

impl Judgement {
    fn refused(reason: &'static str, problems: &[String]) -> Self {
        Self { verdict: Err(refusal(reason, problems)), diagnostics: Vec::new() }
    }

    /// The diagnostics as the status shows them.
    pub(crate) fn status_diagnostics(&self) -> Vec<Diagnostic> {
        self.diagnostics.iter().take(DIAGNOSTICS_IN_STATUS).map(in_status).collect()
    }
}

/// Judges a spec with its sources. The same input gives the same words, so that a status does not flap.
pub fn judge(spec: &PlcRuntimeSpec, sources: &[SourceFile]) -> Judgement {
    let unsupported = support::unsupported(spec);
    if !unsupported.is_empty() {
        return Judgement::refused("NotSupported", &unsupported);
    }
    let drivers = match declare::drivers(&spec.io) {
        Ok(drivers) => drivers,
        Err(problems) => return Judgement::refused("InvalidSpec", &problems),
    };
    let plan = match plc_io::plan(&drivers) {
        Ok(plan) => plan,
        Err(errors) => {
            let problems: Vec<_> = errors.iter().map(|error| format!("spec.io: {error}")).collect();
            return Judgement::refused("InvalidSpec", &problems);
        }
    };
    let repeated = repeated_names(sources);
    if !repeated.is_empty() {
        return Judgement::refused("InvalidSpec", &repeated);
    }

    let units = units(sources);
    let options = declare::compiler_options(spec, &plan);
    let program = match compiler::compile(&units, &options) {
        Ok(program) => program,
        Err(diagnostics) => {
            let errors: Vec<_> = diagnostics
                .iter()
                .filter(|diagnostic| diagnostic.severity == compiler::Severity::Error)
                .take(ERRORS_IN_MESSAGE)
                .map(in_message)
                .collect();
            return Judgement { verdict: Err(refusal("CompileError", &errors)), diagnostics };
        }
    };
    let unsupported = support::unsupported_by_program(spec, &program);
    let verdict = if unsupported.is_empty() {
        let problems = symbols::problems(spec, &program, &plan);
        if problems.is_empty() {
            tested(spec, &units, &options)
        } else {
            Err(refusal("InvalidSpec", &problems))
        }
    } else {
        Err(refusal("NotSupported", &unsupported))
    };
    Judgement { verdict, diagnostics: program.diagnostics }
}

/// The program of a spec, if it compiles; whatever else is wrong with the spec.
pub fn compiled(spec: &PlcRuntimeSpec, sources: &[SourceFile]) -> Option<compiler::Program> {
    let plan = plc_io::plan(&declare::drivers(&spec.io).ok()?).ok()?;
    compiler::compile(&units(sources), &declare::compiler_options(spec, &plan)).ok()
}

fn units(sources: &[SourceFile]) -> Vec<compiler::SourceUnit> {
    let unit = |file: &SourceFile| compiler::SourceUnit { name: file.name.clone(), text: file.text.clone() };
    sources.iter().map(unit).collect()
}

/// Runs the tests of a program that is good otherwise, if it must have passed them.
fn tested(
    spec: &PlcRuntimeSpec,
    units: &[compiler::SourceUnit],
    options: &compiler::Options,
) -> Result<(), Refusal> {
    if spec.program.tests == TestPolicy::Ignored {
        return Ok(());
    }
    let mut problems = tested::problems(units, options);
    if problems.is_empty() {
        return Ok(());
    }
    let more = problems.len().saturating_sub(ERRORS_IN_MESSAGE);
    problems.truncate(ERRORS_IN_MESSAGE);
    if more > 0 {
        problems.push(format!("and {more} more"));
    }
    Err(refusal("TestsFailed", &problems))
}

fn refusal(reason: &'static str, problems: &[String]) -> Refusal {
    Refusal { reason, message: bounded(&problems.join("; "), LONGEST_MESSAGE_BYTES) }
}

fn repeated_names(sources: &[SourceFile]) -> Vec<String> {
    let mut problems = Vec::new();
    for (index, file) in sources.iter().enumerate() {
        if sources[..index].iter().any(|earlier| earlier.name.eq_ignore_ascii_case(&file.name)) {
            problems.push(format!("spec.program.sources: two sources are named {:?}", file.name));
        }
    }
    problems
}

/// `filler.st:12:9: error[LS3002]: cannot assign DINT to INT`
fn in_message(diagnostic: &compiler::Diagnostic) -> String {
    diagnostic.to_string()
}

fn in_status(diagnostic: &compiler::Diagnostic) -> Diagnostic {
    let place = &diagnostic.place;
    let bounded = |text: &str| bounded(text, LONGEST_MESSAGE_BYTES);
    Diagnostic {
        code: diagnostic.code.clone(),
        severity: match diagnostic.severity {
            compiler::Severity::Error => Severity::Error,
            compiler::Severity::Warning => Severity::Warning,
            compiler::Severity::Note => Severity::Note,
        },
        at: format!("{}:{}:{}", place.file, place.line, place.column),
        message: bounded(&diagnostic.message),
        help: diagnostic.help.as_deref().map(bounded),
    }
}

#[cfg(test)]
mod tests;
