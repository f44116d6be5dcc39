//! What people read, held against what is: every command in the README and in `docs/` is typed, on a
//! machine made for it; screens are what the programs show; versions and changelog go together.
//!
//! A block that cannot be run here stands behind `<!-- not run: REASON -->`; where output is shown, it
//! has to be that output.

mod messages;
mod page;
mod place;
mod release;
mod screens;
mod svg;

use std::path::{Path, PathBuf};

use page::{Block, Step, blocks, is_shown};
use place::Place;

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Types a whole page, from top to bottom.
#[track_caller]
fn read(name: &str, place: &Place) {
    for block in blocks(&repository().join(name)).iter().filter(|block| block.not_run.is_none()) {
        type_in(name, block, place);
    }
}

#[track_caller]
fn type_in(name: &str, block: &Block, place: &Place) {
    let commands: Vec<_> = block.steps.iter().map(|step| step.command.as_str()).collect();
    for (step, printed) in block.steps.iter().zip(place.type_in(&commands)) {
        let Step { command, shown } = step;
        let at = format!("{name}:{}: $ {command}", block.line);
        let may_fail = shown.as_deref().is_some_and(|shown| shown.contains("error"));
        assert!(printed.code == 0 || may_fail, "{at}\ncode {}\n{}", printed.code, printed.text);
        if let Some(shown) = shown {
            let is_it = is_shown(&printed.text, shown);
            assert!(is_it, "{at}\n--- shown\n{shown}--- printed\n{}", printed.text);
        }
    }
}

#[test]
#[cfg_attr(not(all(has = "fake-lake", has = "mount")), ignore = "needs the fake lake, mount")]
fn in_an_image() {
    let place = Place::fresh().with_ci().with_another_project().with_release();
    read("docs/in-an-image.md", &place);
}

#[test]
#[cfg_attr(not(all(has = "fake-lake", has = "mount")), ignore = "needs the fake lake, mount")]
fn on_a_laptop() {
    read("docs/on-a-laptop.md", &Place::fresh().in_release());
}

#[test]
#[cfg_attr(not(all(has = "fake-lake", has = "mount")), ignore = "needs the fake lake, mount")]
fn with_vs_code() {
    read("docs/vs-code.md", &Place::installed().with_packages());
}

#[test]
#[cfg_attr(not(all(has = "fake-lake", has = "mount")), ignore = "needs the fake lake, mount")]
fn moving_from_cache_get() {
    let place = Place::installed().with_packages().with_store().with_cache();
    read("docs/moving-from-cache-get.md", &place);
}

#[test]
#[cfg_attr(not(all(has = "fake-lake", has = "mount")), ignore = "needs the fake lake, mount")]
fn when_it_fails() {
    read("docs/when-it-fails.md", &Place::installed().with_packages().with_store());
}

#[test]
#[cfg_attr(not(all(has = "fake-lake", has = "mount")), ignore = "needs the fake lake, mount")]
fn readme() {
    let place = Place::installed().with_baked_store().with_ci();
    read("README.md", &place.with("GITHUB_OUTPUT", "/home/you/output"));
}

/// Settings in JSON are settings in JSON, and links lead somewhere.
#[test]
fn data_and_links() {
    for page in pages() {
        let text = fs_err::read_to_string(&page).expect("a page");
        for json in text.split("```json\n").skip(1) {
            let json = json.split("```").next().unwrap_or_default();
            let parsed: Result<serde_json::Value, _> = serde_json::from_str(json);
            assert!(parsed.is_ok(), "{}: {json}", page.display());
        }
        for link in text.split("](").skip(1) {
            let link = link.split([')', '#']).next().unwrap_or_default();
            let target = page.with_file_name("").join(link);
            let leads = link.is_empty() || link.starts_with("https://") || target.exists();
            assert!(leads, "{}: {link}", page.display());
        }
    }
}

fn pages() -> Vec<PathBuf> {
    let docs = fs_err::read_dir(repository().join("docs")).expect("docs").flatten();
    let docs =
        docs.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|e| e == "md"));
    docs.chain([repository().join("README.md")]).collect()
}

/// A page that no test reads would go stale.
#[test]
fn every_page_is_read() {
    let this = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/docs/main.rs");
    let this = fs_err::read_to_string(this).expect("this file");
    for page in pages() {
        let name = page.strip_prefix(repository()).expect("a page of ours").display().to_string();
        assert!(this.contains(&format!("    read(\"{name}\", &")), "{name}");
    }
}
