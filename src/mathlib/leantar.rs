//! leantar, the tool that knows how a cache file is compressed: where it is, how to run it.
//!
//! It is not to be trusted with anything. It deletes an input that it takes for corrupt and exits
//! 0; one flipped bit can abort the whole run; it writes wherever its input says. So it is given
//! links instead of the store's files and an empty directory to write to, it runs confined, and what
//! it says about success is not asked.

use crate::child::die_with_us;
use crate::confine::{Confinement, Needs, State};
use crate::error::hint;
use crate::interrupt::Interrupts;
use crate::programs::on_path;
use crate::settings::{Confine, Environment, Settings, var};
use anyhow::{Context, Result, bail};
use fs_err as fs;
use serde_json::{Value, json};
use std::io::{self, BufRead, BufReader, Read, Write};
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

/// Finds leantar: `named`, then beside the toolchain's lean, in the stores, on PATH, and where the
/// stock tool keeps its own.
pub fn find(
    named: Option<&Path>,
    toolchain_bin: Option<&Path>,
    stores: &[PathBuf],
    env: &Environment,
) -> Option<PathBuf> {
    let in_toolchain = toolchain_bin.map(|bin| bin.join("leantar")).filter(|path| path.is_file());
    let found = named.map(Path::to_owned).or(in_toolchain);
    let found = found
        .or_else(|| stores.iter().find_map(|store| newest_in(store)))
        .or_else(|| on_path("leantar").next())
        .or_else(|| newest_in(&env.user_cache()?));
    // A bare name would be looked for on PATH.
    absolute(found?).ok()
}

/// The `leantar-<version>` with the highest version in a cache directory.
fn newest_in(dir: &Path) -> Option<PathBuf> {
    let version = |name: &str| -> Option<Vec<u32>> {
        let version = name.strip_prefix("leantar-")?;
        version.split('.').map(|part| part.parse().ok()).collect()
    };
    let entries = fs::read_dir(dir).ok()?.filter_map(Result::ok);
    let versions = entries.filter_map(|e| Some((version(e.file_name().to_str()?)?, e.path())));
    versions.max().map(|(_, path)| path)
}

impl Leantar {
    pub fn new(path: PathBuf, settings: &Settings) -> Self {
        Self { path, confine: settings.confine, libraries: settings.libraries.clone() }
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
            .stderr(Stdio::piped());
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
