use lineshaft_plc_compiler::{SourceUnit, compile};
use lineshaft_plc_runtime::engine::{EngineKind, EngineOptions};
use lineshaft_plc_runtime::virt::{Simulation, options};
use std::sync::Arc;
use std::time::Instant;
fn main() {
    for path in std::env::args().skip(1) {
        let text = std::fs::read_to_string(&path).unwrap();
        let t0 = Instant::now();
        let program = Arc::new(compile(&[SourceUnit { name: "x.st".into(), text }], &options(1_000_000)).unwrap());
        let front = t0.elapsed();
        for kind in [EngineKind::Jit, EngineKind::Interpreter] {
            if kind == EngineKind::Interpreter && std::env::var_os("INTERP").is_none() { continue; }
            let t1 = Instant::now();
            let mut s = Simulation::with(Arc::clone(&program), 1_000_000, EngineOptions { kind, budget: None }).unwrap();
            let code = t1.elapsed();
            let n = if kind == EngineKind::Jit { 3000 } else { 30 };
            let mut times: Vec<u64> = (0..n).map(|_| { let t = Instant::now(); s.step().unwrap(); t.elapsed().as_nanos() as u64 }).collect();
            times.sort_unstable();
            println!("{path} {:?} front {:?} code {:?} min {} p50 {}", s.engine(), front, code, times[0], times[n / 2]);
        }
    }
}
