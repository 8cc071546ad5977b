//! `lineshaft sim filler`.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, its helpers too")]

mod common;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Stdio;

use common::{Running, command, lineshaft};
use rustix::process::Signal;

fn start() -> (Running, String) {
    let mut running = Running::start(command(&["sim", "filler", "--listen", "127.0.0.1:0"], Path::new("/")));
    let line = running.wait_line("filling station at ");
    let address = line.split_whitespace().nth(3).unwrap().to_owned();
    (running, address)
}

/// Reads the level of the tank as any Modbus client would.
fn level(address: &str) -> u16 {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(&[0, 1, 0, 0, 0, 6, 1, 4, 0, 0, 0, 1]).unwrap();
    let mut answer = [0; 11];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(answer[..9], [0, 1, 0, 0, 0, 5, 1, 4, 2]);
    u16::from_be_bytes([answer[9], answer[10]])
}

#[test]
fn it_serves_modbus_until_it_is_interrupted() {
    for signal in [Signal::INT, Signal::TERM] {
        let (running, address) = start();
        assert_eq!(level(&address), 200);
        running.signal(signal);
        let (status, said) = running.wait();
        assert_eq!(status.code(), Some(0), "{said}");
        assert!(said.contains("holding registers   0 set-point"), "{said}");
    }
}

#[test]
fn it_ends_with_its_standard_input_where_asked_to() {
    let mut command =
        command(&["sim", "filler", "--listen", "127.0.0.1:0", "--exit-on-stdin-close"], Path::new("/"));
    let (reader, writer) = std::io::pipe().unwrap();
    let mut running = Running::start({
        command.stdin(Stdio::from(reader));
        command
    });
    running.wait_line("filling station at ");
    drop(writer);
    assert_eq!(running.wait().0.code(), Some(0));
}

#[test]
fn a_port_in_use_is_one_clear_error() {
    let (_running, address) = start();
    let done = lineshaft(&["sim", "filler", "--listen", &address], Path::new("/"));
    assert_eq!((done.code, done.stdout.as_str()), (1, ""));
    assert_eq!(
        done.stderr,
        format!("error: {address} is in use by another program: choose another address with --listen\n")
    );
}
