//! Memory that two processes share: an anonymous file, sealed at its size and mapped by both.
//!
//! The bytes are only ever seen as atomics. Another process may write them at any time, so a plain reference into
//! them would be undefined behaviour waiting for a faulty peer; an atomic view is sound whatever the peer does.
#![allow(clippy::cast_ptr_alignment)] // The mapping is page-aligned, and `place` checks each offset.
#![allow(unsafe_code)] // Maps memory and casts it to atomics: the one place in this crate that has to.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{MemfdFlags, SealFlags};
use rustix::mm::{MapFlags, ProtFlags};

use crate::ExchangeError;

const MAGIC: u64 = u64::from_le_bytes(*b"LSregion");
const VERSION: u64 = 1;
/// The region's own header: magic, version, payload length; padded to a cache line.
const HEADER_LEN: usize = 64;

/// A type that may be laid over shared memory.
///
/// # Safety
///
/// Every bit pattern must be a valid value, every field must be an atomic (or an array or `repr(C)` structure of
/// such), and the alignment must not exceed 64 bytes.
pub unsafe trait Shared {}

/// A piece of shared memory, fixed in size from its creation on. Unmapped when dropped.
#[derive(Debug)]
pub struct Region {
    fd: OwnedFd,
    base: NonNull<u8>,
    /// Length of the mapping, the header included.
    mapped: usize,
}

// SAFETY: the mapping belongs to the value, is never moved or remapped, and is only seen as atomics.
unsafe impl Send for Region {}
// SAFETY: as above; shared references give out nothing but shared references to atomics.
unsafe impl Sync for Region {}

impl Region {
    /// Creates a region with `len` zero bytes of payload. `name` shows in `/proc/PID/maps` only.
    pub fn create(name: &str, len: usize) -> Result<Self, ExchangeError> {
        let fd = rustix::fs::memfd_create(name, MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)
            .map_err(ExchangeError::os("create shared memory"))?;
        let mapped = HEADER_LEN.saturating_add(len);
        rustix::fs::ftruncate(&fd, mapped as u64).map_err(ExchangeError::os("size shared memory"))?;
        let seals = SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL;
        rustix::fs::fcntl_add_seals(&fd, seals).map_err(ExchangeError::os("seal shared memory"))?;
        let region = Self::map(fd, mapped)?;
        let header = region.header();
        header[1].store(VERSION, Ordering::Relaxed);
        header[2].store(len as u64, Ordering::Relaxed);
        header[0].store(MAGIC, Ordering::Release);
        Ok(region)
    }

    /// Maps a region that another process created and passed on.
    ///
    /// The seals are checked first: a file that can shrink would turn a later read into a fatal signal.
    pub fn from_fd(fd: OwnedFd) -> Result<Self, ExchangeError> {
        let seals =
            rustix::fs::fcntl_get_seals(&fd).map_err(ExchangeError::os("read the seals of shared memory"))?;
        if !seals.contains(SealFlags::SHRINK | SealFlags::GROW) {
            return Err(ExchangeError::NotSealed);
        }
        let stat = rustix::fs::fstat(&fd).map_err(ExchangeError::os("read the size of shared memory"))?;
        let found = u64::try_from(stat.st_size).unwrap_or(0);
        let mapped = usize::try_from(found).unwrap_or(0);
        if mapped < HEADER_LEN {
            return Err(ExchangeError::WrongSize { expected: HEADER_LEN as u64, found });
        }
        let region = Self::map(fd, mapped)?;
        let header = region.header();
        if header[0].load(Ordering::Acquire) != MAGIC {
            return Err(ExchangeError::WrongMagic { what: "region header", offset: 0 });
        }
        let version = header[1].load(Ordering::Relaxed);
        if version != VERSION {
            let (expected, found) = (VERSION as u32, version as u32);
            return Err(ExchangeError::WrongVersion { what: "region", expected, found });
        }
        let expected = header[2].load(Ordering::Relaxed).saturating_add(HEADER_LEN as u64);
        if expected != found {
            return Err(ExchangeError::WrongSize { expected, found });
        }
        Ok(region)
    }

    fn map(fd: OwnedFd, mapped: usize) -> Result<Self, ExchangeError> {
        // POPULATE: a scan must not meet a page fault on its first frame.
        // SAFETY: a new mapping at an address of the kernel's choice; the length is the file's.
        let base = unsafe {
            rustix::mm::mmap(
                std::ptr::null_mut(),
                mapped,
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::SHARED | MapFlags::POPULATE,
                &fd,
                0,
            )
        }
        .map_err(ExchangeError::os("map shared memory"))?;
        let base = NonNull::new(base.cast::<u8>())
            .ok_or(ExchangeError::WrongSize { expected: mapped as u64, found: 0 })?;
        Ok(Self { fd, base, mapped })
    }

