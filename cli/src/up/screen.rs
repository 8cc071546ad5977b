//! What the user sees: lines that stay, and on a terminal below them an area that is redrawn.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::future::Future;
use std::io::{self, IsTerminal, Write};
use std::sync::Arc;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tracing_subscriber::fmt::MakeWriter;

/// A step that takes longer than this shows that it goes on.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often it shows so without a terminal.
const REMINDER: Duration = Duration::from_secs(5);
/// How often it shows so on a terminal.
const FRAME: Duration = Duration::from_millis(100);
/// Frames of the sign that something goes on.
const SPINNER: [&str; 4] = ["|", "/", "-", "\\"];

/// The terminal, or the plain standard output.
#[derive(Clone)]
pub(crate) struct Screen {
    /// The redrawn area; absent without a terminal.
    live: Option<Arc<ProgressBar>>,
}

impl Screen {
    /// Finds out whether standard output is a terminal.
    pub(crate) fn new() -> Self {
        let live = io::stdout().is_terminal().then(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stdout());
            bar.set_style(ProgressStyle::with_template("{msg}").expect("the template is a constant"));
            Arc::new(bar)
        });
        Self { live }
    }

    /// Whether there is an area to redraw.
    pub(crate) fn is_terminal(&self) -> bool {
        self.live.is_some()
    }

    /// Says a line that stays. A reader that went away does not stop a plant.
    pub(crate) fn line(&self, text: &str) {
        match &self.live {
            Some(bar) => bar.suspend(|| print_line(text)),
            None => print_line(text),
        }
    }

    /// Replaces the redrawn area; nothing without a terminal.
    pub(crate) fn draw(&self, text: impl Into<Cow<'static, str>>) {
        if let Some(bar) = &self.live {
            bar.set_message(text);
            // An ordinary draw may be left out to spare the terminal, and the last state would never be seen.
            bar.force_draw();
        }
    }

    /// Removes the redrawn area for good.
    pub(crate) fn close(&self) {
        if let Some(bar) = &self.live {
            bar.finish_and_clear();
        }
    }

    /// Does a step that may take a while: shows on a terminal that it goes on, elsewhere says so now and then.
    pub(crate) async fn step<T>(&self, doing: &str, work: impl Future<Output = T>) -> T {
        let started = Instant::now();
        let (first, period) = if self.is_terminal() { (FRAME, FRAME) } else { (PATIENCE, REMINDER) };
        let mut ticks = interval_at(started + first, period);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        tokio::pin!(work);
        let mut frames = SPINNER.iter().cycle();
        loop {
            tokio::select! {
                result = &mut work => {
                    self.draw("");
                    return result;
                }
                _ = ticks.tick() => {
                    let elapsed = started.elapsed();
                    if self.is_terminal() {
                        let frame = frames.next().unwrap_or(&SPINNER[0]);
                        let mut text = format!("{frame} {doing}");
                        if elapsed >= PATIENCE {
                            write!(text, " ({} s)", elapsed.as_secs()).expect("writing to a String cannot fail");
                        }
                        self.draw(text);
                    } else {
                        self.line(&format!("{doing}: {} s", elapsed.as_secs()));
                    }
                }
            }
        }
    }
}

fn print_line(text: &str) {
    let mut out = io::stdout().lock();
    // Nobody is left to be told that nobody listens.
    let _ = writeln!(out, "{text}").and_then(|()| out.flush());
}

/// Log lines go to standard error, around the redrawn area.
impl<'a> MakeWriter<'a> for Screen {
    type Writer = LogLine<'a>;

    fn make_writer(&'a self) -> Self::Writer {
        LogLine { screen: self }
    }
}

/// Writes one log line.
pub(crate) struct LogLine<'a> {
    screen: &'a Screen,
}

impl Write for LogLine<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &self.screen.live {
            Some(bar) => bar.suspend(|| io::stderr().write(bytes)),
            None => io::stderr().write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}
