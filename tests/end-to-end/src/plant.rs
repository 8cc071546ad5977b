//! One `lineshaft up` with its directory, its ports and what it prints.

use crate::host::Host;
use crate::kubectl::Kubectl;
use crate::memory::Memory;
use crate::processes::{MARK, Process, Role};
use crate::wait::wait_until;
use rustix::process::Signal;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Long enough for a start on a busy machine; a hang is caught all the same.
const START_LIMIT: Duration = Duration::from_secs(90);

/// A plant on one box.
pub struct Plant {
    directory: tempfile::TempDir,
    mark: String,
    listen: u16,
    console: u16,
    cluster: Option<PathBuf>,
    host: Option<String>,
    up: Option<Child>,
    printed: Arc<Mutex<Vec<String>>>,
}

impl Plant {
    /// Prepares directory and ports; starts nothing.
    ///
    /// # Panics
    /// When the machine gives no directory or port.
    pub fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("manifests")).unwrap();
        let mark = directory.path().to_string_lossy().into_owned();
        // Both held at once, so that they differ.
        let (api, console) = (free_port(), free_port());
        let (listen, console) = (port_of(&api), port_of(&console));
        Self {
            directory,
            mark,
            listen,
            console,
            cluster: None,
            host: None,
            up: None,
            printed: Arc::default(),
        }
    }

    /// Makes it use the cluster of this kubeconfig instead of an API server of its own.
    pub fn use_cluster(&mut self, kubeconfig: &Path) {
        self.cluster = Some(kubeconfig.to_owned());
    }

    /// Moves it, and whoever asks it, to a host of its own.
    pub fn move_to(&mut self, host: &Host) {
        self.host = Some(host.name().to_owned());
    }

    /// Where the manifests are.
    pub fn manifests(&self) -> PathBuf {
        self.directory.path().join("manifests")
    }

    /// Writes a manifest.
    ///
    /// # Panics
    /// When the disk refuses.
    pub fn write_manifest(&self, name: &str, text: &str) {
        fs::write(self.manifests().join(name), text).unwrap();
    }

    /// The data directory.
    pub fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    /// Address of the console.
    pub fn console(&self) -> String {
        format!("127.0.0.1:{}", self.console)
    }

    /// kubectl for this plant.
    pub fn kubectl(&self) -> Kubectl {
        let own = self.data().join("kubeconfig");
        Kubectl::new(self.cluster.as_deref().unwrap_or(&own), self.host.clone())
    }

    /// What `lineshaft` prints to somebody at this plant.
    ///
    /// # Panics
    /// When it fails.
    pub fn lineshaft(&self, arguments: &[&str]) -> String {
        let mut command = program_on(self.host.as_deref(), &program());
        let own = self.data().join("kubeconfig");
        let output = command
            .args(arguments)
            .env("KUBECONFIG", self.cluster.as_deref().unwrap_or(&own))
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let problem = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "lineshaft {arguments:?}: {problem}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// The memory of a runtime.
    ///
    /// # Panics
    /// When there is no such runtime.
    pub fn memory(&self, runtime: &str) -> Memory {
        let uid = self.kubectl().ok(&["get", "plc", runtime, "-o=jsonpath={.metadata.uid}"]);
        Memory::of(&self.data(), &uid)
    }

    /// The command that starts it.
    pub fn command(&self) -> Command {
        let mut command = program_on(self.host.as_deref(), &program());
        command
            .arg("up")
            .arg(self.manifests())
            .arg("--data-dir")
            .arg(self.data())
            .args(["--listen", &format!("127.0.0.1:{}", self.listen)])
            .args(["--console", &self.console()])
            .args(["--node-name", "box"])
            .env(MARK, &self.mark)
            .stdin(Stdio::null());
        if let Some(kubeconfig) = &self.cluster {
            command.arg("--kubeconfig").arg(kubeconfig);
        }
        command
    }

    /// Starts it and waits until its objects are Ready.
    ///
    /// # Panics
    /// When it ends or is not Ready in time.
    pub fn start(&mut self) {
        self.printed.lock().unwrap().clear();
        let mut child = self.command().stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        collect(child.stdout.take().unwrap(), Arc::clone(&self.printed));
        collect(child.stderr.take().unwrap(), Arc::clone(&self.printed));
        self.up = Some(child);
    }

    /// Waits until kubectl finds the runtime Ready.
    ///
    /// # Panics
    /// When it is not in time.
    pub fn wait_ready(&mut self, name: &str) {
        let kubectl = self.kubectl();
        wait_until(START_LIMIT, &format!("plc/{name} Ready"), || {
            if let Some(status) = self.up.as_mut().and_then(|up| up.try_wait().unwrap()) {
                panic!("lineshaft up ended with {status}:\n{}", self.printed().join("\n"));
            }
            let path = r#"-o=jsonpath={.status.conditions[?(@.type=="Ready")].status}"#;
            let output = kubectl.output(&["get", "plc", name, path]);
            (output.stdout == b"True").then_some(())
        });
        kubectl.forget_kinds();
    }

    /// What it has printed.
    ///
    /// # Panics
    /// Never in practice: the collecting threads do not panic.
    pub fn printed(&self) -> Vec<String> {
        self.printed.lock().unwrap().clone()
    }

    /// Living processes.
    pub fn processes(&self) -> Vec<Process> {
        Process::all(&self.mark)
    }

    /// The living process of a role, once there is one.
    ///
    /// # Panics
    /// When there is none in time.
    pub fn process(&self, role: Role) -> Process {
        wait_until(START_LIMIT, &format!("a process of role {role:?}"), || {
            self.processes().into_iter().find(|process| process.role == role)
        })
    }

    /// SIGKILL of `lineshaft up`, and nothing is left of what it started.
    ///
    /// # Panics
    /// When something of it stays.
    pub fn kill(&mut self) {
        self.process(Role::Up).kill();
        self.wait_end();
        self.wait_nothing_left();
    }

    /// SIGTERM, and waits for the end.
    ///
    /// # Panics
    /// When it does not end.
    pub fn terminate(&mut self) -> ExitStatus {
        self.process(Role::Up).signal(Signal::TERM);
        self.wait_end()
    }

    /// Waits for the end of `lineshaft up`.
    ///
    /// # Panics
    /// When it does not end.
    pub fn wait_end(&mut self) -> ExitStatus {
        let mut up = self.up.take().expect("it was started");
        wait_until(Duration::from_secs(30), "lineshaft up ends", || up.try_wait().unwrap())
    }

    /// Waits until no process is left.
    ///
    /// # Panics
    /// With those that are left after the limit.
    pub fn wait_nothing_left(&self) {
        wait_until(Duration::from_secs(20), "no process is left behind", || {
            self.processes().is_empty().then_some(())
        });
    }

    /// Body of a GET to the console.
    ///
    /// # Panics
    /// When the console does not answer.
    pub fn get(&self, path: &str) -> String {
        use std::io::{Read, Write};
        let mut stream = std::net::TcpStream::connect(self.console()).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.console())
            .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        answer.split_once("\r\n\r\n").unwrap().1.to_owned()
    }
}

