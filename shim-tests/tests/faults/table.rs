//! What came of it all, as a table.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use shim_tests::tools;

use crate::args::Args;
use crate::broken::Noticed;
use crate::row::Outcome;
use crate::verdict::Kind;

pub struct Table<'a> {
    pub args: &'a Args,
    pub outcomes: Vec<Outcome>,
    pub broken: Vec<Noticed>,
    pub took: Duration,
    /// What was run, as [`commit`] told at the start.
    pub commit: String,
}

impl Table<'_> {
    /// Whether there is nothing that must not be, and every shim that was broken on purpose was noticed.
    pub fn is_clean(&self) -> bool {
        self.outcomes.iter().all(|outcome| outcome.found.is_empty())
            && self.broken.iter().all(|noticed| noticed.by.is_some())
    }

    /// The faults that struck nowhere at all, whose rows prove nothing.
    pub fn unmet(&self) -> Vec<String> {
        let mut names: Vec<_> = crate::fault::all().iter().map(|fault| fault.name()).collect();
        let is_met = |name: &String| self.outcomes.iter().any(|o| o.fault == *name && o.met > 0);
        names.retain(|name| !is_met(name));
        names
    }

    /// In a line.
    pub fn summary(&self) -> String {
        let rounds: u64 = self.outcomes.iter().map(|outcome| outcome.rounds).sum();
        let met: u64 = self.outcomes.iter().map(|outcome| outcome.met).sum();
        let kinds = Kind::ALL.map(|kind| format!(", {} {kind}", self.sum(&self.outcomes, kind)));
        let seconds = self.took.as_secs();
        format!("{rounds} rounds in {seconds} s, {met} met their fault{}", kinds.concat())
    }

    /// `RELIABILITY.md`.
    pub fn markdown(&self) -> String {
        let mut out = String::new();
        let _ = write!(out, "{}", include_str!("reliability-head.md"));
        let _ = writeln!(out, "\n## This run\n\n{}", self.circumstances());
        let _ = writeln!(out, "\n## By fault\n\n{}", self.by_fault());
        let _ = writeln!(out, "\n## Where they were met\n\n{}", self.matrix());
        if !self.broken.is_empty() {
            let _ = writeln!(out, "\n## Broken on purpose\n\n{}", self.broken());
        }
        out
    }

    fn circumstances(&self) -> String {
        let form = self.args.form.of("short", "long");
        let leantar = tools::real_leantar();
        let leantar =
            leantar.map_or("the suite's own stand-in".to_owned(), |_| "a real one".to_owned());
        let rounds = match self.args.rounds {
            u64::MAX => "as many rounds a row as the form has".to_owned(),
            most => format!("at most {most} rounds a row (`--rounds {most}`)"),
        };
        let seed = self.args.seed;
        let lines = [
            format!("- {}, {form} form, {rounds}, `SHIM_FAULT_SEED={seed}`", self.summary()),
            format!("- {} of commit {}", said("date", &["-u", "+%F %H:%M UTC"]), self.commit),
            format!("- {}", machine()),
            format!("- leantar is {leantar}"),
        ];
        lines.join("\n")
    }

    fn by_fault(&self) -> String {
        let mut out = "| fault | rounds | of ways | met | lost | half-published | not whole after | unsound | mute | message |\n\
                       |---|--:|--:|--:|--:|--:|--:|--:|--:|---|\n"
            .to_owned();
        for fault in self.faults() {
            let of: Vec<_> = self.outcomes.iter().filter(|o| o.fault == fault).collect();
            let rounds: u64 = of.iter().map(|outcome| outcome.rounds).sum();
            let ways: Option<u64> = of.iter().map(|outcome| outcome.ways).sum();
            let ways = ways.map(|ways| ways.to_string()).unwrap_or_default();
            let met: u64 = of.iter().map(|outcome| outcome.met).sum();
            let counts = Kind::ALL.map(|kind| {
                let count: usize = of.iter().map(|outcome| outcome.count(kind)).sum();
                format!(" {count} |")
            });
            let message = of.iter().find_map(|outcome| outcome.message.as_deref());
            let message = message.map(cell).unwrap_or_default();
            let _ = writeln!(
                out,
                "| {fault} | {rounds} | {ways} | {met} |{} {message} |",
                counts.concat()
            );
        }
        out
    }

    /// Rounds that met their fault, by operation.
    fn matrix(&self) -> String {
        let mut operations: Vec<&str> = Vec::new();
        for operation in crate::operation::ALL.iter().map(|operation| operation.name) {
            if self.outcomes.iter().any(|outcome| outcome.operation == operation) {
                operations.push(operation);
            }
        }
        let mut out = String::new();
        for (n, operation) in operations.iter().enumerate() {
            let _ = writeln!(out, "{}. {operation}", n + 1);
        }
        let numbers: String = (1..=operations.len()).map(|n| format!(" {n} |")).collect();
        let _ = writeln!(out, "\n| fault |{numbers}\n|---|{}", "--:|".repeat(operations.len()));
        for fault in self.faults() {
            let met = operations.iter().map(|operation| {
                let is_it = |o: &&Outcome| o.fault == fault && o.operation == *operation;
                self.outcomes
                    .iter()
                    .find(is_it)
                    .map_or(" |".to_owned(), |o| format!(" {} |", o.met))
            });
            let _ = writeln!(out, "| {fault} |{}", met.collect::<String>());
        }
        out
    }

    fn broken(&self) -> String {
        let mut out =
            "| what was broken | where it was looked for | noticed |\n|---|---|---|\n".to_owned();
        for Noticed { name, row, by } in &self.broken {
            let by = by.as_deref().map_or("**not at all**".to_owned(), cell);
            let _ = writeln!(out, "| {name} | {row} | {by} |");
        }
        out
    }

    /// Their names, in the order in which they are listed.
    fn faults(&self) -> Vec<String> {
        let names = crate::fault::all().iter().map(|fault| fault.name()).collect::<Vec<_>>();
        names.into_iter().filter(|name| self.outcomes.iter().any(|o| o.fault == *name)).collect()
    }

    fn sum(&self, outcomes: &[Outcome], kind: Kind) -> usize {
        outcomes.iter().map(|outcome| outcome.count(kind)).sum()
    }
}

/// A text in a cell: on one line, and names of temporary directories made alike.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

/// HEAD, and whether the tree is it.
pub fn commit() -> String {
    let head = said("git", &["rev-parse", "--short=10", "HEAD"]);
    let changed =
        said("git", &["status", "--porcelain", "--untracked-files=no", "--", "src", "shim-tests"]);
    let note = if changed.is_empty() { "" } else { ", with changes that are not committed" };
    format!("{head}{note}")
}

fn machine() -> String {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let model = model.map_or("an unknown processor", |(_, model)| model);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let kernel = said("uname", &["-sr"]);
    let tmp = std::env::temp_dir();
    let disk = said("stat", &["-f", "-c", "%T", &tmp.display().to_string()]);
    format!("{model}, {cores} cores, {kernel}, sandboxes on {disk}")
}

/// What a command prints, run beside the sources.
fn said(program: &str, args: &[&str]) -> String {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let output = Command::new(program).args(args).current_dir(top).output();
    output.map_or(String::new(), |output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
