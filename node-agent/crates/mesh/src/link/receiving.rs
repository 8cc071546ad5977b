//! The flows that arrive over one connection, and the wishes they come of.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::LinkError;
use super::hub::{Delivery, EntryProblem, Wish};
use super::meter::Meter;
use crate::control::{
    Entry, FlowName, FlowTerms, MAX_ENTRIES, Message, Resync, RunState, RuntimeInfo, Subscribe,
    SubscribeResult,
};
use crate::flow::{Due, MAX_SLOTS, Received, ReceivedSlot, Subscription, SubscriptionConfig, Worth};
use crate::wire::{Bulk, Header, SnapshotHeader};

/// Values of a datagram, bytes, at least.
const DATAGRAM: u64 = 1_000;
/// BEATs of a flow, a second; they come 10 ms apart at most.
const SIGNS_OF_LIFE: u64 = 400;
/// No program scans faster.
const SHORTEST_US: u64 = 100;

/// The flows that arrive over one connection.
#[derive(Default)]
pub(super) struct Receiving {
    /// Runtimes of the peer, as it said.
    publishers: Vec<RuntimeInfo>,
    wishes: BTreeMap<u32, Wished>,
    flows: HashMap<u16, Arriving>,
    /// Flows that ended while their last datagrams may still be on the way. Numbers do not come back.
    ended: BTreeSet<u16>,
    next_wish: u32,
    next_entry: u32,
    /// Flows of which something has come that was not shown yet.
    touched: Vec<u16>,
}

struct Wished {
    wish: Wish,
    publisher: Option<String>,
    /// Number of the first entry on the wire; the others follow.
    first: u32,
    /// Which entries are in a flow.
    granted: Vec<bool>,
}

struct Arriving {
    name: FlowName,
    wish: u32,
    /// Index in the wish of each slot.
    entries: Vec<u32>,
    subscription: Subscription,
    /// What the publisher may send of it.
    meter: Meter,
    /// What has come that was not shown yet.
    news: Received,
    /// What its slots were worth when they were shown last.
    worth: Worth,
}

/// What is to be done after a message or when time has passed.
#[derive(Default)]
pub(super) struct Todo {
    pub(super) send: Vec<Message>,
    /// Requests for missing values among them.
    pub(super) resyncs: u64,
    /// Requests stayed unanswered: the connection is of no use.
    pub(super) reconnect: bool,
}

impl Receiving {
    pub(super) fn hello(&mut self, publishers: Vec<RuntimeInfo>) {
        self.publishers = publishers;
    }

    /// Makes the wishes of this connection those that are given: new ones are asked for, old ones ended, those that
    /// did not change are left in peace.
    pub(super) fn wish(&mut self, wishes: Vec<Wish>) -> Vec<Message> {
        let mut send = Vec::new();
        let kept = |old: &Wished| {
            wishes
                .iter()
                .any(|new| new.revision == old.wish.revision && new.subscriber == old.wish.subscriber)
        };
        let gone: Vec<u32> =
            self.wishes.iter().filter(|(_, old)| !kept(old)).map(|(&number, _)| number).collect();
        for number in gone {
            self.wishes.remove(&number);
            send.extend(self.end_flows(|flow| flow.wish == number));
        }
        for wish in wishes {
            let known = self
                .wishes
                .values()
                .any(|old| old.wish.revision == wish.revision && old.wish.subscriber == wish.subscriber);
            if !known {
                send.extend(self.ask(wish));
            }
        }
        send
    }

    /// The peer has other runtimes: what is wished of those that came, went or were renamed is asked for again.
    pub(super) fn runtimes(&mut self, publishers: Vec<RuntimeInfo>) -> Vec<Message> {
        self.publishers = publishers;
        self.ask_again(|wished, publishers| {
            let named = wished.wish.publisher.among(publishers);
            named.map(|runtime| &runtime.id) != wished.publisher.as_ref()
        })
    }

    /// A runtime of the peer has another program: everything that is wished of it is asked for again.
    pub(super) fn layout_changed(&mut self, runtime: &str) -> Vec<Message> {
        self.ask_again(|wished, _| wished.publisher.as_deref() == Some(runtime))
    }

    fn ask_again(&mut self, affected: impl Fn(&Wished, &[RuntimeInfo]) -> bool) -> Vec<Message> {
        let affected: Vec<u32> = self
            .wishes
            .iter()
            .filter(|(_, wished)| affected(wished, &self.publishers))
            .map(|(&number, _)| number)
            .collect();
        let mut send = Vec::new();
        for number in affected {
            send.extend(self.end_flows(|flow| flow.wish == number));
            if let Some(wished) = self.wishes.remove(&number) {
                send.extend(self.ask(wished.wish));
            }
        }
        send
    }

