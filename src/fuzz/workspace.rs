//! What a workspace's own files say of its packages: the manifest, the configuration, URLs.

use super::texts;
use crate::workspace::lakefile::{Lakefile, Require, UrlLiteral, Wanted, urls, written_requires};
use crate::workspace::lean_json;
use crate::workspace::manifest::{Entry, MANIFEST_FILE, Manifest, check_writable};
use crate::workspace::respell::{Change, Respelled, Spellings};
use crate::workspace::url::{Repository, same_repository};
use serde_json::Value;
use std::path::{Component, Path};

/// A `lake-manifest.json`.
///
/// What is written of it says the same and is written so again, over the old one too; a lock of its
/// packages can be read; and respelling changes URLs.
pub fn manifest(data: &[u8]) {
    if let Ok(Some(strict)) = Manifest::parse_strictly(data) {
        assert_eq!(Manifest::parse(data).ok(), Some(strict), "what Lake reads we read");
    }
    if let Ok(text) = std::str::from_utf8(data) {
        respelled_manifest(text);
    }
    let Ok(manifest) = Manifest::parse(data) else { return };
    for entry in manifest.packages.iter().filter(|entry| entry.is_git()) {
        let plain = entry.name.plain();
        let is_one = Path::new(&plain).components().eq([Component::Normal(plain.as_ref())]);
        assert!(is_one, "`{plain}` is no name of a directory");
    }
    if check_writable(&manifest.version).is_err() {
        return;
    }
    // What we do not look at may be nested too deep to be kept.
    let old: Option<Value> = serde_json::from_slice(data).ok();
    for old in [None, old.as_ref()] {
        let json = manifest.to_json(old).expect("it is writable");
        let text = lean_json::pretty(&json);
        let again: Value = serde_json::from_str(&text).expect("what we print is JSON");
        assert_eq!(again, json);
        let read = Manifest::parse(text.as_bytes()).expect("what we print is a manifest");
        // Of what its version does not have, the old one's stays.
        assert_eq!(with_defaults(&read), with_defaults(&manifest));
        assert_eq!(read.to_json(Some(&json)).expect("still"), json, "it is not written twice");
    }
    for entry in manifest.lock_entries() {
        let entry = Entry::from_json(&entry).expect("a lock's entries can be read");
        let is_it = |own: &&Entry| own.name == entry.name && own.source == entry.source;
        assert!(manifest.packages.iter().any(|own| is_it(&own)), "{entry:?}");
    }
}

/// What the fields are that have to be written.
fn with_defaults(manifest: &Manifest) -> Manifest {
    let mut manifest = manifest.clone();
    let minor = manifest.version.as_str().and_then(|text| text.split(['.', '-']).nth(1));
    let minor: u64 = minor.and_then(|minor| minor.parse().ok()).unwrap_or(0);
    manifest.fixed_toolchain &= minor >= 2;
    for entry in &mut manifest.packages {
        entry.config_file.get_or_insert_with(|| "lakefile".to_owned());
        entry.manifest_file.get_or_insert_with(|| MANIFEST_FILE.to_owned());
        if minor < 1 {
            entry.scope.clear();
        }
    }
    manifest
}

/// Respells every URL of `text`, and a second time nothing.
fn respelled_manifest(text: &str) {
    let none = Spellings::default().manifest(text);
    let Ok(none) = none else { return };
    assert_eq!(none, Respelled { text: text.to_owned(), changes: Vec::new() });
    let Ok(json) = serde_json::from_str::<Value>(text) else { return };
    let of_entry = |entry: &Value| {
        let entry = entry.get("git").unwrap_or(entry);
        entry.get("url").and_then(Value::as_str).map(str::to_owned)
    };
    let entries = json.get("packages").and_then(Value::as_array).into_iter().flatten();
    let old: Vec<_> = entries.filter_map(of_entry).collect();
    let spellings = others(&old);
    let new = spellings.manifest(text).expect("it was one");
    let again = spellings.manifest(&new.text).expect("it is one still");
    assert!(again.changes.is_empty(), "{:?}", again.changes);
    check_lines(text, &new.changes);
    // All else is as it was.
    let mut expected = json;
    let entries = expected.get_mut("packages").and_then(Value::as_array_mut).into_iter().flatten();
    for entry in entries {
        let entry = if entry.get("git").is_some() { &mut entry["git"] } else { entry };
        if let Some(Value::String(url)) = entry.get_mut("url") {
            *url = spellings.other(url).unwrap_or(url).to_owned();
        }
    }
    assert_eq!(serde_json::from_str::<Value>(&new.text).expect("JSON"), expected);
}

