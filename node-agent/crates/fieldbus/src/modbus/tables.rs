//! The four tables of a Modbus device, in memory.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{DataModel, Exception};

/// A table of a Modbus device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Table {
    /// Bits, read and written.
    Coils,
    /// Bits, only read.
    DiscreteInputs,
    /// Registers, read and written.
    HoldingRegisters,
    /// Registers, only read.
    InputRegisters,
}

/// A device that is nothing but memory: what is written can be read back.
#[derive(Debug)]
pub struct Tables {
    unit_id: u8,
    cells: Mutex<Cells>,
}

#[derive(Debug)]
struct Cells {
    coils: Vec<u16>,
    discrete: Vec<u16>,
    holding: Vec<u16>,
    input: Vec<u16>,
    writes: u64,
}

impl Cells {
    fn table(&mut self, table: Table) -> &mut Vec<u16> {
        match table {
            Table::Coils => &mut self.coils,
            Table::DiscreteInputs => &mut self.discrete,
            Table::HoldingRegisters => &mut self.holding,
            Table::InputRegisters => &mut self.input,
        }
    }
}

impl Tables {
    /// A device at `unit_id` with `len` elements in each table, all 0.
    pub fn new(unit_id: u8, len: u16) -> Self {
        let zeros = || vec![0; len.into()];
        let cells = Cells { coils: zeros(), discrete: zeros(), holding: zeros(), input: zeros(), writes: 0 };
        Self { unit_id, cells: Mutex::new(cells) }
    }

    fn cells(&self) -> MutexGuard<'_, Cells> {
        // Cells are plain numbers: whoever panicked while it held them left nothing half done that matters.
        self.cells.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Elements of a table, bits as 0 and 1; shorter where the table ends.
    pub fn get(&self, table: Table, start: u16, count: u16) -> Vec<u16> {
        self.cells().table(table).iter().skip(start.into()).take(count.into()).copied().collect()
    }

    /// Sets elements of a table from the device's side; what lies behind its end is left out.
    pub fn set(&self, table: Table, start: u16, values: &[u16]) {
        for (cell, value) in self.cells().table(table).iter_mut().skip(start.into()).zip(values) {
            *cell = *value;
        }
    }

    /// How many write requests have come.
    pub fn writes(&self) -> u64 {
        self.cells().writes
    }

    fn read(&self, table: Table, start: u16, count: u16) -> Result<Vec<u16>, Exception> {
        let values = self.get(table, start, count);
        if values.len() == usize::from(count) { Ok(values) } else { Err(Exception::IllegalDataAddress) }
    }

    fn write(
        &self,
        table: Table,
        start: u16,
        values: impl ExactSizeIterator<Item = u16>,
    ) -> Result<(), Exception> {
        let mut cells = self.cells();
        let range = usize::from(start)..usize::from(start) + values.len();
        let target = cells.table(table).get_mut(range).ok_or(Exception::IllegalDataAddress)?;
        for (cell, value) in target.iter_mut().zip(values) {
            *cell = value;
        }
        cells.writes += 1;
        Ok(())
    }
}

impl DataModel for Tables {
    fn has_unit(&self, unit_id: u8) -> bool {
        unit_id == self.unit_id
    }

    fn read_bits(&self, table: Table, start: u16, count: u16) -> Result<Vec<bool>, Exception> {
        Ok(self.read(table, start, count)?.into_iter().map(|value| value != 0).collect())
    }

    fn read_registers(&self, table: Table, start: u16, count: u16) -> Result<Vec<u16>, Exception> {
        self.read(table, start, count)
    }

    fn write_coils(&self, start: u16, coils: &[bool]) -> Result<(), Exception> {
        self.write(Table::Coils, start, coils.iter().map(|&coil| u16::from(coil)))
    }

    fn write_registers(&self, start: u16, registers: &[u16]) -> Result<(), Exception> {
        self.write(Table::HoldingRegisters, start, registers.iter().copied())
    }
}