    /// The answer to a wish list.
    pub(super) fn result(&mut self, result: SubscribeResult) -> Result<Vec<Message>, LinkError> {
        for refused in result.refused {
            if let Some((wished, index)) = self.find(refused.i)? {
                let problem = EntryProblem::Refused(refused.reason, refused.publisher_type);
                wished.wish.sink.problem(index, problem);
            }
        }
        let Some(terms) = result.flow else { return Ok(Vec::new()) };
        let name = terms.name;
        if self.ended.contains(&name.flow) || self.flows.contains_key(&name.flow) {
            return Err(LinkError::Unexpected("a flow's number came twice"));
        }
        if let Some(arriving) = self.arriving(&terms)? {
            self.flows.insert(name.flow, arriving);
            return Ok(vec![Message::Ready(name)]);
        }
        self.ended.insert(name.flow);
        Ok(vec![Message::Unsubscribe(name)])
    }

    pub(super) fn publisher_state(&mut self, runtime: &str, state: RunState) {
        for flow in self.flows.values_mut() {
            if self.wishes.get(&flow.wish).is_some_and(|w| w.publisher.as_deref() == Some(runtime)) {
                flow.subscription.publisher_runs(state == RunState::Run);
                self.touched.push(flow.name.flow);
                flow.news = Received::Commit;
            }
        }
    }

    pub(super) fn datagram(&mut self, datagram: &[u8], now_ns: u64) -> Result<(), LinkError> {
        let (header, _) = Header::decode(datagram)?;
        if let Some(flow) = self.flow(header.flow)? {
            flow.meter.take(1, now_ns)?;
            let received = flow.subscription.datagram(datagram, now_ns)?;
            self.received(header.flow, received);
        }
        Ok(())
    }

    /// Shows what has come since the last time. Many datagrams come at once: their values show once.
    pub(super) fn show(&mut self) {
        let mut shown: Vec<(u32, bool)> = Vec::new();
        for number in self.touched.drain(..) {
            let Some(flow) = self.flows.get_mut(&number) else { continue };
            let news = std::mem::replace(&mut flow.news, Received::Nothing);
            let Some(wished) = self.wishes.get(&flow.wish).filter(|_| news != Received::Nothing) else {
                continue;
            };
            let delivery = Delivery { subscription: &flow.subscription, entries: &flow.entries };
            let worth = flow.subscription.worth();
            let values = news == Received::Commit || worth != flow.worth;
            flow.worth = worth;
            if values {
                wished.wish.sink.deliver(&delivery);
            } else {
                wished.wish.sink.alive(&delivery);
            }
            match shown.iter_mut().find(|(wish, _)| *wish == flow.wish) {
                Some((_, any)) => *any |= values,
                None => shown.push((flow.wish, values)),
            }
        }
        for (wish, values) in shown {
            if let Some(wished) = self.wishes.get(&wish) {
                wished.wish.sink.show(values);
            }
        }
    }

    /// A whole stream: a snapshot or a long value.
    pub(super) fn stream(&mut self, stream: &[u8], now_ns: u64) -> Result<(), LinkError> {
        if stream.starts_with(b"LSB1") {
            let number = Bulk::decode(stream)?.flow;
            if let Some(flow) = self.flow(number)? {
                flow.meter.take(1, now_ns)?;
                let received = flow.subscription.bulk(stream)?;
                self.received(number, received);
            }
        } else {
            let number = SnapshotHeader::decode(stream)?.0.flow;
            if let Some(flow) = self.flow(number)? {
                flow.meter.take(1, now_ns)?;
                let received = flow.subscription.snapshot(stream, now_ns)?;
                self.received(number, received);
            }
        }
        Ok(())
    }

    /// What time demands.
    pub(super) fn due(&mut self, now_ns: u64, rtt_ns: u64) -> Todo {
        let mut todo = Todo::default();
        for flow in self.flows.values_mut() {
            while let Some(due) = flow.subscription.due(now_ns, rtt_ns) {
                self.touched.push(flow.name.flow);
                flow.news = Received::Commit;
                match due {
                    Due::Commit => {}
                    Due::Resync { have } => {
                        todo.resyncs += 1;
                        todo.send.push(Message::Resync(Resync { name: flow.name, have }));
                    }
                    Due::Reconnect => {
                        todo.reconnect = true;
                        break;
                    }
                }
            }
        }
        todo
    }

    pub(super) fn next_due(&self, rtt_ns: u64) -> Option<u64> {
        self.flows.values().filter_map(|flow| flow.subscription.next_due(rtt_ns)).min()
    }

    /// Tells every entry that the connection is gone.
    pub(super) fn disconnected(&self) {
        for wished in self.wishes.values() {
            for index in 0..wished.wish.entries.len() {
                wished.wish.sink.problem(index as u32, EntryProblem::NotConnected);
            }
        }
    }

