//! Commands that resolve: `lake update`, and any command in a workspace without a manifest.
//!
//! Lake compares `git remote get-url origin` with the URL that a lakefile has, as strings, and git prints
//! `origin` after the user's `insteadOf` (a mirror, ssh, a CI token). The two never agree then, and Lake
//! deletes the checkout or rewrites its `origin`. So while such a command runs, a script called `git` stands
//! first on PATH. It answers that one question with the URL that Lake wants, and becomes the real git for
//! everything else. The user's rewriting stays in force, and nothing of it is written to a file. The shim
//! stays Lake's parent to remove the script.

use super::guard::{Guard, Place, Reason, Url};
use super::url_map::UrlMap;
use crate::child::{Variables, die_with_us};
use crate::error::{Failure, hint};
use crate::fs::WorkDir;
use crate::interrupt::not_ignored;
use crate::programs::on_path;
use crate::settings::{process_path, temp_dir};
use crate::workspace::git::Checkout;
use crate::workspace::link::real_path;
use crate::workspace::url::shown;
use crate::workspace::wanted::{self, WantedPackage, WantedPackages};
use anyhow::{Context, Result, anyhow, bail};
use fs_err as fs;
use signal_hook::consts::{SIGCONT, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP, SIGUSR1, SIGUSR2};
use signal_hook::iterator::SignalsInfo;
use signal_hook::iterator::exfiltrator::origin::WithOrigin;
use signal_hook::low_level::siginfo::Origin;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

/// A `git` that answers for the packages of a workspace. Removed when dropped.
pub struct GitAnswers {
    /// Keeps the directory.
    _dir: Option<WorkDir>,
    /// For Lake.
    pub variables: Variables,
}

impl GitAnswers {
    /// Looks at every package that is there.
    ///
    /// # Errors
    /// [`Failure::Refused`] if the command would lose something.
    pub fn new(guard: &Guard) -> Result<Self> {
        let (places, mut variables) = guard.resolving()?;
        let mut answers = Vec::new();
        for place in &places {
            if let Some(origin) = &place.origin
                && *origin != place.wanted
            {
                answers.push((fs::canonicalize(&place.dir)?, place.wanted.clone()));
                // Lake renames the packages directory first if `packagesDir` has changed.
                let renamed = real_path(&guard.workspace.packages_dir)?.join(&place.name);
                answers.push((renamed, place.wanted.clone()));
            }
        }
        if answers.is_empty() {
            return Ok(Self { _dir: None, variables });
        }
        let mut failure = None;
        // Either may be where nothing can be written, or no program be run.
        for parent in [guard.workspace.root.join(".lake"), temp_dir()] {
            let proven = install(&parent, &answers).and_then(|dir| {
                let mut path = OsString::from(dir.path());
                path.push(":");
                path.push(process_path());
                variables.insert("PATH".into(), path);
                let answers = Self { _dir: Some(dir), variables: variables.clone() };
                answers.prove(&places).map(|()| answers)
            });
            match proven {
                Ok(answers) => return Ok(answers),
                Err(error) => failure = Some(error),
            }
        }
        let error = failure.unwrap_or_else(|| anyhow!("there is no place for it"));
        if error.is::<Failure>() {
            return Err(error);
        }
        let what = "cannot write the `git` that keeps Lake from deleting a checkout";
        bail!(Failure::Refused(hint(format!("{what}: {error:#}"), WAY_TO_RUN)))
    }

    /// Asks as Lake will, and compares.
    fn prove(&self, places: &[Place]) -> Result<()> {
        for place in places.iter().filter(|place| place.origin.is_some()) {
            let answer = place.checkout.as_ref().and_then(|c| c.printed_origin(&self.variables));
            if answer.as_deref() != Some(place.wanted.as_str()) {
                bail!(Failure::Refused(hint(
                    format!(
                        "git prints `{}` for `{}`, and Lake wants `{}`: Lake may delete the checkout",
                        shown(&answer.unwrap_or_default()),
                        place.name,
                        shown(&place.wanted)
                    ),
                    WAY_TO_RUN,
                )));
            }
        }
        Ok(())
    }
}

impl Guard<'_> {
    /// The packages that Lake may look at while it resolves, with `safe.directory` for them. Writes nothing.
    ///
    /// # Errors
    /// [`Failure::Refused`] if Lake would lose something.
    pub(super) fn resolving(&self) -> Result<(Vec<Place>, Variables)> {
        // A configuration that we do not understand is Lake's to complain of, or not.
        let wanted = wanted::packages(self.workspace).unwrap_or_default();
        let (mut places, stays) = self.resolving_places(&wanted);
        let variables = self.safe_directories(places.iter().map(|place| place.dir.as_path()));
        let reason = if stays { Reason::Compare } else { Reason::Resolve };
        if stays {
            // Nothing brings in another package, and Lake does not look at those that are left over.
            places.retain(|place| place.url != Url::Unknown);
        }
        for place in &mut places {
            if place.url == Url::Unknown {
                // Most likely the one that it was cloned from.
                let configured = place.checkout.as_ref().and_then(|c| c.configured_origin());
                place.wanted = configured.unwrap_or_default();
            }
            self.check(place, reason, &variables)?;
        }
        Ok((places, variables))
    }

    /// The packages' directories that exist, with the URLs that Lake will want; and `true` if Lake will find each
    /// at the revision that it wants, and will want no others.
    fn resolving_places(&self, wanted: &WantedPackages) -> (Vec<Place>, bool) {
        let map = UrlMap::parse(self.env.url_map.as_deref());
        let packages_dir = self.workspace.packages_now();
        let mut stays = wanted.is_complete;
        let mut urls = BTreeMap::new();
        for package in &wanted.packages {
            // One that moves may require other URLs of those behind it.
            let is_certain = package.is_own || stays;
            let url = if is_certain { Url::Certain } else { Url::Likely };
            if !package.url.is_empty() {
                urls.insert(package.name.as_str(), (package.url.as_str(), url));
            }
            stays &= is_fixed(package, &packages_dir.join(&package.name));
        }
        let mut places = Vec::new();
        for entry in fs::read_dir(&packages_dir).into_iter().flatten().filter_map(Result::ok) {
            let name = entry.file_name().to_string_lossy().into_owned();
            let mapped = map.get(&name).map(|url| (url, Url::Certain));
            let known = mapped.or_else(|| urls.get(name.as_str()).copied());
            let (wanted, url) = known.unwrap_or(("", Url::Unknown));
            if !entry.path().is_dir() || name.starts_with('.') {
                continue;
            }
            let place = Place { url, ..self.place_of(&name, &entry.path(), wanted) };
            // Other directories are the user's own: Lake has made a checkout of each package.
            if url != Url::Unknown || place.checkout.as_ref().is_some_and(Checkout::is_repository) {
                places.push(place);
            }
        }
        (places, stays)
    }
}

