//! What the tests need besides Rust and git, and whether this machine has it.
//!
//! A test that needs elan says `#[cfg_attr(not(has = "elan"), ignore = "needs elan")]`. Where there is none it is
//! ignored by name and with the reason, the summary counts it, and cargo says once what would bring it. (libtest can
//! ignore no test at run time.) With `SHIM_TEST_NEED_ALL=1`, as in CI, nothing else than
//! [`EXCUSED`] may be ignored that way.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use landlock::{
    ABI, Access as _, CompatLevel, Compatible as _, Ruleset, RulesetAttr as _, RulesetError, Scope,
};

#[path = "src/on_path.rs"]
mod on_path;

/// What a test may need, and what brings it.
const NEEDS: [(&str, &str); 21] = [
    ("actionlint", ".ci/lint-tools"),
    ("cc", "apt-get install gcc"),
    ("curl", "apt-get install curl"),
    ("elan", "apt-get install elan"),
    ("hadolint", ".ci/lint-tools"),
    ("landlock", "Linux 6.12 or later"),
    ("mount", "being root, and allowed to mount"),
    ("nginx", "apt-get install nginx-light"),
    ("no-image-store", "removing /opt/mathlib-cache, which every shim reads"),
    ("reftable", "git 2.46 or later"),
    ("root", "being root"),
    ("script", "apt-get install bsdutils"),
    ("setfacl", "apt-get install acl"),
    ("setpriv", "being root, and apt-get install util-linux"),
    ("shellcheck", "apt-get install shellcheck"),
    ("strace", "apt-get install strace"),
    ("stty", "apt-get install coreutils"),
    ("tmux", "apt-get install tmux"),
    ("unshare", "being root, and apt-get install util-linux"),
    ("zizmor", ".ci/lint-tools"),
    ("zstd", "apt-get install zstd"),
];

/// What may be missing even where nothing else may: CI is a Debian 12, whose git is older.
const EXCUSED: [&str; 1] = ["reftable"];

/// Which programs the tests run: a fake has switches that no real one has.
const KINDS: [&str; 4] = ["fake-lake", "fake-leantar", "real-lake", "real-leantar"];

fn main() {
    let here = |need: &str| is_usable(need);
    let (has, lacks): (Vec<_>, Vec<_>) = NEEDS.iter().partition(|(need, _)| here(need));
    let mut known: Vec<_> = NEEDS.iter().map(|(need, _)| *need).chain(KINDS).collect();
    known.sort_unstable();
    println!("cargo::rustc-check-cfg=cfg(has, values({}))", quoted(&known));
    for name in has.iter().map(|(need, _)| *need).chain(kinds()) {
        println!("cargo::rustc-cfg=has=\"{name}\"");
    }
    let needs_all = env::var_os("SHIM_TEST_NEED_ALL").is_some_and(|value| value == "1");
    let (errors, warnings): (Vec<_>, Vec<_>) =
        lacks.into_iter().partition(|(need, _)| needs_all && !EXCUSED.contains(need));
    for (level, lacks) in [("error", errors), ("warning", warnings)] {
        if !lacks.is_empty() {
            let lacks: Vec<_> = lacks.iter().map(|(need, by)| format!("{need} ({by})")).collect();
            println!("cargo::{level}=the tests are ignored that need {}", lacks.join(", "));
        }
    }
    watch();
}

/// Whether a tool can be used here; what a container may forbid is tried.
fn is_usable(need: &str) -> bool {
    let unshare = |what: &str| succeeds(Command::new("unshare").args([what, "true"]));
    match need {
        "root" => nix::unistd::geteuid().is_root(),
        "unshare" => unshare("--net"),
        "mount" => unshare("--mount"),
        "landlock" => has_landlock(),
        "no-image-store" => !Path::new("/opt/mathlib-cache").exists(),
        "reftable" => has_reftable(),
        "setpriv" => {
            succeeds(Command::new("setpriv").args(["--reuid=65534", "--clear-groups", "true"]))
        }
        _ => on_path::find_on_path(need).is_some(),
    }
}

/// Whether this kernel can hold back files, TCP and signals (ABI 6).
fn has_landlock() -> bool {
    let attempt = || -> Result<_, RulesetError> {
        let rules = Ruleset::default().set_compatibility(CompatLevel::HardRequirement);
        rules.scope(Scope::from_all(ABI::V6))?.create()?.restrict_self()
    };
    // On a thread that ends at once.
    thread::spawn(attempt).join().is_ok_and(|tried| tried.is_ok())
}

/// Whether git can move a repository's refs into one.
fn has_reftable() -> bool {
    let repository = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default()).join("reftable");
    let _ = std::fs::remove_dir_all(&repository);
    let git = |args: &[&str]| succeeds(Command::new("git").arg("-C").arg(&repository).args(args));
    std::fs::create_dir(&repository).is_ok()
        && git(&["init", "--quiet"])
        && git(&["refs", "migrate", "--ref-format=reftable"])
}

fn succeeds(command: &mut Command) -> bool {
    let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    quiet.status().is_ok_and(|status| status.success())
}

/// As `tools::real_lake` and `tools::real_leantar` choose.
fn kinds() -> [&'static str; 2] {
    let lake = env::var_os("SHIM_TEST_REAL_LAKE");
    let beside = |lake: &OsString| Path::new(lake).with_file_name("leantar").exists();
    let leantar =
        env::var_os("SHIM_TEST_REAL_LEANTAR").is_some() || lake.as_ref().is_some_and(beside);
    [
        if lake.is_some() { "real-lake" } else { "fake-lake" },
        if leantar { "real-leantar" } else { "fake-leantar" },
    ]
}

/// What may change the answers: variables, and what is installed.
fn watch() {
    for variable in ["PATH", "SHIM_TEST_NEED_ALL", "SHIM_TEST_REAL_LAKE", "SHIM_TEST_REAL_LEANTAR"]
    {
        println!("cargo::rerun-if-env-changed={variable}");
    }
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=src/on_path.rs");
    let folders = env::var_os("PATH").unwrap_or_default();
    for folder in env::split_paths(&folders).chain([PathBuf::from(on_path::LINTERS)]) {
        // What is not there would count as changed every time.
        if folder.is_absolute() && folder.is_dir() {
            println!("cargo::rerun-if-changed={}", folder.display());
        }
    }
}

fn quoted(names: &[&str]) -> String {
    names.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ")
}
