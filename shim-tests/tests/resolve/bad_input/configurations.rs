//! Configurations and manifests that cannot be understood, of the workspace and of what it requires.

use serde_json::json;
use shim_tests::{Sandbox, Tree};

use super::{
    assert_build_goes_on, assert_named, assert_refused, at, bake, manifest, requiring, revision,
    workspace,
};

/// A workspace with that configuration, and a lock of `m`.
fn with_lock(lakefile: &str) -> Sandbox {
    let sandbox = workspace(lakefile);
    bake(&sandbox, "v0");
    sandbox
}

/// As [`with_lock`], where `m` is a path, and what its files are.
fn with_dependency(files: &[(&str, &str)]) -> Sandbox {
    let sandbox = with_lock(&requiring("path = \"../m\""));
    for (file, text) in files {
        sandbox.write(format!("m/{file}"), text);
    }
    sandbox
}

// The workspace

/// Requires in no form that Lake takes, and what is said of them.
const UNKNOWN: [(&str, [&str; 2]); 5] = [
    ("git = 3", ["line 3", "`git`"]),
    ("rev = 1\ngit = \"u\"", ["line 3", "`rev`"]),
    ("source = { type = \"hg\", url = \"u\" }", ["line 3", "`hg`"]),
    ("source = { type = \"git\" }", ["line 3", "`url`"]),
    ("path = [\"m\"]", ["line 3", "`path`"]),
];

#[test]
fn a_require_in_no_form_we_know_is_named_with_its_line() {
    for (require, parts) in UNKNOWN {
        assert_refused(&with_lock(&requiring(require)), &[&["`m`"][..], &parts].concat());
    }
    let array = "name = \"root\"\n\nrequire = [\n  \"m\",\n]\n";
    assert_refused(&with_lock(array), &["line 4", "`require`"]);
    let table = "name = \"root\"\n\n[require]\nname = \"m\"\npath = \"m\"\n";
    assert_refused(&with_lock(table), &["line 3", "`require`"]);
}

#[test]
fn a_configuration_that_is_no_toml_is_named_with_line_and_column() {
    for (lakefile, place) in [
        ("name = \"root\"\n[[require]\n", "line 2, column 11"),
        ("name = \"root\"\n\nversion = v1\n", "line 3, column 11"),
        ("name = \"root\"\nname = \"again\"\n", "line 2, column 1"),
    ] {
        assert_named(&with_lock(lakefile), &["lakefile.toml", place]);
    }
}

#[test]
fn a_configuration_that_is_no_text_or_has_no_name_is_named() {
    let sandbox = with_lock("");
    assert_named(&sandbox, &["lakefile.toml", "`name`"]);
    sandbox.write("app/lakefile.toml", b"name = \"ro\xff\"\n");
    assert_named(&sandbox, &["lakefile.toml"]);
}

#[test]
fn a_root_that_requires_its_own_name_is_a_cycle() {
    // Lake: `dependency cycle detected: root root`.
    let sandbox = with_lock(&requiring("path = \"other\"").replace("\"m\"", "\"root\""));
    sandbox.write("app/other/lakefile.toml", "name = \"root\"\n");
    assert_refused(&sandbox, &["cycle", "`root`"]);
}

/// Manifests that no Lake of this age reads, and what is said of them.
const MANIFESTS: [(&str, &str); 3] = [
    ("{\"version\": \"2.0.0\", \"packages\": []}", "`2.0.0`"),
    ("{\"version\": 4, \"packages\": []}", "`4`"),
    ("{\"version\": \"1.1.0\", \"packages\": [", "line 1"),
];

#[test]
fn a_manifest_that_is_too_new_or_broken_is_named() {
    for (manifest, part) in MANIFESTS {
        let sandbox = with_lock(&at("v0"));
        sandbox.write("app/lake-manifest.json", manifest);
        assert_named(&sandbox, &["lake-manifest.json", part]);
        assert_build_goes_on(&sandbox).stderr_contains("lake-shim: warning: ");
    }
}

