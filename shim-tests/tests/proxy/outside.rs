//! Paths of a manifest or a lakefile, which others wrote: none has the shim make, move, delete or restore anything outside
//! of the workspace. And what is swept there was ours.

use std::path::Path;

use shim_tests::{Run, Sandbox, Tree};

/// A baked store for the mini-mathlib, and a workspace without a manifest whose `manifestFile` is elsewhere.
fn with_manifest_file(file: &str) -> Sandbox {
    let mut sandbox = Sandbox::mini_mathlib();
    sandbox.lake_shim("restore --network never").run().expect_code(0);
    let baked = sandbox.path("baked");
    sandbox.lake_shim("bake --level 1 --store").arg(&baked).run().expect_code(0);
    sandbox.set_env("LAKE_SHIM_STORE", baked).set_env("LAKE_SHIM_NETWORK", "never");
    let root = sandbox.path("").display().to_string();
    let file = file.replace("ROOT", root.trim_end_matches('/'));
    let lakefile = sandbox.read("app/lakefile.toml");
    sandbox.write("app/lakefile.toml", format!("manifestFile = \"{file}\"\n{lakefile}"));
    sandbox.remove("app/lake-manifest.json").mkdir("app/x");
    sandbox
}

fn all(sandbox: &Sandbox) -> [Tree; 2] {
    [Tree::of(sandbox.home()), Tree::of(sandbox.path("elsewhere"))]
}

#[test]
fn no_manifest_is_written_outside() {
    for file in [
        "../home/.bash_profile",
        "ROOT/home/.bash_profile",
        "x/../../elsewhere/lock.json",
        "../elsewhere/lock.json",
        "link/lock.json",
        "ROOT/app/../elsewhere/lock.json",
    ] {
        let sandbox = with_manifest_file(file);
        sandbox.mkdir("elsewhere").symlink("../elsewhere", "app/link");
        let before = all(&sandbox);
        let said = |run: &Run| {
            run.stderr.contains("`manifestFile` is `")
                && run.stderr.contains("outside of the workspace")
        };
        let run = sandbox.lake_shim("resolve").run();
        assert!(
            run.code == Some(1) && said(&run) && run.stderr.contains("hint: "),
            "{file}: {run}"
        );
        before.iter().for_each(Tree::assert_unchanged);
        for words in ["exe cache get", "build --no-build", "env true"] {
            // Lake writes the same without the shim.
            sandbox.script("quiet/lake", "exit 0");
            let run = sandbox.lake(words).env("LAKE_SHIM_LAKE", sandbox.path("quiet/lake")).run();
            assert!(said(&run), "{file}: {run}");
            assert!(words == "exe cache get" || run.code == Some(0), "{file}: {run}");
            before.iter().for_each(Tree::assert_unchanged);
        }
    }
}

#[test]
fn a_manifest_of_another_name_in_the_workspace_is_written() {
    for file in ["lock.json", "x/lock.json", "x/../lock.json", "ROOT/app/lock.json"] {
        let sandbox = with_manifest_file(file);
        sandbox.lake_shim("resolve").run().expect_code(0);
        let path = sandbox.workspace().join(file.replace("ROOT/app/", ""));
        assert!(sandbox.read(path).contains("\"packages\""), "{file}");
    }
}

/// A workspace on mathlib whose packages lie elsewhere.
fn with_packages_dir(dir: &str) -> Sandbox {
    let sandbox = Sandbox::mini_mathlib();
    sandbox.rename(sandbox.packages(), "home/src").mkdir("app/x");
    // Symlinks that the project's repository has.
    for (link, target) in
        [("home", "../home"), ("src", "../home/src"), ("far", "../home/src/notes")]
    {
        sandbox.symlink(target, format!("app/{link}"));
    }
    for project in ["thesis", "notes"] {
        let project = sandbox.path("home/src").join(project);
        sandbox.write(project.join("work.tex"), "mine\n");
        sandbox.git(&project, &["init", "--quiet"]);
    }
    let root = sandbox.path("").display().to_string();
    let dir = dir.replace("ROOT", root.trim_end_matches('/'));
    sandbox.edit_json("app/lake-manifest.json", |manifest| manifest["packagesDir"] = dir.into());
    sandbox
}

#[test]
fn nothing_is_linked_or_restored_outside() {
    for dir in [
        "ROOT/home/src",
        "../home/src",
        "x/../../home/src",
        "home/src",
        "src",
        "far/../../src",
        "x/../home/src",
    ] {
        for setting in [None, Some("shared")] {
            let mut sandbox = with_packages_dir(dir);
            sandbox.set_env("LAKE_SHIM_NETWORK", "never").set_env("LAKE_SHIM_RESTORE", "always");
            if let Some(setting) = setting {
                let shared = sandbox.path(setting);
                sandbox.set_env("LAKE_PKG_DIR", shared);
            }
            let home = Tree::of(sandbox.path("home/src"));
            let get = sandbox.lake("exe cache get").run();
            get.expect_code(1).stderr_contains("is outside of the workspace");
            let private = sandbox.lake("env true").env("LAKE_SHIM_PRIVATE", "1").run();
            private.expect_code(0);
            home.assert_same_content();
            for words in ["build --no-build", "env true"] {
                let run = sandbox.lake(words).run();
                assert!(
                    run.code == Some(0) || words.starts_with("build"),
                    "Lake works there: {run}"
                );
                home.assert_same_content();
            }
            assert!(
                !sandbox.path("home/src").is_symlink() && !sandbox.path("shared/thesis").exists()
            );
            // Said once, by the first command that has something to say.
            sandbox.lake("env true").run().expect_code(0).stderr_lacks("outside of the workspace");
        }
    }
}

