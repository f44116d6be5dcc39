//! A directory with all that a run can see: home, tools, workspace, store. Removed when dropped.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use fs_err as fs;
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::call::Call;
use crate::call_log;
use crate::mini_mathlib::{self, modules};
use crate::or_panic::OrPanic as _;
use crate::tools;

/// A user who owns nothing, for [`Call::as_user`] and [`Sandbox::chown`].
pub const NOBODY: u32 = 65534;

/// What a run finds on its PATH besides the shim and the toolchain, where the machine has it. No lake, lean,
/// elan or leantar: a test that wants one puts it there.
const SYSTEM_TOOLS: &str = "sh bash git env cat cksum cp ls mkdir mv rm chgrp chmod dirname install uname sleep true false printf sed grep \
    head sort tar zstd id kill nproc readlink";

/// See the [crate] for an example.
///
/// ```text
/// home/        $HOME, with a .gitconfig           tools/          symlinks to git, sh, …
/// tmp/         $TMPDIR                            app/            the workspace
/// shim/bin/    lake -> lake-shim, lake-shim       store/          archives of mathlib's cache
/// toolchain/   bin/lake, bin/leantar              logs/, state/   of the fakes
/// ```
pub struct Sandbox {
    root: PathBuf,
    shim: OnceLock<()>,
    pub(crate) env: Vec<(OsString, OsString)>,
    /// Children inherit it, see [`call_log::LEANTAR_LOG`].
    leantar_log: File,
    /// Removes all of it at last.
    _dir: TempDir,
}

impl Sandbox {
    /// A home and tools, an empty `app/` and an empty `store/`. Git reaches nothing but local files.
    pub fn empty() -> Sandbox {
        let dir = tempfile::Builder::new().prefix("shim-test-").tempdir().or_panic();
        let root = fs::canonicalize(dir.path()).or_panic();
        fs::create_dir(root.join("logs")).or_panic();
        let leantar_log = call_log::open(&root.join("logs/leantar.jsonl")).or_panic();
        fcntl(&leantar_log, FcntlArg::F_SETFD(FdFlag::empty())).or_panic();
        let (shim, env) = (OnceLock::new(), Vec::new());
        let mut sandbox = Sandbox { root, shim, env, leantar_log, _dir: dir };
        sandbox.make_folders();
        sandbox.install_tools();
        sandbox.set_base_env();
        sandbox
    }

    /// The workspace of the fixture `mini-mathlib`: packages cloned at the manifest's revisions, nothing built,
    /// a store with every module, and `LAKE_SHIM_STORE` set to it.
    pub fn mini_mathlib() -> Sandbox {
        let sandbox = Sandbox::mini_mathlib_without_packages();
        sandbox.clone_packages(&sandbox.packages());
        sandbox
    }

    /// As [`Sandbox::mini_mathlib`] on a fresh checkout: no packages directory yet.
    pub fn mini_mathlib_without_packages() -> Sandbox {
        let mut sandbox = Sandbox::empty();
        sandbox.copy(mini_mathlib::fixture().join("app"), "app");
        mini_mathlib::write_store(&sandbox.store());
        sandbox.set_env("LAKE_SHIM_STORE", sandbox.store());
        mini_mathlib::write_names(&sandbox.path("names.json"));
        sandbox.set_env("FAKE_CLOUD_NAMES", sandbox.path("names.json"));
        sandbox.set_env("FAKE_LAKE_MODULES", built_modules());
        sandbox
    }

    /// A workspace without a manifest out of `fixtures/resolve/`, its repositories online. What a real Lake wrote for it
    /// is the fixture's `lake-manifest.json`, see [`mini_mathlib::fixtures`].
    pub fn resolve_case(name: &str) -> Sandbox {
        let case = mini_mathlib::fixtures().join("resolve").join(name);
        let sandbox = Sandbox::empty().with_internet();
        sandbox.copy(case.join("in"), "app");
        let facts: Value = serde_json::from_str(&sandbox.read(case.join("case.json"))).or_panic();
        let repositories = facts["repos"].as_object().into_iter().flatten();
        repositories.fold(sandbox, |sandbox, (url, bundle)| {
            sandbox.with_remote(url, &case.join("git").join(bundle.as_str().unwrap_or_default()))
        })
    }

    /// Clones mathlib and batteries as Lake does, detached and with the manifest's URLs, into a directory.
    pub fn clone_packages(&self, packages_dir: &Path) -> &Sandbox {
        for (name, bundle) in mini_mathlib::PACKAGES {
            let (url, rev) = self.locked(name);
            let package = packages_dir.join(name);
            self.copy(self.clone_of(bundle, &rev), &package);
            self.git(&package, &["remote", "set-url", "origin", &url]);
            // The copies have other inode numbers than the index. A later git would write it.
            self.git(&package, &["update-index", "-q", "--refresh"]);
        }
        self
    }

