//! What is broken on purpose: everything the shim does to a disk, each from a start that takes it through all its
//! steps.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use shim_tests::ltar::Ltar;
use shim_tests::tree::sha256;
use shim_tests::{Call, Sandbox, modules};

/// How a run that met a fault may end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ends {
    /// As it likes, but success means that everything is done.
    Command,
    /// The real lake runs, whatever happened before.
    Build,
}

/// A program that an operation runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tool {
    Leantar,
    Lake,
}

/// One thing that the shim does.
pub struct Operation {
    pub name: &'static str,
    pub ends: Ends,
    /// Makes a sandbox in which it has not been done.
    pub prepare: fn() -> Sandbox,
    pub call: for<'a> fn(&'a Sandbox) -> Call<'a>,
    /// The directories that it may change.
    pub changes: &'static [&'static str],
    /// The one of them that it fills.
    pub disk: &'static str,
    /// The store it reads.
    pub store: &'static str,
    /// Whether another index there is another answer.
    pub obeys_index: bool,
    /// Whether it reads cache files there.
    pub reads_ltars: bool,
    /// The store it makes.
    pub bakes: Option<&'static str>,
    /// Where packages may be. Those that are there before must be in one of them after.
    pub packages: &'static [&'static str],
    /// What it runs besides git.
    pub tools: &'static [Tool],
    /// Whether the stock tool writes into the packages, in its own way: then nobody is to kill that.
    pub is_stock: bool,
    /// Whether it cleans up when it is told to stop.
    pub cleans_up: bool,
    /// Files that it replaces.
    pub texts: &'static [&'static str],
    /// That what is done is what it should be, in the test's own words.
    pub check: fn(&Sandbox),
}

/// What most of them have in common.
const RESTORE: Operation = Operation {
    name: "restore from ltars",
    ends: Ends::Command,
    prepare: Sandbox::mini_mathlib,
    call: get,
    changes: &["app", "tmp"],
    disk: "app",
    store: "store",
    obeys_index: false,
    reads_ltars: true,
    bakes: None,
    packages: &["app/.lake/packages"],
    tools: &[Tool::Leantar],
    is_stock: false,
    cleans_up: true,
    texts: &["app/lake-manifest.json", "app/lakefile.toml"],
    check: Sandbox::expect_all_restored,
};

/// The same for what needs no cache file.
const OTHER: Operation = Operation { reads_ltars: false, tools: &[], cleans_up: false, ..RESTORE };

