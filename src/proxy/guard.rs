//! Protection of checkouts from Lake.
//!
//! Packages at their locked revision are settled: Lake runs no git for them ([`settled`]). What is left for
//! git (older Lakes, packages at another revision, commands that resolve) is looked at here before Lake starts.
//! Lake ≤ 4.34 deletes a checkout whose `origin` is not the wanted URL, letter for letter, or where git
//! fails; later ones rewrite `origin` (`Lake/Load/Materialize.lean`). Both are answered by variables that
//! Lake and git read anyway. A command that would still lose something is refused.

use super::settled::{self, may_fetch_build};
use super::url_map::UrlMap;
use crate::child::Variables;
use crate::error::{Failure, hint};
use crate::lake::version::Version;
use crate::settings::{Environment, Network, is_set, var};
use crate::workspace::git::{self, Checkout, ELSEWHERE, Work};
use crate::workspace::shared::Shared;
use crate::workspace::url::{has_secret, same_repository, shown};
use crate::workspace::{GitLock, Package, Workspace};
use anyhow::{Error, Result, bail};
use fs_err as fs;
use nix::unistd::geteuid;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

/// Variables and options that Lake is started with.
#[derive(Clone, Debug, Default)]
pub struct Protection {
    pub variables: Variables,
    /// `--packages=FILE`, for the settled packages.
    pub overrides: Option<OsString>,
}

impl Protection {
    /// The arguments for the real lake: the overrides come right behind elan's `+toolchain`.
    pub fn arguments(&self, args: &[OsString]) -> Vec<OsString> {
        let mut args = args.to_vec();
        if let Some(overrides) = &self.overrides {
            let is_toolchain = |arg: &OsString| arg.as_encoded_bytes().starts_with(b"+");
            args.insert(usize::from(args.first().is_some_and(is_toolchain)), overrides.clone());
        }
        args
    }
}

/// A command, as far as it decides what is protected.
#[derive(Clone, Copy, Debug)]
pub struct Guard<'a> {
    pub workspace: &'a Workspace,
    pub env: &'a Environment,
    /// `None` if it cannot be told: the worst of every version is assumed.
    pub version: Option<Version>,
    pub network: Network,
    pub takes_overrides: bool,
}

/// A package's directory that Lake will look at.
#[derive(Debug)]
pub(super) struct Place {
    pub name: String,
    pub dir: PathBuf,
    pub checkout: Option<Checkout>,
    /// Other workspaces may use it.
    pub is_shared: bool,
    /// The URL that Lake wants.
    pub wanted: String,
    pub url: Url,
    /// `origin` as git prints it; `None` if it is not to be compared.
    pub origin: Option<String>,
}

/// Certainty of [`Place::wanted`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Url {
    Certain,
    /// A program, a server or another revision of some package may say otherwise.
    Likely,
    /// Lake may not look at the package at all.
    Unknown,
}

/// Packages: those that Lake runs no git for, and the others.
#[derive(Default)]
struct Sorted<'a> {
    settled: Vec<&'a Package>,
    left: Vec<(&'a Package, &'a GitLock, Reason)>,
}

/// The reason for which Lake looks at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    /// HEAD is the locked revision, and Lake asks git.
    Confirm,
    /// HEAD is another revision, so that Lake checks the locked one out.
    Move,
    /// Lake resolves: it may check out any revision.
    Resolve,
    /// Lake resolves, and HEAD is what it will come to.
    Compare,
}

