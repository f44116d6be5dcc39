//! `ci/ci.yaml` with `ci/ci-image.yaml`, in a container of the image that `ci/Dockerfile` makes: what runs, what is
//! skipped, and that skipping hides no failure.

use shim_tests::Sandbox;

use crate::actions::github::PACKAGE;
use crate::actions::{Event, GitHub, Outcome};
use crate::world::repository;

const FILE: &str = "app/.github/workflows/ci.yaml";
const ALL: &str =
    "build success, image success, keys success, program success, test success, verdict success";

fn project() -> Sandbox {
    let mut sandbox = repository();
    sandbox.set_env("FAKE_LAKE_PROGRAM", "app");
    sandbox
}

/// The results of `ci.yaml`'s own jobs.
#[track_caller]
fn run(github: &GitHub, event: &Event) -> Outcome {
    let Outcome(jobs) = github.run("ci.yaml", event);
    Outcome(jobs.into_iter().filter(|(name, _)| !name.contains('/')).collect())
}

#[track_caller]
fn edit(sandbox: &Sandbox, from: &str, to: &str) {
    let text = sandbox.read(FILE);
    assert!(text.contains(from), "no `{from}` in {FILE}");
    sandbox.write(FILE, text.replace(from, to));
}

#[track_caller]
fn log_of<'a>(outcome: &'a Outcome, job: &str, step: &str) -> &'a str {
    let step = outcome.job(job).steps.iter().find(|s| s.name == step);
    &step.unwrap_or_else(|| panic!("no such step\n{}", outcome.log())).log
}

#[test]
#[cfg_attr(
    not(all(has = "fake-lake", has = "elan", has = "mount")),
    ignore = "needs the fake lake, elan, mount"
)]
fn nothing_is_done_twice() {
    let sandbox = project();
    let github = GitHub::new(&sandbox);

    let first = run(&github, &Event::push());
    first.expect(ALL);
    assert_eq!(github.pushed(), [github.wanted_image()]);
    let restored = log_of(&first, "build", "Mathlib");
    assert!(restored.contains("packages from /opt/mathlib-cache in"), "{restored}");
    assert!(
        log_of(&first, "test", "Test").contains("restored"),
        "a container has its own packages"
    );
    assert_eq!(log_of(&first, "program", "Run it"), "app\n");

    // The same again: one small job, and the verdict.
    let same = "build skipped, image skipped, keys success, program skipped, test skipped, verdict success";
    run(&github, &Event::push()).expect(same);
    run(&github, &Event::pull_request()).expect(same);
    // But for a fork, which could have saved the verdict itself.
    let fork = run(&github, &Event::fork());
    fork.expect(ALL);
    // Nor what it could have saved as a build.
    let restores = fork.job("build").steps.iter().chain(&fork.job("test").steps);
    let restores = restores.filter(|step| ["Earlier build", "The build"].contains(&&*step.name));
    let results: Vec<_> = restores.map(|step| step.result.as_str()).collect();
    assert_eq!(results, ["skipped", "skipped"]);

    // Other tests for the same sources: what is built stays, and its dependants run all the same.
    edit(&sandbox, "run: lake test", "run: lake test -- all");
    let tested = run(&github, &Event::pull_request());
    tested.expect(&ALL.replace("build success", "build skipped"));
    assert_eq!(log_of(&tested, "program", "Run it"), "app\n");

    // Another source: built again, from where the last build of these packages ended.
    sandbox.write("app/App.lean", "-- another\n");
    run(&github, &Event::pull_request()).expect(ALL);
    assert_eq!(github.log("docker").iter().filter(|line| line.starts_with("build ")).count(), 1);
}

#[test]
#[cfg_attr(
    not(all(has = "fake-lake", has = "elan", has = "mount")),
    ignore = "needs the fake lake, elan, mount"
)]
fn a_build_starts_from_an_earlier_one_of_the_same_packages() {
    let sandbox = project();
    edit(&sandbox, "run: lake build\n", "run: ls .lake/build && lake build\n");
    let github = GitHub::new(&sandbox);
    run(&github, &Event::push()).expect(
        "build failure, image success, keys success, program skipped, test skipped, verdict failure",
    );
    edit(&sandbox, "ls .lake/build && lake build\n", "lake build && echo kept >.lake/build/kept\n");
    run(&github, &Event::push()).expect(ALL);
    sandbox.write("app/App.lean", "-- another\n");
    edit(&sandbox, "lake build && echo kept >", "lake build && cat ");
    let outcome = run(&github, &Event::push());
    outcome.expect(ALL);
    assert!(log_of(&outcome, "build", "Build").contains("kept"));
}

