//! `lake-shim normalize` on whole trees, one per hazard, compared byte for byte.
//!
//! A case is a directory of `fixtures/normalize/`: `in/` before, `out/` after (none when nothing may change), `stdout`
//! with the changes that are told, and `lock.json` with the spelling that counts, unless that is the one of all cases.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use shim_tests::{Call, Sandbox, Tree, mini_mathlib, tools};

use crate::{Identity, expect_no_leftovers};

macro_rules! cases {
    ($($case:ident)*) => {
        $(#[test]
        fn $case() {
            Case::named(stringify!($case)).check();
        })*

        const CASES: &[&str] = &[$(stringify!($case)),*];
    };
}

cases! {
    a_byte_order_mark_stays
    a_single_table_is_no_require
    a_url_that_needs_escapes_gets_them
    an_array_on_one_line_stays
    an_empty_lakefile_stays
    arrays_over_lines_stay
    carriage_returns_of_manifests_stay
    carriage_returns_stay
    comments_stay
    directories_of_manifests_stay
    dotted_keys_stay
    escaped_urls_are_respelled
    escaped_urls_of_manifests_are_respelled
    escapes_of_other_values_stay
    every_entry_of_a_repository_is_respelled
    every_require_of_a_repository_is_respelled
    every_spelling_becomes_the_locks
    final_newlines_stay
    inline_tables_stay
    keys_may_be_escaped
    leans_layout_may_lack_its_newline
    lines_of_other_urls_stay
    lines_that_get_longer_break_as_lean_breaks_them
    lines_that_get_shorter_join_as_lean_joins_them
    literal_quotes_stay_literal
    manifests_of_a_later_version_are_respelled
    manifests_of_version_1_0_0_are_respelled
    manifests_of_version_5_are_respelled
    manifests_of_version_6_are_respelled
    manifests_of_version_7_are_respelled
    manifests_without_packages_stay
    minified_manifests_stay_so
    mixed_line_ends_stay
    multi_line_quotes_stay_multi_line
    no_final_newline_is_added
    only_the_requires_own_url_is_respelled
    order_stays
    package_overrides_are_respelled
    path_requires_stay
    pretty_printed_manifests_stay_so
    quoted_keys_stay
    repositories_that_the_lock_lacks_stay
    requires_in_no_form_we_know_stay
    requires_of_reservoir_stay
    sources_are_respelled
    spellings_of_other_keys_stay
    tables_of_requires_stay
    tabs_of_manifests_stay
    tabs_stay
    the_last_of_two_urls_counts
    the_locks_spelling_may_be_any
    the_order_of_keys_stays
    trailing_spaces_stay
    two_newlines_are_not_leans_layout
    unicode_of_manifests_stays
    unicode_stays
    urls_that_are_nobodys_require_stay
    urls_that_are_right_stay
    what_we_do_not_know_stays
}