/// `true` if the checkout at `dir` is at the revision that Lake will want, and no fetch can change that: names of
/// branches may come to mean another one.
fn is_fixed(package: &WantedPackage, dir: &Path) -> bool {
    let checkout = Checkout::open(dir);
    let fixed = checkout.as_ref().zip(package.rev.as_ref()).and_then(|(c, rev)| c.fixed(rev));
    fixed.is_some() && fixed == checkout.as_ref().and_then(Checkout::head_or_asked)
}

const WAY_TO_RUN: &str = "the script that answers for git cannot be run: set `TMPDIR` to a directory in which \
                          programs may be run";

/// Writes the script, in a directory of our own in `parent` that nothing else can write to.
fn install(parent: &Path, answers: &[(PathBuf, String)]) -> Result<WorkDir> {
    let git = on_path("git").next().context("there is no `git` on PATH")?;
    let dir = WorkDir::new_in(parent)?;
    let script = dir.path().join("git");
    fs::write(&script, script_text(&git, answers))?;
    fs::set_permissions(&script, Permissions::from_mode(0o700))?;
    Ok(dir)
}

fn script_text(git: &Path, answers: &[(PathBuf, String)]) -> String {
    let mut cases = String::new();
    for (dir, url) in answers {
        let dir = quoted(&dir.to_string_lossy());
        let _ = writeln!(cases, "    {dir}) printf '%s\\n' {}; exit ;;", quoted(url));
    }
    format!(
        "#!/bin/sh\n\
         # lake-shim: Lake compares this URL with the one in the lakefile, letter for letter.\n\
         if [ \"$*\" = 'remote get-url origin' ]; then\n  case $(pwd -P) in\n{cases}  esac\nfi\n\
         exec {} \"$@\"\n",
        quoted(&git.to_string_lossy())
    )
}

/// As one word of a shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// Runs the real lake, which `command` starts, as a child, so that this process sees the end. Signals go to it as
/// they would if this process had become it: those of the terminal reach it anyway.
pub fn run(mut command: Command) -> Result<ExitStatus> {
    die_with_us(&mut command);
    let forwarded = [SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGTSTP, SIGCONT];
    let mut signals =
        SignalsInfo::<WithOrigin>::new(not_ignored(&forwarded)).context("cannot catch signals")?;
    let handle = signals.handle();
    let mut child = command
        .spawn()
        .with_context(|| format!("cannot run `{}`", command.get_program().display()))?;
    let pid = nix::unistd::Pid::from_raw(i32::try_from(child.id())?);
    let forwarder = std::thread::Builder::new().spawn(move || {
        for Origin { signal, process, .. } in signals.forever() {
            if process.is_some()
                && let Ok(signal) = nix::sys::signal::Signal::try_from(signal)
            {
                let _ = nix::sys::signal::kill(pid, signal);
            }
            if signal == SIGTSTP {
                let _ = nix::sys::signal::raise(nix::sys::signal::Signal::SIGSTOP);
            }
        }
    });
    let status = child.wait();
    handle.close();
    if let Ok(forwarder) = forwarder {
        let _ = forwarder.join();
    }
    Ok(status?)
}

/// The signal that ended a process which has no exit code.
pub fn signal_of(status: ExitStatus) -> i32 {
    status.signal().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tempfile::TempDir;

    #[test]
    fn the_script_answers_one_question_in_one_place() {
        let dir = TempDir::new().expect("a directory");
        let odd = dir.path().join("it's a $(place) *");
        fs::create_dir(&odd).expect("a directory");
        let odd = fs::canonicalize(odd).expect("a path");
        let url = "https://e.org/it's?a=$HOME";
        let script = dir.path().join("git");
        fs::write(&script, script_text(Path::new("/bin/echo"), &[(odd.clone(), url.into())]))
            .expect("a script");
        let say = |args: &[&str], dir: &Path| {
            let output = Command::new("sh").arg(&script).args(args).current_dir(dir).output();
            String::from_utf8(output.expect("it runs").stdout).expect("UTF-8").trim().to_owned()
        };
        let question = ["remote", "get-url", "origin"];
        assert_eq!(say(&question, &odd), url);
        assert_eq!(say(&question, dir.path()), "remote get-url origin");
        assert_eq!(say(&["fetch", "a b"], &odd), "fetch a b");
    }
}
