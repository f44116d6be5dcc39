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
use crate::read;
use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use std::io::ErrorKind;
use std::path::Path;

/// The manifest's file name, unless the configuration has another (`manifestFile`).
pub const MANIFEST_FILE: &str = "lake-manifest.json";

/// Bytes of a version, as it is written. Known ones have up to ten.
const MAX_VERSION: usize = 64;

/// What Lean prints, and reads, for no name.
const ANONYMOUS: &str = "[anonymous]";

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
    Path {
        /// Relative to the root.
        dir: String,
        /// `true` if Lake copies the directory into the packages directory. Known since version 1.3.0.
        copy: bool,
    },
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
        let not_understood = || {
            hint(
                format!("cannot understand `{}`", path.display()),
                "take it back from version control, or let `lake update` of the toolchain that \
                 wrote it make it anew",
            )
        };
        match read::bytes(path, read::TEXT) {
            Ok(text) => Self::parse(&text).with_context(not_understood).map(Some),
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
            Err(e) if e.kind() == ErrorKind::FileTooLarge => Err(e).with_context(not_understood),
            Err(e) => Err(e.into()),
        }
    }

    /// The manifest of a dependency, as Lake takes it when it resolves: one that it cannot load counts
    /// as none.
    ///
    /// # Errors
    /// When it is of a version newer than any we know, so that Lake may be able to.
    pub fn parse_strictly(text: &[u8]) -> Result<Option<Self>> {
        let version = version(text).unwrap_or_default();
        let is_sound = match Schema::parse(&version) {
            Ok(Schema::Flat) => serde_json::from_slice(text)
                .is_ok_and(|raw: RawManifest<RawEntry>| raw.packages.iter().all(is_sound)),
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
        let version = version(text)?;
        let raw = match Schema::parse(&version)? {
            Schema::Flat => serde_json::from_slice(text)?,
            Schema::Nested => serde_json::from_slice::<RawManifest<NestedEntry>>(text)?.flat(),
        };
        Ok(Self {
            version,
            name: raw.name.as_deref().filter(|name| *name != ANONYMOUS).map(Name::new),
            packages_dir: raw.packages_dir,
            fixed_toolchain: raw.fixed_toolchain.unwrap_or(false),
            packages: raw.packages.into_iter().map(entry).collect::<Result<_>>()?,
        })
    }
}

impl Entry {
    /// Reads an entry as manifests have them since version 7.
    pub fn from_json(value: &Value) -> Result<Self> {
        entry(RawEntry::deserialize(value)?)
    }

    pub fn is_git(&self) -> bool {
        matches!(self.source, Source::Git { .. })
    }

