//! The stores: there, readable, and baked for this workspace's lock.

use super::workspace::Located;
use super::{Area, Finding, Severity, nearest, quoted, shown, word};
use crate::report::count;
use crate::settings::{Environment, Network, Settings, var};
use crate::store;
use crate::store::index::{Index, Lock, lock_id};
use crate::store::verify::{self, Depth, Found};
use anyhow::Error;
use fs_err as fs;
use nix::unistd::{AccessFlags, eaccess};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// How many names to show of what may be thousands.
const SHOWN: usize = 3;

/// The stores, in order of lookup.
#[derive(Debug)]
pub struct Stores {
    pub all: Vec<Store>,
    pub network: Network,
    /// Whether a finding tells already why not everything can be restored from them.
    pub is_explained: bool,
    /// That some are baked, and none for this lock.
    pub other_lock: Option<Finding>,
}

/// One of them.
#[derive(Debug)]
pub struct Store {
    pub dir: PathBuf,
    state: State,
}

#[derive(Debug)]
enum State {
    /// It was named, and is not there or no directory.
    Missing(String),
    Unreadable(String),
    BadIndex(Error),
    Plain {
        ltars: usize,
    },
    Baked(Box<Baked>),
}

#[derive(Debug)]
struct Baked {
    index: Index,
    /// What there is of this workspace's lock; nothing when the store has another one only.
    ours: Option<Found>,
}

/// What a workspace is locked to.
struct Wanted<'a> {
    toolchain: &'a str,
    revisions: BTreeMap<String, String>,
}

impl Stores {
    /// Those that a restore can use.
    pub fn open(&self) -> store::Stores {
        let is_usable =
            |store: &&Store| matches!(store.state, State::Plain { .. } | State::Baked(_));
        let usable = self.all.iter().filter(is_usable).map(|store| store.dir.clone());
        usable.fold(store::Stores::default(), |stores, dir| stores.and(Some(dir)))
    }

    /// Bytes of the cache files of this workspace's lock, from the first index that has it.
    pub fn ltar_bytes(&self) -> u64 {
        let baked = self.all.iter().find_map(|store| match &store.state {
            State::Baked(baked) => Some((&baked.index, baked.ours.as_ref()?.lock.as_ref()?)),
            _ => None,
        });
        baked.map_or(0, |(index, id)| {
            let files = index.locks.get(id).map(Lock::ltars).unwrap_or_default();
            let sizes = files.iter().filter_map(|file| Some(index.ltars.get(file)?.size));
            sizes.fold(0, u64::saturating_add)
        })
    }
}

pub fn look(env: &Environment, settings: &Settings, located: &Located) -> (Stores, Area) {
    let workspace = located.workspace.as_ref();
    let wanted = workspace.filter(|w| w.manifest.is_some()).zip(located.toolchain.as_deref());
    let wanted =
        wanted.map(|(workspace, toolchain)| Wanted { toolchain, revisions: workspace.revisions() });
    let all = settings.stores.iter().map(|dir| Store {
        dir: dir.clone(),
        state: state(dir, settings.stores_are_named, wanted.as_ref()),
    });
    let all: Vec<_> = all.collect();
    let network = settings.network;
    let is_on_mathlib = workspace.is_some_and(|workspace| workspace.mathlib().is_some());
    let mut findings = judge(&all, network, is_on_mathlib);
    let is_explained = !findings.is_empty();
    let other_lock = wanted.and_then(|wanted| other_lock(&all, network, &wanted));
    let downloads = env.mathlib_cache_dir.as_deref().filter(|_| network == Network::Auto);
    findings.extend(downloads.and_then(unwritable));
    let mut summary: Vec<_> = all.iter().map(Store::summary).collect();
    if all.is_empty() {
        summary.push("none".to_owned());
    }
    let facts = all.iter().map(Store::facts).collect::<Vec<_>>().into();
    let area = Area::new("stores", summary, facts).with(findings);
    (Stores { all, network, is_explained, other_lock }, area)
}

