//! An agent that is killed in the middle of its work.

use crate::runtime::{PATIENCE, hold};
use crate::{MS, SHARED, sight, subscriber};
use lineshaft_exchange::{InboxWriter, monotonic_ns};
use lineshaft_plc_runtime::client::KeeperClient;
use lineshaft_plc_runtime::protocol::{MailboxInfo, Slot};
use std::path::Path;
use std::process::{Child, Command};
use std::time::Instant;

/// State directory of the runtime that [`bring`] writes to.
const DIRECTORY: &str = "LINESHAFT_TEST_BRING_TO";
const TIMEOUT: i64 = 300 * MS;

/// The memory of a variable that says a number, as the program of the publisher would.
fn memory(slot: &Slot, n: i32) -> Vec<u8> {
    let text = |room: usize| {
        let mut text = n.to_string().into_bytes();
        let length = text.len() as u16;
        text.resize(room, 0);
        [&length.to_le_bytes()[..], &text].concat()
    };
    let odd = u8::from(n % 2 == 1);
    let mut memory = match slot.variable.as_str() {
        "Main.n" => n.to_le_bytes().to_vec(),
        "Main.list" => n.to_le_bytes().repeat(10),
        "Main.long" => n.to_le_bytes().repeat(400),
        "Main.name" => text(12),
        _ => [n.to_le_bytes().repeat(11), text(12), vec![odd; 3]].concat(),
    };
    memory.resize((slot.place.end - slot.place.start) as usize, 0);
    memory
}

/// One image of all entries.
fn image(inbox: &mut InboxWriter, info: &MailboxInfo, n: i32) {
    for (entry, slot) in info.received.iter().enumerate() {
        inbox.set(entry, &memory(slot, n));
        inbox.set_quality(entry, 0);
    }
    inbox.publish();
    inbox.alive(0, monotonic_ns());
}

/// Another process, which is killed at any place of the loop.
#[test]
#[ignore = "a process of the test below"]
fn bring() {
    let directory = std::env::var_os(DIRECTORY).expect("started by the test below");
    let open = KeeperClient::connect(Path::new(&directory)).unwrap().mailbox().unwrap().unwrap();
    let mut inbox = open.mailbox.inbox_writer().unwrap();
    let begun = Instant::now();
    for n in 1.. {
        image(&mut inbox, &open.info, n);
        assert!(begun.elapsed() < 2 * PATIENCE, "nobody killed it");
    }
}

fn bringer(directory: &Path) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "bringer::bring", "--ignored"]).env(DIRECTORY, directory);
    command.spawn().unwrap()
}

#[test]
fn a_killed_agent_leaves_whole_values_that_become_stale() {
    let a = subscriber();
    let mut wanted: Vec<_> = SHARED.iter().map(|path| hold(path, TIMEOUT)).collect();
    wanted[0].quality = Some("Main.quality".to_owned());
    a.subscribe(&wanted);
    let mut shown = a.shown();
    for _ in 0..3 {
        let mut agent = bringer(a.directory());
        let (first, begun) = (shown.next(sight).n, Instant::now());
        let mut fresh = loop {
            let sight = shown.next(sight);
            if sight.quality == 0 && sight.n != first && sight.n > 50 {
                break sight;
            }
            assert!(begun.elapsed() < PATIENCE, "{sight:?}");
        };
        agent.kill().unwrap();
        agent.wait().unwrap();
        let dead_ns = monotonic_ns();
        // It goes stale by itself, as late as the timeout after the last sign of life, and is whole all the time.
        loop {
            let sight = shown.next(sight);
            assert_eq!(sight.torn, 0, "{sight:?}");
            if sight.quality == 0x80 {
                assert!(sight.n >= fresh.n, "it holds what it had: {sight:?}");
                break;
            }
            assert!(sight.head.start_ns < dead_ns + TIMEOUT, "{sight:?}");
            fresh = sight;
        }
    }
}
