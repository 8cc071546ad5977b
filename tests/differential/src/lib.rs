//! Generated programs, run on both engines and compared. See the README beside this crate.

mod choices;
mod compare;
mod expression;
mod generate;
mod kinds;
mod statement;

pub use compare::{Verdict, compare};
pub use generate::program;
