//! `make bench mesh [PART…]`: how fast values get from one runtime to another and what that costs, beside what the
//! machine itself takes and beside Zenoh, in one run.
//!
//! Every contender runs once a round, in turn, so that what disturbs one disturbs the others. Times are compared,
//! never judged: only a wrong or missing value is a failure. Contenders are processes; each can be run alone.
//!
//! Start reading at [`contender`].

mod agent;
mod bare;
mod child;
mod clock;
mod contender;
mod figures;
mod peers;
mod scan;
mod side;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use contender::Contender;
use figures::{Times, microseconds, percent, ratio};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Rounds of each contender, and how long each of them lasts, s.
const ROUNDS: usize = 3;
const ROUND_SECONDS: f64 = 4.0;
/// How long the load lasts unless `--seconds` says something else.
const LOAD_SECONDS: f64 = 20.0;
/// What is loaded.
const LOAD_VARIABLES: usize = 10_000;
const LOAD_INTERVAL_US: u64 = 10_000;
/// The stretch: the same values, as often as a publisher's limit of 20 MB/s lets it.
const STRETCH_INTERVAL_US: u64 = 4_000;
const PEERS: usize = 64;
const PARTS: [&str; 4] = ["transport", "load", "peers", "scan"];

type Outcome<T> = Result<T, Error>;

