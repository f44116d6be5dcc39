//! Which `lake` a shell runs: the shim has to be the first on PATH.
//!
//! Three things put another one before it: a profile that loads elan's directory later, a step of
//! GitHub Actions that adds a directory later (its lines go *before* PATH), and Lake itself, which
//! puts its toolchain first for whatever it runs.

use super::{Area, Finding, Severity, quoted, shown, word};
use crate::lake::toolchain::is_elan;
use crate::lake::{Identity, own_path};
use crate::read;
use crate::settings::{Environment, var};
use fs_err as fs;
use memchr::memmem;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::io::Read;
use std::path::{Path, PathBuf};

/// What looks for a `lake` would find.
#[derive(Debug, Default)]
struct Seen {
    /// This binary.
    own: PathBuf,
    /// Where it lies under the name `lake`, if it does beside itself.
    beside: Option<PathBuf>,
    /// Every `lake` on PATH, in order.
    now: Vec<Candidate>,
    /// The same in the next step of GitHub Actions, when this one has added something to PATH.
    next: Option<Vec<Candidate>>,
    /// Whether this is a step of GitHub Actions.
    in_github: bool,
    /// The lake that runs us.
    inside: Option<PathBuf>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Candidate {
    path: PathBuf,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// This binary, by whatever link.
    Shim,
    OtherShim,
    Elan,
    /// A toolchain's own, or a script.
    Lake,
}

pub fn look(env: &Environment) -> Area {
    let own = own_path().unwrap_or_default();
    let path = env.path.clone().unwrap_or_default();
    let added = env.github_path.as_deref().map(added_lines).unwrap_or_default();
    let next = (!added.is_empty()).then(|| candidates(&before(&added, &path), &own));
    let beside = Some(own.with_file_name("lake"));
    let beside = beside.filter(|lake| kind(lake, &own) == Kind::Shim);
    let seen = Seen {
        now: candidates(&path, &own),
        next,
        in_github: env.github_path.is_some(),
        inside: env.inside_lake.clone(),
        beside,
        own,
    };
    let facts = json!({
        "path": shown(&seen.own),
        "version": env!("CARGO_PKG_VERSION"),
        "on_path": seen.now.iter().map(|c| json!({ "path": shown(&c.path), "is": c.kind.word() }))
            .collect::<Vec<Value>>(),
    });
    let summary = match seen.now.first() {
        Some(first) if first.kind.is_shim() => {
            format!("{} {}, first on PATH", env!("CARGO_PKG_VERSION"), first.path.display())
        }
        _ => format!("{} {}", env!("CARGO_PKG_VERSION"), seen.own.display()),
    };
    Area::new("shim", vec![summary], facts).with(judge(&seen))
}

/// The lines of `$GITHUB_PATH`, the last first: each goes before what is there.
fn added_lines(file: &Path) -> Vec<PathBuf> {
    let text = read::text(file, read::TEXT).unwrap_or_default();
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.rev().map(PathBuf::from).collect()
}

fn before(added: &[PathBuf], path: &OsStr) -> OsString {
    let mut text = OsString::new();
    for dir in added {
        text.push(dir);
        text.push(":");
    }
    text.push(path);
    text
}

fn candidates(path: &OsStr, own: &Path) -> Vec<Candidate> {
    let mut known = BTreeSet::new();
    let mut paths: Vec<_> =
        which::which_in_global("lake", Some(path)).into_iter().flatten().collect();
    // One directory may stand there by two names: `/bin` is `/usr/bin`.
    let real = |lake: &Path| lake.parent().and_then(|dir| fs::canonicalize(dir).ok());
    paths.retain(|lake| known.insert(real(lake)));
    paths.into_iter().map(|path| Candidate { kind: kind(&path, own), path }).collect()
}

fn kind(lake: &Path, own: &Path) -> Kind {
    match (Identity::of(lake), Identity::of(own)) {
        (Ok(lake), Ok(own)) if lake == own => Kind::Shim,
        _ if is_elan(lake) => Kind::Elan,
        _ if is_shim(lake) => Kind::OtherShim,
        _ => Kind::Lake,
    }
}

/// Whether a program is a lake-shim, of whatever version: a binary that has the name of a variable
/// which only we write. It cannot be asked, for called as `lake` it hands on.
pub fn is_shim(program: &Path) -> bool {
    const MAX_BYTES: u64 = 256 << 20;
    let mut bytes = Vec::new();
    let mut read_it = || read::open(program)?.take(MAX_BYTES).read_to_end(&mut bytes);
    let is_read = program.is_file() && read_it().is_ok();
    is_read && !bytes.starts_with(b"#!") && memmem::find(&bytes, var::SEEN.as_bytes()).is_some()
}

fn judge(seen: &Seen) -> Vec<Finding> {
    let mut findings = Vec::new();
    let is_first = |list: &[Candidate]| list.first().is_some_and(|first| first.kind.is_shim());
    let is_later = seen.next.as_deref().is_some_and(is_first);
    if !is_first(&seen.now) {
        let mut finding = seen.not_first();
        if is_later {
            finding.severity = Severity::Note;
            finding.hint = "nothing to do: from the next step on it is the first".to_owned();
        }
        findings.push(finding);
    } else if let Some(next) = seen.next.as_deref().filter(|next| !is_first(next)) {
        findings.push(seen.shadowed(next));
    }
    findings.extend(seen.several());
    findings
}

impl Seen {
    fn not_first(&self) -> Finding {
        let Some(first) = self.now.first().filter(|_| self.now.iter().any(|c| c.kind.is_shim()))
        else {
            let message = "the shim is not on PATH under the name `lake`";
            let finding = Finding::error("shim-not-on-path", message, self.put_first());
            // Without /proc nobody knows.
            let is_known = !self.own.as_os_str().is_empty();
            let own = is_known.then(|| format!("this is {}", quoted(&self.own)));
            return finding.all_seen(own).all_seen(self.order());
        };
        let same_dir = |lake: &PathBuf| lake.parent() == first.path.parent();
        if self.inside.as_ref().is_some_and(same_dir) {
            let message = "this runs inside of Lake, where a plain `lake` is the toolchain's own";
            let call = self.dir().unwrap_or_default().join("lake");
            let hint = format!(
                "harmless where nothing is restored; else call {} by its path",
                quoted(&call)
            );
            return Finding::note("nested-call", message, hint).all_seen(self.order());
        }
        let whose = if first.kind == Kind::Elan { "elan's `lake`" } else { "another `lake`" };
        let message = format!("{whose} comes before the shim on PATH");
        Finding::error("lake-before-shim", message, self.put_first()).all_seen(self.order())
    }

