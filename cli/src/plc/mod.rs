//! `lineshaft plc`: programs alone, without manifests, server or devices.

mod arguments;
mod bench;
mod check;
mod run;
mod sources;
mod test;

use std::process::ExitCode;

/// Exit code of a run that ended with a fault of the program.
const FAULTED: u8 = 3;

use crate::failure::Failure;

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Measure programs: how long a scan takes, and how long it is from their text to the first scan
    ///
    /// The programs run as with `plc run`, in virtual time, as fast as they can; each scan is measured by the real
    /// clock, its two readings included. Prints minimum, median, 99th percentile and maximum in nanoseconds, how
    /// long compiling took, and the variables at the end, by which one sees that the right thing was measured. A
    /// run-time fault is printed as by `plc run` and exits with 3.
    Bench(bench::Arguments),
    /// Check programs: the compiler's diagnostics, nothing else
    ///
    /// Exits with 1 if there is an error.
    Check(check::Arguments),
    /// Run programs in virtual time and print their variables as lines of JSON
    ///
    /// The clock advances by exactly one interval before each scan. A source without CONFIGURATION runs each PROGRAM
    /// once a scan, in order; with one, each task runs when it is due. With --trace each scan prints a line
    /// `{"scan":1,"time_us":10000,"values":{"PATH":…}}`, without it the last scan prints every variable of every
    /// program. TIME is in nanoseconds. A run-time fault prints `{"fault":{"code":…,"at":"file:line:column",…}}` and
    /// exits with 3; programs that do not compile exit with 1.
    Run(run::Arguments),
    /// Run the TEST blocks of programs in virtual time
    ///
    /// Each test starts from the initial values of everything, with its clock at 0, and ends with its first failed
    /// assertion or run-time fault. Exits with 1 if a test fails; with 2 if the programs do not compile, or if there
    /// is no test to run.
    Test(test::Arguments),
}

/// Runs the subcommand.
pub(crate) fn run(command: &Command) -> Result<ExitCode, Failure> {
    lineshaft_plc_runtime::heap::use_one();
    match command {
        Command::Bench(arguments) => bench::run(arguments),
        Command::Check(arguments) => check::run(arguments),
        Command::Run(arguments) => run::run(arguments),
        Command::Test(arguments) => test::run(arguments),
    }
}
