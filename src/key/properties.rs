//! What has to hold of every key, tried on projects made up at random: whatever goes into a thing
//! changes its key, and nothing else does.

use super::{Build, build, image_tag, packages, tag};
use crate::workspace::{Location, Workspace};
use fs_err as fs;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::Config;
use serde_json::json;
use std::collections::BTreeMap;
use std::fs::{File, FileTimes, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, SystemTime};
use tempfile::TempDir;

/// Few, so that all of them together take a second or two.
const CASES: u32 = 32;

/// What a commit holds.
#[derive(Clone, Debug)]
struct Project {
    toolchain: String,
    mathlib: String,
    /// The end of the Dockerfile.
    recipe: String,
    /// What the Dockerfile copies.
    copied: BTreeMap<&'static str, Vec<u8>>,
    sources: BTreeMap<&'static str, Vec<u8>>,
    with: BTreeMap<String, String>,
    executable: &'static str,
}

/// What a checkout makes of it.
#[derive(Clone, Debug, Default)]
struct Checkout {
    has_crlf: bool,
    /// Files are made in this order, and get this age.
    order: Vec<Index>,
    /// Of the bits that a umask may take away.
    mode: u32,
    /// Files that nobody copies, or that are ignored.
    noise: Vec<(&'static str, Vec<u8>)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Keys {
    image_tag: String,
    packages: String,
    build: String,
}

const COPIED: [&str; 4] = ["ci/one.txt", "ci/dir/run.sh", "ci/dir/deep/two", "ci/three.glob"];
const SOURCES: [&str; 3] = ["Main.lean", "Sub/Basic.lean", "Sub/ffi.c"];
/// Nothing of this is copied, and nothing of it builds.
const NOISE: [&str; 7] = [
    "ci/other.txt",
    "ci/dir/left.out",
    "ci/dir/deep/cache/x",
    "README.md",
    ".lake/build/Main.lean",
    "ignored/Scratch.lean",
    "ci/.dockerignore.bak",
];

fn contents() -> impl Strategy<Value = Vec<u8>> {
    let byte = select(b"abc \n\n\r\x00\xff".as_slice());
    prop_oneof![4 => vec(select(b"ab\n".as_slice()), 1..40), 1 => vec(byte, 1..40)]
}

fn hex() -> impl Strategy<Value = String> {
    "[0-9a-f]{40}"
}

prop_compose! {
    fn project()(
        toolchain in "(leanprover/lean4:)?v4[.][0-9]{1,2}[.]0(-rc[1-9])?",
        mathlib in hex(),
        recipe in "(RUN [a-z ]{1,9}\n){0,3}",
        copied in vec(contents(), COPIED.len()),
        sources in vec(contents(), SOURCES.len()),
        with in prop::collection::btree_map("[a-c]", "[a-z]{0,3}", 0..3),
        executable in select(COPIED.as_slice()),
    ) -> Project {
        let copied = COPIED.into_iter().zip(copied).collect();
        let sources = SOURCES.into_iter().zip(sources).collect();
        Project { toolchain, mathlib, recipe, copied, sources, with, executable }
    }
}

prop_compose! {
    fn checkout()(
        has_crlf in any::<bool>(),
        order in vec(any::<Index>(), 16),
        mode in select([0o666, 0o664, 0o644, 0o600].as_slice()),
        noise in vec((select(NOISE.as_slice()), contents()), 0..5),
    ) -> Checkout {
        Checkout { has_crlf, order, mode, noise }
    }
}

impl Project {
    fn files(&self) -> Vec<(&'static str, Vec<u8>)> {
        let mathlib = json!({
            "type": "git", "name": "mathlib", "url": "https://x/mathlib4", "rev": self.mathlib,
        });
        let manifest = json!({ "version": "1.1.0", "name": "app", "packages": [mathlib] });
        let recipe = format!(
            "FROM debian\nARG D=dir\nCOPY one.txt \\\n  # why\n  $D/ /x/\nADD [\"*.glob\", \"/x/\"]\n{}",
            self.recipe
        );
        let fixed = [
            ("lean-toolchain", format!("{}\n", self.toolchain)),
            ("lake-manifest.json", format!("{manifest:#}\n")),
            ("lakefile.toml", "name = \"app\"\n".to_owned()),
            (".gitignore", "/ignored\n".to_owned()),
            ("ci/Dockerfile", recipe),
            ("ci/.dockerignore", "# why\ndir/*.out\n**/cache\n".to_owned()),
        ];
        let fixed = fixed.map(|(name, text)| (name, text.into_bytes()));
        let own = self.copied.iter().chain(&self.sources).map(|(name, text)| (*name, text.clone()));
        fixed.into_iter().chain(own).collect()
    }

