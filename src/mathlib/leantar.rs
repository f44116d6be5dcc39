//! leantar, the tool that knows how a cache file is compressed: where it is, how to run it.
//!
//! It is not to be trusted with anything. It deletes an input that it takes for corrupt and exits
//! 0; one flipped bit can abort the whole run; it writes wherever its input says. So it is given
//! links instead of the store's files and an empty directory to write to, it runs confined, and what
//! it says about success is not asked.

use crate::ask::ask;
use crate::child::die_with_us;
use crate::confine::{Confinement, Needs, State};
use crate::error::hint;
use crate::interrupt::Interrupts;
use crate::programs::on_path;
use crate::read;
use crate::settings::{Confine, Environment, Settings, var};
use anyhow::{Context, Result, bail};
use fs_err as fs;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf, absolute};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::{self, Builder};
use std::time::Duration;

/// The tool, and how it is to be run.
#[derive(Clone, Debug)]
pub struct Leantar {
    path: PathBuf,
    confine: Confine,
    /// What the environment has it load.
    libraries: Vec<PathBuf>,
    version: Version,
}

/// One file to unpack.
#[derive(Clone, Debug)]
pub struct Item {
    /// A link that may be lost.
    pub file: PathBuf,
    /// What that leads to.
    pub source: PathBuf,
    /// What the paths inside the file are relative to.
    pub base: PathBuf,
}

/// What fits into a pipe. Bytes.
const PIPE: usize = 64 * 1024;
/// How long it may fill. This is how late the end of a run is noticed.
const NAP: Duration = Duration::from_millis(5);

/// What is seen of a run while it lasts.
#[derive(Debug)]
pub enum Progress {
    /// It is about to start, and is held like this.
    Held(State),
    /// So many files have been begun.
    Begun(usize),
}

/// How a run ended.
#[derive(Debug)]
pub struct Outcome {
    pub status: ExitStatus,
    /// What it printed to stderr, the first [`MAX_COMPLAINTS`] bytes.
    pub complaints: String,
}

/// More than this is a loop, not a message.
const MAX_COMPLAINTS: u64 = 1 << 20;

/// How much of what it says of a file is passed on. Characters.
const SHORT: usize = 300;

/// No path is longer.
const MAX_LINE: u64 = 1 << 16;

impl Outcome {
    /// Whether it went through its list: it exits 1 when a file was refused. Any other end (an
    /// abort, a panic, a signal) leaves an unknown part undone.
    pub fn finished(&self) -> bool {
        matches!(self.status.code(), Some(0 | 1))
    }

    /// What a dying program printed last usually says why: `: <line>`, or nothing.
    pub fn last_words(&self) -> String {
        let line = self.complaints.lines().rev().find(|line| !line.trim().is_empty());
        line.map(|line| format!(": {}", short(line))).unwrap_or_default()
    }
}

/// As much of a line as a reader wants to see.
pub fn short(line: &str) -> String {
    line.trim().chars().take(SHORT).collect()
}

/// A version such as `0.1.19`, compared number by number.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(Vec<u32>);

impl Version {
    /// `None` if `text` is anything else than numbers between dots.
    pub fn parse(text: &str) -> Option<Self> {
        text.split('.').map(|part| part.parse().ok()).collect::<Option<_>>().map(Self)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts: Vec<_> = self.0.iter().map(u32::to_string).collect();
        f.write_str(&parts.join("."))
    }
}

/// Where leantar may be, best first: beside the toolchain's lean, in the stores, where the stock tool keeps its
/// own, and on PATH.
pub fn candidates(
    toolchain_bin: Option<&Path>,
    stores: &[PathBuf],
    env: &Environment,
) -> Vec<PathBuf> {
    let in_toolchain = toolchain_bin.map(|bin| bin.join("leantar")).filter(|path| path.exists());
    let cache = env.user_cache();
    let in_stores = stores.iter().chain(&cache).flat_map(|dir| of_store(dir));
    let found = in_toolchain.into_iter().chain(in_stores).chain(on_path("leantar"));
    let mut unique = Vec::new();
    for path in found.filter_map(|path| absolute(path).ok()) {
        if !unique.contains(&path) {
            unique.push(path);
        }
    }
    unique
}

/// The files called `leantar-<version>` in a cache directory, the highest version first.
pub fn of_store(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten().filter_map(Result::ok);
    let mut versions: Vec<_> = entries
        .filter_map(|entry| {
            let name = entry.file_name();
            let version = name.to_str()?.strip_prefix("leantar-")?;
            Some((Version::parse(version)?, entry.path()))
        })
        .collect();
    versions.sort();
    versions.into_iter().rev().map(|(_, path)| path).collect()
}

