//! `lineshaft`: everything that a person does with Lineshaft on one box.
//!
//! Each subcommand is a folder or file of its own; none knows another. What several use, [`manifest`] (reading
//! YAML) and [`finding`] (showing what is wrong), knows no subcommand. Nothing here decides how a plant is run:
//! that is the operator's and the node agent's.
//!
//! Start reading at [`arguments`].

mod arguments;
mod check;
mod explain;
mod failure;
mod finding;
mod import;
mod manifest;
mod mapping;
mod mesh;
mod plc;
mod sim;
mod spelling;
mod up;

use std::process::ExitCode;

fn main() -> ExitCode {
    match arguments::parse_and_run() {
        Ok(code) => code,
        Err(failure) => failure.report(),
    }
}
