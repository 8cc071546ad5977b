//! A mailbox: what a runtime's scans publish, and what they are given of other runtimes, in one shared region.
//!
//! The scan leaves its published values in the *outbox* at the end of a scan and takes the newest received values
//! out of the *inbox* at the begin of one. Who carries them between hosts stands on the other side. Both boxes hold
//! values as they lie in the memory of a state block; what is in them is a matter of the two sides.

use std::ops::Range;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::inbox::{InboxReader, InboxWriter, Signs, head_len};
use crate::outbox::{OUTBOX_HEAD, OutboxReader, OutboxWriter};
use crate::{ExchangeError, Region, TripleBuffer};

const MAGIC: u64 = u64::from_le_bytes(*b"LSmailbx");
const CACHE_LINE: usize = 64;

/// What a mailbox has room for. Its creator tells both sides.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MailboxPlan {
    /// Bytes of the published values.
    pub published: usize,
    /// Where the value of each received entry lies behind the heads of an image.
    pub received: Vec<Range<usize>>,
    /// Publishers, or flows of them, whose signs of life are told apart.
    pub sources: u16,
}

/// The region with both boxes.
#[derive(Debug, Clone)]
pub struct Mailbox {
    region: Arc<Region>,
    plan: Arc<MailboxPlan>,
}

impl MailboxPlan {
    fn outbox(&self) -> TripleBuffer {
        let signs = CACHE_LINE + (usize::from(self.sources) * 8).next_multiple_of(CACHE_LINE);
        TripleBuffer::new(signs, OUTBOX_HEAD + self.published)
    }

    fn inbox(&self) -> TripleBuffer {
        let outbox = self.outbox();
        let values = self.received.iter().map(|place| place.end).max().unwrap_or(0);
        TripleBuffer::new(outbox.offset() + outbox.size(), head_len(self.received.len()) + values)
    }

    fn region_len(&self) -> usize {
        self.inbox().offset() + self.inbox().size()
    }
}

impl Mailbox {
    /// Creates the region, with both boxes empty.
    pub fn create(name: &str, plan: MailboxPlan) -> Result<Self, ExchangeError> {
        let region = Region::create(name, plan.region_len())?;
        plan.outbox().initialise(&region)?;
        plan.inbox().initialise(&region)?;
        region.words(0, 1)?[0].store(MAGIC, Ordering::Release);
        Ok(Self { region: Arc::new(region), plan: Arc::new(plan) })
    }

    /// Maps the region that somebody else created with the same plan.
    pub fn attach(fd: OwnedFd, plan: MailboxPlan) -> Result<Self, ExchangeError> {
        let region = Region::from_fd(fd)?;
        if region.len() != plan.region_len() {
            let (expected, found) = (plan.region_len() as u64, region.len() as u64);
            return Err(ExchangeError::WrongSize { expected, found });
        }
        if region.words(0, 1)?[0].load(Ordering::Acquire) != MAGIC {
            return Err(ExchangeError::WrongMagic { what: "mailbox", offset: 0 });
        }
        Ok(Self { region: Arc::new(region), plan: Arc::new(plan) })
    }

    /// The file to pass to another process.
    pub fn as_fd(&self) -> BorrowedFd<'_> {
        self.region.as_fd()
    }

    /// What it has room for.
    pub fn plan(&self) -> &MailboxPlan {
        &self.plan
    }

    /// The scan's side of the published values. One at a time.
    pub fn outbox_writer(&self) -> Result<OutboxWriter, ExchangeError> {
        Ok(OutboxWriter::new(self.plan.outbox().writer(&self.region)?))
    }

    /// The side that takes published values away. One at a time.
    pub fn outbox_reader(&self) -> Result<OutboxReader, ExchangeError> {
        Ok(OutboxReader::new(self.plan.outbox().reader(&self.region)?))
    }

    /// The side that brings received values. One at a time; a successor of a dead one is welcome.
    pub fn inbox_writer(&self) -> Result<InboxWriter, ExchangeError> {
        let id = self.region.words(8, 1)?[0].fetch_add(1, Ordering::AcqRel) + 1;
        Ok(InboxWriter::new(
            self.plan.inbox().writer(&self.region)?,
            Arc::clone(&self.plan),
            self.signs(),
            id,
        ))
    }

    /// The scan's side of the received values. One at a time.
    pub fn inbox_reader(&self) -> Result<InboxReader, ExchangeError> {
        Ok(InboxReader::new(self.plan.inbox().reader(&self.region)?, Arc::clone(&self.plan), self.signs()))
    }

    fn signs(&self) -> Signs {
        Signs { region: Arc::clone(&self.region), count: usize::from(self.plan.sources) }
    }
}

