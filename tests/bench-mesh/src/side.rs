//! Both ends of a flow, each a process: what each of them uses of a CPU is its own.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use lineshaft_exchange::InboxReader;
use lineshaft_mesh::carry::Inlet;
use lineshaft_mesh::link::{Delivery, EntryProblem, Sink};
use lineshaft_mesh::wire::Quality;

use crate::agent::{Agent, LREAL, MeshIo, inbox, scan_of};
use crate::clock::{Grid, monotonic_ns, process_cpu_ns};
use crate::figures::Times;
use crate::{Error, Outcome, Run};

pub(crate) const NAME: &str = "Publisher";
/// All values are there by then.
const UP: Duration = Duration::from_secs(20);
/// Not counted: what the first second of a connection does once.
const WARM_UP: Duration = Duration::from_millis(700);
/// A value that is older than this while there are newer ones of other flows was lost, and is late.
const BEHIND_MS: u64 = 250;

/// Publishes at each step of a grid. Says its address, begins to count with a line of its standard input, and ends
/// with it.
pub(crate) fn publish(directory: &Path, count: usize, interval_us: u64) -> Outcome<Run> {
    let io = MeshIo::start()?;
    let agent = Agent::open(directory, &io)?;
    let mut outlet = agent.publishes(NAME, count, interval_us)?;
    println!("{}", agent.endpoint.local_address());
    let (counting, over) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let watch = (counting.clone(), over.clone());
    std::thread::spawn(move || {
        let mut line = String::new();
        let began = std::io::stdin().read_line(&mut line);
        watch.0.store(true, Ordering::Release);
        if began.is_ok_and(|bytes| bytes > 0) {
            // An error is an end as well.
            let _ = std::io::stdin().read_line(&mut line);
        }
        watch.1.store(true, Ordering::Release);
    });
    let mut grid = Grid::new(interval_us);
    let mut begin: Option<(u64, u64, u64, u64)> = None;
    while !over.load(Ordering::Acquire) {
        grid.step();
        outlet.scan();
        if begin.is_none() && counting.load(Ordering::Acquire) {
            begin = Some((monotonic_ns(), outlet.scans(), io.cpu_ns()?, process_cpu_ns()));
        }
    }
    let (began_ns, scans, io_ns, process_ns) = begin.ok_or(Error::Broken("the publisher"))?;
    let links = agent.hub.links();
    Ok(Run {
        published: outlet.scans() - scans,
        took_ns: monotonic_ns() - began_ns,
        publishing_ns: io.cpu_ns()? - io_ns,
        publisher_ns: process_cpu_ns() - process_ns,
        skipped: links.values().map(|link| link.skipped_scans).sum(),
        ..Run::default()
    })
}

/// Takes what comes for so long. Says `up` when it begins to count.
pub(crate) fn receive(
    directory: &Path,
    publisher: SocketAddr,
    count: usize,
    interval_us: u64,
    seconds: f64,
) -> Outcome<Run> {
    let io = MeshIo::start()?;
    let agent = Agent::open(directory, &io)?;
    let (mailbox, inlet) = inbox(count)?;
    let mut inbox = mailbox.inbox_reader()?;
    let timed = Arc::new(Timed { inlet, count, taken: Mutex::default() });
    let peer = *agent.peers().first().ok_or(Error::Broken("the acquaintance"))?;
    agent.hub.set_wishes(vec![agent.wish(peer, NAME, count, timed.clone())]);
    agent.dial(&[(peer, publisher)]);
    let mut program = Program { last: vec![0; count], wrong: 0, late: 0, interval_us };
    let mut grid = Grid::new(interval_us);
    let begin = Instant::now();
    while !program.has_all(&mut inbox) {
        grid.step();
        if begin.elapsed() > UP {
            return Err(Error::Wrong(format!(
                "not all values came within {} s: {:?}",
                UP.as_secs(),
                agent.hub.links()
            )));
        }
    }
    let begin = Instant::now();
    while begin.elapsed() < WARM_UP {
        grid.step();
        program.scan(&mut inbox);
    }
    println!("up");
    let resyncs = || agent.hub.links().values().map(|link| link.resyncs).sum::<u64>();
    let (began_ns, io_ns, process_ns, asked) = (monotonic_ns(), io.cpu_ns()?, process_cpu_ns(), resyncs());
    timed.clear();
    while monotonic_ns() - began_ns < (seconds * 1e9) as u64 {
        grid.step();
        program.scan(&mut inbox);
    }
    let took_ns = monotonic_ns() - began_ns;
    let (receiving_ns, receiver_ns) = (io.cpu_ns()? - io_ns, process_cpu_ns() - process_ns);
    let taken = timed.clear();
    if program.wrong > 0 {
        return Err(Error::Wrong(format!("{} values were older than those before them", program.wrong)));
    }
    Ok(Run {
        shown: taken.latencies.len() as u64,
        missed: taken.missed,
        late: program.late,
        times: Times::of(taken.latencies),
        took_ns,
        receiving_ns,
        receiver_ns,
        resyncs: resyncs() - asked,
        ..Run::default()
    })
}