pub static ALL: &[Operation] = &[
    RESTORE,
    Operation {
        name: "restore from ltars over an older build",
        prepare: || {
            let sandbox = Sandbox::mini_mathlib();
            build_older(&sandbox);
            sandbox
        },
        ..RESTORE
    },
    Operation {
        name: "restore from ltars over another build with the same hashes",
        prepare: || {
            let sandbox = Sandbox::mini_mathlib();
            for module in modules().iter().step_by(2) {
                let ltar = sandbox.ltar(&module.name);
                let archive = std::fs::read(&ltar).expect("an archive");
                let other = Ltar::parse(&archive).expect("the fake's").rebuilt("other");
                sandbox.write(format!("other/{}", name_of(&ltar)), other.to_bytes());
            }
            // One store answers a whole restore, so that these are replaced.
            get(&sandbox).env("LAKE_SHIM_STORE", sandbox.path("other")).run().expect_code(1);
            sandbox
        },
        ..RESTORE
    },
    Operation {
        name: "restore from packs",
        prepare: || fresh(baked("--format pack")),
        call: restore,
        store: "baked",
        cleans_up: true,
        ..OTHER
    },
    Operation {
        name: "restore from packs over an older build",
        prepare: || {
            let sandbox = baked("--format pack");
            for package in ["mathlib", "batteries", "extra"] {
                sandbox.remove(sandbox.package(package).join(".lake"));
            }
            build_older(&sandbox);
            sandbox
        },
        call: restore,
        store: "baked",
        cleans_up: true,
        ..OTHER
    },
    Operation {
        name: "restore what the store lacks through the real lake",
        prepare: || {
            let sandbox = Sandbox::mini_mathlib().with_cloud();
            for module in modules().iter().step_by(2) {
                sandbox.remove(sandbox.ltar(&module.name));
            }
            sandbox
        },
        call: |sandbox| sandbox.lake("exe cache get"),
        changes: &["app", "home", "tmp"],
        tools: &[Tool::Leantar, Tool::Lake],
        is_stock: true,
        ..RESTORE
    },
    Operation {
        name: "bake",
        prepare: built,
        call: |sandbox| bake(sandbox, "--format both"),
        disk: "baked",
        tools: &[Tool::Leantar, Tool::Lake],
        changes: &["app", "baked", "home", "tmp"],
        bakes: Some("baked"),
        check: |sandbox| {
            sandbox.lake_shim("verify --store").arg(sandbox.path("baked")).run().expect_code(0);
        },
        ..OTHER
    },
    Operation {
        name: "gc",
        prepare: || {
            let sandbox = baked("");
            sandbox.copy(sandbox.ltar("Mathlib.Init"), "baked/0123456789abcdef.ltar");
            let shard = sha256(b"of another lock");
            sandbox.write(format!("baked/lake-shim/packs/{shard}.tar.zst"), "of another lock");
            sandbox
        },
        call: |sandbox| sandbox.lake_shim("gc --store").arg(sandbox.path("baked")),
        disk: "baked",
        changes: &["baked", "tmp"],
        bakes: Some("baked"),
        check: |sandbox| assert!(!sandbox.path("baked/0123456789abcdef.ltar").exists()),
        ..OTHER
    },
    Operation {
        name: "link",
        prepare: built,
        call: |sandbox| sandbox.lake_shim("link").env("LAKE_PKG_DIR", sandbox.path(SHARED)),
        disk: "shared",
        changes: &["app", "shared", "tmp"],
        packages: &["app/.lake/packages", SHARED],
        check: |sandbox| sandbox.expect_restored_below(SHARED, &all()),
        ..OTHER
    },
    Operation {
        name: "unlink",
        prepare: || {
            let sandbox = built();
            sandbox.rename("app/.lake/packages", SHARED);
            sandbox.symlink(sandbox.path(SHARED), "app/.lake/packages");
            sandbox
        },
        call: |sandbox| sandbox.lake_shim("unlink --copy"),
        store: "shared",
        packages: &["app/.lake/packages", SHARED],
        check: |sandbox| {
            assert!(!sandbox.packages().is_symlink());
            sandbox.expect_all_restored();
        },
        ..OTHER
    },
    Operation {
        name: "resolve",
        prepare: || {
            let sandbox = fresh(baked(""));
            let text =
                sandbox.read("app/lake-manifest.json").replace("\"rev\": \"", "\"rev\": \"0");
            sandbox.write("app/lake-manifest.json", text).chmod("app/lake-manifest.json", 0o640);
            sandbox
        },
        call: |sandbox| sandbox.lake_shim("resolve").env("LAKE_SHIM_STORE", sandbox.path("baked")),
        obeys_index: true,
        store: "baked",
        check: |sandbox| assert!(!sandbox.read("app/lake-manifest.json").contains("\"rev\": \"0")),
        ..OTHER
    },
    Operation {
        name: "normalize",
        prepare: || {
            let sandbox = fresh(baked(""));
            for file in ["app/lake-manifest.json", "app/lakefile.toml"] {
                let text = sandbox.read(file).replace("mathlib4\"", "mathlib4.git\"");
                sandbox.write(file, text).chmod(file, 0o640);
            }
            // What a link leads to is replaced where it is.
            sandbox.rename("app/lakefile.toml", "app/elsewhere/lakefile.toml");
            sandbox.symlink("elsewhere/lakefile.toml", "app/lakefile.toml");
            sandbox
        },
        call: |sandbox| {
            sandbox.lake_shim("normalize").env("LAKE_SHIM_STORE", sandbox.path("baked"))
        },
        obeys_index: true,
        store: "baked",
        check: |sandbox| assert!(!sandbox.read("app/lakefile.toml").contains(".git\"")),
        ..OTHER
    },
    Operation {
        name: "build through the proxy",
        ends: Ends::Build,
        prepare: || {
            let sandbox = fresh(baked(""));
            let body = "case $1 in --packages=*/settled-*.json) shift ;; esac\necho lake \"$@\"";
            sandbox.script("mirror/lake", body);
            sandbox.remove("app/lake-manifest.json");
            sandbox
        },
        call: |sandbox| {
            let call = sandbox.lake("build App").env("LAKE_SHIM_LAKE", sandbox.path("mirror/lake"));
            call.env("LAKE_SHIM_STORE", sandbox.path("baked"))
                .env("LAKE_SHIM_NETWORK", "never")
                .env("LAKE_PKG_DIR", sandbox.path(SHARED))
        },
        disk: "shared",
        cleans_up: false,
        changes: &["app", "shared", "tmp"],
        store: "baked",
        packages: &["app/.lake/packages", SHARED],
        check: |sandbox| sandbox.expect_restored_below(SHARED, &all()),
        ..RESTORE
    },
];

