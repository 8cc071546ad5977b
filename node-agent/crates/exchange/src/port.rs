//! The boxes of one keeper and its runner: one board, and for each driver a triple buffer in each direction.
//!
//! Both sides calculate the same layout from the same list of sizes, so only the file and that list need to be
//! passed on; every box checks its own header when it is attached.

use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::Arc;

use crate::{BoardRef, ExchangeError, Reader, Region, ScanBoard, TripleBuffer, Writer};

/// Bytes of a driver's frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PortSize {
    /// Bytes of an input frame, written by the driver.
    pub inputs: usize,
    /// Bytes of an output frame, written by the scan.
    pub outputs: usize,
}

/// A driver's two boxes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PortOffsets {
    /// Driver to scan.
    pub inputs: TripleBuffer,
    /// Scan to driver.
    pub outputs: TripleBuffer,
}

/// What lies where in the region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    ports: Vec<PortOffsets>,
    len: usize,
}

impl Layout {
    /// Where the board lies.
    pub const BOARD: usize = 0;

    /// Calculates the layout for drivers with these sizes, in this order.
    pub fn new(ports: &[PortSize]) -> Self {
        let mut len = ScanBoard::SIZE;
        let mut place = |frame_len| {
            let buffer = TripleBuffer::new(len, frame_len);
            len += buffer.size();
            buffer
        };
        let ports = ports
            .iter()
            .map(|size| PortOffsets { inputs: place(size.inputs), outputs: place(size.outputs) })
            .collect();
        Self { ports, len }
    }

    /// Bytes of the whole region.
    pub fn region_len(&self) -> usize {
        self.len
    }

    /// The drivers' boxes, in the order of their sizes.
    pub fn ports(&self) -> &[PortOffsets] {
        &self.ports
    }
}

/// The side of a driver: leaves inputs, takes outputs.
#[derive(Debug)]
pub struct DriverSide {
    /// Input frames go here.
    pub inputs: Writer,
    /// Committed output frames come from here.
    pub outputs: Reader,
}

/// The side of the scan: takes inputs, leaves outputs.
#[derive(Debug)]
pub struct ScanSide {
    /// Input frames come from here, at the begin of a scan.
    pub inputs: Reader,
    /// Output frames go here, at the end of a scan.
    pub outputs: Writer,
}

/// A region with its layout.
#[derive(Debug, Clone)]
pub struct Exchange {
    region: Arc<Region>,
    layout: Layout,
}

impl Exchange {
    /// Creates the region and all boxes in it, empty. The keeper does this.
    pub fn create(name: &str, ports: &[PortSize]) -> Result<Self, ExchangeError> {
        let layout = Layout::new(ports);
        let region = Region::create(name, layout.region_len())?;
        ScanBoard::initialise(&region, Layout::BOARD)?;
        for port in layout.ports() {
            port.inputs.initialise(&region)?;
            port.outputs.initialise(&region)?;
        }
        Ok(Self { region: Arc::new(region), layout })
    }

    /// Maps the region that the keeper created with the same list of sizes. The runner does this.
    pub fn attach(fd: OwnedFd, ports: &[PortSize]) -> Result<Self, ExchangeError> {
        let layout = Layout::new(ports);
        let region = Region::from_fd(fd)?;
        if region.len() != layout.region_len() {
            let (expected, found) = (layout.region_len() as u64, region.len() as u64);
            return Err(ExchangeError::WrongSize { expected, found });
        }
        Ok(Self { region: Arc::new(region), layout })
    }

    /// The memory itself.
    pub fn region(&self) -> &Arc<Region> {
        &self.region
    }

    /// The file to pass to the other process.
    pub fn as_fd(&self) -> BorrowedFd<'_> {
        self.region.as_fd()
    }

    /// What lies where.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The board. Both sides may attach as often as they like.
    pub fn board(&self) -> Result<BoardRef, ExchangeError> {
        ScanBoard::attach(&self.region, Layout::BOARD)
    }

    /// The driver's side of port `index`. One at a time.
    pub fn driver_side(&self, index: usize) -> Result<DriverSide, ExchangeError> {
        let port = self.port(index)?;
        Ok(DriverSide {
            inputs: port.inputs.writer(&self.region)?,
            outputs: port.outputs.reader(&self.region)?,
        })
    }

    /// The scan's side of port `index`. One at a time.
    pub fn scan_side(&self, index: usize) -> Result<ScanSide, ExchangeError> {
        let port = self.port(index)?;
        Ok(ScanSide {
            inputs: port.inputs.reader(&self.region)?,
            outputs: port.outputs.writer(&self.region)?,
        })
    }

    fn port(&self, index: usize) -> Result<PortOffsets, ExchangeError> {
        let count = self.layout.ports.len();
        self.layout.ports.get(index).copied().ok_or(ExchangeError::NoSuchPort { index, count })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{FrameHeader, Quality};

    #[test]
    fn frames_cross_in_both_directions() {
        let sizes = [PortSize { inputs: 4, outputs: 0 }, PortSize { inputs: 0, outputs: 70 }];
        let keeper = Exchange::create("test", &sizes).unwrap();
        let runner = Exchange::attach(keeper.as_fd().try_clone_to_owned().unwrap(), &sizes).unwrap();
        let mut driver = keeper.driver_side(1).unwrap();
        let mut scan = runner.scan_side(1).unwrap();
        let header = FrameHeader { sequence: 1, time_ns: 2, quality: Quality::Good };
        scan.outputs.publish(header, |frame| frame.fill(3));
        assert_eq!(driver.outputs.latest(), (header, &[3; 70][..], true));
        let mut driver = keeper.driver_side(0).unwrap();
        driver.inputs.publish(header, |frame| frame.fill(4));
        assert_eq!(runner.scan_side(0).unwrap().inputs.latest().1, [4; 4]);
        assert!(matches!(keeper.driver_side(2), Err(ExchangeError::NoSuchPort { index: 2, count: 2 })));
    }

    #[test]
    fn another_list_of_sizes_is_refused() {
        let keeper = Exchange::create("test", &[PortSize { inputs: 4, outputs: 8 }]).unwrap();
        let fd = || keeper.as_fd().try_clone_to_owned().unwrap();
        assert!(matches!(Exchange::attach(fd(), &[]), Err(ExchangeError::WrongSize { .. })));
        // The same length in all, but other frames.
        let swapped = Exchange::attach(fd(), &[PortSize { inputs: 8, outputs: 4 }]).unwrap();
        assert!(matches!(swapped.scan_side(0), Err(ExchangeError::WrongSize { .. })));
    }

    #[test]
    fn boxes_lie_on_cache_lines_and_do_not_overlap() {
        let layout =
            Layout::new(&[PortSize { inputs: 1, outputs: 65 }, PortSize { inputs: 0, outputs: 4096 }]);
        let mut end = ScanBoard::SIZE;
        for port in layout.ports() {
            for buffer in [port.inputs, port.outputs] {
                assert_eq!(buffer.offset(), end);
                assert!(end.is_multiple_of(64));
                end += buffer.size();
            }
        }
        assert_eq!(end, layout.region_len());
    }
}
