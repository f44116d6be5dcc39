//! A workspace out of `fixtures/resolve` or `fixtures/resolve-more`, and the ways in which it can be resolved.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use shim_tests::{Call, Sandbox, Tree, mini_mathlib};

/// A fixture in a sandbox, its repositories online; see `resolve-cases/make.py` for the layout.
pub(crate) struct Case {
    pub(crate) sandbox: Sandbox,
    fixture: PathBuf,
    /// Where the workspace is, relative to `app`, which holds all of `in/`.
    root: PathBuf,
    manifest_file: String,
}

/// Where resolving finds what Lake would ask the network for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// In Lake's own manifest, given as a lock, and nowhere are the packages' files.
    Lock,
    /// In that lock and in clones that lie in the packages directory.
    Clones,
    /// In a baked store's lock and source packs.
    Packs,
}

impl Case {
    /// `name` is a folder of one of the two.
    pub(crate) fn of(name: &str) -> Case {
        let folders = ["resolve", "resolve-more"];
        let fixtures = folders.map(|folder| mini_mathlib::fixtures().join(folder).join(name));
        let fixture = fixtures.into_iter().find(|fixture| fixture.is_dir());
        let fixture = fixture.unwrap_or_else(|| panic!("no fixture `{name}`"));
        let facts = fs::read_to_string(fixture.join("case.json")).expect("case.json");
        let facts: Value = serde_json::from_str(&facts).expect("JSON");
        let repositories = facts["repos"].as_object().into_iter().flatten();
        let sandbox =
            repositories.fold(Sandbox::empty().with_internet(), |sandbox, (url, bundle)| {
                sandbox.with_remote(url, &fixture.join("git").join(bundle.as_str().unwrap_or("")))
            });
        let fact = |key: &str, default: &str| facts[key].as_str().unwrap_or(default).to_owned();
        let case = Case {
            sandbox,
            fixture,
            root: fact("root", ".").into(),
            manifest_file: fact("manifest", "lake-manifest.json"),
        };
        case.begin_again();
        case
    }

    /// Makes `app` what it was at first.
    pub(crate) fn begin_again(&self) -> &Case {
        let app = self.sandbox.workspace();
        self.sandbox.remove(&app).copy(self.fixture.join("in"), &app);
        for path in Tree::of(&app).files().into_keys() {
            let path = app.join(path);
            let text = self.sandbox.read(&path);
            if text.contains("<ws>") {
                self.sandbox.write(path, self.placed(&text));
            }
        }
        self
    }

    /// Absolute, without `.` at its end.
    pub(crate) fn workspace(&self) -> PathBuf {
        self.sandbox.workspace().join(&self.root).components().collect()
    }

    pub(crate) fn manifest(&self) -> PathBuf {
        self.workspace().join(&self.manifest_file)
    }

    /// The manifest that a real Lake wrote.
    pub(crate) fn golden(&self) -> String {
        self.placed(&self.sandbox.read(self.fixture.join("lake-manifest.json")))
    }

    /// The same in a file outside of the workspace.
    pub(crate) fn golden_lock(&self) -> PathBuf {
        self.sandbox.write("golden.json", self.golden());
        self.sandbox.path("golden.json")
    }

    fn placed(&self, text: &str) -> String {
        text.replace("<ws>", &self.sandbox.workspace().to_string_lossy())
    }

    /// `lake-shim resolve …` in the workspace, where there is no network.
    pub(crate) fn resolve<'a>(&'a self, words: &str) -> Call<'a> {
        let call = self.sandbox.lake_shim("resolve").args(words.split_whitespace());
        call.cwd(self.workspace()).without_network()
    }

    /// As [`Case::resolve`], from Lake's own manifest.
    pub(crate) fn resolve_from_golden<'a>(&'a self, words: &str) -> Call<'a> {
        self.resolve(words).arg("--lock").arg(self.golden_lock())
    }

    /// Bakes `baked` for the workspace as Lake locked it, once. What that leaves in `app`, the manifest aside, is in
    /// `cloned`.
    fn bake(&self) {
        if self.sandbox.path("baked").exists() {
            return;
        }
        self.begin_again().sandbox.write(self.manifest(), self.golden());
        let call = self.sandbox.lake_shim("bake --level 1 --store").arg(self.sandbox.path("baked"));
        call.cwd(self.workspace()).run().expect_code(0);
        self.sandbox.remove(self.manifest()).rename("app", "cloned").mkdir("app");
    }

    /// Has everything at hand that `way` needs, and a workspace without manifest; the call that resolves it so.
    pub(crate) fn prepare(&self, way: Way) -> Call<'_> {
        if way != Way::Lock {
            self.bake();
        }
        match way {
            Way::Lock => self.begin_again().resolve_from_golden(""),
            Way::Clones => {
                self.sandbox.remove("app").copy("cloned", "app");
                self.resolve_from_golden("")
            }
            Way::Packs => {
                self.begin_again().resolve("").env("LAKE_SHIM_STORE", self.sandbox.path("baked"))
            }
        }
    }

    /// Asserts that the manifest written in such a way is Lake's, byte for byte, and that nothing else was touched.
    #[track_caller]
    pub(crate) fn assert_as_lake_wrote_it(&self, way: Way) {
        let call = self.prepare(way);
        let before = Tree::of(self.sandbox.workspace());
        let run = call.run();
        let what = format!("{} by {way:?}", self.name());
        assert_eq!(run.code, Some(0), "{what}\n{run}");
        let written = fs::read_to_string(self.manifest()).unwrap_or_default();
        assert!(written == self.golden(), "{what}\n{}\n{run}", self.differences(&written));
        self.assert_only_the_manifest_changed(&before, &what);
        assert!(run.stdout.is_empty(), "{what}\n{run}");
    }

    #[track_caller]
    fn assert_only_the_manifest_changed(&self, before: &Tree, what: &str) {
        let app = self.sandbox.workspace();
        let manifest = self.manifest();
        let manifest = manifest.strip_prefix(&app).expect("in the workspace");
        let folder = manifest.parent().unwrap_or(Path::new(""));
        let after = Tree::of(&app);
        let of = |line: &String| line[2..].split(" Entry").next().map(PathBuf::from);
        let others: Vec<_> = before
            .changes_to(&after)
            .into_iter()
            .filter(|line| of(line).is_none_or(|path| path != manifest && path != folder))
            .collect();
        assert!(others.is_empty(), "{what}: {}", others.join("\n"));
    }

    pub(crate) fn name(&self) -> String {
        self.fixture.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// What `diff` says, Lake's first.
    fn differences(&self, written: &str) -> String {
        self.sandbox.write("lakes", self.golden()).write("shims", written);
        let words = ["-u", "lakes", "shims"];
        self.sandbox.command("/usr/bin/diff", "").args(words).cwd("").run().stdout
    }
}
