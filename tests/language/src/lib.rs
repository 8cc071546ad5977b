//! Conformance cases of the Structured Text implementation, and what runs them.
//!
//! A case is one `.st` file under `cases/<topic>/`, named for the one rule it pins down. Its leading `//` lines
//! say what must happen; `README.md` lists them. Cases follow the specification (plc-engine §2 and IEC 61131-3
//! Ed. 3), never the implementation, and every engine must pass the same ones.
//!
//! Start reading at [`run`].

mod case;
mod engine;
mod judge;

pub use case::Case;
pub use engine::{Engine, Running};
pub use judge::run;