    fn ask(&mut self, wish: Wish) -> Vec<Message> {
        let named = wish.publisher.among(&self.publishers);
        let publisher = named.map(|runtime| runtime.id.clone());
        let first = self.next_entry;
        self.next_entry += wish.entries.len() as u32;
        let mut send = Vec::new();
        if let Some(publisher) = &publisher {
            let entries: Vec<Entry> = wish
                .entries
                .iter()
                .zip(first..)
                .map(|(wanted, i)| Entry { i, ..wanted.entry.clone() })
                .collect();
            send.extend(entries.chunks(MAX_ENTRIES).map(|chunk| {
                Message::Subscribe(Subscribe {
                    subscriber: wish.subscriber.clone(),
                    subscriber_name: wish.subscriber_name.clone(),
                    publisher: publisher.clone(),
                    entries: chunk.to_vec(),
                })
            }));
        } else {
            for index in 0..wish.entries.len() {
                wish.sink.problem(index as u32, EntryProblem::NoSuchRuntime);
            }
        }
        self.wishes.insert(
            self.next_wish,
            Wished { granted: vec![false; wish.entries.len()], wish, publisher, first },
        );
        self.next_wish += 1;
        send
    }

    /// The wish and the index in it of an entry; `None` if the wish is gone.
    fn find(&self, i: u32) -> Result<Option<(&Wished, u32)>, LinkError> {
        if i >= self.next_entry {
            return Err(LinkError::Unexpected("an answer to an entry that was never sent"));
        }
        Ok(self.wishes.values().find_map(|wished| {
            let index = i.checked_sub(wished.first)?;
            ((index as usize) < wished.wish.entries.len()).then_some((wished, index))
        }))
    }

    /// Room for a flow; `None` if its wish is gone.
    fn arriving(&mut self, terms: &FlowTerms) -> Result<Option<Arriving>, LinkError> {
        let count = terms.slots.len();
        if count == 0 || count > MAX_SLOTS {
            return Err(LinkError::Unexpected("a flow without slots, or with too many"));
        }
        let mut entries = vec![u32::MAX; count];
        let mut of_wish = None;
        for slot in &terms.slots {
            let Some((wished, index)) = self.find(slot.i)? else { return Ok(None) };
            if *of_wish.get_or_insert(wished.first) != wished.first {
                return Err(LinkError::Unexpected("a flow of two subscriptions"));
            }
            match entries.get_mut(usize::from(slot.slot)) {
                Some(free) if *free == u32::MAX => *free = index,
                _ => return Err(LinkError::Unexpected("a slot outside of its flow, or given twice")),
            }
        }
        let found = self.wishes.iter_mut().find(|(_, wished)| Some(wished.first) == of_wish);
        let Some((&wish, wished)) = found else { return Ok(None) };
        for &index in &entries {
            if std::mem::replace(&mut wished.granted[index as usize], true) {
                return Err(LinkError::Unexpected("an entry in two flows"));
            }
        }
        let mut end = 0;
        let slots = entries.iter().map(|&index| {
            let codec = wished.wish.entries[index as usize].codec.clone();
            let start = end;
            end += codec.memory_len() as usize;
            ReceivedSlot { image: start..end, codec }
        });
        let config = SubscriptionConfig {
            flow: terms.name.flow,
            epoch: terms.name.epoch,
            interval_ns: terms.interval_us.saturating_mul(1_000),
        };
        let subscription = Subscription::new(config, slots.collect());
        let meter = meter_of(terms.interval_us, subscription.image().len());
        Ok(Some(Arriving {
            name: terms.name,
            wish,
            entries,
            subscription,
            news: Received::Nothing,
            worth: Worth::default(),
            meter,
        }))
    }

    /// `None` for a flow that has ended. One that never was is what only a hostile peer sends.
    fn flow(&mut self, number: u16) -> Result<Option<&mut Arriving>, LinkError> {
        if self.ended.contains(&number) {
            return Ok(None);
        }
        let never = LinkError::Unexpected("values of a flow that was never agreed on");
        self.flows.get_mut(&number).map(Some).ok_or(never)
    }

    fn received(&mut self, number: u16, received: Received) {
        if let (Received::Commit | Received::Alive, Some(flow)) = (received, self.flows.get_mut(&number)) {
            if flow.news == Received::Nothing {
                self.touched.push(number);
            }
            flow.news = flow.news.max(received);
        }
    }

    fn end_flows(&mut self, ends: impl Fn(&Arriving) -> bool) -> Vec<Message> {
        let over: Vec<FlowName> =
            self.flows.values().filter(|flow| ends(flow)).map(|flow| flow.name).collect();
        for name in &over {
            self.flows.remove(&name.flow);
            self.ended.insert(name.flow);
        }
        over.into_iter().map(Message::Unsubscribe).collect()
    }
}

/// Four times what a flow takes: all of its values in each interval, and the signs of life. Three seconds of it may come
/// at once, after a pause of either side.
fn meter_of(interval_us: u64, image_len: usize) -> Meter {
    let datagrams = 1 + image_len as u64 / DATAGRAM;
    let a_second = SIGNS_OF_LIFE + 4 * datagrams.saturating_mul(1_000_000 / interval_us.max(SHORTEST_US));
    Meter::new(a_second, a_second.saturating_mul(3))
}
