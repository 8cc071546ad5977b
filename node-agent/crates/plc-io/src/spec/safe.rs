//! Safe values: what the outputs of each driver are whenever no program drives them.

use serde::{Deserialize, Serialize};

use super::{IoPlan, IoProblem, IoSpecError};
use crate::image::{Address, Area, BitRange, parse_literal};

/// The safe value of one output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SafeEntry {
    /// Output address.
    pub address: String,
    /// What it becomes.
    pub value: SafeValue,
}

/// What an output becomes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum SafeValue {
    /// An IEC literal, such as `FALSE` or `INT#0`.
    Literal(String),
    /// It keeps its last value; one that was never written stays as the device has it.
    Hold,
}

/// What outputs without an entry do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum SafeDefault {
    /// They become 0 or FALSE.
    #[default]
    Zero,
    /// They keep their last value.
    Hold,
}

/// The safe values of one driver, in the form of its output frame.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SafeFrame {
    /// The values.
    pub values: Vec<u8>,
    /// Bits that keep their last value instead.
    pub hold: Vec<u8>,
}

impl SafeFrame {
    /// Everything 0.
    pub fn zero(len: usize) -> Self {
        Self { values: vec![0; len], hold: vec![0; len] }
    }

    /// The frame to write when `last` was written before, where `written` says which bits of that count; and the
    /// bits of the result that count.
    pub fn over(&self, last: &[u8], written: &[u8]) -> (Vec<u8>, Vec<u8>) {
        let frame = |index: usize| {
            let hold = self.hold[index];
            let last = last.get(index).copied().unwrap_or(0);
            let written = written.get(index).copied().unwrap_or(0);
            ((self.values[index] & !hold) | (last & hold), !hold | written)
        };
        (0..self.values.len()).map(frame).unzip()
    }
}

/// Builds the safe frames, one for each driver of the plan.
pub fn plan_safe(
    plan: &IoPlan,
    entries: &[SafeEntry],
    default: SafeDefault,
) -> Result<Vec<SafeFrame>, Vec<IoSpecError>> {
    let mut frames: Vec<SafeFrame> = plan
        .drivers
        .iter()
        .map(|driver| SafeFrame {
            values: vec![0; driver.outputs.len()],
            hold: match default {
                SafeDefault::Zero => vec![0; driver.outputs.len()],
                SafeDefault::Hold => driver.outputs.mask().to_vec(),
            },
        })
        .collect();
    let mut errors = Vec::new();
    let mut seen: Vec<BitRange> = Vec::new();
    for (index, entry) in entries.iter().enumerate() {
        if let Err(problem) = apply(plan, &mut frames, &mut seen, entry) {
            errors.push(IoSpecError {
                driver: String::new(),
                entry: Some(format!("safeState[{index}]")),
                address: Some(entry.address.clone()),
                problem,
            });
        }
    }
    if errors.is_empty() { Ok(frames) } else { Err(errors) }
}

fn apply(
    plan: &IoPlan,
    frames: &mut [SafeFrame],
    seen: &mut Vec<BitRange>,
    entry: &SafeEntry,
) -> Result<(), IoProblem> {
    let address: Address = entry.address.parse()?;
    if address.area() != Area::Output {
        return Err(IoProblem::WrongDirection { expected: "output (%Q)" });
    }
    let bits = address.bits();
    if let Some(twice) = seen.iter().find_map(|earlier| bits.overlap(*earlier)) {
        return Err(IoProblem::SafeTwice(twice));
    }
    seen.push(bits);
    let value = match &entry.value {
        SafeValue::Literal(text) => Some(parse_literal(text, address.width())?),
        SafeValue::Hold => None,
    };
    for offset in 0..bits.len {
        let bit = bits.start + offset;
        let mut driven = false;
        for (driver, frame) in plan.drivers.iter().zip(frames.iter_mut()) {
            let Some(place) = driver.outputs.frame_bit(bit) else { continue };
            let mask = 1 << (place % 8);
            if driver.outputs.mask()[place / 8] & mask == 0 {
                continue;
            }
            driven = true;
            let on = value.is_some_and(|value| value >> offset & 1 == 1);
            set(&mut frame.values[place / 8], mask, on);
            set(&mut frame.hold[place / 8], mask, value.is_none());
        }
        if !driven {
            return Err(IoProblem::NotDriven(BitRange { start: bit, len: 1, ..bits }));
        }
    }
    Ok(())
}

fn set(byte: &mut u8, mask: u8, on: bool) {
    if on { *byte |= mask } else { *byte &= !mask }
}
