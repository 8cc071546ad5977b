//! The Modbus master against a device of our own: vanishing, returning, refusing, silent, and the gate.

mod rig;

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use lineshaft_exchange::Quality;
use lineshaft_fieldbus::modbus::{Server, Table, Tables};
use lineshaft_plc_io::spec::{DeviceWatchdog, DriverConfig, ModbusArea, OnError, SafeDefault, SafeValue};
use lineshaft_plc_io::{DriverState, OutputMode};
use rig::{Device, Rig, modbus};

const WAIT: Duration = Duration::from_secs(20);

/// Two coils out, one register out; two inputs, one register in.
fn maps() -> Vec<lineshaft_plc_io::spec::ModbusMap> {
    vec![
        rig::map(ModbusArea::Coil, 0, 2, "%QX0.0"),
        rig::map(ModbusArea::Holding, 4, 1, "%QW1"),
        rig::map(ModbusArea::Discrete, 0, 2, "%IX0.0"),
        rig::map(ModbusArea::Input, 3, 1, "%IW1"),
    ]
}

#[test]
fn inputs_come_outputs_go_and_the_gate_is_obeyed() {
    let device = Device::start();
    device.tables.set(Table::Coils, 0, &[1, 1]);
    device.tables.set(Table::HoldingRegisters, 4, &[77]);
    device.tables.set(Table::DiscreteInputs, 0, &[0, 1]);
    device.tables.set(Table::InputRegisters, 3, &[0x1234]);
    let safe = [("%QX0.1", SafeValue::Literal("TRUE".to_owned()))];
    let mut rig = Rig::start(&[modbus("press", device.endpoint(), maps())], &safe, SafeDefault::Zero);

    // The first thing that the device gets is safe, also while outputs are committed already.
    rig.commit(0, &[0b01, 0, 0x39, 0x05]);
    rig.host.wait_safe_confirmed(WAIT).expect("the device answers");
    assert_eq!(device.tables.get(Table::Coils, 0, 2), [0, 1]);
    assert_eq!(device.tables.get(Table::HoldingRegisters, 4, 1), [0]);

    rig.wait_state("press", &DriverState::Operational);
    rig.until("inputs", |rig| rig.inputs(0) == (Quality::Good, vec![0b10, 0, 0x34, 0x12]));

    rig.host.set_mode(OutputMode::Live);
    assert!(!rig.host.is_safe_confirmed());
    rig.until("live outputs", |_| device.tables.get(Table::Coils, 0, 2) == [1, 0]);
    rig.until("live register", |_| device.tables.get(Table::HoldingRegisters, 4, 1) == [1337]);
    rig.commit(0, &[0b11, 0, 0xff, 0xff]);
    rig.until("a change", |_| device.tables.get(Table::HoldingRegisters, 4, 1) == [0xffff]);

    rig.host.set_mode(OutputMode::Safe);
    rig.commit(0, &[0b01, 0, 1, 0]);
    rig.host.wait_safe_confirmed(WAIT).expect("the device answers");
    assert_eq!(device.tables.get(Table::Coils, 0, 2), [0, 1]);
    assert_eq!(device.tables.get(Table::HoldingRegisters, 4, 1), [0]);

    rig.host.set_mode(OutputMode::Live);
    rig.until("live again", |_| device.tables.get(Table::Coils, 0, 2) == [1, 0]);
    let outcomes = rig.host.stop(WAIT);
    assert_eq!(outcomes[0].safe, Ok(()));
    assert_eq!(device.tables.get(Table::Coils, 0, 2), [0, 1], "the last act is safe");
}

#[test]
fn live_without_a_commit_is_still_safe() {
    let device = Device::start();
    device.tables.set(Table::Coils, 0, &[1, 1]);
    let mut rig = Rig::start(&[modbus("press", device.endpoint(), maps())], &[], SafeDefault::Zero);
    rig.host.set_mode(OutputMode::Live);
    rig.wait_state("press", &DriverState::Operational);
    rig.until("safe values", |_| device.tables.get(Table::Coils, 0, 2) == [0, 0]);
    assert!(!rig.host.is_safe_confirmed(), "the gate is open");
}

