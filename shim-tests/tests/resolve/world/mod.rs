//! A workspace, and the repositories it can reach, as plain data: made up by [`random`], written to a sandbox, made
//! [`smaller`] when it shows something.

pub(crate) mod random;
pub(crate) mod smaller;

use std::fmt::Write as _;
use std::path::PathBuf;

use serde_json::{Value, json};
use shim_tests::Sandbox;

/// All there is.
#[derive(Clone, Debug)]
pub(crate) struct World {
    /// Of these the first is the root; their directories are relative to `app`.
    pub(crate) packages: Vec<Package>,
    pub(crate) repositories: Vec<Repository>,
}

/// At `https://example.org/org/r0` and so on. Its commits are tagged `v0` and so on, `main` is the last.
#[derive(Clone, Debug)]
pub(crate) struct Repository {
    /// Each with packages in the same directories.
    pub(crate) commits: Vec<Vec<Package>>,
}

#[derive(Clone, Debug)]
pub(crate) struct Package {
    /// Relative to `app` or to the repository; `.` is that itself.
    pub(crate) dir: String,
    pub(crate) name: String,
    /// Further lines of the configuration.
    pub(crate) settings: Vec<String>,
    pub(crate) requires: Vec<Require>,
    pub(crate) manifest: Option<Manifest>,
}

#[derive(Clone, Debug)]
pub(crate) struct Require {
    pub(crate) name: String,
    pub(crate) scope: Option<&'static str>,
    pub(crate) source: Source,
}

#[derive(Clone, Debug)]
pub(crate) enum Source {
    /// As it is written, relative to the package that requires it.
    Path(String),
    Git {
        repository: usize,
        /// `https://example.org/org/r0`, spelled so or otherwise.
        url: String,
        /// A branch or a tag.
        rev: Option<String>,
        sub_dir: Option<String>,
        /// How the configuration says it.
        form: Form,
    },
    Reservoir,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Plain,
    Table,
    Source,
}

#[derive(Clone, Debug)]
pub(crate) struct Manifest {
    /// `7`, `"1.1.0"`
    pub(crate) version: Value,
    pub(crate) pins: Vec<Pin>,
}

/// An entry.
#[derive(Clone, Debug)]
pub(crate) struct Pin {
    pub(crate) require: Require,
    /// Of a git source, the number of the commit.
    pub(crate) commit: usize,
    pub(crate) inherited: bool,
    pub(crate) config_file: &'static str,
    pub(crate) manifest_file: &'static str,
}

/// The names of the commits of every repository.
pub(crate) type Revisions = Vec<Vec<String>>;

impl World {
    /// Where the root is, in the sandbox.
    pub(crate) fn root(&self, sandbox: &Sandbox) -> PathBuf {
        sandbox.workspace().join(&self.packages[0].dir).components().collect()
    }

    /// Puts all of it, and nothing else, into `app` and behind the URLs.
    pub(crate) fn write(&self, sandbox: &Sandbox) -> Revisions {
        sandbox.remove("remotes").mkdir("remotes");
        let mut revisions = Revisions::new();
        for (number, repository) in self.repositories.iter().enumerate() {
            let found = repository.write(sandbox, number, &revisions);
            revisions.push(found);
        }
        self.write_app(sandbox, &revisions);
        revisions
    }

    /// Makes `app` what it was at first.
    pub(crate) fn write_app(&self, sandbox: &Sandbox, revisions: &Revisions) {
        sandbox.remove("app").mkdir("app");
        for package in &self.packages {
            for (file, text) in package.files(revisions) {
                sandbox.write(sandbox.workspace().join(&package.dir).join(file), text);
            }
        }
        sandbox.write(self.root(sandbox).join("lean-toolchain"), "leanprover/lean4:v4.27.0\n");
    }

    /// All files, for a report.
    pub(crate) fn describe(&self, revisions: &Revisions) -> String {
        let mut text = String::new();
        let mut show = |place: String, package: &Package| {
            for (file, content) in package.files(revisions) {
                let _ = writeln!(text, "== {place}/{}/{file}\n{}", package.dir, content.trim_end());
            }
        };
        self.packages.iter().for_each(|package| show("app".into(), package));
        for (number, repository) in self.repositories.iter().enumerate() {
            for (commit, packages) in repository.commits.iter().enumerate() {
                packages.iter().for_each(|package| show(format!("r{number}@v{commit}"), package));
            }
        }
        text
    }
}

