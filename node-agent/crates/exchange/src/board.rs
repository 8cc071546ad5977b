//! The board on which a runner tells its keeper how its scans go, and the keeper tells the runner what it wants.
//!
//! A fixed block of atomics. Every word has one writer, named beside it; a reader sees each word whole, but not all
//! words from the same scan, which is good enough for supervision and metrics. Times are `CLOCK_MONOTONIC`, in
//! nanoseconds. The words whose values are codes (`state`, `fault`, `attention`) belong to the runtime; the board
//! only carries them.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU32, AtomicU64, Ordering};

use crate::{ExchangeError, Histogram, HistogramSnapshot, Region, Shared};

/// Most tasks that a board has room for.
pub const MAX_TASKS: usize = 32;

const MAGIC: u64 = u64::from_le_bytes(*b"LSboard\0");
const VERSION: u32 = 1;

/// Figures of the scans of one task, or of all of them. Written by one scan thread.
#[derive(Debug)]
#[repr(C, align(64))]
pub struct Figures {
    /// Completed scans.
    pub scans: AtomicU64,
    /// The grid point of the current scan, or of the last one.
    pub slot_ns: AtomicI64,
    /// When the current scan began; 0 between scans. The watchdog measures from here.
    pub running_since_ns: AtomicI64,
    /// When the last completed scan began.
    pub last_start_ns: AtomicI64,
    /// How long the last completed scan took.
    pub last_exec_ns: AtomicU64,
    /// The shortest one; 0 before the first.
    pub min_exec_ns: AtomicU64,
    /// The longest one.
    pub max_exec_ns: AtomicU64,
    /// All together: divided by `scans`, the mean.
    pub sum_exec_ns: AtomicU64,
    /// How long after its grid point the last completed scan began.
    pub last_late_ns: AtomicU64,
    /// The longest such delay.
    pub max_late_ns: AtomicU64,
    /// All delays together.
    pub sum_late_ns: AtomicU64,
    /// Scans that ended after the next grid point.
    pub overruns: AtomicU64,
    /// Grid points that passed without a scan of their own.
    pub missed: AtomicU64,
    reserved: [AtomicU64; 3],
}

/// What a scan thread reports at the end of a scan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ScanRecord {
    /// The grid point this scan was for.
    pub slot_ns: i64,
    /// When it began.
    pub start_ns: i64,
    /// When it ended.
    pub end_ns: i64,
    /// It ended after the next grid point.
    pub overrun: bool,
    /// Grid points skipped after it.
    pub missed: u64,
}

impl ScanRecord {
    fn exec_ns(&self) -> u64 {
        u64::try_from(self.end_ns.saturating_sub(self.start_ns)).unwrap_or(0)
    }

    fn late_ns(&self) -> u64 {
        u64::try_from(self.start_ns.saturating_sub(self.slot_ns)).unwrap_or(0)
    }
}

/// Adds without an atomic read-modify-write: there is one writer, and the scan need not pay for more.
fn add(word: &AtomicU64, amount: u64) {
    word.store(word.load(Ordering::Relaxed).wrapping_add(amount), Ordering::Relaxed);
}

impl Figures {
    /// Marks the begin of a scan.
    pub fn begin(&self, slot_ns: i64, start_ns: i64) {
        self.slot_ns.store(slot_ns, Ordering::Relaxed);
        self.running_since_ns.store(start_ns, Ordering::Release);
    }

    /// Marks the end of a scan and counts it.
    pub fn end(&self, scan: &ScanRecord) {
        let (exec, late) = (scan.exec_ns(), scan.late_ns());
        let first = self.scans.load(Ordering::Relaxed) == 0;
        self.slot_ns.store(scan.slot_ns, Ordering::Relaxed);
        self.last_start_ns.store(scan.start_ns, Ordering::Relaxed);
        self.last_exec_ns.store(exec, Ordering::Relaxed);
        if first || exec < self.min_exec_ns.load(Ordering::Relaxed) {
            self.min_exec_ns.store(exec, Ordering::Relaxed);
        }
        if exec > self.max_exec_ns.load(Ordering::Relaxed) {
            self.max_exec_ns.store(exec, Ordering::Relaxed);
        }
        add(&self.sum_exec_ns, exec);
        self.last_late_ns.store(late, Ordering::Relaxed);
        if late > self.max_late_ns.load(Ordering::Relaxed) {
            self.max_late_ns.store(late, Ordering::Relaxed);
        }
        add(&self.sum_late_ns, late);
        add(&self.overruns, u64::from(scan.overrun));
        add(&self.missed, scan.missed);
        self.running_since_ns.store(0, Ordering::Relaxed);
        self.scans.store(self.scans.load(Ordering::Relaxed).wrapping_add(1), Ordering::Release);
    }

