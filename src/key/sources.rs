//! Which files a build is made from, and which ones a glob means.

use super::files::Files;
use super::glob::{Pattern, Stars, has_wildcard};
use crate::error::hint;
use crate::workspace::{Package, Workspace};
use anyhow::{Context, Result, bail};
use fs_err as fs;
use ignore::WalkBuilder;
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::{Component, Path, PathBuf};

/// What Lake reads of a package besides its sources.
const CONFIGURATION: [&str; 4] =
    ["lakefile.lean", "lakefile.toml", "lake-manifest.json", "lean-toolchain"];
/// Lean's sources, and those of what is linked to them (`extern_lib`).
const SOURCES: [&str; 8] = ["lean", "c", "cc", "cpp", "cxx", "h", "hh", "hpp"];
/// Not what anybody means by a glob; one that begins in there does.
const NOT_MEANT: [&str; 2] = [".git", ".lake"];

/// What the builds of the root and of its `path` dependencies are made from: their configuration, and
/// all files with an extension of [`SOURCES`] but those in hidden directories and those that a
/// `.gitignore` of the repository names. What a user or a clone ignores beyond that
/// (`core.excludesFile`, `.git/info/exclude`) is not asked: it differs from machine to machine.
///
/// Lake does not see symlinks: what they lead to counts, by the names it has behind them.
///
/// # Errors
/// When a directory cannot be read.
pub fn of_build(workspace: &Workspace) -> Result<Files> {
    let Workspace { root, packages_dir, packages, .. } = workspace;
    let mut sources = Sources {
        root,
        real_root: fs::canonicalize(root)?,
        packages_dir: fs::canonicalize(packages_dir).unwrap_or_else(|_| packages_dir.clone()),
        walked: BTreeSet::new(),
        files: Files::default(),
    };
    sources.add_package(root)?;
    for Package { name, dir, lock, entry: _, is_overridden: _ } in packages {
        if lock.is_some() {
            continue;
        }
        // Not canonical: a symlink may lead elsewhere on another machine.
        let dir = lexical(dir);
        if !dir.is_dir() {
            bail!(hint(
                format!("the package `{name}` is not there: `{}`", dir.display()),
                "`lake-manifest.json` says it is: check it out, or run `lake update`",
            ));
        }
        sources.add_package(&dir)?;
    }
    Ok(sources.files)
}

/// The files that `globs` match, relative to `cwd`. A glob that matches a directory means all files in
/// it. They go by their names relative to `root`, so that it does not matter where one stands.
///
/// # Errors
/// When a glob is none, or matches nothing.
pub fn of_globs(root: &Path, cwd: &Path, globs: &[String]) -> Result<Files> {
    let cwd = fs::canonicalize(cwd)?;
    let mut files = Files::default();
    for glob in globs {
        let (start, rest) = literal_start(glob);
        let start = lexical(&cwd.join(start));
        if !add_matching(root, &start, &rest, &mut files)? {
            bail!(hint(
                format!("`{glob}` matches no file in `{}`", cwd.display()),
                "globs are relative to the current directory: `*`, `?`, `[a-z]`, and `**` for any \
                 directories; quote them, so that the shell leaves them alone",
            ));
        }
    }
    Ok(files)
}

/// The sources of packages, as they are found. Directories have a name, which may lead through
/// symlinks, and a real path.
struct Sources<'a> {
    root: &'a Path,
    real_root: PathBuf,
    /// Real. What is in there is locked.
    packages_dir: PathBuf,
    /// Packages and what symlinks lead to, by real path. Each is walked once, so that nothing goes
    /// round in circles.
    walked: BTreeSet<PathBuf>,
    files: Files,
}

impl Sources<'_> {
    fn add_package(&mut self, dir: &Path) -> Result<()> {
        for name in CONFIGURATION {
            let name = dir.join(name);
            if name.exists() {
                self.add(&name, fs::canonicalize(&name)?);
            }
        }
        let real = fs::canonicalize(dir)?;
        match self.walked.insert(real.clone()) {
            true => self.add_tree(dir, &real),
            false => Ok(()),
        }
    }

    fn add_tree(&mut self, dir: &Path, real: &Path) -> Result<()> {
        let packages_dir = self.packages_dir.clone();
        let walk = WalkBuilder::new(real)
            .standard_filters(false)
            .hidden(true)
            .parents(true)
            .git_ignore(true)
            // Which one of two symlinks is walked must not differ from checkout to checkout.
            .sort_by_file_name(Ord::cmp)
            .filter_entry(move |entry| entry.path() != packages_dir)
            .build();
        for entry in walk {
            let entry = entry.with_context(|| format!("cannot read `{}`", real.display()))?;
            let path = entry.path();
            let Ok(below) = path.strip_prefix(real) else { continue };
            let name = dir.join(below);
            let kind = entry.file_type();
            if kind.is_some_and(|kind| kind.is_symlink()) {
                self.add_behind(&name, path)?;
            } else if is_source(path) && !kind.is_some_and(|kind| kind.is_dir()) {
                self.add(&name, path.to_owned());
            }
        }
        Ok(())
    }

    /// Adds what the symlink at `path` leads to.
    fn add_behind(&mut self, name: &Path, path: &Path) -> Result<()> {
        // What leads nowhere counts as it is.
        let real = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        if !real.is_dir() {
            if is_source(name) {
                self.add(name, real);
            }
            return Ok(());
        }
        // What was fetched and built differs from machine to machine.
        if self.is_made(&real) {
            return Ok(());
        }
        if path.starts_with(&real) || !self.walked.insert(real.clone()) {
            self.add(name, path.to_owned());
            return Ok(());
        }
        self.add_tree(name, &real)
    }

    /// Whether a directory is one of those that Lake or git fill.
    fn is_made(&self, real: &Path) -> bool {
        let is_meant = |part: Component| !NOT_MEANT.iter().any(|not| part.as_os_str() == *not);
        real.starts_with(&self.packages_dir)
            || !relative(&self.real_root, real).components().all(is_meant)
    }

    fn add(&mut self, name: &Path, path: PathBuf) {
        self.files.add(&relative(self.root, name), path);
    }
}

