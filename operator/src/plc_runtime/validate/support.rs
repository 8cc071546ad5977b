//! Fields that the design has and this version does not execute. They are refused by name, never ignored.

use lineshaft_crds::PlcRuntimeSpec;
use lineshaft_crds::plc_runtime::{
    ConversionRange, Driver, IntegerOverflow, RealDivideByZero, RealtimeMode, RetainMode, TaskScheduling,
};
use lineshaft_plc_compiler::Program;

/// One unsupported feature: where it stands, and whether a part of a spec uses it.
type Row<Part> = (&'static str, fn(&Part) -> bool);

/// The whole list, but for drivers and tasks, which are listed by their own paths below.
const FEATURES: &[Row<PlcRuntimeSpec>] = &[
    ("spec.program.semantics.integerOverflow: Fault", |spec| {
        spec.program.semantics.integer_overflow == IntegerOverflow::Fault
    }),
    ("spec.program.semantics.realDivideByZero: Fault", |spec| {
        spec.program.semantics.real_divide_by_zero == RealDivideByZero::Fault
    }),
    ("spec.program.semantics.conversionRange: Fault", |spec| {
        spec.program.semantics.conversion_range == ConversionRange::Fault
    }),
    ("spec.realtime.mode: Required", |spec| spec.realtime.mode == RealtimeMode::Required),
    ("spec.retain.mode: File", |spec| spec.retain.mode == RetainMode::File),
    ("spec.web.enabled", |spec| spec.web.as_ref().is_some_and(|web| web.enabled)),
    ("spec.debug.enabled", |spec| spec.debug.as_ref().is_some_and(|debug| debug.enabled)),
    ("spec.history", |spec| spec.history.is_some()),
];

/// Kinds of drivers that this version has no code for.
const DRIVERS: &[Row<Driver>] = &[
    ("modbusMaster.rtu", |driver| driver.modbus_master.as_ref().is_some_and(|master| master.rtu.is_some())),
    ("modbusSlave", |driver| driver.modbus_slave.is_some()),
    ("gpio", |driver| driver.gpio.is_some()),
    ("etherCat", |driver| driver.ether_cat.is_some()),
    ("mqtt", |driver| driver.mqtt.is_some()),
    ("opcUaServer", |driver| driver.opc_ua_server.is_some()),
];

/// What a spec uses that this version does not execute.
pub(super) fn unsupported(spec: &PlcRuntimeSpec) -> Vec<String> {
    let mut paths: Vec<String> =
        FEATURES.iter().filter(|(_, used)| used(spec)).map(|(path, _)| (*path).to_owned()).collect();
    for (index, task) in spec.tasks.iter().enumerate() {
        if task.trigger.is_some() {
            paths.push(format!("spec.tasks[{index}].trigger"));
        }
        if !task.cpus.is_empty() {
            paths.push(format!("spec.tasks[{index}].cpus"));
        }
    }
    for (index, driver) in spec.io.drivers.iter().enumerate() {
        let used = DRIVERS.iter().filter(|(_, used)| used(driver));
        paths.extend(used.map(|(kind, _)| format!("spec.io.drivers[{index}].{kind}")));
    }
    paths.into_iter().map(|path| format!("{path} is not supported by this version")).collect()
}

/// What only the compiled program shows.
pub(super) fn unsupported_by_program(spec: &PlcRuntimeSpec, program: &Program) -> Vec<String> {
    if spec.scheduling == TaskScheduling::Preemptive && program.tasks.len() > 1 {
        let names: Vec<_> = program.tasks.iter().map(|task| task.name.as_str()).collect();
        return vec![format!(
            "spec.scheduling: Preemptive is not supported by this version for several tasks ({}): use NonPreemptive",
            names.join(", ")
        )];
    }
    Vec::new()
}
