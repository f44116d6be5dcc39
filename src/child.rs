//! What a child of ours does between fork and exec.
//!
//! There only system calls are allowed: another thread may have held the allocator's lock when this
//! process was forked. So whatever can be made ready before is, and this file stays short.

#![expect(unsafe_code, reason = "code between fork and exec cannot be checked by the compiler")]

use nix::libc;
use nix::sys::prctl;
use nix::sys::signal::Signal;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::Command;

/// Variables for a child, by name.
pub type Variables = BTreeMap<OsString, OsString>;

/// Has the kernel kill the child that `command` starts when the thread that started it dies without
/// a chance to do it: the child would go on writing where the next restore cleans up.
pub fn die_with_us(command: &mut Command) {
    // SAFETY: one system call, which allocates nothing and takes no lock.
    unsafe {
        command.pre_exec(|| Ok(prctl::set_pdeathsig(Signal::SIGKILL)?));
    }
}

/// Holds the child that `command` starts, and whatever that starts, to a Landlock `ruleset`. A child
/// that cannot be held is not started.
pub fn restrict(command: &mut Command, ruleset: OwnedFd) {
    // SAFETY: two system calls, which allocate nothing and take no lock; the descriptor is open as
    // long as the closure that owns it.
    unsafe {
        command.pre_exec(move || {
            // Else it could get rights back from a set-user-ID program, and the kernel refuses.
            prctl::set_no_new_privs()?;
            match libc::syscall(libc::SYS_landlock_restrict_self, ruleset.as_raw_fd(), 0) {
                0 => Ok(()),
                _ => Err(io::Error::last_os_error()),
            }
        });
    }
}