    /// As a commit is checked out, then asked for its keys.
    fn keys(&self, checkout: &Checkout) -> Keys {
        let dir = TempDir::new().expect("a temporary directory");
        let root = dir.path();
        // A repository, so that its `.gitignore` counts.
        fs::create_dir_all(root.join(".git")).expect("a directory");
        let mut files = self.files();
        for (i, at) in checkout.order.iter().enumerate() {
            let (a, b) = (i % files.len(), at.index(files.len()));
            files.swap(a, b);
        }
        for (name, text) in files.iter().chain(&checkout.noise) {
            let text = if checkout.has_crlf { as_git_on_windows(text) } else { text.clone() };
            let is_executable = *name == self.executable;
            self.write(&root.join(name), &text, checkout, is_executable);
        }
        keys(root, &self.with)
    }

    fn write(&self, path: &Path, text: &[u8], checkout: &Checkout, is_executable: bool) {
        fs::create_dir_all(path.parent().expect("a parent")).expect("directories");
        fs::write(path, text).expect("a file");
        let mode = if checkout.mode == 0 { 0o644 } else { checkout.mode };
        // A umask takes the same away from both.
        let mode = if is_executable { mode | ((mode & 0o444) >> 2) } else { mode };
        let age = checkout.order.first().map_or(0, |at| at.index(1_000_000));
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(age as u64);
        let file = File::options().append(true).open(path).expect("a file");
        file.set_times(FileTimes::new().set_modified(time)).expect("times");
        fs::set_permissions(path, Permissions::from_mode(mode)).expect("a mode");
    }

