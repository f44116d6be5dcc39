//! What a restore would do now: what the stores have of the modules that are wanted, and where it
//! would go.
//!
//! The plan is the restore's own, made and not carried out.

use super::lake::Lake;
use super::room::{self, Room};
use super::stores::{Stores, some};
use super::workspace::Located;
use super::{Area, Finding, Severity};
use crate::lake::toolchain;
use crate::mathlib::request::{Request, names};
use crate::report::count;
use crate::restore::packs::{self, PackPlan};
use crate::restore::plan::{Packed, Plan, plan};
use crate::settings::{Environment, Network, Settings};
use crate::store;
use crate::workspace::Workspace;
use anyhow::{Error, Result, anyhow, bail};
use fs_err as fs;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// leantar packs a Mathlib to about a tenth.
const UNPACKED_BY_PACKED: u64 = 10;

/// What a restore would find.
#[derive(Debug)]
enum Outlook {
    /// The stores have none of these packages, and nobody asks for mathlib's modules.
    NothingToDo,
    /// Which modules are wanted is written in sources that are not here yet.
    SourcesFirst {
        /// Packages whose sources no store has.
        missing: Vec<String>,
    },
    /// It cannot be told which files are wanted. Nothing when that is said elsewhere.
    Unknown(Option<Error>),
    Known(Box<Known>),
}

#[derive(Debug, Default)]
struct Known {
    up_to_date: usize,
    to_unpack: usize,
    /// Modules that come with packs.
    packed: usize,
    /// Modules that no store has.
    missing: Vec<String>,
    /// Modules whose cache file is not what its name says, with the reason.
    unfit: BTreeMap<String, String>,
    /// Modules that are built and that no store has.
    built: usize,
    /// Native targets that are not there.
    lacking: Vec<String>,
    /// A warning of modules that are left out because a source is missing.
    without_source: Option<String>,
}

/// Says too whether cache files would be unpacked, or may have to be.
pub fn look(
    env: &Environment,
    settings: &Settings,
    located: &Located,
    stores: &Stores,
    lake: &Lake,
) -> (bool, Area) {
    let Some(workspace) = &located.workspace else {
        return (false, area(&Outlook::NothingToDo, &[], stores));
    };
    let is_on_mathlib = workspace.mathlib().is_some();
    // The real lake takes from the user's cache what it would download.
    let cache = env.user_cache().filter(|_| settings.network == Network::Auto);
    let usable = stores.open().and(cache);
    let packs = match packs::plan(workspace, &usable, false) {
        Ok(packs) => packs,
        Err(e) => {
            let reason = (located.area.worst() != Some(Severity::Error)).then_some(e);
            return (is_on_mathlib, area(&Outlook::Unknown(reason), &[], stores));
        }
    };
    let mut needs = Vec::new();
    for step in &packs.steps {
        needs.push((step.place().to_owned(), step.bytes()));
    }
    let outlook = outlook(workspace, &usable, &packs, lake, &mut needs);
    if matches!(outlook, Outlook::SourcesFirst { .. }) {
        let bytes = stores.ltar_bytes().saturating_mul(UNPACKED_BY_PACKED);
        needs.push((workspace.packages_dir.clone(), bytes));
    }
    let unpacks = match &outlook {
        Outlook::NothingToDo => false,
        Outlook::SourcesFirst { .. } | Outlook::Unknown(_) => {
            is_on_mathlib && !is_packed(workspace, &packs)
        }
        Outlook::Known(known) => known.to_unpack > 0,
    };
    (unpacks, area(&outlook, &room::look(&needs), stores))
}

/// Whether the whole builds of all packages are packed, so that no module needs a cache file.
fn is_packed(workspace: &Workspace, packs: &PackPlan) -> bool {
    let mut locked = workspace.packages.iter().filter(|package| package.lock.is_some());
    locked.all(|package| packs.built.contains(&package.dir))
}

