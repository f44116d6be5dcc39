//! What people and programs get to see.
//!
//! Everything here goes to stderr, except the data that a `lake-shim` command was called for. On a
//! terminal a restore shows a bar; elsewhere (a CI log) it prints a line now and then.

mod outcome;
mod pulse;

pub use outcome::{outcome_json, plan_json};

use crate::doctor::render::Page;
use crate::error::{advice, clean};
use crate::programs::NoProgram;
use crate::restore::Event;
use crate::settings::{Environment, Log, var};
use crate::store::verify::Found;
use crate::workspace::link::{Linked, Unlinked};
use crate::workspace::manifest::Manifest;
use anyhow::{Context, Result};
use indicatif::{HumanBytes, ProgressBar, ProgressDrawTarget, ProgressStyle};
use pulse::Pulse;
use std::cell::RefCell;
use std::error::Error;
use std::fmt::Display;
use std::io::{self, IsTerminal, Write};
use std::path::Path;
use terminal_size::terminal_size_of;

/// How many names a list shows before it says how many more there are.
const SHOWN: usize = 10;
const BYTES: &str = "lake-shim: {msg} {bytes}/{total_bytes} ({bytes_per_sec})";
const BAR: &str = "lake-shim: {msg} {bar:30} {pos}/{len} ({per_sec}, {eta} left)";

/// Shows what happens.
pub struct Report {
    log: Log,
    /// Bytes of packs. Counted by many threads, so it is always there, and shown when it is due.
    bytes: ProgressBar,
    /// When a log that is no terminal gets its next line.
    pulse: Pulse,
    bar: RefCell<Option<Bar>>,
}

/// Progress of one stretch of work, as a bar or as lines.
struct Bar {
    shown: ProgressBar,
    is_terminal: bool,
    total: usize,
}

impl Report {
    /// A report at the level that `env` asks for; at the default level when that is no level.
    pub fn new(env: &Environment) -> Self {
        Self::at(Log::of(env).unwrap_or(Log::Info))
    }

    pub fn at(log: Log) -> Self {
        let bytes = ProgressBar::hidden();
        bytes.set_style(
            ProgressStyle::with_template(BYTES).unwrap_or_else(|_| ProgressStyle::default_bar()),
        );
        Self { log, bytes, pulse: Pulse::new(), bar: RefCell::new(None) }
    }

    /// Counts bytes of packs, from any thread.
    pub fn count_bytes(&self) -> impl Fn(u64) + Sync + use<> {
        let (bytes, pulse) = (self.bytes.clone(), self.pulse.clone());
        let is_log = self.log >= Log::Info && !io::stderr().is_terminal();
        move |n| {
            bytes.inc(n);
            if is_log && pulse.is_due() {
                print(&format!("{}: {} so far", bytes.message(), HumanBytes(bytes.position())));
            }
        }
    }

    /// Says what is worked on. On a terminal with bytes and rate, of `total` if that is known.
    pub fn start_bytes(&self, what: &str, total: Option<u64>) {
        self.end_bar();
        if self.log < Log::Info {
            return;
        }
        self.bytes.reset();
        self.bytes.set_message(what.to_owned());
        if !io::stderr().is_terminal() {
            print(what);
            self.pulse.reset();
            return;
        }
        match total {
            Some(total) => self.bytes.set_length(total),
            None => self.bytes.unset_length(),
        }
        self.bytes.set_draw_target(ProgressDrawTarget::stderr());
    }

    /// Something went wrong that does not stop us.
    pub fn warn(&self, error: &anyhow::Error) {
        self.end_bar();
        print(&format!("warning: {}", message(error)));
    }

    /// What a command has to say besides its data.
    pub fn info(&self, text: &str) {
        self.say(text);
    }

    /// What was found of a store, for one lock, and what to do if it is not whole.
    pub fn found(&self, found: &Found, store: &Path, hint: &str) {
        let Found { covered, present, packs, .. } = found;
        let lock = found.lock.as_ref().map(|lock| format!(", lock {lock}")).unwrap_or_default();
        let faults = found.corrupt.iter().chain(&found.bad_packs);
        let faults: Vec<_> = faults.map(|(name, why)| format!("{name}: {why}")).collect();
        if !found.missing.is_empty() {
            print(&format!("{} missing", count(found.missing.len(), "module")));
            print_some(found.missing.iter().cloned(), found.missing.len());
        }
        if !faults.is_empty() {
            print("not what it should be:");
            print_some(faults.iter().cloned(), faults.len());
        }
        if let Some(why) = &found.no_leantar {
            print(&format!("no leantar unpacks it: {why}"));
        }
        if !found.is_whole() {
            print(&format!("hint: {hint}"));
        }
        let whole = if found.is_whole() { "whole" } else { "not whole" };
        self.say(format_args!(
            "`{}`{lock} is {whole}: {present} of {} there, {} whole",
            store.display(),
            count(*covered, "covered module"),
            count(*packs, "pack"),
        ));
    }

