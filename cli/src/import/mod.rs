//! `lineshaft import`: the `runtime.toml` of another PLC runtime, with the programs beside it, as manifests.
//!
//! Every key is translated, or has a finding that says what takes its place: nothing is dropped in silence.
//! `read` turns the file into a plan, `write` that into YAML.

mod plan;
mod read;
mod write;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use lineshaft_plc_compiler::{Options, SourceUnit, compile};

use crate::failure::Failure;
use crate::finding::{Findings, colored};
use crate::manifest::load::{LoadError, read_text};

/// Name of the task that runs every program where a source declares none.
const IMPLICIT_TASK: &str = "main";

/// The flags of `lineshaft import`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The runtime.toml
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// Directory of the programs (*.st) [default: src beside the file]
    #[arg(short, long, value_name = "DIR")]
    sources: Option<PathBuf>,

    /// Directory to write the manifests to, which is made if it is missing [default: standard output]
    #[arg(short, long, value_name = "DIR")]
    output: Option<PathBuf>,

    /// Namespace of the objects
    #[arg(short, long, value_name = "NAME", default_value = "default")]
    namespace: String,
}

/// Runs the subcommand.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let name = arguments.file.display().to_string();
    let text = read_text(&arguments.file)?;
    let beside = arguments.file.parent().unwrap_or_else(|| Path::new("")).join("src");
    let sources = programs(arguments.sources.as_deref().unwrap_or(&beside))?;
    let mut reader = read::read(&name, &text);
    let tasks = declared_tasks(&sources);
    if !tasks.is_empty() {
        reader.interval_is_declared_by(&tasks);
    }
    let read::Reader { plan, findings, .. } = reader;
    let findings = Findings {
        findings: findings.into_iter().map(Into::into).collect(),
        units: vec![SourceUnit { name, text }],
    };
    let mut err = io::stderr().lock();
    let color = colored(&err);
    // Without standard error there is nobody to tell.
    let _ = write!(err, "{}", findings.excerpts(color));
    let (false, Some(plan)) = (findings.has_errors(), plan) else {
        let _ = writeln!(err, "nothing is written: {}", findings.found());
        return Ok(ExitCode::FAILURE);
    };
    let files = write::manifests(&plan, &sources, &arguments.namespace);
    match &arguments.output {
        None => {
            let documents: Vec<&str> = files.iter().map(|(_, text)| text.as_str()).collect();
            write!(io::stdout().lock(), "{}", documents.join("---\n"))?;
        }
        Some(directory) => {
            let written = |path: &Path, result: io::Result<()>| {
                result.map_err(|error| Failure::Usage(format!("cannot write {}: {error}", path.display())))
            };
            written(directory, std::fs::create_dir_all(directory))?;
            for (file, text) in &files {
                let path = directory.join(file);
                written(&path, std::fs::write(&path, text))?;
                writeln!(io::stdout().lock(), "{}", path.display())?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Tasks that the programs declare themselves.
fn declared_tasks(sources: &[(String, String)]) -> Vec<String> {
    let unit = |(name, text): &(String, String)| SourceUnit { name: name.clone(), text: text.clone() };
    let units: Vec<SourceUnit> = sources.iter().map(unit).collect();
    // What keeps it from compiling is shown by `lineshaft check`, with its place.
    let tasks = compile(&units, &Options::default()).map(|program| program.tasks).unwrap_or_default();
    let names = tasks.into_iter().map(|task| task.name).filter(|name| name != IMPLICIT_TASK);
    names.collect()
}

/// Name and text of every program of a directory, in the order of their names.
fn programs(directory: &Path) -> Result<Vec<(String, String)>, Failure> {
    let unreadable = |source| LoadError::Read { path: directory.to_owned(), source };
    let mut sources = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("st")) {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            sources.push((name, read_text(&path)?));
        }
    }
    if sources.is_empty() {
        let message = format!("{}: no programs (files ending in .st)", directory.display());
        return Err(Failure::Usage(format!("{message}: name their directory with --sources")));
    }
    sources.sort();
    Ok(sources)
}