#[test]
fn held_outputs_keep_what_was_written_last_and_are_left_alone_before() {
    let device = Device::start();
    device.tables.set(Table::Coils, 0, &[1, 1]);
    device.tables.set(Table::HoldingRegisters, 4, &[77]);
    let safe = [("%QX0.1", SafeValue::Hold), ("%QW1", SafeValue::Hold)];
    let mut rig = Rig::start(&[modbus("press", device.endpoint(), maps())], &safe, SafeDefault::Zero);
    rig.host.wait_safe_confirmed(WAIT).expect("the device answers");
    assert_eq!(device.tables.get(Table::Coils, 0, 2), [0, 1]);
    assert_eq!(device.tables.get(Table::HoldingRegisters, 4, 1), [77]);
    rig.commit(0, &[0b01, 0, 5, 0]);
    rig.host.set_mode(OutputMode::Live);
    rig.until("live outputs", |_| device.tables.get(Table::HoldingRegisters, 4, 1) == [5]);
    rig.host.set_mode(OutputMode::Safe);
    rig.host.wait_safe_confirmed(WAIT).expect("the device answers");
    assert_eq!(device.tables.get(Table::Coils, 0, 2), [0, 0]);
    assert_eq!(device.tables.get(Table::HoldingRegisters, 4, 1), [5]);
}

#[test]
fn a_device_that_vanishes_and_returns_gets_the_current_values_again() {
    let mut device = Device::start();
    device.tables.set(Table::InputRegisters, 3, &[7]);
    let mut spec = modbus("press", device.endpoint(), maps());
    spec.on_error = OnError::Zero;
    spec.error_ms = 100;
    let mut rig = Rig::start(&[spec], &[], SafeDefault::Zero);
    rig.commit(0, &[0b11, 0, 9, 0]);
    rig.host.set_mode(OutputMode::Live);
    rig.until("live outputs", |_| device.tables.get(Table::HoldingRegisters, 4, 1) == [9]);
    rig.until("inputs", |rig| rig.inputs(0) == (Quality::Good, vec![0, 0, 7, 0]));

    device.vanish();
    rig.until("a state", |rig| matches!(rig.host.statuses()[0].state, DriverState::Unreachable { .. }));
    rig.until("substitutes", |rig| rig.inputs(0) == (Quality::Bad, vec![0; 4]));
    let DriverState::Unreachable { error } = rig.host.statuses()[0].state.clone() else { unreachable!() };
    assert!(error.contains("connect") || error.contains("connection"), "{error}");
    // The gate is shut while nobody can be told.
    rig.host.set_mode(OutputMode::Safe);
    assert_eq!(rig.host.wait_safe_confirmed(Duration::from_millis(50)), Err(vec!["press".to_owned()]));

    // It comes back as it was switched off: with everything on.
    device.tables.set(Table::Coils, 0, &[1, 1]);
    device.come_back();
    rig.host.wait_safe_confirmed(WAIT).expect("the device is back");
    assert_eq!(device.tables.get(Table::Coils, 0, 2), [0, 0]);
    assert_eq!(device.tables.get(Table::HoldingRegisters, 4, 1), [0]);
    rig.until("inputs again", |rig| rig.inputs(0) == (Quality::Good, vec![0, 0, 7, 0]));
    rig.wait_state("press", &DriverState::Operational);
    assert!(rig.host.statuses()[0].connects >= 2);

    // And while live: live values, although nothing changed meanwhile.
    rig.host.set_mode(OutputMode::Live);
    rig.until("live outputs", |_| device.tables.get(Table::Coils, 0, 2) == [1, 1]);
    device.vanish();
    device.tables.set(Table::Coils, 0, &[0, 0]);
    device.come_back();
    rig.until("live outputs again", |_| device.tables.get(Table::Coils, 0, 2) == [1, 1]);
}