impl Guard<'_> {
    /// Protects the packages of a workspace that has a manifest.
    ///
    /// # Errors
    /// [`Failure::Refused`] if the command would lose something.
    pub fn locked(&self) -> Result<Protection> {
        let Sorted { settled, mut left } = self.sorted();
        let mut overrides = None;
        if !settled.is_empty() {
            match settled::option(self.workspace, &settled, self.env) {
                Ok(option) => overrides = Some(option),
                // Nowhere to write to. They stay with git, as with an older Lake.
                Err(_) => left.extend(settled.into_iter().filter_map(|package| {
                    Some((package, package.lock.as_ref()?, Reason::Confirm))
                })),
            }
        }
        let mut variables = self.safe_checkouts();
        let mut map = UrlMap::parse(self.env.url_map.as_deref());
        for (package, lock, reason) in left {
            let mut place = self.place(package, lock, &map);
            self.check(&mut place, reason, &variables)?;
            if let Some(origin) = place.origin.filter(|origin| *origin != place.wanted) {
                map.add_to(&mut variables, &package.name, origin);
            }
        }
        Ok(Protection { variables, overrides })
    }

    /// Refusals of a build, by package. Without a manifest Lake resolves, and there is at most one, without a
    /// name. Writes nothing.
    pub fn refusals(&self) -> Vec<(Option<String>, Error)> {
        if self.workspace.manifest.is_none() {
            return self.resolving().err().map(|error| (None, error)).into_iter().collect();
        }
        let (variables, map) = (self.safe_checkouts(), UrlMap::parse(self.env.url_map.as_deref()));
        let refusal = |(package, lock, reason): (&Package, &GitLock, Reason)| {
            let mut place = self.place(package, lock, &map);
            Some((Some(package.name.clone()), self.check(&mut place, reason, &variables).err()?))
        };
        self.sorted().left.into_iter().filter_map(refusal).collect()
    }

    /// The packages that are there.
    fn sorted(&self) -> Sorted<'_> {
        let mut sorted = Sorted::default();
        let knows_overrides = self.version.is_some_and(|version| version >= Version::OVERRIDES);
        for package in &self.workspace.packages {
            let Some(lock) = package.lock.as_ref().filter(|lock| lock.clone.is_dir()) else {
                continue;
            };
            let head = Checkout::open(&lock.clone).and_then(|checkout| checkout.head_or_asked());
            if head.as_ref() != Some(&lock.rev) {
                sorted.left.push((package, lock, Reason::Move));
            } else if self.takes_overrides
                && knows_overrides
                && !package.is_overridden
                && !may_fetch_build(package, self.network)
            {
                sorted.settled.push(package);
            } else {
                sorted.left.push((package, lock, Reason::Confirm));
            }
        }
        sorted
    }

    /// `safe.directory` for all packages, the settled ones too: Lake's children (`lake env`, an editor's
    /// server) may call a lake past the shim.
    fn safe_checkouts(&self) -> Variables {
        let locks = self.workspace.packages.iter().filter_map(|package| package.lock.as_ref());
        self.safe_directories(locks.map(|lock| lock.clone.as_path()))
    }

    /// The variables for commands that will be run without the shim.
    pub fn for_later(&self) -> Variables {
        let locks = self.workspace.packages.iter().filter_map(|p| Some((p, p.lock.as_ref()?)));
        let mut variables = self.safe_checkouts();
        let mut map = UrlMap::parse(self.env.url_map.as_deref());
        for (package, lock) in locks {
            let place = self.place(package, lock, &map);
            let origin = place.checkout.as_ref().and_then(|c| c.printed_origin(&variables));
            // The output goes to files, where no token belongs.
            let origin = origin.filter(|url| *url != place.wanted && !has_secret(url));
            if let Some(origin) = origin.filter(|url| self.is_wanted(&place, url, &variables)) {
                map.add_to(&mut variables, &package.name, origin);
            }
        }
        variables
    }

    fn place(&self, package: &Package, lock: &GitLock, map: &UrlMap) -> Place {
        let wanted = map.get(&package.name).unwrap_or(&lock.url);
        self.place_of(&package.name, &lock.clone, wanted)
    }

    pub(super) fn place_of(&self, name: &str, dir: &Path, wanted: &str) -> Place {
        Place {
            name: name.to_owned(),
            dir: dir.to_owned(),
            checkout: Checkout::open(dir),
            // Lake's delete follows a link at its root (lean4#14476).
            is_shared: dir.is_symlink() || self.workspace.shares_packages(),
            wanted: wanted.to_owned(),
            url: Url::Certain,
            origin: None,
        }
    }

    /// Makes sure that Lake, looking at `place`, loses nothing. Sets [`Place::origin`] if Lake compares it
    /// and it is the wanted repository.
    ///
    /// # Errors
    /// [`Failure::Refused`].
    pub(super) fn check(
        &self,
        place: &mut Place,
        reason: Reason,
        variables: &Variables,
    ) -> Result<()> {
        let Some(checkout) = &place.checkout else {
            return self.check_bare(place);
        };
        checkout.prove(variables).map_err(|why| place.unreadable(&why))?;
        if reason == Reason::Confirm && !self.compares_always() {
            return Ok(()); // HEAD is right, and this Lake compares nothing else
        }
        let origin = checkout.printed_origin(variables);
        if origin.as_ref().is_some_and(|origin| self.is_wanted(place, origin, variables)) {
            place.origin = origin;
        } else if place.url != Url::Unknown {
            let is = origin.map_or("has no `origin`".into(), |url| {
                format!("is a checkout of `{}`", shown(&url))
            });
            let what = if self.never_deletes() { "repoint" } else { "delete" };
            let wants = format!(
                "{is}, and this workspace wants `{}`: Lake would {what} it",
                shown(&place.wanted)
            );
            if place.is_shared {
                bail!(place.refusal(&wants, &self.way_out(place)));
            }
            let work = place.work(checkout, variables)?;
            let lost = if self.never_deletes() { work.lost_by_checkout(true) } else { work };
            return self.refuse_loss(place, &wants, &lost);
        }
        if matches!(reason, Reason::Confirm | Reason::Compare) {
            return Ok(());
        }
        if place.url != Url::Unknown && place.is_shared && !place.dir.is_symlink() {
            self.check_other_workspaces(place, checkout)?;
        }
        let work = place.work(checkout, variables)?;
        if place.url != Url::Certain && !self.never_deletes() {
            let what = "has local work, and Lake would delete it if it comes to want another URL";
            return self.refuse_loss(place, what, &work);
        }
        let lost = work.lost_by_checkout(self.cleans(reason));
        self.refuse_loss(place, "has local work, and Lake would check out another revision", &lost)
    }

    /// As [`Guard::check`], of a directory that is not a checkout.
    fn check_bare(&self, place: &Place) -> Result<()> {
        let is_lakes = |entry: io::Result<fs::DirEntry>| {
            self.never_deletes() && entry.is_ok_and(|entry| entry.file_name() == ".lake")
        };
        if fs::read_dir(&place.dir).is_ok_and(|mut entries| entries.all(is_lakes)) {
            return Ok(());
        }
        let would = match self.never_deletes() {
            true => "make it a checkout, and remove files that the package does not have",
            false => "delete it",
        };
        bail!(place.refusal(
            &format!("has no `.git` of its own: Lake would {would}"),
            &format!("`mv {0} {0}.old` keeps it, and Lake clones the package", place.dir.display()),
        ));
    }

    fn refuse_loss(&self, place: &Place, what: &str, lost: &Work) -> Result<()> {
        if lost.is_none() {
            return Ok(());
        }
        let keep =
            format!("commit it to a branch and push, or `mv {0} {0}.old`", place.dir.display());
        bail!(place.refusal(&format!("{what}. Lost would be: {lost}"), &keep));
    }

    /// Refuses to move a package to another revision under a workspace that needs the one it is at.
    fn check_other_workspaces(&self, place: &Place, checkout: &Checkout) -> Result<()> {
        let root = &self.workspace.root;
        let shared = Shared::of(&fs::canonicalize(self.workspace.packages_now())?);
        let other =
            checkout.head_or_asked().and_then(|head| shared.needs(root, &place.name, &head));
        if let Some(other) = other {
            let needs = format!(
                "is at the revision that `{}` needs, and Lake would check out another one",
                other.display()
            );
            bail!(place.refusal(&needs, &self.way_out(place)));
        }
        Ok(())
    }

    /// The way to a package of the workspace's own in the place of a shared one.
    fn way_out(&self, place: &Place) -> String {
        let packages_dir = &self.workspace.packages_dir;
        if packages_dir.is_symlink() && Shared::of(packages_dir).has(&self.workspace.root) {
            format!(
                "`lake-shim unlink`, or `{}=1`, gives this workspace a packages directory of its own",
                var::PRIVATE
            )
        } else if packages_dir.is_symlink() || place.dir.is_symlink() {
            // The user's own link, which the variable leaves alone.
            "`lake-shim unlink` gives this workspace a packages directory of its own".to_owned()
        } else {
            "give `packagesDir` a directory in the workspace, such as `.lake/packages`".to_owned()
        }
    }

    /// `true` if `origin` is what Lake wants: the same repository, directly or by the user's `insteadOf`.
    pub(super) fn is_wanted(&self, place: &Place, origin: &str, variables: &Variables) -> bool {
        let Some(checkout) = &place.checkout else { return false };
        let is_same =
            |url: Option<String>| url.is_some_and(|url| same_repository(&url, &place.wanted));
        same_repository(origin, &place.wanted)
            || is_same(checkout.configured_origin())
            || checkout
                .rewritten(&place.wanted, variables)
                .is_some_and(|wanted| same_repository(origin, &wanted))
    }

    fn compares_always(&self) -> bool {
        self.version.is_none_or(|version| version >= Version::MAY_COMPARE_ALWAYS)
    }

    fn never_deletes(&self) -> bool {
        self.version.is_some_and(|version| version >= Version::NEVER_DELETES)
    }

    /// A Lake that resolves may go on as a newer one, which it has elan start.
    fn cleans(&self, reason: Reason) -> bool {
        let has_elan = || self.env.elan_home().is_some_and(|home| home.is_dir());
        self.version.is_none_or(|version| version >= Version::CLEANS)
            || reason == Reason::Resolve && has_elan()
    }

    /// git reads another user's checkout if `safe.directory` names it. The user's `GIT_CONFIG_*` stay, ours are
    /// added behind them.
    pub(super) fn safe_directories<'p>(&self, dirs: impl Iterator<Item = &'p Path>) -> Variables {
        let me = geteuid().as_raw();
        let foreign = dirs.filter(|dir| Checkout::open(dir).is_some_and(|c| !c.is_owned_by(me)));
        let real = foreign.filter_map(|dir| fs::canonicalize(dir).ok());
        git::with_settings(&Variables::new(), real.map(|dir| ("safe.directory", dir)))
    }
}

/// The way on where git does not work in `dir`.
fn way_to_git(dir: &Path) -> String {
    let set: Vec<_> = ELSEWHERE.into_iter().filter(|name| is_set(name)).collect();
    if set.is_empty() {
        let dir = dir.display();
        return format!(
            "nothing was changed; see what `git -C {dir} status` says, and run it again"
        );
    }
    format!("begin the command with `env -u {}`", set.join(" -u "))
}

impl Place {
    fn work(&self, checkout: &Checkout, variables: &Variables) -> Result<Work, Failure> {
        Work::of(checkout, variables).map_err(|why| self.unreadable(&format!("{why:#}")))
    }

    fn unreadable(&self, why: &str) -> Failure {
        let what = "cannot be read by git, and Lake may delete what git cannot read";
        self.refusal(&format!("{what}: {why}"), &way_to_git(&self.dir))
    }

    fn refusal(&self, what: &str, way: &str) -> Failure {
        let dir = fs::canonicalize(&self.dir).unwrap_or_else(|_| self.dir.clone());
        let shared = if self.is_shared { ", which other workspaces may use," } else { "" };
        Failure::Refused(hint(
            format!("`{}` in `{}`{shared} {what}", self.name, dir.display()),
            way,
        ))
    }
}