fn state(dir: &Path, is_named: bool, wanted: Option<&Wanted>) -> State {
    match fs::metadata(dir) {
        Ok(meta) if meta.is_dir() => {}
        Ok(_) => return State::Missing("it is no directory".to_owned()),
        Err(e) if e.kind() == ErrorKind::NotFound && is_named => {
            return State::Missing("there is no such directory".to_owned());
        }
        Err(e) => return State::Unreadable(e.kind().to_string()),
    }
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries.filter_map(Result::ok),
        Err(e) => return State::Unreadable(e.kind().to_string()),
    };
    let is_ltar = |entry: &fs::DirEntry| entry.file_name().as_encoded_bytes().ends_with(b".ltar");
    let ltars = entries.filter(is_ltar).count();
    match Index::read(dir) {
        Err(e) => State::BadIndex(e),
        Ok(None) => State::Plain { ltars },
        Ok(Some(index)) => {
            let id = wanted.map(|wanted| lock_id(wanted.toolchain, &wanted.revisions));
            let id = id.filter(|id| index.locks.contains_key(id));
            let ours = id.map(|id| verify::lock(dir, &index, &id, Depth::Presence, &|_| {}));
            State::Baked(Box::new(Baked { index, ours }))
        }
    }
}

fn judge(stores: &[Store], network: Network, is_on_mathlib: bool) -> Vec<Finding> {
    let mut findings: Vec<_> = stores.iter().filter_map(|store| store.judge(network)).collect();
    if stores.is_empty() && is_on_mathlib {
        let (severity, seen) = match network {
            Network::Auto => {
                (Severity::Note, "`lake exe cache get` downloads, and that is a store")
            }
            Network::Never => (Severity::Error, "nothing can be restored, and nothing downloaded"),
        };
        let hint = format!("`lake-shim bake` makes one, with network; `{}` names one", var::STORE);
        findings.push(Finding::new(severity, "no-store", "there is no store", hint).seen(seen));
    }
    findings
}

/// Baked stores, and none of them for this lock.
fn other_lock(stores: &[Store], network: Network, wanted: &Wanted) -> Option<Finding> {
    let baked = stores.iter().filter_map(|store| match &store.state {
        State::Baked(baked) => Some((store.dir.as_path(), baked)),
        _ => None,
    });
    let baked: Vec<_> = baked.collect();
    let (first, _) = *baked.first()?;
    if baked.iter().any(|(_, baked)| baked.ours.is_some()) {
        return None;
    }
    let severity = if network == Network::Never { Severity::Error } else { Severity::Warning };
    let message = "no store is baked for this lock";
    let hint = format!(
        "`lake-shim bake --store {}`, with network, adds it; or go back to a lock that is there",
        word(first)
    );
    let mut finding = Finding::new(severity, "store-other-lock", message, hint);
    for (dir, baked) in &baked {
        if baked.index.locks.is_empty() {
            finding = finding.seen(format!("{} has no lock at all", quoted(dir)));
        }
        for (id, lock) in &baked.index.locks {
            let differences = wanted.differences(lock);
            finding = finding.seen(format!("{} has {id}: {differences}", quoted(dir)));
        }
    }
    Some(finding)
}

impl Wanted<'_> {
    /// How a lock differs from this one, in words.
    fn differences(&self, lock: &Lock) -> String {
        let mut all = Vec::new();
        if lock.toolchain != self.toolchain {
            all.push(format!("its toolchain is `{}`, not `{}`", lock.toolchain, self.toolchain));
        }
        let theirs = lock.revisions();
        for (name, rev) in &self.revisions {
            match theirs.get(name) {
                Some(other) if other == rev => {}
                Some(other) => {
                    all.push(format!("`{name}` is at {}, not {}", short(other), short(rev)));
                }
                None => all.push(format!("it lacks `{name}`")),
            }
        }
        let others = theirs.keys().filter(|name| !self.revisions.contains_key(*name));
        all.extend(others.map(|name| format!("it has `{name}`")));
        let more = all.len().saturating_sub(SHOWN);
        all.truncate(SHOWN);
        if more > 0 {
            all.push(format!("and {more} more"));
        }
        all.join(", ")
    }
}

