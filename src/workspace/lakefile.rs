//! The configuration file, as far as it can be read without running it.
//!
//! `lakefile.toml` is data. `lakefile.lean` is a program: only the URLs of requires that are written
//! out are read from it, for the guard, which a miss costs nothing but what it would cost anyway.

use super::manifest::plain_name;
use anyhow::{Context, Result};
use fs_err as fs;
use std::path::Path;
use toml_edit::{DocumentMut, TableLike};

/// What a `lakefile.toml` says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lakefile {
    pub name: Option<String>,
    /// Relative to the root.
    pub packages_dir: Option<String>,
    /// In the order of the file.
    pub requires: Vec<Require>,
}

/// One `[[require]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Require {
    pub name: String,
    /// Of a git requirement; none for Reservoir's and for paths.
    pub git: Option<String>,
    /// Of a path requirement, relative to the package.
    pub path: Option<String>,
}

impl Lakefile {
    /// Reads the `lakefile.toml` at `path`.
    ///
    /// # Errors
    /// When it cannot be read, or is no TOML (the message shows line and column).
    pub fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path)?;
        Self::parse(&text).with_context(|| format!("cannot understand `{}`", path.display()))
    }

    fn parse(text: &str) -> Result<Self> {
        let document: DocumentMut = text.parse()?;
        let string = |key: &str| Some(document.get(key)?.as_str()?.to_owned());
        let requires = document.get("require");
        let tables: Vec<&dyn TableLike> = match requires {
            None => Vec::new(),
            Some(item) => match (item.as_array_of_tables(), item.as_array()) {
                (Some(tables), _) => tables.iter().map(|table| table as &dyn TableLike).collect(),
                (None, Some(array)) => {
                    let inline = array.iter().filter_map(|value| value.as_inline_table());
                    inline.map(|table| table as &dyn TableLike).collect()
                }
                (None, None) => Vec::new(),
            },
        };
        Ok(Self {
            name: string("name"),
            packages_dir: string("packagesDir"),
            requires: tables.into_iter().filter_map(require).collect(),
        })
    }
}

/// The git requires that a `lakefile.lean` writes out: `require <name> from git "<url>" …`.
pub fn written_requires(program: &str) -> Vec<Require> {
    let requires = program.split("require ").skip(1).filter_map(|rest| {
        let (head, rest) = rest.split_once("from git \"")?;
        let (url, _) = rest.split_once('"')?;
        let name = head.split_whitespace().next()?;
        // `from git` of a later command is not this one's.
        let is_one_command = !head.contains("\n\n") && !head.contains("lean_lib");
        let name = plain_name(name.trim_matches('"'));
        is_one_command.then(|| Require { name, git: Some(url.to_owned()), path: None })
    });
    requires.collect()
}

/// `git` and `path` stand on their own or in a `source` table; `git` may be a table with a `url`.
fn require(table: &dyn TableLike) -> Option<Require> {
    let source = table.get("source").and_then(|item| item.as_table_like());
    let field = |key: &str| table.get(key).or_else(|| source?.get(key));
    let git = field("git").or_else(|| {
        let is_git = source?.get("type")?.as_str()? == "git";
        is_git.then(|| source?.get("url")).flatten()
    });
    let url = git.and_then(|item| match item.as_table_like() {
        Some(table) => table.get("url")?.as_str(),
        None => item.as_str(),
    });
    let path = field("path").or_else(|| {
        let is_path = source?.get("type")?.as_str()? == "path";
        is_path.then(|| source?.get("dir")).flatten()
    });
    Some(Require {
        name: plain_name(table.get("name")?.as_str()?),
        git: url.map(str::to_owned),
        path: path.and_then(|item| item.as_str()).map(str::to_owned),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_require() {
        let text = r#"
name = "app"
packagesDir = "deps"
[[require]]
name = "a"
git = "https://e.org/a"
[[require]]
name = "b"
git.url = "https://e.org/b"
[[require]]
name = "«std-1.0»"
git = { url = "https://e.org/c", subDir = "x" }
[[require]]
name = "d"
path = "../d"
[[require]]
name = "e"
scope = "org"
[[require]]
name = "f"
source = { type = "git", url = "https://e.org/f" }
"#;
        let lakefile = Lakefile::parse(text).expect("TOML");
        assert_eq!(lakefile.name.as_deref(), Some("app"));
        assert_eq!(lakefile.packages_dir.as_deref(), Some("deps"));
        let requires: Vec<_> = lakefile
            .requires
            .iter()
            .map(|r| (r.name.as_str(), r.git.as_deref(), r.path.as_deref()))
            .collect();
        let expected = [
            ("a", Some("https://e.org/a"), None),
            ("b", Some("https://e.org/b"), None),
            ("std-1.0", Some("https://e.org/c"), None),
            ("d", None, Some("../d")),
            ("e", None, None),
            ("f", Some("https://e.org/f"), None),
        ];
        assert_eq!(requires, expected);
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
        let found: Vec<_> = requires
            .iter()
            .map(|r| (r.name.as_str(), r.git.as_deref().unwrap_or_default()))
            .collect();
        let expected = [("mathlib", "https://e.org/mathlib4"), ("std", "https://e.org/std")];
        assert_eq!(found, expected, "the URL has to follow on the same line");
    }

    #[test]
    fn errors_show_line_and_column() {
        let error = Lakefile::parse("name = \"a\"\nrequire = [").expect_err("no TOML");
        assert!(format!("{error:#}").contains("line 2, column"), "{error:#}");
    }
}
