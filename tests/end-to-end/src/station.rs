//! The program and the manifests that the suites use.

use crate::device::Device;
use crate::plant::Plant;

/// `%QW0` → holding register 0: the counter. 0 only when safe.
pub const COUNTER: u16 = 0;
/// `%QW1` → holding register 1: which program runs.
pub const VERSION: u16 = 1;
/// `%QX10.0` → coil 0: on while the program runs, safe value FALSE.
pub const VALVE: u16 = 0;
/// `%QX10.1` → coil 1: off while the program runs, safe value TRUE: a vent that must open.
pub const VENT: u16 = 1;

/// The first version: counts by 1.
pub fn program() -> String {
    program_with(1, "total := total + 1;")
}

/// A version that says its number and does `body` each scan.
pub fn program_with(version: u16, body: &str) -> String {
    format!(
        "\
PROGRAM Station
VAR
    counter AT %QW0 : UINT;
    version AT %QW1 : UINT;
    valve AT %QX10.0 : BOOL;
    vent AT %QX10.1 : BOOL;
    total : UDINT;
END_VAR
    {body}
    counter := UDINT_TO_UINT(total MOD 60000) + 1;
    version := {version};
    valve := TRUE;
    vent := FALSE;
END_PROGRAM
"
    )
}

/// The ConfigMap with a program.
pub fn config_map(source: &str) -> String {
    let indented = source.lines().map(|line| format!("    {line}")).collect::<Vec<_>>().join("\n");
    format!(
        "\
apiVersion: v1
kind: ConfigMap
metadata:
  name: station-program
  namespace: default
data:
  station.st: |
{indented}
"
    )
}

/// The runtime, on this device.
pub fn runtime(device: &Device) -> String {
    format!(
        "\
apiVersion: lineshaft.dev/v1alpha1
kind: PlcRuntime
metadata:
  name: station
  namespace: default
spec:
  program:
    sources:
    - configMap: {{name: station-program, keys: [station.st]}}
  tasks:
  - {{name: main, intervalMicroseconds: 10000}}
  io:
    drivers:
    - name: field
      modbusMaster:
        tcp: {{endpoint: \"127.0.0.1:{}\"}}
        unitId: 1
        maps:
        - {{area: Holding, start: 0, count: 2, address: \"%QW0\", pollMilliseconds: 10}}
        - {{area: Coil, start: 0, count: 2, address: \"%QX10.0\", pollMilliseconds: 10}}
    safeState:
    - {{address: \"%QX10.1\", value: \"TRUE\"}}
",
        device.port
    )
}

/// A plant whose manifests drive this device.
pub fn plant(device: &Device) -> Plant {
    let plant = Plant::new();
    plant.write_manifest("program.yaml", &config_map(&program()));
    plant.write_manifest("runtime.yaml", &runtime(device));
    plant
}

/// Whether the device sees the program's values.
pub fn is_live(device: &Device) -> bool {
    device.get("holding", COUNTER) > 0 && device.get("coils", VALVE) == 1 && device.get("coils", VENT) == 0
}

/// Whether the device sees the safe values.
pub fn is_safe(device: &Device) -> bool {
    device.get("holding", COUNTER) == 0 && device.get("coils", VALVE) == 0 && device.get("coils", VENT) == 1
}

/// Whether the device was told each safe value since write number `from`; it may be live again by now.
pub fn was_made_safe(device: &Device, from: usize) -> bool {
    let writes = device.writes(from);
    let told = |area: &str, address: u16, value: u16| {
        writes.iter().filter(|write| write.area == area).any(|write| {
            let at = address.checked_sub(write.address).map(usize::from);
            at.and_then(|at| write.values.get(at)) == Some(&value)
        })
    };
    told("holding", COUNTER, 0) && told("coils", VALVE, 0) && told("coils", VENT, 1)
}
