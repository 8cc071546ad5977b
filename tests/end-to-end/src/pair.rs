//! Two sites: B counts and publishes, A receives and judges each of its scans.

use crate::host::Host;
use crate::memory::Memory;
use crate::plant::Plant;
use std::collections::BTreeMap;
use std::time::Duration;

/// What A receives is stale after this long.
pub const TIMEOUT: Duration = Duration::from_millis(300);
/// Between two scans.
pub const SCAN_MS: i64 = 20;

/// Counts in 100 scans, then rests for as many. `session` counts on through the rest.
const B: &str = "\
PROGRAM Status
VAR
    PLCState : DINT; // counts, and rests now and then
    rested   : DINT; // scans of the rest so far
    session  : DINT; // scans since the start
END_VAR
    session := session + 1;
    IF session MOD 200 < 100 THEN
        PLCState := PLCState + 1;
        rested := 0;
    ELSE
        rested := rested + 1;
    END_IF;
END_PROGRAM
";

/// Counts what must never be, and what a test waits for.
const A: &str = "\
PROGRAM Status
VAR
    state, session : DINT;
    quality : BYTE := 16#FF;
    age : TIME;
    before : BYTE := 16#FF;
    held, heldState : DINT; // of the last good scan
    scans      : DINT;
    goodScans  : DINT;
    returns    : DINT; // from bad to good
    restarts   : DINT; // of B: its count began anew
    revived    : DINT; // good again, with a value from before
    leaps      : DINT; // further ahead than B can have counted
    torn       : DINT; // fresh, but older than the timeout
    early      : DINT; // stale before the timeout
    staleAfter : TIME; // age in the first stale scan
    longest    : TIME; // age of a good value
END_VAR
VAR
    since : DINT; // own scans since the last good one
END_VAR
    scans := scans + 1;
    since := since + 1;
    IF quality < 16#40 THEN
        goodScans := goodScans + 1;
        IF before >= 16#40 THEN
            returns := returns + 1;
            IF session = held AND held <> 0 THEN revived := revived + 1; END_IF;
        END_IF;
        IF session < held THEN
            restarts := restarts + 1;
        ELSIF held <> 0 AND session - held > since + 200 THEN
            leaps := leaps + 1;
        END_IF;
        IF age >= T#300ms THEN torn := torn + 1; END_IF;
        IF age > longest THEN longest := age; END_IF;
        held := session;
        heldState := state;
        since := 0;
    ELSIF quality = 16#80 THEN
        IF age < T#300ms THEN early := early + 1; END_IF;
        IF before < 16#80 THEN staleAfter := age; END_IF;
    END_IF;
    before := quality;
END_PROGRAM
";

/// The two sites.
pub struct Pair {
    /// Receives.
    pub a: Plant,
    /// Publishes.
    pub b: Plant,
}

/// What A's program has found.
pub type Findings = BTreeMap<&'static str, i64>;

/// What must stay 0.
pub const NEVER: [&str; 4] = ["revived", "leaps", "torn", "early"];

impl Pair {
    /// Prepares both; `listen` is where each is reached, none for the port of the agent.
    pub fn prepare(hosts: [&Host; 2], listen: [Option<&str>; 2]) -> Self {
        let site = |host: &Host, name: &str, listen: Option<&str>, source: &str, publish: &str| {
            let mut plant = Plant::new();
            plant.move_to(host);
            plant.write_manifest("site.yaml", &manifest(name, listen, source, publish));
            plant
        };
        let publish = "[{variable: Status.PLCState}, {variable: Status.session}]";
        Self {
            a: site(hosts[0], "LineA", listen[0], A, "[]"),
            b: site(hosts[1], "LineB", listen[1], B, publish),
        }
    }

    /// Pairs them by a code, and subscribes A to B.
    ///
    /// # Panics
    /// When they do not come together.
    pub fn pair_and_subscribe(&self) {
        let code = self.b.lineshaft(&["pair", "offer"]);
        let paired = self.a.lineshaft(&["pair", "claim", "LineB", code.trim()]);
        assert!(paired.contains("with LineB"), "{paired}");
        let timeout = TIMEOUT.as_millis();
        let subscription = format!(
            "\
apiVersion: lineshaft.dev/v1alpha1
kind: MeshSubscription
metadata: {{name: linea-remote, namespace: default}}
spec:
  runtimeRef: {{name: linea}}
  subscribe:
  - {{to: Status.state, from: {{peer: LineB, variable: Status.PLCState}}, timeoutMilliseconds: {timeout}}}
  - to: Status.session
    from: {{peer: LineB, variable: Status.session}}
    timeoutMilliseconds: {timeout}
    quality: Status.quality
    age: Status.age
"
        );
        self.a.kubectl().ok_with(&["apply", "-f", "-"], &subscription);
    }
}

/// A program and its runtime; the names of objects are those of the service in lower case.
fn manifest(service: &str, listen: Option<&str>, source: &str, publish: &str) -> String {
    let name = service.to_lowercase();
    let source = source.lines().map(|line| format!("    {line}")).collect::<Vec<_>>().join("\n");
    let listen = listen.map_or_else(String::new, |listen| format!("    listen: \"{listen}\"\n"));
    format!(
        "\
apiVersion: v1
kind: ConfigMap
metadata: {{name: {name}-program, namespace: default}}
data:
  status.st: |
{source}
---
apiVersion: lineshaft.dev/v1alpha1
kind: PlcRuntime
metadata: {{name: {name}, namespace: default}}
spec:
  program:
    sources:
    - configMap: {{name: {name}-program, keys: [status.st]}}
  tasks:
  - {{name: main, intervalMicroseconds: {}}}
  discovery: {{serviceName: {service}}}
  mesh:
{listen}    publish: {publish}
",
        SCAN_MS * 1_000
    )
}

/// What A's program has found so far; none while it does not run.
pub fn findings(memory: &Memory) -> Option<Findings> {
    const NAMES: [&str; 10] = [
        "state",
        "session",
        "quality",
        "goodScans",
        "returns",
        "restarts",
        "revived",
        "leaps",
        "torn",
        "early",
    ];
    let paths = NAMES.map(|name| format!("Status.{name}"));
    let values = memory.read(&paths.each_ref().map(String::as_str))?;
    NAMES.into_iter().zip(values).map(|(name, value)| Some((name, value.as_i64()?))).collect()
}
