//! Writer and reader on two threads, and in two processes, as fast as they can.

use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use lineshaft_exchange::{
    Exchange, FrameHeader, PortSize, Quality, Reader, Region, TripleBuffer, Wakeup, Writer,
};
use proptest::prelude::*;

const FRAME_LEN: usize = 777;

/// Fills a frame so that any mixture of two of them shows.
fn stamp(frame: &mut [u8], sequence: u64) {
    for (index, byte) in frame.iter_mut().enumerate() {
        *byte = (sequence.wrapping_mul(31).wrapping_add(index as u64)) as u8;
    }
}

fn is_whole(frame: &[u8], sequence: u64) -> bool {
    let mut expected = vec![0; frame.len()];
    stamp(&mut expected, sequence);
    frame == expected
}

fn header(sequence: u64) -> FrameHeader {
    FrameHeader { sequence, time_ns: sequence.cast_signed() * 10, quality: Quality::Good }
}

fn write(writer: &mut Writer, sequence: u64) {
    writer.publish(header(sequence), |frame| stamp(frame, sequence));
}

/// Reads until frame `last` came and checks every frame on the way; how many fresh ones there were.
fn read_until(reader: &mut Reader, last: u64) -> u64 {
    let (mut before, mut seen) = (0, 0);
    while before < last {
        let (found, frame, fresh) = reader.latest();
        if fresh {
            assert!(found.sequence > before, "{} came after {before}", found.sequence);
            assert_eq!(found, header(found.sequence));
            assert!(is_whole(frame, found.sequence), "frame {} is torn", found.sequence);
            before = found.sequence;
            seen += 1;
        } else {
            assert_eq!(found.sequence, before);
            std::thread::yield_now();
        }
    }
    seen
}

#[test]
fn threads_see_whole_frames_in_order() {
    const LAST: u64 = 100_000;
    let place = TripleBuffer::new(0, FRAME_LEN);
    let region = Arc::new(Region::create("stress", place.size()).unwrap());
    place.initialise(&region).unwrap();
    let mut reader = place.reader(&region).unwrap();
    let mut writer = place.writer(&region).unwrap();
    let thread = std::thread::spawn(move || {
        for sequence in 1..=LAST {
            write(&mut writer, sequence);
        }
    });
    assert!(read_until(&mut reader, LAST) > 0);
    thread.join().unwrap();
}

#[test]
fn a_writer_that_is_replaced_again_and_again_tears_nothing() {
    const LAST: u64 = 20_000;
    let place = TripleBuffer::new(0, FRAME_LEN);
    let region = Arc::new(Region::create("stress", place.size()).unwrap());
    place.initialise(&region).unwrap();
    let mut reader = place.reader(&region).unwrap();
    let thread = std::thread::spawn(move || {
        let mut sequence = 1;
        while sequence <= LAST {
            let mut writer = place.writer(&region).unwrap();
            for _ in 0..7 {
                write(&mut writer, sequence.min(LAST));
                sequence += 1;
            }
        }
    });
    let (mut before, mut rounds) = (0, 0_u64);
    while before < LAST {
        let (found, frame, fresh) = reader.latest();
        assert!(!fresh || is_whole(frame, found.sequence));
        assert!(found.sequence >= before);
        before = found.sequence;
        rounds += 1;
        std::thread::yield_now();
    }
    assert!(rounds > 0);
    thread.join().unwrap();
}

const CHILD_FD: &str = "LINESHAFT_EXCHANGE_TEST_FDS";
const SIZES: [PortSize; 1] = [PortSize { inputs: FRAME_LEN, outputs: FRAME_LEN }];