/// Adds to `needs` where files would go, and how many bytes of them.
fn outlook(
    workspace: &Workspace,
    stores: &store::Stores,
    packs: &PackPlan,
    lake: &Lake,
    needs: &mut Vec<(PathBuf, u64)>,
) -> Outlook {
    let packed: Vec<_> =
        packs.steps.iter().filter(|step| step.is_source()).map(|step| &step.package).collect();
    let lacking = workspace.missing_packages().filter(|package| package.lock.is_some());
    let lacking: Vec<_> = lacking.map(|package| package.name.clone()).collect();
    if !lacking.is_empty() {
        let missing = lacking.into_iter().filter(|name| !packed.contains(&name)).collect();
        return Outlook::SourcesFirst { missing };
    }
    if workspace.mathlib().is_none() {
        return Outlook::NothingToDo;
    }
    if workspace.missing_packages().next().is_some() {
        return Outlook::Unknown(None); // a path dependency
    }
    let githash = || -> Result<String> {
        // lean was asked for its version before, and may have been found to hang.
        match lake.lean.runs() {
            true => toolchain::githash(lake.bin.as_deref()),
            false => bail!("there is no lean to ask for its commit"),
        }
    };
    let wanted = match names(workspace, &Request::default(), &githash) {
        Ok(wanted) => wanted,
        Err(e) => return Outlook::Unknown(Some(e)),
    };
    let packed = Packed { there: &packs.built, coming: &packs.coming() };
    let plan = plan(workspace, &wanted, stores, packed, false);
    for step in &plan.steps {
        let bytes = fs::metadata(&step.source).map_or(0, |meta| meta.len());
        needs.push((step.build_dir(), bytes.saturating_mul(UNPACKED_BY_PACKED)));
    }
    let without_source = wanted.without_source;
    Outlook::Known(Box::new(Known { without_source, ..Known::of(&plan) }))
}

fn area(outlook: &Outlook, rooms: &[Room], stores: &Stores) -> Area {
    let other_lock = stores.other_lock.clone().map(|finding| match outlook.has_everything() {
        true => Finding { severity: Severity::Note, ..finding },
        false => finding,
    });
    let is_explained = stores.is_explained || other_lock.is_some();
    let mut findings = judge(outlook, stores.network, is_explained);
    findings.extend(other_lock);
    findings.extend(rooms.iter().filter_map(Room::judge));
    let known = match outlook {
        Outlook::Known(known) => json!({
            "up_to_date": known.up_to_date,
            "to_unpack": known.to_unpack,
            "packed": known.packed,
            "built": known.built,
            "missing": known.missing,
            "unfit": known.unfit.keys().collect::<Vec<_>>(),
        }),
        _ => Value::Null,
    };
    let rooms: Vec<_> = rooms.iter().map(Room::facts).collect();
    let facts = json!({ "modules": known, "disks": rooms });
    let is_sound = matches!(outlook, Outlook::NothingToDo) || outlook.has_everything();
    let area = Area::new("restore", outlook.summary(), facts).with(findings);
    Area { is_sound, ..area }
}

impl Outlook {
    /// Whether a restore would need no network.
    fn has_everything(&self) -> bool {
        match self {
            Self::NothingToDo | Self::Unknown(_) => false,
            Self::SourcesFirst { missing } => missing.is_empty(),
            Self::Known(known) => known.missing.is_empty() && known.unfit.is_empty(),
        }
    }

    fn summary(&self) -> Vec<String> {
        let line = match self {
            Self::NothingToDo => return Vec::new(),
            Self::SourcesFirst { missing } if missing.is_empty() => {
                "sources and build files come from a store".to_owned()
            }
            Self::SourcesFirst { missing } => {
                format!("{} to be cloned first", count(missing.len(), "package"))
            }
            Self::Unknown(_) => "cannot be told".to_owned(),
            Self::Known(known) => known.summary(),
        };
        vec![line]
    }
}

/// `is_explained`: other findings tell why the stores lack something.
fn judge(outlook: &Outlook, network: Network, is_explained: bool) -> Vec<Finding> {
    match outlook {
        Outlook::NothingToDo | Outlook::Unknown(None) => Vec::new(),
        Outlook::SourcesFirst { missing } if missing.is_empty() || is_explained => Vec::new(),
        Outlook::SourcesFirst { missing } => {
            let message =
                format!("the sources of {} are neither here nor in a store", some(missing));
            let hint = "`lake resolve-deps`, with network, clones them";
            vec![needs_network(network, "sources-missing", message, hint)]
        }
        Outlook::Unknown(Some(error)) => {
            let hint =
                "`lake-shim names` says the same; the real `lake exe cache get` may know more";
            let mut finding = Finding::of_error("cache-recipe", error, hint);
            if network == Network::Auto {
                finding.severity = Severity::Warning;
            }
            vec![finding]
        }
        Outlook::Known(known) => known.judge(network, is_explained),
    }
}

/// What the real lake would see to, could it.
fn needs_network(network: Network, check: &'static str, message: String, hint: &str) -> Finding {
    let (severity, seen) = match network {
        Network::Auto => (Severity::Note, "the real lake is asked for them, which takes network"),
        Network::Never => (Severity::Error, "`LAKE_SHIM_NETWORK` is `never`"),
    };
    Finding::new(severity, check, message, hint).seen(seen)
}

