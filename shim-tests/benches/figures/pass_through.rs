//! What the shim costs where it has nothing to do.

use super::{Bar, Figure, compete};
use crate::lab::Lab;
use crate::scale::MATHLIB;
use crate::timing::{Contender, Runs};
use anyhow::{Context, Result, ensure};
use fs_err as fs;
use serde_json::{Map, Value, json};
use shim_tests::tools::find_on_path;
use std::os::unix::fs::symlink;
use std::path::Path;

/// `lake build` in a linked workspace with nine packages that are where the manifest wants them.
pub fn measure(lab: &Lab) -> Result<Figure> {
    let dir = lab.work.join("pass-through");
    let (app, packages) = (dir.join("app"), dir.join("packages"));
    fs::create_dir_all(app.join(".lake"))?;
    write_workspace(lab, &dir, &app, &packages)?;
    let toolchain = lab.work.join("toolchain");
    let elan = elan_proxy(lab, &dir, &toolchain)?;

    let store = dir.join("store").display().to_string();
    let bake = ["bake", "--format", "pack", "--store", &store];
    lab.run(&app, lab.shim.join("lake-shim"), &bake)?;
    let (other_app, other_store) = (dir.join("other-app"), dir.join("other-store"));
    lab.run(&dir, "cp", &["-a", "app", "other-app"])?;
    lab.run(&dir, "cp", &["-a", "store", "other-store"])?;
    make_of_another_lock(&other_store.join("lake-shim/index.json"))?;
    let other_store = other_store.display().to_string();

    let vars = format!("LAKE_PKG_DIR={}", packages.display());
    let home = format!("ELAN_HOME={}", dir.join("elan").display());
    let run_in = |app: &Path, store: &str, lake: &Path| {
        let (app, lake) = (app.display(), lake.display());
        format!("env --chdir={app} {vars} {home} LAKE_SHIM_STORE={store} {lake} build")
    };
    let run = |store: &str, lake: &Path| run_in(&app, store, lake);
    let shim = lab.shim.join("lake");
    let contenders = [
        Contender::new("shim", run("", &shim)),
        Contender::new("the real lake alone", run("", &toolchain.join("bin/lake"))),
        Contender::new("elan's proxy", run("", &elan)),
        Contender::new("shim with a baked store", run(&store, &shim)),
        Contender::new(
            "shim with a store for another lock",
            run_in(&other_app, &other_store, &shim),
        ),
    ];
    // The first build with a store restores from it, or finds that it cannot; those that are measured
    // find its stamp.
    for (contender, app) in [(&contenders[3], &app), (&contenders[4], &other_app)] {
        lab.run(&dir, "sh", &["-c", &contender.command])?;
        ensure!(app.join(".lake/lake-shim/stamp").is_file(), "the workspace is not stamped");
    }
    let (runs, others) = compete(lab, &contenders, lab.scale.short)?;
    let bar = |what: &str, shim: &Runs| {
        let found = (shim.median() - runs[1].median()) * 1000.0;
        Bar { what: what.to_owned(), found, at_most: 0.7, unit: "ms" }
    };
    let bars = vec![
        bar("over the real lake", &runs[0]),
        bar("with a baked store", &runs[3]),
        bar("with a store for another lock", &runs[4]),
    ];
    lab.discard(&dir)?;
    Ok(Figure {
        title: "Pass-through",
        about: "`lake build` in a linked workspace with nine packages; without a store, with one that \
                was baked for it and restored from, and with one that has another lock of a whole \
                Mathlib. The real lake is `/bin/true`, so that \
                nothing but the way to it is measured; every run is started through `env`, which is \
                in all figures alike."
            .to_owned(),
        bars,
        runs,
        memory: Vec::new(),
        others,
    })
}