#[test]
fn a_device_that_forgets_is_refreshed() {
    let device = Device::start();
    let mut rig = Rig::start(&[modbus("press", device.endpoint(), maps())], &[], SafeDefault::Zero);
    rig.commit(0, &[0b11, 0, 9, 0]);
    rig.host.set_mode(OutputMode::Live);
    rig.until("live outputs", |_| device.tables.get(Table::Coils, 0, 2) == [1, 1]);
    device.tables.set(Table::Coils, 0, &[0, 0]);
    rig.until("a refresh", |_| device.tables.get(Table::Coils, 0, 2) == [1, 1]);
}

#[test]
fn a_refused_range_is_a_named_condition_and_costs_the_others_nothing() {
    let device = Device::start();
    device.tables.set(Table::InputRegisters, 3, &[7]);
    let mut maps = maps();
    maps.push(rig::map(ModbusArea::Holding, 5000, 1, "%IW10"));
    maps.push(rig::map(ModbusArea::Coil, 6000, 1, "%QX30.0"));
    let mut spec = modbus("press", device.endpoint(), maps);
    spec.error_ms = 50;
    let mut rig = Rig::start(&[spec], &[], SafeDefault::Zero);
    rig.until("a state", |rig| matches!(rig.host.statuses()[0].state, DriverState::Degraded { .. }));
    let DriverState::Degraded { error } = rig.host.statuses()[0].state.clone() else { unreachable!() };
    assert_eq!(
        error,
        "the device refused write of 1 coils from 6000: exception 2 (IllegalDataAddress, it does not have these addresses)"
    );
    rig.until("the other inputs", |rig| {
        rig.inputs(0).1[..4] == [0, 0, 7, 0] && rig.inputs(0).0 == Quality::Bad
    });
    assert!(!rig.host.is_safe_confirmed(), "one output never got its safe value");
    let outcome = rig.host.stop(Duration::from_millis(200)).remove(0).safe.unwrap_err();
    assert!(outcome.contains("IllegalDataAddress"), "{outcome}");
}

#[test]
fn a_wrong_unit_is_a_refusal() {
    let device = Device::start();
    let mut spec = modbus("press", device.endpoint(), maps());
    let DriverConfig::ModbusMaster(config) = &mut spec.config else { unreachable!() };
    config.unit_id = 9;
    spec.on_error = OnError::Fault;
    spec.error_ms = 50;
    let mut rig = Rig::start(&[spec], &[], SafeDefault::Zero);
    rig.until("a state", |rig| matches!(&rig.host.statuses()[0].state, DriverState::Degraded { error } if error.contains("exception 11")));
    rig.until("a request for a fault", |rig| rig.host.statuses()[0].fault_requested);
    assert!(!rig.host.is_safe_confirmed());
}

#[test]
fn a_silent_device_is_unreachable_within_its_time_limit() {
    let silent = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let mut spec = modbus("press", silent.local_addr().unwrap().to_string(), maps());
    let DriverConfig::ModbusMaster(config) = &mut spec.config else { unreachable!() };
    config.timeout_ms = 40;
    spec.error_ms = 10;
    let mut rig = Rig::start(&[spec], &[], SafeDefault::Zero);
    rig.until("a state", |rig| matches!(&rig.host.statuses()[0].state, DriverState::Unreachable { error } if error.contains("no answer to")));
    rig.until("bad inputs", |rig| rig.inputs(0).0 == Quality::Bad);
    let outcome = rig.host.stop(Duration::from_millis(100)).remove(0);
    assert!(outcome.safe.is_err());
}

#[test]
fn inputs_age_while_a_request_is_under_way() {
    let silent = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let mut spec = modbus("press", silent.local_addr().unwrap().to_string(), maps());
    let DriverConfig::ModbusMaster(config) = &mut spec.config else { unreachable!() };
    config.timeout_ms = 5_000;
    spec.on_error = OnError::Fault;
    spec.error_ms = 20;
    let begin = std::time::Instant::now();
    let mut rig = Rig::start(&[spec], &[], SafeDefault::Zero);
    rig.until("a request for a fault", |rig| rig.host.statuses()[0].fault_requested);
    assert!(begin.elapsed() < Duration::from_secs(4), "only after the request had timed out");
}

