//! `lake-shim doctor`: why is it not working. Reads, asks tools for their versions, changes nothing.
//!
//! Every area is looked at on its own, so that one broken thing does not hide the others: what
//! cannot be read is a finding, never an abort. Looking gathers plain facts; judging them is a
//! function of the facts alone.
//!
//! An **error** makes something fail that people ask for; a **warning** is about to, or costs time or
//! work; a **note** is harmless behind the shim and good to know.

mod clones;
mod git;
mod lake;
mod leantar;
mod leftovers;
mod link;
mod path;
mod probe;
pub mod render;
mod restore;
mod room;
mod stores;
mod variables;
mod workspace;

use crate::proxy::guard::Guard;
use crate::report::message;
use crate::settings::{Environment, current_dir};
use crate::workspace::Location;
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};

/// What was found.
#[derive(Debug)]
pub struct Diagnosis {
    /// In the order in which they build on each other.
    pub areas: Vec<Area>,
}

/// One thing that has to be sound.
#[derive(Debug)]
pub struct Area {
    /// One word, for people and programs.
    pub name: &'static str,
    /// What is there, in a line or a few; an area without any is not in the summary.
    pub summary: Vec<String>,
    /// Whether nothing is wrong, as far as `findings` go: what other findings explain has none here.
    pub is_sound: bool,
    /// The same for programs.
    pub facts: Value,
    pub findings: Vec<Finding>,
}

/// Something that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub severity: Severity,
    /// Names what was checked, in kebab-case. Programs may rely on it.
    pub check: &'static str,
    pub message: String,
    /// What was seen: paths, values, what a tool said.
    pub evidence: Vec<String>,
    /// What mends it. A command stands in backticks.
    pub hint: String,
}

/// The most severe first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    Error,
    Warning,
    Note,
}

/// The names of the areas, in their order.
pub const AREAS: [&str; 11] = [
    "shim",
    "lake",
    "lean",
    "leantar",
    "git",
    "settings",
    "stores",
    "workspace",
    "packages",
    "restore",
    "leftovers",
];

/// Looks at everything there is around `location`.
pub fn examine(env: &Environment, location: &Location) -> Diagnosis {
    let (settings, variables) = variables::look(env);
    let mut located = workspace::look(current_dir(), location);
    let shared = settings.pkg_dir.as_deref().filter(|_| !settings.private);
    let link = link::look(&located, shared);
    located.follow_link_to_be(shared);
    let (git_runs, git) = git::look();
    let toolchain = located.toolchain.as_deref();
    let (lake, [lake_area, lean_area]) = lake::look(env, toolchain);
    let (stores, stores_area) = stores::look(env, &settings, &located);
    located.look_for_lock(&stores.open());
    let (unpacks, restore) = restore::look(env, &settings, &located, &stores, &lake);
    let leantar =
        leantar::look(env, &settings, located.workspace.as_ref(), lake.bin.as_deref(), unpacks);
    // Where git does not run, or for every package fails alike, that is said once.
    let guard = located.workspace.as_ref().filter(|_| git_runs && variables::are_gits_sound(env));
    let guard = guard.map(|workspace| Guard {
        workspace,
        env,
        version: lake.lean_version(),
        network: settings.network,
        takes_overrides: true,
    });
    let packages = clones::look(env, &located, git_runs, guard, link);
    let leftovers = leftovers::look(env, &settings, &located);
    let areas = vec![
        path::look(env),
        lake_area,
        lean_area,
        leantar,
        git,
        variables,
        stores_area,
        located.area,
        packages,
        restore,
        leftovers,
    ];
    Diagnosis { areas }
}

impl Diagnosis {
    /// What was found in areas of these names; in all, when there are none.
    pub fn only(mut self, names: &[String]) -> Self {
        self.areas.retain(|area| names.is_empty() || names.iter().any(|name| name == area.name));
        self
    }

    /// All findings, the most severe first.
    pub fn findings(&self) -> Vec<&Finding> {
        let mut findings: Vec<_> = self.areas.iter().flat_map(|area| &area.findings).collect();
        findings.sort_by_key(|finding| finding.severity);
        findings
    }

    pub fn has_errors(&self) -> bool {
        self.findings().iter().any(|finding| finding.severity == Severity::Error)
    }

    /// As one JSON object.
    pub fn json(&self) -> Value {
        let findings = self.findings().into_iter().map(Finding::json).collect::<Vec<_>>();
        let facts = self.areas.iter().map(|area| (area.name.to_owned(), area.facts.clone()));
        json!({ "findings": findings, "facts": facts.collect::<Map<_, _>>() })
    }
}

impl Area {
    /// An area in which nothing is wrong.
    fn new(name: &'static str, summary: Vec<String>, facts: Value) -> Self {
        Self { name, summary, is_sound: true, facts, findings: Vec::new() }
    }

    fn with(self, findings: Vec<Finding>) -> Self {
        Self { findings, ..self }
    }

