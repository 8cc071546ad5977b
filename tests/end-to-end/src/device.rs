//! The third-party field device: pymodbus, with a line to look into it.

use crate::plant::repository;
use crate::wait::wait_until;
use serde_json::Value;
use std::io::{BufRead, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

/// A write that the device received.
#[derive(Clone, Debug)]
pub struct Write {
    /// `coils` or `holding`.
    pub area: String,
    /// Of the first value.
    pub address: u16,
    /// What was written.
    pub values: Vec<u16>,
}

/// A pymodbus server.
pub struct Device {
    /// Where it listens on loopback.
    pub port: u16,
    child: Child,
    line: Mutex<(ChildStdin, BufReader<ChildStdout>)>,
}

impl Device {
    /// Starts one on a free port.
    ///
    /// # Panics
    /// When Python or pymodbus is missing.
    pub fn start() -> Self {
        let python = std::env::var_os("LINESHAFT_PYTHON")
            .map_or_else(|| repository("tests/.venv/bin/python"), PathBuf::from);
        assert!(python.exists(), "{} is missing: run `make test` once", python.display());
        let mut child = Command::new(python)
            .arg(repository("tests/peers/modbus_device.py"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let first = read_json(&mut output);
        let port = u16::try_from(first["port"].as_u64().unwrap()).unwrap();
        let line = Mutex::new((child.stdin.take().unwrap(), output));
        Self { port, child, line }
    }

    /// Sets a value that the master reads (or what an operator's panel would write).
    pub fn set(&self, area: &str, address: u16, value: u16) {
        self.ask(&format!("set {area} {address} {value}"));
    }

    /// One value.
    ///
    /// # Panics
    /// When the device has ended.
    pub fn get(&self, area: &str, address: u16) -> u16 {
        let answer = self.ask(&format!("get {area} {address} 1"));
        u16::try_from(answer["values"][0].as_u64().unwrap()).unwrap()
    }

    /// Closes the listener and every connection.
    pub fn vanish(&self) {
        self.ask("vanish");
    }

    /// Comes back on the same port.
    pub fn come_back(&self) {
        self.ask("return");
    }

    /// Every write since number `from`.
    ///
    /// # Panics
    /// When the device has ended.
    pub fn writes(&self, from: usize) -> Vec<Write> {
        let answer = self.ask(&format!("log {from}"));
        let writes = answer["writes"].as_array().unwrap();
        writes
            .iter()
            .map(|write| Write {
                area: write["area"].as_str().unwrap().to_owned(),
                address: number(&write["address"]),
                values: write["values"].as_array().unwrap().iter().map(number).collect(),
            })
            .collect()
    }

    /// How many writes there were.
    pub fn write_count(&self) -> usize {
        self.writes(0).len()
    }

    /// Waits for a value.
    ///
    /// # Panics
    /// When it does not come.
    pub fn wait(&self, area: &str, address: u16, limit: Duration, is: impl Fn(u16) -> bool) -> u16 {
        wait_until(limit, &format!("{area} {address} (is {})", self.get(area, address)), || {
            Some(self.get(area, address)).filter(|value| is(*value))
        })
    }

    fn ask(&self, command: &str) -> Value {
        let mut line = self.line.lock().unwrap();
        writeln!(line.0, "{command}").unwrap();
        let answer = read_json(&mut line.1);
        assert!(answer.get("error").is_none(), "{command}: {answer}");
        answer
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        let _ended_already = self.child.kill();
        let _reaped = self.child.wait();
    }
}

fn number(value: &Value) -> u16 {
    u16::try_from(value.as_u64().unwrap()).unwrap()
}

fn read_json(output: &mut BufReader<ChildStdout>) -> Value {
    let mut text = String::new();
    output.read_line(&mut text).unwrap();
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("device said {text:?}: {error}"))
}
