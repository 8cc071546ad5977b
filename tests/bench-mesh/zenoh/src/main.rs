//! Zenoh as a contender of `make bench mesh`: a value is put by one session and called back in another, in two
//! processes of one machine.
//!
//! `bench-mesh-zenoh subscribe ENDPOINT SECONDS` says `ready`, takes what comes and prints what it took;
//! `bench-mesh-zenoh publish ENDPOINT INTERVAL_US BYTES` puts a payload at each step of an absolute grid until its
//! standard input ends. The first 8 bytes of a payload are the time at which it was put, the next 8 its number.

use std::io::Read;
use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::thread::clock_nanosleep_absolute;
use rustix::time::{ClockId, Timespec, clock_gettime};
use zenoh::Wait;
use zenoh::qos::CongestionControl;

type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

const KEY: &str = "lineshaft/bench";
/// Not counted: connections come up.
const WARM_UP: Duration = Duration::from_millis(500);

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match words[..] {
        ["subscribe", endpoint, seconds] => seconds.parse().map_err(Into::into).and_then(|s| subscribe(endpoint, s)),
        ["publish", endpoint, interval_us, bytes] => interval_us
            .parse()
            .map_err(Into::into)
            .and_then(|interval_us| publish(endpoint, interval_us, bytes.parse()?)),
        _ => Err("usage: bench-mesh-zenoh subscribe ENDPOINT SECONDS | publish ENDPOINT INTERVAL_US BYTES".into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

#[derive(Default)]
struct Taken {
    latencies_ns: Vec<u64>,
    wrong: u64,
    last: u64,
    missed: u64,
}

fn subscribe(endpoint: &str, seconds: f64) -> Outcome<()> {
    let taken = Arc::new(Mutex::new(Taken::default()));
    let session = zenoh::open(config("listen", endpoint)?).wait()?;
    let sink = taken.clone();
    let _subscriber = session
        .declare_subscriber(KEY)
        .callback(move |sample| {
            let now_ns = monotonic_ns();
            let payload = sample.payload().to_bytes();
            let mut taken = sink.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            let word = |at: usize| payload.get(at..at + 8).and_then(|bytes| Some(u64::from_le_bytes(bytes.try_into().ok()?)));
            let (Some(put_ns), Some(number)) = (word(0), word(8)) else {
                taken.wrong += 1;
                return;
            };
            if payload[16..].iter().any(|&byte| byte != number as u8) {
                taken.wrong += 1;
            }
            if taken.last > 0 {
                taken.missed += number.saturating_sub(taken.last + 1);
            }
            taken.last = number;
            taken.latencies_ns.push(now_ns.saturating_sub(put_ns));
        })
        .wait()?;
    println!("ready");
    while taken.lock().unwrap_or_else(std::sync::PoisonError::into_inner).latencies_ns.is_empty() {
        std::thread::sleep(Duration::from_millis(10));
    }
    std::thread::sleep(WARM_UP);
    *taken.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Taken::default();
    let cpu_ns = cpu_ns();
    std::thread::sleep(Duration::from_secs_f64(seconds));
    let cpu_ns = self::cpu_ns() - cpu_ns;
    let mut taken = std::mem::take(&mut *taken.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
    taken.latencies_ns.sort_unstable();
    let at = |share: f64| {
        let index = (taken.latencies_ns.len() as f64 * share) as usize;
        taken.latencies_ns.get(index.min(taken.latencies_ns.len().saturating_sub(1))).copied().unwrap_or(0)
    };
    println!(
        "{{\"shown\":{},\"missed\":{},\"wrong\":{},\"p50\":{},\"p95\":{},\"p99\":{},\"max\":{},\"cpu_ns\":{cpu_ns}}}",
        taken.latencies_ns.len(),
        taken.missed,
        taken.wrong,
        at(0.5),
        at(0.95),
        at(0.99),
        at(1.0)
    );
    Ok(())
}

fn publish(endpoint: &str, interval_us: u64, bytes: usize) -> Outcome<()> {
    let session = zenoh::open(config("connect", endpoint)?).wait()?;
    // Neither batched nor queued behind what is older.
    let publisher =
        session.declare_publisher(KEY).express(true).congestion_control(CongestionControl::Drop).wait()?;
    let over = std::thread::spawn(|| std::io::stdin().read_to_end(&mut Vec::new()));
    let (start_ns, start_cpu_ns) = (monotonic_ns(), cpu_ns());
    let mut number = 0u64;
    while !over.is_finished() {
        number += 1;
        sleep_until(start_ns + number * interval_us * 1_000);
        let mut payload = vec![number as u8; bytes.max(16)];
        payload[8..16].copy_from_slice(&number.to_le_bytes());
        payload[..8].copy_from_slice(&monotonic_ns().to_le_bytes());
        publisher.put(payload).wait()?;
    }
    let (took_ns, cpu_ns) = (monotonic_ns() - start_ns, cpu_ns() - start_cpu_ns);
    println!("{{\"published\":{number},\"took_ns\":{took_ns},\"cpu_ns\":{cpu_ns}}}");
    Ok(())
}

/// A peer that knows where the other one is and looks for nobody else.
fn config(verb: &str, endpoint: &str) -> Outcome<zenoh::Config> {
    let mut config = zenoh::Config::default();
    config.insert_json5("mode", "\"peer\"")?;
    config.insert_json5("scouting/multicast/enabled", "false")?;
    config.insert_json5("scouting/gossip/enabled", "false")?;
    if verb == "connect" {
        config.insert_json5("listen/endpoints", "[]")?;
    }
    config.insert_json5(&format!("{verb}/endpoints"), &format!("[\"{endpoint}\"]"))?;
    Ok(config)
}

fn monotonic_ns() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

fn sleep_until(at_ns: u64) {
    let at = Timespec { tv_sec: (at_ns / 1_000_000_000) as i64, tv_nsec: (at_ns % 1_000_000_000) as i64 };
    while clock_nanosleep_absolute(ClockId::Monotonic, &at).is_err() {}
}

/// Of the whole process: which threads Zenoh has is its own affair.
fn cpu_ns() -> u64 {
    let used = clock_gettime(ClockId::ProcessCPUTime);
    used.tv_sec as u64 * 1_000_000_000 + used.tv_nsec as u64
}