impl Signs {
    pub(crate) fn word(&self, source: u16) -> Option<&AtomicU64> {
        let words = self.region.words(CACHE_LINE, self.count).ok()?;
        words.get(usize::from(source))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Published, ScanState};

    fn mailbox() -> Mailbox {
        let plan = MailboxPlan { published: 12, received: vec![0..4, 8..16], sources: 9 };
        Mailbox::create("test", plan).unwrap()
    }

    fn other_process(mailbox: &Mailbox) -> Mailbox {
        let fd = mailbox.as_fd().try_clone_to_owned().unwrap();
        Mailbox::attach(fd, mailbox.plan().clone()).unwrap()
    }

    #[test]
    fn published_values_carry_their_scan() {
        let (ours, theirs) = {
            let ours = mailbox();
            (ours.outbox_writer().unwrap(), other_process(&ours).outbox_reader().unwrap())
        };
        let (mut scan, mut carrier) = (ours, theirs);
        assert_eq!(carrier.latest(), (Published::default(), &[0; 12][..], false));
        let head = Published { scan: 7, start_ns: 1, start_unix_ns: -2, state: ScanState::Running };
        scan.publish(head, |values| values.fill(9));
        assert_eq!(carrier.latest(), (head, &[9; 12][..], true));
        scan.tell(ScanState::Faulted);
        let faulted = Published { state: ScanState::Faulted, ..head };
        assert_eq!(carrier.latest(), (faulted, &[9; 12][..], true));
    }

    #[test]
    fn an_image_shows_whole() {
        let ours = mailbox();
        let (mut scan, mut carrier) =
            (ours.inbox_reader().unwrap(), other_process(&ours).inbox_writer().unwrap());
        assert!(!scan.latest().1 && scan.image().is_none());
        carrier.set(1, &[5; 8]);
        carrier.set_quality(1, 0x40);
        carrier.set_source(1, 3);
        assert!(!scan.latest().1, "nothing shows before it is published");
        carrier.publish();
        assert!(scan.latest().1);
        let image = scan.image().unwrap();
        let head = image.head(1);
        assert_eq!((head.source, head.quality, image.value(1)), (3, 0x40, &[5; 8][..]));
        assert!(head.stamp > 0 && image.head(0).stamp == 0, "only what was set has a value");
        carrier.alive(3, 77);
        assert_eq!((scan.alive(3), scan.alive(4), scan.alive(9)), (77, 0, 0));
    }

    #[test]
    fn a_successor_is_told_from_its_predecessor() {
        let ours = mailbox();
        let mut scan = ours.inbox_reader().unwrap();
        ours.inbox_writer().unwrap().publish();
        scan.latest();
        let first = scan.image().unwrap().writer();
        ours.inbox_writer().unwrap().publish();
        scan.latest();
        assert_ne!(scan.image().unwrap().writer(), first);
    }

    #[test]
    fn what_does_not_fit_is_left_out() {
        let ours = mailbox();
        let mut carrier = ours.inbox_writer().unwrap();
        carrier.set(0, &[1; 5]);
        carrier.set(2, &[1; 4]);
        carrier.set_quality(2, 1);
        carrier.alive(200, 1);
        carrier.publish();
        let mut scan = ours.inbox_reader().unwrap();
        scan.latest();
        let image = scan.image().unwrap();
        assert_eq!((image.head(0).stamp, image.value(0)), (0, &[0; 4][..]));
    }

    #[test]
    fn another_plan_is_refused() {
        let ours = mailbox();
        let fd = || ours.as_fd().try_clone_to_owned().unwrap();
        let longer = MailboxPlan { published: 200, ..ours.plan().clone() };
        assert!(matches!(Mailbox::attach(fd(), longer), Err(ExchangeError::WrongSize { .. })));
        let blank = Region::create("x", ours.plan().region_len()).unwrap();
        let fd = blank.as_fd().try_clone_to_owned().unwrap();
        let blank = Mailbox::attach(fd, ours.plan().clone());
        assert!(matches!(blank, Err(ExchangeError::WrongMagic { .. })));
    }
}
