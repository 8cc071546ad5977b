//! Shared memory that the other process has spoilt: what is read may be nonsense, but nothing leaves its bounds, nothing
//! panics and nobody waits.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs::File;
use std::os::unix::fs::FileExt;

use lineshaft_exchange::{Exchange, Mailbox, MailboxPlan, PortSize, Published, ScanState};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

fn plan() -> MailboxPlan {
    MailboxPlan { published: 20, received: vec![0..4, 8..16, 16..21], sources: 9 }
}

/// Writes words into the region behind everybody's back.
fn spoil(file: &File, words: &[(Index, u64)], size: usize) {
    for (at, word) in words {
        let at = at.index(size / 8) * 8;
        file.write_all_at(&word.to_le_bytes(), at as u64).unwrap();
    }
}

fn words() -> impl Strategy<Value = Vec<(Index, u64)>> {
    // Small numbers are the ones that mean something: slots, lengths, states.
    vec((any::<Index>(), prop_oneof![any::<u64>(), 0u64..300]), 1..40)
}

proptest! {
    #[test]
    fn fuzz_spoilt_mailbox(before in words(), during in words()) {
        let ours = Mailbox::create("test", plan()).unwrap();
        let file = File::from(ours.as_fd().try_clone_to_owned().unwrap());
        let size = file.metadata().unwrap().len() as usize;
        let attach = || Mailbox::attach(ours.as_fd().try_clone_to_owned().unwrap(), plan());
        let both = [attach().unwrap(), attach().unwrap()];
        let (mut scan_out, mut scan_in) = (both[0].outbox_writer().unwrap(), both[0].inbox_reader().unwrap());
        let (mut mesh_out, mut mesh_in) = (both[1].outbox_reader().unwrap(), both[1].inbox_writer().unwrap());
        spoil(&file, &before, size);
        for round in 1..4 {
            let head = Published { scan: round, start_ns: 1, start_unix_ns: 2, state: ScanState::Running };
            scan_out.publish(head, |values| values.fill(round as u8));
            prop_assert_eq!(mesh_out.latest().1.len(), 20);
            for (entry, len) in [4, 8, 5].into_iter().enumerate() {
                mesh_in.set(entry, &vec![round as u8; len]);
                prop_assert_eq!(mesh_in.value(entry).map(<[u8]>::len), Some(len));
            }
            mesh_in.publish();
            mesh_in.alive(8, 5);
            scan_in.latest();
            if let Some(image) = scan_in.image() {
                for (entry, len) in [4, 8, 5].into_iter().enumerate() {
                    prop_assert_eq!(image.value(entry).len(), len);
                    let _ = scan_in.alive(image.head(entry).source);
                }
            }
            spoil(&file, &during, size);
        }
        // Who attaches anew finds a box, or is told that there is none.
        if let Ok(again) = attach() {
            if let Ok(mut outbox) = again.outbox_reader() {
                prop_assert_eq!(outbox.latest().1.len(), 20);
            }
            if let Ok(mut inbox) = again.inbox_reader() {
                inbox.latest();
                prop_assert!(inbox.image().is_none_or(|image| image.value(2).len() == 5));
            }
        }
    }

    #[test]
    fn fuzz_spoilt_exchange(before in words(), inputs in 0usize..40, outputs in 0usize..40) {
        let sizes = [PortSize { inputs, outputs }];
        let ours = Exchange::create("test", &sizes).unwrap();
        let file = File::from(ours.as_fd().try_clone_to_owned().unwrap());
        let size = file.metadata().unwrap().len() as usize;
        let mut driver = ours.driver_side(0).unwrap();
        let mut scan = ours.scan_side(0).unwrap();
        spoil(&file, &before, size);
        driver.inputs.publish(lineshaft_exchange::FrameHeader::default(), |frame| frame.fill(1));
        prop_assert_eq!(scan.inputs.latest().1.len(), inputs);
        scan.outputs.publish(lineshaft_exchange::FrameHeader::default(), |frame| frame.fill(1));
        prop_assert_eq!(driver.outputs.latest().1.len(), outputs);
        if let Ok(again) = Exchange::attach(ours.as_fd().try_clone_to_owned().unwrap(), &sizes)
            && let Ok(mut scan) = again.scan_side(0)
        {
            prop_assert_eq!(scan.inputs.latest().1.len(), inputs);
        }
    }
}
