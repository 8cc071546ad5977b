//! What a user can get wrong in a declaration, and what is said about it.

use lineshaft_plc_io::spec::{
    DeviceWatchdog, DriverConfig, LoopbackLink, LoopbackSpec, ModbusArea, ModbusMap, ModbusMasterSpec,
    OnError, SafeDefault, SafeEntry, SafeValue, SimulatedSpec, SimulatedStep, WordOrder,
};
use lineshaft_plc_io::{DriverSpec, plan, plan_safe};

fn map(area: ModbusArea, start: u32, count: u32, address: &str) -> ModbusMap {
    ModbusMap {
        area,
        start,
        count,
        address: address.to_owned(),
        poll_ms: 20,
        word_order: WordOrder::HighFirst,
    }
}

fn modbus(name: &str, maps: Vec<ModbusMap>) -> DriverSpec {
    let config = DriverConfig::ModbusMaster(ModbusMasterSpec {
        endpoint: "10.0.0.5:502".to_owned(),
        unit_id: 1,
        timeout_ms: 500,
        maps,
        device_watchdog: Some(DeviceWatchdog { register: 9, value: 500 }),
    });
    DriverSpec { name: name.to_owned(), on_error: OnError::Hold, error_ms: 1000, config }
}

fn simulated(steps: &[(u32, &str, &str)], repeat_ms: Option<u32>) -> DriverSpec {
    let steps = steps
        .iter()
        .map(|&(at_ms, address, value)| SimulatedStep {
            at_ms,
            address: address.to_owned(),
            value: value.to_owned(),
        })
        .collect();
    let config = DriverConfig::Simulated(SimulatedSpec { steps, repeat_ms });
    DriverSpec { name: "script".to_owned(), on_error: OnError::Hold, error_ms: 0, config }
}

fn loopback(from: &str, to: &str, count: u32) -> DriverSpec {
    let link = LoopbackLink { from: from.to_owned(), to: to.to_owned(), count };
    let config = DriverConfig::Loopback(LoopbackSpec { links: vec![link] });
    DriverSpec { name: "loop".to_owned(), on_error: OnError::Hold, error_ms: 0, config }
}

#[track_caller]
fn check(specs: &[DriverSpec], expected: &[&str]) {
    let errors = plan(specs).err().unwrap_or_default();
    let found: Vec<_> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(found, expected);
}

#[test]
fn a_good_plan_says_who_owns_what() {
    use ModbusArea::{Coil, Discrete, Holding, Input};
    let specs = [
        modbus(
            "press",
            vec![
                map(Coil, 0, 3, "%QX0.0"),
                map(Discrete, 0, 2, "%IX0.0"),
                map(Input, 0, 3, "%IW10"),
                map(Holding, 4, 2, "%QD2"),
            ],
        ),
        simulated(&[(0, "%IX0.2", "TRUE"), (10, "%IX0.2", "FALSE"), (10, "%IW1", "INT#-3")], Some(20)),
        loopback("%QX0.3", "%IX0.3", 5),
    ];
    let plan = plan(&specs).unwrap();
    assert_eq!((plan.input_len(), plan.output_len()), (26, 12));
    let sizes: Vec<_> = plan.port_sizes().iter().map(|size| (size.inputs, size.outputs)).collect();
    assert_eq!(sizes, [(7, 5), (3, 0), (1, 1)]);
    assert_eq!(plan.drivers[0].outputs.mask(), [0b0000_0111, 0xff, 0xff, 0xff, 0xff]);
}

