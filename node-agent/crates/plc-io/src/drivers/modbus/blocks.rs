//! What a Modbus master asks for: the maps of a device merged into as few requests as the protocol allows, and how
//! coils and registers become bits and bytes of a frame.

use std::time::Duration;

use crate::image::{Address, Area, BitRange, FrameMap, Width};
use crate::spec::{DeviceWatchdog, ModbusArea, ModbusMap, ModbusMasterSpec, WordOrder};

/// Most elements of one read request.
const READ_BITS_MAX: u32 = 2000;
const READ_REGISTERS_MAX: u32 = 125;
/// Most elements of one write request.
const WRITE_BITS_MAX: u32 = 1968;
const WRITE_REGISTERS_MAX: u32 = 123;
/// Unchanged outputs are written again after this, so that a device that restarted gets them back.
const REFRESH_MAX: Duration = Duration::from_secs(1);
const REFRESH_POLLS: u32 = 20;

/// A map with its parsed address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MapPlace {
    /// Its number in the declaration.
    pub index: usize,
    /// The declaration.
    pub map: ModbusMap,
    /// Its first address in the image.
    pub address: Address,
}

impl MapPlace {
    /// The bits of the image that it covers.
    pub fn bits(&self) -> BitRange {
        let start = self.address.bits().start;
        let each = if self.map.area.is_bits() { 1 } else { 16 };
        BitRange { area: self.address.area(), start, len: u64::from(self.map.count) * each }
    }
}

/// Everything that the Modbus master needs to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModbusPlan {
    /// Host and port.
    pub endpoint: String,
    /// Address of the device behind that endpoint.
    pub unit_id: u8,
    /// How long a connection or an answer may take.
    pub timeout: Duration,
    /// Register to set whenever a connection opens.
    pub watchdog: Option<DeviceWatchdog>,
    /// Read requests.
    pub reads: Vec<ReadBlock>,
    /// Write requests.
    pub writes: Vec<WriteBlock>,
}

/// One read request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadBlock {
    /// Table of the device.
    pub area: ModbusArea,
    /// First element.
    pub start: u16,
    /// Number of elements.
    pub count: u16,
    /// Time from one request to the next.
    pub poll: Duration,
    pieces: Vec<Piece>,
}

/// One write request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WriteBlock {
    /// Table of the device: coils or holding registers.
    pub area: ModbusArea,
    /// First element.
    pub start: u16,
    /// Number of elements.
    pub count: u16,
    /// After this time it is written again, changed or not.
    pub refresh: Duration,
    pieces: Vec<Piece>,
}

/// A map's part in a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Piece {
    /// First element, counted from the begin of the table.
    start: u32,
    count: u32,
    /// How many elements of the map come before this piece.
    skip: u32,
    /// Bit of the frame where the map begins.
    frame_bit: usize,
    /// Registers of one value.
    per_value: u32,
    order: WordOrder,
    /// Poll or refresh.
    period: Duration,
}

impl Piece {
    fn end(&self) -> u32 {
        self.start + self.count
    }

    /// Parts that one request can take. A value of several registers is never torn between two requests.
    fn cut(self, limit: u32) -> impl Iterator<Item = Self> {
        let most = limit - limit % self.per_value;
        (0..self.count.div_ceil(most)).map(move |number| {
            let skip = number * most;
            Self { start: self.start + skip, count: most.min(self.count - skip), skip, ..self }
        })
    }

    /// Where element `element` of the table lies in the frame, as a bit number.
    fn frame_bit_of(&self, element: u32, bits_each: usize) -> usize {
        let number = self.skip + (element - self.start);
        let number = match self.order {
            WordOrder::LowFirst => number,
            // The image is little-endian: within a value, the first register goes to the last place.
            WordOrder::HighFirst => {
                number - number % self.per_value + self.per_value - 1 - number % self.per_value
            }
        };
        self.frame_bit + number as usize * bits_each
    }
}