    /// The severity of its worst finding.
    pub fn worst(&self) -> Option<Severity> {
        self.findings.iter().map(|finding| finding.severity).min()
    }
}

impl Finding {
    fn new(
        severity: Severity,
        check: &'static str,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        let (message, hint) = (message.into(), hint.into());
        Self { severity, check, message, evidence: Vec::new(), hint }
    }

    fn error(check: &'static str, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new(Severity::Error, check, message, hint)
    }

    fn warning(check: &'static str, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new(Severity::Warning, check, message, hint)
    }

    fn note(check: &'static str, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new(Severity::Note, check, message, hint)
    }

    /// What another part of the shim would fail with. `hint` stands in where the error has none.
    fn of_error(check: &'static str, error: &anyhow::Error, hint: &str) -> Self {
        let text = message(error);
        let (told, hint) = text.split_once("\nhint: ").unwrap_or((&text, hint));
        // A literal may have a line break in it, and is one all the same.
        let is_whole = |text: &str| text.matches('`').count().is_multiple_of(2);
        let split = told.match_indices('\n').find(|(at, _)| is_whole(&told[..*at]));
        let (message, evidence) =
            split.map_or((told, ""), |(at, _)| (&told[..at], &told[at + 1..]));
        Self::error(check, message, hint).all_seen(evidence.lines().map(str::to_owned))
    }

    /// Adds evidence.
    fn seen(mut self, evidence: impl Into<String>) -> Self {
        self.evidence.push(evidence.into());
        self
    }

    fn all_seen(mut self, evidence: impl IntoIterator<Item = String>) -> Self {
        self.evidence.extend(evidence);
        self
    }

    fn json(&self) -> Value {
        let Self { severity, check, message, evidence, hint } = self;
        json!({
            "severity": severity.word(),
            "check": check,
            "message": message,
            "evidence": evidence,
            "hint": hint,
        })
    }
}

impl Severity {
    pub fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
}

/// A path for programs. JSON has no bytes that are not UTF-8.
fn shown(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// A path as a literal.
fn quoted(path: &Path) -> String {
    format!("`{}`", path.display())
}

/// A path as a word of a command that people paste into a shell.
fn word(path: &Path) -> String {
    let text = path.display().to_string();
    let is_plain = |c: char| c.is_alphanumeric() || "/._-+:@%,=".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        return text;
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// The nearest of `path` and its parents that is there.
fn nearest(path: &Path) -> Option<PathBuf> {
    path.ancestors().find(|dir| dir.exists()).map(Path::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::hint;

    #[test]
    fn an_error_becomes_a_finding_with_its_own_hint() {
        let error = anyhow::anyhow!(hint("no lake\nPATH is `x`", "install one"));
        let finding = Finding::of_error("no-lake", &error, "another");
        assert_eq!(finding.message, "no lake");
        assert_eq!(finding.evidence, ["PATH is `x`"]);
        assert_eq!(finding.hint, "install one");
        let finding = Finding::of_error("x", &anyhow::anyhow!("not `a\nb`\nseen"), "");
        assert_eq!(
            (finding.message.as_str(), &*finding.evidence),
            ("not `a\nb`", &["seen".into()][..])
        );
        let finding = Finding::of_error("x", &anyhow::anyhow!("a").context("b"), "do this");
        assert_eq!((finding.message.as_str(), finding.hint.as_str()), ("b: a", "do this"));
    }

    #[test]
    fn findings_come_most_severe_first() {
        let finding = |severity| Finding::new(severity, "x", "m", "h");
        let severities = [Severity::Note, Severity::Error, Severity::Warning];
        let findings = severities.map(finding).to_vec();
        let mut area = Area::new("a", Vec::new(), Value::Null);
        area.findings = findings;
        assert_eq!(area.worst(), Some(Severity::Error));
        let diagnosis = Diagnosis { areas: vec![area] };
        let words: Vec<_> = diagnosis.findings().iter().map(|f| f.severity.word()).collect();
        assert_eq!(words, ["error", "warning", "note"]);
        assert!(diagnosis.has_errors());
        assert_eq!(diagnosis.json()["findings"][0]["severity"], "error");
    }

    #[test]
    fn areas_have_the_names_that_can_be_asked_for() {
        let diagnosis = examine(&Environment::default(), &Location::default());
        let names: Vec<_> = diagnosis.areas.iter().map(|area| area.name).collect();
        assert_eq!(names, AREAS);
        let some = diagnosis.only(&["git".to_owned(), "shim".to_owned()]);
        let names: Vec<_> = some.areas.iter().map(|area| area.name).collect();
        assert_eq!(names, ["shim", "git"]);
    }

    #[test]
    fn words_of_a_command_survive_a_shell() {
        for (path, expected) in
            [("/a/b-c.d", "/a/b-c.d"), ("/a b", "'/a b'"), ("/it's", r"'/it'\''s'")]
        {
            assert_eq!(word(Path::new(path)), expected);
        }
    }
}
