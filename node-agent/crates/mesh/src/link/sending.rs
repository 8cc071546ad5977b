//! The flows that leave over one connection.

use std::collections::{BTreeMap, HashSet};

use super::hub::{Hub, Promise, Runtime};
use crate::control::{
    Flow, FlowName, FlowTerms, Limits, Message, PublisherState, Reason, Refused, Resync, RunState,
    RuntimeInfo, RuntimeName, Slot, Subscribe, SubscribeResult, negotiate,
};
use crate::flow::{Publication, PublicationConfig, PublishedSlot, Scan};

/// Flows of one connection.
const MAX_FLOWS: usize = 1_024;
/// Variables of all flows of one connection.
const MAX_SLOTS: usize = 65_536;
/// Memory of their values.
const MAX_MEMORY: u64 = 64 << 20;
/// Snapshots of one flow that its subscriber has not read yet. What it asks for beyond is in the next one.
const MAX_SNAPSHOTS: u32 = 2;

/// The flows that leave over one connection.
pub(super) struct Sending {
    /// What the peer knows of the runtimes: program and state.
    told: BTreeMap<String, (u64, RuntimeInfo)>,
    flows: Vec<Leaving>,
    next_flow: u16,
    epoch: u32,
}

struct Leaving {
    name: FlowName,
    runtime: String,
    layout: u64,
    memory: u64,
    slots: usize,
    /// What it may take of the agent's rate, given back with the flow.
    _rate: Promise,
    snapshots: u32,
    stage: Stage,
    /// Slots whose last long value is still on its way.
    busy: HashSet<u16>,
}

enum Stage {
    /// Agreed on; the subscriber makes room.
    Agreed(Flow),
    Flowing(Publication),
}

impl Sending {
    /// `epoch` is random: no datagram of an earlier connection fits by chance.
    pub(super) fn new(epoch: u32) -> Self {
        Self { told: BTreeMap::new(), flows: Vec::new(), next_flow: 0, epoch }
    }

    /// Answers a wish list.
    pub(super) fn subscribe(&mut self, hub: &Hub, wish: &Subscribe) -> Vec<Message> {
        let runtimes = hub.runtimes();
        let Some(runtime) = runtimes.get(&wish.publisher) else {
            let reason = Reason::NotPublished;
            let refused =
                wish.entries.iter().map(|e| Refused { i: e.i, reason, publisher_type: None }).collect();
            return vec![result(wish, None, refused)];
        };
        let limits = Limits {
            flows: MAX_FLOWS.saturating_sub(self.flows.len()),
            bytes_per_second: hub.rate_left(),
            slots: MAX_SLOTS.saturating_sub(self.flows.iter().map(|flow| flow.slots).sum()),
            memory: MAX_MEMORY.saturating_sub(self.flows.iter().map(|flow| flow.memory).sum()),
        };
        let (flows, refused) = negotiate(&runtime.catalogue, wish, limits);
        let mut answers: Vec<_> = flows
            .into_iter()
            .map(|flow| result(wish, Some(self.agree(hub, runtime, flow)), Vec::new()))
            .collect();
        if !refused.is_empty() || answers.is_empty() {
            answers.push(result(wish, None, refused));
        }
        answers
    }

    /// The subscriber has made room: the first snapshot.
    pub(super) fn ready(&mut self, hub: &Hub, name: FlowName) -> Option<Vec<u8>> {
        let leaving = self.flows.iter_mut().find(|flow| flow.name == name)?;
        let Stage::Agreed(flow) = &leaving.stage else { return None };
        let runtimes = hub.runtimes();
        let runtime = runtimes.get(&leaving.runtime).filter(|runtime| runtime.layout == leaving.layout)?;
        let config = PublicationConfig {
            flow: name.flow,
            epoch: name.epoch,
            every_scans: flow.every_scans,
            beat_after_ns: flow.beat_us.saturating_mul(1_000),
        };
        let slots = flow.slots.iter().map(|granted| PublishedSlot {
            image: granted.variable.image.clone(),
            codec: granted.variable.schema.codec().clone(),
            deadband: granted.deadband,
        });
        let mut publication = Publication::new(config, slots.collect(), &scan_of(runtime));
        let snapshot = publication.snapshot(None);
        leaving.stage = Stage::Flowing(publication);
        leaving.snapshots = 1;
        Some(snapshot)
    }

    /// What the subscriber misses.
    pub(super) fn resync(&mut self, request: Resync) -> Option<Vec<u8>> {
        let leaving = self.flows.iter_mut().find(|flow| flow.name == request.name)?;
        match &mut leaving.stage {
            Stage::Flowing(publication) if leaving.snapshots < MAX_SNAPSHOTS => {
                leaving.snapshots += 1;
                Some(publication.snapshot(Some(request.have)))
            }
            _ => None,
        }
    }

    /// A subscriber has read a snapshot.
    pub(super) fn snapshot_arrived(&mut self, name: FlowName) {
        if let Some(flow) = self.flows.iter_mut().find(|flow| flow.name == name) {
            flow.snapshots = flow.snapshots.saturating_sub(1);
        }
    }

    pub(super) fn unsubscribe(&mut self, name: FlowName) {
        self.flows.retain(|flow| flow.name != name);
    }

    /// The runtimes as the peer learns of them first.
    pub(super) fn introduce(&mut self, hub: &Hub) -> Vec<RuntimeInfo> {
        self.told = known(hub);
        self.told.values().map(|(_, info)| info.clone()).collect()
    }

