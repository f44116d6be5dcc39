//! A picture of a directory tree, to assert that nothing in it was touched.

use std::collections::BTreeMap;
use std::fmt;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use fs_err as fs;
use sha2::{Digest as _, Sha256};

use crate::or_panic::OrPanic as _;

/// Every entry below a root (the root itself is `""`), symlinks not followed.
#[derive(Clone, PartialEq, Eq)]
pub struct Tree {
    root: PathBuf,
    entries: BTreeMap<PathBuf, Entry>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub kind: Kind,
    /// Permission bits.
    pub mode: u32,
    pub owner: u32,
    /// Nanoseconds since 1970. A directory's is that of its last added or removed entry.
    pub mtime: i128,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    File { sha256: String },
    Directory,
    Symlink { target: PathBuf },
    Other,
}

impl Tree {
    /// Takes the picture. A root that does not exist gives an empty one.
    pub fn of(root: impl AsRef<Path>) -> Tree {
        let root = root.as_ref().to_owned();
        let mut entries = BTreeMap::new();
        if fs::symlink_metadata(&root).is_ok() {
            visit(&root, &root, &mut entries);
        }
        Tree { root, entries }
    }

    pub fn entries(&self) -> &BTreeMap<PathBuf, Entry> {
        &self.entries
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Only the entries whose paths count.
    pub fn filtered(mut self, counts: impl Fn(&Path) -> bool) -> Tree {
        self.entries.retain(|path, _| counts(path));
        self
    }

    /// Relative path → sha256 of every file.
    pub fn files(&self) -> BTreeMap<PathBuf, String> {
        let files = self.entries.iter().filter_map(|(path, entry)| match &entry.kind {
            Kind::File { sha256 } => Some((path.clone(), sha256.clone())),
            _ => None,
        });
        files.collect()
    }

    /// Asserts that the tree on disk is still this one: content, modes, owners and times.
    #[track_caller]
    pub fn assert_unchanged(&self) {
        let changes = self.changes_to(&Tree::of(&self.root));
        assert!(
            changes.is_empty(),
            "changed below {}:\n{}",
            self.root.display(),
            changes.join("\n")
        );
    }

    /// Asserts that names and contents are still the same; times, modes and owners may differ.
    #[track_caller]
    pub fn assert_same_content(&self) {
        let changes = self.content_changes_to(&Tree::of(&self.root));
        assert!(
            changes.is_empty(),
            "changed below {}:\n{}",
            self.root.display(),
            changes.join("\n")
        );
    }

    /// A line per entry that differs.
    pub fn changes_to(&self, now: &Tree) -> Vec<String> {
        self.differences(now, |before, now| before == now)
    }

    /// A line per entry that differs in more than times, modes and owners.
    pub fn content_changes_to(&self, now: &Tree) -> Vec<String> {
        self.differences(now, |before, now| before.kind == now.kind)
    }

    /// A line per entry that is gone, new, or not the same.
    pub fn differences(&self, now: &Tree, is_same: impl Fn(&Entry, &Entry) -> bool) -> Vec<String> {
        let gone = self.entries.keys().filter(|path| !now.entries.contains_key(*path));
        let gone = gone.map(|path| format!("- {}", path.display()));
        let rest = now.entries.iter().filter_map(|(path, entry)| match self.entries.get(path) {
            None => Some(format!("+ {} {entry:?}", path.display())),
            Some(before) if !is_same(before, entry) => {
                Some(format!("~ {} {before:?} -> {entry:?}", path.display()))
            }
            Some(_) => None,
        });
        gone.chain(rest).collect()
    }
}

impl fmt::Debug for Tree {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_map().entries(&self.entries).finish()
    }
}

/// The sha256 of some bytes in hex, as `sha256sum` prints it.
pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn visit(root: &Path, path: &Path, entries: &mut BTreeMap<PathBuf, Entry>) {
    let meta = fs::symlink_metadata(path).or_panic();
    let kind = if meta.is_symlink() {
        Kind::Symlink { target: fs::read_link(path).or_panic() }
    } else if meta.is_dir() {
        Kind::Directory
    } else if meta.is_file() {
        Kind::File { sha256: sha256(&fs::read(path).or_panic()) }
    } else {
        Kind::Other
    };
    let is_directory = kind == Kind::Directory;
    let is_around_notes = path == root || path.ends_with(".lake") || path.ends_with("lake-shim");
    let mtime = i128::from(meta.mtime()) * 1_000_000_000 + i128::from(meta.mtime_nsec());
    let entry = Entry {
        kind,
        mode: meta.mode() & 0o7777,
        owner: meta.uid(),
        mtime: if is_directory && is_around_notes { 0 } else { mtime },
    };
    entries.insert(path.strip_prefix(root).unwrap_or(path).to_owned(), entry);
    if is_directory {
        for child in fs::read_dir(path).or_panic() {
            let child = child.or_panic().path();
            if !is_notes(&child) {
                visit(root, &child, entries);
            }
        }
    }
}

/// Returns `true` for the directories in which the shim keeps what it knows of a workspace, of a shared packages
/// directory and of a store's lock. A directory is a shared one if it has a place for records of workspaces.
pub fn is_notes(path: &Path) -> bool {
    let is_recorded = || path.join("workspaces").is_dir();
    [".lake/lake-shim", "lake-shim/lock"].iter().any(|notes| path.ends_with(notes))
        || path.ends_with(".lake-shim") && is_recorded()
}
