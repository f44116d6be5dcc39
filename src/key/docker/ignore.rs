//! Lists of patterns that leave files out: `.dockerignore`, and the `--exclude` of a `COPY`.
//!
//! The last line that matches has its say. A directory that a line matches takes what is in it along,
//! so a walk hands on from each directory which lines matched it ([`Seen`]); that is also how
//! BuildKit's own walk does it (`MatchesUsingParentResults`), whose answers these are: a line that
//! could change nothing at a directory is not tried there, and so does not count below either.

use crate::key::glob::{Pattern, Stars};
use anyhow::{Context, Result, bail};

/// Patterns in order, exceptions (`!`) among them.
#[derive(Clone, Debug, Default)]
pub struct Patterns(Vec<Line>);

#[derive(Clone, Debug)]
struct Line {
    pattern: Pattern,
    is_exception: bool,
}

/// Which of the lines matched a directory or one above it. Made by [`Patterns::top`].
#[derive(Clone, Debug)]
pub struct Seen(Vec<bool>);

impl Patterns {
    /// Reads a `.dockerignore`.
    ///
    /// # Errors
    /// What Docker takes for no pattern, with its line.
    pub fn parse(text: &str) -> Result<Self> {
        let mut lines = Vec::new();
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        for (number, line) in (1..).zip(text.lines()) {
            // Only in the first column: ` #a` is a file's name.
            if line.starts_with('#') || line.trim().is_empty() {
                continue;
            }
            lines.push(Line::parse(line).with_context(|| format!("line {number}"))?);
        }
        Ok(Self(lines))
    }

    /// One pattern after the other, as `--exclude` has them.
    pub fn of<'a>(patterns: impl IntoIterator<Item = &'a str>) -> Result<Self> {
        let written = patterns.into_iter().filter(|pattern| !pattern.trim().is_empty());
        Ok(Self(written.map(Line::parse).collect::<Result<_>>()?))
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What a walk begins with.
    pub fn top(&self) -> Seen {
        Seen(vec![false; self.0.len()])
    }

    /// Whether `path` is matched, and what that means for what is in it. `above` is what was seen of
    /// the directory it is in.
    pub fn look(&self, path: &str, above: &Seen) -> (bool, Seen) {
        let mut is_matched = false;
        let mut seen = self.top();
        for (i, line) in self.0.iter().enumerate() {
            let could_change = line.is_exception == is_matched;
            if above.0[i] || (could_change && line.pattern.matches(path)) {
                seen.0[i] = true;
                is_matched = !line.is_exception;
            }
        }
        (is_matched, seen)
    }

    /// Whether something below the directory `dir` may be matched that the directory is not.
    pub fn may_match_below(&self, dir: &str) -> bool {
        self.0.iter().any(|line| !line.is_exception && line.pattern.may_match_below(dir))
    }

    /// Whether an exception may take back something below the directory `dir`, which is matched.
    pub fn may_spare_below(&self, dir: &str) -> bool {
        self.0.iter().any(|line| line.is_exception && line.pattern.may_match_below(dir))
    }
}

impl Line {
    fn parse(line: &str) -> Result<Self> {
        let line = line.trim();
        let (is_exception, pattern) = match line.strip_prefix('!') {
            Some(pattern) => (true, pattern.trim()),
            None => (false, line),
        };
        if pattern.is_empty() {
            bail!("`!` takes back nothing");
        }
        let pattern = clean(pattern);
        // The root of the context is the only root there is.
        let pattern = Pattern::parse(pattern.trim_start_matches('/'), Stars::Deep)?;
        Ok(Self { pattern, is_exception })
    }
}

/// A path without `.`, `..`, and slashes that say nothing: Go's `filepath.Clean`.
pub fn clean(path: &str) -> String {
    let root = if path.starts_with('/') { "/" } else { "" };
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => drop(parts.pop()),
            ".." if !root.is_empty() => {}
            part => parts.push(part),
        }
    }
    match root.to_owned() + &parts.join("/") {
        cleaned if cleaned.is_empty() => ".".to_owned(),
        cleaned => cleaned,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether a walk would leave `path` out.
    fn leaves_out(patterns: &Patterns, path: &str) -> bool {
        let mut seen = patterns.top();
        let mut is_matched = false;
        let ends = path.match_indices('/').map(|(at, _)| at).chain([path.len()]);
        for end in ends {
            (is_matched, seen) = patterns.look(&path[..end], &seen);
        }
        is_matched
    }

    #[test]
    fn what_is_left_out() {
        for (text, out, kept) in [
            ("", &[][..], &["a", "a/b"][..]),
            ("a", &["a", "a/b", "a/b/c"], &["b/a", "ab", "b"]),
            ("/a", &["a", "a/b"], &["b/a"]),
            ("a/", &["a", "a/b"], &["b/a"]),
            ("./a//b/../c", &["a/c"], &["a/b"]),
            ("*.md\n!README.md", &["x.md"], &["README.md", "a/x.md"]),
            ("!README.md\n*.md", &["README.md"], &["a.txt"]),
            ("docs\n!docs/README.md", &["docs/a", "docs"], &["docs/README.md"]),
            ("docs/*\n!docs/README.md", &["docs/a"], &["docs", "docs/README.md"]),
            ("*\n!a\na/b", &["b", "a/b", "a/b/c"], &["a", "a/c"]),
            ("**\n!util/docker/web", &["util/docker"], &["util/docker/web/foo"]),
            ("**/*.olean", &["a.olean", "b/c/a.olean"], &["a.lean"]),
            ("# a\n#b\n #c", &["#c"], &["a", "b", "#b"]),
            ("  a  \r\n\r\n! a/b \r\n", &["a", "a/c"], &["a/b"]),
            ("\u{feff}a", &["a"], &["b"]),
            (".", &[], &["a"]),
            ("/", &[], &["a"]),
            ("..", &[], &["a"]),
            ("a/../../b", &[], &["b", "a"]),
            ("/../b", &["b"], &["a"]),
            // As BuildKit walks: `!foo` changed nothing at `foo`, so not at `foo/bar` either.
            ("foo/bar\n!foo", &["foo/bar"], &["foo", "foo/x"]),
            ("foo\n!foo", &[], &["foo", "foo/bar"]),
        ] {
            let patterns = Patterns::parse(text).unwrap_or_else(|e| panic!("{text:?}: {e:#}"));
            for path in out {
                assert!(leaves_out(&patterns, path), "{text:?} {path}");
            }
            for path in kept {
                assert!(!leaves_out(&patterns, path), "{text:?} {path}");
            }
        }
    }

    #[test]
    fn bad_lines_are_named() {
        for (text, line) in [("a\n!", "line 2"), ("\n\n[", "line 3"), ("! ", "line 1")] {
            let error = Patterns::parse(text).expect_err(text);
            assert!(format!("{error:#}").contains(line), "{error:#}");
        }
    }

    #[test]
    fn directories_without_exceptions_need_no_look() {
        let patterns = Patterns::parse("*\n!src/a\n!x*/b\nsrc/z").expect("patterns");
        for (dir, expected) in
            [("src", true), (".lake", false), ("xy", true), ("src/a", false), ("other", false)]
        {
            assert_eq!(patterns.may_spare_below(dir), expected, "{dir}");
        }
    }

    #[test]
    fn paths_are_cleaned() {
        for (path, expected) in [
            ("a/./b//c/", "a/b/c"),
            ("a/../..", ".."),
            ("/a/../..", "/"),
            ("", "."),
            ("/", "/"),
            ("../../a", "../../a"),
        ] {
            assert_eq!(clean(path), expected, "{path}");
        }
    }
}
