//! A peer that was paired once, and means harm since: stolen, broken into, or sold.

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use lineshaft_mesh::control::{
    FlowName, FlowTerms, FrameReader, Hello, MAX_ENTRIES, Message, RunState, RuntimeInfo, Slot,
    SubscribeResult, encode,
};
use lineshaft_mesh::hex::Hex;
use lineshaft_mesh::identity::{AgentId, Identity};
use lineshaft_mesh::wire::{Header, Kind};
use quinn::{Connection, RecvStream, SendStream};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::dial::{dial_as, end_of};
use crate::{Answer, End, Failure, Harm, say};

/// Entries of [`Harm::ManyEntries`].
const MANY: usize = 100_000;
/// How long an attack goes on that has no end by itself.
const ATTACK: Duration = Duration::from_secs(3);
/// The flow that it grants.
const FLOW: FlowName = FlowName { flow: 7, epoch: 7 };

pub(crate) async fn harm(at: SocketAddr, home: &Path, harm: Harm) -> Result<(), Failure> {
    let agent = Identity::open(home)?.agent();
    let connection = dial_as(home, at).await?;
    let (writer, reader) = connection.open_bi().await?;
    let mut peer = Peer { connection, writer, reader, frames: FrameReader::default(), agent };
    let outcome = peer.act(harm).await;
    // What could not be said or heard any more says how the victim took it.
    let end = end_of(&peer.connection).await;
    match (outcome, end) {
        (Err(error), End::Open) => Err(error),
        (_, end) => say(&Answer::Ended(end)),
    }
}

struct Peer {
    connection: Connection,
    writer: SendStream,
    reader: RecvStream,
    frames: FrameReader,
    agent: AgentId,
}

impl Peer {
    async fn act(&mut self, harm: Harm) -> Result<(), Failure> {
        match harm {
            Harm::NoGreeting => return self.tell(&Message::Ready(FLOW)).await,
            Harm::FalseName => return self.greet_as(AgentId::from_bytes([1; 16]), &[runtime(0)]).await,
            Harm::ManyRuntimes => {
                let runtimes: Vec<_> = (0..2_000).map(runtime).collect();
                return self.greet_as(self.agent, &runtimes).await;
            }
            _ => self.greet_as(self.agent, &[runtime(0)]).await?,
        }
        let publisher = self.publisher().await?;
        match harm {
            Harm::UnknownFlow => self.datagram(FlowName { flow: 99, epoch: 1 }, 1, &[]),
            Harm::MalformedFrame => self.frame(b"{\"hello\": }").await,
            Harm::OversizeFrame => Ok(self.writer.write_all(&0x7FFF_FFFF_u32.to_le_bytes()).await?),
            Harm::WrongStream => self.stream(b"no values").await,
            Harm::ManyStreams => self.many_streams().await,
            Harm::ManyEntries => self.many_entries(&publisher).await,
            Harm::Unpublished => self.unpublished(&publisher).await,
            Harm::WrongSlot => self.values(&[1, 0, 1, 0, 9, 0, 0, 0]).await,
            Harm::WrongType => self.values(&[0, 0, 1, 0, 9, 0]).await,
            Harm::TwoFlows => self.two_flows().await,
            Harm::Greedy => self.greedy(&publisher).await,
            Harm::Deaf => self.deaf(&publisher).await,
            Harm::Chatter => self.chatter().await,
            Harm::Torrent => self.torrent().await,
            Harm::NoGreeting | Harm::FalseName | Harm::ManyRuntimes => Ok(()),
        }
    }

    async fn greet_as(&mut self, agent: AgentId, runtimes: &[RuntimeInfo]) -> Result<(), Failure> {
        let hello = Hello { minor: 0, agent, site: "evil".to_owned(), runtimes: runtimes.to_vec() };
        self.tell(&Message::Hello(hello)).await
    }

    /// The id of the victim's runtime.
    async fn publisher(&mut self) -> Result<String, Failure> {
        match self.hear().await? {
            Message::Hello(hello) => {
                Ok(hello.runtimes.first().ok_or("the victim has no runtime")?.id.clone())
            }
            other => Err(format!("no greeting: {other:?}").into()),
        }
    }

