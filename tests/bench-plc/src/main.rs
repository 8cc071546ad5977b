//! `make bench plc [WORKLOAD…]`: how fast PLC programs run and compile, beside the same in C, in one run.
//!
//! Every contender runs once a round, in turn, all on one CPU, so that what disturbs one disturbs the others.
//! Times are compared, never judged: only a wrong result value is a failure. Other compilers take part if they are on
//! the machine (`peers`).
//!
//! Start reading at [`workload`].

mod contender;
mod generate;
mod invocation;
mod machine;
mod scale;
mod summary;
mod workload;

use contender::Contender;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use summary::Summary;
use workload::{WORKLOADS, Workload};

/// Rounds of each workload.
const ROUNDS: usize = 20;

/// Why there are no figures.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("there is no workload {0:?}; there are: {names}", names = names())]
    UnknownWorkload(String),
    #[error("cannot start `{command}`: {source}")]
    Start { command: String, source: std::io::Error },
    #[error("`{command}` failed: {said}")]
    Failed { command: String, code: Option<i32>, said: String },
    #[error("`{command}` says no figures: {source}")]
    Unreadable { command: String, source: serde_json::Error },
    #[error("`{command}` computes something else: {wrong}")]
    WrongValue { command: String, wrong: String },
    #[error("`{command}` ran on another engine than it was asked for; without --output json it says why")]
    OtherEngine { command: String },
    #[error("cannot choose the CPU: {0}")]
    Pin(#[from] rustix::io::Errno),
    #[error("{}: {source}", path.display())]
    File { path: PathBuf, source: std::io::Error },
}

/// Where things are.
struct Places {
    /// The program `lineshaft`.
    lineshaft: PathBuf,
    /// The sources of the workloads.
    sources: PathBuf,
    /// The scripts that build with other compilers.
    peers: PathBuf,
    /// Everything that is built.
    scratch: PathBuf,
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Error> {
    let chosen = chosen(std::env::args().skip(1).collect())?;
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    let root = root.canonicalize().unwrap_or_else(|_| root.to_owned());
    let places = Places {
        lineshaft: std::env::var_os("LINESHAFT_BIN")
            .map_or_else(|| root.join("target/release/lineshaft"), PathBuf::from),
        sources: root.join("tests/bench-plc/workloads"),
        peers: root.join("tests/bench-plc/peers"),
        scratch: root.join("target/bench-plc"),
    };
    std::fs::create_dir_all(&places.scratch).map_err(at(&places.scratch))?;
    let machine = machine::Machine::pin(&places.lineshaft, contender::COMPILER)?;
    machine.print();
    println!(
        "rounds    {ROUNDS}; times in µs, clock readings included: least of all rounds, median of their p50 and \
         p99; ratios are the median of each round's own; compiling: text to first scan or executable"
    );
    let mut figures = Vec::new();
    for workload in chosen {
        figures.push(measure(workload, &places)?);
    }
    // The code generator uses several threads.
    machine.unpin()?;
    let scale = scale::measure(&places)?;
    let path = root.join("target/bench-plc.json");
    let text = format!("{:#}\n", json!({"machine": machine, "workloads": figures, "scale": scale}));
    std::fs::write(&path, text).map_err(at(&path))?;
    println!("\nrepeat with: make bench plc      figures: target/bench-plc.json");
    Ok(())
}

/// The workloads that are named, or all.
fn chosen(names: Vec<String>) -> Result<Vec<&'static Workload>, Error> {
    if names.is_empty() {
        return Ok(WORKLOADS.iter().collect());
    }
    let find = |name: String| {
        WORKLOADS.iter().find(|workload| workload.name == name).ok_or(Error::UnknownWorkload(name))
    };
    names.into_iter().map(find).collect()
}

fn names() -> String {
    WORKLOADS.map(|workload| workload.name).join(", ")
}

/// Runs all contenders of one workload in turn, and prints what became of it.
fn measure(workload: &Workload, places: &Places) -> Result<serde_json::Value, Error> {
    let source = workload.source(&places.sources, &places.scratch).map_err(at(&places.scratch))?;
    let mut contenders = vec![Contender::reference(workload, places)?];
    contenders.extend(
        contender::ENGINES
            .map(|engine| Contender::lineshaft(&places.lineshaft, engine, &source, workload.scans)),
    );
    let mut absent = Vec::new();
    for script in peers(&places.peers)? {
        match Contender::peer(&script, workload, &source, places) {
            Ok(contender) => match checked(&contender, workload) {
                Ok(_) => contenders.push(contender),
                // Another compiler's mistake is worth a line, not the end of the run.
                Err(error) => absent.push(format!("{}: {error}", contender.name)),
            },
            Err(reason) => absent.push(reason.to_string()),
        }
    }
    let mut runs: Vec<Vec<contender::Run>> = contenders.iter().map(|_| Vec::new()).collect();
    for round in 0..ROUNDS {
        for turn in 0..contenders.len() {
            // Nobody always comes after the same one.
            let index = (round + turn) % contenders.len();
            runs[index].push(checked(&contenders[index], workload)?);
        }
    }
    println!(
        "\n({}) {}, {} scans\n    {:<24}{:>11}{:>11}{:>11}{:>9}{:>14}",
        workload.name, workload.title, workload.scans, "", "min", "p50", "p99", "p50 / C", "compiling"
    );
    let summaries: Vec<Summary> =
        contenders.iter().zip(&runs).map(|(contender, own)| Summary::of(contender, own, &runs[0])).collect();
    for summary in &summaries {
        summary.print();
    }
    for reason in &absent {
        println!("    {reason}");
    }
    for contender in &contenders {
        println!("    {}", contender.invocation);
    }
    Ok(json!({
        "workload": workload.name, "scans": workload.scans, "contenders": summaries, "absent": absent,
    }))
}

/// One run, if it computes what is expected.
fn checked(contender: &Contender, workload: &Workload) -> Result<contender::Run, Error> {
    let run = contender.run()?;
    match workload.wrong_values(&run.values) {
        None => Ok(run),
        Some(wrong) => Err(Error::WrongValue { command: contender.invocation.to_string(), wrong }),
    }
}

/// The scripts of all peers, by name.
fn peers(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let entries = std::fs::read_dir(folder).map_err(at(folder))?;
    let mut scripts = Vec::new();
    for entry in entries {
        scripts.push(entry.map_err(at(folder))?.path());
    }
    scripts.sort();
    Ok(scripts)
}

fn at(path: &Path) -> impl FnOnce(std::io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::File { path, source }
}