/// The inlet of the agent, and when it has shown each scan.
struct Timed {
    inlet: Inlet,
    count: usize,
    taken: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    latencies: Vec<u64>,
    /// Scans of which no value was ever shown.
    missed: u64,
    /// Number of the last scan of which all was shown.
    whole: u64,
    /// What the first flow brought last: when, and of which scan.
    first: (f64, u64),
    /// The scan of what the last flow brought last.
    last: u64,
}

impl Timed {
    fn taken(&self) -> std::sync::MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn clear(&self) -> Taken {
        std::mem::take(&mut *self.taken())
    }
}

impl Sink for Timed {
    fn deliver(&self, delivery: &Delivery<'_>) {
        self.inlet.deliver(delivery);
        let (image, mut taken) = (delivery.subscription.image(), self.taken());
        let value = |at: usize| image.get(at * LREAL..(at + 1) * LREAL);
        if let (Some(0), Some(stamp), Some(number)) = (delivery.entries.first(), value(0), value(1)) {
            let stamp = f64::from_le_bytes(stamp.try_into().unwrap_or_default());
            taken.first = (stamp, scan_of(1, number).unwrap_or_default());
        }
        let last = delivery.entries.len() - 1;
        if delivery.entries[last] as usize == self.count - 1 {
            taken.last = value(last).and_then(|value| scan_of(self.count - 1, value)).unwrap_or_default();
        }
    }

    fn alive(&self, delivery: &Delivery<'_>) {
        self.inlet.alive(delivery);
    }

    fn show(&self, values: bool) {
        self.inlet.show(values);
        let now_ns = monotonic_ns();
        let mut taken = self.taken();
        let (stamp, number) = taken.first;
        if values && number == taken.last && number > taken.whole {
            if taken.whole > 0 {
                taken.missed += number - taken.whole - 1;
            }
            taken.whole = number;
            taken.latencies.push(now_ns.saturating_sub(stamp as u64));
        }
    }

    fn problem(&self, entry: u32, problem: EntryProblem) {
        self.inlet.problem(entry, problem);
    }
}

/// The program that receives: at each scan it looks at every value.
struct Program {
    /// The scan that each value was of when it was seen last.
    last: Vec<u64>,
    /// Older than what was there before.
    wrong: u64,
    /// Behind the first flow.
    late: u64,
    interval_us: u64,
}

impl Program {
    fn has_all(&self, inbox: &mut InboxReader) -> bool {
        inbox.latest();
        inbox.image().is_some_and(|image| {
            (0..self.last.len()).all(|entry| image.head(entry).quality == Quality::Good as u8)
        })
    }

    fn scan(&mut self, inbox: &mut InboxReader) {
        if !inbox.latest().1 {
            return;
        }
        let Some(image) = inbox.image() else { return };
        let newest = scan_of(1, image.value(1)).unwrap_or_default();
        let behind = (BEHIND_MS * 1_000).div_ceil(self.interval_us);
        for (index, last) in self.last.iter_mut().enumerate().skip(1) {
            match scan_of(index, image.value(index)) {
                Some(scan) if scan >= *last => {
                    *last = scan;
                    self.late += u64::from(scan + behind < newest);
                }
                _ => self.wrong += 1,
            }
        }
    }
}
