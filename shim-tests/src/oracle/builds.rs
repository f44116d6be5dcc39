//! Build files: what a trace promises, and what a mark does.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use fs_err as fs;
use serde_json::Value;

use super::{Files, first_difference, is_unfinished};
use crate::tree::Tree;

const BUILD: &str = ".lake/build";
/// The mark's name in a build directory.
const MARK: &str = ".lake-shim.pack";
const LEDGER: &str = ".lake-shim.ledger";

/// One build of one module.
pub(super) struct Build {
    /// Relative to the packages directory.
    trace: PathBuf,
    dep_hash: String,
    /// All its files, the trace among them.
    files: Files,
    /// The archive and the store that it came from, where a ledger knows them.
    origin: Option<String>,
}

/// The builds in a packages directory where everything is whole.
pub(super) fn learn(dir: &Path, tree: &Tree) -> Vec<Build> {
    let files = tree.files();
    let traces = traces(&files);
    let build = |trace: PathBuf| {
        let dep_hash = dep_hash(&dir.join(&trace))
            .unwrap_or_else(|| panic!("{} is no trace", trace.display()));
        let files = files_of(&files, &trace);
        let origin = origin(dir, &trace);
        Build { trace, dep_hash, files, origin }
    };
    traces.map(build).collect()
}

/// What of the builds in a packages directory is not what its trace says.
pub(super) fn judge(dir: &Path, tree: &Tree, known: &[Build]) -> Vec<String> {
    let files = tree.files();
    let fault = |trace: PathBuf| {
        let Some(found) = dep_hash(&dir.join(&trace)) else {
            return Some(format!("`{}` cannot be read", trace.display()));
        };
        let mut builds: Vec<_> =
            known.iter().filter(|build| build.trace == trace && build.dep_hash == found).collect();
        // Another build may have the same hash, and its files go with its own trace.
        if builds.iter().any(|build| build.files.get(&trace) == files.get(&trace)) {
            builds.retain(|build| build.files.get(&trace) == files.get(&trace));
        }
        let fault = match builds.first() {
            None => Some("a build that nobody made".to_owned()),
            Some(build) => first_difference(&build.files, &files).or_else(|| {
                // Lake has the word on a build that the ledger calls the user's own.
                let origin = origin(dir, &trace).filter(|origin| !origin.ends_with(" of own"))?;
                let of_others = known.iter().filter(|other| other.trace == trace);
                let mut of_others =
                    of_others.filter(|other| other.files.get(&trace) != files.get(&trace));
                // Downloads may come from a directory that is gone by now.
                let (archive, _) = origin.split_once(' ')?;
                let mut archives = builds.iter().filter_map(|build| build.origin.as_ref());
                let is_wrong = of_others.any(|other| other.origin.as_ref() == Some(&origin))
                    || !archives.any(|known| known.starts_with(archive));
                is_wrong.then(|| format!("the ledger has it from {origin}, which is not so"))
            }),
        };
        fault.map(|fault| format!("`{}` promises {found}: {fault}", trace.display()))
    };
    traces(&files).filter_map(fault).collect()
}

/// What the mark of a package's build says, and the files below the build directory.
pub(super) fn marked(package: &Path) -> Option<(String, Files)> {
    let build = package.join(BUILD);
    let mark = fs::read_to_string(build.join(MARK)).ok()?;
    let mut files = Tree::of(build).files();
    files.retain(|path, _| !is_unfinished(path));
    Some((mark, files))
}

fn traces(files: &Files) -> impl Iterator<Item = PathBuf> {
    let is_trace = |path: &&PathBuf| module(path).is_some_and(|(_, suffix)| suffix == "trace");
    files.keys().filter(is_trace).cloned()
}

/// The files of the module whose trace this is.
fn files_of(files: &Files, trace: &Path) -> Files {
    let Some((stem, _)) = module(trace) else {
        return Files::new();
    };
    let own = files.iter().filter(|(path, _)| module(path).is_some_and(|(other, _)| other == stem));
    own.map(|(path, sha256)| (path.clone(), sha256.clone())).collect()
}

/// `mathlib/Mathlib/Init` and `olean.hash` of `mathlib/.lake/build/lib/lean/Mathlib/Init.olean.hash`.
fn module(file: &Path) -> Option<(PathBuf, String)> {
    if is_unfinished(file) {
        return None;
    }
    let package: PathBuf = file.iter().take(1).collect();
    let inside = file.strip_prefix(package.join(BUILD)).ok()?;
    let inside =
        ["lib/lean", "lib", "ir"].iter().find_map(|part| inside.strip_prefix(part).ok())?;
    let name = inside.file_name()?.to_str()?;
    let (stem, suffix) = name.split_once('.')?;
    Some((package.join(inside.with_file_name(stem)), suffix.to_owned()))
}

/// The archive and the store that the ledger has for a module, if its trace is the one that the ledger speaks of.
fn origin(dir: &Path, trace: &Path) -> Option<String> {
    let (stem, _) = module(trace)?;
    let package: PathBuf = stem.iter().take(1).collect();
    let name: Vec<_> = stem.iter().skip(1).map(|part| part.to_string_lossy()).collect();
    let ledger = fs::read_to_string(dir.join(package).join(BUILD).join(LEDGER)).ok()?;
    let now = fs::metadata(dir.join(trace)).ok()?;
    let now = [now.size().to_string(), now.mtime().to_string(), now.mtime_nsec().to_string()];
    ledger.lines().find_map(|line| {
        let fields: Vec<_> = line.split('\t').collect();
        let [module, archive, store, ref trace @ .., _] = fields[..] else { return None };
        let (store, _) = store.split_once('/').unwrap_or((store, ""));
        (module == name.join(".") && *trace == now).then(|| format!("{archive} of {store}"))
    })
}

fn dep_hash(trace: &Path) -> Option<String> {
    let trace: Value = serde_json::from_slice(&fs::read(trace).ok()?).ok()?;
    Some(trace["depHash"].as_str()?.to_owned())
}
