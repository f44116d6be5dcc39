//! What came of a restore, for people and for programs.

use super::{Report, count, print, print_some};
use crate::mathlib::Module;
use crate::restore::Outcome;
use serde_json::{Value, json};

impl Report {
    /// The end of a restore that nobody asked for: that there was nothing to do is no news.
    pub fn outcome_before_build(&self, outcome: &Outcome) {
        match is_idle(outcome) {
            true => self.debug(format_args!("{} up to date", count(outcome.skipped, "module"))),
            false => self.outcome(outcome),
        }
    }

    /// The end of a restore: what is wrong, by name, then the figures.
    pub fn outcome(&self, outcome: &Outcome) {
        self.end_bar();
        if !outcome.failed.is_empty() {
            let lines = outcome.failed.iter().map(|(module, why)| format!("{module}: {why}"));
            print(&format!("could not restore {}", count(outcome.failed.len(), "module")));
            print_some(lines, outcome.failed.len());
        }
        if !outcome.missing.is_empty() {
            print(&format!("{} in no store", count(outcome.missing.len(), "module")));
            print_some(outcome.missing.iter().map(Module::to_string), outcome.missing.len());
        }
        if outcome.lacks_proofwidgets {
            print("the release files of ProofWidgets (`.lake/build/js`) are missing");
        }
        if !outcome.in_no_cache.is_empty() {
            let count = count(outcome.in_no_cache.len(), "module");
            print(&format!("{count} in no cache at all: `lake build` will build what it needs"));
            print_some(
                outcome.in_no_cache.iter().map(Module::to_string),
                outcome.in_no_cache.len(),
            );
        }
        self.summary(outcome);
        if !outcome.is_whole() {
            print(&hint_for(outcome));
        }
    }

    fn summary(&self, outcome: &Outcome) {
        let Outcome { restored, skipped, packages, store, took, offline, downloaded, .. } = outcome;
        let seconds = took.as_secs_f64();
        let how = if *offline { "offline" } else { "with the real lake" };
        let from = store.as_ref().map(|store| format!(" from {}", store.display()));
        let from = from.unwrap_or_default();
        let is_complete = outcome.is_whole() && outcome.in_no_cache.is_empty();
        if outcome.only_fetch && is_complete && *downloaded == 0 {
            self.say(format_args!(
                "the files of {} are there already, in {seconds:.1} s ({how})",
                count(*skipped, "module")
            ));
            return;
        }
        if is_idle(outcome) {
            self.say(format_args!(
                "nothing to do: {} up to date in {seconds:.1} s ({how})",
                count(*skipped, "module")
            ));
            return;
        }
        if *skipped > 0 {
            self.say(format_args!("{} already up to date", count(*skipped, "module")));
        }
        if *downloaded > 0 {
            self.say(format_args!("the real lake fetched {}", count(*downloaded, "module")));
        }
        self.say(format_args!(
            "restored {}, {}{from} in {seconds:.1} s ({how})",
            count(restored.len(), "module"),
            count(packages.len(), "package"),
        ));
    }
}

fn is_idle(outcome: &Outcome) -> bool {
    let Outcome { restored, packages, downloaded, in_no_cache, .. } = outcome;
    let is_complete = outcome.is_whole() && in_no_cache.is_empty();
    is_complete && restored.is_empty() && packages.is_empty() && *downloaded == 0
}

/// What to do about a restore that is not whole.
fn hint_for(outcome: &Outcome) -> String {
    let mut reasons = outcome.failed.values().chain(outcome.failed_packs.values());
    let hint = if let Some(full) = &outcome.full {
        return format!(
            "hint: the disk of `{}` is full: make room, and run it again",
            full.display()
        );
    } else if reasons.any(|reason| reason.contains("(os error ")) {
        "the disk refused, as said above: see to that, and run it again"
    } else if !outcome.failed_packs.is_empty() && outcome.missing.is_empty() {
        "the store is damaged: `lake-shim verify` tells where, `lake-shim bake` mends it"
    } else if outcome.lake_status.is_some() {
        "the real lake could not get them either; what it said is above"
    } else if outcome.missing.is_empty() && !outcome.failed.is_empty() {
        "these files of the store are damaged: replace them, or allow the network \
         (`LAKE_SHIM_NETWORK=auto`)"
    } else {
        "complete the store for this mathlib, or allow the network (`LAKE_SHIM_NETWORK=auto`)"
    };
    format!("hint: {hint}")
}

/// An outcome as one JSON object.
pub fn outcome_json(outcome: &Outcome) -> Value {
    let names = |modules: &[Module]| modules.iter().map(Module::to_string).collect::<Vec<_>>();
    let failed: Vec<_> = outcome.failed.keys().map(Module::to_string).collect();
    let packs: Vec<_> = outcome.failed_packs.keys().collect();
    let modules = outcome.failed.iter().map(|(module, why)| (module.to_string(), json!(why)));
    let packages = outcome.failed_packs.iter().map(|(package, why)| (package.clone(), json!(why)));
    let reasons = modules.chain(packages);
    json!({
        "restored": outcome.restored.len(),
        "skipped": outcome.skipped,
        "failed": failed,
        "failed_packs": packs,
        "missing": names(&outcome.missing),
        "lacks_proofwidgets": outcome.lacks_proofwidgets,
        "lake_status": outcome.lake_status,
        "packages": outcome.packages.len(),
        "seconds": outcome.took.as_secs_f64(),
        "offline": outcome.offline,
        "downloaded": outcome.downloaded,
        "in_no_cache": names(&outcome.in_no_cache),
        "reasons": Value::Object(reasons.collect()),
    })
}
