//! One program on both engines.

use lineshaft_plc_compiler::layout::{Elementary, Layout, TypeDesc, TypeId};
use lineshaft_plc_compiler::{Program, SourceUnit, compile};
use lineshaft_plc_runtime::engine::{EngineKind, EngineOptions};
use lineshaft_plc_runtime::fault::FaultRecord;
use lineshaft_plc_runtime::virt::{Simulation, options};
use std::sync::Arc;

const INTERVAL_NS: u64 = 10_000_000;
/// Scans of each program.
const SCANS: u64 = 4;
/// Back edges in one scan after which a program is taken to be endless.
const BACK_EDGES: u64 = 3_000;

/// What became of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It does not compile.
    Refused,
    /// All scans ended well.
    Completed,
    /// It faulted, on both engines alike.
    Faulted,
}

/// Runs it on both engines. `Err` tells a difference.
pub fn compare(text: &str) -> Result<Verdict, String> {
    let unit = SourceUnit { name: "generated.st".to_owned(), text: text.to_owned() };
    let Ok(program) = compile(&[unit], &options(INTERVAL_NS)) else { return Ok(Verdict::Refused) };
    let program = Arc::new(program);
    let floats = floats(&program.layout);
    let counted = side_by_side(&program, Some(BACK_EDGES), &floats)?;
    let endless = matches!(&counted, Some(fault) if fault.code.name() == "Watchdog");
    if !endless {
        side_by_side(&program, None, &floats)
            .map_err(|difference| format!("without a budget: {difference}"))?;
    }
    Ok(if counted.is_some() { Verdict::Faulted } else { Verdict::Completed })
}

/// Gives the fault that ended both.
fn side_by_side(
    program: &Arc<Program>,
    budget: Option<u64>,
    floats: &[(u32, u32)],
) -> Result<Option<Box<FaultRecord>>, String> {
    let start = |kind| {
        let options = EngineOptions { kind, budget };
        Simulation::with(Arc::clone(program), INTERVAL_NS, options).map_err(|error| error.to_string())
    };
    let (mut oracle, mut subject) = (start(EngineKind::Interpreter)?, start(EngineKind::Jit)?);
    if let (EngineKind::Interpreter, refused) = subject.engine() {
        return Err(format!("not compiled: {}", refused.unwrap_or_default()));
    }
    for scan in 1..=SCANS {
        let (expected, got) = (oracle.step(), subject.step());
        if expected != got {
            return Err(format!("scan {scan}: {expected:?} interpreted, {got:?} compiled"));
        }
        let (mut a, mut b) = (oracle.state().to_vec(), subject.state().to_vec());
        for state in [&mut a, &mut b] {
            unify(state, floats);
        }
        if let Some(at) = a.iter().zip(&b).position(|(a, b)| a != b) {
            let place = program.layout.leaves.iter().rev().find(|leaf| leaf.offset as usize <= at);
            let path = place.map_or("nothing", |leaf| leaf.path.as_str());
            let shown = |simulation: &Simulation| {
                simulation.get(path).map_or_else(|e| e.to_string(), |v| v.to_string())
            };
            return Err(format!(
                "scan {scan}: byte {at} in {path}: {} interpreted, {} compiled; {expected:?}",
                shown(&oracle),
                shown(&subject)
            ));
        }
        if let Err(fault) = expected {
            return Ok(Some(fault));
        }
    }
    Ok(None)
}

/// Places and sizes of all floats.
fn floats(layout: &Layout) -> Vec<(u32, u32)> {
    let mut found = Vec::new();
    for leaf in &layout.leaves {
        collect(layout, leaf.ty, leaf.offset, &mut found);
    }
    found
}

fn collect(layout: &Layout, ty: TypeId, at: u32, found: &mut Vec<(u32, u32)>) {
    match &layout.types[ty.0 as usize] {
        TypeDesc::Elementary(Elementary::Real) => found.push((at, 4)),
        TypeDesc::Elementary(Elementary::Lreal) => found.push((at, 8)),
        TypeDesc::Array { element, dimensions } => {
            let size = layout.size_of(*element);
            let count: i64 = dimensions.iter().map(|(low, high)| high - low + 1).product();
            for position in 0..count as u32 {
                collect(layout, *element, at + position * size, found);
            }
        }
        TypeDesc::Struct { members, .. } => {
            for member in members {
                collect(layout, member.ty, at + member.offset, found);
            }
        }
        _ => {}
    }
}

/// Sign and payload of NaN are the processor's business: which operand they come from depends on registers.
fn unify(state: &mut [u8], floats: &[(u32, u32)]) {
    for &(at, size) in floats {
        let bytes = &mut state[at as usize..(at + size) as usize];
        let mut word = [0; 8];
        word[..bytes.len()].copy_from_slice(bytes);
        let is_nan = match size {
            4 => f32::from_bits(u64::from_le_bytes(word) as u32).is_nan(),
            _ => f64::from_le_bytes(word).is_nan(),
        };
        if is_nan {
            bytes.fill(0xff);
        }
    }
}
