//! Plants for people and tests without hardware.

pub mod filler;