fn is_source(path: &Path) -> bool {
    path.extension().and_then(OsStr::to_str).is_some_and(|e| SOURCES.contains(&e))
}

/// The directory that a glob begins in, and the rest of it.
fn literal_start(glob: &str) -> (String, String) {
    let components: Vec<&str> = glob.split('/').collect();
    let is_literal = |part: &&&str| !has_wildcard(part) && !part.contains('\\');
    let literal = components.iter().take_while(is_literal).count();
    let (start, rest) = components.split_at(literal);
    // A leading empty component is the root of the file system.
    let start = if start == [""] { "/".to_owned() } else { start.join("/") };
    (start, rest.join("/"))
}

/// Says whether there was anything.
fn add_matching(root: &Path, start: &Path, rest: &str, files: &mut Files) -> Result<bool> {
    let pattern = Pattern::parse(rest, Stars::Deep)?;
    let mut is_found = false;
    let mut add = |path: PathBuf| {
        is_found = true;
        files.add(&relative(root, &path), path);
    };
    let mut dirs = Vec::new();
    match fs::symlink_metadata(start) {
        // Below a directory that matches, everything does.
        Ok(meta) if meta.is_dir() => dirs.push((start.to_owned(), rest.is_empty())),
        Ok(meta) if rest.is_empty() && (meta.is_file() || meta.is_symlink()) => {
            add(start.to_owned());
        }
        _ => {}
    }
    while let Some((dir, is_meant)) = dirs.pop() {
        for entry in fs::read_dir(&dir)? {
            let entry = entry?;
            let (path, kind, name) = (entry.path(), entry.file_type()?, entry.file_name());
            let below = path.strip_prefix(start).unwrap_or(&path).to_string_lossy();
            let is_meant = is_meant || pattern.matches(&below);
            let may_be_below = is_meant || pattern.may_match_below(&below);
            if kind.is_dir() {
                if may_be_below && !NOT_MEANT.iter().any(|not| name == *not) {
                    dirs.push((path, is_meant));
                }
            } else if is_meant && (kind.is_file() || kind.is_symlink()) {
                add(path);
            }
        }
    }
    Ok(is_found)
}

/// `path` as seen from `root`, both absolute; through `..` when it lies elsewhere.
fn relative(root: &Path, path: &Path) -> PathBuf {
    let common = root.components().zip(path.components()).take_while(|(a, b)| a == b).count();
    let up = root.components().skip(common).map(|_| Component::ParentDir);
    up.chain(path.components().skip(common)).collect()
}

/// An absolute path without `.` and `..`.
fn lexical(path: &Path) -> PathBuf {
    let mut lexical = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => drop(lexical.pop()),
            component => lexical.push(component),
        }
    }
    lexical
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn starts_of_globs() {
        for (glob, start, rest) in [
            ("a/b.txt", "a/b.txt", ""),
            ("a/*.txt", "a", "*.txt"),
            ("**/x", "", "**/x"),
            ("../a/[bc]/d", "../a", "[bc]/d"),
            ("/a/*", "/a", "*"),
            ("/*", "/", "*"),
            ("a/", "a/", ""),
            (r"a\*b", "", r"a\*b"),
        ] {
            assert_eq!(literal_start(glob), (start.to_owned(), rest.to_owned()), "{glob}");
        }
    }

    #[test]
    fn relative_names() {
        for (path, expected) in [
            ("/w/app/a", "a"),
            ("/w/app/a/b", "a/b"),
            ("/w/lib/a", "../lib/a"),
            ("/a", "../../a"),
            ("/w/application", "../application"),
        ] {
            assert_eq!(relative(Path::new("/w/app"), Path::new(path)), Path::new(expected));
        }
    }

    #[test]
    fn lexical_paths() {
        for (path, expected) in [("/a/./b/../c", "/a/c"), ("/a/../..", "/"), ("/a/b/", "/a/b")] {
            assert_eq!(lexical(Path::new(path)), Path::new(expected));
        }
    }
}