    /// A clone of a bundle at that revision, to be copied: git makes it once for all sandboxes, beside the tests.
    fn clone_of(&self, bundle: &str, rev: &str) -> PathBuf {
        let tests = std::env::current_exe().or_panic();
        let clones = tests.with_file_name("clones");
        let clone = clones.join(format!("{bundle}-{rev}"));
        if !clone.exists() {
            fs::create_dir_all(&clones).or_panic();
            let dir = tempfile::tempdir_in(&clones).or_panic();
            let new = dir.path().join("clone");
            self.git_clone(&mini_mathlib::fixture().join("git").join(bundle), &new, &[]);
            self.git(&new, &["checkout", "--quiet", "--detach", rev]);
            // Another test may have been first.
            let published = fs::rename(&new, &clone);
            assert!(published.is_ok() || clone.exists(), "{published:?}");
        }
        clone
    }

    /// Gives the fake `cache get` a cloud that has every module.
    pub fn with_cloud(mut self) -> Sandbox {
        fs::create_dir(self.cloud()).or_panic();
        mini_mathlib::write_store(&self.cloud());
        self.set_env("FAKE_CLOUD", self.cloud());
        self
    }

    /// Sets a variable for every run from now on.
    pub fn set_env(&mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> &mut Sandbox {
        self.env.retain(|(other, _)| other != name.as_ref());
        self.env.push((name.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    /// Unsets a variable for every run from now on.
    pub fn env_remove(&mut self, name: impl AsRef<OsStr>) -> &mut Sandbox {
        self.env.retain(|(other, _)| other != name.as_ref());
        self
    }

    /// A variable that every run gets, lossily.
    pub fn env_var(&self, name: &str) -> Option<String> {
        let found = self.env.iter().find(|(other, _)| other == name);
        found.map(|(_, value)| value.to_string_lossy().into_owned())
    }

    // Places

    /// `relative` below the sandbox's root; an absolute path stays itself.
    pub fn path(&self, relative: impl AsRef<Path>) -> PathBuf {
        self.root.join(relative)
    }

    /// Where runs start unless told otherwise.
    pub fn workspace(&self) -> PathBuf {
        self.path("app")
    }

    pub fn packages(&self) -> PathBuf {
        self.path("app/.lake/packages")
    }

    pub fn package(&self, name: &str) -> PathBuf {
        self.packages().join(name)
    }

    pub fn store(&self) -> PathBuf {
        self.path("store")
    }

    /// The archive of a module in the store.
    pub fn ltar(&self, module: &str) -> PathBuf {
        let module = modules().iter().find(|known| known.name == module);
        self.store().join(&module.unwrap_or_else(|| panic!("no such module")).ltar)
    }

    pub fn cloud(&self) -> PathBuf {
        self.path("cloud")
    }

    pub fn home(&self) -> PathBuf {
        self.path("home")
    }

    /// Where the lake behind the shim lies: the fake's own place, or the real one's.
    pub fn toolchain_bin(&self) -> PathBuf {
        match tools::real_lake() {
            // A real lake finds its lean beside itself.
            Some(lake) if lake.with_file_name("lean").exists() => {
                lake.parent().unwrap_or(&lake).to_owned()
            }
            _ => self.path("toolchain/bin"),
        }
    }

    /// Holds `lake-shim` and its symlink `lake`. Built and placed at the first call.
    pub fn shim_bin(&self) -> PathBuf {
        let folder = self.path("shim/bin");
        self.shim.get_or_init(|| {
            place(tools::lake_shim(), &folder.join("lake-shim"));
            symlink("lake-shim", folder.join("lake")).or_panic();
        });
        folder
    }

    // Runs: words are split at white space, `.arg()` adds one that is not

    /// The shim called as `lake`.
    pub fn lake(&self, words: &str) -> Call<'_> {
        self.shim_bin();
        self.command("lake", words)
    }

    /// The shim by its own name.
    pub fn lake_shim(&self, words: &str) -> Call<'_> {
        self.shim_bin();
        self.command("lake-shim", words)
    }

    /// The lake behind the shim, called directly.
    pub fn real_lake(&self, words: &str) -> Call<'_> {
        self.command(self.toolchain_bin().join("lake"), words)
    }

    /// Any program, looked for on the sandbox's PATH.
    pub fn command(&self, program: impl AsRef<OsStr>, words: &str) -> Call<'_> {
        Call::new(self, program.as_ref(), words)
    }

    /// Runs git, which must succeed, and returns what it printed, trimmed.
    #[track_caller]
    pub fn git(&self, folder: &Path, args: &[&str]) -> String {
        let run = self.command("git", "").args(args).cwd(folder).run();
        run.expect_code(0).stdout.trim().to_owned()
    }

