//! Build files from the store into the workspace: what is to be done ([`plan`]), doing it
//! ([`apply`]), asking the real lake for the rest ([`fallback`]), and all three in a row
//! ([`session`]).

pub mod apply;
mod archives;
pub mod fallback;
mod ledger;
pub mod packs;
pub mod plan;
mod publish;
mod run;
pub mod session;
mod staging;
pub mod stamp;
mod turn;

use crate::confine::State;
use crate::error::Failure;
use crate::mathlib::Module;
use crate::settings::Network;
use plan::Plan;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What happens while a plan is carried out, for whoever shows it.
#[derive(Debug)]
pub enum Event {
    /// Somebody else works on these packages.
    Waiting { holder: String },
    /// Something that does not stop the restore.
    Warning(anyhow::Error),
    /// A package's sources or build are unpacked.
    Package { name: String, what: &'static str, bytes: u64 },
    /// The real lake clones what is missing.
    Cloning,
    /// Names are being computed.
    Naming,
    /// Lake is asked whether this many modules, which came from nowhere that we know, are up to date.
    AskingWhetherBuilt { modules: usize },
    /// `total` modules are about to be unpacked.
    Unpacking { total: usize },
    /// leantar is about to run, held like this.
    Held(State),
    /// So many have been begun.
    Begun { done: usize },
    /// leantar died; what is left is tried in halves to find the file that kills it.
    Splitting { left: usize },
    /// Everything is unpacked, and is compared with what Lake recorded.
    Checking { total: usize },
    /// The real lake is asked for what the store does not have.
    Asking { missing: usize, attempt: u32 },
    /// It failed; the next attempt comes after a pause.
    Retrying { status: String, pause: Duration },
}

/// Takes events.
pub type Observer<'a> = &'a dyn Fn(Event);

/// What came of a restore.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Modules unpacked, checked and published, with the store that each came from.
    pub restored: BTreeMap<Module, PathBuf>,
    /// Modules that were up to date.
    pub skipped: usize,
    /// Modules that are built and that no store has.
    pub built: usize,
    /// Modules that the store has and that could not be restored, with the reason.
    pub failed: BTreeMap<Module, String>,
    /// Those of them that were published, and that another process then took apart.
    pub taken: BTreeSet<Module>,
    /// Packages whose sources or builds could not be unpacked, with the reason.
    pub failed_packs: BTreeMap<String, String>,
    /// Modules that no store has.
    pub missing: Vec<Module>,
    /// Modules of packs that were not unpacked, which was said with the reason.
    pub behind_packs: Vec<Module>,
    /// `true` if what is there now is from several stores.
    pub is_mixed: bool,
    /// `true` if Lake had the word on builds that are there.
    pub is_lakes_word: bool,
    /// Why modules that a store has were not unpacked: there is no leantar. With how many there are.
    pub not_unpacked: Option<(usize, String)>,
    /// Archives that the real lake fetched.
    pub downloaded: usize,
    /// Modules that the real lake did not find either. Lake will build them.
    pub in_no_cache: Vec<Module>,
    /// Native targets that are not there, as Lake names them.
    pub lacking: Vec<String>,
    /// How the real lake failed, when it was asked and did.
    pub lake_status: Option<u8>,
    /// A directory that it was to write to and whose disk is full.
    pub full: Option<PathBuf>,
    /// Directories of packages whose packed builds were not unpacked over changed sources.
    pub kept: BTreeSet<PathBuf>,
    /// Directories of packages that got files.
    pub packages: BTreeSet<PathBuf>,
    pub took: Duration,
    /// Whether the files were only to be in a store, and not to be unpacked.
    pub only_fetch: bool,
    /// Whether the real lake was not needed.
    pub offline: bool,
    pub network: Network,
}

impl Outcome {
    /// What came of a plan of which no step was carried out.
    pub fn of(plan: &Plan) -> Self {
        Self {
            skipped: plan.skipped.len(),
            built: plan.built.len(),
            failed: plan.failed.clone(),
            missing: plan.missing.iter().map(|named| named.module.clone()).collect(),
            is_mixed: plan.is_mixed,
            is_lakes_word: plan.is_lakes_word,
            lacking: plan.lacking.clone(),
            offline: true,
            ..Self::default()
        }
    }

    /// The stores that files came from, with how many modules each gave.
    pub fn stores(&self) -> BTreeMap<&Path, usize> {
        let mut stores = BTreeMap::new();
        self.restored.values().for_each(|store| *stores.entry(&**store).or_default() += 1);
        stores
    }

    /// The error that a restore which was not whole ends in. What is wrong was reported.
    pub fn failure(&self) -> Option<Failure> {
        match self.lake_status {
            Some(code) => Some(Failure::Reported(code)),
            None => (!self.is_whole()).then_some(Failure::Reported(1)),
        }
    }

    /// Whether everything that was asked for is there.
    pub fn is_whole(&self) -> bool {
        self.failed.is_empty()
            && self.failed_packs.is_empty()
            && self.missing.is_empty()
            && self.behind_packs.is_empty()
            && self.not_unpacked.is_none()
            && self.lacking.is_empty()
    }
}