#[test]
#[cfg_attr(
    not(all(has = "fake-lake", has = "elan", has = "mount")),
    ignore = "needs the fake lake, elan, mount"
)]
fn a_failed_test_fails_the_verdict_and_keeps_the_build() {
    let sandbox = project();
    edit(&sandbox, "run: lake test", "run: lake test && exit 1");
    let github = GitHub::new(&sandbox);
    let failed = ALL.replace("test success, verdict success", "test failure, verdict failure");
    run(&github, &Event::push()).expect(&failed);
    run(&github, &Event::push()).expect(&failed.replace("build success", "build skipped"));
    edit(&sandbox, "run: lake test && exit 1", "run: lake test");
    run(&github, &Event::push()).expect(&ALL.replace("build success", "build skipped"));
}

/// The jobs behind a failed image are skipped, and a skipped check counts as passed: the verdict must not be.
#[test]
#[cfg_attr(not(has = "elan"), ignore = "needs elan")]
fn a_fork_without_an_image_fails_the_verdict() {
    let sandbox = project();
    let github = GitHub::new(&sandbox);
    github.push_image(&format!("{PACKAGE}:another"));
    run(&github, &Event::fork()).expect(
        "build skipped, image failure, keys success, program skipped, test skipped, verdict failure",
    );
}

#[test]
#[cfg_attr(
    not(all(has = "fake-lake", has = "elan", has = "mount")),
    ignore = "needs the fake lake, elan, mount"
)]
fn an_image_that_lacks_a_module_fails_by_name() {
    let sandbox = project();
    let github = GitHub::new(&sandbox);
    github.push_image(&github.wanted_image());
    let module = &shim_tests::modules()[0];
    let store = github.image().root.find("/opt/mathlib-cache").expect("a store");
    sandbox.remove(store.join(&module.ltar));
    let outcome = run(&github, &Event::push());
    outcome.expect(
        "build failure, image success, keys success, program skipped, test skipped, verdict failure",
    );
    let said = log_of(&outcome, "build", "Mathlib");
    assert!(said.contains(&module.name) && said.contains("hint:"), "{said}");
}

/// The verdict is of the image too.
#[test]
#[cfg_attr(
    not(all(has = "fake-lake", has = "elan", has = "mount")),
    ignore = "needs the fake lake, elan, mount"
)]
fn another_image_is_tested_again() {
    let sandbox = project();
    let github = GitHub::new(&sandbox);
    run(&github, &Event::push()).expect(ALL);
    let dockerfile = sandbox.read("app/ci/Dockerfile");
    sandbox.write("app/ci/Dockerfile", format!("{dockerfile}# another\n"));
    run(&github, &Event::push()).expect(&ALL.replace("build success", "build skipped"));
    assert_eq!(github.pushed().len(), 2);
}

#[test]
#[cfg_attr(
    not(all(has = "fake-lake", has = "elan", has = "mount")),
    ignore = "needs the fake lake, elan, mount"
)]
fn a_container_makes_room_where_the_machine_is_githubs() {
    let sandbox = project();
    let github = GitHub::new(&sandbox);
    github.push_image(&github.wanted_image());
    let tool = |run: usize| sandbox.path(format!("runs/{run}/build/tools/Python")).exists();
    run(&github, &Event::push()).expect(ALL);
    assert!(!tool(1));
    github.runner.set("self-hosted");
    sandbox.write("app/App.lean", "-- another\n");
    run(&github, &Event::push()).expect(ALL);
    assert!(tool(2));
}

/// What the comments warn of, done: each time it is seen.
#[test]
#[cfg_attr(
    not(all(has = "fake-lake", has = "elan", has = "mount")),
    ignore = "needs the fake lake, elan, mount"
)]
fn the_traps_are_real() {
    let skipped = "build skipped, image success, keys success, program success, test skipped, verdict success";
    let status = "if: ${{ !failure() && !cancelled() && needs.keys.outputs.has-passed != 'true' }}";
    let test = "    needs: [keys, image, build]\n    if: ";
    let unasked = "if: needs.keys.outputs.has-passed != 'true'";
    // The test of a job whose build is skipped, without a status function.
    let sandbox = project();
    let github = GitHub::new(&sandbox);
    run(&github, &Event::push()).expect(ALL);
    edit(&sandbox, &format!("{test}{}", &status[4..]), &format!("{test}{}", &unasked[4..]));
    run(&github, &Event::push()).expect(skipped);

    // An image without zstd: its caches are never found by the runner that looks for them.
    let sandbox = project();
    let dockerfile = sandbox.read("app/ci/Dockerfile").replace(" git zstd", " git");
    sandbox.write("app/ci/Dockerfile", dockerfile);
    edit(&sandbox, "run: lake test", "run: lake test && exit 1");
    let github = GitHub::new(&sandbox);
    let failed = ALL.replace("test success, verdict success", "test failure, verdict failure");
    run(&github, &Event::push()).expect(&failed);
    run(&github, &Event::push()).expect(&failed);

    // An artifact as it comes.
    let sandbox = project();
    edit(&sandbox, "          chmod +x .lake/build/bin/*\n", "");
    let github = GitHub::new(&sandbox);
    let failed = ALL.replace("program success", "program failure");
    run(&github, &Event::push()).expect(&failed.replace("verdict success", "verdict failure"));
}
