//! Starting keepers, and finding those that run.

use crate::Error;
use crate::client::KeeperClient;
use crate::protocol::{PROTOCOL_VERSION, SOCKET_NAME};
use crate::wire;
use rustix::fs::{FlockOperation, Mode, OFlags};
use serde::{Deserialize, Serialize};
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Read};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

/// Environment variable that names the executable of keepers and runners.
pub const EXE_VARIABLE: &str = "LINESHAFT_PLC";
/// Name of that executable.
pub const EXE_NAME: &str = "lineshaft-plc";
/// Held by the keeper of a state directory for as long as it lives.
const LOCK_NAME: &str = "keeper.lock";
/// What the keeper writes beside its status: transitions and errors.
const LOG_NAME: &str = "keeper.log";
/// A log above this size is kept as `keeper.log.1` at the next start.
const LOG_BYTES_MAX: u64 = 1024 * 1024;

/// How long a keeper that holds its directory may stay out of reach, and how often it is tried.
const ADOPT_LIMIT: Duration = Duration::from_secs(5);
const ADOPT_LOOK: Duration = Duration::from_millis(10);

/// Whether a keeper outlives the process that started it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Lifeline {
    /// When the starter ends, however it ends, the keeper makes its outputs safe and ends too.
    WithParent,
    /// The keeper runs on; the next agent adopts it.
    Independent,
}

/// The one start-up message, on the keeper's standard input.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Bootstrap {
    pub(crate) version: u32,
    pub(crate) lifeline: Lifeline,
}

/// The keeper's answer on its standard output, once its socket listens.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Ready {
    pub(crate) result: Result<u32, String>,
}

/// A keeper that was started. With [`Lifeline::WithParent`], dropping this ends the keeper in good order.
#[derive(Debug)]
pub struct SpawnedKeeper {
    /// Its process.
    pub pid: u32,
    /// Closed with this value, or by the kernel with this process.
    _lifeline: Option<ChildStdin>,
}

/// What was found in a state directory.
#[derive(Debug)]
pub enum Adopted {
    /// A keeper runs there.
    Running(KeeperClient),
    /// None does; what an earlier one left was removed.
    Absent,
}

/// The executable of keepers: from [`EXE_VARIABLE`], else [`EXE_NAME`] beside the current executable (or one
/// directory up, where tests and examples are built).
pub fn default_exe() -> Result<PathBuf, Error> {
    if let Some(exe) = std::env::var_os(EXE_VARIABLE) {
        return Ok(PathBuf::from(exe));
    }
    let current = std::env::current_exe().map_err(Error::io("find the current executable"))?;
    let beside = current.ancestors().skip(1).take(2).map(|dir| dir.join(EXE_NAME));
    beside
        .into_iter()
        .find(|exe| exe.is_file())
        .ok_or_else(|| Error::NotStarted(format!("there is no {EXE_NAME} beside {}", current.display())))
}

/// Starts a keeper and returns when its socket listens. The directory is made if it is missing (mode 0700).
pub fn spawn_keeper(exe: &Path, state_dir: &Path, lifeline: Lifeline) -> Result<SpawnedKeeper, Error> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(state_dir)
        .map_err(Error::io(format!("create {}", state_dir.display())))?;
    let mut child = Command::new(exe)
        .arg("keeper")
        .arg("--state-dir")
        .arg(state_dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(open_log(state_dir)?)
        .spawn()
        .map_err(Error::io(format!("start {}", exe.display())))?;
    let mut stdin = child.stdin.take().expect("standard input is piped above");
    let mut stdout = child.stdout.take().expect("standard output is piped above");
    let sent = wire::send(&mut stdin, &Bootstrap { version: PROTOCOL_VERSION, lifeline });
    let ready: Result<Ready, Error> = sent.and_then(|()| wire::receive(&mut stdout));
    let pid = child.id();
    match ready {
        Ok(Ready { result: Ok(_) }) => {
            // A keeper that ends while this process lives must not stay behind as a zombie.
            std::thread::spawn(move || child.wait());
            Ok(SpawnedKeeper { pid, _lifeline: (lifeline == Lifeline::WithParent).then_some(stdin) })
        }
        failed => {
            drop(stdin);
            let status = child.wait().map_err(Error::io("wait for the keeper"))?;
            Err(Error::NotStarted(match failed {
                Ok(Ready { result: Err(message) }) => message,
                _ => format!("{status}{}", last_words(state_dir)),
            }))
        }
    }
}

/// Finds the keeper of a state directory. What is left of a dead one is removed; it cannot drive outputs any
/// more, since its connections died with it. One that starts or ends at this moment is waited for, a little. One that
/// gives no sign of life is killed, since it would hold its outputs as they are: the next call finds none.
pub fn adopt(state_dir: &Path) -> Result<Adopted, Error> {
    if !state_dir.is_dir() {
        return Ok(Adopted::Absent);
    }
    let deadline = Instant::now() + ADOPT_LIMIT;
    loop {
        let failed = match own(state_dir) {
            Ok(_lock) => return clean(state_dir).map(|()| Adopted::Absent),
            Err(Error::Owned(_)) => match KeeperClient::connect(state_dir) {
                Ok(client) => return Ok(Adopted::Running(client)),
                Err(Error::TimedOut(after)) => {
                    tracing::error!(directory = %state_dir.display(), after, "killing a keeper that is frozen");
                    return Err(KeeperClient::kill(state_dir).err().unwrap_or(Error::TimedOut(after)));
                }
                Err(error) => error,
            },
            Err(error) => return Err(error),
        };
        if Instant::now() >= deadline {
            return Err(failed);
        }
        std::thread::sleep(ADOPT_LOOK);
    }
}

fn clean(state_dir: &Path) -> Result<(), Error> {
    let socket = state_dir.join(SOCKET_NAME);
    match std::fs::remove_file(&socket) {
        Err(e) if e.kind() != ErrorKind::NotFound => {
            Err(Error::Io { what: format!("remove {}", socket.display()), source: e })
        }
        _ => Ok(()),
    }
}

/// Takes the lock that makes a process the only keeper of a state directory. The kernel returns it when the
/// process ends.
pub(crate) fn own(state_dir: &Path) -> Result<OwnedFd, Error> {
    let path = state_dir.join(LOCK_NAME);
    let flags = OFlags::CREATE | OFlags::RDWR | OFlags::CLOEXEC;
    let lock = rustix::fs::open(&path, flags, Mode::RUSR | Mode::WUSR)
        .map_err(Error::io(format!("open {}", path.display())))?;
    match rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(lock),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(Error::Owned(state_dir.to_owned())),
        Err(e) => Err(Error::Io { what: format!("lock {}", path.display()), source: e.into() }),
    }
}

fn open_log(state_dir: &Path) -> Result<File, Error> {
    let path = state_dir.join(LOG_NAME);
    if std::fs::metadata(&path).is_ok_and(|m| m.len() > LOG_BYTES_MAX) {
        // Best effort: an old log that cannot be moved only grows further.
        let _ = std::fs::rename(&path, state_dir.join(format!("{LOG_NAME}.1")));
    }
    OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(&path)
        .map_err(Error::io(format!("open {}", path.display())))
}

/// The end of the log, for the message of a start that failed.
fn last_words(state_dir: &Path) -> String {
    let mut text = String::new();
    let read =
        File::open(state_dir.join(LOG_NAME)).and_then(|f| f.take(LOG_BYTES_MAX).read_to_string(&mut text));
    match (read, text.lines().last()) {
        (Ok(_), Some(line)) => format!(": {line}"),
        _ => String::new(),
    }
}
