//! What the fake understands of a package's config: names, requires, the packages directory, the manifest.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use fs_err as fs;
use toml_edit::{Document, Table};

use crate::manifest;

#[derive(Default)]
pub(crate) struct Config {
    pub(crate) name: String,
    /// The file's own name.
    pub(crate) file: String,
    pub(crate) packages_dir: Option<PathBuf>,
    manifest_file: Option<PathBuf>,
    /// `None` for a `lakefile.lean`, which the fake cannot read.
    pub(crate) requires: Option<Vec<Require>>,
}

pub(crate) struct Require {
    pub(crate) name: String,
    pub(crate) scope: String,
    pub(crate) source: RequireSource,
}

pub(crate) enum RequireSource {
    Path(PathBuf),
    Git {
        url: String,
        rev: Option<String>,
    },
    /// Neither: Lake would ask Reservoir.
    Reservoir,
}

impl Config {
    /// Reads the file that [`Config::find`] finds.
    pub(crate) fn load(package: &str, folder: &Path, file: &Path) -> Result<Config> {
        read(&Config::find(package, folder, file)?)
    }

    /// Returns the configuration file: without an extension, `file` means `lakefile.lean` before `lakefile.toml`.
    /// Messages name `package`.
    pub(crate) fn find(package: &str, folder: &Path, file: &Path) -> Result<PathBuf> {
        let path = folder.join(file);
        if path.extension().is_some() {
            return match path.exists() {
                true => Ok(path),
                false => bail!("{package}: configuration file not found: {}", path.display()),
            };
        }
        let (lean, toml) = (path.with_extension("lean"), path.with_extension("toml"));
        match (lean.exists(), toml.exists()) {
            (true, _) => Ok(lean),
            (_, true) => Ok(toml),
            _ => bail!(
                "{package}: no configuration file with a supported extension:\n{}\n{}",
                lean.display(),
                toml.display()
            ),
        }
    }

    /// Returns `true` if a require names that package; `false` for a `lakefile.lean`, which the fake cannot read.
    pub(crate) fn requires(&self, name: &str) -> bool {
        self.requires.iter().flatten().any(|require| require.name == name)
    }

    /// Relative to the package.
    pub(crate) fn manifest_file(&self) -> &Path {
        self.manifest_file.as_deref().unwrap_or(Path::new(manifest::FILE))
    }

    pub(crate) fn exists(folder: &Path, file: &Path) -> bool {
        let path = folder.join(file);
        match path.extension() {
            Some(_) => path.exists(),
            None => path.with_extension("lean").exists() || path.with_extension("toml").exists(),
        }
    }
}

fn read(path: &Path) -> Result<Config> {
    let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let text = fs::read_to_string(path)?;
    if path.extension().is_some_and(|extension| extension == "lean") {
        return Ok(Config { name: lean_package_name(&text), file, ..Config::default() });
    }
    let document = Document::parse(text)?;
    let table = document.as_table();
    let requires = table.get("require").and_then(|item| item.as_array_of_tables());
    Ok(Config {
        name: string(table, "name").unwrap_or_default(),
        file,
        packages_dir: string(table, "packagesDir").map(PathBuf::from),
        manifest_file: string(table, "manifestFile").map(PathBuf::from),
        requires: Some(requires.into_iter().flatten().map(require).collect()),
    })
}

fn require(table: &Table) -> Require {
    let git = table.get("git");
    let (url, inner) = match git.and_then(|item| item.as_table_like()) {
        Some(git) => (
            git.get("url").and_then(|url| url.as_str()),
            git.get("rev").and_then(|rev| rev.as_str()),
        ),
        None => (git.and_then(|url| url.as_str()), None),
    };
    let source = match (url, string(table, "path")) {
        (Some(url), _) => RequireSource::Git {
            url: url.to_owned(),
            rev: inner.map(str::to_owned).or_else(|| string(table, "rev")),
        },
        (None, Some(path)) => RequireSource::Path(path.into()),
        (None, None) => RequireSource::Reservoir,
    };
    Require {
        name: string(table, "name").unwrap_or_default(),
        scope: string(table, "scope").unwrap_or_default(),
        source,
    }
}

fn string(table: &Table, key: &str) -> Option<String> {
    Some(table.get(key)?.as_str()?.to_owned())
}

/// The word behind `package`, which is all that the fake needs of one.
fn lean_package_name(text: &str) -> String {
    let mut words = text.lines().filter_map(|line| line.strip_prefix("package "));
    let name = words.next().and_then(|rest| rest.split_whitespace().next());
    name.unwrap_or_default().trim_matches(['«', '»']).to_owned()
}