impl ModbusPlan {
    pub(crate) fn new(
        config: &ModbusMasterSpec,
        places: &[MapPlace],
        inputs: &FrameMap,
        outputs: &FrameMap,
    ) -> Self {
        let areas = [ModbusArea::Coil, ModbusArea::Discrete, ModbusArea::Holding, ModbusArea::Input];
        let mut plan = Self {
            endpoint: config.endpoint.clone(),
            unit_id: config.unit_id,
            timeout: Duration::from_millis(config.timeout_ms.into()),
            watchdog: config.device_watchdog,
            reads: Vec::new(),
            writes: Vec::new(),
        };
        for area in areas {
            let limit = if area.is_bits() { READ_BITS_MAX } else { READ_REGISTERS_MAX };
            for pieces in merge(&pieces_of(places, area, Area::Input, inputs), limit) {
                let (start, count) = span(&pieces);
                plan.reads.push(ReadBlock { area, start, count, poll: pieces[0].period, pieces });
            }
            let limit = if area.is_bits() { WRITE_BITS_MAX } else { WRITE_REGISTERS_MAX };
            for pieces in merge(&pieces_of(places, area, Area::Output, outputs), limit) {
                let (start, count) = span(&pieces);
                plan.writes.push(WriteBlock { area, start, count, refresh: pieces[0].period, pieces });
            }
        }
        plan
    }
}

impl ReadBlock {
    /// Puts bits that the device sent into the frame. Too few are no answer at all.
    pub(crate) fn store_bits(&self, bits: &[bool], frame: &mut [u8]) {
        for piece in &self.pieces {
            for element in piece.start..piece.end() {
                let place = piece.frame_bit_of(element, 1);
                let on = bits.get((element - u32::from(self.start)) as usize).copied().unwrap_or(false);
                frame[place / 8] = (frame[place / 8] & !(1 << (place % 8))) | u8::from(on) << (place % 8);
            }
        }
    }

    /// Puts registers that the device sent into the frame.
    pub(crate) fn store_registers(&self, registers: &[u16], frame: &mut [u8]) {
        for piece in &self.pieces {
            for element in piece.start..piece.end() {
                let place = piece.frame_bit_of(element, 16) / 8;
                let value = registers.get((element - u32::from(self.start)) as usize).copied().unwrap_or(0);
                frame[place..place + 2].copy_from_slice(&value.to_le_bytes());
            }
        }
    }

    /// The bits of the frame that this block fills.
    pub(crate) fn frame_bits(&self) -> impl Iterator<Item = usize> {
        let each = if self.area.is_bits() { 1 } else { 16 };
        self.pieces.iter().flat_map(move |piece| {
            (piece.start..piece.end()).flat_map(move |element| {
                let first = piece.frame_bit_of(element, each);
                first..first + each
            })
        })
    }
}

impl WriteBlock {
    /// Notes in `written` and `known` that the device has the values of `frame` where `counts` says that they count.
    pub(crate) fn remember(&self, frame: &[u8], counts: &[u8], written: &mut [u8], known: &mut [u8]) {
        let each = if self.area.is_bits() { 1 } else { 16 };
        for piece in &self.pieces {
            for element in piece.start..piece.end() {
                let first = piece.frame_bit_of(element, each);
                for place in first..first + each {
                    let mask = counts[place / 8] & 1 << (place % 8);
                    written[place / 8] = (written[place / 8] & !mask) | (frame[place / 8] & mask);
                    known[place / 8] |= mask;
                }
            }
        }
    }

    /// The coils for the device, `None` where the frame's bit does not count.
    pub(crate) fn bits(&self, frame: &[u8], counts: &[u8]) -> Vec<Option<bool>> {
        let mut bits = vec![None; self.count.into()];
        for piece in &self.pieces {
            for element in piece.start..piece.end() {
                let place = piece.frame_bit_of(element, 1);
                let bit = |bytes: &[u8]| bytes[place / 8] >> (place % 8) & 1 == 1;
                bits[(element - u32::from(self.start)) as usize] = bit(counts).then(|| bit(frame));
            }
        }
        bits
    }

    /// The registers for the device, `None` where not all of the frame's bits count.
    pub(crate) fn registers(&self, frame: &[u8], counts: &[u8]) -> Vec<Option<u16>> {
        let mut registers = vec![None; self.count.into()];
        for piece in &self.pieces {
            for element in piece.start..piece.end() {
                let place = piece.frame_bit_of(element, 16) / 8;
                let known = counts[place..place + 2] == [0xff, 0xff];
                registers[(element - u32::from(self.start)) as usize] =
                    known.then(|| u16::from_le_bytes([frame[place], frame[place + 1]]));
            }
        }
        registers
    }
}