#[test]
fn whatever_cannot_be_understood_comes_with_a_hint() {
    for lakefile in ["name = \"root\"\n[[require]\n", ""] {
        assert_refused(&with_lock(lakefile), &["lakefile.toml"]);
    }
    for (manifest, part) in MANIFESTS {
        let sandbox = with_lock(&at("v0"));
        sandbox.write("app/lake-manifest.json", manifest);
        assert_refused(&sandbox, &["lake-manifest.json", part]);
    }
}

#[test]
fn a_program_without_a_manifest_is_only_lakes_to_understand() {
    let sandbox = with_lock("");
    sandbox.remove("app/lakefile.toml").write("app/lakefile.lean", "import Lake\npackage root\n");
    assert_refused(&sandbox, &["`lakefile.lean`", "manifest", "lake update"]);
}

#[test]
fn a_program_with_a_manifest_is_refreshed() {
    let sandbox = with_lock("");
    sandbox.remove("app/lakefile.toml").write("app/lakefile.lean", "import Lake\npackage root\n");
    let mut manifest = manifest(&sandbox, "v0");
    sandbox.write("app/lake-manifest.json", manifest.to_string());
    let all = Tree::of(sandbox.workspace());
    sandbox.lake_shim("resolve").run().expect_code(0);
    all.assert_unchanged();
    manifest["packages"][0]["rev"] = json!(revision(&sandbox, "v1"));
    sandbox.write("app/lake-manifest.json", manifest.to_string());
    sandbox.lake_shim("resolve").run().expect_code(0).stderr_contains("resolved 1 package");
    assert_eq!(sandbox.locked("m").1, revision(&sandbox, "v0"));
}

// Its dependencies

#[test]
fn a_path_that_leads_nowhere_is_named() {
    let gone = "\n[[require]]\nname = \"gone\"\npath = \"../gone\"\n";
    let sandbox = with_lock(&(at("v0") + gone));
    assert_refused(&sandbox, &["`gone`", "../gone"]);
}

#[test]
fn a_path_that_leads_to_no_package_is_named() {
    let sandbox = with_dependency(&[("README.md", "")]);
    assert_refused(&sandbox, &["`m`", "`lakefile.lean` or `lakefile.toml`"]);
}

#[test]
fn a_dependency_that_cannot_be_understood_is_named() {
    let sandbox = with_dependency(&[("lakefile.toml", "name = \"m\"\n[require\n")]);
    assert_refused(&sandbox, &["`m`", "lakefile.toml", "line 2, column 9"]);
    sandbox.remove("m/lakefile.toml").write("m/lakefile.lean", "package m\n");
    assert_refused(&sandbox, &["`m`", "lakefile.lean", "manifest"]);
    for (require, parts) in UNKNOWN {
        let lakefile = requiring(require).replace("\"m\"\n", "\"x\"\n");
        let sandbox = with_dependency(&[("lakefile.toml", &*lakefile)]);
        assert_refused(&sandbox, &[&["`x`"][..], &parts].concat());
    }
}

#[test]
fn a_dependencys_manifest_that_is_too_new_is_named() {
    // An older one, or one that is broken, Lake itself goes on without.
    let (manifest, part) = MANIFESTS[0];
    let files = [("lakefile.toml", "name = \"m\"\n"), ("lake-manifest.json", manifest)];
    assert_refused(&with_dependency(&files), &["`m`", "lake-manifest.json", part]);
    for (manifest, _) in &MANIFESTS[1..] {
        let files = [("lakefile.toml", "name = \"m\"\n"), ("lake-manifest.json", *manifest)];
        let sandbox = with_dependency(&files);
        sandbox.lake_shim("resolve").run().expect_code(0);
        assert!(sandbox.read("app/lake-manifest.json").contains("\"dir\": \"../m\""));
    }
}

#[test]
fn what_no_lock_could_mend_is_named_where_there_is_none() {
    for (require, parts) in UNKNOWN {
        assert_refused(&workspace(&requiring(require)), &[&["`m`"][..], &parts].concat());
    }
    let sandbox = workspace(&requiring("path = \"../m\""));
    assert_refused(&sandbox, &["`m`", "../m"]);
    sandbox.write("m/lakefile.toml", "name = \"m\"\n[require\n");
    assert_refused(&sandbox, &["`m`", "lakefile.toml", "line 2, column 9"]);
}
