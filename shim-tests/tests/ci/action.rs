//! `ci/action.yml` on a runner: after elan, or not at all.

use shim_tests::{Sandbox, tools};

use crate::actions::{Event, GitHub, Outcome};
use crate::world::repository;

/// A job of these steps after a checkout.
#[track_caller]
fn run(sandbox: &Sandbox, steps: &[&str]) -> Outcome {
    let head = "name: X\non: { push: }\npermissions:\n  contents: read\njobs:\n  x:\n    runs-on: ubuntu-24.04\n    \
                timeout-minutes: 5\n    steps:\n      - uses: \
                actions/checkout@de0fac2e4500dabe0009e67214ff5f5447ce83dd\n        with: { persist-credentials: false }\n";
    let steps: String = steps.iter().map(|step| format!("      - {step}\n")).collect();
    sandbox.write("app/.github/workflows/x.yaml", format!("{head}{steps}"));
    GitHub::new(sandbox).run("x.yaml", &Event::push())
}

const ACTION: &str = "uses: ./.github/actions/lake-shim";

/// What an action that installs elan does: real proxies, and a toolchain that is there.
fn install_elan(sandbox: &Sandbox) -> String {
    let elan = tools::find_on_path("elan").expect("elan");
    sandbox.symlink(&elan, "elan/bin/lake").symlink(&elan, "elan/bin/lean");
    sandbox.copy("release/toolchain", "elan/toolchains/leanprover--lean4---v4.27.0/bin");
    let (bin, home) = (sandbox.path("elan/bin"), sandbox.path("elan"));
    format!(
        "run: echo {} >>$GITHUB_PATH; echo ELAN_HOME={} >>$GITHUB_ENV",
        bin.display(),
        home.display()
    )
}

#[test]
#[cfg_attr(not(has = "elan"), ignore = "needs elan")]
fn after_elan_the_shim_is_first_and_has_a_lake_behind_it() {
    let sandbox = repository();
    let elan = install_elan(&sandbox);
    let outcome = run(&sandbox, &[&elan, ACTION, "run: command -v lake && lake --version"]);
    outcome.expect("x success");
    let log = outcome.log();
    assert!(log.contains("first on PATH\nok       lake       5"), "{log}");
    let last = &outcome.job("x").steps.last().expect("steps").log;
    assert!(last.contains("/temp/lake-shim/bin/lake\nLake version"), "{last}");
}

#[test]
#[cfg_attr(not(has = "elan"), ignore = "needs elan")]
fn before_elan_it_fails_with_the_reason() {
    let sandbox = repository();
    let elan = install_elan(&sandbox);
    let outcome = run(&sandbox, &[ACTION, &elan]);
    outcome.expect("x failure");
    assert!(outcome.log().contains("::error title=No lake yet::install elan in a step before"));
}

#[test]
#[cfg_attr(not(has = "elan"), ignore = "needs elan")]
fn what_hides_it_later_is_seen() {
    let sandbox = repository();
    let elan = install_elan(&sandbox);
    let look = "run: lake-shim doctor shim lake";
    let outcome = run(&sandbox, &[&elan, ACTION, &elan, look]);
    outcome.expect("x failure");
    assert!(
        outcome.log().contains("elan's `lake` comes before the shim on PATH"),
        "{}",
        outcome.log()
    );
}

#[test]
#[cfg_attr(not(has = "elan"), ignore = "needs elan")]
fn for_keys_it_needs_no_lake() {
    let sandbox = repository();
    let with = format!("{ACTION}\n        with: {{ lake: none }}");
    let outcome = run(&sandbox, &[&with, "run: lake-shim key packages"]);
    outcome.expect("x success");
    assert!(outcome.log().contains("packages=x86_64-linux-v4.27.0-"), "{}", outcome.log());
}

#[test]
#[cfg_attr(not(has = "elan"), ignore = "needs elan")]
fn an_unchecked_shim_is_not_installed() {
    let sandbox = repository();
    sandbox.write("app/ci/lake-shim.sha256", crate::world::example("lake-shim.sha256"));
    let with = format!("{ACTION}\n        with: {{ lake: none }}");
    let outcome = run(&sandbox, &[&with]);
    outcome.expect("x failure");
    assert!(outcome.log().contains("FAILED"), "{}", outcome.log());
}