    /// Bytes of payload.
    pub fn len(&self) -> usize {
        self.mapped - HEADER_LEN
    }

    /// Whether there is no payload at all.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The file, to be passed to another process. It closes on exec unless the one who passes it says otherwise.
    pub fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    fn header(&self) -> &[AtomicU64] {
        // SAFETY: every mapping is at least HEADER_LEN bytes, page-aligned and lives as long as `self`.
        unsafe { std::slice::from_raw_parts(self.base.as_ptr().cast::<AtomicU64>(), HEADER_LEN / 8) }
    }

    /// The payload's words from byte `offset` on; `offset` must be a multiple of 8.
    pub fn words(&self, offset: usize, count: usize) -> Result<&[AtomicU64], ExchangeError> {
        let start = self.place(offset, count.saturating_mul(8), 8)?;
        // SAFETY: `place` checked bounds and alignment; the memory lives as long as `self`; any bits are a valid u64.
        Ok(unsafe { std::slice::from_raw_parts(start.as_ptr().cast::<AtomicU64>(), count) })
    }

    /// The payload from byte `offset` on, seen as a `T`; `offset` must be a multiple of the alignment of `T`.
    pub fn view<T: Shared>(&self, offset: usize) -> Result<&T, ExchangeError> {
        let start = self.place(offset, size_of::<T>(), align_of::<T>())?;
        // SAFETY: `place` checked bounds and alignment; `Shared` promises that any bits are a valid value made of
        // atomics; the memory lives as long as `self`.
        Ok(unsafe { start.cast::<T>().as_ref() })
    }

    fn place(&self, offset: usize, len: usize, align: usize) -> Result<NonNull<u8>, ExchangeError> {
        let error = ExchangeError::OutOfBounds { offset, len, region: self.len() };
        let Some(end) = offset.checked_add(len) else { return Err(error) };
        if end > self.len() || !offset.is_multiple_of(align) || align > HEADER_LEN {
            return Err(error);
        }
        // SAFETY: offset + len lies within the mapping, checked just above.
        Ok(unsafe { self.base.add(HEADER_LEN + offset) })
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        // SAFETY: maps exactly what `map` mapped; every view borrows `self`, so none is left.
        // A failure would mean that the range was never mapped; there is nothing to do about it.
        let _ = unsafe { rustix::mm::munmap(self.base.as_ptr().cast(), self.mapped) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_mappings_see_the_same_bytes() {
        let first = Region::create("test", 128).unwrap();
        let second = Region::from_fd(first.as_fd().try_clone_to_owned().unwrap()).unwrap();
        first.words(64, 1).unwrap()[0].store(42, Ordering::Release);
        assert_eq!(second.words(64, 1).unwrap()[0].load(Ordering::Acquire), 42);
        assert_eq!(second.len(), 128);
    }

    #[test]
    fn bounds_and_alignment_are_checked() {
        let region = Region::create("test", 128).unwrap();
        for (offset, count) in [(128, 1), (0, 17), (4, 1), (usize::MAX - 7, 1), (0, usize::MAX)] {
            assert!(region.words(offset, count).is_err(), "{offset} {count}");
        }
        assert!(region.words(120, 1).is_ok());
    }

    #[test]
    fn foreign_files_are_refused() {
        let unsealed = rustix::fs::memfd_create(c"x", MemfdFlags::ALLOW_SEALING).unwrap();
        rustix::fs::ftruncate(&unsealed, 4096).unwrap();
        assert!(matches!(Region::from_fd(unsealed), Err(ExchangeError::NotSealed)));

        let blank = rustix::fs::memfd_create(c"x", MemfdFlags::ALLOW_SEALING).unwrap();
        rustix::fs::ftruncate(&blank, 4096).unwrap();
        rustix::fs::fcntl_add_seals(&blank, SealFlags::SHRINK | SealFlags::GROW).unwrap();
        assert!(matches!(Region::from_fd(blank), Err(ExchangeError::WrongMagic { .. })));

        let lying = Region::create("x", 64).unwrap();
        lying.header()[2].store(1 << 40, Ordering::Relaxed);
        let again = Region::from_fd(lying.as_fd().try_clone_to_owned().unwrap());
        assert!(matches!(again, Err(ExchangeError::WrongSize { .. })));

        let newer = Region::create("x", 64).unwrap();
        newer.header()[1].store(99, Ordering::Relaxed);
        let again = Region::from_fd(newer.as_fd().try_clone_to_owned().unwrap());
        assert!(matches!(again, Err(ExchangeError::WrongVersion { found: 99, .. })));
    }

    #[test]
    fn the_size_cannot_change_afterwards() {
        let region = Region::create("test", 4096).unwrap();
        assert!(rustix::fs::ftruncate(region.as_fd(), 0).is_err());
        assert!(rustix::fs::ftruncate(region.as_fd(), 1 << 20).is_err());
    }
}
