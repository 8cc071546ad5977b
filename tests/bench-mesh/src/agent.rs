//! Agents of the mesh as the node agent has them: an identity and pins on a disk, a thread with the sockets, flows
//! between mailboxes.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::mpsc;
use std::sync::{Arc, LazyLock};

use lineshaft_exchange::{Mailbox, MailboxPlan, OutboxWriter, Published, ScanState, Wakeup};
use lineshaft_mesh::carry::{self, Inbox, Inlet, Place};
use lineshaft_mesh::control::{Catalogue, Entry, Offered, RunState};
use lineshaft_mesh::identity::{AgentId, Identity};
use lineshaft_mesh::link::{Endpoint, Hub, Runtime, ScanImage, Sink, Target, Wish, WishEntry};
use lineshaft_mesh::schema::Schema;
use lineshaft_mesh::trust::{Pin, Trust};
use lineshaft_plc_compiler::layout::Elementary;
use lineshaft_plc_compiler::{Options, SourceUnit, compile};
use tokio::runtime::Handle;

use crate::clock::{monotonic_ns, thread_cpu_ns};
use crate::{Error, Outcome};

/// Bytes of a value.
pub(crate) const LREAL: usize = 8;
const TIMEOUT_US: u64 = 1_000_000;

/// The schema of LREAL, as a program's variable has it.
static NUMBER: LazyLock<Schema> = LazyLock::new(|| {
    let text = "PROGRAM Main VAR v : LREAL; END_VAR END_PROGRAM".to_owned();
    let program = compile(&[SourceUnit { name: "main.st".into(), text }], &Options::default());
    let layout = program.expect("the program is right").layout;
    let place = layout.find("Main.v").expect("it was declared");
    Schema::of(&layout, place.ty).expect("an LREAL can be shared")
});

/// Makes identities in both directories that trust each other.
pub(crate) fn acquaint(one: &Path, other: &Path) -> Outcome<()> {
    for (own, peer) in [(one, other), (other, one)] {
        let peer = Identity::open(peer)?;
        let (trust, _) = Trust::open(&own.join("trust"))?;
        let (agent, keys) = (peer.agent(), vec![peer.fingerprint()]);
        trust.pin(Pin { agent, name: "bench".to_owned(), keys, pairing: "bench".to_owned() })?;
    }
    Ok(())
}

/// The thread that has the sockets.
pub(crate) struct MeshIo {
    handle: Handle,
}

impl MeshIo {
    /// Ends with the process.
    pub(crate) fn start() -> Outcome<Self> {
        let (sender, receiver) = mpsc::channel();
        std::thread::Builder::new()
            .name("mesh-io".to_owned())
            .spawn(move || {
                // As the agent does where a runtime asks for real-time abilities; refused without the privilege.
                let _ = lineshaft_plc_runtime::carrier_class(true);
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                match runtime {
                    Ok(runtime) => {
                        let _ = sender.send(Ok(runtime.handle().clone()));
                        runtime.block_on(std::future::pending::<()>());
                    }
                    Err(error) => {
                        let _ = sender.send(Err(error));
                    }
                }
            })
            .map_err(Error::Io)?;
        let handle = receiver.recv().map_err(|_| Error::Broken("mesh-io"))?.map_err(Error::Io)?;
        Ok(Self { handle })
    }

    /// What it has used of a CPU.
    pub(crate) fn cpu_ns(&self) -> Outcome<u64> {
        let (sender, receiver) = mpsc::channel();
        // Whoever asked waits for it.
        self.handle.spawn(async move {
            let _ = sender.send(thread_cpu_ns());
        });
        receiver.recv().map_err(|_| Error::Broken("mesh-io"))
    }
}

/// An agent with one runtime.
pub(crate) struct Agent {
    pub(crate) hub: Arc<Hub>,
    pub(crate) endpoint: Endpoint,
    trust: Arc<Trust>,
    id: String,
    handle: Handle,
}

impl Agent {
    /// On a free port of the loopback.
    pub(crate) fn open(directory: &Path, io: &MeshIo) -> Outcome<Self> {
        let _entered = io.handle.enter();
        let identity = Arc::new(Identity::open(directory)?);
        let trust = Arc::new(Trust::open(&directory.join("trust"))?.0);
        let hub = Arc::new(Hub::default());
        let id = identity.agent().to_string();
        let listen = SocketAddr::from(([127, 0, 0, 1], 0));
        let (endpoint, _) =
            Endpoint::bind(listen, identity, "bench".to_owned(), trust.clone(), Arc::default(), hub.clone())?;
        Ok(Self { hub, endpoint, trust, id, handle: io.handle.clone() })
    }

    pub(crate) fn peers(&self) -> Vec<AgentId> {
        self.trust.pins().into_iter().map(|pin| pin.agent).collect()
    }

