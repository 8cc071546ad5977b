//! From declarations to plans: pure checks, with an error for each thing that is wrong.

use std::time::Duration;

use lineshaft_exchange::PortSize;

use super::{
    DriverConfig, DriverSpec, IoProblem, IoSpecError, LoopbackSpec, ModbusMap, ModbusMasterSpec, OnError,
    SimulatedSpec,
};
use crate::drivers::{LoopbackPlan, MapPlace, ModbusPlan, SimulatedPlan};
use crate::image::{Address, Area, BitRange, FrameMap, Width, parse_literal};

/// All drivers of a runtime, checked.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct IoPlan {
    /// The drivers, in the order of their declarations.
    pub drivers: Vec<DriverPlan>,
}

impl IoPlan {
    /// Sizes of the drivers' boxes, in the order of the drivers.
    pub fn port_sizes(&self) -> Vec<PortSize> {
        self.drivers
            .iter()
            .map(|driver| PortSize { inputs: driver.inputs.len(), outputs: driver.outputs.len() })
            .collect()
    }

    /// Bytes that the image's inputs must have.
    pub fn input_len(&self) -> usize {
        self.drivers.iter().map(|driver| driver.inputs.image_len()).max().unwrap_or(0)
    }

    /// Bytes that the image's outputs must have.
    pub fn output_len(&self) -> usize {
        self.drivers.iter().map(|driver| driver.outputs.image_len()).max().unwrap_or(0)
    }
}

/// One driver, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DriverPlan {
    /// Its name.
    pub name: String,
    /// What its inputs do while the device cannot be read.
    pub on_error: OnError,
    /// How long the device may be silent before that.
    pub error_after: Duration,
    /// How its input frames fit into `%I`.
    pub inputs: FrameMap,
    /// How its output frames fit into `%Q`.
    pub outputs: FrameMap,
    /// What the driver itself needs.
    pub driver: PlannedDriver,
}

/// What each driver needs to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PlannedDriver {
    /// Reads and writes a Modbus TCP device.
    Modbus(ModbusPlan),
    /// Plays inputs from a script.
    Simulated(SimulatedPlan),
    /// Outputs come back as inputs.
    Loopback(LoopbackPlan),
}

/// Checks the drivers of a runtime. All problems are reported, in the order of the declarations.
pub fn plan(specs: &[DriverSpec]) -> Result<IoPlan, Vec<IoSpecError>> {
    let mut check = Check::default();
    for (index, spec) in specs.iter().enumerate() {
        check.driver.clone_from(&spec.name);
        if spec.name.is_empty() {
            check.report(None, None, IoProblem::NoName);
        } else if specs[..index].iter().any(|earlier| earlier.name == spec.name) {
            check.report(None, None, IoProblem::DuplicateName);
        }
        match &spec.config {
            DriverConfig::ModbusMaster(config) => check.modbus(spec, config),
            DriverConfig::Simulated(config) => check.simulated(spec, config),
            DriverConfig::Loopback(config) => check.loopback(spec, config),
        }
    }
    if check.errors.is_empty() { Ok(check.plan) } else { Err(check.errors) }
}

/// What has been seen so far.
#[derive(Default)]
struct Check {
    /// The driver that is being checked.
    driver: String,
    plan: IoPlan,
    errors: Vec<IoSpecError>,
    /// Bits that have an owner, and who it is.
    owned: Vec<(BitRange, String)>,
}

impl Check {
    fn report(&mut self, entry: Option<String>, address: Option<&str>, problem: IoProblem) {
        self.errors.push(IoSpecError {
            driver: self.driver.clone(),
            entry,
            address: address.map(str::to_owned),
            problem,
        });
    }

    fn address(&mut self, entry: &str, text: &str) -> Option<Address> {
        match text.parse::<Address>() {
            Ok(address) if address.area() == Area::Memory => {
                self.report(Some(entry.to_owned()), Some(text), IoProblem::MemoryAddress);
                None
            }
            Ok(address) => Some(address),
            Err(error) => {
                self.report(Some(entry.to_owned()), Some(text), error.into());
                None
            }
        }
    }

