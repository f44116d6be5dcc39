//! One run of a program in a sandbox: what it is given, and watching it while it runs.

use std::ffi::{OsStr, OsString};
use std::io::{self, Read, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use nix::sys::signal::{SigHandler, Signal, kill, killpg, signal};
use nix::unistd::Pid;

use crate::or_panic::OrPanic as _;
use crate::run::Run;
use crate::sandbox::Sandbox;
use crate::tools;

/// Nothing takes that long by itself; a busy machine may.
const TIMEOUT: Duration = Duration::from_secs(300);
const POLL: Duration = Duration::from_millis(2);

/// A run to be; [`Call::run`] makes it one.
#[must_use = "nothing runs before `run` or `spawn`"]
pub struct Call<'a> {
    sandbox: &'a Sandbox,
    program: OsString,
    args: Vec<OsString>,
    env: Vec<(OsString, Option<OsString>)>,
    cwd: PathBuf,
    stdin: Option<Vec<u8>>,
    user: Option<u32>,
    groups: Vec<u32>,
    umask: Option<u32>,
    without_network: bool,
    through: Vec<OsString>,
    timeout: Duration,
}

/// A run under way.
pub struct Running {
    child: Child,
    command: String,
    started: Instant,
    timeout: Duration,
    out: [Stream; 2],
}

/// What comes out of a pipe, read by a thread.
struct Stream {
    bytes: Arc<Mutex<Vec<u8>>>,
    reader: JoinHandle<()>,
}

impl<'a> Call<'a> {
    pub(crate) fn new(sandbox: &'a Sandbox, program: &OsStr, words: &str) -> Call<'a> {
        Call {
            sandbox,
            program: program.to_owned(),
            args: words.split_whitespace().map(OsString::from).collect(),
            env: Vec::new(),
            cwd: sandbox.workspace(),
            stdin: None,
            user: None,
            groups: Vec::new(),
            umask: None,
            without_network: false,
            through: Vec::new(),
            timeout: TIMEOUT,
        }
    }

    /// Adds an argument as it is.
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Call<'a> {
        self.args.push(arg.as_ref().to_owned());
        self
    }

    pub fn args(mut self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Call<'a> {
        self.args.extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Call<'a> {
        self.env.push((name.as_ref().to_owned(), Some(value.as_ref().to_owned())));
        self
    }

    pub fn env_remove(mut self, name: impl AsRef<OsStr>) -> Call<'a> {
        self.env.push((name.as_ref().to_owned(), None));
        self
    }

    /// Puts a folder before all others on the PATH; relative to the sandbox's root.
    pub fn path_first(self, folder: impl AsRef<Path>) -> Call<'a> {
        let mut path = self.sandbox.path(folder).into_os_string();
        for (_, value) in self.sandbox.env.iter().filter(|(name, _)| name == "PATH") {
            path.push(":");
            path.push(value);
        }
        self.env("PATH", path)
    }

    /// Where to run; relative to the sandbox's root. The workspace, if not called.
    pub fn cwd(mut self, folder: impl AsRef<Path>) -> Call<'a> {
        self.cwd = self.sandbox.path(folder);
        self
    }

    /// Has another program run it, such as `nice -n 5`.
    pub fn through(mut self, words: &[&str]) -> Call<'a> {
        self.through = words.iter().map(OsString::from).collect();
        self
    }

    /// Has the system answer a call otherwise, as strace's `inject` does: `renameat2:error=EPERM`. The test needs
    /// `has = "strace"`.
    pub fn injected(self, rule: &str) -> Call<'a> {
        let strace = tools::find_on_path("strace").unwrap_or_else(|| panic!("no strace on PATH"));
        let (call, _) = rule.split_once(':').unwrap_or_else(|| panic!("no rule: {rule}"));
        let (trace, inject) = (format!("trace={call}"), format!("inject={rule}"));
        let strace = strace.to_string_lossy();
        self.through(&[&strace, "-f", "-qq", "-o", "/dev/null", "-e", &trace, "-e", &inject])
    }

    /// What the run reads; nothing, if not called.
    pub fn stdin(mut self, bytes: impl AsRef<[u8]>) -> Call<'a> {
        self.stdin = Some(bytes.as_ref().to_owned());
        self
    }

    /// Runs as this user with a home of his own. Needs root: the test needs `has = "setpriv"`.
    pub fn as_user(mut self, user: u32) -> Call<'a> {
        self.user = Some(user);
        self
    }

    /// Gives that user a further group.
    pub fn in_group(mut self, group: u32) -> Call<'a> {
        self.groups.push(group);
        self
    }

    /// Runs with this umask; with the one of the tests, if not called.
    pub fn umask(mut self, mask: u32) -> Call<'a> {
        self.umask = Some(mask);
        self
    }

    /// Runs where there is no network at all. The test needs `has = "unshare"`.
    pub fn without_network(mut self) -> Call<'a> {
        self.without_network = true;
        self
    }

    /// After which the run is killed and the test fails; five minutes, if not called.
    pub fn timeout(mut self, timeout: Duration) -> Call<'a> {
        self.timeout = timeout;
        self
    }

    /// Runs it to its end.
    #[track_caller]
    pub fn run(self) -> Run {
        self.spawn().wait()
    }

    /// Starts it, to be signalled or waited for.
    #[track_caller]
    pub fn spawn(self) -> Running {
        let mut command = self.command();
        let stdin = if self.stdin.is_some() { Stdio::piped() } else { Stdio::null() };
        // A group of its own, so that a run that hangs can be killed with all its children.
        command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        #[expect(unsafe_code, reason = "it runs between fork and exec, and only asks the system")]
        // SAFETY: `signal` may be called there, and nothing else is.
        unsafe {
            command.pre_exec(ignore_nothing);
        }
        let started = Instant::now();
        let line = self.line();
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{line}: {error}"));
        if let Some((bytes, mut pipe)) = self.stdin.zip(child.stdin.take()) {
            // Who does not read to the end is free not to.
            thread::spawn(move || pipe.write_all(&bytes));
        }
        let out = [Stream::read(child.stdout.take()), Stream::read(child.stderr.take())];
        Running { child, command: line, started, timeout: self.timeout, out }
    }

    fn command(&self) -> Command {
        let mut words = self.wrapper();
        words.push(self.program.clone());
        words.extend(self.args.iter().cloned());
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).current_dir(&self.cwd).env_clear();
        command.envs(self.sandbox.env.iter().map(|(name, value)| (name, value)));
        if let Some(user) = self.user {
            command.env("HOME", self.home_of(user));
        }
        for (name, value) in &self.env {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command
    }

    /// What stands before the program; all of it keeps its `argv[0]` and its process.
    fn wrapper(&self) -> Vec<OsString> {
        let find = |tool: &str| {
            let found = tools::find_on_path(tool).unwrap_or_else(|| panic!("no `{tool}` on PATH"));
            found.into_os_string()
        };
        let mut words = Vec::new();
        if self.without_network {
            words.extend([find("unshare"), "--net".into(), "--".into()]);
        }
        if let Some(user) = self.user {
            let ids = [format!("--reuid={user}"), format!("--regid={user}")].map(OsString::from);
            words.push(find("setpriv"));
            words.extend(ids);
            let groups: Vec<_> = self.groups.iter().map(u32::to_string).collect();
            words.push(match groups.is_empty() {
                true => "--clear-groups".into(),
                false => format!("--groups={}", groups.join(",")).into(),
            });
            words.push("--".into());
        }
        if let Some(mask) = self.umask {
            let script = format!("umask {mask:o} && exec \"$@\"");
            words.extend([find("sh"), "-c".into(), script.into(), "sh".into()]);
        }
        words.extend(self.through.iter().cloned());
        words
    }

    fn home_of(&self, user: u32) -> PathBuf {
        let home = format!("home.{user}");
        if !self.sandbox.path(&home).exists() {
            self.sandbox.mkdir(&home).copy("home/.gitconfig", format!("{home}/.gitconfig"));
            self.sandbox.chown(&home, user);
        }
        self.sandbox.path(home)
    }

    fn line(&self) -> String {
        let words = [&self.program].into_iter().chain(&self.args);
        words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
    }
}

