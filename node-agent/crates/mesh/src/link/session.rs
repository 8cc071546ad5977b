//! One connection with a trusted peer, from the first greeting to its end.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use quinn::{Connection, RecvStream, SendStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::hub::Hub;
use super::keys::{Keys, Proven};
use super::meter::Meter;
use super::receiving::Receiving;
use super::sending::Sending;
use super::{Close, LinkError, Remote};
use crate::control::{self, FlowName, FrameReader, Hello, MINOR, Message, RuntimeInfo};
use crate::discovery::Label;
use crate::flow::MAX_SLOTS;
use crate::identity::{AgentId, Identity};
use crate::now_ns;
use crate::schema::MAX_VALUE;
use crate::trust::Trust;

/// A greeting that takes longer comes never.
const GREETING: Duration = Duration::from_secs(5);
/// Runtimes behind one agent.
const MAX_RUNTIMES: usize = 256;
/// Longest id of a runtime, bytes.
const MAX_ID: usize = 64;
/// Bytes of control messages that a peer may send in a second, and at once: the entries of many subscriptions.
const CONTROL_BYTES: u64 = 4 << 20;
const CONTROL_BYTES_AT_ONCE: u64 = 64 << 20;
/// The same, messages: requests for missing values of many flows.
const CONTROL_MESSAGES: u64 = 2_000;
const CONTROL_MESSAGES_AT_ONCE: u64 = 20_000;
/// A snapshot of the largest flow, or a long value.
const MAX_STREAM: usize = MAX_SLOTS * (crate::flow::BULK_ABOVE as usize + 8) + MAX_VALUE as usize;

/// Datagrams that are taken before something else has its turn.
const TAKEN_AT_ONCE: u64 = 256;

/// Both ends of a session.
pub(super) struct Ends {
    pub(super) me: AgentId,
    pub(super) site: String,
    pub(super) peer: AgentId,
    /// This side has dialled.
    pub(super) dialled: bool,
}

/// Something that happened on a task beside the session's own.
enum Event {
    Control(Message),
    Stream(Vec<u8>),
    BulkArrived(FlowName, u16),
    SnapshotArrived(FlowName),
    Failed(LinkError),
}

/// Runs a session to its end, and says why it ended.
pub(super) async fn run(
    connection: Connection,
    ends: Ends,
    hub: Arc<Hub>,
    trust: Arc<Trust>,
    identity: Arc<Identity>,
) -> LinkError {
    let keys = Keys::of(&connection, &ends, identity, trust);
    let proven = keys.proven.clone();
    let trust = keys.trust.clone();
    let mut session = Session {
        receiving: Receiving::default(),
        sending: Sending::new(rand_core::RngCore::next_u32(&mut rand_core::OsRng)),
        empty_buffer: connection.datagram_send_buffer_space(),
        tasks: JoinSet::new(),
        connection,
        hub,
        ends,
        keys,
    };
    // Beside the session, which may wait for a peer that reads nothing.
    let (connection, me, peer) = (session.connection.clone(), session.ends.me, session.ends.peer);
    let error = tokio::select! {
        biased;
        error = distrusted(&connection, &trust, me, peer, &proven) => error,
        outcome = session.run() => match outcome {
            Ok(never) => match never {},
            Err(error) => error,
        },
    };
    session.receiving.disconnected();
    session.connection.close(error.close().code(), error.to_string().as_bytes());
    error
}

struct Session {
    connection: Connection,
    ends: Ends,
    hub: Arc<Hub>,
    keys: Keys,
    receiving: Receiving,
    sending: Sending,
    /// Space for datagrams when none waits.
    empty_buffer: usize,
    /// End with the session.
    tasks: JoinSet<()>,
}

enum Never {}

