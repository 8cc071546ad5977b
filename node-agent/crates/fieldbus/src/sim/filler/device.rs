//! The station as a Modbus TCP device.

use std::io;
use std::net::SocketAddr;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::{Filler, Panel};
use crate::modbus::{DataModel, Exception, Server, Table};

/// How often the physics are calculated.
const TICK: Duration = Duration::from_millis(10);
/// After a pause of the whole machine no more than this is caught up.
const CATCH_UP_MAX: Duration = Duration::from_secs(1);

const START: u16 = 1;
const STOP: u16 = 2;
const EMERGENCY: u16 = 4;

/// A running filling station. It ends when it is dropped.
#[derive(Debug)]
pub struct Simulator {
    server: Server,
    station: Arc<Station>,
    /// Dropping it ends the clock.
    end: Option<Sender<()>>,
    clock: Option<JoinHandle<()>>,
}

impl Simulator {
    /// Starts the station and serves it on `listen`; port 0 takes a free one.
    pub fn start(listen: SocketAddr) -> io::Result<Self> {
        let station = Arc::new(Station::default());
        let server = Server::start(listen, Arc::clone(&station) as Arc<dyn DataModel>)?;
        let (end, ended) = channel::<()>();
        let ticking = Arc::clone(&station);
        let clock = std::thread::Builder::new().name("filler-physics".to_owned()).spawn(move || {
            let mut before = Instant::now();
            while ended.recv_timeout(TICK) == Err(RecvTimeoutError::Timeout) {
                let now = Instant::now();
                ticking.filler().step((now - before).min(CATCH_UP_MAX));
                before = now;
            }
        })?;
        Ok(Self { server, station, end: Some(end), clock: Some(clock) })
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.server.addr()
    }

    /// The station as it is now.
    pub fn snapshot(&self) -> Filler {
        self.station.filler().clone()
    }

    /// Presses and releases buttons.
    pub fn set_panel(&self, panel: Panel) {
        self.station.filler().panel = panel;
    }

    /// Closes all connections and ends.
    pub fn stop(self) {
        drop(self);
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(clock) = self.clock.take()
            && clock.join().is_err()
        {
            tracing::error!("the physics of the filling station panicked");
        }
    }
}

#[derive(Debug, Default)]
struct Station {
    filler: Mutex<Filler>,
}

impl Station {
    fn filler(&self) -> MutexGuard<'_, Filler> {
        // Numbers of a simulation: whoever panicked while it held them left nothing that could do harm.
        self.filler.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn slice<T: Copy>(all: &[T], start: u16, count: u16) -> Result<Vec<T>, Exception> {
    let range = usize::from(start)..usize::from(start) + usize::from(count);
    all.get(range).map(<[T]>::to_vec).ok_or(Exception::IllegalDataAddress)
}

/// In 0.1 %, as registers have it.
fn per_mille(percent: f64) -> u16 {
    (percent * 10.0).round().clamp(0.0, f64::from(u16::MAX)) as u16
}

fn holding(filler: &Filler) -> [u16; 4] {
    let panel = filler.panel;
    let button = |pressed, bit| if pressed { bit } else { 0 };
    let buttons = button(panel.start, START) | button(panel.stop, STOP) | button(panel.emergency, EMERGENCY);
    [filler.set_point, buttons, u16::try_from(filler.watchdog.as_millis()).unwrap_or(u16::MAX), 0]
}

impl DataModel for Station {
    fn has_unit(&self, _: u8) -> bool {
        true
    }

    fn read_bits(&self, table: Table, start: u16, count: u16) -> Result<Vec<bool>, Exception> {
        let filler = self.filler();
        if table == Table::Coils {
            return slice(&[filler.commands.inlet, filler.commands.outlet], start, count);
        }
        let (panel, positions, latched) = (filler.panel, filler.positions(), filler.latched());
        let inputs = [
            filler.bottle_percent().is_some(),
            panel.emergency,
            panel.start,
            panel.stop,
            positions.inlet,
            positions.outlet,
            latched.tank_overflow,
            latched.spilled,
            latched.ran_dry,
            latched.emergency_ignored,
            latched.watchdog,
        ];
        slice(&inputs, start, count)
    }

