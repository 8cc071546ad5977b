//! The API server child: found, started, started again when it dies, ended with us however we end.
//!
//! Its standard input is its lifeline: the kernel closes our end when this process ends, also by SIGKILL. It
//! runs in a process group of its own, so that Ctrl-C in the terminal reaches this process alone, which then
//! ends everything in order.

use std::fs::{File, OpenOptions};
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use serde::Deserialize;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::identities::Identities;
use super::screen::Screen;

const NAME: &str = "lineshaft-apiserver";
const VARIABLE: &str = "LINESHAFT_APISERVER";
/// It ends within a second of being asked to; this long means that it hangs.
const STOP_LIMIT: Duration = Duration::from_secs(5);
/// Delay before the first restart, doubled each time.
const BACKOFF_FIRST: Duration = Duration::from_millis(250);
/// Longest delay between restarts.
const BACKOFF_MAX: Duration = Duration::from_secs(30);
/// One that ran this long is started again without delay.
const STEADY: Duration = Duration::from_mins(1);
/// Lines of its log that a failed start repeats.
const LAST_LINES: usize = 5;

/// Why there is no API server.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ApiserverError {
    /// Not installed.
    #[error(
        "there is no {NAME} in {places}: build it with `make apiserver`, or say with {VARIABLE}=PATH where it is"
    )]
    Missing {
        /// Where it was looked for.
        places: String,
    },
    /// The executable cannot be started, or its pipes not be used.
    #[error("cannot start {}: {source}", path.display())]
    Start {
        /// The executable, or its log.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It ended before it was ready.
    #[error("{NAME} ended before it was ready ({status}){}", words(last_words))]
    Ended {
        /// How.
        status: ExitStatus,
        /// The end of its log.
        last_words: String,
    },
    /// It said something else than that it is ready.
    #[error("{NAME} said `{0}` instead of where it listens")]
    Answer(String),
}

fn words(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!(":\n{text}") }
}

/// How it is started each time.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    /// The executable.
    pub(crate) program: PathBuf,
    /// Where it keeps everything.
    pub(crate) data: PathBuf,
    /// What it says.
    pub(crate) log: PathBuf,
    /// Where it listens.
    pub(crate) listen: SocketAddr,
    /// Kubeconfigs that it writes.
    pub(crate) identities: Identities,
}

/// A running API server under supervision.
pub(crate) struct Apiserver {
    /// `https://127.0.0.1:16443`.
    pub(crate) address: String,
    stopping: CancellationToken,
    supervisor: JoinHandle<()>,
}

/// One process of it.
struct Server {
    child: Child,
    /// Closed to end it. Not left in `child`, whose `wait` closes it at once.
    lifeline: ChildStdin,
}

/// What it prints when it is ready.
#[derive(Deserialize)]
struct Ready {
    address: String,
}

/// Finds the executable: where [`VARIABLE`] says, beside this one, or where `make` puts it.
pub(crate) fn find() -> Result<PathBuf, ApiserverError> {
    if let Some(path) = std::env::var_os(VARIABLE).map(PathBuf::from) {
        return if path.is_file() {
            Ok(path)
        } else {
            Err(ApiserverError::Missing { places: format!("{} ({VARIABLE})", path.display()) })
        };
    }
    let own =
        std::env::current_exe().map_err(|source| ApiserverError::Start { path: NAME.into(), source })?;
    let beside = own.parent().unwrap_or(Path::new("/"));
    let places = [beside.join(NAME), beside.join("../go").join(NAME)];
    places.iter().find(|path| path.is_file()).cloned().ok_or_else(|| ApiserverError::Missing {
        places: format!("{} or {}", beside.display(), beside.join("../go").display()),
    })
}