impl Session {
    async fn run(&mut self) -> Result<Never, LinkError> {
        let mut plans = self.hub.plans.subscribe();
        let mut scans = self.hub.scans.subscribe();
        let (events, mut inbox) = mpsc::channel(64);
        let greeting = tokio::time::timeout(GREETING, self.greet()).await;
        let (mut control, reader, rest) =
            greeting.map_err(|_| LinkError::Unexpected("no greeting within five seconds"))??;
        self.tasks.spawn(read_control(reader, rest, events.clone()));
        self.tasks.spawn(read_streams(self.connection.clone(), events.clone()));
        let wishes = self.hub.wishes_of(self.ends.peer);
        let mut asked = self.receiving.wish(wishes);
        let mut own_keys = self.keys.changes();
        asked.extend(self.keys.tell(&self.connection));
        self.send(&mut control, asked).await?;
        loop {
            let rtt_ns = self.connection.rtt().as_nanos() as u64;
            let next_due = self.receiving.next_due(rtt_ns);
            tokio::select! {
                biased;
                datagram = self.connection.read_datagram() => self.take(&datagram?)?,
                Some(event) = inbox.recv() => self.handle(event, &events, &mut control).await?,
                _ = scans.changed() => {
                    self.publish(&events)?;
                    if self.sending.states_moved(&self.hub) {
                        let messages = self.sending.news(&self.hub);
                        self.send(&mut control, messages).await?;
                    }
                }
                _ = plans.changed() => {
                    let mut messages = self.sending.news(&self.hub);
                    messages.extend(self.receiving.wish(self.hub.wishes_of(self.ends.peer)));
                    self.send(&mut control, messages).await?;
                }
                _ = own_keys.changed() => {
                    let message = self.keys.tell(&self.connection);
                    self.send(&mut control, message.into_iter().collect()).await?;
                }
                () = until(next_due) => {
                    let todo = self.receiving.due(now_ns(), rtt_ns);
                    if todo.reconnect {
                        return Err(LinkError::Unexpected("missing values were asked for in vain"));
                    }
                    self.hub.update_link(self.ends.peer, |link| link.resyncs += todo.resyncs);
                    self.send(&mut control, todo.send).await?;
                }
            }
            self.receiving.show();
        }
    }

    /// Takes a datagram and those that came with it: they show together.
    fn take(&mut self, first: &[u8]) -> Result<(), LinkError> {
        let now_ns = now_ns();
        self.receiving.datagram(first, now_ns)?;
        let mut taken = 1;
        while taken < TAKEN_AT_ONCE
            && let Some(next) = at_once(self.connection.read_datagram())
        {
            self.receiving.datagram(&next?, now_ns)?;
            taken += 1;
        }
        self.hub.update_link(self.ends.peer, |link| link.received += taken);
        Ok(())
    }

    /// Both sides say who they are. The side that dialled opens the stream.
    async fn greet(&mut self) -> Result<(SendStream, RecvStream, FrameReader), LinkError> {
        let (mut control, mut reader) = if self.ends.dialled {
            self.connection.open_bi().await?
        } else {
            self.connection.accept_bi().await?
        };
        let (agent, site) = (self.ends.me, self.ends.site.clone());
        let hello = Hello { minor: MINOR, agent, site, runtimes: self.sending.introduce(&self.hub) };
        control.write_all(&control::encode(&Message::Hello(hello))).await?;
        let mut frames = FrameReader::default();
        let first = loop {
            if let Some(message) = frames.next_message()? {
                break message;
            }
            let chunk = reader.read_chunk(control::MAX_FRAME, true).await?;
            frames.push(&chunk.ok_or(LinkError::Unexpected("the control stream ended"))?.bytes);
        };
        let Message::Hello(hello) = first else {
            return Err(LinkError::Unexpected("something came before the greeting"));
        };
        if hello.agent != self.ends.peer {
            return Err(LinkError::Identity(hello.agent));
        }
        check_runtimes(&hello.runtimes)?;
        self.hub.update_link(self.ends.peer, |link| link.runtimes.clone_from(&hello.runtimes));
        self.hub.link_changed();
        self.receiving.hello(hello.runtimes);
        Ok((control, reader, frames))
    }

    async fn handle(
        &mut self,
        event: Event,
        events: &mpsc::Sender<Event>,
        control: &mut SendStream,
    ) -> Result<(), LinkError> {
        let answers = match event {
            Event::Failed(error) => return Err(error),
            Event::BulkArrived(name, slot) => {
                self.sending.bulk_arrived(name, slot);
                return Ok(());
            }
            Event::SnapshotArrived(name) => {
                self.sending.snapshot_arrived(name);
                return Ok(());
            }
            Event::Stream(stream) => {
                self.receiving.stream(&stream, now_ns())?;
                self.hub.update_link(self.ends.peer, |link| link.received += 1);
                return Ok(());
            }
            Event::Control(message) => self.answer(message, events)?,
        };
        self.send(control, answers).await
    }

