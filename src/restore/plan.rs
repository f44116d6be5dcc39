//! What a restore will do, as plain data. Printing it is `--dry-run`.

use super::archives::{self, Archive};
use super::ledger::{Ledger, Origin};
use super::packs::PackStep;
use crate::mathlib::Module;
use crate::mathlib::ltar::Head;
use crate::mathlib::names::NamedModule;
use crate::mathlib::outputs::{Fault, Files, Look};
use crate::mathlib::request::{Wanted, lacking_targets};
use crate::store::Stores;
use crate::store::bake::BUILD_TIME;
use crate::workspace::Workspace;
use fs_err as fs;
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// What a restore will do.
#[derive(Debug, Default)]
pub struct Plan {
    /// Sources and builds to unpack first.
    pub packs: Vec<PackStep>,
    pub steps: Vec<Step>,
    /// Modules that are up to date.
    pub skipped: Vec<NamedModule>,
    /// Modules that are built, by Lake or another tool, and that no store has.
    pub built: Vec<NamedModule>,
    /// Modules whose file in the store is not what its name says.
    pub failed: BTreeMap<Module, String>,
    /// Modules that no store has.
    pub missing: Vec<NamedModule>,
    /// Those whose build came from an archive of another name: Lake may find it up to date all the same.
    pub stale: Vec<NamedModule>,
    /// `true` if what is there, once the plan is carried out, is from several stores.
    pub is_mixed: bool,
    /// `true` if Lake found builds of unknown origin up to date.
    pub is_lakes_word: bool,
    /// Native targets that are not there, as Lake names them: `proofwidgets:release`.
    pub lacking: Vec<String>,
    /// Modules that are known only once sources are unpacked.
    pub later: usize,
    /// Modules that come with packs.
    pub packed: usize,
    /// Why no step can be carried out: there is no leantar.
    pub not_unpacked: Option<String>,
}

/// Packages whose whole build is packed, by their directories.
#[derive(Clone, Copy, Debug)]
pub struct Packed<'a> {
    /// Unpacked: their modules need no archive if they are there.
    pub there: &'a BTreeSet<PathBuf>,
    /// To be unpacked before the steps: their modules need none.
    pub coming: &'a BTreeSet<PathBuf>,
}

/// One module to unpack.
#[derive(Clone, Debug)]
pub struct Step {
    pub named: NamedModule,
    /// The archive, in the store.
    pub source: PathBuf,
    /// What its head says.
    pub head: Head,
    pub origin: Origin,
    /// The directory of the package that gets the files.
    pub package: PathBuf,
    there: There,
}

/// The build in the place of a module that gets another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum There {
    Nothing,
    /// The build of an archive that is in another store.
    Known,
    /// A build of unknown origin with the `depHash` of the archive.
    Equal,
    /// A build of unknown origin with another `depHash`.
    Other,
}

/// The build in the place of a module, before an archive is looked for.
enum Place<'a> {
    /// The wanted build, and where from; `None` if from a pack.
    Known(Option<&'a Origin>),
    /// The user's own build, with this `depHash`, which Lake found up to date.
    Own(u64),
    /// A build with this `depHash`.
    Unknown(u64),
    /// The build of an archive of another name.
    Stale,
    /// Files that cannot be looked at, for this reason.
    Unreadable(String),
    Nothing,
}

impl Step {
    /// The package's build directory.
    pub fn build_dir(&self) -> PathBuf {
        build_dir(&self.package)
    }

    /// The module's files, once they are published.
    pub fn files(&self) -> Files {
        Files::new(&self.build_dir(), &self.head.place, &self.named.module)
    }
}

pub fn build_dir(package: &Path) -> PathBuf {
    package.join(".lake/build")
}

