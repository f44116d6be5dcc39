//! Workspaces at random: few names, so that they meet.

use serde_json::json;
use shim_tests::random::Random;

use super::{Form, Manifest, Package, Pin, Repository, Require, Source, World, path_between};

pub(crate) const NAMES: [&str; 6] = ["a", "b", "c", "d.e", "f-g", "h"];

/// The root's among them.
pub(crate) const NAMES_AND_ROOT: [&str; 4] = ["a", "b", "c", ROOT];

const ROOT: &str = "root";

/// As the root is in `app` or is that itself.
const DIRS: [[&str; 5]; 2] =
    [["app", "a", "b", "in/c", "in/ner/d"], [".", "a", "b", "in/c", "a/d"]];
const DIRS_IN_REPOSITORIES: [&str; 3] = [".", "sub", "sub/ways/two"];

const PACKAGES_DIRS: [&str; 4] = ["deps", "../deps", "./.lake/packages", "deps/"];

impl World {
    /// The same world for the same seed and names of dependencies.
    pub(crate) fn random(seed: u64, names: &[&'static str]) -> World {
        let mut dice = Random::new(seed);
        let commits: Vec<usize> = (0..dice.below(4)).map(|_| 1 + dice.below(3)).collect();
        let mut repositories: Vec<Repository> = Vec::new();
        for (number, count) in commits.iter().enumerate() {
            let dirs = &DIRS_IN_REPOSITORIES[..1 + dice.below(3)];
            let mut maker =
                Maker { dice: &mut dice, names, commits: &commits, dirs, pinnable: number };
            let commits = (0..*count).map(|_| maker.packages()).collect();
            repositories.push(Repository { commits });
        }
        let dirs = &DIRS[dice.below(DIRS.len())];
        let dirs = &dirs[..1 + dice.below(dirs.len())];
        let pinnable = commits.len();
        let mut maker = Maker { dice: &mut dice, names, commits: &commits, dirs, pinnable };
        let mut packages = maker.packages();
        let root = &mut packages[0];
        root.name = ROOT.to_owned();
        root.manifest = None;
        root.settings.retain(|line| !line.starts_with("manifestFile"));
        while root.requires.len() < 2 {
            root.requires.push(maker.require(dirs[0]));
        }
        if maker.dice.one_in(6) {
            root.settings.push(format!("packagesDir = \"{}\"", maker.dice.of(&PACKAGES_DIRS)));
        }
        // What only Reservoir would know, the root had better not ask.
        root.requires
            .retain(|require| !matches!(require.source, Source::Reservoir) && require.name != ROOT);
        World { packages, repositories }
    }
}

/// Of the packages of one place, at one commit.
struct Maker<'a> {
    dice: &'a mut Random,
    names: &'a [&'static str],
    /// How many commits every repository has.
    commits: &'a [usize],
    dirs: &'a [&'static str],
    /// So many repositories have their revisions already.
    pinnable: usize,
}

impl Maker<'_> {
    fn packages(&mut self) -> Vec<Package> {
        self.dirs.iter().map(|dir| self.package(dir)).collect()
    }

    fn package(&mut self, dir: &str) -> Package {
        let mut settings = Vec::new();
        if self.dice.one_in(10) {
            settings.push("manifestFile = \"lock.json\"".to_owned());
        }
        let requires: Vec<_> = (0..self.dice.below(4)).map(|_| self.require(dir)).collect();
        let manifest = self.dice.one_in(2).then(|| self.manifest(dir, &requires));
        Package { dir: dir.to_owned(), name: self.name(), settings, requires, manifest }
    }

    fn name(&mut self) -> String {
        self.dice.of(self.names).to_owned()
    }

    fn require(&mut self, from: &str) -> Require {
        let scope = self.dice.one_in(5).then_some("org");
        let is_path = self.commits.is_empty() || self.dice.one_in(2);
        let source = if self.dice.one_in(12) {
            Source::Reservoir
        } else if is_path {
            self.path(from)
        } else {
            let repository = self.dice.below(self.commits.len());
            self.git(repository)
        };
        let scope = if matches!(source, Source::Reservoir) { Some("org") } else { scope };
        Require { name: self.name(), scope, source }
    }

    fn path(&mut self, from: &str) -> Source {
        let path = path_between(from, self.dice.of(self.dirs));
        Source::Path(match self.dice.below(8) {
            0 => format!("./{path}"),
            1 => format!("{path}/"),
            2 => format!("{path}/."),
            _ => path,
        })
    }

    fn git(&mut self, repository: usize) -> Source {
        let rev = match self.dice.below(4) {
            0 => None,
            1 => Some("main".to_owned()),
            _ => Some(format!("v{}", self.dice.below(self.commits[repository]))),
        };
        let end = self.dice.of(&["", "", ".git"]);
        let form = self.dice.of(&[Form::Plain, Form::Plain, Form::Table, Form::Source]);
        // Every repository has a package here; who wants another directory may not find it.
        let sub_dir = self.dice.one_in(8).then(|| self.dice.of(&["sub", ".", "./sub"]).to_string());
        let url = format!("https://example.org/org/r{repository}{end}");
        Source::Git { repository, url, rev, sub_dir, form }
    }

    fn manifest(&mut self, from: &str, requires: &[Require]) -> Manifest {
        let versions = [json!("1.1.0"), json!("1.0.0"), json!(7), json!("1.2.0")];
        let version = versions[self.dice.below(versions.len())].clone();
        let mut pins = Vec::new();
        for require in requires {
            if !self.dice.one_in(4) {
                pins.extend(self.pin(from, require.name.clone()));
            }
        }
        for _ in 0..self.dice.below(3) {
            let name = self.name();
            pins.extend(self.pin(from, name));
        }
        Manifest { version, pins }
    }

    fn pin(&mut self, from: &str, name: String) -> Option<Pin> {
        let is_path = self.pinnable == 0 || self.dice.one_in(3);
        let (source, commit) = if is_path {
            (self.path(from), 0)
        } else {
            let repository = self.dice.below(self.pinnable);
            (self.git(repository), self.dice.below(self.commits[repository]))
        };
        let scope = self.dice.one_in(4).then_some("org");
        Some(Pin {
            require: Require { name, scope, source },
            commit,
            inherited: self.dice.one_in(2),
            config_file: self.dice.of(&["lakefile.toml", "lakefile"]),
            manifest_file: self.dice.of(&["lake-manifest.json", "lake-manifest.json", "old.json"]),
        })
    }
}
