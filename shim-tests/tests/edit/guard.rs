//! A build without a manifest and without a store to resolve from: Lake resolves, meets one repository in several
//! spellings, and the clone that is there survives.

use serde_json::json;
use shim_tests::{Run, Sandbox, mini_mathlib};

use crate::clones::{FORK, Keepsake, move_head};

/// What both path dependencies require.
const M: &str = "https://example.org/org/m";
const DOT_GIT: &str = "https://example.org/org/m.git";
const SCP: &str = "git@example.org:org/m.git";
const SSH: &str = "ssh://git@example.org/org/m";
const CAPITALS: &str = "https://Example.ORG:443/org/m/";

/// Where `m` is cloned.
#[derive(Clone, Copy, Debug)]
enum Clone {
    Private,
    Shared,
}

const PLACES: [Clone; 2] = [Clone::Private, Clone::Shared];

/// A workspace without a manifest, two path dependencies of which require `m` in these spellings, and a clone of it. With
/// manifests of their own or without; Lake goes by those of the last.
struct World {
    sandbox: Sandbox,
    keepsake: Keepsake,
}

impl World {
    fn new(first: &str, last: &str, has_manifests: bool, place: Clone) -> World {
        let mut sandbox = Sandbox::resolve_case("two_paths_share_git_dotgit");
        for (package, url) in [("lib", first), ("zk", last)] {
            for file in ["lakefile.toml", "lake-manifest.json"] {
                let path = format!("app/{package}/{file}");
                let text =
                    sandbox.read(&path).replace(&format!("\"{DOT_GIT}\""), &format!("\"{M}\""));
                assert!(text.contains(&format!("\"{M}\"")), "{path}");
                sandbox.write(&path, text.replace(&format!("\"{M}\""), &format!("\"{url}\"")));
            }
            if !has_manifests {
                sandbox.remove(format!("app/{package}/lake-manifest.json"));
            }
        }
        let packages = match place {
            Clone::Private => sandbox.packages(),
            Clone::Shared => sandbox.path("shared"),
        };
        sandbox.mkdir(&packages);
        sandbox.git(&packages, &["clone", "--quiet", M, "m"]);
        // Off the revision that is wanted, or Lake would not look at the URL.
        move_head(&sandbox, &packages.join("m"));
        if let Clone::Shared = place {
            sandbox.set_env("LAKE_PKG_DIR", &packages);
            sandbox.symlink(&packages, sandbox.packages());
        }
        sandbox.shim_bin();
        let keepsake = Keepsake::leave(&sandbox, packages.join("m"));
        World { sandbox, keepsake }
    }

    /// The clone's origin is spelled so.
    fn from(self, origin: &str) -> World {
        let clone = self.sandbox.package("m");
        self.sandbox.git(&clone, &["remote", "set-url", "origin", origin]);
        self
    }

    fn origin(&self) -> String {
        self.sandbox.git(&self.sandbox.package("m"), &["remote", "get-url", "origin"])
    }

    /// What the manifest that Lake has written says of `m`.
    fn locked(&self) -> String {
        self.sandbox.locked("m").0
    }
}

#[track_caller]
fn expect_lost_without(prepare: impl Fn() -> World, words: &str) {
    let world = prepare();
    let run = world.sandbox.real_lake(words).run();
    assert!(
        world.keepsake.is_lost(),
        "this lake deletes nothing, so that the test shows nothing\n{run}"
    );
}

/// Builds with what the first and the last spelling are, and again with the manifest there is then.
#[track_caller]
fn expect_kept(first: &str, last: &str) {
    for has_manifests in [true, false] {
        for place in PLACES {
            let prepare = || World::new(first, last, has_manifests, place);
            if last != M {
                expect_lost_without(prepare, "resolve-deps");
            }
            let world = prepare();
            for words in ["resolve-deps", "build --no-build", "resolve-deps"] {
                let run = world.sandbox.lake(words).run();
                world.keepsake.assert_kept(&run);
                run.stderr_lacks("deleting").stderr_lacks("cloning").stderr_lacks("out of date");
                if words == "resolve-deps" {
                    run.expect_code(0).stderr_lacks("lake-shim");
                }
            }
            // The manifest spells it as the last dependency does, and no `origin` is rewritten.
            assert_eq!((&*world.origin(), &*world.locked()), (M, last));
        }
    }
}

