//! The machine that the pages are written for: `/home/you/project` on a small mathlib, a toolchain in
//! `/opt/lean`, an internet of two repositories and a cache of eleven modules, and nobody else.
//!
//! It is a sandbox seen at these places, by mounts that only its own processes have.

use std::process::{Command, Stdio};

use shim_tests::{Sandbox, tools};

use crate::repository;

/// Where the pages install the shim.
const SHIM: &str = "home/you/.local/share/lake-shim/bin";
/// What stands between the outputs of two commands.
const MARK: &str = "=== done";
/// Programs that pages call, besides those that every sandbox has.
const TOOLS: &str =
    "awk cmp cut diff du find gzip mktemp rmdir stty tail tee test touch tr wc ln tmux";
/// What the fakes and their internet go by.
const FAKES: [&str; 5] =
    ["GIT_EXEC_PATH", "GIT_ALLOW_PROTOCOL", "FAKE_CLOUD", "FAKE_CLOUD_NAMES", "FAKE_LAKE_MODULES"];
/// So that screens do not tell of the machine they were made on.
const GIT: &str = "[ \"$1\" != --version ] || { echo 'git version 2.47.3'; exit; }";

pub struct Place {
    sandbox: Sandbox,
    env: Vec<(String, String)>,
}

/// What a command printed, both streams as they came, and its exit code.
pub struct Printed {
    pub text: String,
    pub code: i32,
}

impl Place {
    /// A fresh checkout: nothing fetched, no store, no shim.
    pub fn fresh() -> Place {
        let sandbox = Sandbox::mini_mathlib_without_packages().online().with_cloud();
        sandbox.mkdir("home/you").rename("home/.gitconfig", "home/you/.gitconfig");
        sandbox.rename("app", "home/you/project").symlink("home/you/project", "app");
        sandbox.mkdir("opt/tools").mkdir("opt/lean").rename("toolchain/bin", "opt/lean/bin");
        let version = "Lean (version 4.27.0, x86_64-unknown-linux-gnu, Release)";
        sandbox.script("opt/lean/bin/lean", &format!("echo '{version}'"));
        for tool in TOOLS.split_whitespace() {
            if let Some(found) = tools::find_on_path(tool) {
                sandbox.symlink(found, format!("tools/{tool}"));
            }
        }
        let git = tools::find_on_path("git").unwrap_or_default();
        let git = format!("{GIT}\nexec '{}' \"$@\"", git.display());
        sandbox.remove("tools/git").script("tools/git", &git);
        let mut place = Place { sandbox, env: Vec::new() };
        for name in FAKES {
            let value = place.sandbox.env_var(name).expect("every sandbox has it");
            place.set(name, &value);
        }
        for (name, value) in [
            ("HOME", "/home/you"),
            ("SHELL", "/bin/sh"),
            ("LANG", "C.UTF-8"),
            ("TERM", "xterm"),
            ("GIT_CONFIG_NOSYSTEM", "1"),
            ("PATH", "/opt/lean/bin:/opt/tools"),
        ] {
            place.set(name, value);
        }
        place
    }

    /// The same with the shim installed, first on PATH.
    pub fn installed() -> Place {
        let place = Place::fresh();
        place.sandbox.rename(place.sandbox.shim_bin(), SHIM);
        place.with("PATH", &format!("/{SHIM}:/opt/lean/bin:/opt/tools"))
    }

    /// With a release's tarball in the project.
    pub fn with_release(self) -> Place {
        let name = concat!("lake-shim-", env!("CARGO_PKG_VERSION"), "-x86_64-linux");
        self.release_in(name);
        let tar = ["--use-compress-program=gzip -1", "-cf", &format!("app/{name}.tar.gz"), name];
        self.sandbox.command("tar", "").args(tar).cwd(self.sandbox.path("")).run().expect_code(0);
        self
    }

