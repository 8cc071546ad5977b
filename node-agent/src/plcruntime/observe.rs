//! From what the agent knows of a runtime to what it reports: pure, and without any figure that moves by itself.

use std::fmt::Write as _;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use lineshaft_api_client::bounded;
use lineshaft_crds::edge_node::RealtimeGrade;
use lineshaft_crds::plc_runtime::{
    ACKNOWLEDGE, Change, ChangeState, Diagnostic, DriverState, DriverStatus, Engine, EngineKind, LastFault,
    PlcRuntimeStatus, ProgramStatus, SchedulingPolicy, Severity, TaskStatus, conditions,
};
use lineshaft_crds::{Condition, ConditionStatus, story};
use lineshaft_plc_compiler as compiler;
use lineshaft_plc_runtime::fault::FaultRecord;
use lineshaft_plc_runtime::protocol::{self as keeper, RealtimeMode, RunMode, State, Status};

use super::record::{sources_hash, version_name};
use super::refusal::Refused;

/// Diagnostics and variables in a status.
const LIST_MAX: usize = 20;
/// Limit of the messages of drivers, diagnostics and faults.
const MESSAGE_BYTES_MAX: usize = 1024;
/// Limit for one variable that was refused.
const VARIABLE_BYTES_MAX: usize = 640;

/// All that a report is made from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View<'a> {
    /// Namespace and name.
    pub(crate) object: Option<(&'a str, &'a str)>,
    /// This node, if it drives the outputs or may.
    pub(crate) holder: Option<&'a str>,
    /// Generation that this node acts upon.
    pub(crate) generation: Option<i64>,
    /// What the spec asks for.
    pub(crate) run: RunMode,
    /// What the spec asks for.
    pub(crate) realtime: RealtimeMode,
    /// The newest version, if this node refused it.
    pub(crate) refused: Option<&'a Refused>,
    /// What the keeper said last.
    pub(crate) keeper: Result<&'a Status, &'a str>,
    /// The outputs are being made safe for good.
    pub(crate) releasing: Option<&'a str>,
    /// For transitions.
    pub(crate) now: Timestamp,
}

/// The agent's part of the status.
pub(crate) fn status(view: &View<'_>) -> PlcRuntimeStatus {
    // The API's times have no fractions.
    let view = &View { now: Timestamp::from_second(view.now.as_second()).unwrap_or(view.now), ..*view };
    let mut status = PlcRuntimeStatus {
        holder: view.holder.map(str::to_owned),
        conditions: all_conditions(view),
        ..PlcRuntimeStatus::default()
    };
    let Ok(seen) = view.keeper else { return status };
    status.program = seen.program.as_ref().map(|program| running_program(program, seen.generation));
    status.engine = Some(Engine {
        kind: match seen.engine.kind {
            keeper::EngineKind::Jit => EngineKind::Jit,
            keeper::EngineKind::Interpreter => EngineKind::Interpreter,
        },
        reason: opt_text(&seen.engine.note, 256),
    });
    status.change = change(view.refused, seen.change.as_ref(), view.now);
    status.scan = seen.tasks.iter().map(|task| task.interval_ns).filter(|&ns| ns > 0).min().map(interval);
    status.tasks = seen.tasks.iter().map(|task| granted(task, &seen.realtime)).collect();
    status.drivers = seen.drivers.iter().map(driver).collect();
    status.forces = Some(0);
    status.last_fault = seen.last_fault.as_ref().map(last_fault);
    status
}

fn all_conditions(view: &View<'_>) -> Vec<Condition> {
    let condition = |type_, (status, reason, message): Finding| {
        debug_assert!(story::is_condition("PlcRuntime", type_, reason), "{type_}/{reason} is not documented");
        let generation = match (type_, view.refused) {
            (conditions::PROGRAM_LOADED, Some(refused)) => Some(refused.version.generation),
            _ => view.generation,
        };
        Condition::new(type_, status, reason, bounded(&message, MESSAGE_BYTES_MAX), generation, view.now)
    };
    vec![
        condition(conditions::PROGRAM_LOADED, program_loaded(view)),
        condition(conditions::RUNNING, running(view)),
        condition(conditions::IO_HEALTHY, io_healthy(view)),
        condition(conditions::REALTIME_QUALIFIED, realtime_qualified(view)),
    ]
}

