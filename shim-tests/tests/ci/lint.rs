//! The linters of the field over the examples. Each is also shown something that it has to find, so that one that looks
//! at nothing is seen.

use serde_json::Value;
use shim_tests::{Run, Sandbox, tools};

use crate::actions::yaml;
use crate::world::{copy_examples, example, examples};

fn repository() -> Sandbox {
    let sandbox = Sandbox::empty();
    copy_examples(&sandbox);
    sandbox.git(&sandbox.workspace(), &["init", "--quiet"]);
    sandbox
}

#[track_caller]
fn lint(sandbox: &Sandbox, tool: &str, words: &str) -> Run {
    let program = tools::find_on_path(tool).unwrap_or_else(|| panic!("no `{tool}`"));
    let shellcheck = tools::find_on_path("shellcheck").expect("needed");
    // actionlint starts shellcheck.
    let path = shellcheck.parent().expect("a directory").display().to_string();
    sandbox.command(program, words).env("PATH", path).run()
}

#[track_caller]
fn spoil(sandbox: &Sandbox, path: &str, from: &str, to: &str) {
    let text = sandbox.read(path);
    assert!(text.contains(from), "no `{from}` in {path}");
    sandbox.write(path, text.replacen(from, to, 1));
}

const CI: &str = "app/.github/workflows/ci.yaml";

#[test]
#[cfg_attr(
    not(all(has = "actionlint", has = "shellcheck")),
    ignore = "needs actionlint, shellcheck"
)]
fn workflows_pass_actionlint() {
    let run = lint(&repository(), "actionlint", "-verbose");
    run.expect_code(0).expect_stdout("").stderr_lacks("Rule \"shellcheck\" was disabled");
    run.stderr_contains("Found 0 errors in 2 files");
    for (from, to, found) in [
        (
            "needs.keys.outputs.has-build",
            "needs.keys.outputs.hasbuild",
            "\"hasbuild\" is not defined",
        ),
        (
            "needs: [keys, build]",
            "needs: [keys, biuld]",
            "needs job \"biuld\" which does not exist",
        ),
        ("run: lake test", "run: test $x = 1", "SC2086"),
        (
            "with:\n          lake: none",
            "with:\n          leke: none",
            "input \"leke\" is not defined",
        ),
    ] {
        let sandbox = repository();
        spoil(&sandbox, CI, from, to);
        lint(&sandbox, "actionlint", "").expect_code(1).stdout_contains(found);
    }
}

#[test]
#[cfg_attr(not(all(has = "zizmor", has = "shellcheck")), ignore = "needs zizmor, shellcheck")]
fn workflows_and_action_pass_zizmor() {
    let config = examples().join("../.ci/zizmor.yml");
    let zizmor = |sandbox: &Sandbox| {
        let words = format!("--offline --no-progress --config {} .github", config.display());
        lint(sandbox, "zizmor", &words)
    };
    let run = zizmor(&repository());
    run.expect_code(0).stdout_contains("No findings to report").stderr_lacks("warn");
    for (path, from, to, found) in [
        (CI, "@de0fac2e4500dabe0009e67214ff5f5447ce83dd # v6.0.2", "@v6", "unpinned-uses"),
        (CI, "    permissions: {}\n", "    permissions: write-all\n", "excessive-permissions"),
        (
            CI,
            "run: lake test",
            "run: echo ${{ github.event.pull_request.title }}",
            "template-injection",
        ),
        (CI, "persist-credentials: false", "fetch-depth: 1", "artipacked"),
        (
            "app/.github/actions/lake-shim/action.yml",
            "lake-shim doctor $AREAS",
            "lake-shim doctor ${{ inputs.lake }}",
            "template-injection",
        ),
    ] {
        let sandbox = repository();
        spoil(&sandbox, path, from, to);
        let run = zizmor(&sandbox);
        assert_ne!(run.code, Some(0), "{to}\n{run}");
        run.stdout_contains(found);
    }
}

#[test]
#[cfg_attr(not(all(has = "hadolint", has = "shellcheck")), ignore = "needs hadolint, shellcheck")]
fn the_dockerfile_passes_hadolint() {
    let sandbox = repository();
    lint(&sandbox, "hadolint", "ci/Dockerfile").expect_code(0).expect_stdout("");
    for (from, to, found) in [
        (" \\\n && rm -rf /var/lib/apt/lists/*", "", "DL3009"),
        ("USER 1001:1001", "USER root", "DL3002"),
        ("\"$(cat /opt/elan/wanted)\"", "$(cat /opt/elan/wanted)", "SC2046"),
    ] {
        let sandbox = repository();
        spoil(&sandbox, "app/ci/Dockerfile", from, to);
        lint(&sandbox, "hadolint", "ci/Dockerfile").expect_code(1).stdout_contains(found);
    }
}

#[test]
#[cfg_attr(not(has = "shellcheck"), ignore = "needs shellcheck")]
fn scripts_pass_shellcheck() {
    let sandbox = repository();
    lint(&sandbox, "shellcheck", "ci/get-lake-shim.sh").expect_code(0).expect_stdout("");
    let mut blocks = 0;
    for file in ["ci.yaml", "ci-image.yaml", "action.yml"] {
        for script in scripts(&yaml::parse(&example(file)).expect("YAML")) {
            shellcheck(&sandbox, &script).expect_code(0);
            blocks += 1;
        }
    }
    assert!(blocks >= 15, "{blocks} `run:` blocks");
    shellcheck(&sandbox, "cd $x").expect_code(1).stdout_contains("SC2086");
}

/// With the options that bash has there.
#[track_caller]
fn shellcheck(sandbox: &Sandbox, script: &str) -> Run {
    sandbox.write("app/script", format!("set -eo pipefail\n{script}"));
    lint(sandbox, "shellcheck", "--shell=bash --enable=check-set-e-suppressed script")
}

/// Every `run:` of a workflow or an action.
fn scripts(value: &Value) -> Vec<String> {
    let inner: Vec<&Value> = match value {
        Value::Array(items) => items.iter().collect(),
        Value::Object(entries) => entries.values().collect(),
        _ => Vec::new(),
    };
    let own = value["run"].as_str().map(str::to_owned);
    own.into_iter().chain(inner.into_iter().flat_map(scripts)).collect()
}
