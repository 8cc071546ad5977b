//! What a scan has to do with other runtimes.

use super::Scanner;
use crate::fault::FaultRecord;
use crate::mesh::{Bound, Stale};
use lineshaft_exchange::{Published, ScanState};
use lineshaft_plc_compiler::ir::FaultCode;

impl Scanner {
    /// Other variables are published and received from now on; what was bound before comes back.
    pub fn bind(&mut self, mesh: Option<Box<Bound>>, now_ns: i64) -> Option<Box<Bound>> {
        let mut before = std::mem::replace(&mut self.mesh, mesh);
        if let Some(mesh) = &mut self.mesh {
            mesh.follow(before.as_deref_mut(), now_ns);
            // Who takes values away sees the present ones, also of a program that stands still.
            mesh.publish(self.machine.state(), self.shared);
        }
        before
    }

    /// The program has initial values again.
    pub(crate) fn forget_received(&mut self) {
        if let Some(mesh) = &mut self.mesh {
            mesh.forget();
        }
    }

    /// The program does not scan any more.
    pub(crate) fn stands_still(&mut self) {
        if self.shared.state == ScanState::Running {
            self.tell_others(ScanState::Stopped);
        }
    }

    pub(super) fn tell_others(&mut self, state: ScanState) {
        self.shared.state = state;
        if let Some(mesh) = &mut self.mesh {
            mesh.tell(state);
        }
    }

    /// The newest received values become those of the scan.
    pub(super) fn latch_received(&mut self, now_ns: i64) -> Option<Stale<'_>> {
        let mesh = self.mesh.as_deref_mut()?;
        mesh.latch(self.machine.state_mut(), now_ns)
    }

    /// The values of a good scan leave.
    pub(super) fn share(&mut self, start_ns: i64, start_unix_ns: i64) {
        let (scan, state) = (self.scans, ScanState::Running);
        self.shared = Published { scan, start_ns, start_unix_ns, state };
        if let Some(mesh) = &mut self.mesh {
            mesh.publish(self.machine.state(), self.shared);
        }
    }
}

/// The fault of a value that must not be stale.
pub(super) fn stale_fault(stale: Stale<'_>, task_time_ns: i64) -> FaultRecord {
    FaultRecord {
        code: FaultCode::MeshStale,
        at: stale.from.to_owned(),
        instance: stale.to.to_owned(),
        task: String::new(),
        operands: Vec::new(),
        call_stack: Vec::new(),
        scan: 0,
        task_time_ns,
        unix_ms: 0,
    }
}