    fn answer(&mut self, message: Message, events: &mpsc::Sender<Event>) -> Result<Vec<Message>, LinkError> {
        match message {
            Message::Hello(_) => return Err(LinkError::Unexpected("a second greeting")),
            Message::Runtimes(runtimes) => {
                check_runtimes(&runtimes)?;
                self.hub.update_link(self.ends.peer, |link| link.runtimes.clone_from(&runtimes));
                self.hub.link_changed();
                return Ok(self.receiving.runtimes(runtimes));
            }
            Message::Subscribe(wish) => return Ok(self.sending.subscribe(&self.hub, &wish)),
            Message::SubscribeResult(result) => return self.receiving.result(result),
            Message::Ready(name) => {
                let snapshot = self.sending.ready(&self.hub, name);
                self.send_snapshot(name, snapshot, events);
            }
            Message::Resync(request) => {
                let snapshot = self.sending.resync(request);
                self.send_snapshot(request.name, snapshot, events);
            }
            Message::LayoutChanged(name) => return Ok(self.receiving.layout_changed(&name.runtime)),
            Message::PublisherState(state) => {
                self.receiving.publisher_state(&state.runtime, state.state);
            }
            Message::Unsubscribe(name) => self.sending.unsubscribe(name),
            Message::Rotate(rotate) => return Ok(vec![self.keys.learn(&self.connection, &rotate)?]),
            Message::RotateAck(key) => self.keys.acknowledged(key),
            Message::OnlyKey(key) => self.keys.forget_before(key),
            Message::Bye(_) => {}
        }
        Ok(Vec::new())
    }

    /// Sends what is due after a scan. While datagrams of an earlier scan wait, this one is left out: its changes
    /// ride in the next, and nothing old queues.
    fn publish(&mut self, events: &mpsc::Sender<Event>) -> Result<(), LinkError> {
        if self.connection.datagram_send_buffer_space() < self.empty_buffer {
            self.hub.update_link(self.ends.peer, |link| link.skipped_scans += 1);
            return Ok(());
        }
        let max_len = self.connection.max_datagram_size().ok_or(LinkError::Version)?;
        let datagrams = self.sending.scanned(&self.hub, now_ns(), max_len);
        let sent = datagrams.len() as u64;
        for datagram in datagrams {
            // An error other than the connection's end is a datagram that found no room: a gap, which is asked for.
            if let Err(quinn::SendDatagramError::ConnectionLost(error)) =
                self.connection.send_datagram(datagram.into())
            {
                return Err(error.into());
            }
        }
        while let Some((name, slot, stream)) = self.sending.bulk(&self.hub) {
            let (connection, events) = (self.connection.clone(), events.clone());
            self.tasks.spawn(async move {
                if write_stream(&connection, &stream).await.is_ok() {
                    // A closed channel is a session that has ended.
                    let _ = events.send(Event::BulkArrived(name, slot)).await;
                }
            });
        }
        let (rtt, address) = (self.connection.rtt(), self.connection.remote_address());
        self.hub.update_link(self.ends.peer, |link| {
            link.sent += sent;
            link.rtt_us = rtt.as_micros() as u64;
            link.address = Some(address);
        });
        Ok(())
    }

    fn send_snapshot(&mut self, name: FlowName, snapshot: Option<Vec<u8>>, events: &mpsc::Sender<Event>) {
        if let Some(snapshot) = snapshot {
            let (connection, events) = (self.connection.clone(), events.clone());
            self.tasks.spawn(async move {
                // A failure is the connection's, which ends the session by itself.
                if write_stream(&connection, &snapshot).await.is_ok() {
                    let _ = events.send(Event::SnapshotArrived(name)).await;
                }
            });
        }
    }

    async fn send(&mut self, control: &mut SendStream, messages: Vec<Message>) -> Result<(), LinkError> {
        for message in messages {
            control.write_all(&control::encode(&message)).await?;
        }
        Ok(())
    }
}

/// Writes a stream and waits until the peer has all of it.
async fn write_stream(connection: &Connection, stream: &[u8]) -> Result<(), LinkError> {
    let mut sender = connection.open_uni().await?;
    sender.write_all(stream).await?;
    // Finishing fails only for a stream that was finished or reset, which nobody else can do.
    let _ = sender.finish();
    let _ = sender.stopped().await;
    Ok(())
}