    /// Gives the bits to the current driver, unless somebody has them.
    fn own(&mut self, entry: &str, text: &str, bits: BitRange) {
        if !bits.fits() {
            self.report(Some(entry.to_owned()), Some(text), IoProblem::OutOfImage(bits));
            return;
        }
        let taken = self.owned.iter().find_map(|(owned, owner)| Some((bits.overlap(*owned)?, owner.clone())));
        if let Some((bits, owner)) = taken {
            self.report(Some(entry.to_owned()), Some(text), IoProblem::Overlap { bits, owner });
            return;
        }
        self.owned.push((bits, format!("{entry} of driver {:?}", self.driver)));
    }

    fn add(&mut self, spec: &DriverSpec, inputs: FrameMap, outputs: FrameMap, driver: PlannedDriver) {
        self.plan.drivers.push(DriverPlan {
            name: spec.name.clone(),
            on_error: spec.on_error,
            error_after: Duration::from_millis(spec.error_ms.into()),
            inputs,
            outputs,
            driver,
        });
    }

    fn modbus(&mut self, spec: &DriverSpec, config: &ModbusMasterSpec) {
        if !is_endpoint(&config.endpoint) {
            self.report(None, None, IoProblem::Endpoint(config.endpoint.clone()));
        }
        if config.timeout_ms == 0 {
            self.report(None, None, IoProblem::ZeroTime("timeout"));
        }
        if config.maps.is_empty() {
            self.report(None, None, IoProblem::Empty("maps"));
        }
        let mut places: Vec<MapPlace> = Vec::new();
        for (index, map) in config.maps.iter().enumerate() {
            let Some(address) = self.modbus_map(index, map) else { continue };
            if address.area() == Area::Output {
                self.written_once(index, map, &places);
            }
            places.push(MapPlace { index, map: map.clone(), address });
        }
        let frame = |area| {
            let bits: Vec<_> =
                places.iter().filter(|place| place.address.area() == area).map(MapPlace::bits).collect();
            FrameMap::new(&bits)
        };
        let (inputs, outputs) = (frame(Area::Input), frame(Area::Output));
        let plan = ModbusPlan::new(config, &places, &inputs, &outputs);
        self.add(spec, inputs, outputs, PlannedDriver::Modbus(plan));
    }

    /// Checks one map by itself and takes its bits; its address if it can be planned with.
    fn modbus_map(&mut self, index: usize, map: &ModbusMap) -> Option<Address> {
        let entry = format!("maps[{index}]");
        let address = self.address(&entry, &map.address)?;
        let mut problems = Vec::new();
        if map.poll_ms == 0 {
            problems.push(IoProblem::ZeroTime("poll"));
        }
        if map.count == 0 {
            problems.push(IoProblem::ZeroCount);
        }
        let in_table = map.start.checked_add(map.count).is_some_and(|end| end <= 65_536);
        if !in_table {
            problems.push(IoProblem::OutOfTable { start: map.start, count: map.count });
        }
        if address.area() == Area::Output && !map.area.is_writable() {
            problems.push(IoProblem::ReadOnlyArea(map.area));
        }
        match (map.area.is_bits(), address.width()) {
            (true, Width::Bit | Width::Byte) | (false, Width::Word) => {}
            (false, width @ (Width::DWord | Width::LWord)) => {
                let per_value = width.bits() / 16;
                if !map.count.is_multiple_of(per_value) {
                    problems.push(IoProblem::PartialValue { count: map.count, per_value });
                }
            }
            (true, _) => {
                let (elements, widths) = ("bits", "X or B, such as %IX20.0");
                problems.push(IoProblem::WrongWidth { area: map.area, elements, widths });
            }
            (false, _) => {
                let (elements, widths) = ("16-bit registers", "W, D or L, such as %IW10");
                problems.push(IoProblem::WrongWidth { area: map.area, elements, widths });
            }
        }
        let sound = problems.is_empty();
        for problem in problems {
            self.report(Some(entry.clone()), Some(&map.address), problem);
        }
        if !sound {
            return None;
        }
        let place = MapPlace { index, map: map.clone(), address };
        self.own(&entry, &map.address, place.bits());
        Some(address)
    }

    /// Two addresses that write one coil would fight over it.
    fn written_once(&mut self, index: usize, map: &ModbusMap, earlier: &[MapPlace]) {
        for other in earlier.iter().filter(|other| other.address.area() == Area::Output) {
            let first = map.start.max(other.map.start);
            let end = (map.start + map.count).min(other.map.start + other.map.count);
            if other.map.area == map.area && first < end {
                let owner = format!("maps[{}]", other.index);
                let problem = IoProblem::WrittenTwice { area: map.area, first, last: end - 1, owner };
                self.report(Some(format!("maps[{index}]")), Some(&map.address), problem);
            }
        }
    }

