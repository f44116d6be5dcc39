//! Small packages that their repository and the manifest can reproduce.

use std::path::Path;

use serde_json::{Value, json};
use shim_tests::Sandbox;

/// The package `name` in `dir`, as Lake clones it, and its entry in the manifest of the workspace `app`.
pub fn add_package(sandbox: &Sandbox, dir: impl AsRef<Path>, name: &str) {
    add_package_to(sandbox, "app", dir, name);
}

/// As [`add_package`], for a workspace of another name.
pub fn add_package_to(sandbox: &Sandbox, workspace: &str, dir: impl AsRef<Path>, name: &str) {
    clone_package(sandbox, dir, name);
    lock_package(sandbox, workspace, name);
}

/// The package alone, at the first revision of its repository.
pub fn clone_package(sandbox: &Sandbox, dir: impl AsRef<Path>, name: &str) {
    let template = sandbox.path("templates").join(name);
    if !template.exists() {
        let upstream = upstream(sandbox, name);
        let clone = ["clone", "--quiet", "--template=", &*upstream, &*template.to_string_lossy()];
        sandbox.git(&sandbox.path("tmp"), &clone);
        sandbox.git(&template, &["checkout", "--quiet", "--detach", &first_rev(sandbox, name)]);
    }
    sandbox.copy(template, dir.as_ref().join(name));
}

/// Locks a package of `add_package` in a workspace.
pub fn lock_package(sandbox: &Sandbox, workspace: &str, name: &str) {
    let manifest = format!("{workspace}/lake-manifest.json");
    if !sandbox.path(&manifest).exists() {
        let empty = json!({
            "version": "1.1.0", "packagesDir": ".lake/packages", "packages": [], "name": "app", "lakeDir": ".lake",
        });
        sandbox.write(&manifest, empty.to_string());
    }
    let entry = json!({
        "url": upstream(sandbox, name), "type": "git", "subDir": null, "scope": "", "name": name,
        "rev": first_rev(sandbox, name), "manifestFile": "lake-manifest.json", "inputRev": "master",
        "inherited": false, "configFile": "lakefile.toml",
    });
    edit_packages(sandbox, workspace, |packages| packages.push(entry));
}

/// Changes the entries of a workspace's manifest.
pub fn edit_packages(sandbox: &Sandbox, workspace: &str, edit: impl FnOnce(&mut Vec<Value>)) {
    sandbox.edit_json(format!("{workspace}/lake-manifest.json"), |manifest| {
        edit(manifest["packages"].as_array_mut().expect("packages"));
    });
}

/// The URL of a package's repository, which is made at the first call: two revisions on `master`.
pub fn upstream(sandbox: &Sandbox, name: &str) -> String {
    let upstream = sandbox.path("upstream").join(name);
    if !upstream.exists() {
        sandbox
            .write(upstream.join("lakefile.toml"), format!("name = \"{name}\"\n"))
            .write(upstream.join("Deep/Down.lean"), "prelude\n")
            .write(upstream.join(".gitignore"), "/.lake\n*.log\n");
        sandbox.git(&upstream, &["init", "--quiet"]);
        sandbox.commit(&upstream);
        sandbox.write(upstream.join("Second.lean"), "prelude\n");
        sandbox.commit(&upstream);
    }
    upstream.display().to_string()
}

fn first_rev(sandbox: &Sandbox, name: &str) -> String {
    let upstream = upstream(sandbox, name);
    sandbox.git(Path::new(&upstream), &["rev-parse", "HEAD~1"])
}
