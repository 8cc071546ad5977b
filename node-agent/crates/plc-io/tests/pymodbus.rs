//! The Modbus master against pymodbus, a device that shares no code with us.
//!
//! Runs where `LINESHAFT_PYTHON` names an interpreter with the packages of `tests/requirements.txt`; `make test` sees
//! to that.

mod rig;

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use lineshaft_exchange::Quality;
use lineshaft_plc_io::spec::{DriverConfig, ModbusArea, SafeDefault, SafeValue, WordOrder};
use lineshaft_plc_io::{DriverState, OutputMode};
use rig::{Rig, map, modbus};

const WAIT: Duration = Duration::from_secs(20);

/// `tests/peers/modbus_device.py`, which describes its commands.
struct Peer {
    child: Child,
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    port: u16,
}

impl Peer {
    fn start() -> Option<Self> {
        let Ok(python) = std::env::var("LINESHAFT_PYTHON") else {
            println!("skipped: LINESHAFT_PYTHON is not set");
            return None;
        };
        Some(Self::start_with(&python))
    }

    fn start_with(python: &str) -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../tests/peers/modbus_device.py");
        let mut child = Command::new(python)
            .arg(script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // It prints every exchange that it refuses.
            .stderr(Stdio::null())
            .spawn()
            .expect("LINESHAFT_PYTHON is an interpreter");
        let orders = child.stdin.take();
        let answers = BufReader::new(child.stdout.take().expect("it was piped"));
        let mut peer = Self { child, orders, answers, port: 0 };
        peer.port = numbers(&peer.line())[0];
        peer
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.answers.read_line(&mut line).expect("the device answers");
        assert!(!line.is_empty(), "the device ended");
        line
    }

    fn order(&mut self, order: &str) -> String {
        let orders = self.orders.as_mut().expect("it is only taken at the end");
        writeln!(orders, "{order}").expect("the device listens");
        self.line()
    }

    fn get(&mut self, area: &str, start: u16, count: u16) -> Vec<u16> {
        numbers(&self.order(&format!("get {area} {start} {count}")))
    }

    fn endpoint(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It ends with its standard input.
        drop(self.orders.take());
        if let Err(error) = self.child.wait() {
            println!("the device cannot be waited for: {error}");
        }
    }
}

/// The numbers in a line of JSON that has nothing else of interest.
fn numbers(line: &str) -> Vec<u16> {
    line.split(|letter: char| !letter.is_ascii_digit()).filter_map(|digits| digits.parse().ok()).collect()
}

#[test]
fn values_of_every_table_and_width_go_both_ways() {
    let Some(mut peer) = Peer::start() else { return };
    peer.order("set discrete 3 1 0 1");
    peer.order("set input 10 65534 4660");
    peer.order("set coils 100 0 1");
    peer.order("set holding 50 1 2");
    let mut low_first = map(ModbusArea::Holding, 60, 2, "%QD3");
    low_first.word_order = WordOrder::LowFirst;
    let maps = vec![
        map(ModbusArea::Discrete, 3, 3, "%IX0.0"),
        map(ModbusArea::Coil, 100, 2, "%IX0.6"),
        map(ModbusArea::Input, 10, 2, "%IW1"),
        map(ModbusArea::Holding, 50, 2, "%ID2"),
        map(ModbusArea::Coil, 0, 20, "%QX0.0"),
        map(ModbusArea::Holding, 40, 2, "%QW3"),
        low_first,
        map(ModbusArea::Coil, 30, 1, "%QX20.0"),
    ];
    let mut rig = Rig::start(&[modbus("press", peer.endpoint(), maps)], &[], SafeDefault::Zero);
    rig.host.wait_safe_confirmed(WAIT).expect("the device answers");
    let image = vec![0b1000_0101, 0, 0xfe, 0xff, 0x34, 0x12, 0, 0, 2, 0, 1, 0];
    rig.until("inputs", |rig| rig.inputs(0) == (Quality::Good, image.clone()));
    let mut outputs = vec![0; 21];
    outputs[..3].copy_from_slice(&[0b0000_0001, 0, 0b0000_1000]);
    outputs[6..16].copy_from_slice(&[0xfe, 0xff, 0x34, 0x12, 0, 0, 0x04, 0x03, 0x02, 0x01]);
    outputs[20] = 1;
    rig.commit(0, &outputs);
    rig.host.set_mode(OutputMode::Live);
    rig.until("the last coil", |_| peer.get("coils", 30, 1) == [1]);
    rig.until("coils", |_| peer.get("coils", 0, 20) == [[1].as_slice(), &[0; 18], &[1]].concat());
    rig.until("registers", |_| peer.get("holding", 40, 2) == [0xfffe, 0x1234]);
    rig.until("a wide value", |_| peer.get("holding", 60, 2) == [0x0304, 0x0102]);
    assert_eq!(rig.host.stop(WAIT)[0].safe, Ok(()));
    assert_eq!(peer.get("coils", 0, 20), [0; 20]);
    assert_eq!(peer.get("holding", 40, 2), [0; 2]);
}

#[test]
fn it_vanishes_and_returns() {
    let Some(mut peer) = Peer::start() else { return };
    let maps = vec![map(ModbusArea::Coil, 0, 2, "%QX0.0"), map(ModbusArea::Input, 0, 1, "%IW0")];
    let mut spec = modbus("press", peer.endpoint(), maps);
    spec.error_ms = 50;
    let safe = [("%QX0.1", SafeValue::Literal("TRUE".to_owned()))];
    let mut rig = Rig::start(&[spec], &safe, SafeDefault::Zero);
    rig.commit(0, &[0b01]);
    rig.host.set_mode(OutputMode::Live);
    rig.until("live outputs", |_| peer.get("coils", 0, 2) == [1, 0]);
    peer.order("vanish");
    rig.until("a state", |rig| matches!(rig.host.statuses()[0].state, DriverState::Unreachable { .. }));
    rig.until("bad inputs", |rig| rig.inputs(0).0 == Quality::Bad);
    rig.host.set_mode(OutputMode::Safe);
    assert!(rig.host.wait_safe_confirmed(Duration::from_millis(50)).is_err());
    assert_eq!(peer.get("coils", 0, 2), [1, 0]);
    peer.order("return");
    rig.host.wait_safe_confirmed(WAIT).expect("the device is back");
    assert_eq!(peer.get("coils", 0, 2), [0, 1]);
    rig.wait_state("press", &DriverState::Operational);
}

#[test]
fn what_it_refuses_is_named() {
    let Some(peer) = Peer::start() else { return };
    let beyond = vec![map(ModbusArea::Input, 0, 1, "%IW0"), map(ModbusArea::Input, 60_000, 1, "%IW1")];
    let mut rig = Rig::start(&[modbus("press", peer.endpoint(), beyond)], &[], SafeDefault::Zero);
    let text = "the device refused read of 1 input registers from 60000: exception 2 (IllegalDataAddress, it does not have these addresses)";
    rig.wait_state("press", &DriverState::Degraded { error: text.to_owned() });

    let mut wrong = modbus("press", peer.endpoint(), vec![map(ModbusArea::Coil, 0, 1, "%QX0.0")]);
    let DriverConfig::ModbusMaster(config) = &mut wrong.config else { unreachable!() };
    config.unit_id = 7;
    config.timeout_ms = 300;
    let mut rig = Rig::start(&[wrong], &[], SafeDefault::Zero);
    rig.until("a refusal", |rig| rig.host.statuses()[0].errors > 0);
    assert!(!rig.host.is_safe_confirmed());
}