    fn read_registers(&self, table: Table, start: u16, count: u16) -> Result<Vec<u16>, Exception> {
        let filler = self.filler();
        if table == Table::HoldingRegisters {
            return slice(&holding(&filler), start, count);
        }
        let inputs = [
            per_mille(filler.level_percent()),
            per_mille(filler.bottle_percent().unwrap_or(0.0)),
            filler.bottles(),
            per_mille(filler.lost_percent()),
        ];
        slice(&inputs, start, count)
    }

    fn write_coils(&self, start: u16, coils: &[bool]) -> Result<(), Exception> {
        let mut filler = self.filler();
        let mut all = [filler.commands.inlet, filler.commands.outlet];
        let range = usize::from(start)..usize::from(start) + coils.len();
        all.get_mut(range).ok_or(Exception::IllegalDataAddress)?.copy_from_slice(coils);
        [filler.commands.inlet, filler.commands.outlet] = all;
        filler.written();
        Ok(())
    }

    fn write_registers(&self, start: u16, registers: &[u16]) -> Result<(), Exception> {
        let mut filler = self.filler();
        let mut all = holding(&filler);
        let range = usize::from(start)..usize::from(start) + registers.len();
        all.get_mut(range).ok_or(Exception::IllegalDataAddress)?.copy_from_slice(registers);
        let [set_point, buttons, watchdog, reset] = all;
        if set_point > 1000 || buttons > START | STOP | EMERGENCY || reset > 1 {
            return Err(Exception::IllegalDataValue);
        }
        filler.set_point = set_point;
        filler.panel = Panel {
            start: buttons & START != 0,
            stop: buttons & STOP != 0,
            emergency: buttons & EMERGENCY != 0,
        };
        filler.watchdog = Duration::from_millis(watchdog.into());
        if reset == 1 {
            filler.reset();
        }
        filler.written();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_map_is_the_documented_one() {
        let station = Station::default();
        assert_eq!(station.read_registers(Table::InputRegisters, 0, 4), Ok(vec![200, 0, 0, 0]));
        assert_eq!(station.read_registers(Table::HoldingRegisters, 0, 4), Ok(vec![600, 0, 0, 0]));
        assert_eq!(station.read_bits(Table::DiscreteInputs, 0, 2), Ok(vec![true, false]));
        station.write_coils(0, &[true, true]).unwrap();
        station.write_registers(1, &[EMERGENCY | START, 250]).unwrap();
        assert_eq!(
            station.read_bits(Table::DiscreteInputs, 0, 6),
            Ok(vec![true, true, true, false, false, false])
        );
        assert_eq!(station.filler().watchdog, Duration::from_millis(250));
        station.filler().step(Duration::from_secs(1));
        assert_eq!(station.read_bits(Table::Coils, 0, 2), Ok(vec![false, false]));
        assert_eq!(station.read_bits(Table::DiscreteInputs, 10, 1), Ok(vec![true]));
        station.write_registers(3, &[1]).unwrap();
        assert_eq!(station.read_bits(Table::DiscreteInputs, 6, 5), Ok(vec![false; 5]));
    }

    #[test]
    fn what_the_station_does_not_have_is_refused_as_a_whole() {
        let station = Station::default();
        assert_eq!(station.write_coils(1, &[true, true]), Err(Exception::IllegalDataAddress));
        assert_eq!(station.read_bits(Table::Coils, 0, 2), Ok(vec![false, false]));
        assert_eq!(station.write_registers(0, &[1001]), Err(Exception::IllegalDataValue));
        assert_eq!(station.write_registers(1, &[8]), Err(Exception::IllegalDataValue));
        assert_eq!(station.read_bits(Table::DiscreteInputs, 0, 12), Err(Exception::IllegalDataAddress));
        assert_eq!(station.read_registers(Table::InputRegisters, 4, 1), Err(Exception::IllegalDataAddress));
    }
}