/// Enough of a revision to tell it from others.
pub fn short(rev: &str) -> &str {
    rev.get(..10).unwrap_or(rev)
}

/// The real cache tool downloads there. Read-only stores are what `LAKE_SHIM_STORE` is for.
fn unwritable(dir: &Path) -> Option<Finding> {
    let there = nearest(dir)?;
    let errno = eaccess(&there, AccessFlags::W_OK | AccessFlags::X_OK).err()?;
    let message = format!("`{}` cannot be written to", var::MATHLIB_CACHE_DIR);
    let hint = format!(
        "`unset {}`, and name the directory by `{}`: a store is only read",
        var::MATHLIB_CACHE_DIR,
        var::STORE
    );
    let finding = Finding::note("cache-dir-unwritable", message, hint);
    Some(finding.seen(format!("it is {}: {}", quoted(dir), errno.desc())))
}

impl Store {
    fn judge(&self, network: Network) -> Option<Finding> {
        let dir = quoted(&self.dir);
        match &self.state {
            State::Missing(reason) => {
                let message = format!("the store {dir} is not there");
                let hint = format!(
                    "take it out of `{}`, or bake it: `lake-shim bake --store {}`",
                    var::STORE,
                    word(&self.dir)
                );
                Some(Finding::error("store-missing", message, hint).seen(reason.clone()))
            }
            State::Unreadable(reason) => {
                let message = format!("the store {dir} cannot be read");
                let hint = format!("`chmod -R a+rX {}`, as its owner", word(&self.dir));
                Some(Finding::error("store-unreadable", message, hint).seen(reason.clone()))
            }
            State::BadIndex(error) => Some(Finding::of_error("store-index", error, "")),
            State::Plain { .. } => None,
            State::Baked(baked) => self.judge_baked(baked.ours.as_ref()?, network),
        }
    }

    /// Whether what the index promises for this lock is there.
    fn judge_baked(&self, found: &Found, network: Network) -> Option<Finding> {
        if found.is_whole() {
            return None;
        }
        let severity = if network == Network::Never { Severity::Error } else { Severity::Warning };
        let message = format!("the store {} is not whole for this lock", quoted(&self.dir));
        let hint = format!(
            "`lake-shim bake --store {}`, with network, fills and mends it",
            word(&self.dir)
        );
        let mut finding = Finding::new(severity, "store-not-whole", message, hint);
        if !found.missing.is_empty() {
            let modules = count(found.missing.len(), "module");
            finding = finding.seen(format!("{modules} missing: {}", some(&found.missing)));
        }
        let faults = found.corrupt.iter().chain(&found.bad_packs);
        Some(finding.all_seen(faults.map(|(name, why)| format!("`{name}`: {why}"))))
    }

    fn summary(&self) -> String {
        let dir = self.dir.display();
        match &self.state {
            State::Missing(reason) | State::Unreadable(reason) => format!("{dir}: {reason}"),
            State::BadIndex(_) => format!("{dir}: its index cannot be understood"),
            State::Plain { ltars } => format!("{dir}: {}, no index", count(*ltars, "cache file")),
            State::Baked(baked) => match &baked.ours {
                // Whole builds in packs need no cache files.
                Some(found) if found.covered == 0 => {
                    format!("{dir}: baked for this lock, {}", count(found.packs, "pack"))
                }
                Some(found) => format!(
                    "{dir}: baked for this lock, {} of {}, {}",
                    found.present,
                    count(found.covered, "module"),
                    count(found.packs, "pack")
                ),
                None => {
                    format!("{dir}: baked for {}", count(baked.index.locks.len(), "other lock"))
                }
            },
        }
    }

