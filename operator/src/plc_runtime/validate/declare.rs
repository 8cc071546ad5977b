//! From a spec to what compiler and drivers take.

use lineshaft_crds::PlcRuntimeSpec;
use lineshaft_crds::plc_runtime::{
    self as api, Dialect, Driver, DriverError, Io, Loopback, ModbusMaster, ModbusTcp, Simulated,
};
use lineshaft_plc_compiler as compiler;
use lineshaft_plc_io::spec as declared;
use lineshaft_plc_io::{DriverConfig, DriverSpec, IoPlan};

/// The drivers of a spec; everything else has been refused as unsupported before.
pub(super) fn drivers(io: &Io) -> Result<Vec<DriverSpec>, Vec<String>> {
    let mut problems = Vec::new();
    let mut drivers = Vec::new();
    for (index, driver) in io.drivers.iter().enumerate() {
        match config(driver) {
            Some(config) => drivers.push(DriverSpec {
                name: driver.name.clone(),
                on_error: match driver.on_error {
                    DriverError::Hold => declared::OnError::Hold,
                    DriverError::Zero => declared::OnError::Zero,
                    DriverError::Fault => declared::OnError::Fault,
                },
                error_ms: driver.error_milliseconds.unsigned_abs(),
                config,
            }),
            // Admission refuses it already, on any server that evaluates the rules of the schema.
            None => problems.push(format!("spec.io.drivers[{index}]: must have exactly one kind of driver")),
        }
    }
    if problems.is_empty() { Ok(drivers) } else { Err(problems) }
}

fn config(driver: &Driver) -> Option<DriverConfig> {
    match (&driver.modbus_master, &driver.simulated, &driver.loopback) {
        (Some(master), None, None) => Some(DriverConfig::ModbusMaster(modbus(master, master.tcp.as_ref()?))),
        (None, Some(script), None) => Some(DriverConfig::Simulated(simulated(script))),
        (None, None, Some(loopback)) => Some(DriverConfig::Loopback(links(loopback))),
        _ => None,
    }
}

fn modbus(master: &ModbusMaster, tcp: &ModbusTcp) -> declared::ModbusMasterSpec {
    let maps = master
        .maps
        .iter()
        .map(|map| declared::ModbusMap {
            area: match map.area {
                api::ModbusArea::Coil => declared::ModbusArea::Coil,
                api::ModbusArea::Discrete => declared::ModbusArea::Discrete,
                api::ModbusArea::Holding => declared::ModbusArea::Holding,
                api::ModbusArea::Input => declared::ModbusArea::Input,
            },
            start: map.start.unsigned_abs(),
            count: map.count.unsigned_abs(),
            address: map.address.clone(),
            poll_ms: map.poll_milliseconds.unsigned_abs(),
            word_order: match map.word_order {
                api::WordOrder::HighFirst => declared::WordOrder::HighFirst,
                api::WordOrder::LowFirst => declared::WordOrder::LowFirst,
            },
        })
        .collect();
    declared::ModbusMasterSpec {
        endpoint: tcp.endpoint.clone(),
        unit_id: master.unit_id as u8,
        timeout_ms: master.timeout_milliseconds.unsigned_abs(),
        maps,
        device_watchdog: master.device_watchdog.map(|watchdog| declared::DeviceWatchdog {
            register: watchdog.register as u16,
            value: watchdog.value as u16,
        }),
    }
}

fn simulated(script: &Simulated) -> declared::SimulatedSpec {
    let step = |step: &api::SimulatedStep| declared::SimulatedStep {
        at_ms: step.at_milliseconds.unsigned_abs(),
        address: step.address.clone(),
        value: step.value.clone(),
    };
    declared::SimulatedSpec {
        steps: script.steps.iter().map(step).collect(),
        repeat_ms: script.repeat_milliseconds.map(i32::unsigned_abs),
    }
}

fn links(loopback: &Loopback) -> declared::LoopbackSpec {
    let link = |link: &api::LoopbackLink| declared::LoopbackLink {
        from: link.from.clone(),
        to: link.to.clone(),
        count: link.count.unsigned_abs(),
    };
    declared::LoopbackSpec { links: loopback.links.iter().map(link).collect() }
}

/// How the program is compiled.
pub(super) fn compiler_options(spec: &PlcRuntimeSpec, plan: &IoPlan) -> compiler::Options {
    let instance = |program: &api::ProgramInstance| compiler::InstanceOverride {
        instance: program.instance.clone(),
        program: program.type_.clone(),
    };
    let task = |task: &api::Task| compiler::TaskOverride {
        name: task.name.clone(),
        interval_ns: task.interval_microseconds.map(|interval| interval.unsigned_abs() * 1000),
        priority: task.priority.map(i32::unsigned_abs),
        programs: task.programs.iter().map(instance).collect(),
    };
    let binding = |binding: &api::Binding| compiler::Binding {
        variable: binding.variable.clone(),
        address: binding.address.clone(),
    };
    compiler::Options {
        dialect: match spec.program.dialect {
            Dialect::Iec => compiler::Dialect::Iec,
            Dialect::Lineshaft => compiler::Dialect::Lineshaft,
            Dialect::Codesys => compiler::Dialect::Codesys,
        },
        resource: spec.program.resource.clone(),
        tasks: spec.tasks.iter().map(task).collect(),
        bindings: spec.io.bindings.iter().map(binding).collect(),
        image_bytes: compiler::ImageBytes {
            inputs: plan.input_len() as u32,
            outputs: plan.output_len() as u32,
            memory: 0,
        },
        ..compiler::Options::default()
    }
}
