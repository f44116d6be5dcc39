//! Becoming another program so that it finds what we found.
//!
//! Before `main`, Rust opens `/dev/null` in place of closed standard streams and ignores SIGPIPE;
//! its own `exec` sets SIGPIPE and the signal mask anew and, being `execvp`, gives a file that is
//! no program to a shell: an empty `lake` would build anything with exit code 0. So what we were
//! started with is noted before Rust touches it, and put back before a plain `execve`.

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
use std::sync::atomic::{AtomicU8, Ordering};

/// Bits 0 to 2: these standard streams were closed. [`PIPE_IGNORED`]: so was SIGPIPE, ignored.
static FOUND: AtomicU8 = AtomicU8::new(0);
const PIPE_IGNORED: u8 = 1 << 3;

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
    // SAFETY: an all-zero `sigaction` is a valid place to write one to, and nothing is set.
    let is_ignored = unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        let read = libc::sigaction(libc::SIGPIPE, std::ptr::null(), &raw mut action);
        read == 0 && action.sa_sigaction == libc::SIG_IGN
    };
    FOUND.store(found | if is_ignored { PIPE_IGNORED } else { 0 }, Ordering::Relaxed);
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
    let found = FOUND.load(Ordering::Relaxed);
    if found & PIPE_IGNORED == 0 {
        // SAFETY: sets the default action; there is no handler that could be unsafe.
        let _ = unsafe { signal(Signal::SIGPIPE, SigHandler::SigDfl) };
    }
    let (stdin, stdout, stderr) = (io::stdin(), io::stdout(), io::stderr());
    for (fd, stream) in [stdin.as_fd(), stdout.as_fd(), stderr.as_fd()].into_iter().enumerate() {
        if found & 1 << fd != 0 {
            let _ = fcntl(stream, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC));
        }
    }
}