    fn make_folders(&self) {
        for folder in
            ["home", "tmp", "shim/bin", "toolchain/bin", "tools", "app", "store", "logs", "state"]
        {
            fs::create_dir_all(self.path(folder)).or_panic();
        }
        // Another user must get in, and the fakes must be able to log for him.
        self.chmod("", 0o755);
        for folder in ["tmp", "logs", "state"] {
            self.chmod(folder, 0o1777);
        }
        let gitconfig = "[user]\n\tname = Test\n\temail = test@example.org\n[init]\n\tdefaultBranch = master\n\
                         [advice]\n\tdetachedHead = false\n";
        self.write("home/.gitconfig", gitconfig);
    }

    fn install_tools(&self) {
        for tool in SYSTEM_TOOLS.split_whitespace() {
            if let Some(found) = tools::find_on_path(tool) {
                symlink(found, self.path("tools").join(tool)).or_panic();
            }
        }
        let lake = self.path("toolchain/bin/lake");
        match tools::real_lake() {
            Some(real) => symlink(real, lake).or_panic(),
            None => place(&tools::fake_lake(), &lake),
        }
        self.write_version("4.27");
        self.install_leantar("toolchain/bin/leantar");
    }

    /// Has the fake lake behave as that version of Lake does: `4.16`, `4.27` (the default), or `4.36` (which
    /// may call itself `4.35`).
    pub fn with_dialect(mut self, version: &str) -> Sandbox {
        self.set_env("FAKE_LAKE_DIALECT", version);
        self.write_version(version);
        self
    }

    /// The header by which the shim knows a toolchain's version.
    fn write_version(&self, version: &str) {
        let (major, minor) = version.split_once('.').unwrap_or((version, "0"));
        let header =
            format!("#define LEAN_VERSION_MAJOR {major}\n#define LEAN_VERSION_MINOR {minor}\n");
        // Of the fake, and of scripts that stand in for a lake in a directory of their own.
        for toolchain in ["toolchain", "."] {
            self.write(Path::new(toolchain).join("include/lean/version.h"), &header);
        }
    }

    /// Puts the leantar in use at a further place, such as `store/leantar-0.1.16`.
    pub fn install_leantar(&self, path: impl AsRef<Path>) -> &Sandbox {
        place(&tools::leantar(), &self.path(path));
        self
    }

    fn set_base_env(&mut self) {
        let folders = [self.path("shim/bin"), self.toolchain_bin(), self.path("tools")];
        let path = std::env::join_paths(folders).or_panic();
        self.set_env("PATH", path);
        self.set_env("HOME", self.home());
        self.set_env("TMPDIR", self.path("tmp"));
        self.set_env("LANG", "C.UTF-8");
        self.set_env("GIT_CONFIG_NOSYSTEM", "1");
        self.set_env("GIT_TERMINAL_PROMPT", "0");
        self.set_env("GIT_ALLOW_PROTOCOL", "file");
        self.set_env(call_log::LAKE_LOG, self.path("logs/lake.jsonl"));
        self.set_env(call_log::LEANTAR_LOG, self.leantar_log.as_raw_fd().to_string());
        self.set_env("FAKE_LAKE_STATE", self.path("state"));
        if !self.toolchain_bin().join("leantar").exists() {
            // A real toolchain that came without one: it is on no PATH.
            self.set_env("LAKE_SHIM_LEANTAR", self.path("toolchain/bin/leantar"));
        }
    }
}

/// The traces that a fake `lake build --no-build` looks at.
fn built_modules() -> String {
    let packages = Path::new(".lake/packages");
    let built = modules().iter().map(|module| {
        let (olean, trace) = (packages.join(module.olean()), packages.join(&module.trace));
        let dep_hash = format!("{:016x}", module.dep_hash);
        (module.name.clone(), json!({ "olean": olean, "trace": trace, "depHash": dep_hash }))
    });
    Value::Object(built.collect()).to_string()
}

/// Puts a program at a path that is its own: the fakes find their directory by it, the shim itself.
///
/// A hard link where possible. A copy is made by `cp`: a file that this many-threaded process had open for writing could
/// be inherited by another thread's child, and running it would then fail with "text file busy".
fn place(program: &Path, path: &Path) {
    if fs::hard_link(program, path).is_err() {
        let copied = Command::new("cp").arg(program).arg(path).status().or_panic();
        assert!(copied.success(), "cannot copy {} to {}", program.display(), path.display());
    }
    let mode = fs::metadata(path).or_panic().permissions().mode();
    assert!(mode & 0o005 == 0o005, "{} is not for everyone to run", path.display());
}
