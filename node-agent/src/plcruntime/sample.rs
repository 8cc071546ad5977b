//! Keeper statuses for tests.

use lineshaft_plc_compiler::ir::FaultCode;
use lineshaft_plc_runtime::fault::{CallSite, FaultRecord};
use lineshaft_plc_runtime::protocol::{
    Counters, DriverState, DriverStatus, EngineStatus, MeshStatus, Outputs, ProgramStatus, RealtimeStatus,
    State, Status, TaskStatus,
};

/// A hash of sources that begins with known digits and ends with `last`.
pub(crate) fn sources_hash(last: char) -> String {
    format!("sha256:{:0<63}{last}", "0123456789ab")
}

/// A program that scans, one device, no real-time priority.
pub(crate) fn running() -> Status {
    Status {
        revision: 7,
        pid: 100,
        runner_pid: Some(101),
        generation: 2,
        state: State::Running,
        reason: String::new(),
        program: Some(ProgramStatus {
            hash: format!("{}+00aa", sources_hash('0')),
            generation: 2,
            layout_hash: 0xabc,
            compiler: "0.1.0".to_owned(),
            diagnostics: Vec::new(),
        }),
        refused: None,
        engine: EngineStatus::default(),
        realtime: RealtimeStatus {
            policy: "OTHER".to_owned(),
            refused: "SCHED_FIFO 79: EPERM".to_owned(),
            ..RealtimeStatus::default()
        },
        tasks: vec![TaskStatus {
            name: "main".to_owned(),
            interval_ns: 10_000_000,
            scans: 5,
            ..TaskStatus::default()
        }],
        drivers: vec![DriverStatus {
            name: "press".to_owned(),
            state: DriverState::Operational,
            error: String::new(),
            since_unix_ms: 1000,
        }],
        outputs: Outputs::Live,
        last_fault: None,
        change: None,
        mesh: MeshStatus::default(),
        counters: Counters::default(),
    }
}

/// A fault in a function block that a program called.
pub(crate) fn fault() -> FaultRecord {
    let site = |function: &str, at: &str| CallSite { function: function.to_owned(), at: at.to_owned() };
    FaultRecord {
        code: FaultCode::IndexOutOfBounds,
        at: "main.st:42:17".to_owned(),
        instance: "Main.Conv".to_owned(),
        task: "main".to_owned(),
        operands: vec![12, 0, 9],
        call_stack: vec![site("Conveyor", "main.st:42:17"), site("Main", "main.st:50:3")],
        scan: 17,
        task_time_ns: 170_000_000,
        unix_ms: 1_700_000_000_000,
    }
}