fn pieces_of(places: &[MapPlace], area: ModbusArea, direction: Area, frame: &FrameMap) -> Vec<Piece> {
    let mut pieces: Vec<_> = places
        .iter()
        .filter(|place| place.map.area == area && place.address.area() == direction)
        .filter_map(|place| {
            let poll = Duration::from_millis(place.map.poll_ms.into());
            let period = match direction {
                Area::Output => (poll * REFRESH_POLLS).min(REFRESH_MAX),
                Area::Input | Area::Memory => poll,
            };
            let per_value = match place.address.width() {
                Width::Bit | Width::Byte | Width::Word => 1,
                width @ (Width::DWord | Width::LWord) => width.bits() / 16,
            };
            Some(Piece {
                start: place.map.start,
                count: place.map.count,
                skip: 0,
                frame_bit: frame.frame_bit(place.bits().start)?,
                per_value,
                order: place.map.word_order,
                period,
            })
        })
        .collect();
    pieces.sort_by_key(|piece| (piece.period, piece.start));
    pieces
}

/// Cuts what is longer than a request may be, and joins pieces that touch or overlap and have the same period.
/// Nothing between pieces is read along: a device may refuse addresses that nobody declared.
fn merge(pieces: &[Piece], limit: u32) -> Vec<Vec<Piece>> {
    let mut blocks: Vec<Vec<Piece>> = Vec::new();
    for piece in pieces.iter().flat_map(|piece| piece.cut(limit)) {
        let joins = |block: &Vec<Piece>| {
            let (start, count) = span(block);
            let (start, end) = (u32::from(start), u32::from(start) + u32::from(count));
            block[0].period == piece.period
                && (start..=end).contains(&piece.start)
                && piece.end().max(end) - start <= limit
        };
        match blocks.last_mut() {
            Some(block) if joins(block) => block.push(piece),
            _ => blocks.push(vec![piece]),
        }
    }
    blocks
}

