//! From a `PlcRuntime`'s spec to what a keeper runs: pure, and the only place that knows both.
//!
//! Nothing named in a spec is ever ignored: what this agent cannot do yet is refused, with the name of the field.

use lineshaft_crds::plc_runtime as api;
use lineshaft_plc_compiler::{Binding, Dialect, InstanceOverride, Options, SourceUnit, TaskOverride};
use lineshaft_plc_io::spec::{
    DeviceWatchdog, DriverConfig, DriverSpec, LoopbackLink, LoopbackSpec, ModbusArea, ModbusMap,
    ModbusMasterSpec, OnError, SimulatedSpec, SimulatedStep, WordOrder,
};
use lineshaft_plc_runtime::protocol::{
    Bundle, FaultPolicy, Identity, IoSpec, OnRefused, ProgramSpec, RealtimeMode, Rename, RunMode,
    SafeDefault, SafeTarget, SafeValue, Scheduling, Semantics, UpdateMode, UpdatePolicy, WatchdogAction,
    WatchdogSpec,
};

use super::record::{Version, keeper_hash};

/// The fields of a spec that ask for what this agent cannot do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this agent cannot do: {}", .0.join(", "))]
pub(crate) struct Unsupported(pub(crate) Vec<String>);

/// What the keeper is given, or every field that stands in the way.
pub(crate) fn bundle(
    identity: Identity,
    version: &Version,
    spec: &api::PlcRuntimeSpec,
    sources: Vec<SourceUnit>,
) -> Result<Bundle, Unsupported> {
    // Without `..`: a new field of the spec does not compile until it is dealt with here.
    let api::PlcRuntimeSpec {
        node_name: _,     // the operator's
        node_selector: _, // the operator's
        run,
        program,
        scheduling,
        tasks,
        realtime,
        io,
        retain,
        watchdog,
        fault,
        mesh,
        discovery: _, // read from the object by what announces runtimes
        web,
        debug,
        history,
        log,
    } = spec;
    let mut unsupported = Vec::new();
    let mut refuse = |wanted: bool, field: &str| {
        if wanted {
            unsupported.push(field.to_owned());
        }
    };
    refuse(retain.mode != api::RetainMode::Disabled, "spec.retain.mode File");
    refuse(web.as_ref().is_some_and(|web| web.enabled), "spec.web");
    refuse(debug.is_some_and(|debug| debug.enabled), "spec.debug");
    refuse(history.is_some(), "spec.history");
    refuse(log.level != api::LogLevel::Info, "spec.log.level other than Info");
    let tasks = tasks.iter().map(|task| task_override(task, &mut unsupported)).collect();
    let drivers = io.drivers.iter().filter_map(|driver| driver_spec(driver, &mut unsupported)).collect();
    if !unsupported.is_empty() {
        return Err(Unsupported(unsupported));
    }
    let options = Options {
        dialect: match program.dialect {
            api::Dialect::Iec => Dialect::Iec,
            api::Dialect::Lineshaft => Dialect::Lineshaft,
            api::Dialect::Codesys => Dialect::Codesys,
        },
        resource: program.resource.clone(),
        tasks,
        bindings: io
            .bindings
            .iter()
            .map(|binding| Binding { variable: binding.variable.clone(), address: binding.address.clone() })
            .collect(),
        ..Options::default()
    };
    let semantics = Semantics {
        integer_overflow_faults: program.semantics.integer_overflow == api::IntegerOverflow::Fault,
        real_divide_by_zero_faults: program.semantics.real_divide_by_zero == api::RealDivideByZero::Fault,
        conversion_range_faults: program.semantics.conversion_range == api::ConversionRange::Fault,
    };
    Ok(Bundle {
        identity,
        generation: version.generation,
        program: ProgramSpec {
            hash: keeper_hash(&version.sources_hash, &options, semantics),
            sources,
            options,
            semantics,
        },
        update: update_policy(&program.update),
        run: run_mode(*run),
        scheduling: match scheduling {
            api::TaskScheduling::Preemptive => Scheduling::Preemptive,
            api::TaskScheduling::NonPreemptive => Scheduling::NonPreemptive,
        },
        io: IoSpec {
            drivers,
            safe_state: io.safe_state.iter().filter_map(safe_value).collect(),
            safe_state_default: match io.safe_state_default {
                api::SafeStateDefault::Zero => SafeDefault::Zero,
                api::SafeStateDefault::Hold => SafeDefault::Hold,
            },
        },
        watchdog: watchdog_spec(watchdog),
        fault: match fault.policy {
            api::FaultPolicy::Halt => FaultPolicy::Halt,
            api::FaultPolicy::SafeHalt => FaultPolicy::SafeHalt,
            api::FaultPolicy::Restart => FaultPolicy::Restart,
            api::FaultPolicy::ContinueSafe => FaultPolicy::ContinueSafe,
            api::FaultPolicy::ContinueHold => FaultPolicy::ContinueHold,
        },
        realtime: match realtime.mode {
            api::RealtimeMode::Required => RealtimeMode::Required,
            api::RealtimeMode::Preferred => RealtimeMode::Preferred,
            api::RealtimeMode::Disabled => RealtimeMode::Off,
        },
        publish: mesh.iter().flat_map(|mesh| &mesh.publish).map(|entry| entry.variable.clone()).collect(),
    })
}

