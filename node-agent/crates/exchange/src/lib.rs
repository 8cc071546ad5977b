//! Shared-memory boxes between PLC scans and everything else.
//!
//! A scan leaves its outputs in a box and takes its inputs out of another; drivers, the keeper, the mesh and the
//! gateway stand on the other side. Nobody waits for anybody: a box always holds the newest complete frame.
//!
//! This crate must never know of Kubernetes, of fieldbuses or of programs, and nothing on a scan's path in it
//! allocates, blocks or calls the kernel (apart from [`Wakeup::signal`]). The process on the other side is not
//! trusted: whatever it writes into the shared memory leads to old or wrong values, never to an access out of
//! bounds, an endless loop or a panic.
//!
//! Start reading at [`Exchange`], which puts the parts together for one keeper and its runner, and at [`Mailbox`],
//! which is for what runtimes publish and receive.

mod board;
mod clock;
mod error;
mod histogram;
mod inbox;
mod mailbox;
mod outbox;
mod port;
mod region;
mod triple;
mod wakeup;

pub use board::{BoardRef, Figures, FiguresSnapshot, MAX_TASKS, ScanBoard, ScanRecord, TaskBoard};
pub use clock::monotonic_ns;
pub use error::ExchangeError;
pub use histogram::{BUCKETS, Histogram, HistogramSnapshot};
pub use inbox::{EntryHead, Image, InboxReader, InboxWriter};
pub use mailbox::{Mailbox, MailboxPlan};
pub use outbox::{OutboxReader, OutboxWriter, Published, ScanState};
pub use port::{DriverSide, Exchange, Layout, PortOffsets, PortSize, ScanSide};
pub use region::{Region, Shared};
pub use triple::{FrameHeader, Quality, Reader, TripleBuffer, Writer};
pub use wakeup::Wakeup;
