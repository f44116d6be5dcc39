//! How keys are printed, and which ones.

use serde_json::Value;
use shim_tests::Sandbox;

use crate::{all_keys, keys, project};

#[test]
fn lines_in_a_fixed_order() {
    let sandbox = project();
    let run = all_keys(&sandbox).run();
    let names: Vec<_> = run.stdout.lines().filter_map(|line| line.split('=').next()).collect();
    assert_eq!(names, ["image-tag", "packages", "build", "files"], "{run}");
    let keys = keys(&run);
    let platform = format!("{}-linux-v4.27.0-", std::env::consts::ARCH);
    assert!(keys["packages"].starts_with(&platform), "{run}");
    assert!(keys["build"].starts_with(&format!("{}-", keys["packages"])), "a restore-key\n{run}");
    assert!(keys["image-tag"].starts_with("v4.27.0-7644214d-"), "{run}");
    for (name, key) in &keys {
        let digest = key.rsplit('-').next().expect("a last part");
        assert!(
            digest.len() == 16 && digest.chars().all(|c| c.is_ascii_hexdigit()),
            "{name}={key}"
        );
    }
}

#[test]
fn names_choose() {
    let sandbox = project();
    let all = keys(&all_keys(&sandbox).run());
    let run = sandbox.lake_shim("key build packages").run();
    run.expect_stdout(&format!("packages={}\nbuild={}\n", all["packages"], all["build"]));
    let run = sandbox.lake_shim("key build").run();
    run.expect_stdout(&format!("build={}\n", all["build"]));
    // One that is found in `ci/` takes files from the whole workspace; one that is named, as Docker
    // has it in the simplest call, from its own directory.
    for line in ["key image-tag", "key image-tag --context ."] {
        sandbox.lake_shim(line).run().expect_stdout(&format!("image-tag={}\n", all["image-tag"]));
    }
    let run = sandbox.lake_shim("key image-tag --dockerfile ci/Dockerfile").run();
    run.expect_code(1).stderr_contains("not in the build context `").stderr_contains("/app/ci`");
    let run = sandbox.lake_shim("key build --files ci/*.sh docs README.md").run();
    run.expect_stdout(&format!("build={}\nfiles={}\n", all["build"], all["files"]));
}

#[test]
fn without_a_dockerfile_there_is_no_tag_unless_asked_for() {
    let sandbox = project();
    sandbox.remove("app/ci/Dockerfile");
    let run = sandbox.lake_shim("key").run();
    let names: Vec<_> = keys(&run).into_keys().collect();
    assert_eq!(names, ["build", "packages"]);
    for line in ["key image-tag", "key --with a=b", "key image-tag build"] {
        let run = sandbox.lake_shim(line).run();
        run.expect_code(1).expect_stdout("");
        run.stderr_contains("no `Dockerfile` or `ci/Dockerfile` in `");
        run.stderr_contains("\nhint: name one with `--dockerfile FILE`\n");
    }
}

#[test]
fn the_dockerfile_of_the_root_comes_first() {
    let sandbox = project();
    sandbox.write("app/Dockerfile", "FROM debian:12\nCOPY ci/other /\n");
    let tag = || keys(&sandbox.lake_shim("key image-tag").run());
    let before = tag();
    sandbox.write("app/ci/Dockerfile", "FROM debian:13\nCOPY nothing /\n");
    assert_eq!(tag(), before);
    sandbox.write("app/ci/other", "changed");
    assert_ne!(tag(), before);
}

#[test]
fn one_object() {
    let sandbox = project();
    let lines = keys(&all_keys(&sandbox).run());
    let run = all_keys(&sandbox).arg("--json").run();
    run.expect_code(0).expect_stderr("");
    assert_eq!(run.stdout.lines().count(), 1, "one line, for `$GITHUB_OUTPUT`\n{run}");
    let object: Value = serde_json::from_str(&run.stdout).expect("JSON");
    assert_eq!(object, serde_json::to_value(lines).expect("JSON"), "{run}");
}

#[test]
fn the_bare_value_of_one() {
    let sandbox = project();
    let all = keys(&sandbox.lake_shim("key packages build").run());
    let run = sandbox.lake_shim("key packages --value").run();
    run.expect_code(0).expect_stdout(&format!("{}\n", all["packages"])).expect_stderr("");
    for line in
        ["key packages build --value", "key --value", "key packages --value --files README.md"]
    {
        let run = sandbox.lake_shim(line).run();
        run.expect_code(1).expect_stdout("").stderr_contains("`--value` prints one key");
        run.stderr_contains("\nhint: name one");
    }
}

#[test]
fn outputs_of_a_step_are_appended() {
    let sandbox = project();
    let lines = all_keys(&sandbox).run().stdout;
    sandbox.write("output", "earlier=1\n");
    let github =
        || all_keys(&sandbox).arg("--github-output").env("GITHUB_OUTPUT", sandbox.path("output"));
    let run = github().run();
    run.expect_code(0).expect_stdout("");
    for line in lines.lines() {
        run.stderr_contains(&format!("lake-shim: {line}\n"));
    }
    assert_eq!(sandbox.read("output"), format!("earlier=1\n{lines}"));
    github().env("LAKE_SHIM_LOG", "quiet").run().expect_code(0).expect_stdout("").expect_stderr("");
    assert_eq!(sandbox.read("output"), format!("earlier=1\n{lines}{lines}"));
    sandbox.remove("output");
    github().run().expect_code(0);
    assert_eq!(sandbox.read("output"), lines, "a file that is not there is made");
}

#[test]
fn outputs_without_a_place_are_an_error() {
    let sandbox = project();
    let call = || sandbox.lake_shim("key packages --github-output");
    for run in [call().run(), call().env("GITHUB_OUTPUT", "").run()] {
        run.expect_code(1).expect_stdout("").stderr_contains("error: `GITHUB_OUTPUT` is not set");
        run.stderr_contains("\nhint: ");
    }
    let nowhere = sandbox.path("no/such/output");
    let run = call().env("GITHUB_OUTPUT", &nowhere).run();
    run.expect_code(1).expect_stdout("").stderr_contains(&nowhere.display().to_string());
}

#[test]
fn the_variable_alone_changes_nothing() {
    let sandbox = project();
    let run = sandbox.lake_shim("key packages").env("GITHUB_OUTPUT", sandbox.path("output")).run();
    assert_eq!(keys(&run).len(), 1);
    assert!(!sandbox.path("output").exists());
}

#[test]
fn formats_exclude_each_other() {
    let sandbox = Sandbox::empty();
    for line in ["--json --value", "--json --github-output", "--value --github-output"] {
        let run = sandbox.lake_shim(&format!("key packages {line}")).run();
        run.expect_code(2).expect_stdout("").stderr_contains("cannot be used with");
    }
}

#[test]
fn help_has_examples_and_names() {
    let sandbox = Sandbox::empty();
    let run = sandbox.lake_shim("key --help").run();
    run.expect_code(0).expect_stderr("");
    for part in [
        "Examples:\n  lake-shim key  ",
        "image-tag",
        "--build-arg <NAME=VALUE>",
        "[default: `Dockerfile` or",
    ] {
        run.stdout_contains(part);
    }
    sandbox.lake_shim("--help").run().stdout_contains("\n  key ");
}
