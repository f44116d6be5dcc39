//! What a run came to, and what a test says about it. Comparisons are exact unless the name says otherwise.

use std::fmt;
use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;
use std::time::Duration;

use nix::sys::signal::Signal;

/// A finished run.
#[derive(Clone, Debug)]
pub struct Run {
    /// How it was called, for messages.
    pub command: String,
    /// `None` if a signal ended it.
    pub code: Option<i32>,
    pub signal: Option<i32>,
    pub stdout_bytes: Vec<u8>,
    pub stderr_bytes: Vec<u8>,
    /// Lossy, as is `stderr`.
    pub stdout: String,
    pub stderr: String,
    pub took: Duration,
}

impl Run {
    pub(crate) fn new(
        command: String,
        status: ExitStatus,
        out: [Vec<u8>; 2],
        took: Duration,
    ) -> Run {
        let [stdout_bytes, stderr_bytes] = out;
        Run {
            command,
            code: status.code(),
            signal: status.signal(),
            stdout: String::from_utf8_lossy(&stdout_bytes).into_owned(),
            stderr: String::from_utf8_lossy(&stderr_bytes).into_owned(),
            stdout_bytes,
            stderr_bytes,
            took,
        }
    }

    #[track_caller]
    pub fn expect_code(&self, code: i32) -> &Run {
        self.check(self.code == Some(code), &format!("exit code {code}"))
    }

    /// That this signal ended it.
    #[track_caller]
    pub fn expect_signal(&self, signal: Signal) -> &Run {
        self.check(self.signal == Some(signal as i32), &format!("death by {signal}"))
    }

    #[track_caller]
    pub fn expect_stdout(&self, stdout: &str) -> &Run {
        self.check(
            self.stdout_bytes == stdout.as_bytes(),
            &format!("exactly this on stdout:\n{stdout}"),
        )
    }

    #[track_caller]
    pub fn expect_stderr(&self, stderr: &str) -> &Run {
        self.check(
            self.stderr_bytes == stderr.as_bytes(),
            &format!("exactly this on stderr:\n{stderr}"),
        )
    }

    #[track_caller]
    pub fn stdout_contains(&self, text: &str) -> &Run {
        self.check(self.stdout.contains(text), &format!("`{text}` on stdout"))
    }

    #[track_caller]
    pub fn stdout_lacks(&self, text: &str) -> &Run {
        self.check(!self.stdout.contains(text), &format!("no `{text}` on stdout"))
    }

    #[track_caller]
    pub fn stderr_contains(&self, text: &str) -> &Run {
        self.check(self.stderr.contains(text), &format!("`{text}` on stderr"))
    }

    #[track_caller]
    pub fn stderr_lacks(&self, text: &str) -> &Run {
        self.check(!self.stderr.contains(text), &format!("no `{text}` on stderr"))
    }

    #[track_caller]
    fn check(&self, holds: bool, expectation: &str) -> &Run {
        assert!(holds, "expected {expectation}\n{self}");
        self
    }
}

impl fmt::Display for Run {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Run { command, code, signal, stdout, stderr, took, .. } = self;
        writeln!(out, "$ {command}\ncode {code:?}, signal {signal:?}, after {took:.1?}")?;
        writeln!(out, "--- stdout\n{stdout}--- stderr\n{stderr}---")
    }
}