#[test]
fn with_and_without_dot_git_is_one_repository() {
    expect_kept(M, DOT_GIT);
    expect_kept(DOT_GIT, M);
}

#[test]
fn over_ssh_it_is_the_same_repository() {
    expect_kept(M, SCP);
    expect_kept(SCP, M);
    expect_kept(M, SSH);
}

#[test]
fn capitals_and_ports_are_the_same_repository() {
    expect_kept(DOT_GIT, CAPITALS);
}

#[test]
fn a_clone_that_came_over_ssh_is_kept_even_if_nothing_can_be_fetched() {
    for origin in [SCP, SSH] {
        for place in PLACES {
            let prepare = || World::new(M, DOT_GIT, true, place).from(origin);
            expect_lost_without(prepare, "build");
            let world = prepare();
            let run = world.sandbox.lake("build").run();
            world.keepsake.assert_kept(&run);
            run.expect_code(1).stderr_lacks("deleting");
            assert_eq!(world.origin(), origin);
        }
    }
}

#[test]
fn a_fork_that_only_a_dependency_wants_is_refused_in_a_shared_directory() {
    for has_manifests in [true, false] {
        let prepare = || World::new(M, FORK, has_manifests, Clone::Shared);
        expect_lost_without(prepare, "resolve-deps");
        let world = prepare();
        let run = world.sandbox.lake("resolve-deps").run();
        world.keepsake.assert_kept(&run);
        run.expect_code(1).expect_stdout("").stderr_contains("`m` ").stderr_contains(FORK);
        assert!(!world.sandbox.path("app/lake-manifest.json").exists());
    }
}

#[test]
fn a_dependency_of_git_dependencies_is_kept() {
    for origin in ["https://example.org/org/c.git", "https://EXAMPLE.org/org/c"] {
        let prepare = || {
            let sandbox = Sandbox::resolve_case("diamond_through_two_gits");
            sandbox.mkdir(sandbox.packages());
            for name in ["a", "b", "c"] {
                let url = format!("https://example.org/org/{name}");
                sandbox.git(&sandbox.packages(), &["clone", "--quiet", &url, name]);
            }
            let clone = sandbox.package("c");
            move_head(&sandbox, &clone);
            sandbox.git(&clone, &["remote", "set-url", "origin", origin]);
            let keepsake = Keepsake::leave(&sandbox, clone);
            World { sandbox, keepsake }
        };
        expect_lost_without(prepare, "resolve-deps");
        let world = prepare();
        let run = world.sandbox.lake("resolve-deps").run();
        world.keepsake.assert_kept(&run);
        run.stderr_lacks("deleting");
    }
}

#[test]
fn a_package_whose_name_is_no_identifier_is_kept() {
    let prepare = |is_shared: bool| {
        let mut sandbox = Sandbox::resolve_case("odd_names");
        let packages = if is_shared { sandbox.path("shared") } else { sandbox.packages() };
        sandbox.mkdir(&packages);
        let name = "std-1.0.0-beta.14";
        sandbox.git(&packages, &["clone", "--quiet", "https://example.org/org/a", name]);
        let origin = ["remote", "set-url", "origin", "https://example.org/org/a.git"];
        sandbox.git(&packages.join(name), &origin);
        if is_shared {
            sandbox.set_env("LAKE_PKG_DIR", &packages);
            sandbox.symlink(&packages, sandbox.packages());
        }
        let keepsake = Keepsake::leave(&sandbox, packages.join(name));
        World { sandbox, keepsake }
    };
    for is_shared in [false, true] {
        expect_lost_without(|| prepare(is_shared), "resolve-deps");
        let world = prepare(is_shared);
        let run = world.sandbox.lake("resolve-deps").run();
        world.keepsake.assert_kept(&run);
        run.expect_code(0).stderr_lacks("deleting");
    }
}

// The user's own map