impl Repository {
    fn write(&self, sandbox: &Sandbox, number: usize, others: &Revisions) -> Vec<String> {
        let place = sandbox.remote(&format!("https://example.org/org/r{number}"));
        let git_dir = place.to_string_lossy();
        let bare = ["init", "--quiet", "--bare", "--initial-branch=main"];
        sandbox.git(&sandbox.path("remotes"), &[&bare[..], &[&*git_dir]].concat());
        let mut stream = String::new();
        for (mark, packages) in self.commits.iter().enumerate() {
            let files = packages.iter().flat_map(|package| {
                let place = package.dir.strip_prefix('.').unwrap_or(&package.dir);
                let place = if place.is_empty() { String::new() } else { format!("{place}/") };
                package
                    .files(others)
                    .into_iter()
                    .map(move |(file, text)| (format!("{place}{file}"), text))
            });
            let author = "fixture <fixture@example.org> 1767225600 +0000";
            let mark = mark + 1;
            let _ = write!(
                stream,
                "commit refs/heads/main\nmark :{mark}\ncommitter {author}\ndata 0\ndeleteall\n"
            );
            for (path, text) in files {
                let _ = writeln!(stream, "M 100644 inline {path}\ndata {}\n{text}", text.len());
            }
            let _ = writeln!(stream, "reset refs/tags/v{}\nfrom :{mark}\n", mark - 1);
            let _ = writeln!(stream, "reset refs/heads/master\nfrom :{mark}\n");
        }
        let import = sandbox.command("git", "fast-import --quiet --force").cwd(&place);
        import.stdin(stream).run().expect_code(0);
        let tags: Vec<_> = (0..self.commits.len()).map(|commit| format!("v{commit}")).collect();
        let tags: Vec<_> =
            ["rev-parse"].into_iter().chain(tags.iter().map(String::as_str)).collect();
        sandbox.git(&place, &tags).lines().map(str::to_owned).collect()
    }
}

impl Package {
    fn manifest_file(&self) -> &str {
        let named = self.settings.iter().find_map(|line| line.strip_prefix("manifestFile = \""));
        named.map_or("lake-manifest.json", |rest| rest.trim_end_matches('"'))
    }

    fn files(&self, revisions: &Revisions) -> Vec<(String, String)> {
        let mut lakefile = format!("name = {}\n", json!(self.name));
        self.settings.iter().for_each(|line| lakefile.push_str(&format!("{line}\n")));
        self.requires.iter().for_each(|require| lakefile.push_str(&require.toml()));
        let mut files = vec![("lakefile.toml".to_owned(), lakefile)];
        if let Some(manifest) = &self.manifest {
            let text = manifest.json(&self.name, revisions).to_string();
            files.push((self.manifest_file().to_owned(), text));
        }
        files
    }
}

impl Require {
    fn toml(&self) -> String {
        let mut text = format!("\n[[require]]\nname = {}\n", json!(self.name));
        let mut field = |key: &str, value: Option<&str>| {
            if let Some(value) = value {
                let _ = writeln!(text, "{key} = {}", json!(value));
            }
        };
        field("scope", self.scope);
        match &self.source {
            Source::Path(path) => field("path", Some(path)),
            Source::Reservoir => field("version", Some("git#main")),
            Source::Git { url, rev, sub_dir, form, .. } => {
                let (at_url, at_rev, at_sub_dir) = match form {
                    Form::Plain => ("git", "rev", "subDir"),
                    Form::Table => ("git.url", "rev", "git.subDir"),
                    Form::Source => ("source.url", "source.rev", "source.subDir"),
                };
                field("source.type", (*form == Form::Source).then_some("git"));
                field(at_url, Some(url));
                field(at_rev, rev.as_deref());
                field(at_sub_dir, sub_dir.as_deref());
            }
        }
        text
    }
}

impl Manifest {
    fn json(&self, name: &str, revisions: &Revisions) -> Value {
        let packages: Vec<_> = self.pins.iter().map(|pin| pin.json(revisions)).collect();
        let name = lean_name(name);
        json!({ "version": self.version, "packagesDir": ".lake/packages", "packages": packages, "name": name })
    }
}

impl Pin {
    fn json(&self, revisions: &Revisions) -> Value {
        let mut entry = json!({
            "name": lean_name(&self.require.name),
            "inherited": self.inherited,
            "configFile": self.config_file,
            "manifestFile": self.manifest_file,
        });
        if let Some(scope) = self.require.scope {
            entry["scope"] = json!(scope);
        }
        match &self.require.source {
            Source::Git { repository, url, rev, sub_dir, .. } => {
                entry["type"] = json!("git");
                entry["url"] = json!(url);
                entry["rev"] = json!(revisions[*repository][self.commit]);
                entry["inputRev"] = json!(rev);
                entry["subDir"] = json!(sub_dir);
            }
            Source::Path(dir) => {
                entry["type"] = json!("path");
                entry["dir"] = json!(dir);
            }
            Source::Reservoir => unreachable!("a manifest has no such entry"),
        }
        entry
    }
}

/// As Lean prints the names that [`random`] has.
fn lean_name(name: &str) -> String {
    if name.contains('-') { format!("«{name}»") } else { name.to_owned() }
}

/// Where one package is from another of the same place.
fn path_between(from: &str, to: &str) -> String {
    let depth = from.split('/').filter(|part| *part != ".").count();
    let steps = std::iter::repeat_n("..", depth).chain([to]).filter(|step| *step != ".");
    let steps: Vec<_> = steps.collect();
    if steps.is_empty() { ".".to_owned() } else { steps.join("/") }
}