/// A workspace in `app` with nine packages in `packages`, each built and at its locked revision.
pub fn write_workspace(lab: &Lab, dir: &Path, app: &Path, packages: &Path) -> Result<()> {
    let origin = dir.join("origin").display().to_string();
    lab.run(dir, "git", &["init", "-q", &origin])?;
    let commit = ["-c", "user.name=a", "-c", "user.email=a@example.org", "commit", "-q"];
    let commit: Vec<_> = ["-C", &origin].into_iter().chain(commit).collect();
    fs::write(Path::new(&origin).join(".gitignore"), "/.lake\n")?;
    fs::write(Path::new(&origin).join("lakefile.toml"), "name = \"package\"\n")?;
    lab.run(dir, "git", &["-C", &origin, "add", "--all"])?;
    lab.run(dir, "git", &[&commit[..], &["-m", "a"]].concat())?;
    let rev = lab.run(dir, "git", &["-C", &origin, "rev-parse", "HEAD"])?;
    let mut entries = Vec::new();
    let mut lakefile = "name = \"app\"\n".to_owned();
    for name in ["a", "b", "c", "d", "e", "f", "g", "h", "i"] {
        let clone = packages.join(name).display().to_string();
        lab.run(dir, "git", &["clone", "-q", &origin, &clone])?;
        lab.run(dir, "git", &["-C", &clone, "checkout", "-q", "--detach"])?;
        fs::create_dir_all(packages.join(name).join(".lake/build"))?;
        let (url, rev) = (&origin, rev.trim());
        // Lake looks only at packages that are required.
        lakefile += &format!("\n[[require]]\nname = \"{name}\"\ngit = \"{url}\"\n");
        entries.push(
            json!({ "type": "git", "name": name, "url": url, "rev": rev, "inherited": false }),
        );
    }
    let manifest = json!({
        "version": "1.1.0", "packagesDir": ".lake/packages", "packages": entries,
    });
    fs::write(app.join("lake-manifest.json"), manifest.to_string())?;
    fs::write(app.join("lakefile.toml"), lakefile)?;
    fs::write(app.join("lean-toolchain"), "bench\n")?;
    Ok(symlink(packages, app.join(".lake/packages"))?)
}

/// Makes the lock of an index another one, and as large as that of a Mathlib.
fn make_of_another_lock(index: &Path) -> Result<()> {
    let mut json: Value = serde_json::from_slice(&fs::read(index)?)?;
    let mut modules = Map::new();
    let mut ltars = Map::new();
    for i in 0..MATHLIB {
        // As long as real ones are on average, and spread as hashes are.
        let file = format!("{:016x}.ltar", (i as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        modules.insert(format!("Mathlib.CategoryTheory.Part{i:04}.Basic"), json!(file));
        let sha256 = format!("{i:064x}");
        ltars.insert(file, json!({ "sha256": sha256, "size": 200_000 + i }));
    }
    let locks = json["locks"].as_object_mut().context("an index has locks")?;
    let (_, mut lock) = std::mem::take(locks).into_iter().next().context("a lock")?;
    lock["toolchain"] = json!("another");
    lock["modules"] = modules.into();
    locks.insert("0123456789abcdef".to_owned(), lock);
    json["ltars"] = ltars.into();
    Ok(fs::write(index, serde_json::to_vec_pretty(&json)?)?)
}

/// elan's own proxy before the same toolchain.
fn elan_proxy(lab: &Lab, dir: &Path, toolchain: &Path) -> Result<std::path::PathBuf> {
    let bin = dir.join("elan/bin");
    fs::create_dir_all(&bin)?;
    let elan = find_on_path("elan").context("there is no `elan` on PATH")?;
    symlink(fs::canonicalize(elan)?, bin.join("lake"))?;
    let mut link = lab.command("elan");
    link.env("ELAN_HOME", dir.join("elan")).args(["toolchain", "link", "bench"]).arg(toolchain);
    ensure!(link.output()?.status.success(), "`elan toolchain link` failed");
    Ok(bin.join("lake"))
}
