//! The socket: a thread accepts, a thread each for up to [`CLIENTS_MAX`] connections.

use super::events::{Event, Reply, spawn};
use crate::Error;
use crate::protocol::{Request, Response, SOCKET_NAME};
use crate::wire;
use lineshaft_exchange::Wakeup;
use rustix::event::{PollFd, PollFlags};
use rustix::fs::{Mode, OFlags};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::Duration;

/// Connections at one time. One more is closed at once.
const CLIENTS_MAX: usize = 32;
/// How long a client may take to say hello, and to take an answer.
const CLIENT_PATIENCE: Duration = Duration::from_secs(10);

/// Makes the socket and listens. A socket that an earlier keeper left is replaced: the lock says that it is dead.
pub(super) fn listen(state_dir: &Path, events: Sender<Event>) -> Result<(), Error> {
    let dir = rustix::fs::open(state_dir, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
        .map_err(Error::io(format!("open {}", state_dir.display())))?;
    let _ = std::fs::remove_file(state_dir.join(SOCKET_NAME));
    // 0600 from the first moment on.
    let before = rustix::process::umask(Mode::from_raw_mode(0o177));
    let listener = UnixListener::bind(format!("/proc/self/fd/{}/{SOCKET_NAME}", dir.as_raw_fd()));
    rustix::process::umask(before);
    let listener = listener.map_err(Error::io(format!("listen in {}", state_dir.display())))?;
    spawn("accept", move || {
        let clients = Arc::new(());
        for stream in listener.incoming() {
            let Ok(stream) = stream else { continue };
            if Arc::strong_count(&clients) > CLIENTS_MAX || !is_trusted(&stream) {
                continue;
            }
            let (events, counted) = (events.clone(), Arc::clone(&clients));
            let served = spawn("client", move || {
                if let Err(error) = converse(stream, &events) {
                    tracing::debug!(%error, "a client left");
                }
                drop(counted);
            });
            if let Err(error) = served {
                tracing::warn!(%error, "a client was turned away");
            }
        }
    })
}

/// Only root and the keeper's own user.
fn is_trusted(stream: &UnixStream) -> bool {
    let own = rustix::process::geteuid();
    rustix::net::sockopt::socket_peercred(stream).is_ok_and(|peer| peer.uid.is_root() || peer.uid == own)
}

fn converse(mut stream: UnixStream, events: &Sender<Event>) -> Result<(), Error> {
    let patience = Some(CLIENT_PATIENCE);
    stream.set_write_timeout(patience).map_err(Error::io("limit a client"))?;
    stream.set_read_timeout(patience).map_err(Error::io("limit a client"))?;
    wire::greet(&mut stream)?;
    stream.set_read_timeout(None).map_err(Error::io("limit a client"))?;
    loop {
        let request: Request = wire::receive(&mut stream)?;
        let failed = |e: lineshaft_exchange::ExchangeError| Error::Exchange(e.to_string());
        let wakeup = Wakeup::new().map_err(failed)?;
        let (reply, answer, _done) = Reply::new(wakeup.try_clone().map_err(failed)?);
        if events.send(Event::Request { request, reply }).is_err() {
            return Err(Error::Closed);
        }
        let response = loop {
            if let Ok(response) = answer.try_recv() {
                break response;
            }
            let mut fds = [
                PollFd::new(&wakeup, PollFlags::IN),
                PollFd::new(&stream, PollFlags::RDHUP | PollFlags::HUP),
            ];
            match rustix::event::poll(&mut fds, None) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(errno) => return Err(Error::Io { what: "wait".into(), source: errno.into() }),
            }
            if !fds[1].revents().is_empty() {
                return Err(Error::Closed);
            }
            if wakeup.take()
                && let Ok(response) = answer.try_recv()
            {
                break response;
            }
        };
        let (response, fds) = response;
        respond(&mut stream, &response)?;
        if !fds.is_empty() {
            let fds: Vec<_> = fds.iter().map(AsFd::as_fd).collect();
            wire::send_fds(&stream, &fds)?;
        }
    }
}

fn respond(stream: &mut UnixStream, response: &Response) -> Result<(), Error> {
    match wire::send(stream, response) {
        Err(Error::Malformed(message)) => wire::send(stream, &Response::Failed { message }),
        sent => sent,
    }
}