    async fn many_streams(&mut self) -> Result<(), Failure> {
        let mut streams = Vec::new();
        let deadline = Instant::now() + Duration::from_secs(1);
        while Instant::now() < deadline && streams.len() < 10_000 {
            let opened = tokio::time::timeout(Duration::from_millis(200), self.connection.open_uni()).await;
            let Ok(Ok(mut stream)) = opened else { break };
            // Never finished, so it stays.
            stream.write_all(b"L").await?;
            streams.push(stream);
        }
        let second = tokio::time::timeout(Duration::from_millis(200), self.connection.open_bi()).await;
        if second.is_ok() {
            return Err("a second control stream".into());
        }
        say(&Answer::Count(streams.len() as u64))
    }

    /// All of them of one variable, as many as fit into each message.
    async fn many_entries(&mut self, publisher: &str) -> Result<(), Failure> {
        let mut granted = 0;
        for first in (0..MANY).step_by(MAX_ENTRIES) {
            let entries: Vec<_> =
                (first..first + MAX_ENTRIES).map(|i| entry(i, "Status.n", u64::MAX)).collect();
            self.subscribe(publisher, &entries).await?;
            granted += self.answers(entries.len()).await?;
        }
        say(&Answer::Count(granted))
    }

    /// How many of so many entries were given.
    async fn answers(&mut self, asked: usize) -> Result<u64, Failure> {
        let (mut given, mut refused) = (0, 0);
        while given + refused < asked {
            if let Message::SubscribeResult(result) = self.hear().await? {
                given += result.flow.map_or(0, |flow| flow.slots.len());
                refused += result.refused.len();
            }
        }
        Ok(given as u64)
    }

    async fn unpublished(&mut self, publisher: &str) -> Result<(), Failure> {
        let names = ["Status.hidden", "Status.nothing", "Status.others"];
        let entries: Vec<_> = names.iter().enumerate().map(|(i, name)| entry(i, name, 1_000_000)).collect();
        self.subscribe(publisher, &entries).await?;
        self.subscribe("no-such-runtime", &entries[..1]).await?;
        let mut got = Vec::new();
        while got.len() < 4 {
            if let Message::SubscribeResult(result) = self.hear().await? {
                let told = |refused: &lineshaft_mesh::control::Refused| {
                    format!("{:?} {:?}", refused.reason, refused.publisher_type)
                };
                got.extend(result.refused.iter().map(told));
            }
        }
        say(&Answer::Got(got))
    }

    /// Grants what the victim asks for, then sends a run that is not in order.
    async fn values(&mut self, run: &[u8]) -> Result<(), Failure> {
        self.grant().await?;
        self.datagram(FLOW, 1, run)
    }

    async fn two_flows(&mut self) -> Result<(), Failure> {
        let mut terms = self.grant().await?;
        terms.flow = terms.flow.map(|flow| FlowTerms { name: FlowName { flow: 8, epoch: 8 }, ..flow });
        self.tell(&Message::SubscribeResult(terms)).await
    }

    async fn grant(&mut self) -> Result<SubscribeResult, Failure> {
        let wish = loop {
            if let Message::Subscribe(wish) = self.hear().await? {
                break wish;
            }
        };
        let slots =
            wish.entries.iter().enumerate().map(|(slot, entry)| Slot { i: entry.i, slot: slot as u16 });
        let terms = FlowTerms { name: FLOW, interval_us: 10_000, beat_us: 100_000, slots: slots.collect() };
        let result = SubscribeResult {
            subscriber: wish.subscriber,
            publisher: wish.publisher,
            flow: Some(terms),
            refused: Vec::new(),
        };
        self.tell(&Message::SubscribeResult(result.clone())).await?;
        while !matches!(self.hear().await?, Message::Ready(FLOW)) {}
        Ok(result)
    }

    async fn greedy(&mut self, publisher: &str) -> Result<(), Failure> {
        self.subscribe(publisher, &[entry(0, "Status.long", u64::MAX)]).await?;
        let name = loop {
            if let Message::SubscribeResult(SubscribeResult { flow: Some(flow), .. }) = self.hear().await? {
                break flow.name;
            }
        };
        self.tell(&Message::Ready(name)).await?;
        say(&Answer::Ready)?;
        let again = frame(&json!({"resync": {"flow": name.flow, "epoch": name.epoch, "have": 0}}))?;
        let times = self.repeat(&again).await;
        say(&Answer::Count(times))
    }

    async fn deaf(&mut self, publisher: &str) -> Result<(), Failure> {
        let entries: Vec<_> = (0..1_000).map(|i| entry(i, "Status.nothing", 1_000_000)).collect();
        let asked = tokio::time::timeout(Duration::from_secs(1), async {
            loop {
                self.subscribe(publisher, &entries).await?;
            }
        });
        let _: Result<Result<(), Failure>, _> = asked.await;
        say(&Answer::Ready)?;
        tokio::time::sleep(ATTACK).await;
        Ok(())
    }

