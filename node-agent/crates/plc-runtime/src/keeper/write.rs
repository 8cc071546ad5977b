//! Values that are written from outside, and what may be.

use super::runner::Loaded;
use super::{Keeper, Silence};
use crate::mesh::Claims;
use crate::protocol::{Response, ValueChange, Write, Written};
use crate::runner::control::{Order, Report};
use crate::write::{plan, variables};
use std::time::Duration;

/// How long a program gets to take what is written: it does so between two scans.
const WRITE_DEADLINE: Duration = Duration::from_secs(2);

impl Keeper {
    /// Variables of the program, with their types.
    pub(super) fn variables(&self) -> Response {
        match &self.loaded {
            Some(Loaded { layout, .. }) => Response::Variables(variables(layout, &self.mesh.claims())),
            None => Response::Failed { message: "no program is loaded".to_owned() },
        }
    }

    /// Writes all of it between two scans, or nothing.
    pub(super) fn write(&mut self, writes: &[Write], only_check: bool) -> Response {
        if !self.is_installed() {
            return Response::Failed { message: "no program is in place".to_owned() };
        }
        let Some(loaded) = &mut self.loaded else {
            return Response::Failed { message: "no program is loaded".to_owned() };
        };
        let (_, state, _) = loaded.snapshot.latest();
        let (patches, changes) = match plan(&loaded.layout, &self.mesh.claims(), state, writes) {
            Ok(planned) => planned,
            Err(problem) => return Response::NotWritten(problem),
        };
        if only_check || patches.is_empty() {
            return Response::Written(Written { after_scan: None, changes });
        }
        self.written += 1;
        let wanted = self.written;
        self.order(Order::Write { id: wanted, patches });
        let answer = self
            .wait_for(WRITE_DEADLINE, |report| matches!(report, Report::Written { id, .. } if *id == wanted));
        match answer {
            Ok((Report::Written { scan, .. }, _)) => {
                for ValueChange { path, before, after, .. } in &changes {
                    tracing::info!(path, %before, %after, scan, "written from outside");
                }
                Response::Written(Written { after_scan: Some(scan), changes })
            }
            Ok(_) | Err(Silence::RunnerGone | Silence::Ending) => {
                Response::Failed { message: "the program ended before it took the values".to_owned() }
            }
            Err(Silence::TimedOut) => {
                let seconds = WRITE_DEADLINE.as_secs();
                let message = format!("the program did not take the values within {seconds} s; it may yet");
                Response::Failed { message }
            }
        }
    }
}

impl super::mesh::MeshSide {
    /// What the mesh writes.
    fn claims(&self) -> Claims<'_> {
        self.binding().map(Claims::of_binding).unwrap_or_default()
    }
}
