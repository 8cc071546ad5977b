//! The agent's side of the keeper's socket. Blocking; wrap it in a thread of its own or `spawn_blocking`.

use crate::Error;
use crate::protocol::{
    Applied, Bundle, Described, MailboxInfo, MeshStatus, Problem, Refusal, Request, Response, SOCKET_NAME,
    Status, Stopped, Subscription, Values, Variable, Write, Written,
};
use crate::wire;
use lineshaft_exchange::{Mailbox, Wakeup};
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::{Mode, OFlags};
use rustix::process::{PidfdFlags, Signal};
use std::net::Shutdown;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// How long a keeper may take for anything that needs no compiler and no device.
const ANSWER_MS: u64 = 10_000;
/// How long it may take to greet, or to say how it goes: it does both whatever else it is doing. One that does not
/// is frozen.
const SIGN_OF_LIFE_MS: u64 = 5_000;
/// How long an apply may take: the keeper's bound for the compiler is below this.
const APPLY_MS: u64 = 60_000;

/// A connection to a keeper. One request at a time; open another for [`watch`](Self::watch).
#[derive(Debug)]
pub struct KeeperClient {
    stream: UnixStream,
}

/// Answer to [`KeeperClient::apply`].
#[derive(Clone, Debug)]
pub enum ApplyOutcome {
    /// It runs.
    Applied(Applied),
    /// Nothing changed.
    Refused(Refusal),
}

/// Answer to [`KeeperClient::write`] and [`KeeperClient::check_write`].
#[derive(Clone, Debug, PartialEq)]
pub enum WriteOutcome {
    /// It is written, or could be.
    Written(Written),
    /// Nothing was written.
    Refused(Problem),
}

/// What a runtime's scans publish and receive, opened.
#[derive(Debug)]
pub struct OpenMailbox {
    /// What lies where.
    pub info: MailboxInfo,
    /// The boxes. One reader of the outbox and one writer of the inbox at a time.
    pub mailbox: Mailbox,
    /// Signalled when the outbox has something new.
    pub wakeup: Wakeup,
}

/// Ends a [`KeeperClient`]'s pending request from another thread.
#[derive(Debug)]
pub struct Cancel {
    stream: UnixStream,
}

impl Cancel {
    /// The pending and every later request of the connection fails with [`Error::Closed`].
    pub fn cancel(&self) {
        // A connection that is closed already is cancelled too.
        let _ = self.stream.shutdown(Shutdown::Both);
    }
}

impl KeeperClient {
    /// Connects to the keeper of a state directory.
    pub fn connect(state_dir: &Path) -> Result<Self, Error> {
        let mut stream = Self::reach(state_dir)?;
        limit(&stream, Some(SIGN_OF_LIFE_MS))?;
        wire::greet(&mut stream).map_err(|e| timed_out(e, SIGN_OF_LIFE_MS))?;
        Ok(Self { stream })
    }

    /// Kills the keeper of a state directory. The kernel takes its runner along.
    pub(crate) fn kill(state_dir: &Path) -> Result<(), Error> {
        let what = || format!("kill the frozen keeper of {}", state_dir.display());
        let stream = Self::reach(state_dir)?;
        let keeper = rustix::net::sockopt::socket_peercred(&stream).map_err(Error::io(what()))?.pid;
        let process = rustix::process::pidfd_open(keeper, PidfdFlags::empty()).map_err(Error::io(what()))?;
        // While the connection stands its keeper lives, so the descriptor is that of no later process.
        let mut fds = [PollFd::new(&stream, PollFlags::RDHUP)];
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        if rustix::event::poll(&mut fds, Some(&now)).map_err(Error::io(what()))? > 0 {
            return Err(Error::Closed);
        }
        rustix::process::pidfd_send_signal(&process, Signal::KILL).map_err(Error::io(what()))
    }