    /// A copy to calculate with.
    pub fn snapshot(&self) -> FiguresSnapshot {
        let scans = self.scans.load(Ordering::Acquire);
        let load = |word: &AtomicU64| word.load(Ordering::Relaxed);
        FiguresSnapshot {
            scans,
            slot_ns: self.slot_ns.load(Ordering::Relaxed),
            running_since_ns: self.running_since_ns.load(Ordering::Relaxed),
            last_start_ns: self.last_start_ns.load(Ordering::Relaxed),
            last_exec_ns: load(&self.last_exec_ns),
            min_exec_ns: load(&self.min_exec_ns),
            max_exec_ns: load(&self.max_exec_ns),
            avg_exec_ns: load(&self.sum_exec_ns).checked_div(scans).unwrap_or(0),
            sum_exec_ns: load(&self.sum_exec_ns),
            last_late_ns: load(&self.last_late_ns),
            max_late_ns: load(&self.max_late_ns),
            avg_late_ns: load(&self.sum_late_ns).checked_div(scans).unwrap_or(0),
            sum_late_ns: load(&self.sum_late_ns),
            overruns: load(&self.overruns),
            missed: load(&self.missed),
        }
    }
}

/// Figures as they were at one time. The fields are those of [`Figures`], with the means calculated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[allow(missing_docs)] // Each is described at the field of the same name in `Figures`.
pub struct FiguresSnapshot {
    pub scans: u64,
    pub slot_ns: i64,
    pub running_since_ns: i64,
    pub last_start_ns: i64,
    pub last_exec_ns: u64,
    pub min_exec_ns: u64,
    pub max_exec_ns: u64,
    pub avg_exec_ns: u64,
    pub sum_exec_ns: u64,
    pub last_late_ns: u64,
    pub max_late_ns: u64,
    pub avg_late_ns: u64,
    pub sum_late_ns: u64,
    pub overruns: u64,
    pub missed: u64,
}

/// One task's part of the board. Written by that task's scan thread.
#[derive(Debug)]
#[repr(C, align(64))]
pub struct TaskBoard {
    /// Figures of this task's scans.
    pub figures: Figures,
    /// How long scans took.
    pub exec: Histogram,
    /// How long after their grid points scans began.
    pub late: Histogram,
}

impl TaskBoard {
    /// Marks the end of a scan: figures and histograms.
    pub fn end(&self, scan: &ScanRecord) {
        self.exec.record(scan.exec_ns());
        self.late.record(scan.late_ns());
        self.figures.end(scan);
    }

    /// Copies of figures, execution times and delays, in this order.
    pub fn snapshot(&self) -> (FiguresSnapshot, HistogramSnapshot, HistogramSnapshot) {
        (self.figures.snapshot(), self.exec.snapshot(), self.late.snapshot())
    }
}

