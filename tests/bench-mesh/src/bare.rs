//! What the machine itself takes: a wake-up by an eventfd, a datagram over the loopback, and both in a row, which is
//! the way of a value without anything that makes it safe, whole or known.

use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use lineshaft_exchange::Wakeup;

use crate::clock::{Grid, monotonic_ns, thread_cpu_ns};
use crate::figures::Times;
use crate::{Error, Outcome, Run};

/// A receiver that hears nothing any more looks whether it is over.
const PATIENCE: Duration = Duration::from_millis(100);

/// What was sent and when it came.
struct Trail {
    stamp: AtomicU64,
    over: AtomicBool,
}

/// One thread signals, another one waits.
pub(crate) fn eventfd(interval_us: u64, seconds: f64) -> Outcome<Run> {
    let (wakeup, trail) = (Arc::new(Wakeup::new()?), trail());
    let receiver = {
        let (wakeup, trail) = (wakeup.clone(), trail.clone());
        std::thread::spawn(move || -> Outcome<(Vec<u64>, u64)> {
            let mut latencies = Vec::new();
            while !trail.over.load(Ordering::Acquire) {
                if wakeup.wait(Some(PATIENCE))? {
                    latencies.push(monotonic_ns() - trail.stamp.load(Ordering::Acquire));
                }
            }
            Ok((latencies, thread_cpu_ns()))
        })
    };
    send(&trail, interval_us, seconds, |_| {
        wakeup.signal();
        Ok(())
    })?;
    finish(receiver, seconds)
}

/// One thread sends a datagram, another one waits for it.
pub(crate) fn udp(interval_us: u64, seconds: f64) -> Outcome<Run> {
    let (sender, receiver, trail) = (socket()?, socket()?, trail());
    let to = receiver.local_addr().map_err(Error::socket)?;
    let receiver = {
        let trail = trail.clone();
        std::thread::spawn(move || receive(&receiver, &trail))
    };
    send(&trail, interval_us, seconds, |stamp| {
        sender.send_to(&stamp.to_le_bytes(), to).map(drop).map_err(Error::socket)
    })?;
    finish(receiver, seconds)
}

/// One thread signals; a second one waits for that and sends a datagram; a third one waits for that.
pub(crate) fn relay(interval_us: u64, seconds: f64) -> Outcome<Run> {
    let (sender, receiver, trail) = (socket()?, socket()?, trail());
    let to = receiver.local_addr().map_err(Error::socket)?;
    let wakeup = Arc::new(Wakeup::new()?);
    let relay = {
        let (wakeup, trail) = (wakeup.clone(), trail.clone());
        std::thread::spawn(move || -> Outcome<()> {
            while !trail.over.load(Ordering::Acquire) {
                if wakeup.wait(Some(PATIENCE))? {
                    let stamp = trail.stamp.load(Ordering::Acquire);
                    sender.send_to(&stamp.to_le_bytes(), to).map_err(Error::socket)?;
                }
            }
            Ok(())
        })
    };
    let receiver = {
        let trail = trail.clone();
        std::thread::spawn(move || receive(&receiver, &trail))
    };
    send(&trail, interval_us, seconds, |_| {
        wakeup.signal();
        Ok(())
    })?;
    relay.join().map_err(|_| Error::Broken("the relay"))??;
    finish(receiver, seconds)
}

fn trail() -> Arc<Trail> {
    Arc::new(Trail { stamp: AtomicU64::new(0), over: AtomicBool::new(false) })
}

fn socket() -> Outcome<UdpSocket> {
    let socket = UdpSocket::bind("127.0.0.1:0").map_err(Error::socket)?;
    socket.set_read_timeout(Some(PATIENCE)).map_err(Error::socket)?;
    Ok(socket)
}

fn send(
    trail: &Trail,
    interval_us: u64,
    seconds: f64,
    mut fire: impl FnMut(u64) -> Outcome<()>,
) -> Outcome<()> {
    let mut grid = Grid::new(interval_us);
    for _ in 0..steps(interval_us, seconds) {
        grid.step();
        let now_ns = monotonic_ns();
        trail.stamp.store(now_ns, Ordering::Release);
        fire(now_ns)?;
    }
    grid.step();
    trail.over.store(true, Ordering::Release);
    Ok(())
}

fn receive(socket: &UdpSocket, trail: &Trail) -> Outcome<(Vec<u64>, u64)> {
    let (mut latencies, mut stamp) = (Vec::new(), [0; 8]);
    while !trail.over.load(Ordering::Acquire) {
        match socket.recv(&mut stamp) {
            Ok(8) => latencies.push(monotonic_ns() - u64::from_le_bytes(stamp)),
            Ok(_) => return Err(Error::Wrong("a datagram of another length".to_owned())),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(Error::socket(error)),
        }
    }
    Ok((latencies, thread_cpu_ns()))
}

type Receiver = std::thread::JoinHandle<Outcome<(Vec<u64>, u64)>>;

fn finish(receiver: Receiver, seconds: f64) -> Outcome<Run> {
    let (latencies, cpu_ns) = receiver.join().map_err(|_| Error::Broken("the receiver"))??;
    let took_ns = (seconds * 1e9) as u64;
    Ok(Run {
        shown: latencies.len() as u64,
        times: Times::of(latencies),
        took_ns,
        receiving_ns: cpu_ns,
        ..Run::default()
    })
}

pub(crate) fn steps(interval_us: u64, seconds: f64) -> u64 {
    (seconds * 1e6) as u64 / interval_us
}
