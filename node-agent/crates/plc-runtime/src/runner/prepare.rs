//! Makes a program ready to take over, on a thread of its own beside the scan.

use super::Shared;
use super::control::{Change, Ready, Report, TaskInfo};
use crate::change::{Keep, Plan};
use crate::engine::{EngineOptions, Machine};
use crate::protocol::{ProgramSpec, Rename};
use crate::{Error, task};
use lineshaft_exchange::{Region, TripleBuffer, Writer};
use lineshaft_plc_compiler::diagnostic::Place;
use lineshaft_plc_compiler::{Diagnostic, Program, Severity};
use std::os::fd::OwnedFd;
use std::sync::{Arc, PoisonError};

/// The compiler recurses as deep as its own limits allow.
pub(super) const STACK_BYTES: usize = 16 * 1024 * 1024;

/// A program that can take over.
pub(super) struct Prepared {
    pub(super) id: u64,
    pub(super) program: Arc<Program>,
    pub(super) machine: Machine,
    pub(super) snapshot: Writer,
    /// Carries everything over.
    pub(super) online: Option<Plan>,
    /// Carries over what survives a restart.
    pub(super) retained: Option<Plan>,
}

/// Compiles, plans and reports. A keeper that is gone is noticed elsewhere.
pub(super) fn prepare(
    shared: &Shared,
    id: u64,
    spec: &ProgramSpec,
    renames: &[Rename],
    present: Option<&Program>,
) {
    let made = lineshaft_plc_compiler::compile(&spec.sources, &spec.options)
        .and_then(|program| make(shared, id, program, renames, present).map_err(|e| vec![finding(&e)]));
    let report = match made {
        Ok((prepared, ready, fd)) => {
            *shared.prepared.lock().unwrap_or_else(PoisonError::into_inner) = Some(prepared);
            shared.report(&Report::Prepared { id, result: Ok(Box::new(ready)) }, Some(&fd))
        }
        Err(diagnostics) => shared.report(&Report::Prepared { id, result: Err(diagnostics) }, None),
    };
    if let Err(error) = report {
        tracing::warn!("cannot report program {id}: {error}");
    }
}

fn make(
    shared: &Shared,
    id: u64,
    program: Program,
    renames: &[Rename],
    present: Option<&Program>,
) -> Result<(Prepared, Ready, OwnedFd), Error> {
    let program = Arc::new(program);
    let failed = |e: lineshaft_exchange::ExchangeError| Error::Exchange(e.to_string());
    let machine =
        Machine::new(Arc::clone(&program), Arc::clone(&shared.attention), EngineOptions::default())?;
    let place = snapshot_place(program.layout.bytes);
    let region = Region::create("plc-state", place.size()).map_err(failed)?;
    place.initialise(&region).map_err(failed)?;
    let fd = region.as_fd().try_clone_to_owned().map_err(Error::io("duplicate a descriptor"))?;
    let snapshot = place.writer(&Arc::new(region)).map_err(failed)?;
    let plan = |keep| present.map(|old| Plan::new(&old.layout, &program.layout, renames, keep));
    let (online, retained) = (plan(Keep::All), plan(Keep::Retained));
    let change = online.as_ref().map(|plan| Change {
        copied: plan.copied,
        converted: plan.converted,
        initialised: plan.initialised,
        dropped: plan.dropped,
        refused: plan.refused.clone(),
    });
    let info = |t: &lineshaft_plc_compiler::Task| TaskInfo {
        name: t.name.clone(),
        interval_ns: task::interval_ns(t).unwrap_or(0),
        priority: t.priority,
    };
    let ready = Ready {
        engine: machine.engine(),
        engine_refused: machine.refused().map(str::to_owned),
        layout: program.layout.clone(),
        tasks: program.tasks.iter().map(info).collect(),
        diagnostics: program.diagnostics.clone(),
        change,
    };
    Ok((Prepared { id, program, machine, snapshot, online, retained }, ready, fd))
}

/// Where a program's snapshots lie in their region.
pub(crate) fn snapshot_place(state_bytes: u32) -> TripleBuffer {
    TripleBuffer::new(0, state_bytes as usize)
}

/// An error beside the compiler's own, in the same form.
pub(super) fn finding(error: &Error) -> Diagnostic {
    Diagnostic {
        place: Place { file: String::new(), line: 1, column: 1, end_line: 1, end_column: 1 },
        code: "LS0701".to_owned(),
        severity: Severity::Error,
        message: error.to_string(),
        help: None,
        related: Vec::new(),
    }
}