    /// One byte of this file is another one.
    fn changed(&self, name: &str, at: Index, by: u8) -> Self {
        let mut changed = self.clone();
        let all = changed.copied.iter_mut().chain(&mut changed.sources);
        for (_, text) in all.filter(|(other, _)| **other == name) {
            let at = at.index(text.len());
            text[at] = text[at].wrapping_add(by);
        }
        changed
    }
}

fn keys(root: &Path, with: &BTreeMap<String, String>) -> Keys {
    let workspace = Workspace::discover(root, &Location::default());
    let workspace = workspace.expect("it can be read").expect("a workspace");
    let context = root.join("ci");
    let recipe = Build { dockerfile: context.join("Dockerfile"), context, args: BTreeMap::new() };
    Keys {
        image_tag: image_tag(&workspace, &recipe, with).expect("a tag").tag,
        packages: packages(&workspace).expect("a key"),
        build: build(&workspace).expect("a key"),
    }
}

/// What `core.autocrlf` checks out: `\r\n` for `\n`, but in files that have a `\r` already or are no
/// text.
fn as_git_on_windows(text: &[u8]) -> Vec<u8> {
    if text.iter().any(|byte| matches!(byte, 0 | b'\r')) {
        return text.to_owned();
    }
    text.iter()
        .flat_map(|byte| if *byte == b'\n' { &b"\r\n"[..] } else { std::slice::from_ref(byte) })
        .copied()
        .collect()
}

fn config() -> Config {
    Config { cases: CASES, failure_persistence: None, ..Config::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_checkout_changes_no_key(project in project(), one in checkout(), other in checkout()) {
        prop_assert_eq!(project.keys(&one), project.keys(&other));
    }

    #[test]
    fn a_byte_of_a_copied_file_changes_the_tag_alone(
        project in project(),
        name in select(COPIED.as_slice()),
        at in any::<Index>(),
        by in 1..=255u8,
        checkout in checkout(),
    ) {
        let (before, after) = (project.keys(&checkout), project.changed(name, at, by).keys(&checkout));
        prop_assert_ne!(&before.image_tag, &after.image_tag);
        prop_assert_eq!(before.build, after.build);
        prop_assert_eq!(before.packages, after.packages);
    }

    #[test]
    fn a_byte_of_a_source_changes_the_build_alone(
        project in project(),
        name in select(SOURCES.as_slice()),
        at in any::<Index>(),
        by in 1..=255u8,
        checkout in checkout(),
    ) {
        let (before, after) = (project.keys(&checkout), project.changed(name, at, by).keys(&checkout));
        prop_assert_ne!(&before.build, &after.build);
        prop_assert_eq!(before.image_tag, after.image_tag);
        prop_assert_eq!(before.packages, after.packages);
    }

    #[test]
    fn the_recipe_changes_the_tag_alone(project in project(), recipe in "(RUN [a-z ]{1,9}\n){0,3}") {
        let other = Project { recipe, ..project.clone() };
        let [before, after] = [&project, &other].map(|project| project.keys(&Checkout::default()));
        prop_assert_eq!(before.image_tag == after.image_tag, project.recipe == other.recipe);
        prop_assert_eq!(before.build, after.build);
    }

    #[test]
    fn the_lock_changes_every_key(project in project(), mathlib in hex(), toolchain in "[a-z]{1,9}") {
        let before = project.keys(&Checkout::default());
        for other in [
            Project { mathlib, ..project.clone() },
            Project { toolchain, ..project.clone() },
        ] {
            let after = other.keys(&Checkout::default());
            prop_assert_ne!(&before.image_tag, &after.image_tag);
            prop_assert_ne!(&before.packages, &after.packages);
            prop_assert_ne!(&before.build, &after.build);
        }
    }

    #[test]
    fn the_executable_bit_changes_the_tag(project in project(), other in select(COPIED.as_slice())) {
        let other = Project { executable: other, ..project.clone() };
        let [before, after] = [&project, &other].map(|project| project.keys(&Checkout::default()));
        prop_assert_eq!(before.image_tag == after.image_tag, project.executable == other.executable);
    }

    #[test]
    fn what_it_depends_on_besides_changes_the_tag(
        project in project(),
        with in prop::collection::btree_map("[a-c]", "[a-z]{0,3}", 0..3),
    ) {
        let other = Project { with, ..project.clone() };
        let [before, after] = [&project, &other].map(|project| project.keys(&Checkout::default()));
        prop_assert_eq!(before.image_tag == after.image_tag, project.with == other.with);
        prop_assert_eq!(before.build, after.build);
    }

    #[test]
    fn tags_are_valid(toolchain in "\\PC{0,200}", mathlib in prop::option::of("\\PC{0,200}")) {
        let digest = super::fields::Fields::new("").digest();
        let image = tag::image(&toolchain, mathlib.as_deref(), &digest);
        prop_assert!(tag::is_valid(&image), "{}", image);
        let cache = tag::cache("x86_64-linux", &toolchain, &digest);
        prop_assert!(tag::is_valid(&cache), "{}", cache);
    }

    #[test]
    fn tags_of_odd_locks_are_valid_and_differ(
        project in project(),
        toolchain in "[^\\p{C}\\s]{1,9}[^\\p{C}]{0,150}[^\\p{C}\\s]",
        mathlib in "\\PC{1,60}",
    ) {
        let odd = Project { toolchain, mathlib, ..project.clone() };
        let other = Project { toolchain: format!("{}!", odd.toolchain), ..odd.clone() };
        let third = Project { mathlib: format!("{}!", odd.mathlib), ..odd.clone() };
        let tags = [&odd, &other, &third].map(|project| project.keys(&Checkout::default()));
        for keys in &tags {
            prop_assert!(tag::is_valid(&keys.image_tag), "{}", keys.image_tag);
            prop_assert!(tag::is_valid(&keys.build), "{}", keys.build);
        }
        prop_assert_ne!(&tags[0].image_tag, &tags[1].image_tag);
        prop_assert_ne!(&tags[0].image_tag, &tags[2].image_tag);
        prop_assert_ne!(&tags[0].packages, &tags[1].packages);
        prop_assert_ne!(&tags[0].packages, &tags[2].packages);
    }
}
