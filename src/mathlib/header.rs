//! The imports of a Lean source file, as Lean's `parseImports'` reports them.
//!
//! Mathlib's cache hashes exactly what that function returns, so its quirks are part of the
//! format: keywords need no boundary (`importA` imports `A`), a tab is an error, `import A B` ends
//! the header after `A`, and `/--` is no comment. The order of the branches below follows
//! `Lean/Elab/ParseImportsFast.lean`; `shim-tests/fixtures/import-headers.json` holds answers of a
//! real Lean 4.35.

use super::Module;
use crate::workspace::name::{is_id_first, is_id_rest};
use thiserror::Error;

/// Why Lean refuses a header. The cache tool stops at such a file, and so do we.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{line}:{column}: {reason}")]
pub struct HeaderError {
    /// Counted from 1.
    pub line: usize,
    /// In characters, counted from 0, as Lean counts.
    pub column: usize,
    pub reason: &'static str,
}

/// The modules that `source` imports, in source order, duplicates kept, without the implicit
/// `Init`.
pub fn imports(source: &str) -> Result<Vec<Module>, HeaderError> {
    let mut parser = Parser { rest: source };
    parser.header().map_err(|reason| {
        let consumed = &source[..source.len() - parser.rest.len()];
        let line_start = consumed.rfind('\n').map_or(0, |i| i + 1);
        HeaderError {
            line: consumed.matches('\n').count() + 1,
            column: consumed[line_start..].chars().count(),
            reason,
        }
    })
}

type Parse<T> = Result<T, &'static str>;

struct Parser<'a> {
    rest: &'a str,
}

