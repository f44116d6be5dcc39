//! The configuration file, as far as it can be read without running it.
//!
//! `lakefile.toml` is data, decoded as `Lake/Load/Toml.lean` does. `lakefile.lean` is a program: only
//! the URLs of requires that are written out are read from it, for the guard, which a miss costs
//! nothing but what it would cost anyway.

use super::name::Name;
use crate::error::hint;
use crate::read;
use anyhow::{Context, Result};
use std::io::ErrorKind;
use std::ops::Range;
use std::path::Path;
use toml_edit::{Document, Item, TableLike};

/// What a `lakefile.toml` says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lakefile {
    pub name: Option<Name>,
    /// Relative to the package.
    pub packages_dir: Option<String>,
    /// Relative to the package.
    pub manifest_file: Option<String>,
    /// Whether it is for one toolchain only.
    pub fixed_toolchain: bool,
    /// In the order of the file.
    pub requires: Vec<Require>,
}

/// One `[[require]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Require {
    pub name: Name,
    /// The owner on Reservoir, or empty.
    pub scope: String,
    pub source: Wanted,
}

/// What a require asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Relative to the package that requires it.
    Path {
        dir: String,
    },
    Git {
        url: String,
        rev: Option<String>,
        sub_dir: Option<String>,
    },
    /// What Reservoir has: of a revision, of a range of versions (`>= 1.0`), or whatever there is.
    Registry {
        rev: Option<String>,
        range: Option<String>,
    },
    /// In a form that Lake 4.27 does not take. The reason, with its line.
    Unknown(String),
}

/// The URL of a git require, as a literal of a `lakefile.toml`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UrlLiteral {
    pub url: String,
    /// Bytes of the text, quotes included.
    pub span: Range<usize>,
}

impl Require {
    /// The URL, of a git require.
    pub fn url(&self) -> Option<&str> {
        match &self.source {
            Wanted::Git { url, .. } => Some(url),
            _ => None,
        }
    }
}

impl Lakefile {
    /// Reads the `lakefile.toml` at `path`.
    ///
    /// # Errors
    /// When it cannot be read, or is no TOML (the message shows line and column).
    pub fn read(path: &Path) -> Result<Self> {
        let not_understood =
            |advice: &str| hint(format!("cannot understand `{}`", path.display()), advice);
        match read::text(path, read::TEXT) {
            Ok(text) => Self::parse(&text)
                .with_context(|| not_understood("mend it there: Lake cannot read it either")),
            Err(e) if e.kind() == ErrorKind::FileTooLarge => Err(e)
                .with_context(|| not_understood("a configuration has kilobytes; look into it")),
            Err(e) => Err(e.into()),
        }
    }

    /// Takes the text of a `lakefile.toml` apart.
    ///
    /// # Errors
    /// When it is no TOML.
    pub fn parse(text: &str) -> Result<Self> {
        let document = Document::parse(text)?;
        let string = |key: &str| Some(document.get(key)?.as_str()?.to_owned());
        let line = |span: Option<Range<usize>>| {
            let before = text.get(..span.map_or(0, |span| span.start)).unwrap_or_default();
            before.matches('\n').count() + 1
        };
        let requires = requires(document.get("require")).into_iter().map(|(table, span)| {
            let unknown = |reason| Wanted::Unknown(format!("line {}: {reason}", line(span)));
            let name = table.and_then(|table| table.get("name")?.as_str()).unwrap_or_default();
            let scope = table.and_then(|table| table.get("scope")?.as_str()).unwrap_or_default();
            let (name, scope) = (Name::new(name), scope.to_owned());
            let wanted = wanted(table);
            let source = match wanted {
                // What is cloned gets a directory of its name; that may be a way out of ours.
                Ok(Wanted::Git { .. } | Wanted::Registry { .. }) if !name.is_file_name() => {
                    unknown(format!("`{name}` is no package name"))
                }
                wanted => wanted.unwrap_or_else(unknown),
            };
            Require { name, scope, source }
        });
        Ok(Self {
            name: string("name").as_deref().map(Name::new),
            packages_dir: string("packagesDir"),
            manifest_file: string("manifestFile"),
            fixed_toolchain: document.get("fixedToolchain").and_then(Item::as_bool) == Some(true),
            requires: requires.collect(),
        })
    }
}

