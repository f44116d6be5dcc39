//! Which files a build is made from, and which ones a glob means.

use super::files::Files;
use super::glob::{Pattern, Stars, has_wildcard};
use crate::error::hint;
use crate::workspace::{Package, Workspace};
use anyhow::{Context, Result, bail};
use fs_err as fs;
use ignore::WalkBuilder;
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
/// # Errors
/// When a directory cannot be read.
pub fn of_build(workspace: &Workspace) -> Result<Files> {
    let Workspace { root, packages_dir, packages, .. } = workspace;
    let mut files = Files::default();
    add_sources(root, root, packages_dir, &mut files)?;
    for Package { name, dir, lock } in packages {
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
        add_sources(root, &dir, packages_dir, &mut files)?;
    }
    Ok(files)
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

fn add_sources(root: &Path, dir: &Path, packages_dir: &Path, files: &mut Files) -> Result<()> {
    for name in CONFIGURATION {
        let path = dir.join(name);
        if path.exists() {
            files.add(&relative(root, &path), path);
        }
    }
    let packages_dir = packages_dir.to_owned();
    let walk = WalkBuilder::new(dir)
        .standard_filters(false)
        .hidden(true)
        .parents(true)
        .git_ignore(true)
        .filter_entry(move |entry| entry.path() != packages_dir)
        .build();
    for entry in walk {
        let entry = entry.with_context(|| format!("cannot read `{}`", dir.display()))?;
        let path = entry.path();
        let is_source =
            path.extension().and_then(OsStr::to_str).is_some_and(|e| SOURCES.contains(&e));
        if is_source && !entry.file_type().is_some_and(|kind| kind.is_dir()) {
            files.add(&relative(root, path), path.to_owned());
        }
    }
    Ok(())
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
