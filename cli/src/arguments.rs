//! The command line.

use std::path::Path;
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};

use crate::failure::Failure;
use crate::{check, explain, import, mesh, plc, sim, up};

/// The control layer of a plant from Kubernetes manifests.
#[derive(Debug, Parser)]
#[command(name = "lineshaft", version, max_term_width = 100, after_help = EXIT_CODES)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

const EXIT_CODES: &str = "\
Exit codes: 0 all is well; 1 something was found or failed; 2 the command line is wrong; \
3 the program that `plc run` or `plc bench` ran had a fault.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the manifests on this machine: API server, operator, node agent and PLC programs
    ///
    /// Starts a Kubernetes API server of its own (or uses the cluster of --kubeconfig), installs Lineshaft's kinds,
    /// roles and policies, starts the operator and the agent of this node, applies the manifests, and shows what
    /// becomes of them until Ctrl-C, which brings all outputs to their safe values and ends everything. Nothing is
    /// started if a manifest is wrong.
    Up(up::Arguments),
    /// Check manifests and the programs in them, without a server
    ///
    /// Finds what the API server or the operator would refuse: YAML syntax, unknown fields, schemas, validation
    /// rules, references between the given manifests, programs. Exits with 1 if there is an error.
    Check(check::Arguments),
    /// List the peers that were discovered or added, and whether they are trusted
    Peers(mesh::PeersArguments),
    /// Make two sites trust each other: one offers a code, the other claims it
    #[command(subcommand)]
    Pair(mesh::Pair),
    /// Receive variables of peers, and see how that goes
    #[command(subcommand)]
    Mesh(mesh::Mesh),
    /// Turn the runtime.toml of another PLC runtime, and the programs beside it, into manifests
    ///
    /// Every key is translated, or named with its line and what takes its place. Keys without any counterpart are
    /// errors, and then nothing is written. `lineshaft check` says whether the programs compile here.
    Import(import::Arguments),
    /// Check, run and test PLC programs, without manifests
    #[command(subcommand)]
    Plc(plc::Command),
    /// Explain a code of the compiler: what it means, what is wrong, what is right
    Explain(explain::Arguments),
    /// Simulate field devices, for trying things out without hardware
    #[command(subcommand)]
    Sim(sim::Command),
}

/// How findings are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// With an excerpt of the source
    #[default]
    Text,
    /// One JSON array on standard output
    Json,
}

/// Does what the command line says.
pub(crate) fn parse_and_run() -> Result<ExitCode, Failure> {
    let mut command = Arguments::command();
    // kubectl runs `kubectl-lineshaft` for `kubectl lineshaft`: a link to this program.
    let called = std::env::args_os().next().unwrap_or_default();
    if Path::new(&called).file_stem().is_some_and(|name| name == "kubectl-lineshaft") {
        command = command.bin_name("kubectl lineshaft");
    }
    let matches = command.get_matches();
    let arguments = Arguments::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    match arguments.command {
        Command::Up(arguments) => up::run(arguments),
        Command::Check(arguments) => check::run(&arguments),
        Command::Peers(arguments) => mesh::peers(&arguments),
        Command::Pair(command) => mesh::pair(&command),
        Command::Mesh(command) => mesh::mesh(&command),
        Command::Import(arguments) => import::run(&arguments),
        Command::Plc(command) => plc::run(&command),
        Command::Explain(arguments) => explain::run(&arguments),
        Command::Sim(command) => sim::run(command),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }
}
