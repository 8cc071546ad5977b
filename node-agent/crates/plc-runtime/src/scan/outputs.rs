//! What goes to the devices while tasks fault: nothing of a scan that broke off, and safe values for a task whose
//! outputs must be safe while the other tasks drive theirs.

use super::Port;

/// `%Q` on its way to the devices. All memory is there before the first scan.
#[derive(Debug)]
pub(super) struct Outputs {
    /// `%Q` as it was before the present scan.
    before: Vec<u8>,
    /// `%Q` with safe values where they are due.
    going: Vec<u8>,
    /// Safe values of all drivers.
    safe: Vec<u8>,
    /// Bits whose safe value is the one that they have.
    hold: Vec<u8>,
}

impl Outputs {
    /// For an area of so many bytes.
    pub(super) fn new(bytes: usize) -> Self {
        let zero = || vec![0; bytes];
        Self { before: zero(), going: zero(), safe: zero(), hold: zero() }
    }

    /// Takes the safe values of the drivers.
    pub(super) fn learn_safe_values(&mut self, ports: &[Port]) {
        self.safe.fill(0);
        self.hold.fill(0);
        for Port { outputs, safe, .. } in ports {
            outputs.scatter(&safe.values, &mut self.safe);
            outputs.scatter(&safe.hold, &mut self.hold);
        }
    }

    /// Remembers `%Q` before a scan.
    pub(super) fn begin(&mut self, image: &[u8]) {
        copy(image, &mut self.before);
    }

    /// Takes back what a scan that broke off wrote: other tasks publish the same area.
    pub(super) fn take_back(&self, image: &mut [u8]) {
        copy(&self.before, image);
    }

    /// What goes to the devices: `%Q`, with safe values for the bits in `safe_bits`.
    pub(super) fn going<'a>(&mut self, image: &[u8], safe_bits: impl Iterator<Item = &'a [u8]>) -> &[u8] {
        copy(image, &mut self.going);
        for bits in safe_bits {
            let values = bits.iter().zip(&self.hold).zip(&self.safe);
            for (byte, ((bits, hold), safe)) in self.going.iter_mut().zip(values) {
                let due = bits & !hold;
                *byte = *byte & !due | safe & due;
            }
        }
        &self.going
    }
}

/// The bits of an area of so many bytes that these ranges (first bit, count) name.
pub(super) fn bits(ranges: &[(u32, u32)], bytes: usize) -> Vec<u8> {
    let mut mask = vec![0; bytes];
    for &(first, count) in ranges {
        for bit in first..first.saturating_add(count) {
            if let Some(byte) = mask.get_mut(bit as usize / 8) {
                *byte |= 1 << (bit % 8);
            }
        }
    }
    mask
}

fn copy(from: &[u8], to: &mut [u8]) {
    let length = from.len().min(to.len());
    to[..length].copy_from_slice(&from[..length]);
}
