//! Versions and changelog go together, and a release has what it should.

use shim_tests::Sandbox;

use crate::repository;

#[test]
fn the_changelog_has_a_heading_for_the_version() {
    let text = |name: &str| fs_err::read_to_string(repository().join(name)).expect(name);
    let version = env!("CARGO_PKG_VERSION");
    let sandbox = Sandbox::empty();
    sandbox.lake_shim("--version").run().expect_stdout(&format!("lake-shim {version}\n"));
    let changelog = text("CHANGELOG.md");
    let heading = format!("## [{version}] - ");
    let found = changelog.lines().find_map(|line| line.strip_prefix(&heading));
    let when = found.unwrap_or_else(|| panic!("no `{heading}` in CHANGELOG.md"));
    let is_date = when.len() == 10 && when.split('-').all(|part| part.parse::<u16>().is_ok());
    assert!(is_date || when == "unreleased", "`{when}` is neither a date nor `unreleased`");
    let first = changelog.lines().find(|line| line.starts_with("## ["));
    let is_first = first.is_some_and(|line| line.starts_with(&heading));
    assert!(is_first, "a later version stands above {version}");
}
