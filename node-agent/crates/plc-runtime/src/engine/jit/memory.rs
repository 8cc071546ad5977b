//! Executable memory: written while it is writable, then sealed; never both.

#![allow(unsafe_code, reason = "mapping memory and making it executable has no safe form")]

use rustix::mm::{MapFlags, MprotectFlags, ProtFlags, mmap_anonymous, mprotect, munmap};
use std::ffi::c_void;
use std::io;
use std::ptr::NonNull;

/// Machine code that may run. Given back to the system when dropped.
#[derive(Debug)]
pub(super) struct Executable {
    start: NonNull<u8>,
    bytes: usize,
}

// SAFETY: the mapping belongs to this value alone, is never written again, and reading or running it from
// another thread needs no synchronisation beyond what handed the value over.
unsafe impl Send for Executable {}

impl Executable {
    /// Copies `code` to fresh pages and seals them. An error says that the system does not give executable
    /// memory to this process.
    pub(super) fn new(code: &[u8]) -> io::Result<Self> {
        let bytes = code.len().max(1);
        // SAFETY: a new anonymous mapping at an address of the system's choice overlaps nothing.
        let start = unsafe {
            mmap_anonymous(std::ptr::null_mut(), bytes, ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE)
        }?;
        let start =
            NonNull::new(start.cast::<u8>()).ok_or_else(|| io::Error::other("mapped at address 0"))?;
        // From here on dropping it unmaps.
        let memory = Self { start, bytes };
        // SAFETY: the mapping is at least as long as `code`, writable, and nobody else knows of it.
        unsafe { std::ptr::copy_nonoverlapping(code.as_ptr(), start.as_ptr(), code.len()) };
        // SAFETY: exactly the pages of the mapping above; no reference into them exists.
        unsafe { mprotect(memory.pointer(), bytes, MprotectFlags::READ | MprotectFlags::EXEC) }?;
        // SAFETY: the range is mapped and readable. Where instruction and data caches are not coherent, this
        // makes the copy above visible to instruction fetches.
        unsafe { wasmtime_internal_jit_icache_coherence::clear_cache(memory.pointer(), bytes) }
            .and_then(|()| wasmtime_internal_jit_icache_coherence::pipeline_flush_mt())
            .map_err(|error| io::Error::other(error.to_string()))?;
        Ok(memory)
    }

    fn pointer(&self) -> *mut c_void {
        self.start.as_ptr().cast()
    }

    /// The address of a byte of the code.
    pub(super) fn address(&self, offset: usize) -> NonNull<u8> {
        assert!(offset < self.bytes, "an entry lies inside of the code");
        // SAFETY: inside of the mapping, by the line above.
        unsafe { self.start.add(offset) }
    }
}

impl Drop for Executable {
    fn drop(&mut self) {
        // SAFETY: the mapping of `new`, unmapped once; callers hold `&self` while code runs, so none does now.
        // A failure leaves pages mapped, which harms nobody.
        let _ = unsafe { munmap(self.pointer(), self.bytes) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_is_readable_and_executable_but_not_writable() {
        let memory = Executable::new(&[0xc3; 10_000]).unwrap();
        let start = memory.address(0).as_ptr() as usize;
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        let entry = maps.lines().find(|line| {
            let (low, rest) = line.split_once('-').unwrap();
            let (high, _) = rest.split_once(' ').unwrap();
            let parse = |text| usize::from_str_radix(text, 16).unwrap();
            (parse(low)..parse(high)).contains(&start)
        });
        assert!(entry.unwrap().contains(" r-xp "), "{entry:?}");
    }
}
