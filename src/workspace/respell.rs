//! URLs in lakefiles and manifests, spelled as somebody else spells them.
//!
//! Only the literals change: what stands around them, comments, order, quotes and line ends
//! included, stays byte for byte. A manifest in Lean's own layout stays in it, though a URL of another
//! length may break its line elsewhere.

use super::url::Repository;
use super::{lakefile, lean_json};
use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;

/// How repositories are to be spelled.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spellings(BTreeMap<Repository, String>);

/// A text with other spellings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Respelled {
    pub text: String,
    /// In the order of the text; none when it has not changed.
    pub changes: Vec<Change>,
}

/// A URL that has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Of the old text, counted from 1.
    pub line: usize,
    pub old: String,
    pub new: String,
}

impl Spellings {
    /// Adds a spelling, unless there is one of that repository already.
    pub fn add(&mut self, url: &str) {
        self.0.entry(Repository::of(url)).or_insert_with(|| url.to_owned());
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How `url` is to be spelled, if that is otherwise.
    pub fn other(&self, url: &str) -> Option<&str> {
        let spelling = self.0.get(&Repository::of(url))?;
        (spelling != url).then_some(spelling)
    }

    /// The text of a `lakefile.toml`, its git requires respelled.
    ///
    /// # Errors
    /// When it is no TOML; the message shows line and column.
    pub fn lakefile(&self, text: &str) -> Result<Respelled> {
        let urls = lakefile::urls(text)?;
        let edits = urls.into_iter().filter_map(|url| {
            let new = self.other(&url.url)?;
            let literal = toml_literal(&text[url.span.clone()], new);
            Some((url.span, literal, url.url, new.to_owned()))
        });
        Ok(edited(text, edits.collect()))
    }

    /// The text of a manifest, the URLs of its entries respelled.
    ///
    /// # Errors
    /// When it is no JSON, or no manifest's.
    pub fn manifest(&self, text: &str) -> Result<Respelled> {
        let urls = manifest_urls(text)?;
        let edits = urls.into_iter().filter_map(|(span, old)| {
            let new = self.other(&old)?;
            Some((span, lean_json::string(new), old, new.to_owned()))
        });
        let mut respelled = edited(text, edits.collect());
        if !respelled.changes.is_empty()
            && let Some(end) = end_of_lean_layout(text)?
        {
            let json: Value = serde_json::from_str(&respelled.text)?;
            respelled.text = lean_json::pretty(&json) + end;
        }
        Ok(respelled)
    }
}

type Edit = (Range<usize>, String, String, String);

/// `text` with the literals in place.
fn edited(text: &str, mut edits: Vec<Edit>) -> Respelled {
    edits.sort_by_key(|(span, ..)| span.start);
    let mut new_text = String::with_capacity(text.len());
    let mut changes = Vec::new();
    let mut end = 0;
    for (span, literal, old, new) in edits {
        let line = text[..span.start].matches('\n').count() + 1;
        new_text.push_str(&text[end..span.start]);
        new_text.push_str(&literal);
        end = span.end;
        changes.push(Change { line, old, new });
    }
    new_text.push_str(&text[end..]);
    Respelled { text: new_text, changes }
}

/// `new` in the quotes that `old` has, unless it needs escapes.
fn toml_literal(old: &str, new: &str) -> String {
    let quotes = ["\"\"\"", "'''", "\"", "'"];
    let needs_escapes = |c: char| matches!(c, '"' | '\'' | '\\') || c.is_control();
    match quotes.into_iter().find(|quotes| old.starts_with(quotes)) {
        Some(quotes) if !new.contains(needs_escapes) => format!("{quotes}{new}{quotes}"),
        _ => toml_edit::Value::from(new).to_string(),
    }
}

#[derive(Deserialize)]
struct RawManifest<'a> {
    #[serde(borrow, default)]
    packages: Vec<BTreeMap<Cow<'a, str>, &'a RawValue>>,
}

/// Where `text` has the URLs of its entries, quotes included, and what they are.
fn manifest_urls(text: &str) -> Result<Vec<(Range<usize>, String)>> {
    let manifest: RawManifest = serde_json::from_str(text)?;
    // A list was read as the fields in their order.
    ensure!(text.trim_start().starts_with('{'), "it is no JSON object");
    let mut urls = Vec::new();
    for entry in manifest.packages {
        // Up to version 6 an entry stood in an object of its own, `{"git": {…}}`.
        let nested = entry.get("git").map(|git| serde_json::from_str(git.get()));
        let entry: BTreeMap<Cow<str>, &RawValue> = nested.transpose()?.unwrap_or(entry);
        let Some(url) = entry.get("url") else { continue };
        let literal = url.get();
        let start = literal.as_ptr() as usize - text.as_ptr() as usize;
        let url = serde_json::from_str(literal).context("the `url` of an entry is no string")?;
        urls.push((start..start + literal.len(), url));
    }
    Ok(urls)
}

/// What follows a manifest in Lean's layout, a newline or nothing; nothing at all when it is laid out
/// otherwise.
fn end_of_lean_layout(text: &str) -> Result<Option<&str>> {
    let json: Value = serde_json::from_str(text)?;
    Ok(text.strip_prefix(&*lean_json::pretty(&json)).filter(|end| matches!(*end, "" | "\n")))
}
