//! A runtime without devices: keeper and runner as processes.

use lineshaft_exchange::{OutboxReader, Published};
use lineshaft_plc_compiler::{Options, SourceUnit, TaskOverride};
use lineshaft_plc_runtime::client::{ApplyOutcome, KeeperClient, OpenMailbox};
use lineshaft_plc_runtime::launch::{self, Lifeline, SpawnedKeeper};
use lineshaft_plc_runtime::protocol::{
    Bundle, FaultPolicy, Identity, IoSpec, OnStale, ProgramSpec, RealtimeMode, RunMode, Scheduling,
    Semantics, Slot, State, Status, Subscription, UpdatePolicy, WatchdogSpec,
};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::collections::HashMap;
use std::ops::Range;
use std::path::Path;
use std::time::{Duration, Instant};

/// How long anything may take on a busy machine before it counts as never.
pub const PATIENCE: Duration = Duration::from_mins(1);

pub struct Runtime {
    directory: tempfile::TempDir,
    _keeper: SpawnedKeeper,
    bundle: Bundle,
}

/// A subscription to the variable of the same name that stays when it is stale.
pub fn hold(path: &str, timeout_ns: i64) -> Subscription {
    Subscription {
        to: path.to_owned(),
        from: format!("LineB:{path}"),
        quality: None,
        age: None,
        timeout_ns: timeout_ns.unsigned_abs(),
        on_stale: OnStale::Hold,
        startup_grace_ns: 0,
    }
}

impl Runtime {
    /// Runs a program and publishes these of its variables.
    pub fn start(source: &str, publish: &[impl AsRef<str>], interval_ms: u64) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let exe = launch::default_exe().expect("cargo build -p lineshaft-plc-runtime makes lineshaft-plc");
        let keeper = launch::spawn_keeper(&exe, directory.path(), Lifeline::WithParent).unwrap();
        let options = Options { default_interval_ns: interval_ms * 1_000_000, ..Options::default() };
        let bundle = Bundle {
            identity: Identity::default(),
            generation: 0,
            program: ProgramSpec {
                hash: String::new(),
                sources: Vec::new(),
                options: Options { tasks: Vec::<TaskOverride>::new(), ..options },
                semantics: Semantics::default(),
            },
            update: UpdatePolicy::default(),
            run: RunMode::Running,
            scheduling: Scheduling::NonPreemptive,
            io: IoSpec::default(),
            watchdog: WatchdogSpec { enabled: false, ..WatchdogSpec::default() },
            fault: FaultPolicy::Halt,
            realtime: RealtimeMode::Off,
            publish: publish.iter().map(|path| path.as_ref().to_owned()).collect(),
        };
        let mut runtime = Self { directory, _keeper: keeper, bundle };
        runtime.load(source);
        runtime.wait_state(State::Running);
        runtime
    }

    /// Another program, online.
    pub fn load(&mut self, source: &str) {
        self.bundle.generation += 1;
        self.bundle.program.hash = self.bundle.generation.to_string();
        self.bundle.program.sources = vec![SourceUnit { name: "main.st".into(), text: source.to_owned() }];
        match self.client().apply(self.bundle.clone()).unwrap() {
            ApplyOutcome::Applied(_) => {}
            ApplyOutcome::Refused(refusal) => panic!("{}", refusal.message),
        }
    }

    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    pub fn client(&self) -> KeeperClient {
        KeeperClient::connect(self.directory.path()).unwrap()
    }

    pub fn status(&self) -> Status {
        self.client().status().unwrap()
    }

    pub fn mailbox(&self) -> OpenMailbox {
        self.client().mailbox().unwrap().expect("it publishes something")
    }

    pub fn subscribe(&self, wanted: &[Subscription]) {
        let status = self.client().subscribe(wanted.to_vec()).unwrap();
        assert_eq!(status.problems, []);
    }

    pub fn read(&self, path: &str) -> Value {
        self.client().read(vec![path.to_owned()]).unwrap().values.remove(0).value.unwrap()
    }

    /// Waits for the state by its revision.
    pub fn wait_state(&self, state: State) -> Status {
        let mut client = self.client();
        let mut status = client.status().unwrap();
        while status.state != state {
            status = client.watch(status.revision).unwrap();
        }
        status
    }

    /// Works on until a variable has a wanted value.
    pub fn wait_value(&self, path: &str, wanted: impl Fn(&Value) -> bool, mut work: impl FnMut()) {
        let deadline = Instant::now() + PATIENCE;
        while !wanted(&self.read(path)) {
            assert!(Instant::now() < deadline, "{path} never came: {}", self.read(path));
            work();
        }
    }

    /// The end of both processes that nobody expected.
    pub fn kill(&self) {
        let status = self.status();
        for pid in [Some(status.pid), status.runner_pid].into_iter().flatten() {
            kill_process(Pid::from_raw(pid.cast_signed()).unwrap(), Signal::KILL).unwrap();
        }
    }

    /// What it publishes, scan by scan.
    pub fn shown(&self) -> Shown {
        let open = self.mailbox();
        Shown {
            places: Places::new(&open.info.published),
            outbox: open.mailbox.outbox_reader().unwrap(),
            open,
        }
    }
}

/// Where published values lie.
pub struct Places(HashMap<String, Range<usize>>);

impl Places {
    fn new(slots: &[Slot]) -> Self {
        let place = |slot: &Slot| slot.place.start as usize..slot.place.end as usize;
        Self(slots.iter().map(|slot| (slot.variable.clone(), place(slot))).collect())
    }

    pub fn of(&self, path: &str) -> Range<usize> {
        self.0[path].clone()
    }
}

/// The outbox of a runtime.
pub struct Shown {
    places: Places,
    outbox: OutboxReader,
    open: OpenMailbox,
}

impl Shown {
    /// What was published last, if it is new.
    pub fn newest<T>(&mut self, look: impl Fn(Published, &[u8], &Places) -> T) -> Option<T> {
        let (head, values, fresh) = self.outbox.latest();
        fresh.then(|| look(head, values, &self.places))
    }

    /// What is published next.
    pub fn next<T>(&mut self, look: impl Fn(Published, &[u8], &Places) -> T) -> T {
        loop {
            if let Some(found) = self.newest(&look) {
                return found;
            }
            assert!(self.open.wakeup.wait(Some(PATIENCE)).unwrap(), "nothing is published any more");
        }
    }
}