    /// The require that led to this entry.
    pub fn as_require(&self) -> Require {
        let source = match self.source.clone() {
            Source::Path { dir, .. } => Wanted::Path { dir },
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

/// What tells how to read the rest.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Versions<'a> {
    #[serde(borrow)]
    version: Option<&'a RawValue>,
    /// What `.lake/package-overrides.json` calls it.
    #[serde(borrow)]
    schema_version: Option<&'a RawValue>,
}

fn version(text: &[u8]) -> Result<Value> {
    // What is passed over is not looked at otherwise, and Lake reads no such file.
    let text = std::str::from_utf8(text).context("it is not UTF-8")?;
    let Versions { version, schema_version } = serde_json::from_str(text)?;
    // A list was read as the fields in their order.
    ensure!(text.trim_start().starts_with('{'), "it is no JSON object");
    let version = version.or(schema_version).context("it has no version")?;
    ensure!(version.get().len() <= MAX_VERSION, "its version is longer than any we know");
    Ok(serde_json::from_str(version.get())?)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawManifest<E> {
    name: Option<String>,
    packages_dir: Option<String>,
    fixed_toolchain: Option<bool>,
    #[serde(default = "Vec::new")]
    packages: Vec<E>,
}

/// Up to version 6 optional fields had a `?` to their names. Later ones pass those over.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawEntry {
    name: String,
    r#type: Option<String>,
    scope: Option<String>,
    inherited: Option<bool>,
    config_file: Option<String>,
    manifest_file: Option<String>,
    dir: Option<String>,
    copy: Option<bool>,
    url: Option<String>,
    rev: Option<String>,
    input_rev: Option<String>,
    sub_dir: Option<String>,
    #[serde(rename = "inputRev?")]
    nested_input_rev: Option<String>,
    #[serde(rename = "subDir?")]
    nested_sub_dir: Option<String>,
}

/// Before version 7.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
enum NestedEntry {
    Git(RawEntry),
    Path(RawEntry),
}

impl RawManifest<NestedEntry> {
    fn flat(self) -> RawManifest<RawEntry> {
        let flat = |nested| match nested {
            NestedEntry::Git(entry) => RawEntry {
                r#type: Some("git".to_owned()),
                input_rev: entry.nested_input_rev.clone(),
                sub_dir: entry.nested_sub_dir.clone(),
                ..entry
            },
            NestedEntry::Path(entry) => RawEntry { r#type: Some("path".to_owned()), ..entry },
        };
        let Self { name, packages_dir, fixed_toolchain, packages } = self;
        let packages = packages.into_iter().map(flat).collect();
        RawManifest { name, packages_dir, fixed_toolchain, packages }
    }
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
fn is_sound(entry: &RawEntry) -> bool {
    name::is_legal(&entry.name) && entry.inherited.is_some()
}

fn entry(raw: RawEntry) -> Result<Entry> {
    let name = Name::new(&raw.name);
    let missing = |field: &str| format!("package `{name}` has no `{field}`");
    let source = match raw.r#type.as_deref() {
        // A copy is put into a directory of its name.
        Some("path") if raw.copy == Some(true) && !name.is_file_name() => {
            bail!("`{name}` is no package name")
        }
        Some("path") => Source::Path {
            dir: raw.dir.with_context(|| missing("dir"))?,
            copy: raw.copy.unwrap_or(false),
        },
        // It is cloned into a directory of its name.
        Some("git") if !name.is_file_name() => bail!("`{name}` is no package name"),
        Some("git") => Source::Git {
            url: raw.url.with_context(|| missing("url"))?,
            rev: raw.rev.with_context(|| missing("rev"))?,
            input_rev: raw.input_rev,
            sub_dir: raw.sub_dir,
        },
        Some(kind) => bail!("package `{name}` is of type `{kind}`, which we do not know"),
        None => bail!(missing("type")),
    };
    let RawEntry { scope, inherited, config_file, manifest_file, .. } = raw;
    let (inherited, scope) = (inherited.unwrap_or(false), scope.unwrap_or_default());
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
        let git = r#""name":"a","url":"u","rev":"r","subDir?":"s","inputRev?":"v","opts":{},"inherited":false"#;
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
            let Source::Git { input_rev, sub_dir, .. } = &manifest.packages[0].source else {
                panic!("{version}: no git package")
            };
            // Fields of the nested schema are none of the flat one.
            let nested = ["5", "6"].contains(&version);
            assert_eq!(input_rev.as_deref(), nested.then_some("v"), "{version}");
            assert_eq!(sub_dir.as_deref(), nested.then_some("s"), "{version}");
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
    fn names_of_clones_become_directories_and_those_of_paths_only_labels() {
        let entry = |kind: &str, name| {
            let place = r#""dir":"d","url":"u","rev":"r""#;
            let entry = format!(r#"{{"type":"{kind}","name":"{name}",{place}}}"#);
            format!(r#"{{"version":7,"packages":[{entry}]}}"#)
        };
        assert!(parse(&entry("git", "a")).is_ok());
        for bad in ["", "..", "a/b", "«../x»", "«a»/b", "a\\u0000", "a\\nhint: b", "\\u001b[2Ja"]
        {
            assert!(parse(&entry("git", bad)).is_err(), "{bad}");
            let manifest = parse(&entry("path", bad)).expect("Lake takes it");
            let name = &manifest.packages[0].name;
            assert!(!format!("{name} {}", name.label()).contains(char::is_control), "{bad}");
        }
    }
}