/// Plans to restore what is `wanted`, which came from [`names`](crate::mathlib::request::names) for the same
/// workspace. `force` unpacks also what is up to date.
pub fn plan(
    workspace: &Workspace,
    wanted: &Wanted,
    stores: &Stores,
    packed: Packed,
    force: bool,
) -> Plan {
    let packages = workspace.source_path();
    let is_coming = |named: &NamedModule| packed.coming.contains(&packages[named.package]);
    let modules: Vec<_> = wanted.modules.iter().filter(|named| !is_coming(named)).collect();
    let used: BTreeSet<_> = modules.iter().map(|named| named.package).collect();
    let ledgers: BTreeMap<_, _> =
        used.into_iter().map(|i| (i, Ledger::read(&build_dir(&packages[i])))).collect();
    let look = |named: &NamedModule| {
        let package = &packages[named.package];
        let Some(files) = Files::find(&build_dir(package), &named.module) else {
            return Place::Nothing;
        };
        let ledger = &ledgers[&named.package];
        match ledger.origin(&named.module, named.file, &files) {
            Some(Origin::Own) => files.dep_hash().map_or(Place::Nothing, Place::Own),
            Some(origin) => Place::Known(Some(origin)),
            None => match files.check_own(Look::Presence) {
                Err(Fault::Unreadable(why)) => Place::Unreadable(why),
                Err(_) => Place::Nothing,
                Ok(()) if ledger.knows(&named.module, &files) => Place::Stale,
                Ok(()) if packed.there.contains(package) && is_packed(&files) => Place::Known(None),
                Ok(()) => files.dep_hash().map_or(Place::Nothing, Place::Unknown),
            },
        }
    };
    let mut places: Vec<_> = modules.par_iter().map(|named| look(named)).collect();
    let has_gaps = places.iter().any(|place| matches!(place, Place::Nothing | Place::Stale));
    for place in &mut places {
        if let Place::Own(dep_hash) = *place {
            // Lake's answer holds as long as nothing has to be put beside it.
            *place = match has_gaps {
                true => Place::Unknown(dep_hash),
                false => Place::Known(Some(&Origin::Own)),
            };
        }
    }
    let origins = places.iter().map(|place| match place {
        Place::Known(origin) if !force => archives::Need::Known(*origin),
        _ => archives::Need::Wanted,
    });
    let archives = archives::choose(&modules, &origins.collect::<Vec<_>>(), stores);
    let mut stores_of = HashSet::new();
    let mut plan = Plan { packed: wanted.modules.len() - modules.len(), ..Plan::default() };
    for ((&named, place), archive) in modules.iter().zip(places).zip(archives) {
        match (archive, place) {
            (Archive::Found { source, head, origin }, place) => {
                let there = match place {
                    Place::Known(_) => There::Known,
                    Place::Unknown(dep_hash) if dep_hash == head.dep_hash => There::Equal,
                    Place::Unknown(_) => There::Other,
                    _ => There::Nothing,
                };
                let (named, package) = (named.clone(), packages[named.package].clone());
                plan.steps.push(Step { named, source, head, origin, package, there });
            }
            (_, Place::Known(origin)) => {
                stores_of.extend(origin.and_then(Origin::store));
                plan.skipped.push(named.clone());
            }
            (Archive::Unfit(reason), _) | (_, Place::Unreadable(reason)) => {
                plan.failed.insert(named.module.clone(), reason);
            }
            (_, Place::Unknown(_)) => plan.built.push(named.clone()),
            (_, Place::Stale) => plan.stale.push(named.clone()),
            (_, Place::Own(_) | Place::Nothing) => plan.missing.push(named.clone()),
        }
    }
    stores_of.extend(plan.steps.iter().filter_map(|step| step.origin.store()));
    plan.is_mixed = stores_of.len() > 1;
    plan.lacking = lacking_targets(workspace, wanted);
    plan.lacking.retain(|target| {
        let package = target.split_once(':').and_then(|(name, _)| workspace.package(name));
        !package.is_some_and(|package| packed.coming.contains(&package.dir))
    });
    plan
}

/// `true` if the trace has the time that those in packs have.
pub(super) fn is_packed(files: &Files) -> bool {
    fs::metadata(files.trace()).is_ok_and(|meta| meta.mtime() == BUILD_TIME.cast_signed())
}

impl Plan {
    /// `true` if Lake has to say whether builds of unknown origin stay: everything is built, or something is
    /// built that no archive equals. Where only equal builds lie between others, archives take their place.
    pub fn asks_lake(&self) -> bool {
        let is_absent = |step: &Step| step.there == There::Nothing;
        let is_other = |step: &Step| step.there == There::Other;
        let has_gaps = !self.missing.is_empty() || self.steps.iter().any(is_absent);
        let has_others = !self.built.is_empty() || self.steps.iter().any(is_other);
        let is_unknown = self.unknown().next().is_some();
        !self.stale.is_empty() || is_unknown && (has_others || !has_gaps && self.failed.is_empty())
    }

    /// Modules that are built, and by whom is not known.
    pub fn unknown(&self) -> impl Iterator<Item = &NamedModule> {
        let steps = self.steps.iter().filter(|step| step.is_unknown());
        self.built.iter().chain(&self.stale).chain(steps.map(|step| &step.named))
    }

    /// Leaves the builds of unknown origin where they are.
    pub fn keep_unknown(&mut self) {
        let (unknown, steps): (Vec<_>, _) =
            std::mem::take(&mut self.steps).into_iter().partition(Step::is_unknown);
        self.steps = steps;
        self.is_lakes_word = true;
        self.skipped.extend(unknown.into_iter().map(|step| step.named));
        self.skipped.append(&mut self.built);
        self.skipped.append(&mut self.stale);
    }

    /// `true` if nothing that is wanted would be missing once the plan is carried out.
    pub fn is_whole(&self) -> bool {
        self.failed.is_empty()
            && self.missing.is_empty()
            && self.stale.is_empty()
            && self.lacking.is_empty()
            && self.not_unpacked.is_none()
    }
}

impl Step {
    fn is_unknown(&self) -> bool {
        matches!(self.there, There::Equal | There::Other)
    }
}
