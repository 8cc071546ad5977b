//! A wake-up that crosses threads and processes.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec};
use rustix::io::Errno;

use crate::ExchangeError;

/// An eventfd: any number of signals before a wait are one wake-up, and none is lost.
#[derive(Debug)]
pub struct Wakeup {
    fd: OwnedFd,
}

impl Wakeup {
    /// Creates a wake-up that nobody has signalled yet.
    pub fn new() -> Result<Self, ExchangeError> {
        let flags = EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK;
        let fd = rustix::event::eventfd(0, flags).map_err(ExchangeError::os("create a wake-up"))?;
        Ok(Self { fd })
    }

    /// Takes over a wake-up that another process created and passed on.
    pub fn from_fd(fd: OwnedFd) -> Self {
        Self { fd }
    }

    /// A second handle on the same wake-up.
    pub fn try_clone(&self) -> Result<Self, ExchangeError> {
        let step = "duplicate a wake-up";
        let fd = self.fd.try_clone().map_err(|source| ExchangeError::Os { step, source })?;
        Ok(Self { fd })
    }

    /// Wakes the waiting side. Never blocks: a full counter is already a wake-up that nobody has taken.
    pub fn signal(&self) {
        while let Err(Errno::INTR) = rustix::io::write(&self.fd, &1_u64.to_ne_bytes()) {}
    }

    /// Takes a signal that is already there; whether there was one.
    pub fn take(&self) -> bool {
        let mut count = [0; 8];
        loop {
            match rustix::io::read(&self.fd, &mut count) {
                Err(Errno::INTR) => {}
                result => return result.is_ok(),
            }
        }
    }

    /// Waits until somebody signals, at most for `timeout` (`None`: for ever). Whether a signal came.
    pub fn wait(&self, timeout: Option<Duration>) -> Result<bool, ExchangeError> {
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        loop {
            if self.take() {
                return Ok(true);
            }
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            let limit = left.map(|left| Timespec {
                tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
                tv_nsec: left.subsec_nanos().into(),
            });
            let mut fds = [PollFd::new(&self.fd, PollFlags::IN)];
            match rustix::event::poll(&mut fds, limit.as_ref()) {
                Ok(0) => return Ok(self.take()),
                Ok(_) | Err(Errno::INTR) => {}
                Err(errno) => return Err(ExchangeError::os("wait for a wake-up")(errno)),
            }
        }
    }
}

impl AsFd for Wakeup {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_before_the_wait_are_one_wakeup() {
        let wakeup = Wakeup::new().unwrap();
        assert!(!wakeup.wait(Some(Duration::ZERO)).unwrap());
        wakeup.signal();
        wakeup.signal();
        assert!(wakeup.wait(None).unwrap());
        assert!(!wakeup.take());
    }

    #[test]
    fn a_signal_ends_a_wait_in_another_thread() {
        let wakeup = Wakeup::new().unwrap();
        let other = wakeup.try_clone().unwrap();
        let waiter = std::thread::spawn(move || other.wait(None).unwrap());
        wakeup.signal();
        assert!(waiter.join().unwrap());
    }
}