fn span(pieces: &[Piece]) -> (u16, u16) {
    let start = pieces.iter().map(|piece| piece.start).min().unwrap_or(0);
    let end = pieces.iter().map(Piece::end).max().unwrap_or(0);
    (start as u16, (end - start) as u16)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{DriverConfig, DriverSpec, IoPlan, OnError, PlannedDriver, plan};

    fn map(area: ModbusArea, start: u32, count: u32, address: &str, poll_ms: u32) -> ModbusMap {
        ModbusMap {
            area,
            start,
            count,
            address: address.to_owned(),
            poll_ms,
            word_order: WordOrder::HighFirst,
        }
    }

    fn planned(maps: Vec<ModbusMap>) -> (IoPlan, ModbusPlan) {
        let config = ModbusMasterSpec {
            endpoint: "localhost:502".to_owned(),
            unit_id: 1,
            timeout_ms: 100,
            maps,
            device_watchdog: None,
        };
        let config = DriverConfig::ModbusMaster(config);
        let spec = DriverSpec { name: "a".to_owned(), on_error: OnError::Hold, error_ms: 1, config };
        let io = plan(&[spec]).unwrap();
        let PlannedDriver::Modbus(modbus) = io.drivers[0].driver.clone() else { panic!("not Modbus") };
        (io, modbus)
    }

    fn reads(modbus: &ModbusPlan) -> Vec<(ModbusArea, u16, u16)> {
        modbus.reads.iter().map(|block| (block.area, block.start, block.count)).collect()
    }

    #[test]
    fn neighbours_are_one_request_and_gaps_are_not_read() {
        use ModbusArea::{Coil, Holding};
        let (_, modbus) = planned(vec![
            map(Holding, 8, 4, "%IW20", 10),
            map(Holding, 0, 8, "%IW0", 10),
            map(Holding, 13, 1, "%IW40", 10),
            map(Coil, 0, 3, "%IX100.0", 10),
            map(Coil, 3, 3, "%IX110.0", 20),
        ]);
        assert_eq!(reads(&modbus), [(Coil, 0, 3), (Coil, 3, 3), (Holding, 0, 12), (Holding, 13, 1)]);
    }

    #[test]
    fn requests_stay_within_the_limits_of_the_protocol() {
        use ModbusArea::{Coil, Holding};
        let (_, modbus) = planned(vec![
            map(Holding, 0, 300, "%IW0", 10),
            map(Coil, 0, 4500, "%IX1000.0", 10),
            map(Holding, 0, 248, "%QD0", 10),
            map(Coil, 0, 2000, "%QX1000.0", 10),
        ]);
        assert_eq!(
            reads(&modbus),
            [
                (Coil, 0, 2000),
                (Coil, 2000, 2000),
                (Coil, 4000, 500),
                (Holding, 0, 125),
                (Holding, 125, 125),
                (Holding, 250, 50)
            ]
        );
        let writes: Vec<_> =
            modbus.writes.iter().map(|block| (block.area, block.start, block.count)).collect();
        // 122, not 123: a DINT is not torn between two requests.
        let expected =
            [(Coil, 0, 1968), (Coil, 1968, 32), (Holding, 0, 122), (Holding, 122, 122), (Holding, 244, 4)];
        assert_eq!(writes, expected);
    }

    #[test]
    fn a_register_has_its_numerical_value_in_the_image() {
        let (io, modbus) = planned(vec![map(ModbusArea::Input, 3, 2, "%IW10", 10)]);
        let mut frame = vec![0; io.drivers[0].inputs.len()];
        modbus.reads[0].store_registers(&[0x1234, 0xfffe], &mut frame);
        let mut image = vec![0; io.input_len()];
        io.drivers[0].inputs.scatter(&frame, &mut image);
        assert_eq!(i16::from_le_bytes([image[20], image[21]]), 0x1234);
        assert_eq!(i16::from_le_bytes([image[22], image[23]]), -2);
    }

    #[test]
    fn wide_values_follow_the_word_order() {
        for (order, address, registers, value) in [
            (WordOrder::HighFirst, "%ID0", vec![0x0001, 0x0203], 0x0001_0203_u64),
            (WordOrder::LowFirst, "%ID0", vec![0x0203, 0x0001], 0x0001_0203),
            (WordOrder::HighFirst, "%IL0", vec![1, 2, 3, 4], 0x0001_0002_0003_0004),
            (WordOrder::LowFirst, "%IL0", vec![4, 3, 2, 1], 0x0001_0002_0003_0004),
        ] {
            let count = registers.len() as u32;
            let wide = ModbusMap { word_order: order, ..map(ModbusArea::Holding, 7, count, address, 10) };
            let output = ModbusMap { address: address.replace('I', "Q"), ..wide.clone() };
            let (io, modbus) = planned(vec![wide, output]);
            let mut frame = vec![0; io.drivers[0].inputs.len()];
            modbus.reads[0].store_registers(&registers, &mut frame);
            let mut bytes = [0; 8];
            bytes[..frame.len()].copy_from_slice(&frame);
            assert_eq!(u64::from_le_bytes(bytes), value, "{order:?} {address}");
            let back = modbus.writes[0].registers(&frame, &vec![0xff; frame.len()]);
            assert_eq!(back, registers.into_iter().map(Some).collect::<Vec<_>>());
        }
    }

    #[test]
    fn coils_are_bits_in_order() {
        let (io, modbus) = planned(vec![
            map(ModbusArea::Coil, 5, 4, "%QX0.6", 10),
            map(ModbusArea::Coil, 9, 1, "%QX4.0", 10),
        ]);
        let mut frame = vec![0; io.drivers[0].outputs.len()];
        io.drivers[0].outputs.gather(&[0b0100_0000, 0b0000_0010, 0, 0, 1], &mut frame);
        let some = |bits: [u8; 5]| bits.map(|bit| Some(bit == 1)).to_vec();
        assert_eq!(modbus.writes[0].bits(&frame, &[0xff; 3]), some([1, 0, 0, 1, 1]));
        assert_eq!(
            modbus.writes[0].bits(&frame, &[0x40, 0, 0]),
            [Some(true), None, None, None, None],
            "held bits that were never written are left to the device"
        );
    }

    #[test]
    fn a_block_names_the_bits_that_it_fills() {
        let (_, modbus) = planned(vec![map(ModbusArea::Discrete, 0, 3, "%IX0.2", 10)]);
        assert_eq!(modbus.reads[0].frame_bits().collect::<Vec<_>>(), [2, 3, 4]);
    }
}