/// Where the text of a `lakefile.toml` has the URLs of its git requires.
///
/// # Errors
/// When it is no TOML.
pub fn urls(text: &str) -> Result<Vec<UrlLiteral>> {
    let document = Document::parse(text)?;
    let tables = requires(document.get("require"));
    let literal =
        |item: &Item| Some(UrlLiteral { url: item.as_str()?.to_owned(), span: item.span()? });
    Ok(tables.iter().filter_map(|(table, _)| literal(git_url((*table)?)?)).collect())
}

type Table<'a> = (Option<&'a dyn TableLike>, Option<Range<usize>>);

/// The tables of `[[require]]` or of `require = [{…}]` and where they stand; none for what is no
/// table.
fn requires(item: Option<&Item>) -> Vec<Table<'_>> {
    let Some(item) = item else { return Vec::new() };
    if let Some(tables) = item.as_array_of_tables() {
        tables.iter().map(|table| (Some(table as &dyn TableLike), table.span())).collect()
    } else if let Some(array) = item.as_array() {
        let inline = array.iter().map(|value| (value.as_inline_table(), value.span()));
        inline.map(|(table, span)| (table.map(|table| table as &dyn TableLike), span)).collect()
    } else {
        vec![(None, item.span())]
    }
}

/// `Dependency.decodeToml`: a `path` comes before a `git`, which comes before a `source`; without
/// any of them it is Reservoir's.
fn wanted(table: Option<&dyn TableLike>) -> Result<Wanted, String> {
    let table = table.ok_or("`require` is no table")?;
    string(table, "name")?.ok_or("a require without `name`")?;
    let scope = string(table, "scope")?;
    let rev = string(table, "rev")?;
    if table.get("copy").is_some() {
        return Err("`copy` is left to Lake".to_owned());
    }
    if let Some(dir) = string(table, "path")? {
        return Ok(Wanted::Path { dir });
    }
    if let Some(git) = table.get("git") {
        let nested = git.as_table_like();
        let sub_dir = string(nested.unwrap_or(table), "subDir")?;
        let url = git_url(table).and_then(Item::as_str);
        let url = url.ok_or("`git` is neither a URL nor a table with a `url`")?.to_owned();
        return Ok(Wanted::Git { url, rev, sub_dir });
    }
    if let Some(source) = table.get("source") {
        let source = source.as_table_like().ok_or("`source` is no table")?;
        let field = |key: &str| string(source, key)?.ok_or(format!("`source` without `{key}`"));
        return match field("type")?.as_str() {
            "path" => Ok(Wanted::Path { dir: field("dir")? }),
            "git" => Ok(Wanted::Git {
                url: field("url")?,
                rev: string(source, "rev")?,
                sub_dir: string(source, "subDir")?,
            }),
            kind => Err(format!("a source of type `{kind}`, which we do not know")),
        };
    }
    if scope.is_none_or(|scope| scope.is_empty()) {
        return Err("a require with neither a source nor a `scope` on Reservoir".to_owned());
    }
    match string(table, "version")? {
        Some(version) => Ok(match version.strip_prefix("git#") {
            Some(rev) => Wanted::Registry { rev: Some(rev.to_owned()), range: None },
            None => Wanted::Registry { rev: None, range: Some(version) },
        }),
        None => Ok(Wanted::Registry { rev, range: None }),
    }
}

