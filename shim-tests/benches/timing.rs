//! Programs that take turns under hyperfine, and how much memory they need.

use crate::lab::Lab;
use anyhow::{Context, Result, bail, ensure};
use fs_err as fs;
use serde_json::Value;
use std::collections::BTreeMap;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};
use std::time::Duration;

/// How often a process is asked what memory it has had at most.
const LOOK_EVERY: Duration = Duration::from_millis(2);
const TRIES: usize = 50;

/// A command and what is done before each of its runs.
#[derive(Clone, Debug)]
pub struct Contender {
    pub name: &'static str,
    /// As hyperfine takes it, without a shell.
    pub command: String,
    pub prepare: Option<String>,
}

impl Contender {
    pub fn new(name: &'static str, command: impl Into<String>) -> Self {
        Self { name, command: command.into(), prepare: None }
    }

    pub fn prepared_by(self, prepare: impl Into<String>) -> Self {
        Self { prepare: Some(prepare.into()), ..self }
    }
}

/// How long the runs of one contender took.
#[derive(Clone, Debug)]
pub struct Runs {
    pub name: &'static str,
    /// Sorted.
    pub seconds: Vec<f64>,
}

impl Runs {
    pub fn median(&self) -> f64 {
        self.quantile(0.5)
    }

    /// By linear interpolation between runs.
    pub fn quantile(&self, part: f64) -> f64 {
        let place = part * (self.seconds.len() - 1) as f64;
        let (below, above) = (place.floor() as usize, place.ceil() as usize);
        let between = place - place.floor();
        self.seconds[below] * (1.0 - between) + self.seconds[above] * between
    }
}

/// How often contenders take turns, and how many runs a turn has.
#[derive(Clone, Copy, Debug)]
pub struct Turns {
    pub rounds: usize,
    pub runs: usize,
    pub warmup: usize,
}

/// Runs the contenders in turns, another one first in each round, so that what one leaves behind
/// (dirty pages, a warm cache, a hot processor) falls on all of them.
pub fn in_turns(lab: &Lab, contenders: &[Contender], turns: Turns) -> Result<Vec<Runs>> {
    let mut all: Vec<Runs> =
        contenders.iter().map(|c| Runs { name: c.name, seconds: Vec::new() }).collect();
    for round in 0..turns.rounds {
        for turn in 0..contenders.len() {
            let i = (round + turn) % contenders.len();
            all[i].seconds.extend(hyperfine(lab, &contenders[i], turns)?);
        }
    }
    all.iter_mut().for_each(|runs| runs.seconds.sort_by(f64::total_cmp));
    Ok(all)
}

fn hyperfine(lab: &Lab, contender: &Contender, turns: Turns) -> Result<Vec<f64>> {
    let export = lab.work.join("hyperfine.json");
    let mut command = lab.command("hyperfine");
    command.args(["--shell=none", "--style=none"]);
    command.args(["--runs", &turns.runs.to_string(), "--warmup", &turns.warmup.to_string()]);
    command.arg("--export-json").arg(&export);
    if let Some(prepare) = &contender.prepare {
        command.args(["--prepare", prepare]);
    }
    let output = command.arg(&contender.command).output().context("cannot run `hyperfine`")?;
    if !output.status.success() {
        // hyperfine keeps to itself what the command said.
        bail!("`{}` failed; once more: {}", contender.command, last_words(lab, contender)?);
    }
    let json: Value = serde_json::from_slice(&fs::read(export)?)?;
    let times = json["results"][0]["times"].as_array().context("hyperfine reports no times")?;
    times.iter().map(|time| time.as_f64().context("a time is a number")).collect()
}

/// What a contender says on stderr, with the state that it ends in.
fn last_words(lab: &Lab, contender: &Contender) -> Result<String> {
    prepare(lab, contender)?;
    let output = command(lab, &contender.command)?.output()?;
    Ok(format!("{}, {}", output.status, String::from_utf8_lossy(&output.stderr)))
}

fn prepare(lab: &Lab, contender: &Contender) -> Result<()> {
    if let Some(prepare) = &contender.prepare {
        ensure!(command(lab, prepare)?.status()?.success(), "`{prepare}` failed");
    }
    Ok(())
}

/// A command as hyperfine takes it.
fn command(lab: &Lab, line: &str) -> Result<Command> {
    let mut words = line.split_whitespace();
    let mut command = lab.command(words.next().context("a command has a name")?);
    command.args(words);
    Ok(command)
}

/// Runs a contender once more, or more often when it is too quick to be seen. The most memory that
/// those of its programs had whose names are `counted`, in bytes; of several with one name, the
/// largest.
pub fn peak_memory(lab: &Lab, contender: &Contender, counted: fn(&str) -> bool) -> Result<u64> {
    for _ in 0..TRIES {
        let peak = watched(lab, contender, counted)?;
        if peak > 0 {
            return Ok(peak);
        }
    }
    bail!("`{}` is over before anybody can look", contender.command)
}

fn watched(lab: &Lab, contender: &Contender, counted: fn(&str) -> bool) -> Result<u64> {
    prepare(lab, contender)?;
    let mut command = command(lab, &contender.command)?;
    let mut child = command.process_group(0).stdout(Stdio::null()).spawn()?;
    let mut peaks: BTreeMap<String, u64> = BTreeMap::new();
    loop {
        for (name, bytes) in memory_of_group(child.id()) {
            let peak = peaks.entry(name).or_default();
            *peak = bytes.max(*peak);
        }
        if let Some(status) = child.try_wait()? {
            ensure!(status.success(), "`{}` failed", contender.command);
            return Ok(peaks.iter().filter(|(name, _)| counted(name)).map(|(_, peak)| peak).sum());
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

/// The shim, without what it starts.
pub fn is_shim(name: &str) -> bool {
    matches!(name, "lake" | "lake-shim")
}

/// All but the shells that start the others.
pub fn is_program(name: &str) -> bool {
    !matches!(name, "sh" | "dash" | "bench")
}

/// Names and `VmHWM` of the processes in a group.
fn memory_of_group(group: u32) -> Vec<(String, u64)> {
    let entries = fs::read_dir("/proc").into_iter().flatten().filter_map(Result::ok);
    let of = |entry: fs::DirEntry| {
        let dir = entry.path();
        // `<pid> (<name>) <state> <parent> <group> …`; the name may hold anything.
        let stat = fs::read_to_string(dir.join("stat")).ok()?;
        let mut fields = stat.rsplit_once(") ")?.1.split(' ');
        (fields.nth(2)?.parse() == Ok(group)).then_some(())?;
        let status = fs::read_to_string(dir.join("status")).ok()?;
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            Some(line.trim_matches([':', '\t', ' ']).to_owned())
        };
        let kilobytes: u64 = field("VmHWM")?.strip_suffix(" kB")?.parse().ok()?;
        Some((field("Name")?, kilobytes * 1024))
    };
    entries.filter_map(of).collect()
}
