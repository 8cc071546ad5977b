//! Values between the memory of a state block and the wire.
//!
//! On the wire everything is little-endian and without padding: BOOL one byte 0 or 1, numbers as they are, times
//! signed nanoseconds, a STRING its `u16` length and its bytes, arrays and structures element after element. A
//! STRING inside an array or a structure takes its full length, so that all but plain strings have one length.
//!
//! A codec is a short list of steps. It never touches what is not a visible member: padding, class numbers.

use std::ops::Range;

use lineshaft_plc_compiler::layout::{Elementary, Layout, TypeDesc, TypeId};

#[cfg(target_endian = "big")]
compile_error!("state blocks and the wire are both little-endian");

/// How to bring a value of one type from memory onto the wire and back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Codec {
    steps: Vec<Step>,
    memory_len: u32,
    wire: WireLen,
    /// Memory and wire are the same bytes, and every pattern of them is a value: most numbers.
    plain: bool,
}

/// Bytes that a value takes on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WireLen {
    /// Always as many.
    Fixed(u32),
    /// A plain string: 2 and its units.
    Text {
        /// Bytes of a character.
        unit: u32,
        /// In characters.
        capacity: u32,
    },
}

/// A value on the wire that its codec has found well-formed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Value<'w>(&'w [u8]);

/// A stretch of a value, at `at` in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    /// Every pattern of bits is a value.
    Any { at: u32, len: u32 },
    /// Each byte is 0 or 1.
    Bools { at: u32, len: u32 },
    /// One integer of a subrange.
    Subrange { at: u32, base: Elementary, low: i64, high: i64 },
    /// A string at its full length.
    Text { at: u32, unit: u32, capacity: u32 },
}

impl WireLen {
    /// The longest value.
    pub fn longest(self) -> u32 {
        match self {
            Self::Fixed(len) => len,
            Self::Text { unit, capacity } => 2 + unit * capacity,
        }
    }
}

impl<'w> Value<'w> {
    /// The bytes.
    pub fn bytes(self) -> &'w [u8] {
        self.0
    }
}

impl Codec {
    /// The codec of a type that holds no reference.
    pub(super) fn of(layout: &Layout, ty: TypeId) -> Self {
        let mut steps = Vec::new();
        collect(layout, ty, 0, &mut steps);
        let memory_len = layout.size_of(ty);
        let wire = match layout.types[ty.0 as usize] {
            TypeDesc::String { capacity } => WireLen::Text { unit: 1, capacity: u32::from(capacity) },
            TypeDesc::Wstring { capacity } => WireLen::Text { unit: 2, capacity: u32::from(capacity) },
            _ => WireLen::Fixed(steps.iter().map(Step::wire_len).fold(0, u32::saturating_add)),
        };
        let plain = steps == [Step::Any { at: 0, len: memory_len }];
        Self { steps, memory_len, wire, plain }
    }

    /// Bytes of the value in memory.
    pub fn memory_len(&self) -> u32 {
        self.memory_len
    }

    /// Bytes of a value on the wire.
    pub fn wire_len(&self) -> WireLen {
        self.wire
    }

    /// The parts of the memory that the value consists of, in order; neighbours are one.
    pub fn memory(&self) -> Vec<Range<u32>> {
        let mut ranges: Vec<Range<u32>> = Vec::new();
        for step in &self.steps {
            let (at, len) = step.memory();
            match ranges.last_mut() {
                Some(last) if last.end == at => last.end += len,
                _ => ranges.push(at..at + len),
            }
        }
        ranges
    }

    /// Appends the value in `memory`, which has [`Self::memory_len`] bytes.
    pub fn encode(&self, memory: &[u8], wire: &mut Vec<u8>) {
        if self.plain {
            // A length that the compiler knows is a move, not a call.
            match <&[u8; 8]>::try_from(memory) {
                Ok(long) => wire.extend_from_slice(long),
                Err(_) => wire.extend_from_slice(&memory[..self.memory_len as usize]),
            }
            return;
        }
        if let WireLen::Text { unit, capacity } = self.wire {
            let text = text_in(memory, unit, capacity);
            wire.extend_from_slice(&((text.len() as u32 / unit) as u16).to_le_bytes());
            wire.extend_from_slice(text);
            return;
        }
        for step in &self.steps {
            let (at, len) = step.memory();
            let memory = &memory[at as usize..(at + len) as usize];
            if let Step::Text { unit, capacity, .. } = step {
                let text = text_in(memory, *unit, *capacity);
                wire.extend_from_slice(&((text.len() as u32 / unit) as u16).to_le_bytes());
                wire.extend_from_slice(text);
                // What an older, longer text left behind is nobody's business.
                wire.resize(wire.len() + (unit * capacity) as usize - text.len(), 0);
            } else {
                wire.extend_from_slice(memory);
            }
        }
    }