/// The map that Lake gets, told by a lake that does nothing else.
#[track_caller]
fn map_behind_the_shim(sandbox: &Sandbox, own: &str) -> String {
    sandbox.script("mirror/lake", "printf %s \"$LAKE_PKG_URL_MAP\"");
    let call = sandbox.lake("resolve-deps").env("LAKE_SHIM_LAKE", sandbox.path("mirror/lake"));
    let run = call.env("LAKE_PKG_URL_MAP", own).run();
    run.expect_code(0).stdout.clone()
}

#[test]
fn the_users_map_stays_letter_for_letter() {
    let own = format!("{{ \"m\" :\t\"{M}\", \"m\\u0032\": \"x\"}}\n");
    let others = r#"{"zeta": "https://example.org/z.git", "alpha": "git@example.org:a"}"#;
    for own in [&*own, others, "{}"] {
        for place in PLACES {
            for last in [M, DOT_GIT] {
                let world = World::new(M, last, true, place);
                assert_eq!(map_behind_the_shim(&world.sandbox, own), own);
                let run = world.sandbox.lake("resolve-deps").env("LAKE_PKG_URL_MAP", own).run();
                run.expect_code(0);
                world.keepsake.assert_kept(&run);
            }
        }
    }
}

#[test]
fn a_map_to_another_spelling_of_the_clone_loses_nothing() {
    for spelling in [DOT_GIT, SCP, CAPITALS] {
        for place in PLACES {
            let own = json!({"m": spelling}).to_string();
            let world = World::new(M, M, true, place);
            let run = world.sandbox.lake("resolve-deps").env("LAKE_PKG_URL_MAP", &own).run();
            world.keepsake.assert_kept(&run);
            run.expect_code(0).stderr_lacks("deleting");
        }
    }
}

#[test]
fn a_map_to_a_fork_is_the_users_wish() {
    let own = json!({"m": FORK}).to_string();
    // The clone is the fork's already.
    for place in PLACES {
        let world = World::new(M, DOT_GIT, true, place).from(FORK);
        assert_eq!(map_behind_the_shim(&world.sandbox, &own), own);
        let run = world.sandbox.lake("resolve-deps").env("LAKE_PKG_URL_MAP", &own).run();
        world.keepsake.assert_kept(&run);
    }
    // It is not, and others use it.
    let world = World::new(M, DOT_GIT, true, Clone::Shared);
    let run = world.sandbox.lake("resolve-deps").env("LAKE_PKG_URL_MAP", &own).run();
    world.keepsake.assert_kept(&run);
    run.expect_code(1).stderr_contains(FORK).stderr_contains(M);
    // It is not, and nobody else uses it.
    let bundle = mini_mathlib::fixtures().join("resolve/two_paths_share_git_dotgit/git/m.bundle");
    let world = World::new(M, DOT_GIT, false, Clone::Private);
    let sandbox = world.sandbox.with_remote(FORK, &bundle);
    sandbox.write("app/.lake/packages/m/mine.txt", "mine\n");
    let run = sandbox.lake("resolve-deps").env("LAKE_PKG_URL_MAP", &own).run();
    run.expect_code(1).stderr_contains("`mine.txt`").stderr_contains(FORK);
    sandbox.remove("app/.lake/packages/m/mine.txt");
    let run = sandbox.lake("resolve-deps").env("LAKE_PKG_URL_MAP", &own).run();
    run.expect_code(0).stderr_contains("deleting");
    assert_eq!(sandbox.locked("m").0, FORK);
}

#[test]
fn a_map_that_is_none_is_lakes_to_complain_about() {
    for own in ["{", "[]", "mathlib=x", r#"{"m": 1}"#] {
        let world = World::new(M, M, true, Clone::Private);
        assert_eq!(map_behind_the_shim(&world.sandbox, own), own);
        let direct: Run =
            world.sandbox.real_lake("resolve-deps").env("LAKE_PKG_URL_MAP", own).run();
        let run = world.sandbox.lake("resolve-deps").env("LAKE_PKG_URL_MAP", own).run();
        assert_eq!((run.code, &run.stderr), (direct.code, &direct.stderr));
        world.keepsake.assert_kept(&run);
    }
}
