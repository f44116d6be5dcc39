//! What a test looks at after a run.

use std::path::{Path, PathBuf};

use fs_err as fs;
use serde_json::Value;

use crate::call_log::{self, LakeCall, LeantarCall};
use crate::mini_mathlib::{self, modules};
use crate::or_panic::OrPanic as _;
use crate::sandbox::Sandbox;
use crate::tools;
use crate::tree::{Tree, is_notes, sha256};

impl Sandbox {
    /// How the fake lake was called, in order.
    #[track_caller]
    pub fn lake_calls(&self) -> Vec<LakeCall> {
        assert!(
            tools::real_lake().is_none(),
            "a real lake keeps no log; the test needs `has = \"fake-lake\"`"
        );
        call_log::lake_calls(&self.path("logs/lake.jsonl")).or_panic()
    }

    /// How the fake leantar was called, in order, without the questions for its version.
    #[track_caller]
    pub fn leantar_calls(&self) -> Vec<LeantarCall> {
        assert!(
            tools::real_leantar().is_none(),
            "a real leantar keeps no log; the test needs `has = \"fake-leantar\"`"
        );
        let mut calls = call_log::leantar_calls(&self.path("logs/leantar.jsonl")).or_panic();
        calls.retain(|call| !call.asks_for_version());
        calls
    }

    /// Asserts that every module is whole in the workspace's packages directory, traces included.
    #[track_caller]
    pub fn expect_all_restored(&self) {
        let names: Vec<_> = modules().iter().map(|module| module.name.as_str()).collect();
        self.expect_restored(&names);
    }

    /// Asserts that exactly these modules are restored, and that nothing is left of any other.
    #[track_caller]
    pub fn expect_restored(&self, names: &[&str]) {
        self.expect_restored_below(self.packages(), names);
    }

    /// As [`Sandbox::expect_restored`], for packages that lie elsewhere.
    #[track_caller]
    pub fn expect_restored_below(&self, packages: impl AsRef<Path>, names: &[&str]) {
        self.expect_files(packages.as_ref(), names, |_| true);
    }

    /// Asserts that every module is restored, as far as Lake's traces tell what that means: they record
    /// no hash of the `.ir.sig` files that Lean 4.35 writes.
    #[track_caller]
    pub fn expect_all_restored_as_recorded(&self) {
        let names: Vec<_> = modules().iter().map(|module| module.name.as_str()).collect();
        let is_recorded = |file: &Path| !file.to_string_lossy().ends_with(".ir.sig");
        self.expect_files(self.packages().as_ref(), &names, is_recorded);
    }

    /// The modules that have a trace.
    pub fn restored(&self) -> Vec<&'static str> {
        let traced = modules().iter().filter(|module| self.packages().join(&module.trace).exists());
        traced.map(|module| module.name.as_str()).collect()
    }

    #[track_caller]
    fn expect_files(&self, packages: &Path, names: &[&str], counts: impl Fn(&Path) -> bool) {
        let packages = self.path(packages);
        let expected = mini_mathlib::expected_files();
        let mut wrong = Vec::new();
        for module in modules() {
            let wanted = names.contains(&module.name.as_str());
            if wanted && !trace_matches(&packages.join(&module.trace), module.dep_hash) {
                wrong.push(format!("{} does not match", module.trace.display()));
            }
            for file in module.files.iter().chain([&module.trace]).filter(|file| counts(file)) {
                let found = std::fs::read(packages.join(file)).ok();
                let found = found.as_deref().map(sha256);
                match (wanted, found) {
                    (true, None) => wrong.push(format!("{} is missing", file.display())),
                    (true, Some(found))
                        if expected.get(file).is_some_and(|want| *want != found) =>
                    {
                        wrong.push(format!("{} has other bytes", file.display()));
                    }
                    (false, Some(_)) => {
                        wrong.push(format!("{} should not be there", file.display()))
                    }
                    _ => {}
                }
            }
        }
        let leftovers = Tree::of(&packages).files().into_keys().filter(|path| {
            path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(".tmp"))
        });
        wrong.extend(leftovers.map(|path| format!("{} was left behind", path.display())));
        assert!(wrong.is_empty(), "not restored as expected:\n{}", wrong.join("\n"));
    }

    /// What lies below a directory under a name that leantar or the shim gives to what is not finished.
    pub fn leftovers(&self, below: impl AsRef<Path>) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let mut folders = vec![self.path(below)];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).or_panic() {
                let entry = entry.or_panic();
                let name = entry.file_name();
                let is_leftover = [".lake-shim", ".tmp"]
                    .iter()
                    .any(|prefix| name.to_string_lossy().starts_with(prefix));
                if is_notes(&entry.path()) || name == ".lake-shim.ledger" {
                    continue;
                }
                if is_leftover {
                    found.push(entry.path());
                } else if entry.file_type().or_panic().is_dir() {
                    folders.push(entry.path());
                }
            }
        }
        found
    }

    /// A work directory of the shim that a dead process left in `parent`, with a file in it. Returns its path.
    pub fn leave_work_dir(&self, parent: impl AsRef<Path>) -> PathBuf {
        let dir = self.path(parent).join(".lake-shim-0123456789ab");
        let boot = self.read("/proc/sys/kernel/random/boot_id");
        let namespace = fs::read_link("/proc/self/ns/pid").or_panic();
        // The id is this process's, which did not start at the first tick.
        let system = format!("{} {}", boot.trim(), namespace.display());
        let owner = format!("work directory of lake-shim\n{system}\n{}\n1\n", std::process::id());
        self.write(dir.join("owner"), owner).write(dir.join("work/half"), "half");
        dir
    }

    /// The URL and revision of a package in the workspace's manifest.
    pub fn locked(&self, name: &str) -> (String, String) {
        let manifest: Value = serde_json::from_str(&self.read("app/lake-manifest.json")).or_panic();
        let entry = manifest["packages"]
            .as_array()
            .into_iter()
            .flatten()
            .find(|entry| entry["name"] == name);
        let entry = entry.unwrap_or_else(|| panic!("no `{name}` in the manifest"));
        let field = |key: &str| entry[key].as_str().unwrap_or_default().to_owned();
        (field("url"), field("rev"))
    }
}

fn trace_matches(trace: &Path, dep_hash: u64) -> bool {
    let trace = std::fs::read(trace).unwrap_or_default();
    let trace: Value = serde_json::from_slice(&trace).unwrap_or_default();
    trace["depHash"] == format!("{dep_hash:016x}")
}
