//! `lineshaft up` against the real API server: starts, stops, refusals.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, its helpers too")]

mod common;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use common::{Done, Running, Scratch, command, lineshaft};
use rustix::process::Signal;

/// Marks the processes of one test in their environment, which children inherit.
const MARK: &str = "LINESHAFT_TEST_UP";
/// Lifelines act at once, a Lease is tried again after 10 s; a busy machine may need longer.
const GONE_WITHIN: Duration = Duration::from_secs(40);

const NOTE: &str =
    "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: note, namespace: plant}\ndata: {kept: \"yes\"}\n";

/// The command with free ports and its own directory.
fn up(scratch: &Scratch, arguments: &[&str]) -> Command {
    let mut command = command(&["up", "--data-dir", "data", "--node-name", "box"], scratch.path());
    for (flag, address) in [("--listen", "127.0.0.1:0"), ("--console", "127.0.0.1:0")] {
        if !arguments.contains(&flag) {
            command.args([flag, address]);
        }
    }
    command.args(arguments).env(MARK, scratch.path());
    command
}

fn refused(scratch: &Scratch, arguments: &[&str]) -> Done {
    let output = up(scratch, arguments).output().unwrap();
    Done {
        code: output.status.code().unwrap(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Processes of the test that live, but for this one.
fn living(scratch: &Scratch) -> Vec<String> {
    let wanted = format!("{MARK}={}", scratch.path().display());
    let processes = std::fs::read_dir("/proc").unwrap().filter_map(|entry| {
        let path = entry.unwrap().path();
        let environment = std::fs::read(path.join("environ")).ok()?;
        let marked = environment.split(|byte| *byte == 0).any(|entry| entry == wanted.as_bytes());
        let line = std::fs::read(path.join("cmdline")).ok()?;
        marked.then(|| String::from_utf8_lossy(&line).replace('\0', " "))
    });
    processes.collect()
}

fn wait_nothing_left(scratch: &Scratch) {
    wait("no process is left", || living(scratch).is_empty());
}

fn wait(what: &str, mut is: impl FnMut() -> bool) {
    let end = Instant::now() + GONE_WITHIN;
    while !is() {
        assert!(Instant::now() < end, "not within {GONE_WITHIN:?}: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn kubectl(scratch: &Scratch, arguments: &[&str]) -> String {
    let program = Path::new(env!("CARGO_BIN_EXE_lineshaft")).parent().unwrap().join("../go/kubectl");
    let output = Command::new(program)
        .arg("--kubeconfig")
        .arg(scratch.path().join("data/kubeconfig"))
        .args(arguments)
        .output()
        .unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn wait_node_ready(scratch: &Scratch) {
    let path = r#"-o=jsonpath={.items[*].status.conditions[?(@.type=="Ready")].status}"#;
    wait("the node is Ready", || kubectl(scratch, &["get", "enode", path]) == "True");
}

/// Starts, and returns what it said of the console's address.
fn start(scratch: &Scratch, arguments: &[&str]) -> (Running, String) {
    let mut running = Running::start(up(scratch, arguments));
    let console = running.wait_line("console at http://").rsplit('/').next().unwrap().to_owned();
    running.wait_line("started in ");
    (running, console)
}

fn get(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn it_starts_stops_and_finds_everything_as_it_was() {
    let scratch = Scratch::with(&[("manifests/note.yaml", NOTE)]);

    let (running, console) = start(&scratch, &["manifests"]);
    assert_eq!(
        kubectl(&scratch, &["get", "configmap", "note", "-n", "plant", "-o=jsonpath={.data.kept}"]),
        "yes"
    );
    wait_node_ready(&scratch);
    wait("/readyz is ok", || get(&console, "/readyz").ends_with("\r\n\r\nok\n"));
    assert!(get(&console, "/healthz").ends_with("\r\n\r\nok\n"));
    let metrics = get(&console, "/metrics");
    for name in
        ["lineshaft_operator_build_info", "lineshaft_agent_build_info", "process_resident_memory_bytes"]
    {
        assert!(metrics.contains(&format!("\n{name}")), "no {name} in:\n{metrics}");
    }
    wait("the console shows the node", || get(&console, "/").contains("id=\"node-box\""));
    let uid = kubectl(&scratch, &["get", "configmap", "note", "-n", "plant", "-o=jsonpath={.metadata.uid}"]);
    let mode = std::os::unix::fs::PermissionsExt::mode(
        &std::fs::metadata(scratch.path().join("data/kubeconfig")).unwrap().permissions(),
    );
    assert_eq!(mode & 0o777, 0o600);

    running.signal(Signal::TERM);
    let (status, said) = running.wait();
    assert_eq!(status.code(), Some(0), "{said}");
    assert!(said.contains("stopping: outputs to their safe values\nstopped"), "{said}");
    assert!(said.contains("ConfigMap plant/note: created"), "{said}");
    // An API server keeps a POST of a kind that is this new waiting for longer than `up` waits for the node.
    assert!(said.contains("node box is Ready\n"), "{said}");
    wait_nothing_left(&scratch);

    let (running, _) = start(&scratch, &["manifests"]);
    let found =
        kubectl(&scratch, &["get", "configmap", "note", "-n", "plant", "-o=jsonpath={.metadata.uid}"]);
    assert_eq!(found, uid);
    running.signal(Signal::INT);
    let (status, said) = running.wait();
    assert_eq!(status.code(), Some(0), "{said}");
    assert!(said.contains("objects are as they should be"), "{said}");
    assert!(said.contains("ConfigMap plant/note: unchanged"), "{said}");
    wait_nothing_left(&scratch);
}

#[test]
fn what_others_changed_on_the_server_is_kept_and_said() {
    let scratch = Scratch::with(&[("note.yaml", NOTE)]);
    let (running, _) = start(&scratch, &["note.yaml"]);
    kubectl(&scratch, &["patch", "configmap", "note", "-n", "plant", "-p", r#"{"data":{"kept":"no"}}"#]);
    running.signal(Signal::TERM);
    assert_eq!(running.wait().0.code(), Some(0));

    let (running, _) = start(&scratch, &["note.yaml"]);
    assert_eq!(
        kubectl(&scratch, &["get", "configmap", "note", "-n", "plant", "-o=jsonpath={.data.kept}"]),
        "no"
    );
    running.signal(Signal::TERM);
    let (_, said) = running.wait();
    assert!(said.contains("ConfigMap plant/note: kept as it is"), "{said}");
}

#[test]
fn nothing_is_left_after_sigkill() {
    let scratch = Scratch::with(&[]);
    let (running, _) = start(&scratch, &[]);
    assert!(living(&scratch).len() >= 2, "{:?}", living(&scratch));
    running.signal(Signal::KILL);
    running.wait();
    wait_nothing_left(&scratch);
    // The lock went with the process.
    let (running, _) = start(&scratch, &[]);
    running.signal(Signal::TERM);
    assert_eq!(running.wait().0.code(), Some(0));
}

#[test]
fn an_api_server_that_dies_comes_back_on_the_same_port() {
    let scratch = Scratch::with(&[]);
    let (mut running, _) = start(&scratch, &[]);
    let pid: i32 =
        std::fs::read_to_string(scratch.path().join("data/apiserver/lock")).unwrap().trim().parse().unwrap();
    rustix::process::kill_process(rustix::process::Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
    running.wait_line("the API server ended");
    running.wait_line("the API server is back");
    wait_node_ready(&scratch);
    running.signal(Signal::TERM);
    assert_eq!(running.wait().0.code(), Some(0));
    wait_nothing_left(&scratch);
}

#[test]
fn a_signal_while_it_starts_ends_it_in_order() {
    let scratch = Scratch::with(&[]);
    let mut running = Running::start(up(&scratch, &[]));
    running.wait_line("data directory");
    running.signal(Signal::TERM);
    let (status, said) = running.wait();
    assert_eq!(status.code(), Some(0), "{said}");
    wait_nothing_left(&scratch);
}

#[test]
fn a_bad_manifest_starts_nothing() {
    let scratch = Scratch::with(&[("bad.yaml", "kind: A\nspec: [1, 2\nx: 3\n")]);
    let done = refused(&scratch, &["bad.yaml"]);
    assert_eq!((done.code, done.stdout.as_str()), (1, ""));
    assert!(done.stderr.contains("--> bad.yaml:3:2"), "{done:?}");
    assert!(
        done.stderr.ends_with("error: checked 0 objects in 1 file: 1 error; nothing was started\n"),
        "{done:?}"
    );
    assert!(!scratch.path().join("data").exists());
}

#[test]
fn a_port_in_use_is_one_clear_error() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for flag in ["--listen", "--console"] {
        let scratch = Scratch::with(&[]);
        let done = refused(&scratch, &[flag, &address]);
        assert_eq!((done.code, done.stdout.as_str()), (1, ""));
        assert_eq!(
            done.stderr,
            format!("error: {address} is in use by another program: choose another address with {flag}\n")
        );
    }
}

#[test]
fn a_console_that_others_reach_has_a_login() {
    let scratch = Scratch::with(&[]);
    let done = refused(&scratch, &["--console", "0.0.0.0:0"]);
    assert_eq!((done.code, done.stdout.as_str()), (1, ""));
    assert!(done.stderr.contains("add --console-auth token"), "{done:?}");

    let with_login = ["--console", "0.0.0.0:0", "--console-auth", "token"];
    let mut running = Running::start(up(&scratch, &with_login));
    let console = running.wait_line("console at http://").rsplit(':').next().unwrap().to_owned();
    let console = format!("127.0.0.1:{console}");
    let token = running.wait_line("token of the console").rsplit(' ').next().unwrap().to_owned();
    let closed = get(&console, "/");
    assert!(closed.starts_with("HTTP/1.1 303 ") && closed.contains("location: /login"), "{closed}");
    assert!(get(&console, "/healthz").ends_with("\r\n\r\nok\n"));
    let mut stream = TcpStream::connect(&console).unwrap();
    let body = format!("token={token}");
    write!(
        stream,
        "POST /login HTTP/1.1\r\nHost: {console}\r\nOrigin: http://{console}\r\nConnection: close\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.contains("HttpOnly; SameSite=Strict"), "{answer}");
    running.wait_line("started in ");
    running.signal(Signal::TERM);
    assert_eq!(running.wait().0.code(), Some(0));
    let kept = std::fs::read_to_string(scratch.path().join("data/console.token")).unwrap();
    assert!(!kept.contains(&token), "only its hash is kept");
    let mut again = Running::start(up(&scratch, &with_login));
    again.wait_line("started in ");
    again.signal(Signal::TERM);
    let (status, said) = again.wait();
    assert_eq!(status.code(), Some(0));
    assert!(!said.contains("token of the console"), "it is told once: {said}");
}

#[test]
fn a_data_directory_in_use_is_one_clear_error() {
    let scratch = Scratch::with(&[]);
    let (running, _) = start(&scratch, &[]);
    let done = refused(&scratch, &[]);
    assert_eq!((done.code, done.stdout.as_str()), (1, ""));
    assert!(done.stderr.ends_with(&format!("/data is in use by process {}\n", running.pid())), "{done:?}");
    running.signal(Signal::TERM);
    assert_eq!(running.wait().0.code(), Some(0));
}

#[test]
fn a_newer_data_directory_is_left_alone() {
    let scratch = Scratch::with(&[("data/version", "99\n")]);
    let done = refused(&scratch, &[]);
    assert_eq!((done.code, done.stdout.as_str()), (1, ""));
    assert!(done.stderr.contains("was written by a newer Lineshaft (its version is 99"), "{done:?}");
}

#[test]
fn a_missing_api_server_is_one_clear_error() {
    let scratch = Scratch::with(&[]);
    let output = up(&scratch, &[]).env("LINESHAFT_APISERVER", "/nonexistent").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.starts_with("error: there is no lineshaft-apiserver in /nonexistent"), "{said}");
    assert!(!scratch.path().join("data").exists());
}

#[test]
fn a_node_name_must_be_a_name() {
    let scratch = Scratch::with(&[]);
    let done = lineshaft(&["up", "--node-name", "My Box"], scratch.path());
    assert_eq!(done.code, 2, "{done:?}");
    assert!(done.stderr.contains("lower-case letters"), "{done:?}");
}