/// Leantars that were found to be of no use, with the reason.
pub type Unfit = BTreeMap<PathBuf, String>;

/// The first of `candidates` that can unpack what needs `at_least` that version, and is none of `useless`.
///
/// # Errors
/// Says of every candidate why it is not fit.
pub fn choose(
    candidates: &[PathBuf],
    at_least: Option<&Version>,
    settings: &Settings,
    useless: &Unfit,
) -> Result<Leantar, Vec<String>> {
    let mut unfit = Vec::new();
    for path in candidates {
        match Leantar::fit(path, at_least, settings, useless) {
            Ok(leantar) => return Ok(leantar),
            Err(reason) => unfit.push(format!("`{}` {reason}", path.display())),
        }
    }
    Err(unfit)
}

/// `true` for an ELF file of another processor, which the C library would hand to a shell.
fn is_foreign(path: &Path) -> bool {
    let own: u16 = if cfg!(target_arch = "x86_64") { 62 } else { 183 };
    let mut head = [0; 20];
    let is_read = read::open(path).and_then(|mut file| file.read_exact(&mut head)).is_ok();
    is_read && head.starts_with(b"\x7fELF") && u16::from_le_bytes([head[18], head[19]]) != own
}

impl Leantar {
    pub fn new(path: PathBuf, settings: &Settings) -> Self {
        let (confine, libraries) = (settings.confine, settings.libraries.clone());
        Self { path, confine, libraries, version: Version::default() }
    }

    /// The leantar at `path`, which is none of `useless`, asked for its version as it will be run.
    ///
    /// # Errors
    /// Says why it cannot be used, in words that follow its path.
    pub fn fit(
        path: &Path,
        at_least: Option<&Version>,
        settings: &Settings,
        useless: &Unfit,
    ) -> Result<Self, String> {
        if let Some(reason) = useless.get(path) {
            return Err(reason.clone());
        }
        let meta = fs::metadata(path).map_err(|e| match e.kind() {
            io::ErrorKind::NotFound => "is not there".to_owned(),
            kind => format!("cannot be looked at: {kind}"),
        })?;
        if !meta.is_file() {
            return Err("is not a file".to_owned());
        }
        if meta.permissions().mode() & 0o111 == 0 {
            return Err("is not executable".to_owned());
        }
        if is_foreign(path) {
            return Err("is a program for another processor".to_owned());
        }
        let path = absolute(path).map_err(|e| e.to_string())?;
        let mut leantar = Self::new(path.clone(), settings);
        // Reading itself shows if the rules hold at all.
        let command = leantar.command(vec![&path], &[]);
        let (mut command, _) = command
            .map_err(|e| format!("is not run: {}", e.to_string().replace("\nhint: ", "; ")))?;
        let answer = ask(command.arg("--version"))?;
        let version =
            answer.strip_prefix("leantar ").and_then(|rest| rest.split_whitespace().next());
        let version = version.and_then(Version::parse).ok_or("is not a leantar")?;
        if let Some(at_least) = at_least.filter(|at_least| version < **at_least) {
            return Err(format!("is {version}, and this mathlib needs {at_least}"));
        }
        leantar.version = version;
        Ok(leantar)
    }