#[test]
fn the_devices_watchdog_is_set_before_anything_else() {
    let device = Device::start();
    let mut spec = modbus("press", device.endpoint(), maps());
    let DriverConfig::ModbusMaster(config) = &mut spec.config else { unreachable!() };
    config.device_watchdog = Some(DeviceWatchdog { register: 9, value: 1500 });
    let rig = Rig::start(&[spec], &[], SafeDefault::Zero);
    rig.host.wait_safe_confirmed(WAIT).expect("the device answers");
    assert_eq!(device.tables.get(Table::HoldingRegisters, 9, 1), [1500]);
}

#[test]
fn two_devices_do_not_wait_for_each_other() {
    let device = Device::start();
    let silent = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let other = vec![rig::map(ModbusArea::Coil, 0, 1, "%QX10.0")];
    let specs = [
        modbus("silent", silent.local_addr().unwrap().to_string(), other),
        modbus("press", device.endpoint(), maps()),
    ];
    let mut rig = Rig::start(&specs, &[], SafeDefault::Zero);
    rig.wait_state("press", &DriverState::Operational);
    assert_eq!(rig.host.wait_safe_confirmed(Duration::from_millis(100)), Err(vec!["silent".to_owned()]));
}

/// A device that answers everything, and reads of discrete inputs only as long as it is told to.
struct Sluggish {
    tables: Arc<Tables>,
    addr: std::net::SocketAddr,
    silent: Arc<AtomicBool>,
}

impl Sluggish {
    fn start() -> Self {
        let tables = Arc::new(Tables::new(1, 100));
        let behind =
            Server::start(([127, 0, 0, 1], 0).into(), Arc::clone(&tables) as _).expect("a free port");
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let (addr, silent) = (listener.local_addr().expect("it is bound"), Arc::new(AtomicBool::new(false)));
        let told = Arc::clone(&silent);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (stream, told) = (stream.expect("a master"), Arc::clone(&told));
                let device = std::net::TcpStream::connect(behind.addr()).expect("it listens");
                std::thread::spawn(move || relay(stream, device, &told));
            }
        });
        Self { tables, addr, silent }
    }
}

fn relay(
    mut master: std::net::TcpStream,
    mut device: std::net::TcpStream,
    silent: &AtomicBool,
) -> Option<()> {
    let frame = |from: &mut std::net::TcpStream| {
        let mut frame = vec![0; 6];
        from.read_exact(&mut frame).ok()?;
        frame.resize(6 + usize::from(u16::from_be_bytes([frame[4], frame[5]])), 0);
        from.read_exact(&mut frame[6..]).ok()?;
        Some(frame)
    };
    loop {
        let request = frame(&mut master)?;
        if request[7] == 2 && silent.load(Ordering::Relaxed) {
            continue;
        }
        device.write_all(&request).ok()?;
        master.write_all(&frame(&mut device)?).ok()?;
    }
}

#[test]
fn safe_values_do_not_wait_for_a_read_that_is_not_answered() {
    let device = Sluggish::start();
    let mut spec = modbus("press", device.addr.to_string(), maps());
    let DriverConfig::ModbusMaster(config) = &mut spec.config else { unreachable!() };
    config.timeout_ms = 60_000;
    let mut rig = Rig::start(&[spec], &[], SafeDefault::Zero);
    rig.commit(0, &[0b11, 0, 9, 0]);
    rig.host.set_mode(OutputMode::Live);
    rig.until("live outputs", |_| device.tables.get(Table::Coils, 0, 2) == [1, 1]);
    device.silent.store(true, Ordering::Relaxed);
    rig.until("stale inputs", |rig| rig.inputs(0).0 != Quality::Good);
    let begin = std::time::Instant::now();
    rig.host.set_mode(OutputMode::Safe);
    rig.until("safe outputs", |_| device.tables.get(Table::Coils, 0, 2) == [0, 0]);
    assert!(begin.elapsed() < Duration::from_secs(10), "only after {:?}", begin.elapsed());
}