/// What the tests' own parent ignores (`nohup`, a script's `&`) is not for the run to ignore.
fn ignore_nothing() -> io::Result<()> {
    for kind in [Signal::SIGHUP, Signal::SIGINT, Signal::SIGQUIT, Signal::SIGTERM] {
        #[expect(unsafe_code, reason = "a handler could do anything, and this is none")]
        // SAFETY: it takes handlers away, and adds none.
        unsafe {
            signal(kind, SigHandler::SigDfl)?;
        }
    }
    Ok(())
}

impl Running {
    /// The process started; the shim becomes the real lake under the same id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal to the process itself, not to its children.
    pub fn signal(&self, signal: Signal) -> &Running {
        kill(self.raw_pid(), signal).or_panic();
        self
    }

    /// Whether it has come to its end.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().or_panic().is_some()
    }

    /// Waits until something can be seen, such as a file that the run writes; fails after the time that runs have.
    #[track_caller]
    pub fn wait_until(&self, mut seen: impl FnMut() -> bool) -> &Running {
        let start = Instant::now();
        while !seen() {
            assert!(start.elapsed() < self.timeout, "still not seen: {}", self.command);
            thread::sleep(POLL);
        }
        self
    }

    /// Waits until it has printed this, on either stream.
    #[track_caller]
    pub fn wait_until_it_says(&self, text: &str) -> &Running {
        self.wait_until(|| self.out.iter().any(|stream| stream.so_far().contains(text)))
    }

    /// Waits for its end.
    #[track_caller]
    pub fn wait(mut self) -> Run {
        let status = loop {
            if let Some(status) = self.child.try_wait().or_panic() {
                break status;
            }
            if self.started.elapsed() > self.timeout {
                let _ = killpg(self.raw_pid(), Signal::SIGKILL);
                let _ = self.child.wait();
                let [stdout, stderr] = self.out.map(Stream::all);
                panic!(
                    "still running after {:?}: {}\n--- stdout\n{}--- stderr\n{}",
                    self.timeout,
                    self.command,
                    String::from_utf8_lossy(&stdout),
                    String::from_utf8_lossy(&stderr)
                );
            }
            thread::sleep(POLL);
        };
        let took = self.started.elapsed();
        Run::new(self.command, status, self.out.map(Stream::all), took)
    }

    fn raw_pid(&self) -> Pid {
        Pid::from_raw(self.child.id().cast_signed())
    }
}

impl Stream {
    fn read(pipe: Option<impl Read + Send + 'static>) -> Stream {
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let read = Arc::clone(&bytes);
        let reader = thread::spawn(move || {
            let mut chunk = [0; 8192];
            let Some(mut pipe) = pipe else { return };
            while let Ok(length @ 1..) = pipe.read(&mut chunk) {
                read.lock().or_panic().extend(&chunk[..length]);
            }
        });
        Stream { bytes, reader }
    }

    fn so_far(&self) -> String {
        String::from_utf8_lossy(&self.bytes.lock().or_panic()).into_owned()
    }

    fn all(self) -> Vec<u8> {
        let _ = self.reader.join();
        std::mem::take(&mut self.bytes.lock().or_panic())
    }
}