    fn simulated(&mut self, spec: &DriverSpec, config: &SimulatedSpec) {
        if config.steps.is_empty() {
            self.report(None, None, IoProblem::Empty("steps"));
        }
        if config.repeat_ms == Some(0) {
            self.report(None, None, IoProblem::ZeroTime("repeat"));
        }
        let mut steps = Vec::new();
        let mut seen: Vec<BitRange> = Vec::new();
        let mut before = 0;
        for (index, step) in config.steps.iter().enumerate() {
            let entry = format!("steps[{index}]");
            if step.at_ms < before {
                self.report(Some(entry.clone()), Some(&step.address), IoProblem::OutOfOrder);
            }
            before = before.max(step.at_ms);
            if let Some(repeat_ms) = config.repeat_ms.filter(|&repeat_ms| step.at_ms >= repeat_ms) {
                self.report(Some(entry.clone()), Some(&step.address), IoProblem::AfterRepeat { repeat_ms });
            }
            let Some(address) = self.address(&entry, &step.address) else { continue };
            if address.area() != Area::Input {
                let expected = "input (%I)";
                self.report(Some(entry), Some(&step.address), IoProblem::WrongDirection { expected });
                continue;
            }
            // Later steps of the same address belong to the same owner.
            if !seen.contains(&address.bits()) {
                seen.push(address.bits());
                self.own(&entry, &step.address, address.bits());
            }
            match parse_literal(&step.value, address.width()) {
                Ok(value) => steps.push((step.at_ms, address, value)),
                Err(error) => self.report(Some(entry), Some(&step.address), error.into()),
            }
        }
        let inputs = FrameMap::new(&seen);
        let plan = SimulatedPlan::new(&steps, config.repeat_ms, &inputs);
        self.add(spec, inputs, FrameMap::default(), PlannedDriver::Simulated(plan));
    }

    fn loopback(&mut self, spec: &DriverSpec, config: &LoopbackSpec) {
        if config.links.is_empty() {
            self.report(None, None, IoProblem::Empty("links"));
        }
        let mut links = Vec::new();
        for (index, link) in config.links.iter().enumerate() {
            let entry = format!("links[{index}]");
            if link.count == 0 {
                self.report(Some(entry.clone()), Some(&link.from), IoProblem::ZeroCount);
            }
            let (from, to) = (self.address(&entry, &link.from), self.address(&entry, &link.to));
            let (Some(from), Some(to)) = (from, to) else { continue };
            if from.area() != Area::Output {
                let expected = "output (%Q)";
                self.report(Some(entry), Some(&link.from), IoProblem::WrongDirection { expected });
                continue;
            }
            if to.area() != Area::Input {
                let expected = "input (%I)";
                self.report(Some(entry), Some(&link.to), IoProblem::WrongDirection { expected });
                continue;
            }
            if from.width() != to.width() {
                let problem = IoProblem::WidthDiffers { other: link.from.clone() };
                self.report(Some(entry), Some(&link.to), problem);
                continue;
            }
            self.own(&entry, &link.from, from.elements(link.count));
            self.own(&entry, &link.to, to.elements(link.count));
            links.push((from.elements(link.count), to.elements(link.count)));
        }
        let (from, to): (Vec<_>, Vec<_>) = links.iter().copied().unzip();
        let (outputs, inputs) = (FrameMap::new(&from), FrameMap::new(&to));
        let plan = LoopbackPlan::new(&links, &inputs, &outputs);
        self.add(spec, inputs, outputs, PlannedDriver::Loopback(plan));
    }
}

/// Host (name, address, or IPv6 in brackets) and a port that is not 0.
fn is_endpoint(text: &str) -> bool {
    let Some((host, port)) = text.rsplit_once(':') else { return false };
    let bare_v6 = host.contains(':') && !(host.starts_with('[') && host.ends_with(']'));
    let port_is_number = port.bytes().all(|byte| byte.is_ascii_digit());
    let host_is_word =
        !host.is_empty() && !host.contains(|letter: char| letter.is_whitespace() || letter == '/');
    host_is_word && !bare_v6 && port_is_number && port.parse::<u16>().is_ok_and(|port| port > 0)
}
