//! `lineshaft_agent_mesh_*`, `discovery_*`, `pairing_*`: what the mesh knows at the time of a scrape.
//!
//! Series of a link come with it and go with it: there is nothing to be deleted.

use prometheus::core::{Collector, Desc};
use prometheus::proto;

use super::families::{Families, Labels, stand_in, with};
use crate::mesh::MeshBoard;

/// Every state of trust has a series, so that one that is 0 can be told from one that is not known.
const TRUST: [&str; 4] = ["Unpaired", "Paired", "RevokedByPeer", "KeyMismatch"];

/// The registry's view of the board.
pub(crate) struct Collected {
    board: MeshBoard,
    desc: Desc,
}

impl Collected {
    pub(crate) fn new(board: MeshBoard) -> Result<Self, prometheus::Error> {
        let help = "Whether there is a connection to the publisher.";
        let desc = stand_in("lineshaft_agent_mesh_link_up", help, &["namespace", "name", "peer"])?;
        Ok(Self { board, desc })
    }
}

impl Collector for Collected {
    fn desc(&self) -> Vec<&Desc> {
        vec![&self.desc]
    }

    fn collect(&self) -> Vec<proto::MetricFamily> {
        let posted = self.board.posted();
        let mut families = Families::new("lineshaft_agent_");
        for flow in &posted.flows {
            let labels = [
                ("namespace", flow.namespace.as_str()),
                ("name", flow.subscription.as_str()),
                ("runtime", flow.runtime.as_str()),
                ("peer", flow.publisher.as_str()),
            ];
            let link = posted.links.get(&flow.peer);
            let up = link.is_some_and(|link| link.connected);
            let help = "Whether there is a connection to the publisher.";
            families.gauge("mesh_link_up", help, &labels, f64::from(u8::from(up)));
            if let Some(link) = link.filter(|link| link.connected) {
                let help = "Round trip to the agent of the publisher.";
                families.gauge("mesh_link_rtt_seconds", help, &labels, link.rtt_us as f64 / 1e6);
            }
            of_flow(&mut families, &labels, &flow.flow.figures());
        }
        for (peer, link) in &posted.links {
            let peer = peer.to_string();
            let labels = [("agent", peer.as_str())];
            let received = with(&labels, "direction", "received");
            let help = "Datagrams with values, by direction.";
            families.counter("mesh_datagrams_total", help, &received, link.received);
            families.counter("mesh_datagrams_total", help, &with(&labels, "direction", "sent"), link.sent);
            let help = "Scans that were not sent since an earlier one still waited.";
            families.counter("mesh_skipped_scans_total", help, &labels, link.skipped_scans);
            families.counter("mesh_resyncs_total", "Requests for missing values.", &labels, link.resyncs);
        }
        for trust in TRUST {
            let count = posted.peers.get(trust).copied().unwrap_or(0);
            let labels = [("trust", trust)];
            families.gauge("discovery_peers", "Peers that are known, by trust.", &labels, count as f64);
        }
        let help = "Peers whose name another one has, too.";
        families.gauge("discovery_name_conflicts", help, &[], posted.conflicts as f64);
        let help = "Offers to pair that are open.";
        families.gauge("pairing_open_offers", help, &[], f64::from(u8::from(posted.offering)));
        let help = "Whether wrong codes have locked pairing for a while.";
        families.gauge("pairing_locked", help, &[], f64::from(u8::from(posted.locked)));
        families.finish()
    }
}

fn of_flow(families: &mut Families, labels: &Labels<'_>, figures: &crate::mesh::Figures) {
    if let Some(age_ms) = figures.age_ms {
        let help = "Time since the program of the publisher was last known to scan.";
        families.gauge("mesh_link_last_received_age_seconds", help, labels, age_ms as f64 / 1e3);
    }
    let help = "Messages with values of the publisher.";
    families.counter("mesh_messages_total", help, labels, figures.messages);
    let help = "Datagrams of the publisher that never came; newer values stood in for them.";
    families.counter("mesh_lost_datagrams_total", help, labels, figures.lost);
    let help = "Entries of which nothing was heard for their timeout.";
    families.gauge("mesh_stale_entries", help, labels, figures.stale as f64);
    let help = "Entries that the publisher refuses.";
    families.gauge("mesh_refused_entries", help, labels, figures.refused as f64);
}

#[cfg(test)]
mod tests {
    use prometheus::{Encoder, Registry, TextEncoder};

    use super::*;
    use crate::mesh::{Posted, sample};

    fn text(registry: &Registry) -> String {
        let mut text = Vec::new();
        TextEncoder::new().encode(&registry.gather(), &mut text).unwrap();
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn series_of_a_link_come_and_go_with_it() {
        let (registry, board) = (Registry::new(), MeshBoard::default());
        registry.register(Box::new(Collected::new(board.clone()).unwrap())).unwrap();
        board.pin(sample());
        let shown = text(&registry);
        let labels = r#"{namespace="line-a",name="plca-remote",runtime="plca",peer="LineB"}"#;
        for line in [
            format!("lineshaft_agent_mesh_link_up{labels} 1"),
            format!("lineshaft_agent_mesh_link_rtt_seconds{labels} 0.00021"),
            format!("lineshaft_agent_mesh_link_last_received_age_seconds{labels} 0.041"),
            format!("lineshaft_agent_mesh_lost_datagrams_total{labels} 3"),
            format!("lineshaft_agent_mesh_stale_entries{labels} 1"),
            r#"lineshaft_agent_discovery_peers{trust="Paired"} 1"#.to_owned(),
            r#"lineshaft_agent_discovery_peers{trust="KeyMismatch"} 0"#.to_owned(),
            "lineshaft_agent_pairing_locked 0".to_owned(),
        ] {
            assert!(shown.contains(&line), "{line} is not in:\n{shown}");
        }
        board.pin(Posted { locked: true, conflicts: 2, ..Posted::default() });
        let shown = text(&registry);
        assert!(!shown.contains("LineB") && !shown.contains("mesh_datagrams"), "{shown}");
        assert!(shown.contains("lineshaft_agent_pairing_locked 1"), "{shown}");
        assert!(shown.contains("lineshaft_agent_discovery_name_conflicts 2"), "{shown}");
    }
}