    /// With the project where a release was unpacked.
    pub fn in_release(self) -> Place {
        self.release_in("app");
        self
    }

    fn release_in(&self, dir: &str) {
        let bin = self.sandbox.shim_bin();
        self.sandbox.copy(bin.join("lake-shim"), format!("{dir}/bin/lake-shim"));
        self.sandbox.copy(repository().join("install.sh"), format!("{dir}/install.sh"));
    }

    /// With the packages cloned.
    pub fn with_packages(self) -> Place {
        self.sandbox.clone_packages(&self.sandbox.packages());
        self
    }

    /// With a store of cache files at the place where images have it.
    pub fn with_store(self) -> Place {
        self.sandbox.copy("store", "opt/mathlib-cache");
        self
    }

    /// With a store baked for the project, which is as fresh afterwards as before.
    pub fn with_baked_store(self) -> Place {
        let bake = "lake-shim bake --level 1 --store /opt/mathlib-cache";
        for printed in self.type_in(&[bake, "rm -r .lake"]) {
            assert_eq!(printed.code, 0, "{}", printed.text);
        }
        self
    }

    /// With a cache of the user's own, which has nothing yet.
    pub fn with_cache(self) -> Place {
        self.sandbox.mkdir("home/you/.cache/mathlib");
        self
    }

    /// With the examples for CI copied into the project.
    pub fn with_ci(self) -> Place {
        self.sandbox.copy(repository().join("ci"), "app/ci");
        self
    }

    /// With a second project beside the first.
    pub fn with_another_project(self) -> Place {
        self.sandbox.copy("home/you/project", "home/you/other-project");
        self
    }

    pub fn with(mut self, name: &str, value: &str) -> Place {
        self.set(name, value);
        self
    }

    fn set(&mut self, name: &str, value: &str) {
        self.env.retain(|(other, _)| other != name);
        self.env.push((name.to_owned(), value.to_owned()));
    }

    /// Types commands into one shell, one after the other. It remembers directory and variables from
    /// one call to the next.
    #[track_caller]
    pub fn type_in(&self, commands: &[&str]) -> Vec<Printed> {
        let mut script = String::from("cd project; [ ! -f /home/session ] || . /home/session\n");
        for command in commands {
            script += &format!("{command}\nprintf '\\n{MARK} %s\\n' $?\n");
        }
        script += "{ export -p; printf 'cd \"%s\"\\n' \"$PWD\"; } >/home/session\n";
        let text = self.run_in(&script);
        let mut rest = text.as_str();
        let mut printed = Vec::new();
        while let Some((before, after)) = rest.split_once(&format!("\n{MARK} ")) {
            let (code, after) = after.split_once('\n').unwrap_or((after, ""));
            let code = code.parse().unwrap_or_else(|_| panic!("no code: {code}"));
            printed.push(Printed { text: before.to_owned(), code });
            rest = after;
        }
        assert_eq!(printed.len(), commands.len(), "the shell ended early:\n{text}");
        printed
    }

    /// Runs a script in `/home/you`. What it prints, both streams as they come.
    #[track_caller]
    pub fn run_in(&self, script: &str) -> String {
        let mounts = "exec 2>&1; mount --bind \"$1/opt\" /opt && mount --bind \"$1/tools\" /opt/tools && \
                      mount --bind \"$1/home\" /home && cd /home/you && PATH=$2 && exec sh -c \"$3\"";
        let path = self.env.iter().find(|(name, _)| name == "PATH");
        let mut command = Command::new("unshare");
        command.args(["--net", "--mount", "--", "sh", "-c", mounts, "sh"]);
        command.arg(self.sandbox.path("")).arg(path.map_or("", |(_, path)| path)).arg(script);
        command.env_clear().envs(self.env.iter().map(|(name, value)| (name, value)));
        // The machine's own, for `unshare` and `mount`.
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        let output = command.stdin(Stdio::null()).output().expect("unshare");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}
