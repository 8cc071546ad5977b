//! A host of drivers with the scan's side of its boxes, and a device to talk to.
#![allow(dead_code)] // Each test file uses its own part of it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lineshaft_exchange::{Exchange, FrameHeader, Quality, ScanSide, monotonic_ns};
use lineshaft_fieldbus::modbus::{Server, Tables};
use lineshaft_plc_io::spec::{
    DriverConfig, DriverSpec, ModbusArea, ModbusMap, ModbusMasterSpec, OnError, SafeDefault, SafeEntry,
    SafeValue, WordOrder,
};
use lineshaft_plc_io::{DriverHost, DriverState, IoPlan, plan, plan_safe};

pub(crate) fn map(area: ModbusArea, start: u32, count: u32, address: &str) -> ModbusMap {
    ModbusMap {
        area,
        start,
        count,
        address: address.to_owned(),
        poll_ms: 10,
        word_order: WordOrder::HighFirst,
    }
}

pub(crate) fn modbus(name: &str, endpoint: String, maps: Vec<ModbusMap>) -> DriverSpec {
    let config = ModbusMasterSpec { endpoint, unit_id: 1, timeout_ms: 2000, maps, device_watchdog: None };
    let config = DriverConfig::ModbusMaster(config);
    DriverSpec { name: name.to_owned(), on_error: OnError::Hold, error_ms: 1000, config }
}

/// A device that can be switched off and on again.
pub(crate) struct Device {
    pub(crate) tables: Arc<Tables>,
    addr: SocketAddr,
    server: Option<Server>,
}

impl Device {
    pub(crate) fn start() -> Self {
        let tables = Arc::new(Tables::new(1, 100));
        let server = serve(SocketAddr::from(([127, 0, 0, 1], 0)), &tables);
        Self { tables, addr: server.addr(), server: Some(server) }
    }

    pub(crate) fn endpoint(&self) -> String {
        self.addr.to_string()
    }

    pub(crate) fn vanish(&mut self) {
        self.server = None;
    }

    pub(crate) fn come_back(&mut self) {
        self.server = Some(serve(self.addr, &self.tables));
    }
}

fn serve(addr: SocketAddr, tables: &Arc<Tables>) -> Server {
    let model = Arc::clone(tables);
    Server::start(addr, model).expect("the port is free")
}

pub(crate) struct Rig {
    pub(crate) host: DriverHost,
    pub(crate) plan: IoPlan,
    pub(crate) scans: Vec<ScanSide>,
    scan: u64,
}

impl Rig {
    pub(crate) fn start(specs: &[DriverSpec], safe: &[(&str, SafeValue)], default: SafeDefault) -> Self {
        let plan = plan(specs).expect("a good plan");
        let safe: Vec<_> = safe
            .iter()
            .map(|(address, value)| SafeEntry { address: (*address).to_owned(), value: value.clone() })
            .collect();
        let safe = plan_safe(&plan, &safe, default).expect("good safe values");
        let exchange = Exchange::create("test", &plan.port_sizes()).expect("memory");
        let scans = (0..plan.drivers.len()).map(|index| exchange.scan_side(index).expect("a port")).collect();
        let host = DriverHost::start(&plan, &safe, &exchange).expect("threads");
        Self { host, plan, scans, scan: 0 }
    }

    /// Commits an image of outputs, as a scan does at its end.
    pub(crate) fn commit(&mut self, driver: usize, image: &[u8]) {
        self.scan += 1;
        let header = FrameHeader { sequence: self.scan, time_ns: monotonic_ns(), quality: Quality::Good };
        let map = &self.plan.drivers[driver].outputs;
        self.scans[driver].outputs.publish(header, |frame| map.gather(image, frame));
    }

    /// The image of inputs, as a scan latches it at its begin; cut to the driver's frame.
    pub(crate) fn inputs(&mut self, driver: usize) -> (Quality, Vec<u8>) {
        let map = &self.plan.drivers[driver].inputs;
        let (header, frame, _) = self.scans[driver].inputs.latest();
        let mut image = vec![0; map.image_len()];
        map.scatter(frame, &mut image);
        (header.quality, image)
    }

    pub(crate) fn wait_state(&mut self, name: &str, state: &DriverState) {
        self.until(&format!("{name} to be {state:?}"), |rig| {
            rig.host.statuses().iter().any(|status| status.name == name && status.state == *state)
        });
    }

    /// Looks again and again until `done`, or fails after a long time.
    pub(crate) fn until(&mut self, what: &str, mut done: impl FnMut(&mut Self) -> bool) {
        let begin = Instant::now();
        while !done(self) {
            assert!(begin.elapsed() < Duration::from_secs(20), "no {what}; {:?}", self.host.statuses());
            // Wakes with the next change of a status, and looks at the rest every few milliseconds.
            self.host.changed().wait(Some(Duration::from_millis(2))).expect("a wake-up");
        }
    }
}
