//! `lake-manifest.json`: the entries that Lake materialises.

use std::collections::HashMap;
use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use fs_err as fs;
use serde_json::{Value, json};

use crate::dialect::Dialect;

pub(crate) const FILE: &str = "lake-manifest.json";

/// Entries that replace those of the manifest when a workspace is loaded.
pub(crate) const OVERRIDES_FILE: &str = ".lake/package-overrides.json";

pub(crate) struct Manifest {
    pub(crate) packages_dir: Option<PathBuf>,
    pub(crate) entries: Vec<Entry>,
}

#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) scope: String,
    pub(crate) inherited: bool,
    pub(crate) config_file: String,
    pub(crate) source: Source,
}

#[derive(Clone, Debug)]
pub(crate) enum Source {
    Path { dir: PathBuf },
    Git { url: String, rev: String, input_rev: Option<String> },
}

impl Manifest {
    /// `None` if there is no such file.
    pub(crate) fn load(path: &Path) -> Result<Option<Manifest>> {
        if !path.exists() {
            return Ok(None);
        }
        let manifest = read_json(path)?;
        Ok(Some(Manifest {
            packages_dir: manifest["packagesDir"].as_str().map(PathBuf::from),
            entries: entries(&manifest).with_context(|| path.display().to_string())?,
        }))
    }

    /// Not in Lean's layout; what it says is the same.
    pub(crate) fn save(&self, path: &Path, name: &str, dialect: Dialect) -> Result<()> {
        let mut manifest = json!({
            "version": "1.1.0",
            "packagesDir": self.packages_dir,
            "packages": self.entries.iter().map(Entry::to_json).collect::<Vec<_>>(),
            "name": name,
            "lakeDir": ".lake",
        });
        if dialect.writes_fixed_toolchain() {
            manifest["version"] = json!("1.2.0");
            manifest["fixedToolchain"] = json!(false);
        }
        fs::write(path, serde_json::to_string_pretty(&manifest)?)?;
        Ok(())
    }
}

/// Reads a file of overrides. Fails if there is none.
pub(crate) fn load_overrides(path: &Path) -> Result<Vec<Entry>> {
    let file = path.display();
    ensure!(path.exists(), "no such file or directory (error code: 2)\n  file: {file}");
    let file = read_json(path)?;
    let version = file.get("version").or_else(|| file.get("schemaVersion"));
    let version = version.context("property not found: schemaVersion");
    version.and_then(|_| entries(&file)).with_context(|| path.display().to_string())
}

fn read_json(path: &Path) -> Result<Value> {
    serde_json::from_slice(&fs::read(path)?)
        .with_context(|| format!("{}: manifest could not be parsed", path.display()))
}

fn entries(file: &Value) -> Result<Vec<Entry>> {
    let packages = file["packages"].as_array().into_iter().flatten();
    packages.map(Entry::parse).collect::<Result<_>>().context("packages")
}

impl Entry {
    fn parse(value: &Value) -> Result<Entry> {
        let name = value["name"].as_str().context("package entry: property not found: name")?;
        let missing = |key: &str| format!("package entry '{name}': property not found: {key}");
        let field = |key: &str| {
            let text = value[key].as_str().with_context(|| missing(key));
            text.map(str::to_owned)
        };
        let source = match field("type")?.as_str() {
            "path" => Source::Path { dir: field("dir")?.into() },
            "git" => Source::Git {
                url: field("url")?,
                rev: field("rev")?,
                input_rev: field("inputRev").ok(),
            },
            other => {
                anyhow::bail!("package entry '{name}': unknown package entry type '{other}'")
            }
        };
        Ok(Entry {
            // `«std-1.0»` names the directory std-1.0
            name: name.replace(['«', '»'], ""),
            scope: field("scope").unwrap_or_default(),
            inherited: value["inherited"].as_bool().with_context(|| missing("inherited"))?,
            config_file: field("configFile").unwrap_or_else(|_| "lakefile".to_owned()),
            source,
        })
    }

    fn to_json(&self) -> Value {
        let mut entry = json!({
            "name": quoted(&self.name),
            "scope": self.scope,
            "inherited": self.inherited,
            "configFile": self.config_file,
            "manifestFile": FILE,
        });
        match &self.source {
            Source::Path { dir } => {
                entry["type"] = json!("path");
                entry["dir"] = json!(dir);
            }
            Source::Git { url, rev, input_rev } => {
                entry["type"] = json!("git");
                entry["url"] = json!(url);
                entry["rev"] = json!(rev);
                entry["inputRev"] = json!(input_rev);
                entry["subDir"] = Value::Null;
            }
        }
        entry
    }
}

/// A name as Lean prints it: what is no plain identifier stands in guillemets.
fn quoted(name: &str) -> String {
    let plain = |letter: char| letter.is_alphanumeric() || letter == '_';
    let starts_plain = name.starts_with(|first: char| first.is_alphabetic() || first == '_');
    match starts_plain && name.chars().all(plain) {
        true => name.to_owned(),
        false => format!("«{name}»"),
    }
}

/// `LAKE_PKG_URL_MAP`: package → the URL to use instead.
pub(crate) fn url_map() -> Result<HashMap<String, String>> {
    let Ok(text) = env::var("LAKE_PKG_URL_MAP") else {
        return Ok(HashMap::new());
    };
    let map: Value = serde_json::from_str(&text).context("'LAKE_PKG_URL_MAP' has invalid JSON")?;
    let map = map.as_object().context("'LAKE_PKG_URL_MAP' has invalid JSON")?;
    let pairs = map.iter().map(|(name, url)| {
        let url = url.as_str().context("'LAKE_PKG_URL_MAP' has invalid JSON: String expected")?;
        Ok((plain_name(name)?, url.to_owned()))
    });
    pairs.collect()
}

/// `std-1.0` of `«std-1.0»`; as it stands that is no name, which Lake does not forgive.
fn plain_name(key: &str) -> Result<String> {
    let is_part = |part: &str| !part.is_empty() && (part.starts_with('«') || quoted(part) == part);
    let is_name = key.starts_with('«') || key.split('.').all(is_part);
    ensure!(is_name, "'LAKE_PKG_URL_MAP' has invalid JSON: expected a `Name`, got '{key}'");
    Ok(key.replace(['«', '»'], ""))
}
