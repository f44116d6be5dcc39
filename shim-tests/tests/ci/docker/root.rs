//! A root file system of layers, as an image has them, and running something in it.
//!
//! Every step writes to a layer of its own, an overlay over those before, mounted in a mount namespace that
//! ends with the step. So what a layer holds is what that step costs in the image: a file whose owner
//! or mode is changed is copied up whole, here as there.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use shim_tests::{Run, Sandbox};

/// What a process in the root is given.
#[derive(Clone, Debug)]
pub struct Setting {
    pub env: BTreeMap<String, String>,
    /// Numeric ids or names, as `USER` takes them.
    pub user: String,
    pub workdir: String,
}

/// What of the machine outside is seen inside.
#[derive(Clone, Debug, Default)]
pub struct Outside {
    /// Directories, outside and inside; writable.
    pub binds: Vec<(PathBuf, String)>,
    pub has_network: bool,
    pub env: BTreeMap<String, String>,
}

#[derive(Clone, Debug)]
pub struct Root {
    /// The lowest first.
    pub layers: Vec<PathBuf>,
}

/// Mounts the layers, and what every container has, and goes in. Arguments: merged, lower, upper, work,
/// user, then pairs of binds up to `--`, then the program.
const ENTER: &str = r#"set -eu
merged=$1 lower=$2 upper=$3 work=$4 user=$5
shift 5
mount -t overlay overlay -o "lowerdir=$lower,upperdir=$upper,workdir=$work" "$merged"
mount --rbind /usr "$merged/usr" # the base image's programs are the host's
mount -o remount,bind,ro "$merged/usr"
mount --rbind /dev "$merged/dev"
mount --rbind /proc "$merged/proc"
while [ "$1" != -- ]; do
  mkdir -p "$merged$2" # as Docker does
  mount --rbind "$1" "$merged$2"
  shift 2
done
shift
case $user in
*:*) group=${user#*:} ;;
*) group=0 ;;
esac
exec /usr/sbin/chroot --userspec="${user%%:*}:$group" --groups="$group" "$merged" "$@""#;

impl Root {
    /// Runs a program on top of the layers, what it writes going to a directory.
    #[track_caller]
    pub fn run(
        &self,
        sandbox: &Sandbox,
        upper: &Path,
        setting: &Setting,
        outside: &Outside,
        program: &[&str],
    ) -> Run {
        let (work, merged) = (beside(upper, "work"), beside(upper, "merged"));
        for dir in [upper, &work, &merged] {
            sandbox.mkdir(dir);
        }
        let mut args: Vec<String> = vec!["--mount".into(), "--propagation=private".into()];
        if !outside.has_network {
            args.push("--net".into());
        }
        let enter = sandbox.path("enter");
        if !enter.exists() {
            sandbox.script(&enter, ENTER);
        }
        args.push("--".into());
        args.extend([&enter, &merged].map(|path| path.display().to_string()));
        args.push(self.lower());
        args.extend([upper, &work].map(|dir| dir.display().to_string()));
        args.push(setting.user.clone());
        for (from, to) in &outside.binds {
            args.extend([from.display().to_string(), to.clone()]);
        }
        args.push("--".into());
        // From the image first: what is outside may add to it, as `docker run --env` does.
        args.extend(["/usr/bin/env", "--ignore-environment"].map(str::to_owned));
        let env = setting.env.iter().chain(&outside.env);
        args.extend(env.map(|(name, value)| format!("{name}={value}")));
        args.extend(["/bin/sh", "-c", "cd \"$0\" && exec \"$@\""].map(str::to_owned));
        args.push(setting.workdir.clone());
        args.extend(program.iter().map(|word| (*word).to_owned()));
        sandbox.command("/usr/bin/unshare", "").args(args).env("PATH", "/usr/sbin:/usr/bin").run()
    }

    /// For overlayfs the highest comes first.
    fn lower(&self) -> String {
        let mut lower = String::new();
        for layer in self.layers.iter().rev() {
            let colon = if lower.is_empty() { "" } else { ":" };
            write!(lower, "{colon}{}", layer.display()).expect("a string");
        }
        lower
    }

    /// The file at a path, as the layers show it.
    pub fn find(&self, path: &str) -> Option<PathBuf> {
        let files = self.layers.iter().rev().map(|layer| layer.join(path.trim_start_matches('/')));
        files.into_iter().find(|file| file.symlink_metadata().is_ok())
    }

    /// How many bytes of files below a directory each layer adds.
    pub fn bytes_below(&self, dir: &str) -> Vec<u64> {
        let dir = dir.trim_start_matches('/');
        self.layers.iter().map(|layer| bytes(&layer.join(dir))).collect()
    }
}

fn beside(upper: &Path, what: &str) -> PathBuf {
    let name = upper.file_name().unwrap_or_default().to_string_lossy();
    upper.with_file_name(format!("{name}.{what}"))
}

/// Symlinks are not followed; what is not there is empty.
pub fn bytes(path: &Path) -> u64 {
    let Ok(metadata) = path.symlink_metadata() else { return 0 };
    if metadata.is_dir() {
        let entries = path.read_dir().into_iter().flatten().flatten();
        return entries.map(|entry| bytes(&entry.path())).sum();
    }
    if metadata.is_file() { metadata.size() } else { 0 }
}
