//! What a keeper reacts to, and the threads that wait for it.

use crate::Error;
use crate::protocol::{Request, Response};
use crate::runner::control::Report;
use lineshaft_exchange::Wakeup;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

/// How long the last answer may take to reach its client before the keeper ends all the same.
const FAREWELL: Duration = Duration::from_secs(2);

pub(super) enum Event {
    Request {
        request: Request,
        reply: Reply,
    },
    Report {
        runner: u64,
        report: Box<Report>,
        fd: Option<OwnedFd>,
    },
    RunnerEnded {
        runner: u64,
        how: String,
    },
    /// A driver's state, quality or wish for a fault.
    DriversChanged,
    /// The keeper has to end.
    End {
        why: &'static str,
    },
}

/// An answer, and descriptors that follow it.
pub(super) type Answer = (Response, Vec<OwnedFd>);

/// Takes an answer to the thread of a connection.
pub(super) struct Reply {
    answer: Sender<Answer>,
    /// Wakes a thread that listens to its client at the same time.
    wakeup: Wakeup,
    /// Closed by the connection's thread when the answer is sent or nobody wants it any more.
    gone: Receiver<()>,
}

impl Reply {
    /// The keeper's end, and the connection's: answer, and what it drops when it is done.
    pub(super) fn new(wakeup: Wakeup) -> (Self, Receiver<Answer>, Sender<()>) {
        let (answer, receiver) = channel();
        let (done, gone) = channel();
        (Self { answer, wakeup, gone }, receiver, done)
    }

    pub(super) fn send(self, response: Response) {
        self.send_with(response, Vec::new());
    }

    /// The same, with descriptors behind it.
    pub(super) fn send_with(self, response: Response, fds: Vec<OwnedFd>) {
        // A client that left does not want it.
        let _ = self.answer.send((response, fds));
        self.wakeup.signal();
    }

    /// The same, and waits until the client has it.
    pub(super) fn send_and_wait(self, response: Response) {
        let _ = self.answer.send((response, Vec::new()));
        self.wakeup.signal();
        let _ = self.gone.recv_timeout(FAREWELL);
    }

    pub(super) fn is_wanted(&self) -> bool {
        matches!(self.gone.try_recv(), Err(std::sync::mpsc::TryRecvError::Empty))
    }
}

/// SIGTERM and SIGINT end the keeper in good order; SIGHUP, of a terminal that closes, means nothing to it.
pub(super) fn watch_signals(events: Sender<Event>) -> Result<(), Error> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Error::io("prepare for signals"))?;
    let guard = runtime.enter();
    let listen = |kind| signal(kind).map_err(Error::io("listen for signals"));
    let (mut terminate, mut interrupt, mut hang_up) =
        (listen(SignalKind::terminate())?, listen(SignalKind::interrupt())?, listen(SignalKind::hangup())?);
    drop(guard);
    let work = async move {
        loop {
            let why = tokio::select! {
                _ = terminate.recv() => "SIGTERM",
                _ = interrupt.recv() => "SIGINT",
                _ = hang_up.recv() => continue,
            };
            if events.send(Event::End { why }).is_err() {
                return;
            }
        }
    };
    spawn("signals", move || runtime.block_on(work))
}

/// The end of standard input is the end of whoever started this keeper.
pub(super) fn watch_lifeline(events: Sender<Event>) -> Result<(), Error> {
    spawn("lifeline", move || {
        let mut byte = [0];
        while matches!(std::io::stdin().lock().read(&mut byte), Ok(1..)) {}
        let _ = events.send(Event::End { why: "the starter is gone" });
    })
}

pub(super) fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<(), Error> {
    let thread = std::thread::Builder::new().name(name.to_owned()).spawn(work);
    thread.map(drop).map_err(Error::io("start a thread"))
}
