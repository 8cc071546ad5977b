//! PlcRuntimes: what is bound to this node runs here, each under the care of one task.
//!
//! [`fleet`] follows the one watch and keeps a [`worker`] for each object. A worker decides, step by step, from what
//! is wanted and what is there; it translates ([`translate`]), keeps the last good version on disk ([`record`]),
//! looks after the [`keeper`], passes on what people [`acknowledge`], and says how it goes ([`observe`], [`story`], [`report`]).

mod acknowledge;
mod finalizer;
pub(crate) mod fleet;
mod keeper;
mod observe;
mod record;
mod refusal;
mod release;
mod report;
#[cfg(test)]
pub(crate) mod sample;
mod sources;
mod story;
mod supervise;
mod translate;
mod trouble;
mod worker;

pub(crate) use worker::Shared;