/// The whole board.
#[derive(Debug)]
#[repr(C, align(64))]
pub struct ScanBoard {
    magic: AtomicU64,
    version: AtomicU32,
    size: AtomicU32,
    /// Runner: counts up with every scan of any task and while it idles on purpose; the keeper kills a runner whose
    /// count stands still.
    pub heartbeat: AtomicU64,
    /// Runner: when `heartbeat` was last moved.
    pub heartbeat_ns: AtomicI64,
    /// Runner: what it is doing (starting, running, paused, stopped, faulted …), as the runtime numbers it.
    pub state: AtomicU32,
    /// Runner: not 0 when it stopped because of a fault; a code of the runtime.
    pub fault: AtomicU32,
    /// Runner: 1 once its committed outputs are complete and may go to the devices.
    pub outputs_live: AtomicU32,
    /// Runner: number of entries of `tasks` in use.
    pub task_count: AtomicU32,
    /// Keeper: not 0 when the program has to leave at its next check; a code of the runtime.
    pub attention: AtomicU32,
    /// Keeper: counts up with every order that it left for the runner elsewhere.
    pub orders: AtomicU32,
    /// Runner: the number of the last order it has carried out.
    pub orders_done: AtomicU32,
    /// Runner: number of the program version that runs.
    pub program_version: AtomicU32,
    reserved: [AtomicU64; 7],
    /// Runner: figures over all tasks together.
    pub total: Figures,
    /// Runner: figures of each task, in the order of the program's task list.
    pub tasks: [TaskBoard; MAX_TASKS],
}

// SAFETY: `repr(C)`, all fields are atomics or arrays and `repr(C)` structures of atomics, alignment 64.
#[allow(unsafe_code)] // The promise that only this type can make about itself.
unsafe impl Shared for ScanBoard {}

impl ScanBoard {
    /// Bytes in the region, a multiple of 64.
    pub const SIZE: usize = size_of::<Self>();

    /// Makes an empty board. To be called once, by the creator of the region, before anybody attaches.
    pub fn initialise(region: &Region, offset: usize) -> Result<(), ExchangeError> {
        for word in region.words(offset, Self::SIZE / 8)? {
            word.store(0, Ordering::Relaxed);
        }
        let board = region.view::<Self>(offset)?;
        board.version.store(VERSION, Ordering::Relaxed);
        board.size.store(Self::SIZE as u32, Ordering::Relaxed);
        board.magic.store(MAGIC, Ordering::Release);
        Ok(())
    }

    /// Attaches to a board. Any number may.
    pub fn attach(region: &Arc<Region>, offset: usize) -> Result<BoardRef, ExchangeError> {
        let board = region.view::<Self>(offset)?;
        if board.magic.load(Ordering::Acquire) != MAGIC {
            return Err(ExchangeError::WrongMagic { what: "scan board", offset });
        }
        let found = board.version.load(Ordering::Relaxed);
        if found != VERSION {
            return Err(ExchangeError::WrongVersion { what: "scan board", expected: VERSION, found });
        }
        let found = u64::from(board.size.load(Ordering::Relaxed));
        if found != Self::SIZE as u64 {
            return Err(ExchangeError::WrongSize { expected: Self::SIZE as u64, found });
        }
        Ok(BoardRef { region: Arc::clone(region), offset })
    }

    /// The tasks in use. A count that the other side spoilt is cut to the room there is.
    pub fn tasks_in_use(&self) -> &[TaskBoard] {
        let count = self.task_count.load(Ordering::Acquire) as usize;
        &self.tasks[..count.min(MAX_TASKS)]
    }

    /// Counts the heartbeat up. Only the runner may; its tasks may do so at the same time.
    pub fn beat(&self, now_ns: i64) {
        self.heartbeat_ns.store(now_ns, Ordering::Relaxed);
        self.heartbeat.fetch_add(1, Ordering::Release);
    }
}

/// A board, kept mapped as long as this exists.
#[derive(Debug, Clone)]
pub struct BoardRef {
    region: Arc<Region>,
    offset: usize,
}

impl Deref for BoardRef {
    type Target = ScanBoard;

    fn deref(&self) -> &ScanBoard {
        self.region
            .view(self.offset)
            .expect("`attach` viewed the same place, and a region never changes its size")
    }
}

#[cfg(test)]
mod tests {
    use std::mem::offset_of;

    use super::*;

    fn board() -> (BoardRef, Arc<Region>) {
        let region = Arc::new(Region::create("test", ScanBoard::SIZE).unwrap());
        ScanBoard::initialise(&region, 0).unwrap();
        (ScanBoard::attach(&region, 0).unwrap(), region)
    }

