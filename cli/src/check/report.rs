//! The findings of a check, with the texts that they point into.

use std::io;
use std::rc::Rc;

use lineshaft_plc_compiler::diagnostic::Place;
use lineshaft_plc_compiler::{Diagnostic, Severity, SourceUnit};

use crate::arguments::Output;
use crate::finding::{Finding, Findings, count, point};
use crate::manifest::load::Loaded;
use crate::manifest::{File, Manifest};

/// What a check found.
pub(crate) struct Report {
    /// What is wrong.
    pub(crate) found: Findings,
    objects: usize,
    files: usize,
}

/// A finding in a manifest, without its place.
pub(crate) struct Note {
    code: &'static str,
    path: String,
    message: String,
    help: Option<String>,
}

impl Note {
    /// `code` says in words that stay the same what kind of mistake it is, `path` which field is meant, as the
    /// API server writes it.
    pub(crate) fn new(code: &'static str, path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { code, path: path.into(), message: message.into(), help: None }
    }

    /// With what to write instead, where that is known.
    pub(crate) fn help(self, help: Option<String>) -> Self {
        Self { help, ..self }
    }
}

impl Report {
    /// Starts with what reading found.
    pub(crate) fn of(loaded: &Loaded) -> Self {
        let unit = |file: &Rc<File>| SourceUnit { name: file.name.clone(), text: file.text.clone() };
        let found =
            Findings { findings: loaded.findings.clone(), units: loaded.files.iter().map(unit).collect() };
        Self { found, objects: loaded.manifests.len(), files: loaded.files.len() }
    }

    /// Adds an error at a field of an object.
    pub(crate) fn error(&mut self, manifest: &Manifest, note: Note) {
        let diagnostic = Diagnostic {
            place: place(manifest, &note.path),
            code: note.code.to_owned(),
            severity: Severity::Error,
            message: format!("{}: {}", manifest.identity, note.message),
            help: note.help,
            related: Vec::new(),
        };
        let path = (!note.path.is_empty()).then_some(note.path);
        self.found.findings.push(Finding {
            diagnostic,
            object: Some(manifest.identity.to_string()),
            path,
            manifest: None,
        });
    }

    /// Adds what the compiler says of the programs of an object.
    pub(crate) fn program(
        &mut self,
        manifest: &Manifest,
        units: Vec<SourceUnit>,
        diagnostics: Vec<Diagnostic>,
    ) {
        for mut diagnostic in diagnostics {
            let said = format!("a program of {}", manifest.identity);
            diagnostic.related.push((place(manifest, "metadata.name"), said));
            self.found.findings.push(Finding {
                diagnostic,
                object: Some(manifest.identity.to_string()),
                path: None,
                manifest: Some(manifest.file.name.clone()),
            });
        }
        self.found.units.extend(units);
    }

    /// In order of file and position.
    pub(crate) fn sort(&mut self) {
        self.found.findings.sort_by(|a, b| a.diagnostic.cmp(&b.diagnostic));
        self.found.findings.dedup_by(|a, b| a.diagnostic == b.diagnostic && a.object == b.object);
    }

    /// `checked 3 objects in 2 files: no errors`
    pub(crate) fn summary(&self) -> String {
        self.sum_up(&self.found.found())
    }

    fn sum_up(&self, found: &str) -> String {
        format!("checked {} in {}: {found}", count(self.objects, "object"), count(self.files, "file"))
    }

    /// Shows all findings.
    pub(crate) fn print(&self, output: Output) -> io::Result<()> {
        self.found.print(output, |found| self.sum_up(found))
    }
}

/// Where a field stands: from its key to the end of the word.
fn place(manifest: &Manifest, path: &str) -> Place {
    let (line, column) = manifest.position(path);
    let mut place = point(&manifest.file.name, line, column);
    let rest =
        manifest.file.text.lines().nth(line as usize - 1).map(|text| text.chars().skip(column as usize - 1));
    if let Some(rest) = rest {
        let length = rest.take_while(|character| !character.is_whitespace() && *character != ':').count();
        place.end_column = column + u32::try_from(length).unwrap_or(u32::MAX).clamp(1, 1000);
    }
    place
}
