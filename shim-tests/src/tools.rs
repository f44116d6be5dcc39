//! Which lake, which leantar, which shim: the fakes and a fresh build unless the environment says otherwise.
//!
//! | variable | meaning |
//! |---|---|
//! | `SHIM_TEST_BIN` | the `lake-shim` to test, instead of building it |
//! | `SHIM_TEST_REAL_LAKE` | a real lake to use instead of the fake |
//! | `SHIM_TEST_REAL_LEANTAR` | a real leantar (else the one beside that lake), with the fixture's real archives |
//! | `SHIM_TEST_ALLOW_MISSING` | `1`: a test whose tool the machine lacks is skipped, not failed |

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::thread;

use landlock::{
    ABI, Access as _, CompatLevel, Compatible as _, Ruleset, RulesetAttr as _, RulesetError, Scope,
};

/// The real lake asked for, if any.
pub fn real_lake() -> Option<PathBuf> {
    env::var_os("SHIM_TEST_REAL_LAKE").map(PathBuf::from)
}

/// The real leantar asked for, if any; else the one that came with a real lake, which the shim would find.
pub fn real_leantar() -> Option<PathBuf> {
    let asked = env::var_os("SHIM_TEST_REAL_LEANTAR").map(PathBuf::from);
    asked
        .or_else(|| Some(real_lake()?.with_file_name("leantar")).filter(|leantar| leantar.exists()))
}

/// The shim under test; built at most once per test process.
pub fn lake_shim() -> &'static Path {
    static SHIM: OnceLock<PathBuf> = OnceLock::new();
    SHIM.get_or_init(|| match env::var_os("SHIM_TEST_BIN") {
        Some(path) => path.into(),
        None => build("lake-shim").join("lake-shim"),
    })
}

pub fn fake_lake() -> PathBuf {
    fakes().join("fake-lake")
}

pub fn fake_leantar() -> PathBuf {
    fakes().join("fake-leantar")
}

/// Whether a tool can be used here. For `landlock`, `unshare`, `mount` and `setpriv` this tries, since a container may forbid them.
pub fn is_usable(tool: &str) -> bool {
    match tool {
        "root" => nix::unistd::geteuid().is_root(),
        "unshare" => succeeds(Command::new("unshare").args(["--net", "true"])),
        "landlock" => has_landlock(),
        "mount" => succeeds(Command::new("unshare").args(["--mount", "true"])),
        "setpriv" => {
            succeeds(Command::new("setpriv").args(["--reuid=65534", "--clear-groups", "true"]))
        }
        _ => find_on_path(tool).is_some(),
    }
}

/// The first file of that name on the PATH of the test process, else a linter that `.ci/lint-tools` has installed.
pub fn find_on_path(tool: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    let linters = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/lint/bin").into();
    let folders = env::split_paths(&path).chain([linters]);
    folders.map(|folder: PathBuf| folder.join(tool)).find(|file| file.is_file())
}

/// Behind [`crate::need_tool!`]: whether to go on, or to skip; panics where skipping is not allowed.
#[doc(hidden)]
#[track_caller]
pub fn go_on_with(tool: &str) -> bool {
    if is_usable(tool) {
        return true;
    }
    let allowed = env::var_os("SHIM_TEST_ALLOW_MISSING").is_some_and(|value| value == "1");
    assert!(allowed, "this test needs `{tool}`; SHIM_TEST_ALLOW_MISSING=1 skips it");
    false
}

/// Returns from the test, saying so, when a real lake is under test: the fake's switches have no effect there.
#[macro_export]
macro_rules! need_fake_lake {
    () => {
        $crate::skip_unless!($crate::tools::real_lake().is_none(), "the fake lake")
    };
}

/// As [`need_fake_lake!`], for leantar.
#[macro_export]
macro_rules! need_fake_leantar {
    () => {
        $crate::skip_unless!($crate::tools::real_leantar().is_none(), "the fake leantar")
    };
}

/// Returns from the test, saying so, unless a real lake is under test: only that one knows what Lake does.
#[macro_export]
macro_rules! need_real_lake {
    () => {
        $crate::skip_unless!(
            $crate::tools::real_lake().is_some(),
            "a real lake (SHIM_TEST_REAL_LAKE)"
        )
    };
}

/// Fails the test when the machine lacks a tool (`elan`, `unshare`, …; `root` for being root), or skips it where
/// `SHIM_TEST_ALLOW_MISSING=1` allows that.
#[macro_export]
macro_rules! need_tool {
    ($tool:literal) => {
        $crate::skip_unless!($crate::tools::go_on_with($tool), $tool)
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! skip_unless {
    ($condition:expr, $need:literal) => {
        if !$condition {
            $crate::tools::say(concat!("skipped: needs ", $need));
            return;
        }
    };
}

#[doc(hidden)]
#[expect(clippy::print_stderr, reason = "a skipped test says so in the test's own output")]
pub fn say(message: &str) {
    eprintln!("{message}");
}

fn fakes() -> &'static Path {
    static FAKES: OnceLock<PathBuf> = OnceLock::new();
    FAKES.get_or_init(|| build("shim-tests"))
}

/// The directory that cargo builds this test's profile into.
pub(crate) fn profile_dir() -> PathBuf {
    let test = env::current_exe().ok();
    test.and_then(|test| Some(test.parent()?.parent()?.to_owned()))
        .unwrap_or_else(|| panic!("the test's own path is not <target>/<profile>/deps/<name>"))
}

/// Builds a package's binaries into the directory that this test came from, and returns where they lie.
fn build(package: &str) -> PathBuf {
    let profile_dir = profile_dir();
    let (target, profile) = match (profile_dir.parent(), profile_dir.file_name()) {
        (Some(target), Some(name)) if name == "debug" => (target, "dev".as_ref()),
        (Some(target), Some(name)) => (target, name),
        _ => panic!("no profile in {}", profile_dir.display()),
    };
    let output = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["build", "--quiet", "--bins", "--package", package])
        .args(["--manifest-path", concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml")])
        .arg("--target-dir")
        .arg(target)
        .arg("--profile")
        .arg(profile)
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("cargo: {error}"));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cannot build {package}:\n{stderr}");
    profile_dir
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

fn succeeds(command: &mut Command) -> bool {
    let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    quiet.status().is_ok_and(|status| status.success())
}
