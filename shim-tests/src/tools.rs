//! Which lake, which leantar, which shim: the fakes and a fresh build unless the environment says otherwise.
//!
//! | variable | meaning |
//! |---|---|
//! | `SHIM_TEST_BIN` | the `lake-shim` to test, instead of building it |
//! | `SHIM_TEST_REAL_LAKE` | a real lake to use instead of the fake |
//! | `SHIM_TEST_REAL_LEANTAR` | a real leantar (else the one beside that lake), with the fixture's real archives |
//! | `SHIM_TEST_NEED_ALL` | `1`: what tests need has to be there, see `build.rs` |

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

pub use crate::on_path::find_on_path;

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

/// The leantar that reads the archives in use: the real one asked for, else the fake.
pub fn leantar() -> PathBuf {
    real_leantar().unwrap_or_else(fake_leantar)
}

pub fn fake_lake() -> PathBuf {
    fakes().join("fake-lake")
}

pub fn fake_leantar() -> PathBuf {
    fakes().join("fake-leantar")
}

/// Into the test's own output.
#[expect(clippy::print_stderr, reason = "what a test found out is for whoever reads its output")]
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