async fn read_control(mut reader: RecvStream, mut frames: FrameReader, events: mpsc::Sender<Event>) {
    let mut bytes = Meter::new(CONTROL_BYTES, CONTROL_BYTES_AT_ONCE);
    let mut messages = Meter::new(CONTROL_MESSAGES, CONTROL_MESSAGES_AT_ONCE);
    let mut counted = frames.frames();
    let error = loop {
        let frames_before = std::mem::replace(&mut counted, frames.frames());
        if let Err(error) = messages.take(counted - frames_before, now_ns()) {
            break error;
        }
        match frames.next_message() {
            Ok(Some(message)) => {
                if events.send(Event::Control(message)).await.is_err() {
                    return;
                }
                continue;
            }
            Ok(None) => {}
            Err(error) => break error.into(),
        }
        match reader.read_chunk(control::MAX_FRAME, true).await {
            Ok(Some(chunk)) => {
                if let Err(error) = bytes.take(chunk.bytes.len() as u64, now_ns()) {
                    break error;
                }
                frames.push(&chunk.bytes);
            }
            Ok(None) => break LinkError::Unexpected("the control stream ended"),
            Err(error) => break error.into(),
        }
    };
    // A closed channel is a session that has ended.
    let _ = events.send(Event::Failed(error)).await;
}

/// Until the peer is trusted no more.
async fn distrusted(
    connection: &Connection,
    trust: &Trust,
    me: AgentId,
    peer: AgentId,
    proven: &Proven,
) -> LinkError {
    let mut changes = trust.changed();
    loop {
        match (trust.pin_of(peer), super::authenticate(connection, trust)) {
            (Some(pin), _) if proven.any_of(&pin.keys) => {}
            (None, Ok(Remote::Member { agent })) if agent == peer => {}
            (None, _) if trust.membership().is_none_or(|site| site.me() != me) => return LinkError::Revoked,
            _ => return LinkError::Untrusted,
        }
        if changes.changed().await.is_err() {
            return LinkError::Revoked;
        }
    }
}

/// Names that people will see, of no more runtimes than an agent has.
fn check_runtimes(runtimes: &[RuntimeInfo]) -> Result<(), LinkError> {
    let shown = |info: &RuntimeInfo| info.name.parse::<Label>().is_ok() && info.id.len() <= MAX_ID;
    if runtimes.len() > MAX_RUNTIMES || !runtimes.iter().all(shown) {
        return Err(LinkError::Unexpected("too many runtimes, or one without a proper name"));
    }
    Ok(())
}

/// One stream at a time: a peer that sends many long ones fills its own window, not our memory.
async fn read_streams(connection: Connection, events: mpsc::Sender<Event>) {
    let error = loop {
        let mut stream = match connection.accept_uni().await {
            Ok(stream) => stream,
            Err(error) => break error.into(),
        };
        let event = match stream.read_to_end(MAX_STREAM).await {
            Ok(bytes) => Event::Stream(bytes),
            Err(quinn::ReadToEndError::Read(error)) => break error.into(),
            Err(quinn::ReadToEndError::TooLong) => break LinkError::Unexpected("a stream without an end"),
        };
        if events.send(event).await.is_err() {
            return;
        }
    };
    let _ = events.send(Event::Failed(error)).await;
}

/// What a future has ready without waiting.
fn at_once<F: Future>(future: F) -> Option<F::Output> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

/// Sleeps until a time of the monotonic clock; for ever without one.
pub(super) async fn until(due_ns: Option<u64>) {
    match due_ns {
        Some(due) => {
            let pause = Duration::from_nanos(due.saturating_sub(now_ns()));
            tokio::time::sleep_until(Instant::now() + pause).await;
        }
        None => std::future::pending().await,
    }
}

impl Ends {
    /// Of two connections of one pair, the one that the smaller agent has dialled stays.
    pub(super) fn preferred(&self) -> bool {
        self.dialled == (self.me < self.peer)
    }
}

/// Closes a connection that was not taken.
pub(super) fn refuse(connection: &Connection, why: &LinkError) {
    let close: Close = why.close();
    connection.close(close.code(), why.to_string().as_bytes());
}
