//! The first user's script: generated packages without a manifest, mathlib through two spellings of its URL, and one
//! packages directory for all of them.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

pub(crate) use shim_tests::mini_mathlib::MATHLIB;
use shim_tests::{Call, Run, Running, Sandbox, Tree};

const PACKAGES: usize = 5;
/// `PACKAGES_DIR` for the script: Lake's own default, and the shared directory itself.
pub(crate) const DEFAULT: &str = ".lake/packages";

/// A baked store, two libraries that both require mathlib, and generated packages that require both libraries.
pub(crate) fn generated() -> Sandbox {
    let mut sandbox = Sandbox::mini_mathlib();
    sandbox.lake_shim("restore --network never").run().expect_code(0);
    let baked = sandbox.path("baked");
    sandbox.lake_shim("bake --level 1 --store").arg(&baked).run().expect_code(0);
    let manifest = sandbox.read("app/lake-manifest.json");
    for (library, url) in [("lampe", MATHLIB.to_owned()), ("proven-zk", format!("{MATHLIB}.git"))] {
        let respelled = manifest.replace(&format!("\"{MATHLIB}\""), &format!("\"{url}\""));
        let printed =
            if library.contains('-') { format!("«{library}»") } else { library.to_owned() };
        sandbox
            .write(
                format!("{library}/lakefile.toml"),
                format!(
                    "name = \"{library}\"\n\n[[require]]\nname = \"mathlib\"\nscope = \
                     \"leanprover-community\"\ngit = \"{url}\"\nrev = \"v4.27.0\"\n"
                ),
            )
            .write(
                format!("{library}/lake-manifest.json"),
                respelled.replace("\"name\": \"app\"", &format!("\"name\": \"{printed}\"")),
            )
            .copy("app/lean-toolchain", format!("{library}/lean-toolchain"));
    }
    for i in 0..PACKAGES {
        let require = |library: &str| {
            let dir = sandbox.path(library);
            format!("\n[[require]]\nname = \"{library}\"\npath = \"{}\"\n", dir.display())
        };
        let lakefile = format!(
            "name = \"case{i}\" # generated\ndefaultTargets = [\"App\"]\n{}{}\n[[lean_lib]]\nname = \"App\"\n",
            require("proven-zk"),
            require("lampe")
        );
        sandbox
            .write(format!("cases/{i}/lakefile.toml"), lakefile)
            .write(format!("cases/{i}/lake-manifest.json"), "{\"stale\": true}\n")
            .copy("app/App.lean", format!("cases/{i}/App.lean"))
            .copy("app/lean-toolchain", format!("cases/{i}/lean-toolchain"));
    }
    sandbox.remove("app");
    sandbox.set_env("LAKE_SHIM_STORE", baked);
    let shared = sandbox.path("shared");
    sandbox.set_env("LAKE_PKG_DIR", shared);
    sandbox.set_env("CI", "true");
    sandbox
}

pub(crate) fn script<'a>(sandbox: &'a Sandbox, words: &str) -> Call<'a> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("first-user.sh");
    sandbox.command(script, words).path_first(sandbox.shim_bin()).cwd(sandbox.path("cases"))
}

/// A copy of a package as the script makes it, about to be built.
pub(crate) struct Work {
    pub(crate) dir: PathBuf,
    before: Tree,
}

impl Work {
    pub(crate) fn prepare(sandbox: &Sandbox, i: usize, packages_dir: &str) -> Work {
        let dir = sandbox.path(format!("work{i}"));
        script(sandbox, "prepare")
            .arg(sandbox.path(format!("cases/{i}")))
            .arg(&dir)
            .env("PACKAGES_DIR", packages_dir)
            .path_first("/usr/bin")
            .run()
            .expect_code(0);
        assert!(!dir.join("lake-manifest.json").exists(), "that is the point");
        let before = Tree::of(&dir);
        Work { dir, before }
    }

    pub(crate) fn start(&self, sandbox: &Sandbox) -> Running {
        script(sandbox, "run").arg(&self.dir).without_network().spawn()
    }

    /// Asserts that it went well, and returns the manifest.
    #[track_caller]
    pub(crate) fn assert_built(&self, sandbox: &Sandbox, run: &Run) -> String {
        run.expect_code(0).stderr_contains("resolved 4 packages from lock");
        run.stderr_lacks("deleting").stderr_lacks("cloning").stderr_lacks("warning");
        let now = Tree::of(&self.dir);
        let touched = self.before.entries().iter().filter(|(path, entry)| {
            let is_made_by_lake = path.as_os_str().is_empty() || *path == Path::new(".lake");
            !is_made_by_lake && now.entries().get(*path) != Some(*entry)
        });
        let touched: Vec<_> = touched.map(|(path, _)| path).collect();
        assert!(touched.is_empty(), "{touched:?}\n{run}");
        sandbox.read(self.dir.join("lake-manifest.json"))
    }
}