fn run_mode(run: api::RunMode) -> RunMode {
    match run {
        api::RunMode::Running => RunMode::Running,
        api::RunMode::Stopped => RunMode::Stopped,
        api::RunMode::Paused => RunMode::Paused,
    }
}

fn update_policy(update: &api::Update) -> UpdatePolicy {
    UpdatePolicy {
        mode: match update.mode {
            api::UpdateMode::OnlineChange => UpdateMode::OnlineChange,
            api::UpdateMode::Restart => UpdateMode::Restart,
        },
        on_refused: match update.on_refused {
            api::OnRefused::Keep => OnRefused::Keep,
            api::OnRefused::Restart => OnRefused::Restart,
        },
        renames: update
            .renames
            .iter()
            .map(|rename| Rename { from: rename.from.clone(), to: rename.to.clone() })
            .collect(),
    }
}

fn watchdog_spec(watchdog: &api::Watchdog) -> WatchdogSpec {
    WatchdogSpec {
        enabled: watchdog.enabled,
        timeout_ns: watchdog.timeout_milliseconds.map(|ms| u64::from(ms.unsigned_abs()) * 1_000_000),
        sensitivity: watchdog.sensitivity.unsigned_abs().max(1),
        action: match watchdog.action {
            api::WatchdogAction::Halt => WatchdogAction::Halt,
            api::WatchdogAction::SafeHalt => WatchdogAction::SafeHalt,
            api::WatchdogAction::Restart => WatchdogAction::Restart,
        },
    }
}

fn task_override(task: &api::Task, unsupported: &mut Vec<String>) -> TaskOverride {
    let field = |part: &str| format!("spec.tasks[{}].{part}", task.name);
    if task.trigger.is_some() {
        unsupported.push(field("trigger"));
    }
    if !task.cpus.is_empty() {
        unsupported.push(field("cpus"));
    }
    TaskOverride {
        name: task.name.clone(),
        interval_ns: task.interval_microseconds.map(|us| us.unsigned_abs() * 1000),
        priority: task.priority.map(i32::unsigned_abs),
        programs: task
            .programs
            .iter()
            .map(|program| InstanceOverride {
                instance: program.instance.clone(),
                program: program.type_.clone(),
            })
            .collect(),
    }
}