    pub fn version(&self) -> &Version {
        &self.version
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Unpacks `items`, which may write in `rooms`. It runs in the first of them, where files and bases
    /// are, or links to where they are.
    ///
    /// # Errors
    /// When leantar cannot be run at all, or we are told to stop. How it fared is in the [`Outcome`].
    pub fn unpack(
        &self,
        jobs: usize,
        items: &[Item],
        rooms: &[&Path],
        interrupts: &Interrupts,
        watch: &mut dyn FnMut(Progress),
    ) -> Result<Outcome> {
        let sources = items.iter().map(|item| item.source.as_path()).collect();
        let room = *rooms.first().context("leantar needs a place to write")?;
        let (mut command, state) = self.command(sources, rooms)?;
        watch(Progress::Held(state));
        command
            .current_dir(room)
            .args(["--jobs", &jobs.to_string(), "-v", "-x", "-j", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // With what it starts, for it may be a script, and what that starts would hold the pipes.
            .process_group(0);
        die_with_us(&mut command);
        let mut child = command.spawn().with_context(|| match room.is_dir() {
            true => self.cannot_run(),
            false => format!("`{}` is gone, where leantar was to work", room.display()),
        })?;
        interrupts.while_waiting(&mut child, |child| {
            let complaints =
                talk(child, &list(items, room), &mut |count| watch(Progress::Begun(count)))?;
            let status = child.wait().with_context(|| format!("lost `{}`", self.path.display()))?;
            Ok(Outcome { status, complaints })
        })
    }

    /// A command that runs leantar so that it can read `read` and write in `rooms`, and how well it
    /// is held to that.
    ///
    /// # Errors
    /// When it has to be held, and cannot be.
    pub fn command(&self, read: Vec<&Path>, rooms: &[&Path]) -> Result<(Command, State)> {
        let (command, state) = self.command_however_held(read, rooms);
        match &state {
            State::Free(reason) if self.confine == Confine::Always => bail!(hint(
                format!("leantar cannot be confined: {reason}"),
                format!("set `{}` to `auto` to run it all the same", var::CONFINE),
            )),
            _ => Ok((command, state)),
        }
    }

    /// As [`Leantar::command`], for those who only want to know.
    pub fn command_however_held(&self, read: Vec<&Path>, rooms: &[&Path]) -> (Command, State) {
        let confinement = match self.confine {
            Confine::Never => Confinement::none(format!("`{}` is `never`", var::CONFINE)),
            Confine::Auto | Confine::Always => Confinement::new(&Needs {
                program: &self.path,
                libraries: &self.libraries,
                read,
                write: rooms.into(),
            }),
        };
        let state = confinement.state().clone();
        let mut command = Command::new(&self.path);
        // leantar 0.1.18 writes there first.
        if let Some(room) = rooms.first() {
            command.env("TMPDIR", room);
        }
        confinement.hold(&mut command);
        (command, state)
    }

    pub fn cannot_run(&self) -> String {
        format!("cannot run `{}`", self.path.display())
    }
}

/// Gives `child` its list and listens until it closes its output. What it printed to stderr.
fn talk(child: &mut Child, list: &str, begun: &mut dyn FnMut(usize)) -> Result<String> {
    let stdin = child.stdin.take();
    let stdout = child.stdout.take();
    let stderr = child.stderr.take();
    thread::scope(|scope| {
        let spoken = Builder::new().spawn_scoped(scope, move || {
            // A leantar that died early leaves a broken pipe; its exit status tells.
            stdin.map(|mut stdin| stdin.write_all(list.as_bytes()))
        });
        let complaints = Builder::new().spawn_scoped(scope, move || {
            let mut text = Vec::new();
            if let Some(stderr) = stderr {
                let mut stderr = BufReader::new(stderr);
                let _ = stderr.by_ref().take(MAX_COMPLAINTS).read_to_end(&mut text);
                let _ = io::copy(&mut stderr, &mut io::sink());
            }
            String::from_utf8_lossy(&text).into_owned()
        });
        let complaints = match spoken.and(complaints) {
            Ok(complaints) => complaints,
            Err(e) => {
                child.kill()?; // it would wait for us
                return Err(e).context("cannot start a thread to talk to leantar");
            }
        };
        if let Some(stdout) = stdout {
            count_begun(stdout, begun);
        }
        Ok(complaints.join().unwrap_or_default())
    })
}

/// With `-v` it prints `unpacking <file>` as it begins one, among much else. A line without an end is
/// taken in pieces.
fn count_begun(stdout: impl Read, begun: &mut dyn FnMut(usize)) {
    let mut stdout = BufReader::with_capacity(PIPE, Unhurried(stdout));
    let mut line = Vec::new();
    let mut count = 0;
    while matches!(stdout.by_ref().take(MAX_LINE).read_until(b'\n', &mut line), Ok(1..)) {
        if line.starts_with(b"unpacking ") {
            count += 1;
            begun(count);
        }
        line.clear();
    }
}

/// Lets what is to be read pile up: to be woken for every line costs both sides more than the line.
struct Unhurried<R>(R);

impl<R: Read> Read for Unhurried<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.0.read(buffer)?;
        if (1..buffer.len()).contains(&n) {
            thread::sleep(NAP);
        }
        Ok(n)
    }
}

/// The list that `-j -` reads, for a run in `room`.
fn list(items: &[Item], room: &Path) -> String {
    let told = |path: &PathBuf| told(path, room).to_string_lossy().into_owned();
    let item = |item: &Item| json!({"file": told(&item.file), "base": told(&item.base)});
    Value::Array(items.iter().map(item).collect()).to_string()
}

/// How a leantar that runs in `room` is told of `path`: it knows no path that is not UTF-8, but then
/// one from where it is.
pub fn told<'a>(path: &'a Path, room: &Path) -> &'a Path {
    match path.strip_prefix(room) {
        Ok(inside) if path.to_str().is_none() => inside,
        _ => path,
    }
}
