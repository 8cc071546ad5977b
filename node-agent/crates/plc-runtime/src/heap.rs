//! How this process allocates. `unsafe` is needed here as the allocator's settings have no safe binding.

#![allow(unsafe_code, reason = "a setting of the C library")]

/// All threads take their memory from one heap from now on; for the start of processes that compile programs.
///
/// The compiler works in a thread of its own, for its stack. glibc gives such a thread another heap than the
/// first one's, and lets it grow by one system call for every 4 KiB: a sixth of the time of checking a program.
pub fn use_one() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: the call takes two numbers and changes a setting that the allocator reads under its own lock.
    unsafe {
        // A refusal costs time and nothing else.
        libc::mallopt(libc::M_ARENA_MAX, 1);
    }
}