    /// The next step finds another `lake` first.
    fn shadowed(&self, next: &[Candidate]) -> Finding {
        let first = next.first().map(|c| c.path.as_path()).unwrap_or(Path::new(""));
        let message = "from the next step on another `lake` comes before the shim";
        let finding = Finding::error("github-path", message, self.put_first());
        finding.seen(format!(
            "`{}` puts {} first: later lines go before earlier ones",
            var::GITHUB_PATH,
            quoted(first)
        ))
    }

    /// Two versions of the shim hand over to each other, and need not agree.
    fn several(&self) -> Option<Finding> {
        let others: Vec<_> =
            self.now.iter().filter(|candidate| candidate.kind == Kind::OtherShim).collect();
        let other = others.first()?;
        let message = "there is another lake-shim on PATH";
        let dir = other.path.parent().unwrap_or(Path::new("/"));
        let hint = format!("keep one of them: take {} out of PATH, or uninstall it", quoted(dir));
        let others = others.iter().map(|c| format!("{} is another binary", quoted(&c.path)));
        let finding = Finding::warning("several-shims", message, hint);
        Some(finding.seen(format!("this is {}", quoted(&self.own))).all_seen(others))
    }

    /// What mends the order.
    fn put_first(&self) -> String {
        match self.dir() {
            Some(dir) if self.in_github => format!(
                "`echo {} >> \"${}\"` in a step after the one that installs elan",
                word(&dir),
                var::GITHUB_PATH
            ),
            Some(dir) => format!(
                "`export PATH={}:\"$PATH\"`, as the last thing that your profile does to PATH",
                word(&dir)
            ),
            None => "`./install.sh --modify-path`, in a release or in the sources, places it first"
                .to_owned(),
        }
    }

