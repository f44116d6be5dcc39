//! Workspaces in which something is spelled, placed or ordered in a way that is easily got wrong. What Lake makes of them
//! is in `fixtures/resolve-more`; `resolve-cases/` has them in words.

use std::fs;

use shim_tests::{Tree, mini_mathlib};

use crate::case::{Case, Way};

const EVERY_WAY: [Way; 3] = [Way::Lock, Way::Packs, Way::Clones];

/// Where the packages' files are at hand.
const WITH_FILES: [Way; 2] = [Way::Packs, Way::Clones];

#[track_caller]
fn assert_as_lake(ways: &[Way], names: &[&str]) {
    for name in names {
        let case = Case::of(name);
        ways.iter().for_each(|way| case.assert_as_lake_wrote_it(*way));
    }
}

#[test]
#[cfg_attr(not(has = "real-lake"), ignore = "needs SHIM_TEST_REAL_LAKE")]
fn a_real_lake_writes_these_manifests_real_lake_only() {
    for folder in ["resolve", "resolve-more"] {
        for entry in fs::read_dir(mini_mathlib::fixtures().join(folder)).expect("fixtures") {
            let name = entry.expect("entry").file_name().into_string().expect("UTF-8");
            let case = Case::of(&name);
            let run = case.sandbox.real_lake("update").cwd(case.workspace()).run();
            run.expect_code(0);
            assert_eq!(case.sandbox.read(case.manifest()), case.golden(), "{name}\n{run}");
        }
    }
}

#[test]
fn every_workspace_is_tried() {
    let tests = include_str!("hard.rs");
    for entry in fs::read_dir(mini_mathlib::fixtures().join("resolve-more")).expect("fixtures") {
        let name = entry.expect("entry").file_name().into_string().expect("UTF-8");
        assert!(tests.contains(&format!("\"{name}\"")), "{name}");
    }
}

// Paths

#[test]
#[cfg_attr(not(has = "unshare"), ignore = "needs unshare")]
fn a_path_in_a_path_keeps_every_step() {
    let names = [
        "path_upward_in_path",
        "path_upward_in_path_with_manifest",
        "paths_three_deep",
        "paths_spelled_oddly",
        "paths_with_other_letters",
        "path_that_is_the_workspace_itself",
    ];
    assert_as_lake(&EVERY_WAY, &names);
}

#[test]
#[cfg_attr(not(has = "unshare"), ignore = "needs unshare")]
fn an_absolute_path_stands_for_itself() {
    assert_as_lake(&EVERY_WAY, &["absolute_paths"]);
}

#[test]
#[cfg_attr(not(has = "unshare"), ignore = "needs unshare")]
fn cycles_of_paths_are_no_error() {
    let names = [
        "cycle_of_paths",
        "cycle_of_paths_with_manifests",
        "dependency_requires_itself",
        "dependency_requires_the_roots_name",
    ];
    assert_as_lake(&EVERY_WAY, &names);
}

#[test]
#[cfg_attr(not(has = "unshare"), ignore = "needs unshare")]
fn an_entry_of_the_roots_own_name_is_written_as_lake_does() {
    assert_as_lake(&EVERY_WAY, &["manifest_of_dependency_has_the_roots_name"]);
}

// Conflicts

#[test]
#[cfg_attr(not(has = "unshare"), ignore = "needs unshare")]
fn the_first_entry_of_a_name_wins() {
    let names = [
        "manifests_pin_different_revisions",
        "requirers_without_manifests_differ",
        "a_later_manifest_beats_an_earlier_require",
        "manifest_without_its_require_still_pins",
        "packages_of_one_repository_at_two_revisions",
    ];
    assert_as_lake(&EVERY_WAY, &names);
}

#[test]
#[cfg_attr(not(has = "unshare"), ignore = "needs unshare")]
fn the_root_overrides_what_a_dependency_requires() {
    assert_as_lake(&EVERY_WAY, &["root_overrides_a_manifests_git"]);
    assert_as_lake(&WITH_FILES, &["root_overrides_a_git_by_a_path"]);
}

#[test]
#[cfg_attr(not(has = "unshare"), ignore = "needs unshare")]
fn what_a_package_without_files_requires_is_not_guessed() {
    // The lock has `o` from git, because `a` requires it; the files at hand only tell of a path.
    let case = Case::of("root_overrides_a_git_by_a_path");
    let call = case.prepare(Way::Lock);
    let before = Tree::of(case.sandbox.workspace());
    call.run().expect_code(1).stderr_contains("`a`: its files are neither in");
    before.assert_unchanged();
}

#[test]
#[cfg_attr(not(has = "unshare"), ignore = "needs unshare")]
fn what_nobody_requires_is_not_written() {
    assert_as_lake(&WITH_FILES, &["stale_entries_of_a_manifest"]);
}

#[test]
#[cfg_attr(not(has = "unshare"), ignore = "needs unshare")]
fn duplicate_names_are_written_as_often_as_lake_does() {
    let names = ["duplicate_names_in_the_root", "duplicate_names_in_a_dependency"];
    assert_as_lake(&EVERY_WAY, &names);
}

#[test]
#[cfg_attr(not(has = "unshare"), ignore = "needs unshare")]
fn packages_stand_in_lakes_order() {
    assert_as_lake(&EVERY_WAY, &["order_of_a_tree", "order_of_a_tree_of_gits"]);
}