/// A `lakefile.toml`.
///
/// Respelling its URLs changes their literals and not a byte around them, and nothing of what it
/// says but URLs.
pub fn lakefile(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    for require in written_requires(text) {
        assert!(require.url().is_some_and(|url| text.contains(url)), "{require:?}");
    }
    let (Ok(lakefile), Ok(old)) = (Lakefile::parse(text), urls(text)) else { return };
    for UrlLiteral { url: _, span } in &old {
        assert!(matches!(text.as_bytes()[span.start], b'"' | b'\''), "{}", &text[span.clone()]);
    }
    let spellings = others(&old.iter().map(|literal| literal.url.clone()).collect::<Vec<_>>());
    let respelled = spellings.lakefile(text).expect("it is one");
    check_lines(text, &respelled.changes);
    let new = urls(&respelled.text).expect("it is one still");
    assert_eq!(around(&respelled.text, &new), around(text, &old), "{}", respelled.text);
    let other = |url: &str| spellings.other(url).unwrap_or(url).to_owned();
    assert!(new.iter().map(|l| l.url.clone()).eq(old.iter().map(|l| other(&l.url))));
    let again = spellings.lakefile(&respelled.text).expect("it is one still");
    assert!(again.changes.is_empty(), "{:?}", again.changes);

    let mut expected = lakefile;
    for Require { source, .. } in &mut expected.requires {
        if let Wanted::Git { url, .. } = source {
            *url = other(url);
        }
    }
    assert_eq!(
        without_reasons(Lakefile::parse(&respelled.text).expect("still")),
        without_reasons(expected)
    );
}

/// A URL in more lines moves what comes after it, which reasons name by line.
fn without_reasons(mut lakefile: Lakefile) -> Lakefile {
    for Require { source, .. } in &mut lakefile.requires {
        if let Wanted::Unknown(reason) = source {
            reason.clear();
        }
    }
    lakefile
}

fn around<'a>(text: &'a str, literals: &[UrlLiteral]) -> Vec<&'a str> {
    let mut spans: Vec<_> = literals.iter().map(|literal| literal.span.clone()).collect();
    spans.sort_by_key(|span| span.start);
    let starts = std::iter::once(0).chain(spans.iter().map(|span| span.end));
    let ends = spans.iter().map(|span| span.start).chain([text.len()]);
    starts.zip(ends).map(|(start, end)| &text[start..end]).collect()
}

/// Another spelling for each of `urls` that has one.
fn others(urls: &[String]) -> Spellings {
    let mut spellings = Spellings::default();
    for url in urls {
        let other = format!("{url}.git");
        spellings.add(if same_repository(url, &other) { &other } else { url });
    }
    spellings
}

fn check_lines(text: &str, changes: &[Change]) {
    for Change { line, old, new } in changes {
        assert!((1..=text.matches('\n').count() + 1).contains(line));
        assert!(same_repository(old, new) && old != new, "{old} and {new}");
    }
}

/// Two URLs.
///
/// To name one repository is mutual, and no other spelling of one changes it.
pub fn url(data: &[u8]) {
    let mut all = texts(data).map(String::from_utf8_lossy);
    let (a, b) = (all.next().unwrap_or_default(), all.next().unwrap_or_default());
    let is_same = same_repository(&a, &b);
    assert_eq!(same_repository(&b, &a), is_same);
    // `a:/` is a path on a host, and `a://` begins a URL.
    if a.trim().ends_with([':', '/']) {
        return;
    }
    let shouted = a.strip_prefix("https://").map(|rest| format!("HTTPS://{rest}"));
    for other in [format!(" {a} "), format!("{}/", a.trim())].into_iter().chain(shouted) {
        assert!(same_repository(&a, &other), "`{a}` and `{other}`");
        assert_eq!(same_repository(&other, &b), is_same || other == b && a == b);
    }
    if let Some(rest) = a.strip_prefix("https://") {
        assert!(same_repository(&a, &format!("https://user:secret@{rest}")));
    }
    let has_credentials = |part: &str| part.contains('@');
    if let Repository::Remote { host, .. } = Repository::of(&a) {
        assert!(!has_credentials(&host), "{host}");
        assert_eq!(host, host.to_ascii_lowercase());
    }
}