    /// The directory that has to be first.
    fn dir(&self) -> Option<PathBuf> {
        let on_path = || self.now.iter().find(|c| c.kind.is_shim()).map(|c| &c.path);
        self.beside.as_ref().or_else(on_path)?.parent().map(Path::to_owned)
    }

    fn order(&self) -> impl Iterator<Item = String> {
        self.now.iter().map(|Candidate { path, kind }| format!("{}: {}", quoted(path), kind.word()))
    }
}

impl Kind {
    fn is_shim(self) -> bool {
        matches!(self, Self::Shim | Self::OtherShim)
    }

    fn word(self) -> &'static str {
        match self {
            Self::Shim => "this shim",
            Self::OtherShim => "another lake-shim",
            Self::Elan => "elan",
            Self::Lake => "lake",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(kinds: &[(&str, Kind)]) -> Vec<Candidate> {
        let candidate = |(path, kind): &(&str, Kind)| Candidate { path: path.into(), kind: *kind };
        kinds.iter().map(candidate).collect()
    }

    fn checks(seen: &Seen) -> Vec<(Severity, &'static str)> {
        judge(seen).iter().map(|finding| (finding.severity, finding.check)).collect()
    }

    const SHIM: (&str, Kind) = ("/shim/lake", Kind::Shim);
    const OTHER: (&str, Kind) = ("/other/lake", Kind::OtherShim);
    const ELAN: (&str, Kind) = ("/elan/lake", Kind::Elan);
    const LAKE: (&str, Kind) = ("/lean/bin/lake", Kind::Lake);

    #[test]
    fn orders_of_path() {
        use Severity::{Error, Warning};
        for (now, expected) in [
            (&[SHIM, ELAN][..], &[][..]),
            (&[SHIM], &[]),
            (&[ELAN, SHIM], &[(Error, "lake-before-shim")]),
            (&[LAKE, SHIM, ELAN], &[(Error, "lake-before-shim")]),
            (&[ELAN], &[(Error, "shim-not-on-path")]),
            (&[], &[(Error, "shim-not-on-path")]),
            (&[SHIM, OTHER], &[(Warning, "several-shims")]),
            (&[OTHER, LAKE], &[(Warning, "several-shims")]),
        ] {
            let seen = Seen { now: list(now), ..Seen::default() };
            assert_eq!(checks(&seen), expected, "{now:?}");
        }
    }

    #[test]
    fn the_next_step_counts() {
        let with = |now: &[_], next: &[_]| Seen {
            now: list(now),
            next: Some(list(next)),
            in_github: true,
            ..Seen::default()
        };
        assert_eq!(checks(&with(&[SHIM], &[ELAN, SHIM])), [(Severity::Error, "github-path")]);
        assert_eq!(checks(&with(&[SHIM], &[SHIM, ELAN])), []);
        let soon = with(&[ELAN], &[SHIM, ELAN]);
        assert_eq!(checks(&soon), [(Severity::Note, "shim-not-on-path")]);
        let hint = &judge(&with(&[ELAN, SHIM], &[ELAN, SHIM]))[0].hint;
        assert!(hint.starts_with("`echo /shim >> \"$GITHUB_PATH\"`"), "{hint}");
    }

    #[test]
    fn inside_of_lake_its_own_comes_first() {
        let inside = Some("/lean/bin/lake".into());
        let seen = Seen { now: list(&[LAKE, SHIM]), inside, ..Seen::default() };
        assert_eq!(checks(&seen), [(Severity::Note, "nested-call")]);
        let seen = Seen { inside: Some("/elsewhere/lake".into()), ..seen };
        assert_eq!(checks(&seen), [(Severity::Error, "lake-before-shim")]);
    }

    #[test]
    fn later_lines_go_first() {
        let added = [PathBuf::from("/b"), PathBuf::from("/a")];
        assert_eq!(before(&added, OsStr::new("/usr/bin")), "/b:/a:/usr/bin");
    }
}