/// The clones' inodes: another one is another clone.
fn clones(sandbox: &Sandbox) -> BTreeMap<&'static str, u64> {
    let inode = |name| {
        let dir = sandbox.path("shared").join(name).join(".git");
        (name, fs_err::metadata(dir).expect("a clone").ino())
    };
    ["mathlib", "batteries"].map(inode).into()
}

/// What of the shared directory has to stay: everything, once it is restored.
fn libraries(sandbox: &Sandbox) -> [Tree; 2] {
    ["lampe", "proven-zk"].map(|library| Tree::of(sandbox.path(library)))
}

fn one_after_the_other(packages_dir: impl Fn(&Sandbox) -> String) {
    let sandbox = generated();
    let libraries = libraries(&sandbox);
    let packages_dir = packages_dir(&sandbox);
    let mut first: Option<(Tree, BTreeMap<_, _>, String)> = None;
    for i in 0..PACKAGES {
        let work = Work::prepare(&sandbox, i, &packages_dir);
        let run = work.start(&sandbox).wait();
        let manifest = work.assert_built(&sandbox, &run).replace(&format!("case{i}"), "case");
        match &first {
            None => {
                let shared = Tree::of(sandbox.path("shared"));
                first = Some((shared, clones(&sandbox), manifest));
            }
            Some((shared, inodes, expected)) => {
                shared.assert_unchanged();
                assert_eq!(clones(&sandbox), *inodes);
                assert_eq!(manifest, *expected);
            }
        }
    }
    libraries.iter().for_each(Tree::assert_unchanged);
    let (_, _, manifest) = first.expect("packages were built");
    assert_eq!(manifest.matches(&format!("\"{MATHLIB}\"")).count(), 1, "{manifest}");
    assert!(!manifest.contains(".git\""), "spelled as in the lock\n{manifest}");
}

#[test]
#[cfg_attr(not(has = "unshare"), ignore = "needs unshare")]
fn five_packages_one_after_the_other_are_built_offline_from_one_packages_directory() {
    one_after_the_other(|_| DEFAULT.to_owned());
}

#[test]
#[cfg_attr(not(has = "unshare"), ignore = "needs unshare")]
fn a_packages_dir_that_is_the_shared_directory_itself_is_as_good() {
    one_after_the_other(|sandbox| sandbox.path("shared").display().to_string());
}

#[test]
#[cfg_attr(not(has = "unshare"), ignore = "needs unshare")]
fn five_packages_at_once_are_built_offline_from_one_packages_directory() {
    let sandbox = generated();
    let libraries = libraries(&sandbox);
    let works: Vec<_> = (0..PACKAGES).map(|i| Work::prepare(&sandbox, i, DEFAULT)).collect();
    let running: Vec<_> = works.iter().map(|work| work.start(&sandbox)).collect();
    let runs: Vec<_> = running.into_iter().map(Running::wait).collect();
    let manifests = works.iter().zip(&runs).enumerate().map(|(i, (work, run))| {
        work.assert_built(&sandbox, run).replace(&format!("case{i}"), "case")
    });
    let manifests: Vec<_> = manifests.collect();
    assert!(manifests.iter().all(|manifest| *manifest == manifests[0]), "{manifests:#?}");
    libraries.iter().for_each(Tree::assert_unchanged);
    // And once more, with nothing left to do: nothing is touched.
    let (shared, inodes) = (Tree::of(sandbox.path("shared")), clones(&sandbox));
    for work in &works {
        work.start(&sandbox).wait().expect_code(0).stderr_lacks("resolved");
    }
    shared.assert_unchanged();
    assert_eq!(clones(&sandbox), inodes);
    let leftovers = sandbox.leftovers("shared");
    let leftovers: Vec<_> =
        leftovers.iter().filter(|path| !path.ends_with(".lake-shim.pack")).collect();
    assert!(leftovers.is_empty(), "{leftovers:?}");
}

#[test]
#[cfg_attr(not(has = "unshare"), ignore = "needs unshare")]
fn without_the_shim_the_same_script_needs_the_network() {
    let sandbox = generated();
    let work = Work::prepare(&sandbox, 0, DEFAULT);
    let run = sandbox.real_lake("build").cwd(&work.dir).without_network().run();
    assert_ne!(run.code, Some(0), "{run}");
    run.stderr_contains("mathlib: cloning");
}
