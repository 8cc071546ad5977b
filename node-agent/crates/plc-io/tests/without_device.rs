//! The drivers that need no device.

mod rig;

use std::time::Duration;

use lineshaft_exchange::Quality;
use lineshaft_plc_io::spec::{
    DriverConfig, DriverSpec, LoopbackLink, LoopbackSpec, OnError, SafeDefault, SafeValue, SimulatedSpec,
    SimulatedStep,
};
use lineshaft_plc_io::{DriverState, OutputMode};
use rig::Rig;

const WAIT: Duration = Duration::from_secs(20);

fn spec(name: &str, config: DriverConfig) -> DriverSpec {
    DriverSpec { name: name.to_owned(), on_error: OnError::Hold, error_ms: 1000, config }
}

#[test]
fn outputs_come_back_as_inputs() {
    let link = |from: &str, to: &str, count| LoopbackLink { from: from.to_owned(), to: to.to_owned(), count };
    let links = vec![link("%QB0", "%IB2", 2), link("%QX4.7", "%IX0.0", 1)];
    let config = DriverConfig::Loopback(LoopbackSpec { links });
    let safe = [("%QB1", SafeValue::Literal("16#5A".to_owned()))];
    let mut rig = Rig::start(&[spec("loop", config)], &safe, SafeDefault::Zero);
    rig.host.wait_safe_confirmed(WAIT).expect("nothing can be in the way");
    rig.until("safe values", |rig| rig.inputs(0) == (Quality::Good, vec![0, 0, 0, 0x5a]));
    rig.commit(0, &[1, 2, 3, 4, 0xff]);
    rig.host.set_mode(OutputMode::Live);
    rig.until("live values", |rig| rig.inputs(0) == (Quality::Good, vec![1, 0, 1, 2]));
    assert_eq!(rig.host.stop(WAIT)[0].safe, Ok(()));
    assert_eq!(rig.scans[0].inputs.latest().1, [0, 0, 0x5a]);
}

#[test]
fn a_script_is_played() {
    let step = |at_ms, address: &str, value: &str| SimulatedStep {
        at_ms,
        address: address.to_owned(),
        value: value.to_owned(),
    };
    let steps = vec![step(0, "%IW0", "INT#-2"), step(30, "%IW0", "7"), step(30, "%IX2.0", "TRUE")];
    let config = DriverConfig::Simulated(SimulatedSpec { steps, repeat_ms: None });
    let mut rig = Rig::start(&[spec("script", config)], &[], SafeDefault::Zero);
    rig.wait_state("script", &DriverState::Operational);
    rig.until("the last step", |rig| rig.inputs(0) == (Quality::Good, vec![7, 0, 1]));
    rig.host.wait_safe_confirmed(WAIT).expect("there are no outputs");
    assert_eq!(rig.host.stop(WAIT)[0].safe, Ok(()));
}
