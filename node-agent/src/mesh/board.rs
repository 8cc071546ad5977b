//! What the mesh knows at this moment, for those who show it: the console, the metrics.
//!
//! The controller pins up who receives what; whoever looks reads the newest figures from there, without a word to the
//! controller or the API server.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lineshaft_mesh::identity::AgentId;
use lineshaft_mesh::link::LinkStatus;

/// What is known of received values and of peers. Clones share it.
#[derive(Clone, Default)]
pub struct MeshBoard(Arc<Mutex<Posted>>);

/// What the controller last pinned up.
#[derive(Clone, Default)]
pub(crate) struct Posted {
    pub(crate) flows: Vec<Receiving>,
    /// Connections with other agents.
    pub(crate) links: BTreeMap<AgentId, LinkStatus>,
    /// Peers by trust.
    pub(crate) peers: BTreeMap<&'static str, u64>,
    /// Peers whose name is not theirs alone.
    pub(crate) conflicts: u64,
    /// An offer to pair is open.
    pub(crate) offering: bool,
    /// Wrong codes have locked pairing.
    pub(crate) locked: bool,
}

impl std::fmt::Debug for MeshBoard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MeshBoard").field("flows", &self.posted().flows.len()).finish_non_exhaustive()
    }
}

/// What one runtime receives of one publisher.
#[derive(Clone)]
pub(crate) struct Receiving {
    /// UID of the runtime.
    pub(crate) receiver: String,
    pub(crate) namespace: String,
    /// Name of the runtime.
    pub(crate) runtime: String,
    /// Name of the subscription.
    pub(crate) subscription: String,
    /// As the status names it.
    pub(crate) publisher: String,
    /// The agent that has the publisher.
    pub(crate) peer: AgentId,
    pub(crate) flow: Arc<dyn Flow>,
}

/// Values of one publisher, on their way into a program.
pub(crate) trait Flow: Send + Sync {
    /// What has arrived.
    fn figures(&self) -> Figures;
    /// What is known of each entry, by the variable that receives.
    fn received(&self) -> Vec<(String, Received)>;
}

/// What has arrived of one publisher.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Figures {
    /// Datagrams, snapshots and long values.
    pub(crate) messages: u64,
    /// Datagrams that never came.
    pub(crate) lost: u64,
    /// Of late; `None`: not known yet.
    pub(crate) per_second: Option<u32>,
    /// Since the publisher's program was last known to scan; `None`: never.
    pub(crate) age_ms: Option<u64>,
    /// Entries of which nothing was heard for their timeout.
    pub(crate) stale: usize,
    /// Entries that the publisher refuses.
    pub(crate) refused: usize,
}

/// What is known of a received value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Received {
    /// `LineB:Status.PLCState`.
    pub(crate) from: String,
    /// 0 to 255, as the program sees it.
    pub(crate) quality: u8,
    /// Nothing was heard of the publisher's scan within the timeout.
    pub(crate) stale: bool,
    /// Since its program was last known to scan; `None`: never.
    pub(crate) age_ms: Option<u64>,
}

impl MeshBoard {
    pub(crate) fn pin(&self, posted: Posted) {
        *self.lock() = posted;
    }

    /// What was last pinned up; figures of its flows are those of the moment.
    pub(crate) fn posted(&self) -> Posted {
        self.lock().clone()
    }

    /// What a runtime receives, by the path of the variable in lower case.
    pub(crate) fn received(&self, runtime: &str) -> BTreeMap<String, Received> {
        let posted = self.posted();
        let own = posted.flows.iter().filter(|flow| flow.receiver == runtime);
        own.flat_map(|flow| flow.flow.received()).map(|(to, one)| (to.to_lowercase(), one)).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Posted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    struct Sample;

    impl Flow for Sample {
        fn figures(&self) -> Figures {
            Figures { messages: 12, lost: 3, per_second: Some(10), age_ms: Some(41), stale: 1, refused: 0 }
        }

        fn received(&self) -> Vec<(String, Received)> {
            let from = "LineB:Status.PLCState".to_owned();
            let received = Received { from, quality: 0x40, stale: false, age_ms: Some(41) };
            vec![("Status.RemoteState".to_owned(), received)]
        }
    }

    /// One runtime that receives of one publisher.
    pub(crate) fn sample() -> Posted {
        let peer = AgentId::from_bytes([7; 16]);
        let link =
            LinkStatus { connected: true, rtt_us: 210, received: 12, resyncs: 1, ..LinkStatus::default() };
        let flow = Receiving {
            receiver: "uid-a".to_owned(),
            namespace: "line-a".to_owned(),
            runtime: "plca".to_owned(),
            subscription: "plca-remote".to_owned(),
            publisher: "LineB".to_owned(),
            peer,
            flow: Arc::new(Sample),
        };
        Posted {
            flows: vec![flow],
            links: BTreeMap::from([(peer, link)]),
            peers: BTreeMap::from([("Paired", 1)]),
            ..Posted::default()
        }
    }

    #[test]
    fn values_are_found_whatever_the_case_of_their_path() {
        let board = MeshBoard::default();
        board.pin(sample());
        assert_eq!(board.received("uid-a")["status.remotestate"].quality, 0x40);
        assert!(board.received("uid-b").is_empty());
        board.pin(Posted::default());
        assert!(board.received("uid-a").is_empty());
    }
}
