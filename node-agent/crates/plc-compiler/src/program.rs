//! What the compiler takes and gives.

use crate::diagnostic::Diagnostic;
use crate::ir::{FuncId, Module};
use crate::layout::Layout;
use serde::{Deserialize, Serialize};

/// One source text.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SourceUnit {
    /// File name as diagnostics show it.
    pub name: String,
    /// UTF-8.
    pub text: String,
}

/// Which language is accepted (plc-engine §2.0).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Dialect {
    /// IEC 61131-3 Ed. 3 to the letter.
    Iec,
    /// Ed. 3 with Lineshaft's extensions.
    #[default]
    Lineshaft,
    /// Also the dominant vendors' spellings.
    Codesys,
}

/// A task from the manifest. It overrides the source's task of that name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TaskOverride {
    /// IEC task name; compared without regard to case.
    pub name: String,
    /// Cyclic tasks.
    pub interval_ns: Option<u64>,
    /// 0 is the highest.
    pub priority: Option<u32>,
    /// Program instances that a new task runs; empty keeps the source's.
    pub programs: Vec<InstanceOverride>,
}

/// A program instance from the manifest.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct InstanceOverride {
    /// Name of the instance.
    pub instance: String,
    /// Name of the PROGRAM.
    pub program: String,
}

/// Puts a variable declared `AT %I*`, or one without address, on the process image.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Binding {
    /// Symbol path.
    pub variable: String,
    /// `%IX0.0`.
    pub address: String,
}

/// Sizes of the areas of the process image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ImageBytes {
    /// `%I`.
    pub inputs: u32,
    /// `%Q`.
    pub outputs: u32,
    /// `%M`.
    pub memory: u32,
}

/// How to compile.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Options {
    /// Which language.
    pub dialect: Dialect,
    /// RESOURCE to take where the source has several.
    pub resource: Option<String>,
    /// Tasks from the manifest.
    pub tasks: Vec<TaskOverride>,
    /// Addresses from the manifest.
    pub bindings: Vec<Binding>,
    /// Least sizes of the process image: what the drivers map. It grows to the highest address in use.
    pub image_bytes: ImageBytes,
    /// Interval of the task `main` that is made for a source without CONFIGURATION.
    pub default_interval_ns: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            dialect: Dialect::default(),
            resource: None,
            tasks: Vec::new(),
            bindings: Vec::new(),
            image_bytes: ImageBytes::default(),
            default_interval_ns: 10_000_000,
        }
    }
}

/// When a task runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// On a fixed grid.
    Cyclic {
        /// Not 0.
        interval_ns: u64,
    },
    /// Once per rising edge of a BOOL in the state block (SINGLE).
    Event {
        /// Byte offset.
        offset: u32,
        /// Bit of an image byte.
        bit: Option<u8>,
        /// Also on a grid while the BOOL is FALSE (SINGLE with INTERVAL); not 0.
        interval_ns: Option<u64>,
    },
    /// Whenever nothing else has to run.
    Background,
}

/// A task with what it runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// As declared; `main` where there is no CONFIGURATION.
    pub name: String,
    /// When.
    pub trigger: Trigger,
    /// 0 is the highest.
    pub priority: u32,
    /// Indices into [`Program::instances`], in order of execution.
    pub instances: Vec<usize>,
    /// Bits of `%Q` that its programs write, themselves or through what they call: first bit, count.
    pub outputs: Vec<(u32, u32)>,
}

/// An instance of a PROGRAM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instance {
    /// First part of the paths of its variables.
    pub name: String,
    /// The PROGRAM's name.
    pub program: String,
    /// Of its variables in the state block.
    pub offset: u32,
    /// Called with the address of the instance at each scan; binds `(in := g, out => h)` around the body.
    pub entry: FuncId,
}

/// A compiled program, ready for an engine.
#[derive(Clone, Debug)]
pub struct Program {
    /// Code.
    pub module: Module,
    /// Where each variable is.
    pub layout: Layout,
    /// The state block at start: `layout.bytes` long, initial values applied.
    pub initial: Vec<u8>,
    /// By priority, then in order of declaration.
    pub tasks: Vec<Task>,
    /// In order of declaration.
    pub instances: Vec<Instance>,
    /// Warnings and notes.
    pub diagnostics: Vec<Diagnostic>,
}