    fn say(&self, text: impl Display) {
        if self.log >= Log::Info {
            self.end_bar();
            print(&text.to_string());
        }
    }

    pub fn linked(&self, linked: &Linked, packages_dir: &Path, shared: &Path) {
        let (link, there) = (packages_dir.display(), shared.display());
        match linked {
            Linked::Already | Linked::Private | Linked::Left { .. } => {}
            Linked::Now { moved } if moved.is_empty() => {
                self.say(format_args!("linked `{link}` to `{there}`"));
            }
            Linked::Now { moved } => self.say(format_args!(
                "linked `{link}` to `{there}`, after moving {} there",
                quoted(moved)
            )),
        }
    }

    /// The packages directory is not a link, and stays what it is.
    pub fn left_unlinked(&self, packages_dir: &Path, shared: &Path, reason: &str) {
        self.end_bar();
        print(&format!(
            "warning: `{}` is not linked to `{}`: {reason}\nhint: nothing was moved. `{}=1` keeps it so for \
             good; else remove what is in the way, and it is linked next time",
            packages_dir.display(),
            shared.display(),
            var::PRIVATE,
        ));
    }

    /// The workspace has a packages directory of its own now.
    pub fn unlinked(&self, unlinked: &Unlinked, packages_dir: &Path) {
        let Unlinked { shared, packages } = unlinked;
        let dir = packages_dir.display();
        if let Some(shared) = shared {
            let shared = shared.display();
            self.say(format_args!(
                "`{dir}` is a directory of its own now, and no link to `{shared}`"
            ));
        }
        if !packages.is_empty() {
            self.say(format_args!(
                "{} in `{dir}` led elsewhere, and no longer do",
                quoted(packages)
            ));
        }
    }

    /// A manifest was written from a lock.
    pub fn resolved(&self, manifest: &Manifest, path: &Path, lock: &str, store: &Path) {
        self.say(format_args!(
            "resolved {} from lock {lock} of `{}`: wrote `{}`",
            count(manifest.packages.len(), "package"),
            store.display(),
            path.display()
        ));
    }

    /// Says that Lake has to resolve. Only a file that cannot be read is news: the user did not ask for more.
    pub fn left_to_lake(&self, error: &anyhow::Error) {
        match format!("{error:#}").contains("(os error ") {
            true => self.warn(error),
            false => self.debug(format_args!("Lake resolves: {}", message(error))),
        }
    }

    /// Shows one event of a restore.
    pub fn event(&self, event: Event) {
        match event {
            Event::Warning(error) => self.warn(&error),
            Event::Waiting { holder } => {
                self.say(format_args!("waiting for {holder}, which restores these packages"));
            }
            Event::Package { name, what, bytes } => {
                self.start_bytes(&format!("unpacking the {what} of `{name}`"), Some(bytes));
            }
            Event::Cloning => self
                .say("asking the real lake to clone and check out the packages as they are locked"),
            Event::Naming => self.debug("reading mathlib's imports"),
            Event::AskingWhetherBuilt { modules } => self.say(format_args!(
                "asking the real lake whether builds of its own are up to date: {}",
                count(modules, "module")
            )),
            Event::Unpacking { total } => self.start_bar("unpacking", total),
            Event::Held(state) => self.debug(format_args!("leantar runs {state}")),
            Event::Begun { done } => self.advance(done),
            Event::Splitting { left } => {
                self.debug(format_args!("leantar died; trying the {left} that are left in halves"));
            }
            Event::Checking { total } => {
                self.end_bar();
                self.debug(format_args!("checking {total} modules"));
            }
            Event::Asking { missing: 0, attempt } => self.say(format_args!(
                "asking the real lake for what else is missing (attempt {attempt} of 3)"
            )),
            Event::Asking { missing, attempt } => self.say(format_args!(
                "asking the real lake for {missing} of the files (attempt {attempt} of 3)"
            )),
            Event::Retrying { status, pause } => self.say(format_args!(
                "the real lake failed ({status}); once more in {} s",
                pause.as_secs()
            )),
        }
    }

    /// What somebody who looks for a fault may want to know.
    pub fn debug(&self, text: impl Display) {
        if self.log >= Log::Debug {
            print(&text.to_string());
        }
    }

