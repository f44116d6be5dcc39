//! A real Lake and the shim on the same workspaces, which nobody has thought of.
//!
//! | variable | meaning |
//! |---|---|
//! | `SHIM_TEST_WORLDS` | how many; 60 unless set |
//! | `SHIM_TEST_SEED` | the first one's number; 1 unless set |

use std::env;

use shim_tests::{Run, Sandbox};

use crate::world::random::{NAMES, NAMES_AND_ROOT};
use crate::world::{Revisions, World};

/// What Lake and the shim each came to.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Alike,
    /// Lake itself fails.
    Refused,
    /// The shim leaves it to Lake.
    Unknown(String),
    /// A manifest that is not Lake's.
    Other(String),
}

/// How the shim is asked.
type Ask = fn(&World, &Sandbox, &Revisions) -> Run;

fn number(variable: &str, default: u64) -> u64 {
    env::var(variable).ok().and_then(|value| value.parse().ok()).unwrap_or(default)
}

fn compare(world: &World, sandbox: &Sandbox, ask: Ask) -> Outcome {
    let revisions = world.write(sandbox);
    let root = world.root(sandbox);
    let deps = sandbox.path("deps");
    if deps.exists() {
        sandbox.remove(deps);
    }
    let lake = sandbox.real_lake("update").cwd(&root).run();
    if lake.code != Some(0) {
        return Outcome::Refused;
    }
    let manifest = root.join("lake-manifest.json");
    let lakes = sandbox.read(&manifest);
    sandbox.rename(&manifest, "lakes.json");
    let run = ask(world, sandbox, &revisions);
    if run.code != Some(0) {
        return Outcome::Unknown(run.stderr);
    }
    let shims = sandbox.read(&manifest);
    if shims == lakes {
        return Outcome::Alike;
    }
    sandbox.write("shims.json", shims);
    let diff = sandbox.command("/usr/bin/diff", "-U99 lakes.json shims.json").cwd("").run();
    Outcome::Other(diff.stdout)
}

fn resolve<'a>(world: &World, sandbox: &'a Sandbox) -> shim_tests::Call<'a> {
    sandbox.lake_shim("resolve").cwd(world.root(sandbox)).without_network()
}

/// From Lake's manifest and the clones it made.
fn with_clones(world: &World, sandbox: &Sandbox, _: &Revisions) -> Run {
    resolve(world, sandbox).arg("--lock").arg(sandbox.path("lakes.json")).run()
}

/// From Lake's manifest alone.
fn without_files(world: &World, sandbox: &Sandbox, revisions: &Revisions) -> Run {
    world.write_app(sandbox, revisions);
    with_clones(world, sandbox, revisions)
}

/// From a store that was baked of Lake's manifest.
fn with_packs(world: &World, sandbox: &Sandbox, revisions: &Revisions) -> Run {
    let (baked, root) = (sandbox.path("baked"), world.root(sandbox));
    if baked.exists() {
        sandbox.remove(&baked);
    }
    sandbox.copy("lakes.json", root.join("lake-manifest.json"));
    let run = sandbox.lake_shim("bake --level 1 --store").arg(&baked).cwd(root).run();
    run.expect_code(0);
    world.write_app(sandbox, revisions);
    resolve(world, sandbox).env("LAKE_SHIM_STORE", baked).run()
}

/// What is asked of how many worlds.
struct Trial<'a> {
    ask: Ask,
    names: &'a [&'static str],
    worlds: u64,
    /// Whether the shim may leave it to Lake: what it does not know it has to say, and nothing else.
    may_be_unknown: bool,
}

impl Trial<'_> {
    /// Asserts that there is no difference, or shows the smallest workspaces with one.
    fn assert_alike(&self) {
        let sandbox = Sandbox::empty().with_internet();
        let first = number("SHIM_TEST_SEED", 1);
        let worlds = number("SHIM_TEST_WORLDS", self.worlds);
        let (mut alike, mut refused, mut unknown) = (0, 0, 0);
        let mut different = Vec::new();
        for seed in first..first + worlds {
            match compare(&World::random(seed, self.names), &sandbox, self.ask) {
                Outcome::Alike => alike += 1,
                Outcome::Refused => refused += 1,
                Outcome::Unknown(_) if self.may_be_unknown => unknown += 1,
                Outcome::Unknown(_) | Outcome::Other(_) => different.push(seed),
            }
        }
        shim_tests::tools::say(&format!(
            "{alike} workspaces alike, {refused} that Lake fails at, {unknown} left to Lake, {} different",
            different.len()
        ));
        assert!(alike * 2 > worlds, "too few of {worlds} show anything");
        let shown = different.iter().take(3).map(|seed| self.smallest(*seed, &sandbox));
        assert!(different.is_empty(), "seeds {different:?}\n{}", shown.collect::<String>());
    }

    fn smallest(&self, seed: u64, sandbox: &Sandbox) -> String {
        let difference = |world: &World| match compare(world, sandbox, self.ask) {
            Outcome::Other(text) => Some(text),
            Outcome::Unknown(text) if !self.may_be_unknown => Some(text),
            _ => None,
        };
        let world = World::random(seed, self.names).smallest(|world| difference(world).is_some());
        let text = difference(&world).unwrap_or_default();
        let files = world.describe(&world.write(sandbox));
        format!("\n======== seed {seed}\n{files}\n-- Lake's and the shim's:\n{text}")
    }
}

#[test]
#[cfg_attr(
    not(all(has = "real-lake", has = "unshare")),
    ignore = "needs SHIM_TEST_REAL_LAKE, unshare"
)]
fn clones_that_lie_there_give_lakes_manifest_real_lake_only() {
    Trial { ask: with_clones, names: &NAMES, worlds: 60, may_be_unknown: false }.assert_alike();
}

#[test]
#[cfg_attr(
    not(all(has = "real-lake", has = "unshare")),
    ignore = "needs SHIM_TEST_REAL_LAKE, unshare"
)]
fn dependencies_of_the_roots_name_give_lakes_manifest_real_lake_only() {
    let names = &NAMES_AND_ROOT;
    Trial { ask: with_clones, names, worlds: 60, may_be_unknown: false }.assert_alike();
}

#[test]
#[cfg_attr(
    not(all(has = "real-lake", has = "unshare")),
    ignore = "needs SHIM_TEST_REAL_LAKE, unshare"
)]
fn a_baked_store_gives_lakes_manifest_real_lake_only() {
    Trial { ask: with_packs, names: &NAMES, worlds: 30, may_be_unknown: false }.assert_alike();
}

#[test]
#[cfg_attr(
    not(all(has = "real-lake", has = "unshare")),
    ignore = "needs SHIM_TEST_REAL_LAKE, unshare"
)]
fn a_lock_alone_gives_lakes_manifest_or_none_real_lake_only() {
    Trial { ask: without_files, names: &NAMES, worlds: 60, may_be_unknown: true }.assert_alike();
}