    /// Whether a runtime does something else than the peer knows. Asked after each scan.
    pub(super) fn states_moved(&self, hub: &Hub) -> bool {
        let differs = |runtime: &Runtime| {
            self.told.get(&runtime.id).is_some_and(|(_, info)| info.state != runtime.state)
        };
        hub.runtimes().values().any(differs)
    }

    /// Ends flows whose runtime is gone or has another program, and says what has changed of the runtimes.
    pub(super) fn news(&mut self, hub: &Hub) -> Vec<Message> {
        let now = known(hub);
        let before = std::mem::replace(&mut self.told, now);
        self.flows
            .retain(|flow| self.told.get(&flow.runtime).is_some_and(|(layout, _)| *layout == flow.layout));
        let mut messages = Vec::new();
        let nameplate = |info: &RuntimeInfo| (info.id.clone(), info.name.clone(), info.scan_us);
        let nameplates = |runtimes: &BTreeMap<String, (u64, RuntimeInfo)>| {
            runtimes.values().map(|(_, info)| nameplate(info)).collect::<Vec<_>>()
        };
        if nameplates(&before) != nameplates(&self.told) {
            messages.push(Message::Runtimes(self.told.values().map(|(_, info)| info.clone()).collect()));
        }
        for (runtime, (layout, info)) in &self.told {
            let Some((old_layout, old)) = before.get(runtime) else { continue };
            if layout != old_layout {
                messages.push(Message::LayoutChanged(RuntimeName { runtime: runtime.clone() }));
            } else if info.state != old.state {
                let (runtime, state) = (runtime.clone(), info.state);
                messages.push(Message::PublisherState(PublisherState { runtime, state }));
            }
        }
        messages
    }

    /// The datagrams that are due after a scan of any runtime.
    pub(super) fn scanned(&mut self, hub: &Hub, now_ns: u64, max_len: usize) -> Vec<Vec<u8>> {
        let runtimes = hub.runtimes();
        let mut datagrams = Vec::new();
        for flow in &mut self.flows {
            let runtime = runtimes.get(&flow.runtime).filter(|runtime| runtime.layout == flow.layout);
            if let (Stage::Flowing(publication), Some(runtime)) = (&mut flow.stage, runtime) {
                datagrams.extend(publication.scan(&scan_of(runtime), now_ns, max_len));
            }
        }
        datagrams
    }

    /// The next long value that may leave.
    pub(super) fn bulk(&mut self, hub: &Hub) -> Option<(FlowName, u16, Vec<u8>)> {
        let runtimes = hub.runtimes();
        self.flows.iter_mut().find_map(|flow| {
            let runtime = runtimes.get(&flow.runtime)?;
            let Stage::Flowing(publication) = &mut flow.stage else { return None };
            let (slot, stream) = publication.bulk(&scan_of(runtime), |slot| !flow.busy.contains(&slot))?;
            flow.busy.insert(slot);
            Some((flow.name, slot, stream))
        })
    }

    /// A long value has arrived.
    pub(super) fn bulk_arrived(&mut self, name: FlowName, slot: u16) {
        if let Some(flow) = self.flows.iter_mut().find(|flow| flow.name == name) {
            flow.busy.remove(&slot);
        }
    }

    fn agree(&mut self, hub: &Hub, runtime: &Runtime, flow: Flow) -> FlowTerms {
        let name = FlowName { flow: self.next_flow, epoch: self.epoch };
        self.next_flow = self.next_flow.wrapping_add(1);
        self.epoch = self.epoch.wrapping_add(1);
        let slots = flow.slots.iter().enumerate();
        let terms = FlowTerms {
            name,
            interval_us: flow.interval_us,
            beat_us: flow.beat_us,
            slots: slots.map(|(slot, granted)| Slot { i: granted.i, slot: slot as u16 }).collect(),
        };
        let bytes: u64 = flow
            .slots
            .iter()
            .map(|granted| u64::from(granted.variable.schema.codec().wire_len().longest()))
            .sum();
        self.flows.push(Leaving {
            name,
            runtime: runtime.id.clone(),
            layout: runtime.layout,
            memory: flow
                .slots
                .iter()
                .map(|granted| u64::from(granted.variable.schema.codec().memory_len()))
                .sum(),
            slots: flow.slots.len(),
            _rate: hub.promise(bytes.saturating_mul(1_000_000) / flow.interval_us.max(1)),
            snapshots: 0,
            stage: Stage::Agreed(flow),
            busy: HashSet::new(),
        });
        terms
    }
}

/// Program and appearance of every runtime.
fn known(hub: &Hub) -> BTreeMap<String, (u64, RuntimeInfo)> {
    let runtimes = hub.runtimes();
    let info = |runtime: &Runtime| RuntimeInfo {
        id: runtime.id.clone(),
        name: runtime.name.clone(),
        scan_us: runtime.catalogue.scan_us,
        state: runtime.state,
    };
    runtimes.values().map(|runtime| (runtime.id.clone(), (runtime.layout, info(runtime)))).collect()
}

fn scan_of(runtime: &Runtime) -> Scan<'_> {
    Scan {
        image: &runtime.image.values,
        quality: &[],
        number: runtime.image.number,
        time_ns: runtime.image.time_ns,
        running: runtime.state == RunState::Run,
        synchronised: runtime.image.synchronised,
    }
}

fn result(wish: &Subscribe, flow: Option<FlowTerms>, refused: Vec<Refused>) -> Message {
    Message::SubscribeResult(SubscribeResult {
        subscriber: wish.subscriber.clone(),
        publisher: wish.publisher.clone(),
        flow,
        refused,
    })
}
