//! A process that gets no executable memory runs its programs on the interpreter and says why.

#![allow(clippy::unwrap_used, unsafe_code, reason = "the system call that denies it has no safe binding")]

use lineshaft_plc_compiler::{SourceUnit, compile};
use lineshaft_plc_runtime::engine::EngineKind;
use lineshaft_plc_runtime::virt::{Simulation, options};
use std::sync::Arc;

/// `PR_SET_MDWE` with `PR_MDWE_REFUSE_EXEC_GAIN`: what `MemoryDenyWriteExecute=` of systemd sets.
const SET_MDWE: libc::c_int = 65;
const REFUSE_EXEC_GAIN: libc::c_ulong = 1;

fn simulation() -> Simulation {
    let text = "PROGRAM Main VAR n : INT; END_VAR n := n + 1; END_PROGRAM".to_owned();
    let program = compile(&[SourceUnit { name: "main.st".to_owned(), text }], &options(1_000_000)).unwrap();
    Simulation::new(Arc::new(program), 1_000_000).unwrap()
}

#[test]
fn without_executable_memory_the_interpreter_runs() {
    assert_eq!(simulation().engine(), (EngineKind::Jit, None));
    // SAFETY: it takes plain numbers and changes only what later calls of mmap and mprotect may do.
    let denied = unsafe { libc::prctl(SET_MDWE, REFUSE_EXEC_GAIN, 0, 0, 0) };
    assert_eq!(denied, 0, "Linux 6.3 or later: {}", std::io::Error::last_os_error());
    let mut simulation = simulation();
    let (kind, refused) = simulation.engine();
    assert_eq!(kind, EngineKind::Interpreter);
    assert!(refused.unwrap().starts_with("ExecMemDenied: "), "{refused:?}");
    simulation.step().unwrap();
    assert_eq!(simulation.get("Main.n").unwrap(), 1);
}
