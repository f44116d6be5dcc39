//! What the figures were taken on, and how quiet it was.

use crate::lab::Lab;
use anyhow::Result;
use fs_err as fs;
use std::path::Path;
use std::time::Instant;

/// What the kernel counts processor time in, a second (`USER_HZ`).
const TICKS: f64 = 100.0;

/// How busy the processors were up to a moment.
pub struct Busy {
    when: Instant,
    /// Seconds, of all processes and of ours.
    all: f64,
    ours: f64,
}

impl Busy {
    pub fn now() -> Result<Self> {
        let seconds = |text: &str, fields: &[usize]| {
            let numbers: Vec<f64> =
                text.split(' ').filter_map(|field| field.parse().ok()).collect();
            fields.iter().filter_map(|&field| numbers.get(field)).sum::<f64>() / TICKS
        };
        // `cpu  user nice system idle iowait irq softirq steal …`
        let all = fs::read_to_string("/proc/stat")?;
        let all = seconds(all.lines().next().unwrap_or_default(), &[0, 1, 2, 5, 6, 7]);
        // `<pid> (<name>) <state> …`: user, system, and those of children that were waited for.
        let ours = fs::read_to_string("/proc/self/stat")?;
        let ours = seconds(ours.rsplit_once(") ").unwrap_or_default().1, &[10, 11, 12, 13]);
        Ok(Self { when: Instant::now(), all, ours })
    }

    /// What part of the processors' time went to processes that are not ours.
    pub fn others_since(&self) -> Result<f64> {
        let now = Self::now()?;
        let cores = std::thread::available_parallelism()?.get() as f64;
        let there = (now.when - self.when).as_secs_f64() * cores;
        Ok((((now.all - self.all) - (now.ours - self.ours)) / there).clamp(0.0, 1.0))
    }
}

/// The machine and the programs, as rows of name and value.
pub fn describe(lab: &Lab, repository: &Path) -> Result<Vec<(&'static str, String)>> {
    let cores = std::thread::available_parallelism()?.get();
    let cpu = field("/proc/cpuinfo", "model name").unwrap_or_default();
    let memory = field("/proc/meminfo", "MemTotal").unwrap_or_default();
    let memory: f64 = memory.trim_end_matches(" kB").parse().unwrap_or(0.0);
    let system = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let system = system.lines().find_map(|line| line.strip_prefix("PRETTY_NAME=")).unwrap_or("?");
    let first = |program: &str, args: &[&str]| -> Result<String> {
        let printed = lab.run(repository, program, args)?;
        Ok(printed.lines().next().unwrap_or_default().to_owned())
    };
    let safe = format!("safe.directory={}", repository.display());
    let changed = first("git", &["-c", &safe, "status", "--porcelain", "--untracked-files=no"])?;
    let changed = if changed.is_empty() { "" } else { ", and changes to it" };
    let commit = first("git", &["-c", &safe, "rev-parse", "--short=12", "HEAD"])? + changed;
    let leantar = match lab.leantar.is_fake() {
        true => "the tests' stand-in: the figures that use it mean nothing".to_owned(),
        false => first(&lab.leantar.0.display().to_string(), &["--version"])?,
    };
    let versions = [
        first("git", &["--version"])?,
        first("zstd", &["--version"])?.trim_matches('*').trim().to_owned(),
        first("tar", &["--version"])?,
        first("elan", &["--version"])?,
        first("hyperfine", &["--version"])?,
    ];
    let work = lab.work.display().to_string();
    Ok(vec![
        ("date", first("date", &["--utc", "+%Y-%m-%d %H:%M UTC"])?),
        ("shim", format!("commit {commit}")),
        ("processor", format!("{cores} cores, {cpu}")),
        ("memory", format!("{:.0} GiB", memory / f64::from(1 << 20))),
        ("system", format!("{}, Linux {}", system.trim_matches('"'), first("uname", &["-r"])?)),
        ("file system", first("stat", &["--file-system", "--format=%T", &work])?),
        ("leantar", leantar),
        ("programs", versions.join("; ")),
    ])
}

/// The first `name : value` of a file in `/proc`.
fn field(path: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}
