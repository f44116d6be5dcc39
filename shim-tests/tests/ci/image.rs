//! `ci/Dockerfile`, built step by step, and what it makes, used as CI and people use it.

use shim_tests::{NOBODY, Sandbox, Tree};

use crate::docker::root::{Outside, bytes};
use crate::docker::{Container, Image};
use crate::world::{self, SHIM, env, example, module_count, repository};

const STORE: &str = "/opt/mathlib-cache";
/// The image's own user, as `USER` names him.
const LEAN: &str = "1001:1001";

#[track_caller]
fn build(sandbox: &Sandbox, dockerfile: &str) -> Image {
    world::build(sandbox).build(dockerfile).unwrap_or_else(|error| panic!("{error:#}"))
}

#[track_caller]
fn build_fails(sandbox: &Sandbox, dockerfile: &str) -> String {
    match world::build(sandbox).build(dockerfile) {
        Ok(_) => panic!("it builds"),
        Err(error) => format!("{error:#}"),
    }
}

/// A container without network, with a fresh checkout of the project at `/mnt`, which belongs to `owner`.
fn container<'a>(sandbox: &'a Sandbox, image: &'a Image, owner: u32) -> Container<'a> {
    let checkout = format!("checkout.{owner}");
    sandbox.copy("app", &checkout).chown(&checkout, owner);
    let outside = Outside {
        binds: vec![(sandbox.path(checkout), "/mnt".to_owned())],
        has_network: false,
        env: env(sandbox, &["FAKE_LAKE_MODULES"]),
    };
    Container { sandbox, image, upper: sandbox.path(format!("container.{owner}")), outside }
}

/// That everything is built, and that Lake finds nothing to do.
#[track_caller]
fn builds(container: &Container, user: &str) {
    container.run_as(user, "/mnt", &["lake", "build"]).expect_code(0);
    let run = container.run_as(user, "/mnt", &["lake", "build", "--no-build"]);
    run.expect_code(0).stdout_contains("All targets up-to-date");
}

#[test]
#[cfg_attr(
    not(all(has = "fake-lake", has = "elan", has = "mount")),
    ignore = "needs the fake lake, elan, mount"
)]
fn a_user_who_is_not_root_builds_without_network() {
    let sandbox = repository();
    let image = build(&sandbox, &example("Dockerfile"));
    let store = Tree::of(image.root.find(STORE).expect("a store"));

    let container = container(&sandbox, &image, 1001);
    let run = container.run(&["sh", "-c", "id -u; echo $HOME; pwd; command -v lake"]);
    run.expect_stdout("1001\n/home/lean\n/home/lean\n/opt/lake-shim/bin/lake\n");
    let in_project = |words: &[&str]| container.run_as(LEAN, "/mnt", words);
    let run = in_project(&["lake", "exe", "cache", "get"]);
    run.expect_code(0).expect_stdout("").stderr_contains("(offline)");
    run.stderr_contains(&format!("restored {} modules, 2 packages from {STORE}", module_count()));
    builds(&container, LEAN);
    in_project(&["lake-shim", "doctor"]).expect_code(0).stdout_contains("nothing wrong found");
    in_project(&["lake-shim", "verify", "--store", STORE]).expect_code(0);
    for place in [STORE, "/opt/elan", "/opt/lake-shim/bin"] {
        in_project(&["sh", "-c", &format!("echo >{place}/new")]).expect_code(2);
    }
    store.assert_unchanged();
}

/// Jobs may ask for `--user 0`, or come with a user whom the image does not know; the checkout is another's.
#[test]
#[cfg_attr(
    not(all(has = "fake-lake", has = "elan", has = "mount")),
    ignore = "needs the fake lake, elan, mount"
)]
fn root_builds_too_and_says_whose_the_packages_are() {
    let sandbox = repository();
    let image = build(&sandbox, &example("Dockerfile"));
    let container = container(&sandbox, &image, NOBODY);
    builds_from_nothing(&container, "0:0");
    // What root has restored is somebody else's for the image's own user, and of use to him all the same.
    sandbox.chown(format!("checkout.{NOBODY}"), 1001);
    builds(&container, LEAN);
}

#[track_caller]
fn builds_from_nothing(container: &Container, user: &str) {
    let run = container.run_as(user, "/mnt", &["lake", "build", "--no-build"]);
    run.stderr_contains("restored").expect_code(0);
    builds(container, user);
}