fn driver_spec(driver: &api::Driver, unsupported: &mut Vec<String>) -> Option<DriverSpec> {
    let before = unsupported.len();
    let mut refuse = |part: &str| unsupported.push(format!("spec.io.drivers[{}].{part}", driver.name));
    // Without `..`, for the same reason as in `bundle`.
    let api::Driver {
        name,
        on_error,
        error_milliseconds,
        modbus_master,
        modbus_slave,
        gpio,
        ether_cat,
        mqtt,
        opc_ua_server,
        simulated,
        loopback,
    } = driver;
    for (wanted, part) in [
        (modbus_slave.is_some(), "modbusSlave"),
        (gpio.is_some(), "gpio"),
        (ether_cat.is_some(), "etherCat"),
        (mqtt.is_some(), "mqtt"),
        (opc_ua_server.is_some(), "opcUaServer"),
        (modbus_master.as_ref().is_some_and(|modbus| modbus.rtu.is_some()), "modbusMaster.rtu"),
    ] {
        if wanted {
            refuse(part);
        }
    }
    let config = if let Some(api::ModbusMaster { tcp: Some(tcp), .. }) = modbus_master {
        modbus_master.as_ref().map(|modbus| DriverConfig::ModbusMaster(modbus_spec(modbus, tcp)))
    } else if let Some(simulated) = simulated {
        Some(DriverConfig::Simulated(simulated_spec(simulated)))
    } else {
        loopback.as_ref().map(|loopback| DriverConfig::Loopback(loopback_spec(loopback)))
    };
    if config.is_none() && unsupported.len() == before {
        unsupported.push(format!("spec.io.drivers[{name}], which has no device"));
    }
    Some(DriverSpec {
        name: name.clone(),
        on_error: match on_error {
            api::DriverError::Hold => OnError::Hold,
            api::DriverError::Zero => OnError::Zero,
            api::DriverError::Fault => OnError::Fault,
        },
        error_ms: error_milliseconds.unsigned_abs(),
        config: config?,
    })
}

fn modbus_spec(modbus: &api::ModbusMaster, tcp: &api::ModbusTcp) -> ModbusMasterSpec {
    ModbusMasterSpec {
        endpoint: tcp.endpoint.clone(),
        // The schema bounds these numbers; what it lets through fits.
        unit_id: modbus.unit_id as u8,
        timeout_ms: modbus.timeout_milliseconds.unsigned_abs(),
        maps: modbus
            .maps
            .iter()
            .map(|map| ModbusMap {
                area: match map.area {
                    api::ModbusArea::Coil => ModbusArea::Coil,
                    api::ModbusArea::Discrete => ModbusArea::Discrete,
                    api::ModbusArea::Holding => ModbusArea::Holding,
                    api::ModbusArea::Input => ModbusArea::Input,
                },
                start: map.start.unsigned_abs(),
                count: map.count.unsigned_abs(),
                address: map.address.clone(),
                poll_ms: map.poll_milliseconds.unsigned_abs(),
                word_order: match map.word_order {
                    api::WordOrder::HighFirst => WordOrder::HighFirst,
                    api::WordOrder::LowFirst => WordOrder::LowFirst,
                },
            })
            .collect(),
        device_watchdog: modbus.device_watchdog.map(|watchdog| DeviceWatchdog {
            register: watchdog.register as u16,
            value: watchdog.value as u16,
        }),
    }
}

fn simulated_spec(simulated: &api::Simulated) -> SimulatedSpec {
    SimulatedSpec {
        steps: simulated
            .steps
            .iter()
            .map(|step| SimulatedStep {
                at_ms: step.at_milliseconds.unsigned_abs(),
                address: step.address.clone(),
                value: step.value.clone(),
            })
            .collect(),
        repeat_ms: simulated.repeat_milliseconds.map(i32::unsigned_abs),
    }
}

fn loopback_spec(loopback: &api::Loopback) -> LoopbackSpec {
    LoopbackSpec {
        links: loopback
            .links
            .iter()
            .map(|link| LoopbackLink {
                from: link.from.clone(),
                to: link.to.clone(),
                count: link.count.unsigned_abs(),
            })
            .collect(),
    }
}

