//! An internet for one sandbox: git's https transport replaced by a script that serves local repositories.
//!
//! Manifests name `https://github.com/…`, and Lake compares URLs as strings, so neither `file://` URLs nor
//! `url.<base>.insteadOf` will do for a test of cloning. A git with another `GIT_EXEC_PATH` finds our
//! `git-remote-https` there, and everything else where it was.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use fs_err as fs;

use crate::mini_mathlib;
use crate::or_panic::OrPanic as _;
use crate::sandbox::Sandbox;

/// Answers `connect` and becomes the service asked for. What GitHub allows (fetching any commit, filters) is
/// allowed; whose the repository is does not matter.
const GIT_REMOTE_HTTPS: &str = r#"
url=${2#https://}
url=${url%/}
repository=REMOTES/${url%.git}
if [ ! -d "$repository" ]; then
    echo "fatal: repository '$2' not found" >&2
    exit 128
fi
while read -r command service; do
    case $command in
    capabilities) printf 'connect\n\n' ;;
    connect)
        printf '\n'
        exec git -c safe.directory='*' -c uploadpack.allowAnySHA1InWant=true -c uploadpack.allowFilter=true \
            "${service#git-}" "$repository"
        ;;
    *) exit ;;
    esac
done"#;

impl Sandbox {
    /// Lets git reach mathlib and batteries of the fixture at their `https://github.com` URLs, with or without `.git`.
    pub fn online(self) -> Sandbox {
        let mut sandbox = self.with_internet();
        for (_, bundle) in mini_mathlib::PACKAGES {
            let repository = bundle.trim_end_matches(".bundle");
            let url = format!("https://github.com/leanprover-community/{repository}");
            let bundle = mini_mathlib::fixture().join("git").join(bundle);
            sandbox = sandbox.with_remote(&url, &bundle);
        }
        sandbox
    }

    /// Serves what a bundle or repository holds at an `https://` URL. Implies an internet.
    pub fn with_remote(self, url: &str, source: &Path) -> Sandbox {
        let sandbox = self.with_internet();
        let address =
            url.trim_start_matches("https://").trim_end_matches('/').trim_end_matches(".git");
        let repository = sandbox.path("remotes").join(address);
        if !repository.exists() {
            sandbox.git_clone(source, &repository, &["--bare"]);
        }
        sandbox
    }

    /// The repository behind an `https://` URL, to be pushed to or removed.
    pub fn remote(&self, url: &str) -> PathBuf {
        self.path("remotes").join(url.trim_start_matches("https://").trim_end_matches(".git"))
    }

    /// An empty internet.
    pub fn with_internet(mut self) -> Sandbox {
        let exec_path = self.path("git-core");
        if exec_path.exists() {
            return self;
        }
        fs::create_dir(&exec_path).or_panic();
        let output = Command::new("git").arg("--exec-path").output().or_panic();
        let original = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        for entry in fs::read_dir(original).or_panic() {
            let entry = entry.or_panic();
            if !entry.file_name().to_string_lossy().starts_with("git-remote-http") {
                symlink(entry.path(), exec_path.join(entry.file_name())).or_panic();
            }
        }
        let remotes = self.path("remotes");
        self.mkdir(&remotes);
        let script = GIT_REMOTE_HTTPS.replace("REMOTES", &remotes.to_string_lossy());
        self.script(exec_path.join("git-remote-https"), &script);
        self.set_env("GIT_EXEC_PATH", exec_path);
        self.set_env("GIT_ALLOW_PROTOCOL", "file:https");
        self
    }
}