    /// Takes one value off the front of `wire`. `None` if it is cut short, or is no value of the type: a BOOL
    /// that is not 0 or 1, an integer outside of its subrange, a text longer than its variable.
    pub fn take<'w>(&self, wire: &mut &'w [u8]) -> Option<Value<'w>> {
        let len = match self.wire {
            WireLen::Fixed(len) => len as usize,
            WireLen::Text { unit, capacity } => 2 + (unit * length_in(wire, capacity)?) as usize,
        };
        let (value, rest) = wire.split_at_checked(len)?;
        if matches!(self.wire, WireLen::Fixed(_)) && !self.plain {
            let mut at = 0;
            for step in &self.steps {
                let next = at + step.wire_len() as usize;
                if !step.allows(&value[at..next]) {
                    return None;
                }
                at = next;
            }
        }
        *wire = rest;
        Some(Value(value))
    }

    /// Puts a value that [`Self::take`] gave into `memory`, which has [`Self::memory_len`] bytes.
    pub fn decode(&self, value: Value<'_>, memory: &mut [u8]) {
        if self.plain {
            match (<&mut [u8; 8]>::try_from(&mut *memory), <&[u8; 8]>::try_from(value.0)) {
                (Ok(memory), Ok(long)) => *memory = *long,
                _ => memory[..value.0.len()].copy_from_slice(value.0),
            }
            return;
        }
        if matches!(self.wire, WireLen::Text { .. }) {
            memory[..value.0.len()].copy_from_slice(value.0);
            return;
        }
        let mut wire = value.0;
        for step in &self.steps {
            let (bytes, rest) = wire.split_at(step.wire_len() as usize);
            let (at, _) = step.memory();
            memory[at as usize..at as usize + bytes.len()].copy_from_slice(bytes);
            wire = rest;
        }
    }
}

impl Step {
    /// Begin and length in memory. A STRING of odd capacity has a byte of padding, which is not part of it.
    fn memory(&self) -> (u32, u32) {
        match *self {
            Self::Any { at, len } | Self::Bools { at, len } => (at, len),
            Self::Subrange { at, base, .. } => (at, base.size()),
            Self::Text { at, unit, capacity } => (at, 2 + unit * capacity),
        }
    }

    fn wire_len(&self) -> u32 {
        self.memory().1
    }

    fn allows(&self, wire: &[u8]) -> bool {
        match *self {
            Self::Any { .. } => true,
            Self::Bools { .. } => wire.iter().all(|&b| b < 2),
            Self::Subrange { base, low, high, .. } => (low..=high).contains(&integer(base, wire)),
            Self::Text { capacity, .. } => length_in(wire, capacity).is_some(),
        }
    }

    /// Goes on where `self` ends, with the same rule.
    fn absorbs(&mut self, next: &Self) -> bool {
        match (self, next) {
            (Self::Any { at, len }, Self::Any { at: start, len: more })
            | (Self::Bools { at, len }, Self::Bools { at: start, len: more })
                if *at + *len == *start =>
            {
                *len += more;
                true
            }
            _ => false,
        }
    }
}

fn collect(layout: &Layout, ty: TypeId, at: u32, steps: &mut Vec<Step>) {
    let step = match &layout.types[ty.0 as usize] {
        TypeDesc::Elementary(Elementary::Bool) => Step::Bools { at, len: 1 },
        TypeDesc::Elementary(e) => Step::Any { at, len: e.size() },
        TypeDesc::Enum { base, .. } => Step::Any { at, len: base.size() },
        TypeDesc::Subrange { base, low, high } => Step::Subrange { at, base: *base, low: *low, high: *high },
        TypeDesc::String { capacity } => Step::Text { at, unit: 1, capacity: u32::from(*capacity) },
        TypeDesc::Wstring { capacity } => Step::Text { at, unit: 2, capacity: u32::from(*capacity) },
        TypeDesc::Array { element, .. } => {
            let stride = layout.size_of(*element);
            let count = layout.size_of(ty).checked_div(stride).unwrap_or(0);
            for index in 0..count {
                collect(layout, *element, at + index * stride, steps);
            }
            return;
        }
        TypeDesc::Struct { members, .. } => {
            for member in members {
                collect(layout, member.ty, at + member.offset, steps);
            }
            return;
        }
        TypeDesc::Reference { .. } | TypeDesc::Interface { .. } => return,
    };
    if !steps.last_mut().is_some_and(|last| last.absorbs(&step)) {
        steps.push(step);
    }
}

/// The integer that `bytes` hold.
fn integer(base: Elementary, bytes: &[u8]) -> i64 {
    let mut wide = [0; 8];
    wide[..bytes.len()].copy_from_slice(bytes);
    let value = u64::from_le_bytes(wide);
    let unused = 64 - 8 * bytes.len() as u32;
    match base {
        Elementary::Sint | Elementary::Int | Elementary::Dint | Elementary::Lint => {
            (value << unused) as i64 >> unused
        }
        _ => i64::try_from(value).unwrap_or(i64::MAX),
    }
}

/// The length word at the front, if the text fits.
fn length_in(wire: &[u8], capacity: u32) -> Option<u32> {
    let (length, _) = wire.split_first_chunk::<2>()?;
    let length = u32::from(u16::from_le_bytes(*length));
    (length <= capacity).then_some(length)
}

/// The used bytes of a string in memory.
fn text_in(memory: &[u8], unit: u32, capacity: u32) -> &[u8] {
    let length = u32::from(u16::from_le_bytes([memory[0], memory[1]])).min(capacity);
    &memory[2..2 + (unit * length) as usize]
}
