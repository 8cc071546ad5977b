//! The process image: flat byte areas for inputs, outputs and memory, and the addresses into them.

mod address;
mod frame;
mod literal;

pub use address::{Address, AddressError, Area, BitRange, MAX_IMAGE_BYTES, Width};
pub use frame::{Extent, FrameMap};
pub use literal::{LiteralError, parse_literal};