impl Apiserver {
    /// Starts it, and returns when it is ready.
    pub(crate) async fn start(mut setup: Setup, screen: Screen) -> Result<Self, ApiserverError> {
        let (server, ready) = start_once(&setup).await?;
        // A port that was chosen by the system stays the same over restarts: clients know it.
        if let Some(address) = ready.address.strip_prefix("https://").and_then(|address| address.parse().ok())
        {
            setup.listen = address;
        }
        let stopping = CancellationToken::new();
        let supervisor = tokio::spawn(supervise(setup, server, stopping.clone(), screen));
        Ok(Self { address: ready.address, stopping, supervisor })
    }

    /// Ends it. Every write that it acknowledged is on disk.
    pub(crate) async fn stop(self) {
        self.stopping.cancel();
        if let Err(error) = self.supervisor.await {
            tracing::error!(%error, "the supervisor of {NAME} ended early");
        }
    }
}

async fn start_once(setup: &Setup) -> Result<(Server, Ready), ApiserverError> {
    let cannot = |path: &Path| {
        let path = path.to_owned();
        move |source| ApiserverError::Start { path, source }
    };
    let log = new_log(&setup.log).map_err(cannot(&setup.log))?;
    let mut command = Command::new(&setup.program);
    command
        .arg("--exit-on-stdin-close")
        .arg("--data-dir")
        .arg(&setup.data)
        .args(["--listen", &setup.listen.to_string()])
        .arg("--kubeconfig")
        .arg(&setup.identities.admin.path);
    for identity in [&setup.identities.operator, &setup.identities.agent] {
        command.arg("--client-kubeconfig").arg(identity.as_argument());
    }
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(log)
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(cannot(&setup.program))?;
    let lifeline = child.stdin.take().expect("standard input is piped above");
    let output = child.stdout.take().expect("standard output is piped above");
    let mut line = String::new();
    BufReader::new(output).read_line(&mut line).await.map_err(cannot(&setup.program))?;
    if line.is_empty() {
        let status = child.wait().await.map_err(cannot(&setup.program))?;
        return Err(ApiserverError::Ended { status, last_words: last_words(&setup.log) });
    }
    let server = Server { child, lifeline };
    if let Ok(ready) = serde_json::from_str(&line) {
        Ok((server, ready))
    } else {
        end(server).await;
        Err(ApiserverError::Answer(line.trim().to_owned()))
    }
}

/// Starts it again whenever it dies, until it is asked to stop.
async fn supervise(setup: Setup, mut server: Server, stopping: CancellationToken, screen: Screen) {
    let mut delay = BACKOFF_FIRST;
    let mut started = Instant::now();
    loop {
        let cause = tokio::select! {
            () = stopping.cancelled() => {
                end(server).await;
                return;
            }
            status = server.child.wait() => status.map_or_else(|error| error.to_string(), |status| status.to_string()),
        };
        if started.elapsed() >= STEADY {
            delay = BACKOFF_FIRST;
        }
        screen.line(&format!("the API server ended ({cause}): starting it again; programs run on"));
        server = loop {
            tokio::select! {
                () = stopping.cancelled() => return,
                () = sleep(delay) => {}
            }
            delay = (delay * 2).min(BACKOFF_MAX);
            started = Instant::now();
            let outcome = tokio::select! {
                () = stopping.cancelled() => return,
                outcome = start_once(&setup) => outcome,
            };
            match outcome {
                Ok((server, _)) => break server,
                Err(error) => screen.line(&format!("{error}; next attempt in {} s", delay.as_secs_f32())),
            }
        };
        screen.line("the API server is back");
    }
}

/// Closes the lifeline, and does not wait for ever.
async fn end(Server { mut child, lifeline }: Server) {
    drop(lifeline);
    if timeout(STOP_LIMIT, child.wait()).await.is_err()
        && let Err(error) = child.kill().await
    {
        tracing::error!(%error, "cannot end {NAME}");
    }
}

/// A new log; the one before stays beside it, since it may tell why that server died.
fn new_log(path: &Path) -> io::Result<File> {
    match std::fs::rename(path, path.with_extension("log.1")) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    OpenOptions::new().create(true).append(true).mode(0o600).open(path)
}

fn last_words(log: &Path) -> String {
    let text = std::fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LAST_LINES)..].join("\n")
}