    fn facts(&self) -> Value {
        let (is, ltars, locks, whole) = match &self.state {
            State::Missing(_) => ("missing", None, Vec::new(), None),
            State::Unreadable(_) => ("unreadable", None, Vec::new(), None),
            State::BadIndex(_) => ("not understood", None, Vec::new(), None),
            State::Plain { ltars } => ("plain", Some(*ltars), Vec::new(), None),
            State::Baked(baked) => {
                let locks = baked.index.locks.iter().map(|(id, lock)| {
                    json!({ "id": id, "toolchain": lock.toolchain, "packages": lock.revisions() })
                });
                let locks = locks.collect::<Vec<_>>();
                let whole = baked.ours.as_ref().map(Found::is_whole);
                ("baked", Some(baked.index.ltars.len()), locks, whole)
            }
        };
        json!({
            "dir": shown(&self.dir),
            "is": is,
            "cache_files": ltars,
            "locks": locks,
            "whole_for_this_lock": whole,
        })
    }
}

/// The first few of many names.
pub fn some(names: &[String]) -> String {
    let shown: Vec<_> = names.iter().take(SHOWN).map(|name| format!("`{name}`")).collect();
    let more = names.len().saturating_sub(SHOWN);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    shown.join(", ") + &more
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::manifest::Manifest;

    fn store(state: State) -> Store {
        Store { dir: "/s".into(), state }
    }

    fn baked(ours: Option<Found>) -> Store {
        store(State::Baked(Box::new(Baked { index: Index::default(), ours })))
    }

    fn wanted() -> Wanted<'static> {
        let revisions = [("a", "1"), ("b", "2")].map(|(n, r)| (n.to_owned(), r.to_owned()));
        Wanted { toolchain: "v4", revisions: revisions.into() }
    }

    #[test]
    fn what_can_be_wrong() {
        let lacking = Found { missing: vec!["A".into()], ..Found::default() };
        let broken = || anyhow::anyhow!("cannot understand it");
        for (stores, expected) in [
            (vec![store(State::Plain { ltars: 3 })], &[][..]),
            (vec![baked(Some(Found::default()))], &[]),
            (vec![], &["no-store"]),
            (vec![store(State::Missing("gone".into()))], &["store-missing"]),
            (vec![store(State::Unreadable("no".into()))], &["store-unreadable"]),
            (vec![store(State::BadIndex(broken()))], &["store-index"]),
            (vec![baked(Some(lacking))], &["store-not-whole"]),
            (vec![baked(None)], &["store-other-lock"]),
            (vec![baked(None), baked(Some(Found::default()))], &[]),
        ] {
            let mut found = judge(&stores, Network::Auto, true);
            found.extend(other_lock(&stores, Network::Auto, &wanted()));
            let checks: Vec<_> = found.iter().map(|finding| finding.check).collect();
            assert_eq!(checks, expected, "{stores:?}");
        }
        assert!(judge(&[], Network::Auto, false).is_empty(), "nothing is to be restored");
    }

    #[test]
    fn never_makes_an_error_of_what_the_network_would_mend() {
        let severity = |network| other_lock(&[baked(None)], network, &wanted()).map(|f| f.severity);
        assert_eq!(severity(Network::Auto), Some(Severity::Warning));
        assert_eq!(severity(Network::Never), Some(Severity::Error));
    }

    #[test]
    fn locks_that_differ() {
        let entry = |name: &str, rev: &str| json!({ "type": "git", "name": name, "rev": rev, "url": "u", "inherited": false });
        let entries = [entry("a", "1"), entry("b", "3"), entry("c", "4")];
        let manifest = json!({ "version": "1.1.0", "packages": entries }).to_string();
        let manifest = Manifest::parse(manifest.as_bytes()).expect("a manifest");
        let lock = Lock::new("v3", &manifest);
        let differences = wanted().differences(&lock);
        for part in ["`v3`, not `v4`", "`b` is at 3, not 2", "it has `c`"] {
            assert!(differences.contains(part), "{differences}");
        }
    }
}