// Git

#[test]
#[cfg_attr(not(has = "unshare"), ignore = "needs unshare")]
fn a_revision_may_be_of_any_kind() {
    assert_as_lake(&EVERY_WAY, &["revisions_of_every_kind"]);
}

/// A git package, and in its repository packages that it requires by path.
const PATHS_IN_REPOSITORIES: [&str; 5] = [
    "path_in_a_gits_repository",
    "path_into_a_packages_clone",
    "packages_dir_absolute",
    "packages_dir_elsewhere_with_a_path_in_a_repository",
    "packages_dir_spelled_oddly",
];

/// The same, with `.` or `..` in their paths.
const PATHS_WITH_DOTS_IN_REPOSITORIES: [&str; 4] = [
    "path_in_a_gits_repository_with_manifest",
    "sub_dir",
    "sub_dir_with_manifest",
    "sub_dirs_of_one_repository",
];

#[test]
#[cfg_attr(not(has = "unshare"), ignore = "needs unshare")]
fn a_path_in_a_gits_repository_lies_in_its_clone() {
    assert_as_lake(&WITH_FILES, &PATHS_IN_REPOSITORIES);
    assert_as_lake(&[Way::Clones], &PATHS_WITH_DOTS_IN_REPOSITORIES);
}

#[test]
#[cfg_attr(not(has = "unshare"), ignore = "needs unshare")]
fn a_path_with_dots_in_a_gits_repository_is_found_in_its_pack() {
    assert_as_lake(&[Way::Packs], &PATHS_WITH_DOTS_IN_REPOSITORIES);
}

#[test]
#[cfg_attr(not(has = "unshare"), ignore = "needs unshare")]
fn a_path_in_a_gits_repository_is_known_from_a_lock_alone() {
    assert_as_lake(&[Way::Lock], &PATHS_IN_REPOSITORIES);
    assert_as_lake(&[Way::Lock], &PATHS_WITH_DOTS_IN_REPOSITORIES);
    assert_as_lake(&[Way::Lock], &["requires_of_every_form"]);
}

// Names

#[test]
#[cfg_attr(not(has = "unshare"), ignore = "needs unshare")]
fn names_are_printed_as_lean_prints_them() {
    let names = [
        "names_that_need_quotes",
        "names_that_need_quotes_in_manifests",
        "names_that_are_one",
        "names_of_odd_letters",
    ];
    assert_as_lake(&EVERY_WAY, &names);
}

// Configurations

#[test]
#[cfg_attr(not(has = "unshare"), ignore = "needs unshare")]
fn a_manifest_may_have_another_name() {
    assert_as_lake(&WITH_FILES, &["manifest_file_and_packages_dir"]);
    assert_as_lake(&EVERY_WAY, &["manifest_file_of_a_git"]);
}

#[test]
#[cfg_attr(not(has = "unshare"), ignore = "needs unshare")]
fn an_entry_says_which_configuration_a_package_has() {
    assert_as_lake(&EVERY_WAY, &["config_file_of_an_entry"]);
}

#[test]
#[cfg_attr(not(has = "unshare"), ignore = "needs unshare")]
fn requires_may_be_in_any_form() {
    assert_as_lake(&WITH_FILES, &["requires_of_every_form"]);
    assert_as_lake(&EVERY_WAY, &["lakefile_with_crlf_and_multi_line_strings"]);
}

// Manifests of dependencies

#[test]
#[cfg_attr(not(has = "unshare"), ignore = "needs unshare")]
fn what_reservoir_once_said_is_in_a_dependencys_manifest() {
    assert_as_lake(&WITH_FILES, &["reservoirs_packages_in_a_manifest"]);
}

const OLD_VERSIONS: [&str; 2] = ["manifest_of_version_6", "manifest_of_version_7"];

#[test]
#[cfg_attr(not(has = "unshare"), ignore = "needs unshare")]
fn a_dependencys_manifest_may_be_of_any_version() {
    assert_as_lake(&WITH_FILES, &OLD_VERSIONS);
    let names = [
        "manifest_of_version_1_0_0",
        "manifest_of_version_1_9_0_with_unknown_fields",
        "manifest_that_packs_things_oddly",
    ];
    assert_as_lake(&EVERY_WAY, &names);
}

#[test]
#[cfg_attr(not(has = "unshare"), ignore = "needs unshare")]
fn files_of_a_package_are_known_from_a_lock_alone() {
    assert_as_lake(&[Way::Lock], &OLD_VERSIONS);
    let names = [
        "manifest_file_and_packages_dir",
        "reservoirs_packages_in_a_manifest",
        "stale_entries_of_a_manifest",
    ];
    assert_as_lake(&[Way::Lock], &names);
}

#[test]
#[cfg_attr(not(has = "unshare"), ignore = "needs unshare")]
fn a_dependencys_manifest_that_lake_cannot_load_is_ignored() {
    let names = ["manifest_with_an_entry_that_lacks_inherited", "manifest_with_an_unquoted_name"];
    assert_as_lake(&EVERY_WAY, &names);
}

// Layout

#[test]
#[cfg_attr(not(has = "unshare"), ignore = "needs unshare")]
fn lines_break_where_lean_breaks_them() {
    assert_as_lake(&EVERY_WAY, &["long_lines", "long_name_and_packages_dir", "one_short_entry"]);
}