#[test]
fn every_case_is_run() {
    let entries = fs::read_dir(folder()).expect("the cases").flatten();
    let dirs = entries.filter(|entry| entry.path().is_dir());
    let mut names: Vec<_> =
        dirs.map(|dir| dir.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    assert_eq!(names, CASES);
}

#[test]
#[cfg_attr(not(has = "strace"), ignore = "needs strace")]
fn a_file_that_needs_no_change_is_not_opened_for_writing() {
    let case = Case::named("urls_that_are_right_stay");
    case.sandbox.copy("app/lakefile.toml", "app/other/lakefile.toml");
    let wrong = case.sandbox.read("app/lakefile.toml").replace("mathlib4\"", "mathlib4.git\"");
    case.sandbox.write("app/other/lakefile.toml", wrong);
    let log = case.sandbox.path("logs/strace");
    let run = case
        .sandbox
        .command(tools::find_on_path("strace").expect("strace"), "-f -e trace=%file -o")
        .arg(&log)
        .arg(case.sandbox.shim_bin().join("lake-shim"))
        .args(["normalize", "--lock", "../lock.json", "other/lakefile.toml"])
        .args(&case.files)
        .run();
    run.expect_code(0).stdout_contains("other/lakefile.toml:5: ");
    let log = case.sandbox.read(log);
    let calls = |path: &str| -> Vec<_> {
        let quoted = format!("{path}\"");
        let lines = log.lines().filter(|line| line.contains(&quoted)).map(str::to_owned);
        lines.collect()
    };
    let writes = |path: &str| -> Vec<_> {
        let is_write = |call: &String| WRITES.iter().any(|write| call.contains(write));
        calls(path).into_iter().filter(is_write).collect()
    };
    for path in ["app/lakefile.toml", "app/lake-manifest.json"] {
        assert!(!calls(path).is_empty(), "{path} is read:\n{log}");
        assert_eq!(writes(path), [""; 0]);
    }
    assert!(!writes("app/other/lakefile.toml").is_empty(), "what is written is seen:\n{log}");
}

/// What is in a line of strace that does more than look.
const WRITES: &[&str] = &[
    "O_WRONLY", "O_RDWR", "O_CREAT", "O_TRUNC", "rename", " link(", " linkat(", "unlink", "chmod",
    "chown", "utime", "truncate",
];

struct Case {
    dir: PathBuf,
    sandbox: Sandbox,
    /// Relative to the workspace, sorted.
    files: Vec<PathBuf>,
}

impl Case {
    fn named(name: &str) -> Case {
        let dir = folder().join(name);
        let sandbox = Sandbox::empty();
        sandbox.remove("app").copy(dir.join("in"), "app");
        let own_lock = dir.join("lock.json");
        let lock = if own_lock.exists() { own_lock } else { folder().join("lock.json") };
        sandbox.copy(lock, "lock.json");
        let files = Tree::of(dir.join("in")).files().into_keys().collect();
        Case { dir, sandbox, files }
    }

    fn check(&self) {
        let before = self.contents("in");
        let after =
            if self.dir.join("out").exists() { self.contents("out") } else { before.clone() };
        let told = fs::read_to_string(self.dir.join("stdout")).unwrap_or_default();
        assert_eq!(before == after, told.is_empty(), "the case itself");
        let app = Tree::of(self.sandbox.workspace());

        let check = self.normalize().arg("--check").run();
        check.expect_code(i32::from(!told.is_empty())).expect_stdout(&self.absolute(&told));
        app.assert_unchanged();

        let untouched = |path: &&PathBuf| before[*path] == after[*path];
        let untouched = self.identities(self.files.iter().filter(untouched));
        self.normalize().run().expect_code(0).expect_stdout(&self.absolute(&told));
        self.assert_contents(&after);
        assert_eq!(self.identities(untouched.keys()), untouched, "written for nothing");

        let app = self.identities(&self.files);
        self.normalize().run().expect_code(0).expect_stdout("");
        self.normalize().arg("--check").run().expect_code(0).expect_stdout("");
        assert_eq!(self.identities(&self.files), app, "written for nothing the second time");
        expect_no_leftovers(&self.sandbox, "app");
    }

    fn normalize(&self) -> Call<'_> {
        self.sandbox.lake_shim("normalize --lock ../lock.json").args(&self.files)
    }

    fn contents(&self, side: &str) -> BTreeMap<PathBuf, Vec<u8>> {
        contents(&self.dir.join(side))
    }

    #[track_caller]
    fn assert_contents(&self, expected: &BTreeMap<PathBuf, Vec<u8>>) {
        let found = contents(&self.sandbox.workspace());
        for (path, expected) in expected {
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            let found = text(&found[path]);
            let expected = text(expected);
            assert!(
                found == expected,
                "{} became\n{found}\n--- and should be\n{expected}\n--- {:?}",
                path.display(),
                found.lines().zip(expected.lines()).find(|(found, expected)| found != expected)
            );
        }
        assert_eq!(&found, expected, "the rest of the tree");
    }

    fn identities<'a>(
        &self,
        files: impl IntoIterator<Item = &'a PathBuf>,
    ) -> BTreeMap<PathBuf, Identity> {
        let identity = |path: &PathBuf| Identity::of(&self.sandbox.workspace().join(path));
        files.into_iter().map(|path| (path.clone(), identity(path))).collect()
    }

    /// What is told of a file begins with its path.
    fn absolute(&self, told: &str) -> String {
        let app = self.sandbox.workspace();
        told.lines().map(|line| format!("{}/{line}\n", app.display())).collect()
    }
}

fn folder() -> PathBuf {
    mini_mathlib::fixtures().join("normalize")
}

fn contents(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let files = Tree::of(root).files().into_keys();
    files.map(|path| (path.clone(), fs::read(root.join(path)).expect("a file"))).collect()
}
