//! A keeper, its runner and a Modbus device, for tests of the processes.

use lineshaft_fieldbus::modbus::{Server, Table, Tables};
use lineshaft_plc_compiler::{Options, SourceUnit};
use lineshaft_plc_io::spec::{
    LoopbackLink, LoopbackSpec, ModbusArea, ModbusMap, ModbusMasterSpec, OnError, WordOrder,
};
use lineshaft_plc_io::{DriverConfig, DriverSpec};
use lineshaft_plc_runtime::client::{ApplyOutcome, KeeperClient};
use lineshaft_plc_runtime::launch::{self, Lifeline, SpawnedKeeper};
use lineshaft_plc_runtime::protocol::{
    Bundle, FaultPolicy, Identity, IoSpec, ProgramSpec, RealtimeMode, RunMode, SafeDefault, SafeTarget,
    SafeValue, Scheduling, Semantics, State, Status, UpdatePolicy, WatchdogSpec,
};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long anything may take on a busy machine before it counts as never.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Coils 0 and 1 while the program drives them, and while they are safe.
pub const LIVE: [u16; 2] = [1, 0];
pub const SAFE: [u16; 2] = [0, 1];

/// Drives coil 0, counts, and does what its input says.
pub const PROGRAM: &str = "
PROGRAM Main
VAR
  valve AT %QX0.0 : BOOL;
  fail AT %IX0.0 : BOOL;
  spin AT %IX0.1 : BOOL;
  n : DINT;
  a : ARRAY[0..3] OF INT;
  i : INT;
END_VAR
n := n + 1;
valve := TRUE;
IF fail THEN i := 9; a[i] := 1; END_IF;
WHILE spin DO i := i + 1; END_WHILE;
END_PROGRAM
";

/// Runs until the value is there.
pub fn wait<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "never came: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

pub struct Plant {
    pub dir: tempfile::TempDir,
    pub device: Arc<Tables>,
    pub server: Option<Server>,
    pub keeper: Option<SpawnedKeeper>,
    pub bundle: Bundle,
}

impl Plant {
    /// A keeper that ends with this test, and a device whose coils are neither safe nor live.
    pub fn new() -> Self {
        let device = Arc::new(Tables::new(1, 16));
        device.set(Table::Coils, 0, &[1, 1]);
        let server = Server::start("127.0.0.1:0".parse().unwrap(), Arc::clone(&device) as Arc<_>).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let exe = Path::new(env!("CARGO_BIN_EXE_lineshaft-plc"));
        let keeper = launch::spawn_keeper(exe, dir.path(), Lifeline::WithParent).unwrap();
        let bundle = bundle(PROGRAM, &server.addr().to_string());
        Self { dir, device, server: Some(server), keeper: Some(keeper), bundle }
    }

    /// The same with the program running and the outputs live.
    pub fn running() -> Self {
        let plant = Self::new();
        plant.apply().unwrap();
        plant.wait_live();
        plant
    }

    pub fn client(&self) -> KeeperClient {
        KeeperClient::connect(self.dir.path()).unwrap()
    }

    /// Applies the bundle; a refusal is the error.
    pub fn apply(
        &self,
    ) -> Result<lineshaft_plc_runtime::protocol::Applied, lineshaft_plc_runtime::protocol::Refusal> {
        match self.client().apply(self.bundle.clone()).unwrap() {
            ApplyOutcome::Applied(applied) => Ok(applied),
            ApplyOutcome::Refused(refusal) => Err(refusal),
        }
    }

    pub fn set_source(&mut self, text: &str) {
        text.clone_into(&mut self.bundle.program.sources[0].text);
        self.bundle.program.hash.push('+');
        self.bundle.generation += 1;
    }

    pub fn status(&self) -> Status {
        self.client().status().unwrap()
    }

    pub fn coils(&self) -> [u16; 2] {
        self.device.get(Table::Coils, 0, 2).try_into().unwrap()
    }

    pub fn wait_live(&self) {
        wait("live outputs", || (self.coils() == LIVE).then_some(()));
    }

    pub fn wait_safe(&self) {
        wait("safe outputs", || (self.coils() == SAFE).then_some(()));
    }

    pub fn wait_state(&self, state: State) -> Status {
        wait(&format!("{state:?}"), || Some(self.status()).filter(|s| s.state == state))
    }

    pub fn read(&self, path: &str) -> serde_json::Value {
        self.client().read(vec![path.to_owned()]).unwrap().values.remove(0).value.unwrap()
    }

    pub fn pids(&self) -> Vec<u32> {
        let status = self.status();
        [Some(status.pid), status.runner_pid].into_iter().flatten().collect()
    }
}

/// Whether a process is still there, zombies aside.
pub fn is_alive(pid: u32) -> bool {
    let stat = std::fs::read_to_string(PathBuf::from(format!("/proc/{pid}/stat")));
    stat.is_ok_and(|stat| !stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('Z')))
}

pub fn wait_gone(pids: &[u32]) {
    wait("the end of all processes", || pids.iter().all(|&pid| !is_alive(pid)).then_some(()));
}

pub fn signal(pid: u32, signal: rustix::process::Signal) {
    let pid = rustix::process::Pid::from_raw(pid as i32).unwrap();
    rustix::process::kill_process(pid, signal).unwrap();
}

pub fn bundle(source: &str, endpoint: &str) -> Bundle {
    let map = |area, address: &str| ModbusMap {
        area,
        start: 0,
        count: 8,
        address: address.to_owned(),
        poll_ms: 10,
        word_order: WordOrder::HighFirst,
    };
    let config = DriverConfig::ModbusMaster(ModbusMasterSpec {
        endpoint: endpoint.to_owned(),
        unit_id: 1,
        timeout_ms: 500,
        maps: vec![map(ModbusArea::Coil, "%QX0.0"), map(ModbusArea::Discrete, "%IX0.0")],
        device_watchdog: None,
    });
    let driver = DriverSpec { name: "press".into(), on_error: OnError::Hold, error_ms: 1000, config };
    let safe = |address: &str, value: &str| SafeValue {
        target: SafeTarget::Address(address.into()),
        value: value.into(),
    };
    Bundle {
        identity: Identity::default(),
        generation: 1,
        program: ProgramSpec {
            hash: "1".into(),
            sources: vec![SourceUnit { name: "main.st".into(), text: source.into() }],
            options: Options::default(),
            semantics: Semantics::default(),
        },
        update: UpdatePolicy::default(),
        run: RunMode::Running,
        scheduling: Scheduling::NonPreemptive,
        io: IoSpec {
            drivers: vec![driver],
            safe_state: vec![safe("%QX0.1", "TRUE")],
            safe_state_default: SafeDefault::Zero,
        },
        watchdog: WatchdogSpec::default(),
        fault: FaultPolicy::Halt,
        realtime: RealtimeMode::Off,
        publish: Vec::new(),
    }
}

/// A second driver, which changes what the I/O is.
pub fn loopback() -> DriverSpec {
    let link = LoopbackLink { from: "%QX1.0".into(), to: "%IX1.0".into(), count: 1 };
    let config = DriverConfig::Loopback(LoopbackSpec { links: vec![link] });
    DriverSpec { name: "loop".into(), on_error: OnError::Hold, error_ms: 1000, config }
}