impl Default for Plant {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Plant {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- lineshaft up printed:\n{}", self.printed().join("\n"));
        }
        // The lifelines end the rest; killing it here too keeps a failed test from leaving anything.
        for process in self.processes() {
            process.kill();
        }
        if let Some(mut up) = self.up.take() {
            let _reaped = up.wait();
        }
    }
}

/// The program under test: as told, or from the same build as this test.
///
/// # Panics
/// When it was not built.
pub fn program() -> PathBuf {
    if let Some(path) = std::env::var_os("LINESHAFT_BIN") {
        return PathBuf::from(path);
    }
    let test = std::env::current_exe().unwrap();
    let path = test.ancestors().nth(2).map(|build| build.join("lineshaft")).unwrap();
    assert!(path.exists(), "{} is missing: run `cargo build --workspace --bins`", path.display());
    path
}

/// A program on a host, or here.
pub(crate) fn program_on(host: Option<&str>, program: &Path) -> Command {
    let Some(host) = host else { return Command::new(program) };
    let mut command = Command::new("ip");
    command.args(["netns", "exec", host]).arg(program);
    command
}

fn free_port() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").unwrap()
}

fn port_of(listener: &TcpListener) -> u16 {
    listener.local_addr().unwrap().port()
}

pub(crate) fn collect(stream: impl std::io::Read + Send + 'static, into: Arc<Mutex<Vec<String>>>) {
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            into.lock().unwrap().push(line);
        }
    });
}

/// A folder below the repository.
pub fn repository(path: &str) -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../..")).join(path)
}