/// `None` only for an entry without target, which the schema does not let through.
fn safe_value(entry: &api::SafeState) -> Option<SafeValue> {
    let target = match (&entry.address, &entry.variable) {
        (Some(address), _) => SafeTarget::Address(address.clone()),
        (None, Some(variable)) => SafeTarget::Variable(variable.clone()),
        (None, None) => return None,
    };
    Some(SafeValue { target, value: entry.value.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    /// The bundle of a minimal spec into which `more` is merged.
    #[allow(clippy::unwrap_in_result, reason = "the spec is part of the test")]
    fn translated(more: &Value) -> Result<Bundle, Unsupported> {
        let mut spec =
            json!({"program": {"sources": [{"name": "main.st", "inline": "PROGRAM Main END_PROGRAM"}]}});
        merge(&mut spec, more);
        let spec: api::PlcRuntimeSpec = serde_json::from_value(spec).unwrap();
        let version = Version { generation: 3, sources_hash: "sha256:00".to_owned() };
        let sources =
            vec![SourceUnit { name: "main.st".to_owned(), text: "PROGRAM Main END_PROGRAM".to_owned() }];
        bundle(Identity::default(), &version, &spec, sources)
    }

    fn merge(into: &mut Value, more: &Value) {
        match (into, more) {
            (Value::Object(into), Value::Object(more)) => {
                for (key, value) in more {
                    merge(into.entry(key.clone()).or_insert(Value::Null), value);
                }
            }
            (into, more) => *into = more.clone(),
        }
    }

    #[test]
    fn a_minimal_spec() {
        let bundle = translated(&json!({})).unwrap();
        assert_eq!(bundle.generation, 3);
        assert_eq!(bundle.run, RunMode::Running);
        assert_eq!(bundle.watchdog, WatchdogSpec::default());
        assert_eq!(bundle.realtime, RealtimeMode::Preferred);
        assert_eq!(bundle.update, UpdatePolicy::default());
        assert_eq!(bundle.program.options, Options::default());
        assert!(bundle.program.hash.starts_with("sha256:00+"));
        assert!(bundle.io.drivers.is_empty());
    }

    #[test]
    fn units_become_nanoseconds_and_enums_their_equals() {
        let bundle = translated(&json!({
            "run": "Paused",
            "scheduling": "NonPreemptive",
            "program": {"dialect": "Codesys", "resource": "Res0", "semantics": {"integerOverflow": "Fault"},
                "update": {"mode": "Restart", "onRefused": "Restart", "renames": [{"from": "Main.n", "to": "Main.count"}]}},
            "tasks": [{"name": "fast", "intervalMicroseconds": 1500, "priority": 4,
                "programs": [{"instance": "A", "type": "Main"}]}],
            "realtime": {"mode": "Disabled"},
            "watchdog": {"timeoutMilliseconds": 20, "sensitivity": 3, "action": "Restart"},
            "fault": {"policy": "ContinueHold"},
        }))
        .unwrap();
        assert_eq!(bundle.run, RunMode::Paused);
        assert_eq!(bundle.scheduling, Scheduling::NonPreemptive);
        assert_eq!(bundle.program.options.dialect, Dialect::Codesys);
        assert_eq!(bundle.program.options.resource.as_deref(), Some("Res0"));
        assert!(bundle.program.semantics.integer_overflow_faults);
        assert!(!bundle.program.semantics.conversion_range_faults);
        assert_eq!(bundle.update.mode, UpdateMode::Restart);
        assert_eq!(bundle.update.on_refused, OnRefused::Restart);
        assert_eq!(
            bundle.update.renames,
            [Rename { from: "Main.n".to_owned(), to: "Main.count".to_owned() }]
        );
        let task = &bundle.program.options.tasks[0];
        assert_eq!((task.interval_ns, task.priority), (Some(1_500_000), Some(4)));
        assert_eq!(
            task.programs,
            [InstanceOverride { instance: "A".to_owned(), program: "Main".to_owned() }]
        );
        assert_eq!(bundle.realtime, RealtimeMode::Off);
        assert_eq!(
            bundle.watchdog,
            WatchdogSpec {
                enabled: true,
                timeout_ns: Some(20_000_000),
                sensitivity: 3,
                action: WatchdogAction::Restart
            }
        );
        assert_eq!(bundle.fault, FaultPolicy::ContinueHold);
    }

    #[test]
    fn drivers_and_safe_values() {
        let bundle = translated(&json!({"io": {
            "drivers": [
                {"name": "press", "onError": "Zero", "errorMilliseconds": 250, "modbusMaster": {
                    "tcp": {"endpoint": "10.0.0.5:502"}, "unitId": 7, "timeoutMilliseconds": 100,
                    "deviceWatchdog": {"register": 9, "value": 50},
                    "maps": [{"area": "Holding", "start": 4, "count": 2, "address": "%QD1", "pollMilliseconds": 20,
                        "wordOrder": "LowFirst"}]}},
                {"name": "script", "simulated": {"steps": [{"atMilliseconds": 5, "address": "%IX0.0", "value": "TRUE"}]}},
                {"name": "back", "loopback": {"links": [{"from": "%QX0.0", "to": "%IX1.0", "count": 8}]}},
            ],
            "bindings": [{"variable": "Main.Start", "address": "%IX0.0"}],
            "safeState": [{"address": "%QX0.0", "value": "FALSE"}, {"variable": "Main.Valve", "value": "INT#0"}],
            "safeStateDefault": "Hold",
        }}))
        .unwrap();
        let [press, script, back] = &bundle.io.drivers[..] else {
            unreachable!("three drivers were declared")
        };
        assert_eq!((press.name.as_str(), press.on_error, press.error_ms), ("press", OnError::Zero, 250));
        let DriverConfig::ModbusMaster(modbus) = &press.config else { unreachable!("declared as such") };
        assert_eq!((modbus.endpoint.as_str(), modbus.unit_id, modbus.timeout_ms), ("10.0.0.5:502", 7, 100));
        assert_eq!(modbus.device_watchdog, Some(DeviceWatchdog { register: 9, value: 50 }));
        let map = &modbus.maps[0];
        assert_eq!((map.area, map.start, map.count, map.poll_ms), (ModbusArea::Holding, 4, 2, 20));
        assert_eq!((map.address.as_str(), map.word_order), ("%QD1", WordOrder::LowFirst));
        assert!(matches!(&script.config, DriverConfig::Simulated(spec) if spec.steps[0].at_ms == 5));
        assert!(matches!(&back.config, DriverConfig::Loopback(spec) if spec.links[0].count == 8));
        assert_eq!(bundle.program.options.bindings[0].variable, "Main.Start");
        let targets: Vec<_> = bundle.io.safe_state.iter().map(|entry| &entry.target).collect();
        assert_eq!(
            targets,
            [&SafeTarget::Address("%QX0.0".to_owned()), &SafeTarget::Variable("Main.Valve".to_owned())]
        );
        assert_eq!(bundle.io.safe_state_default, SafeDefault::Hold);
    }

    #[test]
    fn what_cannot_be_done_is_named_and_nothing_is_ignored() {
        for (more, field) in [
            (json!({"retain": {"mode": "File"}}), "spec.retain.mode File"),
            (json!({"web": {"enabled": true}}), "spec.web"),
            (json!({"debug": {"enabled": true}}), "spec.debug"),
            (json!({"history": {"variables": ["Main.n"]}}), "spec.history"),
            (json!({"log": {"level": "Debug"}}), "spec.log.level other than Info"),
            (json!({"tasks": [{"name": "t", "cpus": [1]}]}), "spec.tasks[t].cpus"),
            (json!({"tasks": [{"name": "t", "trigger": {"event": "Main.e"}}]}), "spec.tasks[t].trigger"),
            (
                json!({"io": {"drivers": [{"name": "pins", "gpio": {"chip": "gpiochip0", "points": []}}]}}),
                "spec.io.drivers[pins].gpio",
            ),
            (
                json!({"io": {"drivers": [{"name": "line", "modbusMaster": {"rtu": {"device": "/dev/ttyS0"}, "maps": []}}]}}),
                "spec.io.drivers[line].modbusMaster.rtu",
            ),
        ] {
            assert_eq!(translated(&more), Err(Unsupported(vec![field.to_owned()])), "{more}");
        }
        for harmless in [json!({"web": {"enabled": false}}), json!({"discovery": {}}), json!({"mesh": {}})] {
            assert!(translated(&harmless).is_ok(), "{harmless}");
        }
    }

    #[test]
    fn published_variables_go_with_the_program_and_are_none_of_it() {
        let publish =
            json!([{"variable": "Main.n"}, {"variable": "Status.PLCState", "minIntervalMilliseconds": 100}]);
        let bundle = translated(&json!({"mesh": {"publish": publish}})).unwrap();
        assert_eq!(bundle.publish, ["Main.n", "Status.PLCState"]);
        assert_eq!(
            bundle.program.hash,
            translated(&json!({})).unwrap().program.hash,
            "the same program runs on"
        );
    }

    #[test]
    fn a_changed_task_is_a_changed_program() {
        let hash = |more| translated(&more).unwrap().program.hash;
        let plain = hash(json!({}));
        assert_eq!(plain, hash(json!({"run": "Stopped", "fault": {"policy": "Restart"}})));
        assert_ne!(plain, hash(json!({"tasks": [{"name": "main", "intervalMicroseconds": 1000}]})));
        assert_ne!(plain, hash(json!({"io": {"bindings": [{"variable": "Main.a", "address": "%IX0.0"}]}})));
    }
}
