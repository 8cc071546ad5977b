//! Generated programs, run on both engines and compared. See the README beside this crate.

mod allowed;
mod call;
mod campaign;
mod choices;
mod compare;
mod expression;
mod kinds;
mod literal;
mod loops;
mod moment;
mod object;
mod place;
mod scope;
mod statement;
mod unit;

pub use campaign::{Difference, Outcome, campaign, counted};
pub use choices::Recipe;
pub use compare::{Tally, compare, refusal};
pub use unit::text;
