//! The runner's process, from the outside.

use super::events::{Event, spawn};
use crate::Error;
use crate::runner::control::{Order, Report, TaskInfo};
use crate::wire;
use lineshaft_exchange::Reader;
use lineshaft_plc_compiler::Diagnostic;
use lineshaft_plc_compiler::layout::Layout;
use rustix::process::{PidfdFlags, Signal};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Sender, channel};

/// A running runner.
pub(super) struct RunnerLink {
    /// Counts runners.
    pub(super) number: u64,
    pub(super) pid: u32,
    /// To a thread of its own: a runner that does not read must never stop the thread that decides.
    orders: Sender<(Order, Vec<OwnedFd>)>,
    /// Names the process for as long as this is open, whatever becomes of its number.
    pidfd: OwnedFd,
}

/// A program that is in place, as far as the keeper needs to know it.
pub(super) struct Loaded {
    /// Number of the runner that has it.
    pub(super) runner: u64,
    pub(super) hash: String,
    pub(super) generation: i64,
    pub(super) engine: crate::engine::EngineKind,
    /// Why the engine is not compiled code.
    pub(super) engine_refused: Option<String>,
    pub(super) layout: Layout,
    pub(super) tasks: Vec<TaskInfo>,
    pub(super) diagnostics: Vec<Diagnostic>,
    /// Values of the last scan.
    pub(super) snapshot: Reader,
}

impl RunnerLink {
    /// Starts a runner: this same executable, with the control socket as its standard input.
    pub(super) fn start(number: u64, events: &Sender<Event>) -> Result<Self, Error> {
        let (control, theirs) = UnixStream::pair().map_err(Error::io("make a control socket"))?;
        // Not by its path: the file may have been replaced, and both sides have to be of one build.
        let mut child = Command::new("/proc/self/exe")
            .arg0("lineshaft-plc")
            .arg("runner")
            .arg("--keeper")
            .arg(std::process::id().to_string())
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::null())
            .spawn()
            .map_err(Error::io("start the runner"))?;
        let pid = child.id();
        let process = rustix::process::Pid::from_child(&child);
        let pidfd = rustix::process::pidfd_open(process, PidfdFlags::empty());
        let pidfd = match pidfd {
            Ok(pidfd) => pidfd,
            Err(errno) => {
                // Without a name for it that stays true it could never be killed safely.
                let _ = child.kill();
                let _ = child.wait();
                return Err(Error::Io { what: "watch the runner".into(), source: errno.into() });
            }
        };
        let reports = control.try_clone().map_err(Error::io("duplicate the control socket"))?;
        let (orders, outbox) = channel::<(Order, Vec<OwnedFd>)>();
        spawn("orders", move || {
            for (order, fds) in outbox {
                let fds: Vec<_> = fds.iter().map(AsFd::as_fd).collect();
                if let Err(error) = wire::send_with(&control, &order, &fds) {
                    // Its end is on the way as an event.
                    tracing::warn!(%error, "the runner does not take orders");
                    return;
                }
            }
        })?;
        let link = Self { number, pid, orders, pidfd };
        let told = events.clone();
        spawn("runner", move || {
            while let Ok((report, fds)) = wire::receive_with::<Report>(&reports) {
                let fd = fds.into_iter().next();
                if told.send(Event::Report { runner: number, report: Box::new(report), fd }).is_err() {
                    return;
                }
            }
        })?;
        let told = events.clone();
        spawn("runner-end", move || {
            let how = child.wait().map_or_else(|e| e.to_string(), |status| status.to_string());
            let _ = told.send(Event::RunnerEnded { runner: number, how });
        })?;
        Ok(link)
    }

    /// Orders arrive in the order in which they are sent; those for a runner that is gone arrive nowhere.
    pub(super) fn send(&self, order: Order, fds: Vec<OwnedFd>) {
        let _ = self.orders.send((order, fds));
    }

    /// Ends it, now. That it is gone comes as an event.
    pub(super) fn kill(&self) {
        if let Err(errno) = rustix::process::pidfd_send_signal(&self.pidfd, Signal::KILL) {
            tracing::debug!(%errno, "the runner was gone already");
        }
    }
}
