//! The real lake: finding it, its version, starting it, becoming it.

mod handover;
pub mod toolchain;
pub mod version;

use crate::child::Variables;
use crate::error::{Failure, hint};
use crate::programs::on_path;
use crate::read;
use crate::settings::{Environment, var};
use crate::workspace::git::ELSEWHERE;
use anyhow::{Context, Result, bail};
use fs_err as fs;
use handover::{become_program, executed_path, with_signals_put_back};
pub use handover::{is_ignored, work_signals};
use std::convert::Infallible;
use std::ffi::{OsStr, OsString};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf, absolute};
use std::process::Command;

/// elan's proxies choose by `argv[0]`, so it has to be this.
const ARG0: &str = "lake";

/// One shim passing through itself this often is a loop. Scripts that Lake runs may call `lake` again, but
/// not this deep.
const MAX_PASSES: usize = 12;

/// A file's identity, under all its names and behind all links.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    device: u64,
    inode: u64,
    /// Tells files apart of which one is gone: its inode number is used again. A new name changes it too.
    changed: i64,
}

/// The real lake.
#[derive(Clone, Debug)]
pub struct RealLake {
    pub path: PathBuf,
    /// It does not get [`var::INSIDE_LAKE`], so that in a child the variable says that a Lake has run since.
    is_script: bool,
    /// [`var::SEEN`] for its children.
    seen: String,
}

impl RealLake {
    /// Finds the real lake: `LAKE_SHIM_LAKE`, or the first on PATH that is not a shim. A shim is this file
    /// under any name, another shim that handed over to this process, and a script that was started as the
    /// real lake and calls `lake` by name.
    ///
    /// # Errors
    /// [`Failure::NoLake`], naming what was looked at.
    pub fn find(env: &Environment) -> Result<Self> {
        let myself = Identity::of(&own_path()?).map_err(|e| Failure::CannotExec(e.to_string()))?;
        let mut seen = parse_seen(env.seen.as_deref());
        let passes = seen.iter().filter(|identity| identity.is_now(myself)).count();
        if passes >= MAX_PASSES {
            bail!(Failure::CannotExec(hint(
                format!("this `lake` has called itself {passes} times over"),
                format!("set `{}` to the real lake, not to a script that calls `lake`", var::LAKE),
            )));
        }
        let path = match &env.lake {
            Some(named) => {
                let (path, identity) = named_lake(Path::new(named), myself)?;
                // A script that calls `lake` means the next one. Started again it would do so again.
                match calls_us(env, &seen, &path, identity) {
                    true => first_on_path(env, &seen, myself).map_err(|_| calls_itself(&path))?,
                    false => path,
                }
            }
            None => first_on_path(env, &seen, myself)?,
        };
        seen.push(myself);
        let is_script = is_script(&path);
        if is_script {
            seen.extend(Identity::of(&path));
        }
        Ok(Self { path, is_script, seen: print_seen(&seen) })
    }

    /// A command that runs the real lake as a child, with `env` besides, and not in a hook's
    /// repository.
    pub fn command(&self, args: &[OsString], env: &Variables) -> Command {
        let mut command = Command::new(&self.path);
        command.arg0(ARG0).args(args).envs(env).env(var::SEEN, &self.seen);
        for name in ELSEWHERE {
            command.env_remove(name);
        }
        if self.is_script {
            command.env_remove(var::INSIDE_LAKE);
        }
        with_signals_put_back(&mut command);
        command
    }

    /// Becomes the real lake. Returns only when that fails.
    pub fn exec(&self, args: &[OsString], env: &Variables) -> Result<Infallible> {
        let args = std::iter::once(ARG0.into()).chain(args.iter().cloned()).collect();
        #[expect(clippy::disallowed_methods, reason = "handed on as it is")]
        let mut all: Variables = std::env::vars_os().collect();
        all.extend(env.clone());
        all.insert(var::SEEN.into(), self.seen.clone().into());
        if self.is_script {
            all.remove(OsStr::new(var::INSIDE_LAKE));
        }
        let errno = become_program(self.path.clone().into(), args, all.into_iter().collect());
        bail!(Failure::CannotExec(hint(
            format!("cannot execute `{}`: {}", self.path.display(), errno.desc()),
            format!("is it a program for this machine? `{}` names another", var::LAKE),
        )))
    }
}

