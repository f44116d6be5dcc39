//! What came of a restore, for people and for programs.

use super::{Report, SHOWN, count, data, print, print_some};
use crate::mathlib::Module;
use crate::mathlib::names::NamedModule;
use crate::restore::Outcome;
use crate::restore::plan::Plan;
use crate::settings::{Log, Network};
use anyhow::Result;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write as _;

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
        if let Some((modules, why)) = &outcome.not_unpacked {
            let count = count(*modules, "module");
            print(&format!("{count} in a store, and not unpacked: {why}"));
        }
        if !outcome.missing.is_empty() {
            print(&format!("{} in no store", count(outcome.missing.len(), "module")));
            print_some(outcome.missing.iter().map(Module::to_string), outcome.missing.len());
        }
        if !outcome.behind_packs.is_empty() {
            let count = count(outcome.behind_packs.len(), "module");
            print(&format!("{count} in packs, and not unpacked: see above"));
        }
        if outcome.built > 0 {
            print(&format!("{} built; no store to compare with", count(outcome.built, "module")));
        }
        if !outcome.lacking.is_empty() {
            print(&format!("missing, and in no `.ltar`: {}", outcome.lacking.join(", ")));
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
        if let Some(hint) = hint_for(outcome).filter(|_| !outcome.is_whole()) {
            print(&hint);
        }
    }

    fn summary(&self, outcome: &Outcome) {
        let Outcome { restored, skipped, packages, took, offline, downloaded, .. } = outcome;
        let seconds = took.as_secs_f64();
        let how = if *offline { "offline" } else { "with the real lake" };
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
                "nothing to do: {} up to date{} in {seconds:.1} s ({how})",
                count(*skipped, "module"),
                if outcome.is_mixed {
                    ", from several stores, for no store has them all,"
                } else {
                    ""
                }
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
            "restored {}, {}{} in {seconds:.1} s ({how})",
            count(restored.len(), "module"),
            count(packages.len(), "package"),
            from(outcome),
        ));
    }

    /// Prints what a restore would do: the figures, and at level `debug` every module.
    ///
    /// # Errors
    /// Those of [`data`].
    pub fn plan(&self, plan: &Plan) -> Result<()> {
        let Plan { packs, steps, skipped, built, failed, missing, lacking, later, packed, .. } =
            plan;
        let mut text = String::new();
        for step in packs {
            let (what, store) = (step.what(), step.store.display());
            writeln!(text, "unpack the {what} of {} from {store}", step.package)?;
        }
        if self.log >= Log::Debug {
            for step in steps {
                let (module, from) = (&step.named.module, step.source.display());
                writeln!(text, "unpack {module} from {from} into {}", step.package.display())?;
            }
            for named in missing {
                writeln!(text, "miss {} ({})", named.module, named.file)?;
            }
            for named in built {
                writeln!(text, "keep {} ({}), built here", named.module, named.file)?;
            }
        }
        for (module, reason) in failed.iter().take(SHOWN) {
            writeln!(text, "cannot restore {module}: {reason}")?;
        }
        for target in lacking {
            writeln!(text, "miss {target}")?;
        }
        if plan.is_mixed {
            writeln!(text, "no store has them all: they would come from several")?;
        }
        if let Some(why) = &plan.not_unpacked {
            writeln!(text, "cannot unpack: {why}")?;
        }
        let parts = [
            (steps.len(), "to unpack"),
            (*packed, "in packs to unpack"),
            (*later, "to unpack once the sources are there"),
            (skipped.len(), "up to date"),
            (built.len(), "built, with no store to compare with"),
            (missing.len(), "in no store"),
            (failed.len(), "damaged"),
        ];
        let parts = parts.iter().filter(|(n, what)| *n > 0 || *what == "to unpack");
        let parts: Vec<_> = parts.map(|(n, what)| format!("{n} {what}")).collect();
        writeln!(text, "{}", parts.join(", "))?;
        data(&text)
    }
}