/// Where a require has the URL of its repository: `git = "…"`, `git = {url = "…"}` or `source`.
fn git_url(table: &dyn TableLike) -> Option<&Item> {
    if table.contains_key("path") {
        return None;
    }
    match table.get("git") {
        Some(git) => match git.as_table_like() {
            Some(nested) => nested.get("url"),
            None => Some(git),
        },
        None => {
            let source = table.get("source")?.as_table_like()?;
            let is_git = source.get("type")?.as_str()? == "git";
            is_git.then(|| source.get("url")).flatten()
        }
    }
}

fn string(table: &dyn TableLike, key: &str) -> Result<Option<String>, String> {
    let Some(item) = table.get(key) else { return Ok(None) };
    item.as_str().map(|text| Some(text.to_owned())).ok_or_else(|| format!("`{key}` is no string"))
}

/// The git requires that a `lakefile.lean` writes out: `require <name> from git "<url>" …`.
pub fn written_requires(program: &str) -> Vec<Require> {
    let requires = program.split("require ").skip(1).filter_map(|rest| {
        let (head, rest) = rest.split_once("from git \"")?;
        let (url, _) = rest.split_once('"')?;
        let name = head.split_whitespace().next()?;
        // `from git` of a later command is not this one's.
        let is_one_command = !head.contains("\n\n") && !head.contains("lean_lib");
        let name = Name::new(name.trim_matches('"'));
        let source = Wanted::Git { url: url.to_owned(), rev: None, sub_dir: None };
        is_one_command.then(|| Require { name, scope: String::new(), source })
    });
    requires.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_require() {
        let text = r#"
name = "app"
packagesDir = "deps"
manifestFile = "lock.json"
[[require]]
name = "a"
git = "https://e.org/a"
rev = "v1"
subDir = "s"
[[require]]
name = "b"
git.url = "https://e.org/b"
[[require]]
name = "std-1.0"
git = { url = "https://e.org/c", subDir = "x" }
[[require]]
name = "d"
path = "../d"
git = "https://e.org/not-this-one"
[[require]]
name = "e"
scope = "org"
rev = "main"
[[require]]
name = "f"
source = { type = "git", url = "https://e.org/f", rev = "r" }
[[require]]
name = "g"
source = { type = "path", dir = "g" }
[[require]]
name = "h"
scope = "org"
version = "git#v2"
[[require]]
name = "i"
scope = "org"
version = ">= 1.0"
"#;
        let lakefile = Lakefile::parse(text).expect("TOML");
        assert_eq!(lakefile.name, Some(Name::new("app")));
        assert_eq!(lakefile.packages_dir.as_deref(), Some("deps"));
        assert_eq!(lakefile.manifest_file.as_deref(), Some("lock.json"));
        let git = |url: &str, rev: Option<&str>, sub_dir: Option<&str>| Wanted::Git {
            url: format!("https://e.org/{url}"),
            rev: rev.map(str::to_owned),
            sub_dir: sub_dir.map(str::to_owned),
        };
        let registry = |rev: Option<&str>, range: Option<&str>| Wanted::Registry {
            rev: rev.map(str::to_owned),
            range: range.map(str::to_owned),
        };
        let expected = [
            ("a", "", git("a", Some("v1"), Some("s"))),
            ("b", "", git("b", None, None)),
            ("«std-1.0»", "", git("c", None, Some("x"))),
            ("d", "", Wanted::Path { dir: "../d".into() }),
            ("e", "org", registry(Some("main"), None)),
            ("f", "", git("f", Some("r"), None)),
            ("g", "", Wanted::Path { dir: "g".into() }),
            ("h", "org", registry(Some("v2"), None)),
            ("i", "org", registry(None, Some(">= 1.0"))),
        ];
        let found: Vec<_> = lakefile
            .requires
            .iter()
            .map(|r| (r.name.as_str(), r.scope.as_str(), r.source.clone()))
            .collect();
        assert_eq!(found, expected);
        let literals = urls(text).expect("TOML");
        let literals: Vec<_> = literals.iter().map(|l| (&*l.url, &text[l.span.clone()])).collect();
        let expected = ["a", "b", "c", "f"].map(|name| format!("https://e.org/{name}"));
        let expected: Vec<_> = expected.iter().map(|url| (&**url, format!("\"{url}\""))).collect();
        let expected: Vec<_> = expected.iter().map(|(url, literal)| (*url, &**literal)).collect();
        assert_eq!(literals, expected);
    }

    #[test]
    fn an_array_of_inline_tables() {
        let text = r#"require = [{name = "a", git = 'https://e.org/a'}, {name = "b", path = "b"}]"#;
        let lakefile = Lakefile::parse(text).expect("TOML");
        assert_eq!(lakefile.requires[0].url(), Some("https://e.org/a"));
        assert_eq!(lakefile.requires[1].url(), None);
        assert_eq!(&text[urls(text).expect("TOML")[0].span.clone()], "'https://e.org/a'");
    }

    #[test]
    fn requires_in_no_form_we_know() {
        for (require, reason) in [
            ("git = 'u'", "line 2: a require without `name`"),
            ("name = 'a'\ngit = 1", "line 2: `git` is neither a URL nor a table with a `url`"),
            ("name = 'a'\ngit = {rev = 'x'}", "line 2: `git` is neither"),
            ("name = 'a'\nrev = 1\ngit = 'u'", "line 2: `rev` is no string"),
            ("name = 'a'\npath = ['a']", "line 2: `path` is no string"),
            ("name = 'a'\nrev = 'v1'", "line 2: a require with neither a source nor a `scope`"),
            ("name = 'a'\nsource = 'a'", "line 2: `source` is no table"),
            ("name = 'a'\nsource = {dir = 'a'}", "line 2: `source` without `type`"),
            ("name = 'a'\nsource = {type = 'git'}", "line 2: `source` without `url`"),
            ("name = 'a'\nsource = {type = 'hg', url = 'u'}", "line 2: a source of type `hg`"),
            ("name = '../a'\ngit = 'u'", "line 2: `«../a»` is no package name"),
            ("name = '..'\nscope = 'a'", "line 2: `«..»` is no package name"),
            ("name = \"\\u001b[2J\"\ngit = 'u'", "line 2: `«\\u{1b}[2J»` is no package name"),
        ] {
            let lakefile = Lakefile::parse(&format!("\n[[require]]\n{require}")).expect("TOML");
            let [Require { source: Wanted::Unknown(found), .. }] = &lakefile.requires[..] else {
                panic!("{require}: {lakefile:?}");
            };
            assert!(found.starts_with(reason), "{require}: {found}");
        }
        for text in ["require = 1", "require = [1]", "[require]\nname = 'a'"] {
            let lakefile = Lakefile::parse(text).expect("TOML");
            assert!(matches!(lakefile.requires[0].source, Wanted::Unknown(_)), "{text}");
        }
    }

    #[test]
    fn requires_that_a_program_writes_out() {
        let program = r#"
require mathlib from git "https://e.org/mathlib4" @ "v4.9.0"
require «doc-gen4» from git
  "https://e.org/doc-gen4" @ "main"
require "org" / "batteries" @ git "main"

require "std" from git "https://e.org/std"
"#;
        let requires = written_requires(program);
        let found: Vec<_> =
            requires.iter().map(|r| (r.name.as_str(), r.url().unwrap_or_default())).collect();
        let expected = [("mathlib", "https://e.org/mathlib4"), ("std", "https://e.org/std")];
        assert_eq!(found, expected, "the URL has to follow on the same line");
    }

    #[test]
    fn errors_show_line_and_column() {
        let error = Lakefile::parse("name = \"a\"\nrequire = [").expect_err("no TOML");
        assert!(format!("{error:#}").contains("line 2, column"), "{error:#}");
    }
}