#[test]
#[cfg_attr(
    not(all(has = "fake-lake", has = "elan", has = "mount")),
    ignore = "needs the fake lake, elan, mount"
)]
fn the_store_is_in_the_image_once() {
    let sandbox = repository();
    let dockerfile = example("Dockerfile");
    let image = build(&sandbox, &dockerfile);
    let store = bytes(&image.root.find(STORE).expect("a store"));
    assert!(store > 10_000, "{store} bytes are no store");
    assert_eq!(image.root.bytes_below(STORE).iter().sum::<u64>(), store);
    // What the bake needed has stayed in its stage.
    for left in ["/src", "/opt/lake-packages/mathlib", "/root/.cache", "/tmp/elan.tar.gz"] {
        assert_eq!(image.root.find(left), None);
    }
    for line in ["chown -R 1001 /opt/mathlib-cache", "chmod -R a+r /opt/mathlib-cache"] {
        let spoilt =
            dockerfile.replace("USER 1001:1001\n", &format!("RUN {line}\nUSER 1001:1001\n"));
        let image = build(&sandbox, &spoilt);
        let sum: u64 = image.root.bytes_below(STORE).iter().sum();
        assert_eq!(sum, 2 * store, "the measure does not see `{line}`");
    }
}

/// The lines that the README gives to who wants the packages unpacked in the image.
#[test]
#[cfg_attr(
    not(all(has = "fake-lake", has = "elan", has = "mount")),
    ignore = "needs the fake lake, elan, mount"
)]
fn packages_can_be_unpacked_in_the_image() {
    let sandbox = repository();
    let readme = example("README.md");
    let block = readme.split("```dockerfile\n").nth(1).and_then(|rest| rest.split("```").next());
    let block = block.expect("the README has a block of Dockerfile");
    let marker = "# No `git config";
    assert!(example("Dockerfile").contains(marker));
    let image =
        build(&sandbox, &example("Dockerfile").replace(marker, &format!("{block}{marker}")));
    assert!(image.root.find("/opt/lake-packages/mathlib/Mathlib.lean").is_some());
    let container = container(&sandbox, &image, 1001);
    let run = container.run_as(LEAN, "/mnt", &["lake", "build", "--no-build"]);
    run.expect_code(0).stdout_contains("All targets up-to-date").stderr_lacks("restored");
}

#[test]
#[cfg_attr(
    not(all(has = "fake-lake", has = "elan", has = "mount")),
    ignore = "needs the fake lake, elan, mount"
)]
fn what_is_downloaded_is_checked() {
    let sandbox = repository();
    let mut real_digest = world::build(&sandbox);
    real_digest.args.clear();
    let Err(error) = real_digest.build(&example("Dockerfile")) else { panic!("it builds") };
    let error = format!("{error:#}");
    assert!(error.contains("elan.tar.gz: FAILED"), "{error}");
    sandbox.write("app/ci/lake-shim.sha256", example("lake-shim.sha256"));
    let error = build_fails(&sandbox, &example("Dockerfile"));
    assert!(error.contains("x86_64-linux.tar.gz: FAILED"), "{error}");
    assert!(error.contains("lake-shim.sha256` says\nhint: "), "{error}");
    sandbox.remove(sandbox.path("served").join(SHIM.trim_start_matches("https://")));
    let error = build_fails(&sandbox, &example("Dockerfile"));
    assert!(error.contains("error: 404"), "{error}");
}

#[test]
#[cfg_attr(
    not(all(has = "fake-lake", has = "elan", has = "mount")),
    ignore = "needs the fake lake, elan, mount"
)]
fn an_image_that_lacks_something_is_not_made() {
    let sandbox = repository();
    let module = &shim_tests::modules()[0];
    sandbox.remove(sandbox.cloud().join(&module.ltar));
    let error = build_fails(&sandbox, &example("Dockerfile"));
    assert!(error.contains(&module.name), "{error}");
}

/// The tag says what the image is made from: it changes when that does, and only then.
#[test]
#[cfg_attr(not(has = "elan"), ignore = "needs elan")]
fn the_tag_follows_what_is_copied() {
    let sandbox = repository();
    let tag = || {
        let run =
            sandbox.lake_shim("key image-tag --value --dockerfile ci/Dockerfile --context .").run();
        run.expect_code(0).expect_stderr("");
        run.stdout.clone()
    };
    let before = tag();
    sandbox.write("app/App.lean", "-- another\n").write("app/ci/README.md", "another\n");
    assert_eq!(tag(), before);
    for file in ["ci/lake-shim.sha256", "ci/get-lake-shim.sh", "ci/Dockerfile", "lakefile.toml"] {
        let path = format!("app/{file}");
        let text = sandbox.read(&path);
        sandbox.write(&path, format!("{text}\n"));
        assert_ne!(tag(), before, "{file}");
        sandbox.write(&path, text);
    }
    assert_eq!(tag(), before);
    sandbox.lake_shim("key image-tag --value").run().expect_stdout(&before);
}
