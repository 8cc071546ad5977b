//! The node agent: runs what is bound to its node, as a kubelet does with Pods.
//!
//! It translates API objects into what keepers run, keeps the last good version of each on its disk, looks after
//! the keepers, and says how it goes. Nothing cyclic passes through here: no value of a scan, and in steady state no
//! write to the API server but the node's Lease. It never executes a program itself, and never ends anything because
//! the API server cannot be reached.
//!
//! Start reading at [`run`], then `plcruntime`.

mod agent;
pub mod console;
mod edge_node;
mod error;
mod events;
mod http;
mod lease;
mod mesh;
mod metrics;
mod options;
mod plcruntime;
mod readiness;
mod state_lock;
mod store;

pub use agent::run;
pub use edge_node::host_name;
pub use error::{Error, Unconfirmed};
pub use http::router;
pub use lineshaft_plc_runtime::launch::{Lifeline, default_exe};
pub use mesh::MeshBoard;
pub use options::{MeshOptions, Options, Scope};
pub use readiness::Readiness;
pub use state_lock::LockError;
pub use store::{Damage, StoreError};