/// Where modules came from, for the end of a sentence about them.
fn from(outcome: &Outcome) -> String {
    let stores = outcome.stores();
    let from = match stores.iter().collect::<Vec<_>>().as_slice() {
        [] => return String::new(),
        [(store, _)] => format!(" from {}", store.display()),
        several => {
            let shares = several.iter().map(|(store, n)| format!("{} ({n})", store.display()));
            format!(" from {}", shares.collect::<Vec<_>>().join(", "))
        }
    };
    match (outcome.is_mixed, stores.len()) {
        (true, 1) => from + " beside others, for no store has them all,",
        (true, _) => from + ", for no store has them all,",
        (false, _) => from,
    }
}

fn is_idle(outcome: &Outcome) -> bool {
    let Outcome { restored, packages, downloaded, in_no_cache, .. } = outcome;
    let is_complete = outcome.is_whole() && in_no_cache.is_empty();
    is_complete && restored.is_empty() && packages.is_empty() && *downloaded == 0
}

/// What to do about a restore that is not whole.
fn hint_for(outcome: &Outcome) -> Option<String> {
    let mut reasons = outcome.failed.values().chain(outcome.failed_packs.values());
    let hint = if let Some(full) = &outcome.full {
        return Some(format!(
            "hint: the disk of `{}` is full: make room, and run it again",
            full.display()
        ));
    } else if reasons.any(|reason| reason.contains("(os error ")) {
        "the disk refused, as said above: see to that, and run it again"
    } else if !outcome.failed_packs.is_empty() && outcome.missing.is_empty() {
        "the store is damaged: `lake-shim verify` tells where, `lake-shim bake` mends it"
    } else if outcome.lake_status.is_some() {
        "the real lake could not get them either; what it said is above"
    } else if outcome.missing.is_empty() && !outcome.failed.is_empty() {
        "these files of the store are damaged: replace them, or allow the network \
         (`LAKE_SHIM_NETWORK=auto`)"
    } else if outcome.missing.is_empty()
        && (outcome.not_unpacked.is_some() || !outcome.behind_packs.is_empty())
    {
        return None; // which was said with the reason
    } else if outcome.network == Network::Never {
        "complete the store for this mathlib, or allow the network (`LAKE_SHIM_NETWORK=auto`)"
    } else {
        "`lake exe cache get`, with network, fetches them; `lake-shim bake` completes the store"
    };
    Some(format!("hint: {hint}"))
}

/// A plan as one JSON object.
pub fn plan_json(plan: &Plan) -> Value {
    let names = |named: &[NamedModule]| {
        named.iter().map(|named| named.module.to_string()).collect::<Vec<_>>()
    };
    let packs = plan.packs.iter().map(|step| {
        json!({ "package": step.package, "what": step.what(), "store": step.store.display().to_string() })
    });
    let steps = plan.steps.iter().map(|step| {
        let (source, into) =
            (step.source.display().to_string(), step.package.display().to_string());
        (step.named.module.to_string(), json!({ "from": source, "into": into }))
    });
    json!({
        "whole": plan.is_whole(),
        "packs": packs.collect::<Vec<_>>(),
        "unpack": Value::Object(steps.collect()),
        "later": plan.later,
        "packed": plan.packed,
        "mixed": plan.is_mixed,
        "not_unpacked": plan.not_unpacked,
        "up_to_date": plan.skipped.len(),
        "built": names(&plan.built),
        "missing": names(&plan.missing),
        "damaged": plan.failed.iter().map(|(module, why)| (module.to_string(), why)).collect::<BTreeMap<_, _>>(),
        "lacking": plan.lacking,
    })
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
        "behind_packs": names(&outcome.behind_packs),
        "mixed": outcome.is_mixed,
        "built": outcome.built,
        "not_unpacked": outcome.not_unpacked.as_ref().map_or(0, |(modules, _)| *modules),
        "lacking": outcome.lacking,
        "stores": outcome.stores().into_iter().map(|(store, n)| (store.display().to_string(), n)).collect::<BTreeMap<_, _>>(),
        "lake_status": outcome.lake_status,
        "packages": outcome.packages.len(),
        "seconds": outcome.took.as_secs_f64(),
        "offline": outcome.offline,
        "downloaded": outcome.downloaded,
        "in_no_cache": names(&outcome.in_no_cache),
        "reasons": Value::Object(reasons.collect()),
    })
}
