//! `ci/ci-image.yaml`: who gets an image built, and who is told why not.

use shim_tests::Sandbox;

use crate::actions::github::PACKAGE;
use crate::actions::{Event, GitHub, Outcome};
use crate::world::repository;

const FILE: &str = "ci-image.yaml";
const BUILT: &str = "build success, check success, guard skipped";
const NOTHING_TO_DO: &str = "build skipped, check success, guard skipped";
const GUARDED: &str = "build skipped, check success, guard failure";

/// Called by another workflow, as `ci.yaml` does.
#[track_caller]
fn call(github: &GitHub, event: &Event) -> Outcome {
    let caller = "name: Caller\non: [push, pull_request]\npermissions: {}\njobs:\n  image:\n    \
                  uses: ./.github/workflows/ci-image.yaml\n    permissions:\n      contents: read\n      \
                  packages: write\n";
    let caller = caller.replace("[push, pull_request]", "{ push: , pull_request: }");
    github.sandbox.write("app/.github/workflows/caller.yaml", caller);
    let Outcome(jobs) = github.run("caller.yaml", event);
    let inner = |(name, job): (String, _)| Some((name.strip_prefix("image/")?.to_owned(), job));
    Outcome(jobs.into_iter().filter_map(inner).collect())
}

#[test]
#[cfg_attr(not(has = "elan"), ignore = "needs elan")]
fn a_missing_image_is_built_once() {
    let sandbox = repository();
    let github = GitHub::new(&sandbox);
    let image = github.wanted_image();
    assert!(image.starts_with(&format!("{PACKAGE}:v4.27.0-7644214d-")), "{image}");
    // The package does not exist either: the registry says `denied`.
    let outcome = call(&github, &Event::push());
    outcome.expect(BUILT);
    assert_eq!(outcome.job("check").outputs["image"], image.as_str());
    assert_eq!(github.pushed(), std::slice::from_ref(&image));
    let label = sandbox.read(format!("registry/{}", image.replace('/', "+")));
    assert_eq!(label, "org.opencontainers.image.source=https://github.com/Example/App\n");
    let docker = github.log("docker");
    let proof =
        format!("run --rm --network none {image} lake-shim verify --store /opt/mathlib-cache");
    let position = |line: &str| docker.iter().position(|l| l == line).expect("it is called");
    assert!(position(&proof) < position(&format!("push {image}")), "{docker:#?}");

    call(&github, &Event::push()).expect(NOTHING_TO_DO);
    call(&github, &Event::pull_request()).expect(NOTHING_TO_DO);
    assert_eq!(github.log("docker").iter().filter(|line| line.starts_with("build ")).count(), 1);

    // Another toolchain is another image; the first stays for whoever has that.
    sandbox.write("app/lean-toolchain", "leanprover/lean4:v4.28.0\n");
    call(&github, &Event::pull_request()).expect(BUILT);
    assert_eq!(github.pushed(), [image, github.wanted_image()]);
}

#[test]
#[cfg_attr(not(has = "elan"), ignore = "needs elan")]
fn who_may_not_push_is_told_why() {
    let sandbox = repository();
    let github = GitHub::new(&sandbox);
    let image = github.wanted_image();
    github.push_image(&format!("{PACKAGE}:another"));
    let events = [Event::fork(), Event::dependabot(), Event::fork_that_is_gone()];
    for event in &events {
        let outcome = call(&github, event);
        outcome.expect(GUARDED);
        let said = &outcome.job("guard").steps[0].log;
        assert!(said.contains(&format!("::error title=CI image missing::{image} ")), "{said}");
        assert!(said.contains("its token may not push packages"), "{said}");
    }
    assert!(github.log("docker").iter().all(|line| !line.starts_with("build ")));
    // A maintainer does, for the same commit.
    github.run(FILE, &Event::dispatch()).expect(BUILT);
    for event in &events {
        call(&github, event).expect(NOTHING_TO_DO);
    }
}

#[test]
#[cfg_attr(not(has = "elan"), ignore = "needs elan")]
fn a_registry_that_does_not_answer_is_no_missing_image() {
    let sandbox = repository();
    let github = GitHub::new(&sandbox);
    github.push_image(&github.wanted_image());
    sandbox.write("registry.down", "");
    for event in [Event::push(), Event::fork()] {
        let outcome = call(&github, &event);
        outcome.expect("build skipped, check failure, guard skipped");
        assert!(
            outcome.log().contains("::error title=Registry out of reach::"),
            "{}",
            outcome.log()
        );
        assert!(
            outcome
                .log()
                .contains("::warning::the registry said: received unexpected HTTP status: 503")
        );
    }
    assert_eq!(github.log("sleep"), ["5", "15", "45", "0"].repeat(2));
    sandbox.remove("registry.down");
    call(&github, &Event::fork()).expect(NOTHING_TO_DO);
}

#[test]
#[cfg_attr(not(has = "elan"), ignore = "needs elan")]
fn an_image_that_cannot_be_proven_gets_no_tag() {
    let sandbox = repository();
    let github = GitHub::new(&sandbox);
    sandbox.write("image.broken", "");
    call(&github, &Event::push()).expect("build failure, check success, guard skipped");
    assert!(github.pushed().is_empty());
}

#[test]
#[cfg_attr(not(has = "elan"), ignore = "needs elan")]
fn room_is_made_on_githubs_own_runners_only() {
    let sandbox = repository();
    let github = GitHub::new(&sandbox);
    github.runner.set("self-hosted");
    call(&github, &Event::push()).expect(BUILT);
    assert!(github.log("sudo").is_empty());
    sandbox.remove("registry");
    github.runner.set("github-hosted");
    call(&github, &Event::push()).expect(BUILT);
    let removed = "rm -rf /opt/hostedtoolcache /usr/local/lib/android /usr/share/dotnet";
    assert_eq!(github.log("sudo"), [removed]);
}

/// Each job has the rights it needs and no more: with one less, it fails.
#[test]
#[cfg_attr(not(has = "elan"), ignore = "needs elan")]
fn permissions_are_the_least() {
    for (without, expected) in [
        ("packages: write", "build failure, check success, guard skipped"),
        ("packages: read", "build skipped, check failure, guard skipped"),
    ] {
        let sandbox = repository();
        spoil(&sandbox, &format!("      {without}\n"), "");
        let github = GitHub::new(&sandbox);
        github.push_image(&format!("{PACKAGE}:another"));
        call(&github, &Event::push()).expect(expected);
    }
}

#[track_caller]
fn spoil(sandbox: &Sandbox, from: &str, to: &str) {
    let path = format!("app/.github/workflows/{FILE}");
    let text = sandbox.read(&path);
    assert!(text.contains(from), "no `{from}` in {FILE}");
    sandbox.write(path, text.replace(from, to));
}
