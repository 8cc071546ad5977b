//! `lineshaft-plc`: the process of one PLC program (`runner`), and the one that keeps it (`keeper`).

use lineshaft_plc_runtime::{Error, heap, keeper, runner};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::ExitCode;
use tracing_subscriber::EnvFilter;

const USAGE: &str = "usage: lineshaft-plc keeper --state-dir DIR\n\nStarted by the node agent; runners are started by keepers.";

fn main() -> ExitCode {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(false).init();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match arguments.as_slice() {
        ["keeper", "--state-dir", dir] => keeper::run(Path::new(dir)),
        ["runner", "--keeper", pid] => run_runner(pid),
        ["--version"] => {
            println!("lineshaft-plc {}", env!("CARGO_PKG_VERSION"));
            return ExitCode::SUCCESS;
        }
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run_runner(keeper: &str) -> Result<(), Error> {
    heap::use_one();
    // Started by way of /proc/self/exe, it would be listed as `exe`. The name is for people: no reason to fail.
    let _ = rustix::thread::set_name(c"lineshaft-plc");
    runner::die_with(keeper)?;
    let control = std::io::stdin().as_fd().try_clone_to_owned();
    let control = control.map_err(|source| Error::Io { what: "take the control socket".into(), source })?;
    runner::run(&UnixStream::from(control))
}
