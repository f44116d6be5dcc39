//! `lake-manifest.json`: what every dependency is locked to.
//!
//! Versions as Lake reads them (`Lake/Load/Manifest.lean`): natural numbers 5 to 7 up to early
//! 2024, then `1.x.y` strings. Fields that are absent take Lake's defaults. Written are versions
//! from 7 on, the fields in Lake's order; what we do not know is left as it is.

mod write;

pub use write::check_writable;

use super::lakefile::{Require, Wanted};
use super::name::{self, Name};
use crate::error::hint;
use anyhow::{Context, Result, bail};
use fs_err as fs;
use serde::Deserialize;
use serde_json::Value;
use std::io::ErrorKind;
use std::path::Path;

/// The manifest's file name, unless the configuration has another (`manifestFile`).
pub const MANIFEST_FILE: &str = "lake-manifest.json";

/// A manifest's contents, as far as we use them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Manifest {
    /// As it is written.
    pub version: Value,
    /// Of the root package.
    pub name: Option<Name>,
    /// Relative to the root.
    pub packages_dir: Option<String>,
    /// Whether the root is for one toolchain only. Known since version 1.2.0.
    pub fixed_toolchain: bool,
    pub packages: Vec<Entry>,
}

/// One locked dependency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub name: Name,
    /// The owner on Reservoir, or empty. Known since version 1.1.0.
    pub scope: String,
    /// Whether it is required by a dependency only.
    pub inherited: bool,
    /// Relative to the package.
    pub config_file: Option<String>,
    pub manifest_file: Option<String>,
    pub source: Source,
}

/// Where a dependency comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// Relative to the root.
    Path { dir: String },
    Git {
        url: String,
        rev: String,
        /// What was asked for: a branch, a tag, or nothing.
        input_rev: Option<String>,
        sub_dir: Option<String>,
    },
}

impl Manifest {
    /// Reads the manifest at `path`; nothing when there is none.
    ///
    /// # Errors
    /// When it cannot be read or understood, among them versions newer than `1.x`.
    pub fn read(path: &Path) -> Result<Option<Self>> {
        let text = match fs::read(path) {
            Ok(text) => text,
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(e.into()),
        };
        let manifest = Self::parse(&text).with_context(|| {
            hint(
                format!("cannot understand `{}`", path.display()),
                "take it back from version control, or let `lake update` of the toolchain that \
                 wrote it make it anew",
            )
        });
        manifest.map(Some)
    }

    /// The manifest of a dependency, as Lake takes it when it resolves: one that it cannot load counts
    /// as none.
    ///
    /// # Errors
    /// When it is of a version newer than any we know, so that Lake may be able to.
    pub fn parse_strictly(text: &[u8]) -> Result<Option<Self>> {
        let Ok(raw) = serde_json::from_slice::<RawManifest>(text) else { return Ok(None) };
        let version = raw.version.or(raw.schema_version).unwrap_or_default();
        let is_sound = match Schema::parse(&version) {
            Ok(Schema::Flat) => raw.packages.iter().all(is_sound),
            Ok(Schema::Nested) => true,
            Err(e) if is_newer(&version) => return Err(e),
            Err(_) => false,
        };
        Ok(if is_sound { Self::parse(text).ok() } else { None })
    }

    /// Takes the text of a manifest apart.
    ///
    /// # Errors
    /// As [`Manifest::read`].
    pub fn parse(text: &[u8]) -> Result<Self> {
        let raw: RawManifest = serde_json::from_slice(text)?;
        let version = raw.version.or(raw.schema_version).context("it has no version")?;
        let schema = Schema::parse(&version)?;
        Ok(Self {
            version,
            name: raw.name.as_deref().map(Name::new),
            packages_dir: raw.packages_dir,
            fixed_toolchain: raw.fixed_toolchain,
            packages: raw.packages.into_iter().map(|p| entry(p, schema)).collect::<Result<_>>()?,
        })
    }
}

impl Entry {
    /// Reads an entry as manifests have them since version 7.
    pub fn from_json(value: &Value) -> Result<Self> {
        entry(value.clone(), Schema::Flat)
    }

    pub fn is_git(&self) -> bool {
        matches!(self.source, Source::Git { .. })
    }

    /// The require that led to this entry.
    pub fn as_require(&self) -> Require {
        let source = match self.source.clone() {
            Source::Path { dir } => Wanted::Path { dir },
            Source::Git { url, input_rev, sub_dir, .. } => {
                Wanted::Git { url, rev: input_rev, sub_dir }
            }
        };
        Require { name: self.name.clone(), scope: self.scope.clone(), source }
    }
}