/// This binary.
#[expect(clippy::disallowed_methods, reason = "the path of this binary is no setting")]
pub fn own_path() -> Result<PathBuf> {
    let executed = || absolute(executed_path()?).ok().filter(|path| path.is_file());
    let own = std::env::current_exe().ok().or_else(executed);
    own.with_context(|| {
        let message = "this program cannot find itself by `/proc/self/exe`";
        Failure::CannotExec(hint(message, "mount `/proc`, or call it by its whole path"))
    })
}

impl Identity {
    pub fn of(path: &Path) -> std::io::Result<Self> {
        let meta = fs::metadata(path)?;
        let changed = meta.ctime().wrapping_mul(1_000_000_000).wrapping_add(meta.ctime_nsec());
        Ok(Self { device: meta.dev(), inode: meta.ino(), changed })
    }

    /// `true` if it is the file that `other` is, which exists: it may have got another name meanwhile.
    fn is_now(self, other: Self) -> bool {
        (self.device, self.inode) == (other.device, other.inode)
    }
}

fn named_lake(path: &Path, myself: Identity) -> Result<(PathBuf, Identity)> {
    let named = format!("`{}` is `{}`", var::LAKE, path.display());
    match Identity::of(path) {
        Err(e) => bail!(Failure::NoLake(hint(
            format!("{named}: {}", e.kind()),
            "name the real lake there, or unset it to search PATH",
        ))),
        Ok(identity) if identity.is_now(myself) => bail!(Failure::NoLake(hint(
            format!("{named}, which is this shim"),
            "name the real lake there, or unset it to search PATH",
        ))),
        Ok(identity) => Ok((absolute(path)?, identity)),
    }
}

/// `true` if `path` is a script that was started as the real lake, and no Lake has run since: it has called
/// `lake` by name.
fn calls_us(env: &Environment, seen: &[Identity], path: &Path, identity: Identity) -> bool {
    seen.contains(&identity) && !(env.inside_lake.is_some() && is_script(path))
}

fn calls_itself(path: &Path) -> Failure {
    Failure::CannotExec(hint(
        format!("`{}` has called itself: it calls `lake`, and PATH has no other", path.display()),
        format!("set `{}` to the real lake, not to a script that calls `lake`", var::LAKE),
    ))
}

fn is_script(path: &Path) -> bool {
    let mut start = [0; 2];
    let read = read::open(path).and_then(|mut file| file.read_exact(&mut start));
    read.is_ok() && start == *b"#!"
}

fn first_on_path(env: &Environment, seen: &[Identity], myself: Identity) -> Result<PathBuf> {
    let mut shims = Vec::new();
    for candidate in on_path(ARG0) {
        match Identity::of(&candidate) {
            Ok(found) if !found.is_now(myself) && !calls_us(env, seen, &candidate, found) => {
                return Ok(candidate);
            }
            Ok(_) if is_script(&candidate) => {
                shims.push(format!("`{}` (a script that calls `lake`)", candidate.display()));
            }
            _ => shims.push(format!("`{}` (this shim)", candidate.display())),
        }
    }
    let looked = if shims.is_empty() { "no `lake` at all".to_owned() } else { shims.join(", ") };
    let path = env.path.as_deref().unwrap_or_default().to_string_lossy();
    bail!(Failure::NoLake(hint(
        format!("no real lake: PATH has {looked}\nPATH is `{path}`"),
        format!("install elan (https://lean-lang.org/install), or set `{}`", var::LAKE),
    )))
}

/// `<device>:<inode>:<change time>`, comma-separated. Anything else was not written by us.
fn parse_seen(text: Option<&OsStr>) -> Vec<Identity> {
    let identity = |text: &str| {
        let mut fields = text.split(':');
        let (device, inode) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
        Some(Identity { device, inode, changed: fields.next()?.parse().ok()? })
    };
    let text = text.and_then(OsStr::to_str).unwrap_or_default();
    text.split(',').filter_map(identity).collect()
}

fn print_seen(seen: &[Identity]) -> String {
    let print = |id: &Identity| format!("{}:{}:{}", id.device, id.inode, id.changed);
    seen.iter().map(print).collect::<Vec<_>>().join(",")
}