    fn reach(state_dir: &Path) -> Result<UnixStream, Error> {
        let what = || format!("connect to the keeper of {}", state_dir.display());
        // A socket address holds 108 bytes; the directory's descriptor makes any depth reachable.
        let dir =
            rustix::fs::open(state_dir, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
                .map_err(Error::io(what()))?;
        let address = format!("/proc/self/fd/{}/{SOCKET_NAME}", dir.as_raw_fd());
        UnixStream::connect(address).map_err(Error::io(what()))
    }

    /// A handle that ends a pending request.
    pub fn canceller(&self) -> Result<Cancel, Error> {
        Ok(Cancel { stream: self.stream.try_clone().map_err(Error::io("duplicate the connection"))? })
    }

    /// Hands over everything to run.
    pub fn apply(&mut self, bundle: Bundle) -> Result<ApplyOutcome, Error> {
        match self.ask(&Request::Apply(Box::new(bundle)), Some(APPLY_MS))? {
            Response::Applied(applied) => Ok(ApplyOutcome::Applied(applied)),
            Response::Refused(refusal) => Ok(ApplyOutcome::Refused(refusal)),
            other => Err(unexpected(other)),
        }
    }

    /// How it goes now.
    pub fn status(&mut self) -> Result<Status, Error> {
        self.status_of(&Request::Status, Some(SIGN_OF_LIFE_MS))
    }

    /// Waits until the status' revision is above `since_revision`. Without limit: a keeper that dies ends it,
    /// and so does [`Cancel::cancel`].
    pub fn watch(&mut self, since_revision: u64) -> Result<Status, Error> {
        self.status_of(&Request::Watch { since_revision }, None)
    }

    /// Values of one scan.
    pub fn read(&mut self, paths: Vec<String>) -> Result<Values, Error> {
        match self.ask(&Request::Read { paths }, Some(ANSWER_MS))? {
            Response::Values(values) => Ok(values),
            other => Err(unexpected(other)),
        }
    }

    /// Types of variables of the program that is loaded.
    pub fn describe(&mut self, paths: Vec<String>) -> Result<Described, Error> {
        match self.ask(&Request::Describe { paths }, Some(ANSWER_MS))? {
            Response::Described(described) => Ok(described),
            other => Err(unexpected(other)),
        }
    }

    /// Receives these variables and no others from now on; the program runs on. What it cannot take is in the
    /// answer.
    pub fn subscribe(&mut self, wanted: Vec<Subscription>) -> Result<MeshStatus, Error> {
        match self.ask(&Request::Subscribe { wanted }, Some(ANSWER_MS))? {
            Response::Mesh(status) => Ok(status),
            other => Err(unexpected(other)),
        }
    }

    /// The present mailbox; `None` while nothing is published or received.
    pub fn mailbox(&mut self) -> Result<Option<OpenMailbox>, Error> {
        let info = match self.ask(&Request::Mailbox, Some(ANSWER_MS))? {
            Response::Mailbox(Some(info)) => *info,
            Response::Mailbox(None) => return Ok(None),
            other => return Err(unexpected(other)),
        };
        let mut fds = wire::receive_fds(&self.stream).map_err(|e| timed_out(e, ANSWER_MS))?.into_iter();
        let (Some(memory), Some(wakeup)) = (fds.next(), fds.next()) else {
            return Err(Error::Malformed("the mailbox came without its memory".to_owned()));
        };
        let mailbox = Mailbox::attach(memory, info.plan()).map_err(|e| Error::Exchange(e.to_string()))?;
        Ok(Some(OpenMailbox { info, mailbox, wakeup: Wakeup::from_fd(wakeup) }))
    }

    /// All variables of the program that is loaded, with their types.
    pub fn variables(&mut self) -> Result<Vec<Variable>, Error> {
        match self.ask(&Request::Variables, Some(ANSWER_MS))? {
            Response::Variables(variables) => Ok(variables),
            other => Err(unexpected(other)),
        }
    }

    /// What would change, or why nothing may; writes nothing.
    pub fn check_write(&mut self, writes: Vec<Write>) -> Result<WriteOutcome, Error> {
        self.ask_write(writes, true)
    }

    /// Writes all of it between two scans, or nothing.
    pub fn write(&mut self, writes: Vec<Write>) -> Result<WriteOutcome, Error> {
        self.ask_write(writes, false)
    }

    fn ask_write(&mut self, writes: Vec<Write>, only_check: bool) -> Result<WriteOutcome, Error> {
        match self.ask(&Request::Write { writes, only_check }, Some(ANSWER_MS))? {
            Response::Written(written) => Ok(WriteOutcome::Written(written)),
            Response::NotWritten(problem) => Ok(WriteOutcome::Refused(problem)),
            other => Err(unexpected(other)),
        }
    }

    /// Ends a latched halt.
    pub fn acknowledge(&mut self) -> Result<(), Error> {
        match self.ask(&Request::Acknowledge, Some(ANSWER_MS))? {
            Response::Acknowledged => Ok(()),
            other => Err(unexpected(other)),
        }
    }

    /// Ordered end of runner and keeper.
    pub fn shutdown(&mut self, deadline: Duration) -> Result<Stopped, Error> {
        let deadline_ms = u64::try_from(deadline.as_millis()).unwrap_or(u64::MAX);
        let limit = deadline_ms.saturating_add(ANSWER_MS);
        match self.ask(&Request::Shutdown { deadline_ms }, Some(limit))? {
            Response::Stopped(stopped) => Ok(stopped),
            other => Err(unexpected(other)),
        }
    }

    fn status_of(&mut self, request: &Request, limit_ms: Option<u64>) -> Result<Status, Error> {
        match self.ask(request, limit_ms)? {
            Response::Status(status) => Ok(*status),
            other => Err(unexpected(other)),
        }
    }

    fn ask(&mut self, request: &Request, limit_ms: Option<u64>) -> Result<Response, Error> {
        limit(&self.stream, limit_ms)?;
        let answer = wire::send(&mut self.stream, request).and_then(|()| wire::receive(&mut self.stream));
        answer.map_err(|e| timed_out(e, limit_ms.unwrap_or(0)))
    }
}

fn limit(stream: &UnixStream, limit_ms: Option<u64>) -> Result<(), Error> {
    let limit = limit_ms.map(Duration::from_millis);
    stream.set_read_timeout(limit).map_err(Error::io("set a time limit"))?;
    stream.set_write_timeout(limit).map_err(Error::io("set a time limit"))
}

fn timed_out(error: Error, limit_ms: u64) -> Error {
    match error {
        Error::TimedOut(_) => Error::TimedOut(limit_ms),
        other => other,
    }
}

fn unexpected(response: Response) -> Error {
    match response {
        Response::Failed { message } => Error::Keeper(message),
        other => Error::Malformed(format!("unexpected answer {other:?}")),
    }
}