impl Source {
    fn kind(&self) -> &'static str {
        match self {
            Self::Path { .. } => "path",
            Self::Git { .. } => "git",
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawManifest {
    version: Option<Value>,
    /// What `.lake/package-overrides.json` calls it.
    schema_version: Option<Value>,
    name: Option<String>,
    packages_dir: Option<String>,
    #[serde(default)]
    fixed_toolchain: bool,
    #[serde(default)]
    packages: Vec<Value>,
}

/// Up to version 6 optional fields had a `?` to their names.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawEntry {
    name: String,
    r#type: Option<String>,
    #[serde(default)]
    scope: String,
    #[serde(default)]
    inherited: bool,
    config_file: Option<String>,
    manifest_file: Option<String>,
    dir: Option<String>,
    url: Option<String>,
    rev: Option<String>,
    #[serde(alias = "inputRev?")]
    input_rev: Option<String>,
    #[serde(alias = "subDir?")]
    sub_dir: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Schema {
    /// Before `7`, entries were `{"git": {…}}` or `{"path": {…}}`.
    Nested,
    Flat,
}

impl Schema {
    fn parse(version: &Value) -> Result<Self> {
        match version {
            Value::Number(number) => match number.as_u64() {
                Some(5 | 6) => return Ok(Self::Nested),
                Some(7..) => return Ok(Self::Flat),
                _ => {}
            },
            Value::String(text) => match text.split('.').next().map(str::parse::<u64>) {
                Some(Ok(1)) => return Ok(Self::Flat),
                Some(Ok(2..)) => bail!("version `{text}` is newer than any we know (`1.x`)"),
                Some(Ok(0)) => {
                    let minor = text.split(['.', '-']).nth(1).and_then(|minor| minor.parse().ok());
                    return Self::parse(&minor.map_or(Value::Null, |m: u64| m.into()));
                }
                _ => {}
            },
            _ => {}
        }
        bail!("version `{version}` is not one we know (`5` to `7`, `1.x`)")
    }
}

/// Whether `version` is of a higher major version than we know.
fn is_newer(version: &Value) -> bool {
    let major = version.as_str().and_then(|text| text.split('.').next()?.parse::<u64>().ok());
    major.is_some_and(|major| major > 1)
}

/// Whether an entry has what Lake insists on: it does without few fields, and names have to be
/// written as Lean would.
fn is_sound(entry: &Value) -> bool {
    let name = entry.get("name").and_then(Value::as_str);
    name.is_some_and(name::is_legal) && entry.get("inherited").is_some_and(Value::is_boolean)
}

fn entry(value: Value, schema: Schema) -> Result<Entry> {
    let (kind, value) = match (schema, value) {
        (Schema::Nested, Value::Object(object)) => {
            let (kind, value) = object.into_iter().next().context("an empty package entry")?;
            (Some(kind), value)
        }
        (_, value) => (None, value),
    };
    let raw: RawEntry = serde_json::from_value(value).context("a package entry")?;
    let name = Name::new(&raw.name);
    let missing = |field: &str| format!("package `{name}` has no `{field}`");
    let source = match kind.or(raw.r#type).as_deref() {
        Some("path") => Source::Path { dir: raw.dir.with_context(|| missing("dir"))? },
        Some("git") => Source::Git {
            url: raw.url.with_context(|| missing("url"))?,
            rev: raw.rev.with_context(|| missing("rev"))?,
            input_rev: raw.input_rev,
            sub_dir: raw.sub_dir,
        },
        Some(kind) => bail!("package `{name}` is of type `{kind}`, which we do not know"),
        None => bail!(missing("type")),
    };
    // The name becomes a directory's.
    let plain = name.plain();
    if plain.is_empty() || plain.contains('/') || matches!(plain.as_str(), "." | "..") {
        bail!("`{name}` is no package name");
    }
    let RawEntry { scope, inherited, config_file, manifest_file, .. } = raw;
    Ok(Entry { name, scope, inherited, config_file, manifest_file, source })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Manifest> {
        Manifest::parse(text.as_bytes())
    }

    #[test]
    fn every_version_lake_reads() {
        let git = r#""name":"a","url":"u","rev":"r","subDir?":null,"inputRev?":null,"opts":{},"inherited":false"#;
        for (version, entry) in [
            ("5", format!(r#"{{"git":{{{git}}}}}"#)),
            ("6", format!(r#"{{"git":{{{git}}}}}"#)),
            ("7", format!(r#"{{"type":"git",{git}}}"#)),
            (r#""1.0.0""#, format!(r#"{{"type":"git",{git}}}"#)),
            (r#""1.1.0""#, format!(r#"{{"type":"git",{git}}}"#)),
            (r#""1.2.0-foo""#, format!(r#"{{"type":"git",{git}}}"#)),
        ] {
            let manifest = parse(&format!(r#"{{"version":{version},"packages":[{entry}]}}"#));
            let manifest = manifest.unwrap_or_else(|e| panic!("{version}: {e:#}"));
            assert_eq!(manifest.packages[0].name.as_str(), "a", "{version}");
        }
    }

    #[test]
    fn versions_lake_refuses() {
        for version in ["4", "0", "-1", "null", r#""2.0.0""#, r#""x""#, r#""0.4""#, "1.5"] {
            assert!(
                parse(&format!(r#"{{"version":{version},"packages":[]}}"#)).is_err(),
                "{version}"
            );
        }
        assert!(parse("{}").is_err());
        assert!(parse(r#"{"version":"1.1.0","packages":["#).is_err());
    }

    #[test]
    fn names_become_directories() {
        let entry = |name| {
            format!(r#"{{"version":7,"packages":[{{"type":"path","name":"{name}","dir":"d"}}]}}"#)
        };
        assert!(parse(&entry("a")).is_ok());
        for bad in ["", "..", "a/b", "«../x»"] {
            assert!(parse(&entry(bad)).is_err(), "{bad}");
        }
    }
}