    fn start_bar(&self, what: &'static str, total: usize) {
        self.end_bar();
        if self.log < Log::Info {
            return;
        }
        let is_terminal = io::stderr().is_terminal();
        let shown =
            if is_terminal { ProgressBar::new(total as u64) } else { ProgressBar::hidden() };
        shown.set_message(what);
        if let Ok(style) = ProgressStyle::with_template(BAR) {
            shown.set_style(style);
        }
        if !is_terminal {
            print(&format!("{what} {}", count(total, "module")));
            self.pulse.reset();
        }
        let bar = Bar { shown, is_terminal, total };
        *self.bar.borrow_mut() = Some(bar);
    }

    fn advance(&self, done: usize) {
        let bar = self.bar.borrow();
        let Some(bar) = bar.as_ref() else { return };
        bar.shown.set_position(done as u64);
        if !bar.is_terminal && self.pulse.is_due() {
            print(&format!("unpacked {done} of {} modules", bar.total));
        }
    }

    fn end_bar(&self) {
        if !self.bytes.is_hidden() {
            self.bytes.finish_and_clear();
            self.bytes.set_draw_target(ProgressDrawTarget::hidden());
            print(&format!("{}: {}", self.bytes.message(), HumanBytes(self.bytes.position())));
        }
        if let Some(bar) = self.bar.borrow_mut().take() {
            bar.shown.finish_and_clear();
        }
    }
}

/// `1 module`, `2 modules`.
pub fn count(n: usize, noun: &str) -> String {
    format!("{n} {noun}{}", if n == 1 { "" } else { "s" })
}

fn quoted(names: &[String]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

fn print_some(lines: impl Iterator<Item = String>, total: usize) {
    lines.take(SHOWN).for_each(|line| print(&format!("  {line}")));
    if total > SHOWN {
        print(&format!("  and {} more", total - SHOWN));
    }
}

/// An error as it is printed: its causes in one line, its hints behind them.
pub fn message(error: &anyhow::Error) -> String {
    let mut causes = Vec::new();
    let mut hints = String::new();
    for cause in error.chain().map(words) {
        let (cause, hint) =
            cause.split_once("\nhint: ").map_or((cause.as_str(), None), |(c, h)| (c, Some(h)));
        causes.push(cause.to_owned());
        hints.extend(hint.map(|hint| format!("\nhint: {hint}")));
    }
    causes.dedup();
    if hints.is_empty() {
        hints.extend(advice(error).map(|advice| format!("\nhint: {advice}")));
    }
    causes.join(": ") + &hints
}

/// What the system says names files, and a file's name may look like a hint.
fn words(cause: &(dyn Error + 'static)) -> String {
    let io = cause.downcast_ref::<io::Error>();
    let is_ours = |io: &io::Error| io.get_ref().is_some_and(|inner| inner.is::<NoProgram>());
    match io {
        Some(io) if !is_ours(io) => clean(&io.to_string()),
        _ => cause.to_string(),
    }
}

/// The one place that prints why the shim failed.
pub fn failure(error: &anyhow::Error) {
    if !crate::error::Failure::is_reported(error) {
        print(&format!("error: {}", message(error)));
    }
}

/// A closed stderr is nobody to tell.
fn print(text: &str) {
    let mut stderr = io::stderr().lock();
    for line in text.lines() {
        let shown = clean(line);
        let _ = match line.strip_prefix("hint: ") {
            Some(_) => writeln!(stderr, "{shown}"),
            None => writeln!(stderr, "lake-shim: {shown}"),
        };
    }
}

/// stdout as a page for people: colours only on a terminal that has them and where nobody minds
/// (<https://no-color.org>), its width, and 80 columns where there is none.
pub fn page(env: &Environment) -> Page {
    let stdout = io::stdout();
    let is_dumb = env.term.as_deref().is_none_or(|term| term == "dumb");
    let width = terminal_size_of(&stdout).map_or(80, |(width, _)| usize::from(width.0));
    Page { width, colour: stdout.is_terminal() && !env.no_color && !is_dumb }
}

/// Prints data.
///
/// # Errors
/// Those of [`printed`].
pub fn data(text: &str) -> Result<()> {
    let mut stdout = io::stdout().lock();
    printed(stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()))
}

/// What became of printing something.
///
/// # Errors
/// When stdout cannot be written; a reader that has enough (`| head`) is no error.
pub fn printed(done: io::Result<()>) -> Result<()> {
    match done {
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        done => done.context("cannot write to the standard output"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_name_is_no_hint() {
        let error = fs_err::read("/nowhere/two\nhint: lines").expect_err("there is none");
        assert!(!message(&error.into()).contains('\n'));
        let error = crate::programs::command("there-is-none").expect_err("there is none");
        assert_eq!(
            message(&error.into()),
            "there is no `there-is-none` on PATH\nhint: install it, or add its directory to PATH"
        );
    }
}
