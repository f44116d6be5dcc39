//! The thirteen workspaces whose manifests a real Lake wrote: each is matched byte for byte.

use std::fs;

use shim_tests::mini_mathlib;

use crate::case::{Case, Way};

pub(crate) const CASES: [&str; 13] = [
    "custom_packages_dir",
    "diamond_through_two_gits",
    "empty_manifest_of_dependency",
    "full_sha",
    "inline_git_table",
    "no_requires",
    "odd_names",
    "one_git_branch",
    "path_with_manifest",
    "path_without_manifest",
    "rev_absent",
    "scoped_with_git",
    "two_paths_share_git_dotgit",
];

fn assert_all(way: Way) {
    for name in CASES {
        Case::of(name).assert_as_lake_wrote_it(way);
    }
}

#[test]
fn these_are_all() {
    let entries = fs::read_dir(mini_mathlib::fixtures().join("resolve")).expect("fixtures");
    let names = entries.map(|entry| entry.expect("entry").file_name().into_string());
    let mut names: Vec<_> = names.map(|name| name.expect("UTF-8")).collect();
    names.sort();
    assert_eq!(names, CASES);
}

#[test]
#[cfg_attr(not(has = "unshare"), ignore = "needs unshare")]
fn from_a_lock_alone_it_is_as_lake_wrote_it() {
    assert_all(Way::Lock);
}

#[test]
#[cfg_attr(not(has = "unshare"), ignore = "needs unshare")]
fn from_a_baked_store_it_is_as_lake_wrote_it() {
    assert_all(Way::Packs);
}

#[test]
#[cfg_attr(not(has = "unshare"), ignore = "needs unshare")]
fn from_clones_that_lie_there_it_is_as_lake_wrote_it() {
    assert_all(Way::Clones);
}