/// Not even a directory to lock is made beside packages that no setting names.
#[test]
fn nothing_is_locked_outside() {
    for is_link in [false, true] {
        let sandbox = Sandbox::mini_mathlib();
        sandbox.rename(sandbox.packages(), "elsewhere");
        if is_link {
            sandbox.symlink("../../elsewhere", sandbox.packages());
        } else {
            sandbox.edit_json("app/lake-manifest.json", |manifest| {
                manifest["packagesDir"] = "../elsewhere".into();
            });
        }
        for words in ["build", "resolve-deps", "exe cache get", "update"] {
            let run = sandbox.lake(words).env("LAKE_SHIM_NETWORK", "never").run();
            assert!(!sandbox.path("elsewhere/.lake-shim").exists(), "{run}");
        }
    }
}

/// Symlinks that the project's repository has, and no packages yet.
#[test]
fn nothing_is_made_outside() {
    for dir in ["deps/packages", "deps/new/packages", "x/../deps/packages", "new/../deps/packages"]
    {
        let mut sandbox = Sandbox::mini_mathlib_without_packages();
        sandbox.mkdir("app/x").mkdir("other").symlink("../other", "app/deps");
        sandbox.edit_json("app/lake-manifest.json", |manifest| {
            manifest["packagesDir"] = dir.into();
        });
        // Lake makes the same without the shim.
        sandbox.script("quiet/lake", "exit 0");
        let lake = sandbox.path("quiet/lake");
        sandbox.set_env("LAKE_SHIM_LAKE", lake).set_env("LAKE_SHIM_NETWORK", "never");
        let other = Tree::of(sandbox.path("other"));
        for shared in ["", "shared"] {
            if !shared.is_empty() {
                let shared = sandbox.path(shared);
                sandbox.set_env("LAKE_PKG_DIR", shared);
            }
            for words in ["env true", "build", "exe cache get"] {
                sandbox.lake(words).run();
                sandbox.lake(words).env("LAKE_SHIM_PRIVATE", "1").run();
                other.assert_unchanged();
            }
            for words in ["link", "unlink", "restore"] {
                sandbox.lake_shim(words).run().expect_code(1).stderr_contains("hint: ");
                other.assert_unchanged();
            }
            assert!(!sandbox.path("app/new").exists(), "{dir}");
        }
    }
}

/// A directory that the setting names is the user's to use.
#[test]
fn a_directory_that_the_setting_names_is_restored_into() {
    let sandbox = with_packages_dir("../home/src");
    let call = sandbox.lake("exe cache get").env("LAKE_PKG_DIR", sandbox.path("home/src"));
    call.env("LAKE_SHIM_NETWORK", "never")
        .run()
        .expect_code(0)
        .stderr_contains("restored 11 modules");
    assert!(sandbox.path("home/src/thesis/work.tex").exists());
}

// Sweeping

/// Names as a person may choose them, and as the shim does.
const NAMES: [&str; 6] = [
    ".lake-shim-notes",
    ".lake-shim-patches",
    ".lake-shim-src",
    ".lake-shim-abcdefghijkl", // twelve letters, as ours
    ".lake-shim-012345678901",
    ".lake-shim-",
];

const PLACES: [&str; 7] = [
    "app",
    "app/.lake",
    "app/.lake/packages",
    "app/.lake/packages/mathlib",
    "app/.lake/packages/mathlib/.lake",
    "shared",
    "tmp",
];

#[test]
fn what_a_person_made_is_never_swept() {
    let sandbox = Sandbox::mini_mathlib();
    let mut mine = Vec::new();
    for place in PLACES {
        for (number, name) in NAMES.iter().enumerate() {
            let dir = sandbox.path(place).join(name);
            sandbox.write(dir.join("0001-mine.patch"), "hours of work\n").mkdir(dir.join(".git"));
            if number % 2 == 0 {
                // It looks a little like ours.
                sandbox
                    .write(dir.join("owner"), "work directory of mine\n")
                    .write(dir.join("work/x"), "mine\n");
            }
            mine.push(Tree::of(dir));
        }
        // Twelve letters, and hardly anything in it.
        let [empty, begun] = ["architecture", "abstractions"]
            .map(|name| sandbox.path(place).join(format!(".lake-shim-{name}")));
        sandbox.mkdir(&empty).write(begun.join("owner.new"), "");
        mine.extend([empty, begun].map(Tree::of));
    }
    for words in ["exe cache get", "build", "env true", "frobnicate", "resolve-deps", "update"] {
        let run = sandbox.lake(words).env("LAKE_SHIM_NETWORK", "never").run();
        mine.iter().for_each(Tree::assert_unchanged);
        assert!(!run.stderr.contains("panicked"), "{run}");
    }
    for words in ["restore", "link", "unlink", "doctor", "resolve", "normalize"] {
        sandbox.lake_shim(words).env("LAKE_PKG_DIR", sandbox.path("shared")).run();
        mine.iter().for_each(Tree::assert_unchanged);
    }
}

/// A work directory that a killed process of ours left.
#[test]
fn what_a_dead_process_of_ours_left_is_swept() {
    let sandbox = Sandbox::mini_mathlib();
    let left = [sandbox.packages(), sandbox.workspace().join(".lake")];
    let left = left.map(|place: std::path::PathBuf| sandbox.leave_work_dir(place));
    sandbox.lake("exe cache get").env("LAKE_SHIM_NETWORK", "never").run().expect_code(0);
    let there: Vec<&Path> = left.iter().map(|dir| &**dir).filter(|dir| dir.exists()).collect();
    assert!(there.is_empty(), "{there:?}");
}
