//! A repository that has copied the examples, and the machines and servers around it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use shim_tests::{Sandbox, modules, tools};

use crate::docker::root::Outside;
use crate::docker::{Base, Build};

/// The examples of this repository.
pub fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../ci")
}

pub fn example(file: &str) -> String {
    let path = examples().join(file);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The fixture's project with the examples where `ci/README.md` says, a cloud with all of mathlib's cache, and
/// downloads of elan and lake-shim.
pub fn repository() -> Sandbox {
    let mut sandbox = Sandbox::mini_mathlib_without_packages().online().with_cloud();
    copy_examples(&sandbox);
    release_elan(&sandbox);
    release_shim(&sandbox);
    fakes(&sandbox);
    // The store is what is baked. None is on the machine.
    sandbox.remove("store");
    sandbox.env_remove("LAKE_SHIM_STORE");
    sandbox
}

/// To where the README says.
pub fn copy_examples(sandbox: &Sandbox) {
    sandbox
        .copy(examples(), "app/ci")
        .copy("app/ci/ci.yaml", "app/.github/workflows/ci.yaml")
        .copy("app/ci/ci-image.yaml", "app/.github/workflows/ci-image.yaml")
        .copy("app/ci/action.yml", "app/.github/actions/lake-shim/action.yml")
        .write("app/.gitignore", ".lake\n.ci-passed\n");
}

/// Where a download lies, by its URL.
fn served(sandbox: &Sandbox, url: &str) -> PathBuf {
    sandbox.path("served").join(url.trim_start_matches("https://"))
}

pub const ELAN: &str = "https://github.com/leanprover/elan/releases/download/v4.2.4/\
                        elan-x86_64-unknown-linux-gnu.tar.gz";
pub const SHIM: &str = "https://github.com/lake-shim/lake-shim/releases/download/v0.1.0/\
                        lake-shim-0.1.0-x86_64-linux.tar.gz";

/// An installer that places Debian's real elan, with its proxies, and in front of it an `elan` that installs the
/// fakes for a toolchain, since there is nowhere to download one from.
fn release_elan(sandbox: &Sandbox) {
    let elan = tools::find_on_path("elan").expect("needed");
    let place = format!(
        "set -eu\n[ \"$*\" = '-y --no-modify-path --default-toolchain none' ]\nmkdir -p \"$ELAN_HOME/bin\"\n\
         cp {elan} \"$ELAN_HOME/bin/lake\"\nln \"$ELAN_HOME/bin/lake\" \"$ELAN_HOME/bin/lean\"\n\
         printf 'version = \"12\"\\n' >\"$ELAN_HOME/settings.toml\"\n\
         cp {tools}/elan \"$ELAN_HOME/bin/elan\"",
        elan = elan.display(),
        tools = sandbox.path("release").display(),
    );
    let install = format!(
        "set -eu\n[ \"$1 $2\" = 'toolchain install' ]\n\
         name=$(printf '%s\\n' \"$3\" | sed 's,/,--,g; s,:,---,g')\n\
         bin=$ELAN_HOME/toolchains/$name/bin\nmkdir -p \"$bin\"\ncp {fakes}/* \"$bin\"",
        fakes = sandbox.path("release/toolchain").display(),
    );
    sandbox.script("release/elan-init", &place).script("release/elan", &install).script(
        "release/toolchain/lean",
        "echo 'Lean (version 4.27.0, x86_64-unknown-linux-gnu, Release)'",
    );
    strip(sandbox, &tools::fake_lake(), "release/toolchain/lake");
    strip(sandbox, &tools::leantar(), "release/toolchain/leantar");
    pack(sandbox, "release", "elan-init", &served(sandbox, ELAN));
}

/// What `dist.sh` makes, of the shim under test.
fn release_shim(sandbox: &Sandbox) {
    let installer = Path::new(env!("CARGO_MANIFEST_DIR")).join("../install.sh");
    sandbox
        .copy(installer, "release/lake-shim-0.1.0/install.sh")
        .mkdir("release/lake-shim-0.1.0/bin");
    strip(sandbox, tools::lake_shim(), "release/lake-shim-0.1.0/bin/lake-shim");
    pack(sandbox, "release", "lake-shim-0.1.0", &served(sandbox, SHIM));
    let line =
        format!("{}  {}\n", sha256(&served(sandbox, SHIM)), SHIM.rsplit('/').next().unwrap_or(""));
    sandbox.write("app/ci/lake-shim.sha256", line);
}

/// Debug builds are a hundred megabytes of symbols, and these are copied from layer to layer.
fn strip(sandbox: &Sandbox, program: &Path, to: &str) {
    let status = Command::new("strip").arg(program).arg("-o").arg(sandbox.path(to)).status();
    assert!(status.expect("strip").success(), "cannot strip {}", program.display());
}

fn pack(sandbox: &Sandbox, dir: &str, what: &str, archive: &Path) {
    sandbox.mkdir(archive.parent().expect("a directory"));
    let mut tar = Command::new("tar");
    tar.args(["--use-compress-program", "gzip -1", "-cf"]).arg(archive);
    let status = tar.arg("-C").arg(sandbox.path(dir)).arg(what).status().expect("tar");
    assert!(status.success(), "cannot pack {what}");
}

pub fn sha256(file: &Path) -> String {
    let output = Command::new("sha256sum").arg(file).output().expect("sha256sum");
    String::from_utf8_lossy(&output.stdout).split(' ').next().unwrap_or_default().to_owned()
}

/// Programs that stand for the network: `curl` for downloads, `apt-get` for Debian's archive. Each insists on being
/// called as it is meant to be.
fn fakes(sandbox: &Sandbox) {
    let curl = format!(
        "set -eu\nout= url=\nwhile [ $# -gt 0 ]; do\n  case $1 in\n  --output) out=$2; shift ;;\n\
         --retry | --proto | --proto-redir) shift ;;\n  --fail | --silent | --show-error | --location) ;;\n\
         https://*) url=$1 ;;\n  *) echo \"curl: option $1: is unknown\" >&2; exit 2 ;;\n  esac\n  shift\ndone\n\
         if ! cp {served}/\"${{url#https://}}\" \"$out\" 2>/dev/null; then\n\
         echo 'curl: (22) The requested URL returned error: 404' >&2; exit 22\nfi",
        served = sandbox.path("served").display(),
    );
    let apt_get = "set -eu\ncase $1 in\nupdate) mkdir -p /var/lib/apt/lists; echo >/var/lib/apt/lists/list ;;\n\
                   install) [ -e /var/lib/apt/lists/list ]; [ \"$2 $3\" = '--yes --no-install-recommends' ]; shift 3\n\
                   for package; do mkdir -p \"/var/lib/fake-dpkg/$package\"; done ;;\n*) exit 100 ;;\nesac";
    sandbox.script("fakes/curl", &curl).script("fakes/apt-get", apt_get);
    for tool in "sha256sum mktemp df find gzip tail cut tr touch ln cmp".split(' ') {
        let found = tools::find_on_path(tool).unwrap_or_else(|| panic!("no `{tool}` on PATH"));
        sandbox.symlink(found, format!("tools/{tool}"));
    }
}

/// A root like the base image's: the host's programs, and an `/etc` with root alone.
pub fn base(sandbox: &Sandbox) -> Base {
    let path = format!(
        "{}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin",
        sandbox.path("fakes").display()
    );
    let root = sandbox.path("base");
    if root.exists() {
        return Base { root, path };
    }
    for dir in ["usr", "etc/skel", "var/lib", "home", "root", "opt", "srv", "run"] {
        sandbox.mkdir(root.join(dir));
    }
    for link in ["bin", "sbin", "lib", "lib64"] {
        sandbox.symlink(format!("usr/{link}"), root.join(link));
    }
    for file in ["login.defs", "alternatives", "ld.so.cache"] {
        sandbox.copy(Path::new("/etc").join(file), root.join("etc").join(file));
    }
    sandbox
        .write(root.join("etc/passwd"), "root:x:0:0:root:/root:/bin/bash\n")
        .write(root.join("etc/group"), "root:x:0:\n")
        .write(root.join("etc/shadow"), "root:*:20000:0:99999:7:::\n")
        .write(root.join("etc/gshadow"), "root:*::\n");
    for dir in ["tmp", "mnt", "dev", "proc"] {
        sandbox.mkdir(root.join(dir));
    }
    // What is mounted below it has the sandbox's own path.
    sandbox.mkdir(root.join(sandbox.path("").strip_prefix("/").expect("absolute")));
    sandbox.chmod(root.join("tmp"), 0o1777);
    Base { root, path }
}

/// Building the repository's image, on a machine with network.
pub fn build(sandbox: &Sandbox) -> Build<'_> {
    let elan = sha256(&served(sandbox, ELAN));
    Build {
        sandbox,
        base: base(sandbox),
        context: sandbox.workspace(),
        // The digest in the Dockerfile is the real one's.
        args: BTreeMap::from([("ELAN_SHA256".to_owned(), elan)]),
        outside: Outside {
            binds: vec![(sandbox.path(""), sandbox.path("").display().to_string())],
            has_network: true,
            env: env(
                sandbox,
                &["FAKE_CLOUD", "FAKE_CLOUD_NAMES", "GIT_EXEC_PATH", "GIT_ALLOW_PROTOCOL"],
            ),
        },
    }
}

/// Variables of a sandbox.
pub fn env(sandbox: &Sandbox, names: &[&str]) -> BTreeMap<String, String> {
    let value = |name: &&str| Some(((*name).to_owned(), sandbox.env_var(name)?));
    names.iter().filter_map(value).collect()
}

/// How many modules the mini mathlib has.
pub fn module_count() -> usize {
    modules().len()
}