    /// Keeper and runner may come from two builds: whoever moves a field must also raise `VERSION`.
    #[test]
    fn the_layout_is_that_of_version_1() {
        assert_eq!(VERSION, 1);
        assert_eq!(size_of::<Figures>(), 128);
        assert_eq!(size_of::<TaskBoard>(), 1280);
        assert_eq!(size_of::<ScanBoard>(), 128 + 128 + 32 * 1280);
        assert_eq!(offset_of!(ScanBoard, heartbeat), 16);
        assert_eq!(offset_of!(ScanBoard, heartbeat_ns), 24);
        assert_eq!(offset_of!(ScanBoard, state), 32);
        assert_eq!(offset_of!(ScanBoard, fault), 36);
        assert_eq!(offset_of!(ScanBoard, outputs_live), 40);
        assert_eq!(offset_of!(ScanBoard, task_count), 44);
        assert_eq!(offset_of!(ScanBoard, attention), 48);
        assert_eq!(offset_of!(ScanBoard, orders), 52);
        assert_eq!(offset_of!(ScanBoard, orders_done), 56);
        assert_eq!(offset_of!(ScanBoard, program_version), 60);
        assert_eq!(offset_of!(ScanBoard, total), 128);
        assert_eq!(offset_of!(ScanBoard, tasks), 256);
        assert_eq!(offset_of!(Figures, scans), 0);
        assert_eq!(offset_of!(Figures, running_since_ns), 16);
        assert_eq!(offset_of!(Figures, missed), 96);
        assert_eq!(offset_of!(TaskBoard, exec), 128);
        assert_eq!(offset_of!(TaskBoard, late), 688);
    }

    #[test]
    fn scans_are_counted() {
        let (board, region) = board();
        board.task_count.store(1, Ordering::Release);
        let task = &board.tasks[0];
        for (slot, start, end) in [(0, 10, 110), (1000, 1000, 1050), (2000, 2030, 3100)] {
            task.figures.begin(slot, start);
            assert_eq!(task.figures.snapshot().running_since_ns, start);
            let overrun = end > slot + 1000;
            task.end(&ScanRecord {
                slot_ns: slot,
                start_ns: start,
                end_ns: end,
                overrun,
                missed: u64::from(overrun),
            });
        }
        let seen = ScanBoard::attach(&region, 0).unwrap();
        let (figures, exec, late) = seen.tasks_in_use()[0].snapshot();
        assert_eq!(figures.scans, 3);
        assert_eq!((figures.min_exec_ns, figures.max_exec_ns, figures.last_exec_ns), (50, 1070, 1070));
        assert_eq!(figures.avg_exec_ns, (100 + 50 + 1070) / 3);
        assert_eq!((figures.last_late_ns, figures.max_late_ns, figures.avg_late_ns), (30, 30, 13));
        assert_eq!((figures.overruns, figures.missed, figures.running_since_ns), (1, 1, 0));
        assert_eq!((exec.total(), late.total()), (3, 3));
    }

    #[test]
    fn a_clock_that_steps_back_is_no_overflow() {
        let (board, _) = board();
        board.tasks[0].end(&ScanRecord { slot_ns: 100, start_ns: 50, end_ns: 20, ..ScanRecord::default() });
        let figures = board.tasks[0].figures.snapshot();
        assert_eq!((figures.last_exec_ns, figures.last_late_ns), (0, 0));
    }

    #[test]
    fn another_version_is_refused() {
        let (board, region) = board();
        board.version.store(2, Ordering::Relaxed);
        let again = ScanBoard::attach(&region, 0);
        assert!(matches!(again, Err(ExchangeError::WrongVersion { expected: 1, found: 2, .. })));
        board.magic.store(0, Ordering::Relaxed);
        assert!(matches!(ScanBoard::attach(&region, 0), Err(ExchangeError::WrongMagic { .. })));
    }

    #[test]
    fn a_spoilt_task_count_stays_in_bounds() {
        let (board, _) = board();
        board.task_count.store(u32::MAX, Ordering::Release);
        assert_eq!(board.tasks_in_use().len(), MAX_TASKS);
    }
}
