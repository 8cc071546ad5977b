//! `lineshaft sim`: simulated field devices.

use std::fmt::Write as _;
use std::io::{self, IsTerminal, Read, Write};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use lineshaft_fieldbus::sim::filler::{Filler, Simulator};
use tokio::sync::oneshot;
use tokio::time::{MissedTickBehavior, interval};

use crate::failure::Failure;

/// How often the status line is drawn on a terminal.
const REFRESH: Duration = Duration::from_millis(500);

/// What the device offers, for whoever wants to connect something else than the quickstart.
const REGISTER_MAP: &str = "  \
  coils               0 inlet valve, 1 outlet valve
  discrete inputs     0 bottle, 1 emergency stop, 2 start, 3 stop, 4 inlet is open, 5 outlet is open
                      latched: 6 tank overflowed, 7 spilled, 8 ran dry, 9 emergency stop ignored, 10 watchdog
  input registers     0 tank level, 1 bottle fill (0.1 %), 2 bottles filled, 3 product lost (0.1 % of a tank)
  holding registers   0 set-point (0.1 %), 1 buttons (1 start, 2 stop, 4 emergency stop),
                      2 communication watchdog (ms, 0 off), 3 write 1 to clear what is latched";

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// A filling station: a tank with inlet and outlet valve that fills bottles, as a Modbus TCP device
    ///
    /// Its physics run on their own clock until Ctrl-C. It prints its address and its register map.
    Filler(FillerArguments),
}

/// The flags of `lineshaft sim filler`.
#[derive(Debug, clap::Args)]
pub(crate) struct FillerArguments {
    /// Where it listens; port 0 takes a free one
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:5020")]
    listen: SocketAddr,

    /// End when standard input ends, so as never to outlive the process that holds its other end
    #[arg(long)]
    exit_on_stdin_close: bool,
}

/// Why a simulator could not go on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SimError {
    /// Somebody else has the port.
    #[error("{0} is in use by another program: choose another address with --listen")]
    InUse(SocketAddr),
    /// Forbidden, or no address of this machine.
    #[error("cannot listen on {address}: {source}: choose another address with --listen")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
}

/// Runs the subcommand.
pub(crate) fn run(command: Command) -> Result<ExitCode, Failure> {
    let Command::Filler(arguments) = command;
    let simulator = Simulator::start(arguments.listen).map_err(|source| match source.kind() {
        io::ErrorKind::AddrInUse => SimError::InUse(arguments.listen),
        _ => SimError::Listen { address: arguments.listen, source },
    })?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|source| Failure::System { doing: "wait for signals", source })?;
    runtime.block_on(show_until_ended(&simulator, arguments.exit_on_stdin_close))?;
    simulator.stop();
    Ok(ExitCode::SUCCESS)
}

async fn show_until_ended(simulator: &Simulator, with_stdin: bool) -> Result<(), Failure> {
    use tokio::signal::unix::{SignalKind, signal};
    let catch = |kind| signal(kind).map_err(|source| Failure::System { doing: "catch signals", source });
    let (mut interrupt, mut terminate) = (catch(SignalKind::interrupt())?, catch(SignalKind::terminate())?);
    // Said only now: whoever reads that it is there may end it at once.
    introduce(simulator)?;
    let (ended, mut stdin_ended) = oneshot::channel::<()>();
    if with_stdin {
        // A read cannot be taken back, so it has a thread that nobody waits for.
        std::thread::spawn(move || {
            let mut ignored = [0; 64];
            while io::stdin().read(&mut ignored).is_ok_and(|count| count > 0) {}
            drop(ended);
        });
    }
    let terminal = io::stdout().is_terminal();
    let mut refresh = interval(REFRESH);
    refresh.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        tokio::select! {
            _ = interrupt.recv() => break,
            _ = terminate.recv() => break,
            _ = &mut stdin_ended, if with_stdin => break,
            _ = refresh.tick(), if terminal => {
                let mut out = io::stdout().lock();
                write!(out, "\r\x1b[K{}", status(&simulator.snapshot()))?;
                out.flush()?;
            }
        }
    }
    if terminal {
        writeln!(io::stdout())?;
    }
    Ok(())
}

fn introduce(simulator: &Simulator) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "filling station at {} (Modbus TCP, any unit, addresses from 0)", simulator.addr())?;
    writeln!(out, "{REGISTER_MAP}")?;
    out.flush()
}

/// One line of what happens.
fn status(filler: &Filler) -> String {
    let open = |open: bool| if open { "open" } else { "shut" };
    let positions = filler.positions();
    let mut line = format!(
        "tank {:5.1} %  inlet {}  outlet {}",
        filler.level_percent(),
        open(positions.inlet),
        open(positions.outlet)
    );
    let written = match filler.bottle_percent() {
        Some(fill) => write!(line, "  bottle {fill:5.1} %"),
        None => write!(line, "  no bottle    "),
    };
    written.expect("writing to a String cannot fail");
    write!(line, "  {} filled", filler.bottles()).expect("writing to a String cannot fail");
    if filler.panel.emergency {
        line.push_str("  EMERGENCY STOP");
    }
    if !filler.is_clean() {
        line.push_str("  (something went wrong: see the latched inputs)");
    }
    line
}