impl Known {
    fn of(plan: &Plan) -> Self {
        let names = plan.missing.iter().map(|named| named.module.to_string());
        let unfit = plan.failed.iter().map(|(module, why)| (module.to_string(), why.clone()));
        Self {
            up_to_date: plan.skipped.len(),
            to_unpack: plan.steps.len(),
            packed: plan.packed,
            missing: names.collect(),
            unfit: unfit.collect(),
            built: plan.built.len(),
            lacking: plan.lacking.clone(),
            without_source: None,
        }
    }

    fn covered(&self) -> usize {
        self.up_to_date
            + self.to_unpack
            + self.packed
            + self.built
            + self.missing.len()
            + self.unfit.len()
    }

    fn summary(&self) -> String {
        let mut line =
            format!("{} of {} up to date", self.up_to_date, count(self.covered(), "module"));
        for (n, what) in [
            (self.to_unpack, "to unpack"),
            (self.packed, "in packs to unpack"),
            (self.built, "built (no store to compare with)"),
            (self.missing.len(), "in no store"),
            (self.unfit.len(), "damaged"),
        ] {
            if n > 0 {
                line += &format!(", {n} {what}");
            }
        }
        line
    }

    fn judge(&self, network: Network, is_explained: bool) -> Vec<Finding> {
        let mut findings = Vec::new();
        if !self.unfit.is_empty() {
            findings.push(damaged(&self.unfit, network));
        }
        if !self.missing.is_empty() && !is_explained {
            let (missing, covered) = (self.missing.len(), count(self.covered(), "module"));
            let message = format!("{missing} of {covered} are in no store");
            let hint = "`lake exe cache get`, with network, fetches them";
            let finding = needs_network(network, "modules-missing", message, hint);
            findings.push(finding.seen(some(&self.missing)));
        }
        if !self.lacking.is_empty() {
            let message = format!("no archive has {}, and it is not there", some(&self.lacking));
            let hint = "`lake exe cache get`, with network, fetches or builds it";
            findings.push(needs_network(network, "native-targets", message, hint));
        }
        if let Some(warning) = &self.without_source {
            let finding =
                Finding::of_error("modules-without-source", &anyhow!(warning.clone()), "");
            findings.push(Finding { severity: Severity::Warning, ..finding });
        }
        findings
    }
}

fn damaged(unfit: &BTreeMap<String, String>, network: Network) -> Finding {
    let severity = if network == Network::Never { Severity::Error } else { Severity::Warning };
    let message = format!("{} damaged in the stores", count(unfit.len(), "cache file"));
    let hint = "delete what it names, and `lake exe cache get`, with network, fetches it anew";
    let seen = unfit.iter().map(|(module, why)| format!("`{module}`: {why}"));
    Finding::new(severity, "store-damaged", message, hint).all_seen(seen)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(edit: impl FnOnce(&mut Known)) -> Outlook {
        let mut known = Known { up_to_date: 1, ..Known::default() };
        edit(&mut known);
        Outlook::Known(Box::new(known))
    }

    fn check(outlook: &Outlook, network: Network) -> Vec<(Severity, &'static str)> {
        let findings = judge(outlook, network, false);
        findings.iter().map(|finding| (finding.severity, finding.check)).collect()
    }

    #[test]
    fn what_the_network_would_mend_is_an_error_without() {
        let missing = || vec!["A".to_owned()];
        for (outlook, expected) in [
            (known(|known| known.missing = missing()), "modules-missing"),
            (known(|known| known.lacking = missing()), "native-targets"),
            (Outlook::SourcesFirst { missing: missing() }, "sources-missing"),
        ] {
            assert_eq!(check(&outlook, Network::Auto), [(Severity::Note, expected)]);
            assert_eq!(check(&outlook, Network::Never), [(Severity::Error, expected)]);
        }
    }

    #[test]
    fn what_the_stores_explain_is_not_said_twice() {
        let outlook = known(|known| known.missing = vec!["A".to_owned()]);
        assert!(judge(&outlook, Network::Never, true).is_empty());
    }

    #[test]
    fn nothing_to_find_fault_with() {
        for outlook in [
            known(|known| known.to_unpack = 3),
            Outlook::NothingToDo,
            Outlook::SourcesFirst { missing: Vec::new() },
        ] {
            assert_eq!(check(&outlook, Network::Never), []);
        }
    }
}