const SHARED: &str = "shared/packages";

/// What the build operation's lake prints.
pub const LAKE_RAN: &str = "lake build App\n";

fn all() -> Vec<&'static str> {
    modules().iter().map(|module| module.name.as_str()).collect()
}

fn name_of(ltar: &Path) -> String {
    ltar.file_name().expect("a file").to_string_lossy().into_owned()
}

fn get(sandbox: &Sandbox) -> Call<'_> {
    sandbox.lake("exe cache get").env("LAKE_SHIM_NETWORK", "never")
}

fn restore(sandbox: &Sandbox) -> Call<'_> {
    sandbox.lake_shim("restore --network never --store").arg(sandbox.path("baked"))
}

fn bake<'a>(sandbox: &'a Sandbox, words: &str) -> Call<'a> {
    let call = sandbox.lake_shim("bake --level 1 --store").arg(sandbox.path("baked"));
    call.args(words.split_whitespace())
}

/// The fixture's workspace and one package more, cloned and built.
fn built() -> Sandbox {
    let sandbox = Sandbox::mini_mathlib();
    get(&sandbox).run().expect_code(0);
    sandbox.add_extra();
    add_odd_names(&sandbox);
    sandbox
}

/// The longest name, names that are no text or not on one line, a deep tree, an empty directory, a link.
fn add_odd_names(sandbox: &Sandbox) {
    let build = sandbox.package("extra").join(".lake/build/odd");
    let longest = "l".repeat(255);
    let names: [&[u8]; 4] = [longest.as_bytes(), b"two\nlines", b"\xff\xfe", b" -rf * $HOME"];
    for name in names {
        sandbox.write(build.join(OsStr::from_bytes(name)), name);
    }
    let deep: PathBuf = std::iter::repeat_n("d".repeat(50), 40).collect();
    sandbox.write(build.join(deep).join("file"), "deep");
    sandbox.mkdir(build.join("empty")).symlink("empty", build.join("link"));
}

/// The same, and a store baked from it.
fn baked(words: &str) -> Sandbox {
    let sandbox = built();
    bake(&sandbox, words).run().expect_code(0);
    sandbox
}

/// As it is right after a checkout.
fn fresh(sandbox: Sandbox) -> Sandbox {
    sandbox.remove("app/.lake");
    sandbox
}

/// What an older toolchain had built of the same modules, marked as packs mark it.
fn build_older(sandbox: &Sandbox) {
    for module in modules() {
        let build = sandbox.package(module.package()).join(".lake/build");
        sandbox.write_build(&build, &module.name.replace('.', "/"), "older");
    }
    for package in ["mathlib", "batteries"] {
        let mark = sandbox.package(package).join(".lake/build/.lake-shim.pack");
        sandbox.write(mark, format!("{}\n", "0".repeat(64)));
    }
}
