//! Takes what a scan publishes to the connections, as soon as the scan says that it is there.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;

use lineshaft_exchange::{OutboxReader, ScanState, Wakeup};
use tokio::net::unix::pipe::Receiver;

use crate::control::RunState;
use crate::link::{Hub, ScanImage};

/// Gives every scan of a runtime to the connections, until the task that runs it is ended.
pub async fn publish(hub: Arc<Hub>, runtime: String, mut outbox: OutboxReader, wakeup: Wakeup) {
    let error = match signal_of(&wakeup) {
        Ok(signal) => loop {
            take(&hub, &runtime, &mut outbox);
            if let Err(error) = signalled(&signal).await {
                break error;
            }
        },
        Err(error) => error,
    };
    tracing::error!(runtime, %error, "what the runtime publishes cannot be read");
}

fn take(hub: &Hub, runtime: &str, outbox: &mut OutboxReader) {
    let (published, values, fresh) = outbox.latest();
    if !fresh {
        return;
    }
    let state = match published.state {
        ScanState::Running => RunState::Run,
        ScanState::Stopped => RunState::Stop,
        ScanState::Faulted => RunState::Fault,
    };
    let image = ScanImage {
        values: values.into(),
        number: published.scan,
        time_ns: published.start_unix_ns,
        synchronised: false,
    };
    hub.scanned(runtime, image, state);
}

/// An eventfd reads like a pipe: a number, or that nobody has signalled.
fn signal_of(wakeup: &Wakeup) -> io::Result<Receiver> {
    Receiver::from_file_unchecked(File::from(wakeup.as_fd().try_clone_to_owned()?))
}

async fn signalled(signal: &Receiver) -> io::Result<()> {
    loop {
        signal.readable().await?;
        match signal.try_read(&mut [0; 8]) {
            Ok(_) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
}
