//! Becoming another program so that it finds what we found.
//!
//! Before `main`, Rust opens `/dev/null` in place of closed standard streams and ignores SIGPIPE; its own
//! `exec` resets SIGPIPE and the signal mask and, being `execvp`, gives a file that is not a program to a
//! shell: an empty `lake` would build anything with exit code 0. So the state at the start is noted before
//! Rust touches it, and put back before a plain `execve`. Two more signals are changed while we work: a write
//! beyond `ulimit -f` is to be an error and not our end (SIGXFSZ), and children have to be waited for, which
//! an ignored SIGCHLD prevents.

#![expect(unsafe_code, reason = "there is no safe way to run before `main`, or to set SIGPIPE")]

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::libc;
use nix::sys::signal::{SigHandler, Signal, signal};
use std::convert::Infallible;
use std::ffi::{CString, OsString};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU8, Ordering};

/// Bits 0 to 2: these standard streams were closed. From bit 3 on: these of [`SIGNALS`] were ignored.
static FOUND: AtomicU8 = AtomicU8::new(0);
const SIGNALS: [Signal; 3] = [Signal::SIGPIPE, Signal::SIGXFSZ, Signal::SIGCHLD];

/// The loader calls what is listed here before Rust's runtime starts.
#[cfg(target_os = "linux")]
#[used]
#[unsafe(link_section = ".init_array")]
static NOTE: extern "C" fn() = note;

#[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "only ELF has an `.init_array`"))]
extern "C" fn note() {
    let mut found = 0;
    for fd in 0..3 {
        // SAFETY: asks for the flags of a number that may or may not be a descriptor.
        if unsafe { libc::fcntl(fd, libc::F_GETFD) } == -1 {
            found |= 1 << fd;
        }
    }
    for (bit, signal) in SIGNALS.into_iter().enumerate() {
        found |= u8::from(is_ignored(signal as i32)) << (3 + bit);
    }
    FOUND.store(found, Ordering::Relaxed);
}

/// `true` if this process ignores `signal`.
pub fn is_ignored(signal: i32) -> bool {
    // SAFETY: an all-zero `sigaction` is a valid place to write one to, and nothing is set.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        let read = libc::sigaction(signal, std::ptr::null(), &raw mut action);
        read == 0 && action.sa_sigaction == libc::SIG_IGN
    }
}

/// The path that the kernel was given to execute, which may be relative to where this process was started.
/// `None` where the system does not tell.
pub fn executed_path() -> Option<PathBuf> {
    #[cfg(target_os = "linux")]
    {
        // SAFETY: the address is of a string that lives as long as the process, or 0.
        let path = unsafe {
            let address = libc::getauxval(libc::AT_EXECFN) as *const libc::c_char;
            (!address.is_null()).then(|| std::ffi::CStr::from_ptr(address))
        };
        path.map(|path| OsString::from_vec(path.to_bytes().to_vec()).into())
    }
    #[cfg(not(target_os = "linux"))]
    None
}

/// Sets the signals as our own work needs them.
pub fn work_signals() {
    // SAFETY: sets the default action, or to ignore; there is no handler that could be unsafe.
    let _ = unsafe { signal(Signal::SIGXFSZ, SigHandler::SigIgn) };
    // SAFETY: as above.
    let _ = unsafe { signal(Signal::SIGCHLD, SigHandler::SigDfl) };
}

/// Sets the signals as they were at the start. Only system calls, so that a child may do it before `exec`.
fn put_signals_back() {
    let found = FOUND.load(Ordering::Relaxed);
    for (bit, which) in SIGNALS.into_iter().enumerate() {
        let was_ignored = found >> (3 + bit) & 1 == 1;
        let action = if was_ignored { SigHandler::SigIgn } else { SigHandler::SigDfl };
        // SAFETY: as in `work_signals`.
        let _ = unsafe { signal(which, action) };
    }
}

/// Gives the child that `command` starts the signals as they were at the start.
pub fn with_signals_put_back(command: &mut Command) {
    // SAFETY: system calls alone, which allocate nothing and take no lock.
    unsafe {
        command.pre_exec(|| {
            put_signals_back();
            Ok(())
        });
    }
}

/// Becomes `program`. Returns only when that fails.
pub fn become_program(
    program: OsString,
    args: Vec<OsString>,
    env: Vec<(OsString, OsString)>,
) -> Errno {
    let env = env.into_iter().map(|(name, value)| {
        let mut entry = name;
        entry.push("=");
        entry.push(value);
        entry
    });
    let c_strings = |list: &mut dyn Iterator<Item = OsString>| -> Result<Vec<CString>, _> {
        list.map(|text| CString::new(text.into_vec())).collect()
    };
    let (Ok(program), Ok(args), Ok(env)) = (
        CString::new(program.into_vec()),
        c_strings(&mut args.into_iter()),
        c_strings(&mut env.into_iter()),
    ) else {
        return Errno::EINVAL; // a NUL byte, which no argument of ours can have had
    };
    put_back();
    let result: nix::Result<Infallible> = nix::unistd::execve(&program, &args, &env);
    let Err(errno) = result;
    errno
}

fn put_back() {
    put_signals_back();
    let found = FOUND.load(Ordering::Relaxed);
    let (stdin, stdout, stderr) = (io::stdin(), io::stdout(), io::stderr());
    for (fd, stream) in [stdin.as_fd(), stdout.as_fd(), stderr.as_fd()].into_iter().enumerate() {
        if found & 1 << fd != 0 {
            let _ = fcntl(stream, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC));
        }
    }
}