    async fn chatter(&mut self) -> Result<(), Failure> {
        say(&Answer::Ready)?;
        let times = self.repeat(&frame(&json!({"x": 0}))?).await;
        say(&Answer::Count(times))
    }

    async fn torrent(&mut self) -> Result<(), Failure> {
        self.grant().await?;
        say(&Answer::Ready)?;
        let (begin, mut sent) = (Instant::now(), 0);
        while begin.elapsed() < ATTACK {
            sent += 1;
            if self.datagram(FLOW, sent, &[0, 0, 1, 0, 9, 0, 0, 0]).is_err() {
                break;
            }
            if sent % 64 == 0 {
                tokio::task::yield_now().await;
            }
        }
        say(&Answer::Count(sent))
    }

    /// The same frame as often as the victim takes it.
    async fn repeat(&mut self, frame: &[u8]) -> u64 {
        let many = frame.repeat(1_000);
        let (begin, mut times) = (Instant::now(), 0);
        while begin.elapsed() < ATTACK {
            match tokio::time::timeout(ATTACK, self.writer.write_all(&many)).await {
                Ok(Ok(())) => times += 1_000,
                _ => break,
            }
        }
        times
    }

    async fn subscribe(&mut self, publisher: &str, entries: &[Value]) -> Result<(), Failure> {
        let wish = json!({"subscribe": {
            "subscriber": "evil", "subscriberName": "Evil", "publisher": publisher, "entries": entries,
        }});
        Ok(self.writer.write_all(&frame(&wish)?).await?)
    }

    fn datagram(&self, name: FlowName, seq: u64, run: &[u8]) -> Result<(), Failure> {
        let header = Header {
            kind: Kind::Data,
            running: true,
            synchronised: false,
            flow: name.flow,
            epoch: name.epoch,
            seq,
            scan_time_ns: 0,
            scan_no: seq as u32,
            part: 0,
            parts: 1,
            runs: u16::from(!run.is_empty()),
        };
        let mut datagram = Vec::new();
        header.encode(&mut datagram);
        datagram.extend_from_slice(run);
        Ok(self.connection.send_datagram(datagram.into())?)
    }

    async fn stream(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let mut stream = self.connection.open_uni().await?;
        stream.write_all(bytes).await?;
        stream.finish()?;
        let _ = stream.stopped().await;
        Ok(())
    }

    async fn frame(&mut self, json: &[u8]) -> Result<(), Failure> {
        self.writer.write_all(&u32::try_from(json.len())?.to_le_bytes()).await?;
        Ok(self.writer.write_all(json).await?)
    }

    async fn tell(&mut self, message: &Message) -> Result<(), Failure> {
        Ok(self.writer.write_all(&encode(message)).await?)
    }

    async fn hear(&mut self) -> Result<Message, Failure> {
        loop {
            if let Some(message) = self.frames.next_message()? {
                return Ok(message);
            }
            let chunk = self.reader.read_chunk(65_536, true).await?.ok_or("the stream ended")?;
            self.frames.push(&chunk.bytes);
        }
    }
}

fn frame(message: &Value) -> Result<Vec<u8>, Failure> {
    let json = serde_json::to_vec(message)?;
    let mut frame = u32::try_from(json.len())?.to_le_bytes().to_vec();
    frame.extend(json);
    Ok(frame)
}

fn runtime(number: usize) -> RuntimeInfo {
    let name = if number == 0 { "Evil".to_owned() } else { format!("Evil{number}") };
    RuntimeInfo { id: format!("evil-{number}"), name, scan_us: 10_000, state: RunState::Run }
}

/// An entry of a variable; the type of all of them is known to a thief. So rare values cost the publisher no
/// bandwidth, only room.
fn entry(i: usize, variable: &str, interval_us: u64) -> Value {
    let ty = if variable == "Status.long" { "ARRAY[0..999]OF DINT" } else { "DINT" };
    let mut hash = [0; 16];
    hash.copy_from_slice(&Sha256::digest(ty)[..16]);
    let micro = interval_us.min(1_000_000_000_000);
    json!({"i": i, "variable": variable, "type": ty, "hash": Hex(hash), "minIntervalUs": micro, "timeoutUs": interval_us})
}
