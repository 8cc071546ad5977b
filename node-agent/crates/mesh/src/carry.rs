//! Between the mailboxes of runtimes and the connections of their agent: what scans publish is taken out of an
//! outbox ([`publish`]), what arrives is put into an inbox ([`Inlet`]).

mod inlet;
mod outlet;

pub use inlet::{Inbox, Inlet, Place, Standing};
pub use outlet::publish;