/// The other process of the test below: does nothing when the tests run as usual.
#[test]
fn child_writes_until_it_is_killed() {
    let Ok(fds) = std::env::var(CHILD_FD) else { return };
    let mut fds = fds.split(',').map(|fd| {
        let fd: i32 = fd.parse().unwrap();
        // SAFETY: the parent passed these descriptors to this process alone.
        #[allow(unsafe_code)] // A descriptor from another process has no other way to become an owned one.
        unsafe {
            OwnedFd::from_raw_fd(fd)
        }
    });
    let exchange = Exchange::attach(fds.next().unwrap(), &SIZES).unwrap();
    let wakeup = Wakeup::from_fd(fds.next().unwrap());
    let board = exchange.board().unwrap();
    let mut scan = exchange.scan_side(0).unwrap();
    let mut sequence = scan.inputs.latest().0.sequence;
    loop {
        sequence += 1;
        write(&mut scan.outputs, sequence);
        board.beat(0);
        wakeup.signal();
    }
}

/// Descriptors close on exec unless their owner says otherwise.
fn keep_over_exec(fd: BorrowedFd<'_>) -> i32 {
    rustix::io::fcntl_setfd(fd, rustix::io::FdFlags::empty()).expect("the descriptor is open");
    fd.as_raw_fd()
}

#[test]
fn a_killed_process_leaves_whole_frames_and_its_successor_goes_on() {
    use std::os::fd::AsFd;
    let keeper = Exchange::create("stress", &SIZES).unwrap();
    let wakeup = Wakeup::new().unwrap();
    let board = keeper.board().unwrap();
    let mut driver = keeper.driver_side(0).unwrap();
    let fds = format!("{},{}", keep_over_exec(keeper.as_fd()), keep_over_exec(wakeup.as_fd()));
    let mut before = 0;
    for round in 0..10 {
        driver.inputs.publish(header(before.max(1)), |frame| stamp(frame, 0));
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child_writes_until_it_is_killed", "--nocapture"])
            .env(CHILD_FD, &fds)
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let until = before + 500 + round * 37;
        let begin = Instant::now();
        while before < until {
            wakeup.wait(Some(Duration::from_secs(1))).unwrap();
            let (found, frame, fresh) = driver.outputs.latest();
            assert!(!fresh || is_whole(frame, found.sequence), "frame {} is torn", found.sequence);
            assert!(found.sequence >= before);
            before = found.sequence;
            assert!(begin.elapsed() < Duration::from_mins(1), "the other process does not write");
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let (found, frame, _) = driver.outputs.latest();
        assert!(is_whole(frame, found.sequence), "frame {} is torn", found.sequence);
        before = found.sequence;
    }
    assert!(board.heartbeat.load(Ordering::Acquire) >= 5_000);
}

#[derive(Debug, Clone)]
enum Step {
    Write(Vec<u8>),
    Read,
    NewWriter,
    NewReader,
    Spoil(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => prop::collection::vec(any::<u8>(), 13).prop_map(Step::Write),
        4 => Just(Step::Read),
        1 => Just(Step::NewWriter),
        1 => Just(Step::NewReader),
        1 => prop_oneof![any::<u64>(), 0_u64..256].prop_map(Step::Spoil),
    ]
}

proptest! {
    /// Any order of steps: what is read is always the newest frame, as long as nobody spoils the word.
    #[test]
    fn the_newest_frame_is_what_is_read(steps in prop::collection::vec(step(), 1..200)) {
        let place = TripleBuffer::new(0, 13);
        let region = Arc::new(Region::create("property", place.size()).unwrap());
        place.initialise(&region).unwrap();
        let mut writer = place.writer(&region).unwrap();
        let mut reader = place.reader(&region).unwrap();
        let (mut newest, mut sequence, mut spoilt) = (vec![0; 13], 0, false);
        for step in steps {
            match step {
                Step::Write(data) => {
                    sequence += 1;
                    writer.publish(header(sequence), |frame| frame.copy_from_slice(&data));
                    newest = data;
                }
                Step::Read => {
                    let (found, frame, _) = reader.latest();
                    if !spoilt {
                        prop_assert_eq!(found.sequence, sequence);
                        prop_assert_eq!(frame, &newest[..]);
                    }
                }
                Step::NewWriter => writer = place.writer(&region).unwrap(),
                Step::NewReader => reader = place.reader(&region).unwrap(),
                Step::Spoil(word) => {
                    region.words(64, 1).unwrap()[0].store(word, Ordering::Relaxed);
                    spoilt = true;
                }
            }
        }
    }
}