    /// Publishes so many variables under a name; the answer is where a scan leaves them.
    pub(crate) fn publishes(&self, name: &str, count: usize, interval_us: u64) -> Outcome<Outlet> {
        let plan = MailboxPlan { published: count * LREAL, received: Vec::new(), sources: 0 };
        let mailbox = Mailbox::create("bench", plan)?;
        let mut catalogue = Catalogue::new(interval_us);
        for index in 0..count {
            let image = index * LREAL..(index + 1) * LREAL;
            let offered = Offered {
                schema: NUMBER.clone(),
                number: Some(Elementary::Lreal),
                image,
                to: Vec::new(),
                min_interval_us: 0,
            };
            catalogue.publish(&path(index), offered);
        }
        let image = ScanImage { values: vec![0; count * LREAL].into(), ..ScanImage::default() };
        self.hub.set_runtime(Runtime {
            id: self.id.clone(),
            name: name.to_owned(),
            catalogue,
            state: RunState::Run,
            layout: 1,
            image,
        });
        let wakeup = Wakeup::new()?;
        let outlet = Outlet { outbox: mailbox.outbox_writer()?, wakeup: wakeup.try_clone()?, scan: 0 };
        let (hub, outbox) = (self.hub.clone(), mailbox.outbox_reader()?);
        self.handle.spawn(carry::publish(hub, self.id.clone(), outbox, wakeup));
        Ok(outlet)
    }

    /// A wish for so many variables of a peer's runtime.
    pub(crate) fn wish(&self, peer: AgentId, publisher: &str, count: usize, sink: Arc<dyn Sink>) -> Wish {
        let entry = |index| WishEntry {
            entry: Entry {
                i: 0,
                variable: path(index),
                ty: NUMBER.text().to_owned(),
                hash: NUMBER.hash(),
                deadband: None,
                min_interval_us: 0,
                timeout_us: TIMEOUT_US,
            },
            codec: NUMBER.codec().clone(),
        };
        Wish {
            revision: 1,
            peer,
            subscriber: self.id.clone(),
            subscriber_name: "Receiver".to_owned(),
            publisher: lineshaft_mesh::link::Publisher::Named(publisher.to_owned()),
            entries: (0..count).map(entry).collect(),
            sink,
        }
    }

    pub(crate) fn dial(&self, peers: &[(AgentId, SocketAddr)]) {
        let target = |&(peer, address): &(AgentId, SocketAddr)| Target { peer, addresses: vec![address] };
        self.endpoint.set_targets(peers.iter().map(target).collect());
    }
}

fn path(index: usize) -> String {
    format!("Main.v{index}")
}

/// A mailbox that receives so many values, with who brings them.
pub(crate) fn inbox(count: usize) -> Outcome<(Mailbox, Inlet)> {
    let received = (0..count).map(|index| index * LREAL..(index + 1) * LREAL).collect();
    let plan = MailboxPlan { published: 0, received, sources: count.min(1_024) as u16 };
    let mailbox = Mailbox::create("bench", plan)?;
    let inbox = Arc::new(Inbox::new(mailbox.inbox_writer()?));
    let place = |inbox| Place { inbox, size: LREAL, timeout_ns: TIMEOUT_US * 1_000 };
    Ok((mailbox, Inlet::new(inbox, (0..count).map(place).collect())))
}

/// Where a scan leaves its values.
pub(crate) struct Outlet {
    outbox: OutboxWriter,
    wakeup: Wakeup,
    scan: u64,
}

impl Outlet {
    /// One scan. The first value says when it was, the second one its number; each further one is that number and its
    /// own index, so that every value is another one after each scan, and tells what scan it is of.
    pub(crate) fn scan(&mut self) {
        self.scan += 1;
        let (scan, now_ns) = (self.scan, monotonic_ns());
        let head = Published {
            scan,
            start_ns: now_ns.cast_signed(),
            start_unix_ns: now_ns.cast_signed(),
            state: ScanState::Running,
        };
        self.outbox.publish(head, |values| {
            for (index, value) in values.chunks_exact_mut(LREAL).enumerate() {
                let number = if index == 0 { now_ns as f64 } else { (scan + index as u64 - 1) as f64 };
                value.copy_from_slice(&number.to_le_bytes());
            }
        });
        self.wakeup.signal();
    }

    pub(crate) fn scans(&self) -> u64 {
        self.scan
    }
}

/// The scan that a value of this index is of; `None` for the first value.
pub(crate) fn scan_of(index: usize, value: &[u8]) -> Option<u64> {
    let number = f64::from_le_bytes(value.try_into().ok()?);
    (number as u64).checked_sub(index.checked_sub(1)? as u64)
}
