//! Manifests as Lake writes them.

use super::{ANONYMOUS, Entry, MANIFEST_FILE, Manifest, Schema, Source};
use crate::workspace::PACKAGES_DIR;
use crate::workspace::name::Name;
use anyhow::{Result, bail};
use serde_json::{Map, Value, json};
use std::path::Path;

/// The newest version whose fields we know is `1.3.0`.
const NEWEST_MINOR: u64 = 3;

impl Manifest {
    /// The manifest as JSON. What `old` has besides, and its order of keys, is kept.
    ///
    /// # Errors
    /// Those of [`check_writable`].
    pub fn to_json(&self, old: Option<&Value>) -> Result<Value> {
        check_writable(&self.version)?;
        let name = self.name.as_ref().map_or(ANONYMOUS, Name::as_str);
        let old_entries = old.and_then(|old| old.get("packages")).and_then(Value::as_array);
        let old_entry = |entry: &Entry| {
            let is_same = |old: &&Value| {
                old.get("name").and_then(Value::as_str).map(Name::new).as_ref() == Some(&entry.name)
                    && old.get("type") == Some(&json!(entry.source.kind()))
            };
            old_entries.and_then(|entries| entries.iter().find(is_same))
        };
        let minor = minor(&self.version);
        let packages: Vec<_> =
            self.packages.iter().map(|entry| entry.to_json(minor, old_entry(entry))).collect();
        let mut fields = vec![
            ("version", self.version.clone()),
            ("packagesDir", json!(self.packages_dir)),
            ("packages", Value::Array(packages)),
            ("name", json!(name)),
            ("lakeDir", json!(".lake")),
        ];
        if minor >= Some(2) {
            fields.push(("fixedToolchain", json!(self.fixed_toolchain)));
        }
        Ok(merged(old, fields))
    }

    /// The entries that a lock is made of, as JSON in the form of this version or, of older ones,
    /// version 7: git packages, and what comes in their repositories.
    pub fn lock_entries(&self) -> Vec<Value> {
        let packages_dir = self.packages_dir.as_deref().unwrap_or(PACKAGES_DIR);
        let is_locked = |entry: &&Entry| match &entry.source {
            Source::Git { .. } => true,
            Source::Path { dir, .. } => Path::new(dir).starts_with(packages_dir),
        };
        let locked = self.packages.iter().filter(is_locked);
        locked.map(|entry| entry.to_json(minor(&self.version), None)).collect()
    }
}

impl Entry {
    fn to_json(&self, minor: Option<u64>, old: Option<&Value>) -> Value {
        let scope = (minor >= Some(1)).then(|| ("scope", json!(self.scope)));
        let manifest_file = self.manifest_file.as_deref().unwrap_or(MANIFEST_FILE);
        let config_file = self.config_file.as_deref().unwrap_or("lakefile");
        let mut fields = vec![
            ("type", json!(self.source.kind())),
            ("name", json!(self.name.as_str())),
            ("manifestFile", json!(manifest_file)),
            ("inherited", json!(self.inherited)),
            ("configFile", json!(config_file)),
        ];
        fields.extend(scope);
        match &self.source {
            Source::Path { dir, copy } => {
                fields.push(("dir", json!(dir)));
                fields.extend((minor >= Some(3)).then(|| ("copy", json!(copy))));
            }
            Source::Git { url, rev, input_rev, sub_dir } => fields.extend([
                ("url", json!(url)),
                ("subDir", json!(sub_dir)),
                ("rev", json!(rev)),
                ("inputRev", json!(input_rev)),
            ]),
        }
        // Lean prints keys from last to first.
        fields.sort_by_key(|(key, _)| std::cmp::Reverse(*key));
        merged(old, fields)
    }
}

/// `true` if we know how to write manifests of `version`: `7`, `1.0` to `1.3`.
///
/// # Errors
/// When they are not.
pub fn check_writable(version: &Value) -> Result<()> {
    if Schema::parse(version)? == Schema::Nested {
        bail!("manifests of version {version} are not written any more");
    }
    if minor(version) > Some(NEWEST_MINOR) {
        bail!("manifests of version {version} are newer than those we can write");
    }
    Ok(())
}

/// The second number of versions `1.x`.
fn minor(version: &Value) -> Option<u64> {
    let mut numbers = version.as_str()?.split(['.', '-']).map(str::parse::<u64>);
    match (numbers.next()?.ok()?, numbers.next()?.ok()?) {
        (1, minor) => Some(minor),
        _ => None,
    }
}

/// `old` with `fields` set.
fn merged<'a>(old: Option<&Value>, fields: impl IntoIterator<Item = (&'a str, Value)>) -> Value {
    let mut object = old.and_then(Value::as_object).cloned().unwrap_or_else(Map::new);
    for (key, value) in fields {
        object.insert(key.to_owned(), value);
    }
    Value::Object(object)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Manifest> {
        Manifest::parse(text.as_bytes())
    }

    /// The layout that a real Lake 4.27 writes, from its parts.
    #[test]
    fn what_is_read_is_written_as_lake_has_it() {
        let text = include_str!(
            "../../../shim-tests/fixtures/resolve/diamond_through_two_gits/lake-manifest.json"
        );
        let json = parse(text).expect("a manifest").to_json(None).expect("a current version");
        assert_eq!(crate::workspace::lean_json::pretty(&json) + "\n", text);
    }

    #[test]
    fn what_we_do_not_know_is_kept_where_it_is() {
        let old: Value = serde_json::from_str(
            r#"{"name":"b","later":1,"version":"1.1.0","packages":
            [{"dir":"x","new":[],"type":"path","name":"a","inherited":false}]}"#,
        )
        .expect("JSON");
        let mut manifest = parse(&old.to_string()).expect("a manifest");
        manifest.name = Some(Name::new("c"));
        let written = manifest.to_json(Some(&old)).expect("a current version");
        assert_eq!(
            written.to_string(),
            r#"{"name":"c","later":1,"version":"1.1.0","packages":[{"dir":"x","new":[],"type":"path","name":"a","inherited":false,"scope":"","manifestFile":"lake-manifest.json","configFile":"lakefile"}],"packagesDir":null,"lakeDir":".lake"}"#
        );
    }

    #[test]
    fn versions_that_are_not_written() {
        for version in ["6", "\"1.4.0\""] {
            let manifest = parse(&format!(r#"{{"version":{version},"packages":[]}}"#));
            assert!(manifest.expect("a manifest").to_json(None).is_err(), "{version}");
        }
        let manifest = parse(r#"{"version":7,"packages":[{"type":"path","name":"a","dir":"d"}]}"#);
        let json = manifest.expect("a manifest").to_json(None).expect("a current version");
        assert!(!json.to_string().contains("scope"), "{json}");
        let manifest = parse(r#"{"version":"1.2.0","packages":[]}"#).expect("a manifest");
        let json = manifest.to_json(None).expect("a current version");
        assert!(
            json.to_string().ends_with(r#","lakeDir":".lake","fixedToolchain":false}"#),
            "{json}"
        );
    }
}