#[test]
fn overlaps_name_both_owners() {
    use ModbusArea::{Coil, Discrete, Holding};
    check(
        &[
            modbus("press", vec![map(Holding, 0, 8, "%IW10"), map(Discrete, 0, 1, "%IX22.7")]),
            modbus("belt", vec![map(Coil, 0, 4, "%QX0.0"), map(Holding, 0, 4, "%ID6")]),
        ],
        &[
            r#"driver "press": maps[1] (%IX22.7): %IX22.7 already belongs to maps[0] of driver "press""#,
            r#"driver "belt": maps[1] (%ID6): %IB24 to %IB31 already belongs to maps[0] of driver "press""#,
        ],
    );
    check(
        &[modbus("belt", vec![map(Coil, 0, 4, "%QX0.0"), map(Coil, 2, 4, "%QX1.0")])],
        &[r#"driver "belt": maps[1] (%QX1.0): Coil 2 to 3 of the device is already written by maps[0]"#],
    );
}

#[test]
fn directions_widths_and_bounds() {
    use ModbusArea::{Coil, Discrete, Holding, Input};
    check(
        &[modbus(
            "press",
            vec![
                map(Input, 0, 1, "%QW0"),
                map(Discrete, 0, 1, "%QX4.0"),
                map(Coil, 0, 8, "%IW5"),
                map(Holding, 0, 1, "%IX8.0"),
                map(Holding, 0, 3, "%ID9"),
                map(Holding, 65_535, 2, "%IW100"),
                map(Holding, 0, 2, "%IW32767"),
                map(Holding, 0, 0, "%IW200"),
                map(Holding, 0, 1, "%MW0"),
                map(Holding, 0, 1, "%IW*"),
                map(Holding, 0, 1, "IW1"),
                map(Coil, u32::MAX, 2, "%IX300.0"),
            ],
        )],
        &[
            r#"driver "press": maps[0] (%QW0): an output cannot be written to area Input, which is read-only: use Coil or Holding"#,
            r#"driver "press": maps[1] (%QX4.0): an output cannot be written to area Discrete, which is read-only: use Coil or Holding"#,
            r#"driver "press": maps[2] (%IW5): area Coil has bits, which go to addresses of width X or B, such as %IX20.0"#,
            r#"driver "press": maps[3] (%IX8.0): area Holding has 16-bit registers, which go to addresses of width W, D or L, such as %IW10"#,
            r#"driver "press": maps[4] (%ID9): 3 registers do not make whole values: this width takes 2 registers each"#,
            r#"driver "press": maps[5] (%IW100): start 65535 + count 2 is above 65536, the end of a Modbus table"#,
            r#"driver "press": maps[6] (%IW32767): %IB65534 to %IB65537 lies behind the end of the image, which has 65536 bytes"#,
            r#"driver "press": maps[7] (%IW200): count must be above 0"#,
            r#"driver "press": maps[8] (%MW0): drivers have no part in %M: use %I for what is read and %Q for what is written"#,
            r#"driver "press": maps[9] (%IW*): "%IW*" leaves the place open, here it has to be complete, such as %IX5.2"#,
            r#"driver "press": maps[10] (IW1): "IW1" is not an address: write %, an area (I, Q, M), a width (X, B, W, D, L) and a number, such as %IX5.2 or %QW3"#,
            r#"driver "press": maps[11] (%IX300.0): start 4294967295 + count 2 is above 65536, the end of a Modbus table"#,
        ],
    );
}

#[test]
fn names_endpoints_and_times() {
    let mut first = modbus("", vec![]);
    let mut second = modbus("press", vec![map(ModbusArea::Coil, 0, 1, "%IX0.0")]);
    let third = modbus("press", vec![map(ModbusArea::Coil, 0, 1, "%IX1.0")]);
    let DriverConfig::ModbusMaster(config) = &mut first.config else { unreachable!() };
    config.endpoint = "10.0.0.5".to_owned();
    let DriverConfig::ModbusMaster(config) = &mut second.config else { unreachable!() };
    config.timeout_ms = 0;
    config.maps[0].poll_ms = 0;
    check(
        &[first, second, third],
        &[
            "a driver needs a name",
            r#""10.0.0.5" is not an endpoint: write host:port, such as 10.0.0.5:502"#,
            "maps must not be empty",
            r#"driver "press": timeout must be above 0"#,
            r#"driver "press": maps[0] (%IX0.0): poll must be above 0"#,
            r#"driver "press": another driver has the same name"#,
        ],
    );
    for (endpoint, good) in [
        ("plc.local:502", true),
        ("[::1]:502", true),
        ("::1:502", false),
        ("a:0", false),
        ("a:99999", false),
        ("a:", false),
        (":1", false),
        ("http://a:1", false),
        ("a b:1", false),
    ] {
        let mut spec = modbus("press", vec![map(ModbusArea::Coil, 0, 1, "%IX0.0")]);
        let DriverConfig::ModbusMaster(config) = &mut spec.config else { unreachable!() };
        config.endpoint = endpoint.to_owned();
        assert_eq!(plan(&[spec]).is_ok(), good, "{endpoint}");
    }
}

#[test]
fn scripts_and_links() {
    check(
        &[
            simulated(&[(5, "%IX0.0", "TRUE"), (4, "%IX0.0", "2"), (20, "%QX0.0", "TRUE")], Some(20)),
            loopback("%IX1.0", "%IX2.0", 1),
            loopback("%QB1", "%IX2.0", 1),
            loopback("%QX1.0", "%QX2.0", 0),
        ],
        &[
            r#"driver "script": steps[1] (%IX0.0): comes before the step above it: steps stand in the order of their times"#,
            r#"driver "script": steps[1] (%IX0.0): "2" does not fit into 1 bits"#,
            r#"driver "script": steps[2] (%QX0.0): begins at or after the end of the script, 20 ms"#,
            r#"driver "script": steps[2] (%QX0.0): must be an input (%I) address"#,
            r#"driver "loop": links[0] (%IX1.0): must be an output (%Q) address"#,
            r#"driver "loop": another driver has the same name"#,
            r#"driver "loop": links[0] (%IX2.0): must be as wide as %QB1"#,
            r#"driver "loop": another driver has the same name"#,
            r#"driver "loop": links[0] (%QX1.0): count must be above 0"#,
            r#"driver "loop": links[0] (%QX2.0): must be an input (%I) address"#,
        ],
    );
}

fn safe(address: &str, value: &str) -> SafeEntry {
    let value = if value == "Hold" { SafeValue::Hold } else { SafeValue::Literal(value.to_owned()) };
    SafeEntry { address: address.to_owned(), value }
}

#[test]
fn safe_values_default_to_zero_and_hold_is_explicit() {
    use ModbusArea::{Coil, Holding};
    let specs = [modbus("press", vec![map(Coil, 0, 3, "%QX0.0"), map(Holding, 4, 2, "%QW1")])];
    let plan = plan(&specs).unwrap();
    let entries = [safe("%QX0.1", "TRUE"), safe("%QX0.2", "Hold"), safe("%QW2", "INT#-2")];
    let frames = plan_safe(&plan, &entries, SafeDefault::Zero).unwrap();
    // %QX0.0 to 2 in the first byte; %QW1 and %QW2 are bytes 2 to 5 of the image.
    assert_eq!(frames[0].values, [0b010, 0, 0, 0xfe, 0xff]);
    assert_eq!(frames[0].hold, [0b100, 0, 0, 0, 0]);

    let (frame, counts) = frames[0].over(&[0b101, 1, 1, 1, 1], &[0xff; 5]);
    assert_eq!((frame, counts), (vec![0b110, 0, 0, 0xfe, 0xff], vec![0xff; 5]));
    let (frame, counts) = frames[0].over(&[], &[]);
    assert_eq!((frame, counts), (vec![0b010, 0, 0, 0xfe, 0xff], vec![0b1111_1011, 0xff, 0xff, 0xff, 0xff]));

    let frames = plan_safe(&plan, &[safe("%QX0.0", "FALSE")], SafeDefault::Hold).unwrap();
    assert_eq!(frames[0].hold, [0b110, 0xff, 0xff, 0xff, 0xff]);
}

#[test]
fn safe_values_that_nobody_would_write_are_refused() {
    let plan = plan(&[modbus("press", vec![map(ModbusArea::Coil, 0, 3, "%QX0.0")])]).unwrap();
    let entries = [
        safe("%QX0.0", "TRUE"),
        safe("%QX0.0", "FALSE"),
        safe("%QX0.3", "TRUE"),
        safe("%IX0.0", "TRUE"),
        safe("%QX0.1", "INT#1"),
        safe("%QB0", "0"),
    ];
    let errors = plan_safe(&plan, &entries, SafeDefault::Zero).unwrap_err();
    let found: Vec<_> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(
        found,
        [
            "safeState[1] (%QX0.0): %QX0.0 already has a safe value",
            "safeState[2] (%QX0.3): no driver writes %QX0.3, so it cannot have a safe value",
            "safeState[3] (%IX0.0): must be an output (%Q) address",
            r#"safeState[4] (%QX0.1): "INT#1" has 16 bits, the address has 1"#,
            "safeState[5] (%QB0): %QX0.0 already has a safe value",
        ]
    );
}
