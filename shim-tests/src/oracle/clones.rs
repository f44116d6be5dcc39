//! Packages: whole clones or nothing.

use std::path::Path;
use std::process::Command;

use crate::or_panic::OrPanic as _;
use crate::tree::{Kind, Tree};

use super::is_unfinished;

/// The directories in a packages directory that Lake would take for packages.
pub(super) fn packages(tree: &Tree) -> Vec<String> {
    let is_package = |path: &Path, kind: &Kind| {
        path.iter().count() == 1 && *kind == Kind::Directory && !is_unfinished(path)
    };
    let entries = tree.entries().iter().filter(|(path, entry)| is_package(path, &entry.kind));
    entries.map(|(path, _)| path.to_string_lossy().into_owned()).collect()
}

/// Whether a path inside a package belongs to its clone, and not to a build.
pub(super) fn is_source(path: &Path) -> bool {
    !path.starts_with(".lake")
}

/// What is wrong with the clone at `package`, which should be one of the `known`.
pub(super) fn judge(package: &Path, known: &[Tree]) -> Option<String> {
    let name = package.file_name()?.to_string_lossy();
    let now = Tree::of(package).filtered(is_source);
    let changes = known.iter().map(|whole| whole.content_changes_to(&now));
    let Some(fewest) = changes.min_by_key(Vec::len) else {
        return Some(format!("`{name}` is a package that nobody has"));
    };
    // git writes its index anew when it looks at a clone, and leaves its lock there when it is killed.
    let is_index = |change: &String| {
        ["~ .git/index ", "+ .git/index.lock "].iter().any(|of| change.starts_with(of))
    };
    if let Some(change) = fewest.iter().find(|change| !is_index(change)) {
        return Some(format!("the clone `{name}` is not whole: {change}"));
    }
    let faults = if fewest.is_empty() { String::new() } else { git_faults(package) };
    (!faults.is_empty()).then(|| format!("git finds the clone `{name}` changed: {faults}"))
}

/// As Lake looks at it.
fn git_faults(package: &Path) -> String {
    let mut git = Command::new("git");
    git.args(["-c", "safe.directory=*", "--no-optional-locks", "diff", "HEAD", "--stat"]);
    let output = git.current_dir(package).output().or_panic();
    let said = if output.status.success() { output.stdout } else { output.stderr };
    String::from_utf8_lossy(&said).trim().to_owned()
}