/// Why there are no figures.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(
        "{0}\nusage: bench-mesh [--seconds N] [transport] [load] [peers] [scan [VARIABLES]]\n       bench-mesh run CONTENDER INTERVAL_US SECONDS VARIABLES"
    )]
    Usage(String),
    #[error("cannot start `{command}`: {source}")]
    Start { command: String, source: std::io::Error },
    #[error("`{0}` ended without a word; what it said to its standard error is above")]
    Silent(String),
    #[error("`{command}` says no figures: {source}")]
    Unreadable { command: String, source: serde_json::Error },
    #[error("{}: not built", .0.display())]
    Absent(PathBuf),
    #[error("{0}")]
    Wrong(String),
    #[error("{0} broke off")]
    Broken(&'static str),
    #[error(transparent)]
    Io(std::io::Error),
    #[error(transparent)]
    Exchange(#[from] lineshaft_exchange::ExchangeError),
    #[error(transparent)]
    Link(#[from] lineshaft_mesh::link::LinkError),
    #[error(transparent)]
    File(#[from] lineshaft_mesh::identity::FileError),
    #[error(transparent)]
    Engine(#[from] lineshaft_plc_runtime::Error),
}

impl Error {
    fn socket(source: std::io::Error) -> Self {
        Self::Start { command: "a socket of the loopback".to_owned(), source }
    }
}

/// One run of a contender. What it does not measure is 0.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
struct Run {
    /// Scans that were published and shown, and those of which nothing was shown.
    published: u64,
    shown: u64,
    missed: u64,
    /// Values that a scan of the receiver found far behind others.
    late: u64,
    /// From the end of a scan until all of its values were shown.
    times: Times,
    took_ns: u64,
    /// CPU time of the thread with the sockets, or that receives.
    publishing_ns: u64,
    receiving_ns: u64,
    /// Of the whole process, the scans included.
    publisher_ns: u64,
    receiver_ns: u64,
    /// Requests for missing values, and scans that were left out.
    resyncs: u64,
    skipped: u64,
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match run(&words.iter().map(String::as_str).collect::<Vec<_>>()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(words: &[&str]) -> Outcome<()> {
    let said = |run: Run| {
        println!("{}", json!(run));
        Ok(())
    };
    match *words {
        ["run", contender, interval, seconds, variables] => {
            let contender = Contender::named(contender)?;
            said(contender.run(number(interval)?, number(seconds)?, number(variables)?)?)
        }
        ["publish", directory, variables, interval] => {
            said(side::publish(Path::new(directory), number(variables)?, number(interval)?)?)
        }
        ["receive", directory, address, variables, interval, seconds] => said(side::receive(
            Path::new(directory),
            number(address)?,
            number(variables)?,
            number(interval)?,
            number(seconds)?,
        )?),
        ["leaves", directory, count] => peers::leaves(Path::new(directory), number(count)?),
        ["hub", directory, addresses] => peers::hub(Path::new(directory), addresses),
        ["scan", variables] => {
            scan::print(&scan::measure(number(variables)?)?);
            Ok(())
        }
        ["--seconds", seconds, ref parts @ ..] => measure(parts, number(seconds)?),
        ref parts => measure(parts, LOAD_SECONDS),
    }
}

fn number<T: std::str::FromStr>(word: &str) -> Outcome<T> {
    word.parse().map_err(|_| Error::Usage(format!("{word:?} is no number of that kind")))
}

fn measure(parts: &[&str], seconds: f64) -> Outcome<()> {
    if let Some(unknown) = parts.iter().find(|part| !PARTS.contains(part)) {
        return Err(Error::Usage(format!("there is no part {unknown:?}")));
    }
    let wanted = |part: &str| parts.is_empty() || parts.contains(&part);
    let machine = machine();
    println!(
        "{machine}\nrounds    {ROUNDS} of {ROUND_SECONDS} s for each contender, in turn; medians of the rounds; times in µs"
    );
    let mut figures = serde_json::Map::new();
    figures.insert("machine".to_owned(), json!(machine));
    if wanted("transport") {
        figures.insert("transport_1ms".to_owned(), transport(1_000)?);
        figures.insert("transport_10ms".to_owned(), transport(10_000)?);
    }
    if wanted("load") {
        figures.insert("load".to_owned(), load(seconds)?);
    }
    if wanted("peers") {
        let found = peers::measure(PEERS)?;
        peers::print(&found);
        figures.insert("peers".to_owned(), json!(found));
    }
    if wanted("scan") {
        let lines = scan::measure(LOAD_VARIABLES)?;
        scan::print(&lines);
        figures.insert("scan".to_owned(), json!(lines));
    }
    let path = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/bench-mesh.json"));
    std::fs::write(path, format!("{:#}\n", Value::Object(figures))).map_err(Error::Io)?;
    println!("\nrepeat with: make bench mesh      figures: target/bench-mesh.json");
    Ok(())
}

/// One value from the end of a scan to the inbox.
fn transport(interval_us: u64) -> Outcome<Value> {
    // Two variables: the second one is the number of the scan.
    let variables = 2;
    let mut runs: Vec<(Contender, Vec<Run>)> = Vec::new();
    let mut absent = Vec::new();
    for contender in Contender::ALL {
        match contender.run(interval_us, 0.5, variables) {
            Ok(_) => runs.push((contender, Vec::new())),
            Err(error @ Error::Absent(_)) => absent.push(format!("{}: {error}", contender.title())),
            Err(error) => return Err(error),
        }
    }
    for round in 0..ROUNDS {
        for turn in 0..runs.len() {
            // Nobody always comes after the same one.
            let index = (round + turn) % runs.len();
            let (contender, own) = &mut runs[index];
            own.push(contender.run(interval_us, ROUND_SECONDS, variables)?);
        }
    }
    println!(
        "\ntransport: one scan every {interval_us} µs, from its end until its values are in the inbox\n    \
         {:<26}{:>9}{:>9}{:>9}{:>10}{:>12}{:>9}",
        "", "p50", "p95", "p99", "max", "p95 / UDP", "missed"
    );
    let p95 = |runs: &[Run]| runs.iter().map(|run| run.times.p95).collect::<Vec<_>>();
    let reference =
        runs.iter().find(|(contender, _)| *contender == Contender::Udp).map(|(_, runs)| p95(runs));
    let reference = reference.unwrap_or_default();
    let mut lines = Vec::new();
    for (contender, own) in &runs {
        let times = Times::median(&own.iter().map(|run| run.times).collect::<Vec<_>>());
        let (ratio, missed) = (ratio(&p95(own), &reference), own.iter().map(|run| run.missed).sum::<u64>());
        let shown = [times.p50, times.p95, times.p99, times.max].map(microseconds);
        println!(
            "    {:<26}{:>9}{:>9}{:>9}{:>10}{ratio:>12.2}{missed:>9}",
            contender.title(),
            shown[0],
            shown[1],
            shown[2],
            shown[3]
        );
        lines.push(json!({
            "contender": contender.name(), "times": times, "p95_to_udp": ratio, "missed": missed, "rounds": own,
            "command": command(*contender, interval_us, ROUND_SECONDS, variables),
        }));
    }
    for line in absent {
        println!("    {line}");
    }
    let command = command(Contender::Mesh, interval_us, ROUND_SECONDS, variables);
    println!("    repeat with: {command}      others: {}", Contender::ALL.map(Contender::name).join(", "));
    Ok(json!(lines))
}

fn command(contender: Contender, interval_us: u64, seconds: f64, variables: usize) -> String {
    format!("target/release/bench-mesh run {} {interval_us} {seconds} {variables}", contender.name())
}

/// Many values that all change.
fn load(seconds: f64) -> Outcome<Value> {
    println!(
        "\nload: {LOAD_VARIABLES} LREAL, all of them other ones after each scan; percent of one core\n    \
         {:<26}{:>9}{:>10}{:>10}{:>11}{:>11}{:>9}{:>9}{:>9}",
        "", "values/s", "mesh out", "mesh in", "all out", "all in", "p50", "p95", "missed"
    );
    let mut lines = Vec::new();
    let own =
        [LOAD_INTERVAL_US, STRETCH_INTERVAL_US].map(|interval_us| (Contender::Mesh, interval_us, seconds));
    // As one payload that nobody compares, numbers or puts into places: the least that it could do.
    let others =
        [Contender::ZenohTcp, Contender::ZenohUdp].map(|one| (one, LOAD_INTERVAL_US, seconds.min(10.0)));
    for (contender, interval_us, seconds) in own.into_iter().chain(others) {
        let run = match contender.run(interval_us, seconds, LOAD_VARIABLES) {
            Ok(run) => run,
            Err(error @ Error::Absent(_)) => {
                println!("    {}: {error}", contender.title());
                continue;
            }
            Err(error) => return Err(error),
        };
        let share = |cpu_ns| match cpu_ns {
            0 => String::new(),
            cpu_ns => format!("{:.1}", percent(cpu_ns, run.took_ns)),
        };
        println!(
            "    {:<26}{:>9}{:>10}{:>10}{:>11}{:>11}{:>9}{:>9}{:>9}",
            format!("{}, {} ms", contender.title(), interval_us / 1_000),
            LOAD_VARIABLES as u64 * 1_000_000 / interval_us,
            share(run.publishing_ns),
            share(run.receiving_ns),
            share(run.publisher_ns),
            share(run.receiver_ns),
            microseconds(run.times.p50),
            microseconds(run.times.p95),
            run.missed + run.late + run.resyncs + run.skipped,
        );
        let command = command(contender, interval_us, seconds, LOAD_VARIABLES);
        println!("        {command}");
        lines.push(json!({"contender": contender.name(), "interval_us": interval_us, "run": run, "command": command}));
    }
    Ok(json!(lines))
}

fn machine() -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let info = read("/proc/cpuinfo");
    let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let model = model.map_or(std::env::consts::ARCH, |(_, name)| name);
    let cpus = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let (kernel, load) = (read("/proc/sys/kernel/osrelease"), read("/proc/loadavg"));
    let load = load.split(' ').next().unwrap_or_default().to_owned();
    let class = match lineshaft_plc_runtime::try_fifo() {
        Ok(()) => "SCHED_FIFO, as where a runtime asks for real-time abilities".to_owned(),
        Err(error) => format!("ordinary ones ({error})"),
    };
    format!(
        "CPU       {model}, {cpus} usable\nkernel    Linux {}, load {load} at the start\nthreads   with the sockets of the mesh: {class}",
        kernel.trim()
    )
}
