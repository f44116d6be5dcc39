//! Work directories that killed processes left behind.

use super::workspace::Located;
use super::{Area, Finding, quoted, shown, word};
use crate::fs::WorkDir;
use crate::settings::{Environment, Settings};
use crate::store::work_places as of_store;
use std::path::{Path, PathBuf};

pub fn look(env: &Environment, settings: &Settings, located: &Located) -> Area {
    let stores = settings.stores.iter().flat_map(|store| of_store(store));
    let places = work_places(env, located).into_iter().chain(stores);
    let mut found: Vec<_> = places.flat_map(|place| WorkDir::abandoned(&place)).collect();
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
    let beside = located.packages_dir.as_deref().and_then(Path::parent).map(Path::to_owned);
    let mut places: Vec<_> =
        [located.root.clone(), beside, packages_dir].into_iter().flatten().collect();
    places.extend(env.user_cache());
    places.extend(builds);
    places
}

fn judge(found: &[PathBuf]) -> Vec<Finding> {
    if found.is_empty() {
        return Vec::new();
    }
    let message = "a process that was killed has left something behind";
    let words: Vec<_> = found.iter().map(|path| word(path)).collect();
    let hint = format!("`rm -r {}`; the next restore or bake does it too", words.join(" "));
    let seen =
        found.iter().map(|path| format!("the process that worked in {} is dead", quoted(path)));
    vec![Finding::warning("leftovers", message, hint).all_seen(seen)]
}
