//! `make bench up`: how long the quickstart takes to Ready, what it holds in memory, what it writes.
//!
//! The API server is also started alone, in the same run and in turn, so that our own part is the difference.
#![expect(clippy::unwrap_used, reason = "a benchmark ends by panicking")]

use lineshaft_end_to_end::{Plant, Role, repository, wait_until};
use serde_json::json;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const ROUNDS: usize = 5;
const STEADY: Duration = Duration::from_mins(1);

fn main() {
    let _simulator = Simulator::start();
    let mut cold = Vec::new();
    let mut warm = Vec::new();
    let mut server_cold = Vec::new();
    let mut server_warm = Vec::new();
    for round in 0..ROUNDS {
        println!("round {} of {ROUNDS}", round + 1);
        let data = tempfile::tempdir().unwrap();
        server_cold.push(start_server_alone(data.path()));
        server_warm.push(start_server_alone(data.path()));
        let mut plant = quickstart();
        cold.push(start(&mut plant));
        plant.terminate();
        warm.push(start(&mut plant));
        plant.terminate();
    }
    let mut plant = quickstart();
    start(&mut plant);
    println!("steady state: counting API writes for {} s", STEADY.as_secs());
    let before = writes(&plant);
    std::thread::sleep(STEADY);
    let written: Vec<(String, f64)> = difference(&before, &writes(&plant));
    let memory: Vec<(Role, u64)> = plant
        .processes()
        .iter()
        .filter_map(|process| Some((process.role, process.resident_kib()?)))
        .collect();
    plant.terminate();

    let (cold, warm) = (median(&mut cold), median(&mut warm));
    let (server_cold, server_warm) = (median(&mut server_cold), median(&mut server_warm));
    println!("start to Ready, median of {ROUNDS}        whole   API server alone   our part");
    println!(
        "  empty data directory         {cold:>7.2} s {server_cold:>14.2} s {:>10.2} s",
        cold - server_cold
    );
    println!(
        "  existing data directory      {warm:>7.2} s {server_warm:>14.2} s {:>10.2} s",
        warm - server_warm
    );
    println!("resident memory");
    let mut ours = 0;
    for (role, kib) in &memory {
        println!("  {:<28} {:>7.1} MB", format!("{role:?}"), *kib as f64 / 1024.0);
        if *role != Role::ApiServer {
            ours += kib;
        }
    }
    println!("  ours together                {:>7.1} MB", ours as f64 / 1024.0);
    println!("API writes in {} s of steady state", STEADY.as_secs());
    for (what, count) in &written {
        println!("  {what:<40} {count}");
    }
    let memory: Vec<_> =
        memory.iter().map(|(role, kib)| json!({"role": format!("{role:?}"), "kib": kib})).collect();
    let figures = json!({
        "coldSeconds": cold, "warmSeconds": warm,
        "serverColdSeconds": server_cold, "serverWarmSeconds": server_warm,
        "memory": memory, "writes": written,
    });
    let path = repository("target/bench-up.json");
    std::fs::write(&path, format!("{figures:#}\n")).unwrap();
    println!("repeat with: make bench up      figures: target/bench-up.json");
}

/// The quickstart's own manifests, in a plant with free ports.
fn quickstart() -> Plant {
    let plant = Plant::new();
    for entry in std::fs::read_dir(repository("manifests/quickstart")).unwrap() {
        let entry = entry.unwrap();
        if entry.path().is_file() {
            std::fs::copy(entry.path(), plant.manifests().join(entry.file_name())).unwrap();
        }
    }
    plant
}

fn start(plant: &mut Plant) -> f64 {
    let began = Instant::now();
    plant.start();
    // Printed once every object is Ready.
    wait_until(Duration::from_mins(2), "lineshaft up says ready", || {
        plant.printed().iter().any(|line| line.contains("everything is Ready")).then_some(())
    });
    began.elapsed().as_secs_f64()
}

fn start_server_alone(data: &Path) -> f64 {
    let began = Instant::now();
    let mut child = Command::new(lineshaft_end_to_end::apiserver())
        .args(["--listen", "127.0.0.1:0", "--exit-on-stdin-close", "--data-dir"])
        .arg(data)
        .arg("--kubeconfig")
        .arg(data.join("kubeconfig"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let took = began.elapsed().as_secs_f64();
    drop(child.stdin.take());
    child.wait().unwrap();
    took
}

/// Requests that change something, by verb and resource, as the API server counts them.
fn writes(plant: &Plant) -> Vec<(String, f64)> {
    let text = plant.kubectl().ok(&["get", "--raw", "/metrics"]);
    text.lines()
        .filter(|line| line.starts_with("apiserver_request_total{"))
        .filter_map(|line| {
            let label =
                |name: &str| Some(line.split_once(&format!("{name}=\""))?.1.split('"').next()?.to_owned());
            let verb = label("verb")?;
            if !["POST", "PUT", "PATCH", "APPLY", "DELETE"].contains(&verb.as_str()) {
                return None;
            }
            let count = line.rsplit(' ').next()?.parse().ok()?;
            Some((format!("{verb} {} {}", label("resource")?, label("subresource")?), count))
        })
        .collect()
}

fn difference(before: &[(String, f64)], after: &[(String, f64)]) -> Vec<(String, f64)> {
    let sum = |of: &[(String, f64)], what: &str| {
        of.iter().filter(|(name, _)| name == what).map(|(_, n)| n).sum::<f64>()
    };
    let mut names: Vec<&String> = after.iter().map(|(name, _)| name).collect();
    names.sort();
    names.dedup();
    names
        .into_iter()
        .map(|name| (name.clone(), sum(after, name) - sum(before, name)))
        .filter(|(_, count)| *count > 0.0)
        .collect()
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// `lineshaft sim filler` where the quickstart's manifests expect it.
struct Simulator(Child);

impl Simulator {
    fn start() -> Self {
        let program = std::env::var_os("LINESHAFT_BIN")
            .map_or_else(|| repository("target/release/lineshaft"), PathBuf::from);
        let mut child = Command::new(program)
            .args(["sim", "filler", "--exit-on-stdin-close"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self(child)
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        let _ended_already = self.0.kill();
        let _reaped = self.0.wait();
    }
}
