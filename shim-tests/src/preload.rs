//! Faults at a program's system calls, by a library that is loaded before the C library (`preload/preload.c`).
//!
//! The calls of a run are numbered as they come, those of all its processes together. A run that only counts says how
//! many there are; the next one is struck at any of them.

use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{FileExt as _, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use fs_err as fs;
use nix::errno::Errno;
use nix::sys::signal::Signal;

use crate::call::Call;
use crate::or_panic::OrPanic as _;
use crate::sandbox::Sandbox;
use crate::tools;

/// What is struck, where, and how.
#[derive(Clone, Debug)]
pub struct Strike {
    /// Kinds of calls, comma-separated: `open`, `rename`, … as in `preload.c`.
    pub calls: &'static str,
    /// The executables whose calls count, comma-separated.
    pub programs: &'static str,
    /// The number of the call, from 1; 0 only counts.
    pub at: u64,
    /// Whether every call after it is struck too.
    pub lasting: bool,
    pub act: Act,
}

/// What happens at a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// It fails.
    Errno(Errno),
    /// The process gets a signal before it.
    Signal(Signal),
    /// The process and all that belong to its run do.
    Group(Signal),
    /// It waits for [`Armed::resume`].
    Stop,
    /// A write writes half of what it was given.
    Half,
    /// The clock is so many seconds ahead from then on.
    Jump(i32),
}

/// A strike that a run is armed with.
pub struct Armed {
    control: PathBuf,
}

/// Offsets in the control file.
const STRUCK: u64 = 8;
const RESUME: u64 = 16;
const WHAT: u64 = 24;
const CONTROL_SIZE: u64 = 8192;

impl Strike {
    /// Counts calls of these kinds.
    pub fn count(calls: &'static str, programs: &'static str) -> Strike {
        Strike { calls, programs, at: 0, lasting: false, act: Act::Stop }
    }

    /// Arms a run.
    pub fn arm<'a>(&self, sandbox: &'a Sandbox, call: Call<'a>) -> (Call<'a>, Armed) {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let control = sandbox.path(format!("state/fault-{number}"));
        fs::File::create(&control).and_then(|file| file.set_len(CONTROL_SIZE)).or_panic();
        // Whoever runs must be able to count.
        fs::set_permissions(&control, PermissionsExt::from_mode(0o666)).or_panic();
        let call = call
            .env("LD_PRELOAD", library())
            .env("FAULT_CONTROL", &control)
            .env("FAULT_UNDER", sandbox.path(""))
            .env("FAULT_PROGRAMS", self.programs)
            .env("FAULT_CALLS", self.calls)
            .env("FAULT_AT", self.at.to_string())
            .env("FAULT_LASTING", if self.lasting { "1" } else { "0" })
            .env("FAULT_ACT", self.act.to_string());
        // What is confined cannot reach the control file.
        let is_free = self.programs.split(',').any(|program| program == "leantar");
        let call = if is_free { call.env("LAKE_SHIM_CONFINE", "never") } else { call };
        (call, Armed { control })
    }
}

impl std::fmt::Display for Act {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Act::Errno(errno) => write!(f, "errno {}", *errno as i32),
            Act::Signal(signal) => write!(f, "signal {}", *signal as i32),
            Act::Group(signal) => write!(f, "group {}", *signal as i32),
            Act::Stop => write!(f, "stop"),
            Act::Half => write!(f, "half"),
            Act::Jump(seconds) => write!(f, "jump {seconds}"),
        }
    }
}

impl Armed {
    /// How many calls there were.
    pub fn count(&self) -> u64 {
        self.word(0)
    }

    /// The first call that was struck: its kind and its path.
    pub fn struck(&self) -> Option<(String, PathBuf)> {
        if self.word(STRUCK) == 0 {
            return None;
        }
        let mut what = vec![0; (CONTROL_SIZE - WHAT) as usize];
        let length = self.open().read_at(&mut what, WHAT).or_panic();
        what.truncate(what[..length].iter().position(|&byte| byte == 0).unwrap_or(length));
        let space = what.iter().position(|&byte| byte == b' ').unwrap_or(what.len());
        let path = Path::new(OsStr::from_bytes(what.get(space + 1..).unwrap_or_default()));
        Some((String::from_utf8_lossy(&what[..space]).into_owned(), path.to_owned()))
    }

    /// Lets go on what [`Act::Stop`] holds.
    pub fn resume(&self) {
        self.open().write_all_at(&1u64.to_ne_bytes(), RESUME).or_panic();
    }

    fn word(&self, at: u64) -> u64 {
        let mut word = [0; 8];
        self.open().read_exact_at(&mut word, at).or_panic();
        u64::from_ne_bytes(word)
    }

    fn open(&self) -> File {
        OpenOptions::new().read(true).write(true).open(&self.control).or_panic()
    }
}

impl Drop for Armed {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.control);
    }
}

/// The library, built at the first call.
fn library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/src/preload/preload.c");
        let library = tools::profile_dir().join("shim-tests-preload.so");
        // Another test process may be at it.
        let made = library.with_extension(format!("{}.so", std::process::id()));
        let mut cc = Command::new("cc");
        cc.args(["-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror", "-o"]).arg(&made);
        let status = cc.arg(source).arg("-ldl").status().or_panic();
        assert!(status.success(), "cannot compile {source}");
        fs::rename(&made, &library).or_panic();
        library
    })
}
