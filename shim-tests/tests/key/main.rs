//! `lake-shim key`: names of images and caches, through the real binary.

mod changes;
mod checkouts;
mod errors;
mod output;

use std::collections::BTreeMap;

use shim_tests::{Call, Run, Sandbox};

/// A project on mathlib with an image to build: `ci/Dockerfile` takes a script, a directory with a
/// symlink and a binary file in it, and by a wildcard the project's lock.
fn project() -> Sandbox {
    let sandbox = Sandbox::mini_mathlib_without_packages();
    let dockerfile = "FROM debian:12\n# What it takes.\nARG DATA=data\nCOPY ci/install.sh \\\n    ci/$DATA /x/\n\
                      COPY lean-toolchai[n] lake-manifest.json /app/\nRUN /x/install.sh\n";
    sandbox
        .write("app/ci/Dockerfile", dockerfile)
        .write("app/.dockerignore", "# Not these.\n**/*.log\n.lake\n")
        .write("app/ci/install.sh", "#!/bin/sh\necho installing\n")
        .write("app/ci/data/table", "a\nb\n")
        .write("app/ci/data/binary", b"\0\r\n\n")
        .write("app/ci/data/noise.log", "1\n")
        .write("app/ci/other", "other\n")
        .write("app/README.md", "An app.\n")
        .write("app/docs/a.md", "a\n")
        .write("app/docs/deep/b.md", "b\n")
        .write("app/.gitignore", ".lake\n/scratch\n")
        .symlink("table", "app/ci/data/link")
        .chmod("app/ci/install.sh", 0o755);
    sandbox
}

/// All four keys of [`project`].
fn all_keys(sandbox: &Sandbox) -> Call<'_> {
    sandbox.lake_shim("key --dockerfile ci/Dockerfile --context . --files ci/*.sh docs README.md")
}

/// What `name=value` lines say.
#[track_caller]
fn keys(run: &Run) -> BTreeMap<String, String> {
    run.expect_code(0).expect_stderr("");
    let line = |line: &str| {
        let (name, value) = line.split_once('=').unwrap_or_else(|| panic!("`{line}`\n{run}"));
        (name.to_owned(), value.to_owned())
    };
    run.stdout.lines().map(line).collect()
}

/// The keys that differ.
fn changed(before: &BTreeMap<String, String>, after: &BTreeMap<String, String>) -> Vec<String> {
    assert!(before.keys().eq(after.keys()), "{before:?} {after:?}");
    before.keys().filter(|name| before[*name] != after[*name]).cloned().collect()
}