impl Parser<'_> {
    fn header(&mut self) -> Parse<Vec<Module>> {
        let mut imports = Vec::new();
        self.whitespace()?;
        let is_module = self.keyword("module")?;
        self.keyword("prelude")?;
        loop {
            let start = self.rest;
            let Some(modified) = self.import_keyword() else {
                return Ok(imports);
            };
            let all = self.keyword("all")?;
            let import = self.module_ident()?;
            if (modified || all) && !is_module {
                self.rest = start;
                return Err("cannot use `public`, `meta`, or `all` without `module`");
            }
            imports.push(import);
        }
    }

    /// `[public] [meta] import`: whether there was a modifier, or nothing when the header is over.
    /// Lean parses this much atomically, so an error in here (a tab after `import`) ends the header
    /// as quietly as `public section` does.
    fn import_keyword(&mut self) -> Option<bool> {
        let mut attempt = || {
            let public = self.keyword("public")?;
            let meta = self.keyword("meta")?;
            Ok::<_, &str>(self.keyword("import")?.then_some(public || meta))
        };
        attempt().ok().flatten()
    }

    /// Consumes `keyword` and the white space after it. There is no check that a word ends here:
    /// Lean has none.
    fn keyword(&mut self, keyword: &str) -> Parse<bool> {
        let Some(rest) = self.rest.strip_prefix(keyword) else {
            return Ok(false);
        };
        self.rest = rest;
        self.whitespace()?;
        Ok(true)
    }

    fn whitespace(&mut self) -> Parse<()> {
        loop {
            match self.rest.as_bytes() {
                [b'\t', ..] => return Err("tabs are not allowed"),
                [b' ' | b'\r' | b'\n', ..] => self.rest = &self.rest[1..],
                [b'-', b'-', ..] => {
                    let end = self.rest.find('\n').unwrap_or(self.rest.len());
                    self.rest = &self.rest[end..];
                }
                // `/--` and `/-!` are tokens of their own, not white space.
                [b'/', b'-', b'-' | b'!', ..] => return Ok(()),
                // Lean looked at the character behind, and goes on after it: `/-/-/` is a whole comment.
                [b'/', b'-', ..] => {
                    self.rest = &self.rest[2..];
                    let seen = self.rest.chars().next().map_or(0, char::len_utf8);
                    self.rest = &self.rest[seen..];
                    self.block_comment()?;
                }
                _ => return Ok(()),
            }
        }
    }

    /// The rest of a `/- … -/` comment, whose opening is consumed already. Comments nest.
    fn block_comment(&mut self) -> Parse<()> {
        let mut depth = 1;
        let bytes = self.rest.as_bytes();
        let mut i = 0;
        while depth > 0 {
            match (bytes.get(i), bytes.get(i + 1)) {
                (None, _) | (Some(b'-' | b'/'), None) => {
                    self.rest = &self.rest[i..];
                    return Err("unterminated comment");
                }
                (Some(b'-'), Some(b'/')) => {
                    depth -= 1;
                    i += 2;
                }
                (Some(b'/'), Some(b'-')) => {
                    depth += 1;
                    i += 2;
                }
                _ => i += 1,
            }
        }
        self.rest = &self.rest[i..];
        Ok(())
    }

    fn module_ident(&mut self) -> Parse<Module> {
        let mut components = Vec::new();
        loop {
            components.push(self.component()?.to_owned());
            let mut after = self.rest.chars();
            let continues = after.next() == Some('.')
                && after.next().is_some_and(|c| is_id_first(c) || c == '«');
            if !continues {
                break;
            }
            self.rest = &self.rest[1..];
        }
        self.whitespace()?;
        Ok(Module::new(components))
    }

    fn component(&mut self) -> Parse<&str> {
        let rest = self.rest;
        if let Some(escaped) = rest.strip_prefix('«') {
            let Some((component, after)) = escaped.split_once('»') else {
                self.rest = &rest[rest.len()..];
                return Err("unterminated identifier escape");
            };
            self.rest = after;
            return Ok(component);
        }
        match rest.chars().next() {
            None => Err("unexpected end of input"),
            Some(first) if is_id_first(first) => {
                let end = rest.find(|c| !is_id_rest(c)).unwrap_or(rest.len());
                self.rest = &rest[end..];
                Ok(&rest[..end])
            }
            Some(_) => Err("expected identifier"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    /// Every answer in `import-headers.json` is a real Lean's.
    #[test]
    fn agrees_with_lean() {
        let cases = include_str!("../../shim-tests/fixtures/import-headers.json");
        let cases: Vec<Value> = serde_json::from_str(cases).expect("the fixture is JSON");
        assert!(cases.len() > 40, "the fixture is whole");
        for case in cases {
            let source = case["source"].as_str().expect("a source");
            let ours = imports(source);
            let Some(expected) = case["imports"].as_array() else {
                assert!(ours.is_err(), "{source:?}: Lean refuses it, we read {ours:?}");
                continue;
            };
            let expected: Vec<Module> = expected
                .iter()
                .map(|module| serde_json::from_value(module.clone()).expect("components"))
                .map(Module::new)
                .filter(|module| module.to_string() != "Init")
                .collect();
            assert_eq!(ours, Ok(expected), "{source:?}");
        }
    }

    /// Found by asking a real Lean 4.35 about headers made at random (`fuzz::answers`).
    #[test]
    fn comments_and_escapes_in_odd_places() {
        for (source, expected) in [
            // A comment's first character is passed over, whatever it is.
            ("/-/-/import A", Ok(&["A"][..])),
            ("/-/-/ -/import A", Ok(&[])),
            ("/-/import A", Err((1, 11))),
            ("/- /-/ -/import A", Err((1, 17))),
            ("/- /-/ -/ -/import A", Ok(&["A"])),
            // A `-` before the end changes nothing. (Older Leans passed over what is behind a `-`, so
            // that this was a comment without an end, and no source has it.)
            ("/- --/import A", Ok(&["A"])),
            ("/- ---/import A", Ok(&["A"])),
            ("/- /---/import A", Err((1, 16))),
            ("/- -", Err((1, 3))),
            ("import «A\n\nB", Err((3, 1))),
            ("import A.B.«# d»", Ok(&["A.B.«# d»"])),
        ] {
            let found = imports(source).map_err(|error| (error.line, error.column));
            let expected = expected.map(|names| {
                names.iter().map(|name| Module::parse(name).expect("a name")).collect::<Vec<_>>()
            });
            assert_eq!(found, expected, "{source:?}");
        }
    }

    #[test]
    fn errors_name_the_place() {
        let error = imports("import A\n\timport B").expect_err("a tab");
        assert_eq!((error.line, error.column), (2, 0));
        let error = imports("import A\nimport 1").expect_err("a number");
        assert_eq!((error.line, error.column), (2, 7));
    }

    /// Not in the fixture; read off `atomic` and `manyImports` in `ParseImportsFast.lean`.
    #[test]
    fn a_tab_before_the_name_ends_the_header_quietly() {
        assert_eq!(imports("import A\nimport\tB"), Ok(vec![Module::parse("A").expect("a name")]));
    }
}