type Finding = (ConditionStatus, &'static str, String);

fn program_loaded(view: &View<'_>) -> Finding {
    if let Some(refused) = view.refused {
        return (ConditionStatus::False, refused.reason, refused.message.clone());
    }
    match view.keeper {
        Err(why) => (ConditionStatus::Unknown, "KeeperUnavailable", why.to_owned()),
        Ok(Status { program: Some(program), .. }) => {
            let message = format!("version {}", version_name(&program.hash));
            (ConditionStatus::True, "Loaded", message)
        }
        Ok(_) => (ConditionStatus::False, "NotLoaded", "no program is loaded yet".to_owned()),
    }
}

fn running(view: &View<'_>) -> Finding {
    if let Some(releasing) = view.releasing {
        return (ConditionStatus::False, "Stopping", releasing.to_owned());
    }
    let status = match view.keeper {
        Ok(status) => status,
        Err(why) => return (ConditionStatus::Unknown, "KeeperUnavailable", why.to_owned()),
    };
    // A keeper that stands still for a reason of its own says the same whatever the spec asks for.
    let asked = |run, reason| {
        if view.run == run { (ConditionStatus::True, reason) } else { (ConditionStatus::False, reason) }
    };
    let (holds, reason) = match status.state {
        State::Running => asked(RunMode::Running, "Scanning"),
        State::Stopped => asked(RunMode::Stopped, "Stopped"),
        State::Paused => asked(RunMode::Paused, "Paused"),
        State::Starting => (ConditionStatus::False, "Starting"),
        State::Halted => (ConditionStatus::False, "Faulted"),
        State::SafeHalted => (ConditionStatus::False, "SafeHalted"),
        State::Restarting => (ConditionStatus::False, "Restarting"),
    };
    let message = if status.reason.is_empty() {
        match status.state {
            State::Running => "the program scans",
            State::Stopped => "the program stands still as asked",
            State::Paused => "the program stands still and holds its values",
            State::Starting => "the program is being started",
            State::Halted => "the program stopped with a fault; see status.lastFault",
            State::SafeHalted => "the program stands still until it is acknowledged",
            State::Restarting => "the program will start again",
        }
    } else {
        &status.reason
    };
    (holds, reason, format!("{message}{}", way_out(view, status.state)))
}

/// What a person does about a halt, ready to be pasted.
fn way_out(view: &View<'_>, state: State) -> String {
    let (State::Halted | State::SafeHalted, Some((namespace, name))) = (state, view.object) else {
        return String::new();
    };
    format!(
        "; when its cause is removed: kubectl annotate -n {namespace} plc {name} \
         {ACKNOWLEDGE}=\"$(date -Is)\" --overwrite"
    )
}

fn io_healthy(view: &View<'_>) -> Finding {
    let status = match view.keeper {
        Ok(status) => status,
        Err(why) => return (ConditionStatus::Unknown, "KeeperUnavailable", why.to_owned()),
    };
    let failed: Vec<String> = status
        .drivers
        .iter()
        .filter(|driver| driver.state == keeper::DriverState::Failed)
        .map(|driver| format!("{}: {}", driver.name, driver.error))
        .collect();
    if !failed.is_empty() {
        return (ConditionStatus::False, "DeviceUnreachable", failed.join("; "));
    }
    let connecting: Vec<&str> = status
        .drivers
        .iter()
        .filter(|driver| driver.state == keeper::DriverState::Connecting)
        .map(|driver| driver.name.as_str())
        .collect();
    if !connecting.is_empty() {
        return (ConditionStatus::False, "Connecting", format!("connecting: {}", connecting.join(", ")));
    }
    let (reason, message) = match status.drivers.len() {
        0 => ("NoDrivers", "the spec names no drivers"),
        _ => ("Operational", "every driver exchanges data with its device"),
    };
    (ConditionStatus::True, reason, message.to_owned())
}

fn realtime_qualified(view: &View<'_>) -> Finding {
    if view.realtime == RealtimeMode::Off {
        return (ConditionStatus::True, "NotRequested", "spec.realtime.mode is Off".to_owned());
    }
    let granted = match view.keeper {
        Ok(status) => &status.realtime,
        Err(why) => return (ConditionStatus::Unknown, "KeeperUnavailable", why.to_owned()),
    };
    if granted.policy == FIFO && granted.memory_locked && granted.refused.is_empty() {
        let message = format!("SCHED_FIFO {}, memory locked", granted.priority);
        (ConditionStatus::True, "Granted", message)
    } else if granted.policy.is_empty() {
        (ConditionStatus::Unknown, "NotStarted", "the runner has not asked for it yet".to_owned())
    } else {
        (ConditionStatus::False, "Refused", granted.refused.clone())
    }
}

/// How a keeper spells SCHED_FIFO.
const FIFO: &str = "FIFO";

fn running_program(program: &keeper::ProgramStatus, generation: i64) -> ProgramStatus {
    ProgramStatus {
        hash: sources_hash(&program.hash).to_owned(),
        version: version_name(&program.hash).to_owned(),
        generation: Some(generation),
        layout_hash: Some(format!("{:016x}", program.layout_hash)),
        compiler: opt_text(&program.compiler, 64),
        diagnostics: program.diagnostics.iter().take(LIST_MAX).map(diagnostic).collect(),
    }
}

fn diagnostic(found: &compiler::Diagnostic) -> Diagnostic {
    let place = &found.place;
    Diagnostic {
        code: found.code.clone(),
        severity: match found.severity {
            compiler::Severity::Error => Severity::Error,
            compiler::Severity::Warning => Severity::Warning,
            compiler::Severity::Note => Severity::Note,
        },
        at: bounded(&format!("{}:{}:{}", place.file, place.line, place.column), 320),
        message: bounded(&found.message, MESSAGE_BYTES_MAX),
        help: found.help.as_deref().map(|help| bounded(help, MESSAGE_BYTES_MAX)),
    }
}

fn change(
    refused: Option<&Refused>,
    applied: Option<&keeper::ChangeStatus>,
    now: Timestamp,
) -> Option<Change> {
    let number = |count: u32| i32::try_from(count).unwrap_or(i32::MAX);
    let time = Some(Time(now));
    if let Some(refused) = refused.filter(|refused| !refused.variables.is_empty()) {
        let refused = refused.variables.iter().take(LIST_MAX).map(|text| bounded(text, VARIABLE_BYTES_MAX));
        let refused = refused.collect();
        let state = ChangeState::Refused;
        return Some(Change { state, copied: 0, converted: 0, initialised: 0, dropped: 0, refused, time });
    }
    let applied = applied.filter(|change| change.state != keeper::ChangeState::Started)?;
    Some(Change {
        state: ChangeState::Applied,
        copied: number(applied.copied),
        converted: number(applied.converted),
        initialised: number(applied.initialised),
        dropped: number(applied.dropped),
        refused: Vec::new(),
        time,
    })
}

fn granted(task: &keeper::TaskStatus, realtime: &keeper::RealtimeStatus) -> TaskStatus {
    let fifo = realtime.policy == FIFO;
    TaskStatus {
        name: task.name.clone(),
        interval_microseconds: (task.interval_ns > 0).then_some((task.interval_ns / 1000) as i64),
        policy: if fifo { SchedulingPolicy::Fifo } else { SchedulingPolicy::Other },
        priority: i32::try_from(realtime.priority).unwrap_or(0),
        cpus: Vec::new(),
        refused: opt_text(&realtime.refused, 256),
        grade: if fifo && realtime.memory_locked { RealtimeGrade::Firm } else { RealtimeGrade::Soft },
    }
}

fn driver(driver: &keeper::DriverStatus) -> DriverStatus {
    let operational = driver.state == keeper::DriverState::Operational;
    DriverStatus {
        name: driver.name.clone(),
        state: match driver.state {
            keeper::DriverState::Connecting => DriverState::Connecting,
            keeper::DriverState::Operational => DriverState::Operational,
            keeper::DriverState::Failed => DriverState::Disconnected,
        },
        message: if operational { None } else { opt_text(&driver.error, MESSAGE_BYTES_MAX) },
        last_transition_time: unix_time(driver.since_unix_ms),
    }
}

fn last_fault(fault: &FaultRecord) -> LastFault {
    let mut message = fault.summary();
    for call in fault.call_stack.iter().skip(1) {
        let _ = write!(message, ", called from {} at {}", call.function, call.at);
    }
    LastFault {
        code: fault.code.name().to_owned(),
        message: Some(bounded(&message, MESSAGE_BYTES_MAX)),
        at: opt_text(&fault.at, 320),
        instance: opt_text(&fault.instance, 512),
        task: opt_text(&fault.task, 64),
        scan: i64::try_from(fault.scan).ok(),
        time: unix_time(fault.unix_ms).unwrap_or(Time(Timestamp::UNIX_EPOCH)),
    }
}

fn opt_text(text: &str, bytes_max: usize) -> Option<String> {
    (!text.is_empty()).then(|| bounded(text, bytes_max))
}

/// `10ms`, `500us`, `2s`: the largest unit that needs no fraction.
fn interval(ns: u64) -> String {
    for (unit, name) in [(1_000_000_000, "s"), (1_000_000, "ms"), (1000, "us")] {
        if ns.is_multiple_of(unit) {
            return format!("{}{name}", ns / unit);
        }
    }
    format!("{ns}ns")
}

fn unix_time(milliseconds: u64) -> Option<Time> {
    let second = i64::try_from(milliseconds / 1000).ok()?;
    Timestamp::from_second(second).ok().map(Time)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plcruntime::record::Version;
    use crate::plcruntime::sample;
    use lineshaft_crds::condition::find;

    fn view<'a>(keeper: Result<&'a Status, &'a str>) -> View<'a> {
        View {
            object: Some(("plant", "filler")),
            holder: Some("edge-1"),
            generation: Some(2),
            run: RunMode::Running,
            realtime: RealtimeMode::Preferred,
            refused: None,
            keeper,
            releasing: None,
            now: Timestamp::from_millisecond(1_500).unwrap(),
        }
    }

    /// `True/Reason`, and the message if there is one.
    fn said(status: &PlcRuntimeStatus, type_: &str) -> String {
        let condition = find(&status.conditions, type_).unwrap();
        let mut text = format!("{:?}/{}", condition.status, condition.reason);
        if !condition.message.is_empty() {
            text = format!("{text}: {}", condition.message);
        }
        text
    }

    #[test]
    fn a_running_program() {
        let seen = sample::running();
        let status = status(&view(Ok(&seen)));
        assert_eq!(said(&status, conditions::PROGRAM_LOADED), "True/Loaded: version 0123456789ab");
        assert_eq!(said(&status, conditions::RUNNING), "True/Scanning: the program scans");
        assert_eq!(
            said(&status, conditions::IO_HEALTHY),
            "True/Operational: every driver exchanges data with its device"
        );
        assert_eq!(said(&status, conditions::REALTIME_QUALIFIED), "False/Refused: SCHED_FIFO 79: EPERM");
        assert_eq!(status.scan.as_deref(), Some("10ms"));
        assert_eq!(status.holder.as_deref(), Some("edge-1"));
        let program = status.program.unwrap();
        assert_eq!((program.version.as_str(), program.generation), ("0123456789ab", Some(2)));
        assert!(status.conditions.iter().all(|condition| condition.observed_generation == Some(2)));
        assert_eq!(status.conditions[0].last_transition_time, Time(Timestamp::from_second(1).unwrap()));
    }

    #[test]
    fn figures_of_a_scan_change_nothing() {
        let before = sample::running();
        let mut after = before.clone();
        after.revision += 1;
        after.counters.scans += 1000;
        after.tasks[0].scans += 1000;
        after.tasks[0].exec_max_ns += 5;
        assert_eq!(status(&view(Ok(&before))), status(&view(Ok(&after))));
    }

    #[test]
    fn what_the_spec_asks_for_holds_and_anything_else_does_not() {
        for (state, run, expected) in [
            (State::Running, RunMode::Running, "True/Scanning"),
            (State::Running, RunMode::Stopped, "False/Scanning"),
            (State::Stopped, RunMode::Stopped, "True/Stopped"),
            (State::Stopped, RunMode::Running, "False/Stopped"),
            (State::Paused, RunMode::Paused, "True/Paused"),
            (State::Starting, RunMode::Running, "False/Starting"),
            (State::Halted, RunMode::Running, "False/Faulted"),
            (State::SafeHalted, RunMode::Running, "False/SafeHalted"),
            (State::Restarting, RunMode::Running, "False/Restarting"),
        ] {
            let seen = Status { state, ..sample::running() };
            let status = status(&View { run, ..view(Ok(&seen)) });
            let said = said(&status, conditions::RUNNING);
            assert!(said.starts_with(&format!("{expected}: ")), "{said}");
        }
    }

    #[test]
    fn a_refused_version_beside_the_old_one() {
        let seen = sample::running();
        let refused = Refused {
            version: Version { generation: 3, sources_hash: sample::sources_hash('f') },
            reason: "MigrationRefused",
            message: "values cannot be carried over".to_owned(),
            variables: vec!["Main.n: DINT does not fit INT".to_owned()],
        };
        let status = status(&View { refused: Some(&refused), ..view(Ok(&seen)) });
        let loaded = find(&status.conditions, conditions::PROGRAM_LOADED).unwrap();
        assert_eq!(
            said(&status, conditions::PROGRAM_LOADED),
            "False/MigrationRefused: values cannot be carried over"
        );
        assert_eq!(loaded.observed_generation, Some(3));
        assert_eq!(said(&status, conditions::RUNNING), "True/Scanning: the program scans");
        assert_eq!(status.program.unwrap().version, "0123456789ab", "what really runs");
        assert_eq!(status.change.unwrap().state, ChangeState::Refused);
    }

    #[test]
    fn an_unreachable_device_is_named() {
        let mut seen = sample::running();
        seen.drivers[0].state = keeper::DriverState::Failed;
        seen.drivers[0].error = "connection refused".to_owned();
        let status = status(&view(Ok(&seen)));
        assert_eq!(
            said(&status, conditions::IO_HEALTHY),
            "False/DeviceUnreachable: press: connection refused"
        );
        assert_eq!(status.drivers[0].state, DriverState::Disconnected);
        assert_eq!(status.drivers[0].message.as_deref(), Some("connection refused"));
    }

    #[test]
    fn a_fault_says_where() {
        let mut seen = sample::running();
        seen.state = State::Halted;
        seen.last_fault = Some(sample::fault());
        let status = status(&view(Ok(&seen)));
        let fault = status.last_fault.unwrap();
        assert_eq!((fault.code.as_str(), fault.at.as_deref()), ("IndexOutOfBounds", Some("main.st:42:17")));
        let message = fault.message.unwrap();
        assert!(
            message.starts_with("IndexOutOfBounds at main.st:42:17 in Main.Conv (12, 0, 9)"),
            "{message}"
        );
        assert!(message.ends_with("called from Main at main.st:50:3"), "{message}");
    }

    #[test]
    fn without_a_keeper_nothing_is_claimed() {
        let status = status(&view(Err("the keeper did not start: no such file")));
        for type_ in [conditions::PROGRAM_LOADED, conditions::RUNNING, conditions::IO_HEALTHY] {
            assert_eq!(
                said(&status, type_),
                "Unknown/KeeperUnavailable: the keeper did not start: no such file"
            );
        }
        assert!(status.program.is_none() && status.drivers.is_empty());
    }

    #[test]
    fn intervals_for_people() {
        for (ns, text) in
            [(10_000_000, "10ms"), (500_000, "500us"), (2_000_000_000, "2s"), (1_500_000, "1500us")]
        {
            assert_eq!(interval(ns), text);
        }
    }
}
