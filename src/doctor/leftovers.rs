//! What killed runs left behind: directories of ours that nobody works in any more.

use super::workspace::Located;
use super::{Area, Finding, quoted, shown, word};
use crate::fs::{DirLock, PREFIX, WorkDir};
use crate::settings::{Environment, Settings};
use crate::store::index::Index;
use fs_err as fs;
use std::path::{Path, PathBuf};

pub fn look(env: &Environment, settings: &Settings, located: &Located) -> Area {
    let mut found = Vec::new();
    for dir in work_places(env, located) {
        // A link's target is somebody else's to work in.
        let dirs = WorkDir::abandoned(&dir).map(|(path, _lock)| path);
        found.extend(dirs.filter(|path| path.is_dir() && !path.is_symlink()));
    }
    // Linking makes one for the blink of an eye.
    found.extend(beside(located).into_iter().flat_map(ours).filter(|path| path.is_symlink()));
    for store in &settings.stores {
        found.extend(in_store(store));
    }
    found.sort();
    found.dedup();
    let facts = found.iter().map(|path| shown(path)).collect::<Vec<_>>().into();
    Area::new("leftovers", Vec::new(), facts).with(judge(&found))
}

/// Where restores, downloads, links and new manifests have their directories.
fn work_places(env: &Environment, located: &Located) -> Vec<PathBuf> {
    let workspace = located.workspace.as_ref();
    let packages = workspace.into_iter().flat_map(|workspace| workspace.source_path());
    let builds = packages.map(|package| package.join(".lake/build"));
    let packages_dir = workspace.map(|workspace| workspace.packages_dir.clone());
    let packages_dir = packages_dir.or_else(|| located.packages_dir.clone());
    let near = [located.root.clone(), beside(located).map(Path::to_owned), packages_dir];
    let mut places: Vec<_> = near.into_iter().flatten().collect();
    places.extend(env.user_cache());
    places.extend(builds);
    places
}

/// Where the packages directory is one of several things.
fn beside(located: &Located) -> Option<&Path> {
    located.packages_dir.as_deref().and_then(Path::parent)
}

/// Who bakes has the store locked, not each of his files.
fn in_store(store: &Path) -> Vec<PathBuf> {
    if DirLock::try_acquire(store).is_none() {
        return Vec::new();
    }
    let places = [store.to_owned(), store.join("lake-shim"), Index::packs_dir(store)];
    let is_free = |path: &PathBuf| path.is_file() || DirLock::try_acquire(path).is_some();
    places.iter().flat_map(|place| ours(place)).filter(is_free).collect()
}

fn ours(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten().filter_map(Result::ok);
    let is_ours =
        |entry: &fs::DirEntry| entry.file_name().as_encoded_bytes().starts_with(PREFIX.as_bytes());
    entries.filter(is_ours).map(|entry| entry.path()).collect()
}

fn judge(found: &[PathBuf]) -> Vec<Finding> {
    if found.is_empty() {
        return Vec::new();
    }
    let message = "a run that was killed has left something behind";
    let words: Vec<_> = found.iter().map(|path| word(path)).collect();
    let hint = format!("`rm -r {}`; the next restore or bake does it too", words.join(" "));
    let seen = found.iter().map(|path| format!("nobody works in {}", quoted(path)));
    vec![Finding::warning("leftovers", message, hint).all_seen(seen)]
}
