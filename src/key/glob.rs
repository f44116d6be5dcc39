//! Patterns of file names, as Docker reads them.
//!
//! The wildcards are those of Go's `filepath.Match`: `*` and `?` stay within one component, `[a-z]`
//! and `[^a-z]` are classes, `\` takes the next character as it is. In `.dockerignore` there is `**`
//! besides (`moby/patternmatcher`): `**/` is any directories or none, `**` at the end anything at
//! all. No crate reads both the way Docker does: in gitignore and globset a lone `**` is a `*`,
//! and braces mean something.

use anyhow::{Result, bail};

/// A pattern, ready to match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    /// What every match begins with: most names are told apart by this.
    prefix: String,
    rest: Vec<Token>,
}

/// What two stars mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stars {
    /// Any directories, as in `.dockerignore`.
    Deep,
    /// The same as one, as in the sources of a `COPY`.
    Plain,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Char(char),
    /// `?`: one character of a component.
    One,
    /// `*`: any characters of a component.
    Star,
    /// `[…]`; a range has both ends in it.
    Class {
        negated: bool,
        ranges: Vec<(char, char)>,
    },
    /// `**/`: nothing, or anything that ends in a slash.
    Directories,
    /// Anything, slashes too.
    Anything,
}

/// Whether `text` has a wildcard in it, one that no `\` takes the meaning of.
pub fn has_wildcard(text: &str) -> bool {
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '*' | '?' | '[' => return true,
            '\\' => drop(chars.next()),
            _ => {}
        }
    }
    false
}

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// Where Go says `syntax error in pattern`: a class that is empty or does not end, a `\` with
    /// nothing after it.
    pub fn parse(text: &str, stars: Stars) -> Result<Self> {
        let Some(mut rest) = tokens(text, stars) else {
            bail!("`{text}` is no pattern: a class has no end, or a `\\` nothing after it");
        };
        let literal = |token: &Token| match token {
            Token::Char(c) => Some(*c),
            _ => None,
        };
        let prefix: String = rest.iter().map_while(literal).collect();
        rest.drain(..prefix.chars().count());
        Ok(Self { prefix, rest })
    }

    /// Whether all of `name` matches. Its separators are slashes.
    pub fn matches(&self, name: &str) -> bool {
        match name.strip_prefix(&self.prefix) {
            Some(name) if self.rest.is_empty() => name.is_empty(),
            Some(name) => match_tokens(&self.rest, &name.chars().collect::<Vec<_>>()),
            None => false,
        }
    }

    /// Whether something below the directory `dir` could match. Rather yes than no.
    pub fn may_match_below(&self, dir: &str) -> bool {
        let below = format!("{dir}/");
        self.prefix.starts_with(&below)
            || (!self.rest.is_empty() && below.starts_with(&self.prefix))
    }
}

/// Whether `tokens` match `text`: `row[j]` says whether those from the current one on match what is
/// left from `j` on. Linear in both, whatever the pattern.
fn match_tokens(tokens: &[Token], text: &[char]) -> bool {
    let end = text.len();
    let mut next = vec![false; end + 1];
    next[end] = true;
    for token in tokens.iter().rev() {
        let mut row = vec![false; end + 1];
        let mut after_a_slash = false;
        for at in (0..=end).rev() {
            let c = text.get(at).copied();
            let is_inner = c.is_some_and(|c| c != '/');
            let goes_on = c.is_some() && next[at + 1];
            row[at] = match token {
                Token::Char(wanted) => goes_on && c == Some(*wanted),
                Token::One => goes_on && is_inner,
                Token::Class { negated, ranges } => {
                    let is_in = |c| ranges.iter().any(|(low, high)| (low..=high).contains(&&c));
                    goes_on && c.is_some_and(|c| is_in(c) != *negated)
                }
                Token::Star => next[at] || (is_inner && row[at + 1]),
                Token::Anything => next[at] || (c.is_some() && row[at + 1]),
                Token::Directories => {
                    after_a_slash |= goes_on && c == Some('/');
                    next[at] || after_a_slash
                }
            };
        }
        next = row;
    }
    next[0]
}

/// Nothing when it is no pattern.
fn tokens(text: &str, stars: Stars) -> Option<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let is_first = rest.len() == text.len();
        rest = &rest[c.len_utf8()..];
        tokens.push(match c {
            '*' if stars == Stars::Deep && rest.starts_with('*') => {
                rest = &rest[1..];
                let is_component = rest.starts_with('/');
                rest = rest.strip_prefix('/').unwrap_or(rest);
                // `**name` in front of plain text is the end of any name, else as `**/name`.
                let is_suffix = is_first && !is_component && !rest.contains(['*', '?', '[', '\\']);
                if rest.is_empty() || is_suffix { Token::Anything } else { Token::Directories }
            }
            '*' => Token::Star,
            '?' => Token::One,
            '[' => class(&mut rest)?,
            '\\' => Token::Char(take(&mut rest)?),
            c => Token::Char(c),
        });
    }
    Some(tokens)
}

/// What follows a `[`: characters and ranges, at least one, up to the `]`.
fn class(rest: &mut &str) -> Option<Token> {
    let negated = rest.starts_with('^');
    *rest = rest.strip_prefix('^').unwrap_or(rest);
    let mut ranges = Vec::new();
    loop {
        if !ranges.is_empty() && rest.starts_with(']') {
            *rest = &rest[1..];
            return Some(Token::Class { negated, ranges });
        }
        let low = class_char(rest)?;
        let high = match rest.strip_prefix('-') {
            Some(after) => {
                *rest = after;
                class_char(rest)?
            }
            None => low,
        };
        ranges.push((low, high));
    }
}

fn class_char(rest: &mut &str) -> Option<char> {
    match take(rest)? {
        '-' | ']' => None,
        '\\' => take(rest),
        c => Some(c),
    }
}

fn take(rest: &mut &str) -> Option<char> {
    let c = rest.chars().next()?;
    *rest = &rest[c.len_utf8()..];
    Some(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, stars: Stars, name: &str) -> bool {
        Pattern::parse(pattern, stars).expect(pattern).matches(name)
    }

    /// What Go's own `filepath.Match` is tested with.
    #[test]
    fn wildcards_of_go() {
        for (pattern, name, expected) in [
            ("abc", "abc", true),
            ("*", "abc", true),
            ("*c", "abc", true),
            ("a*", "a", true),
            ("a*", "abc", true),
            ("a*", "ab/c", false),
            ("a*/b", "abc/b", true),
            ("a*/b", "a/c/b", false),
            ("a*b*c*d*e*/f", "axbxcxdxexxx/f", true),
            ("a*b*c*d*e*/f", "axbxcxdxe/xxx/f", false),
            ("a*b*c*d*e*/f", "axbxcxdxexxx/fff", false),
            ("a*b?c*x", "abxbbxdbxebxczzx", true),
            ("a*b?c*x", "abxbbxdbxebxczzy", false),
            ("ab[c]", "abc", true),
            ("ab[b-d]", "abc", true),
            ("ab[e-g]", "abc", false),
            ("ab[^c]", "abc", false),
            ("ab[^e-g]", "abc", true),
            (r"a\*b", "a*b", true),
            (r"a\*b", "ab", false),
            ("a?b", "a☺b", true),
            ("a[^a]b", "a☺b", true),
            ("a???b", "a☺b", false),
            ("[a-ζ]*", "α", true),
            ("*[a-ζ]", "A", false),
            ("a?b", "a/b", false),
            ("a*b", "a/b", false),
            (r"[\]a]", "]", true),
            (r"[\-]", "-", true),
            (r"[x\-]", "-", true),
            (r"[x\-]", "z", false),
            (r"[\-x]", "a", false),
            ("*x", "xxx", true),
            ("a]", "a]", true),
            ("[!a]", "!", true),
            ("[!a]", "b", false),
            ("{a,b}", "a", false),
            ("{a,b}", "{a,b}", true),
        ] {
            for stars in [Stars::Plain, Stars::Deep] {
                assert_eq!(matches(pattern, stars, name), expected, "{pattern} {name}");
            }
        }
    }

    /// What `moby/patternmatcher` is tested with.
    #[test]
    fn two_stars_of_dockerignore() {
        for (pattern, name, expected) in [
            ("**", "file", true),
            ("**", "dir/file", true),
            ("**/**", "dir/file", true),
            ("dir/**", "dir/dir2/file", true),
            ("dir/**", "dir", false),
            ("dir/**", "dirt/file", false),
            ("**/dir", "dir", true),
            ("**/dir", "a/dir", true),
            ("**/dir", "adir", false),
            ("**/dir2/*", "dir/dir2/file", true),
            ("**/dir2/**", "dir/dir2/dir3/file", true),
            ("**file", "file", true),
            ("**file", "dir/dir/file", true),
            ("**file", "dir/profile", true),
            ("**file*", "dir/file.txt", true),
            ("**file*", "dir/profile", false),
            ("**/file*.txt*", "dir/dir/file.txt", true),
            ("**/**/*.txt", "dir/dir/file.txt", true),
            ("**/**/*.txt", "file.txt", true),
            ("**/**/*.txt2", "dir/dir/file.txt", false),
            ("a**/*.txt", "a/dir/dir/file.txt", true),
            ("a**/*.txt", "a/file.txt", true),
            ("a**b", "ab", true),
            ("a**b", "a/x/b", true),
            ("a**b", "axb", false),
            ("a/*.txt**", "a/file.txt", true),
            ("**/.foo", "bar.foo", false),
            ("**/foo/bar", "foo/bar", true),
            ("**/foo/bar", "dir/dir2/foo/bar", true),
            ("a(b)c/def", "a(b)c/def", true),
            ("a.|)$(}+{bc", "a.|)$(}+{bc", true),
            ("abc.def", "abcZdef", false),
        ] {
            assert_eq!(matches(pattern, Stars::Deep, name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn two_stars_of_copy_are_one() {
        for (pattern, name, expected) in
            [("**", "a", true), ("**", "a/b", false), ("**/b", "a/b", true), ("**/b", "b", false)]
        {
            assert_eq!(matches(pattern, Stars::Plain, name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn no_patterns() {
        for text in
            ["[]a]", "[-]", "[x-]", "[-x]", r"\", "[a-b-c]", "[", "[^", "[^bc", "a[", r"a[\"]
        {
            for stars in [Stars::Plain, Stars::Deep] {
                let error = Pattern::parse(text, stars).expect_err(text).to_string();
                assert!(error.contains(&format!("`{text}`")), "{error}");
            }
        }
    }

    #[test]
    fn wildcards_are_told_from_escapes() {
        for (text, expected) in [
            ("a/b.c", false),
            ("a*", true),
            ("?", true),
            ("yarn.loc[k]", true),
            (r"a\*b", false),
            (r"a\\*b", true),
            (r"\", false),
            ("a]", false),
        ] {
            assert_eq!(has_wildcard(text), expected, "{text}");
        }
    }

    #[test]
    fn directories_that_need_no_look() {
        for (pattern, dir, expected) in [
            ("a/b/c", "a", true),
            ("a/b/c", "a/b", true),
            ("a/b/c", "a/x", false),
            ("a/b/c", "a/b/c", false),
            ("a/*", "a", true),
            ("a/*", "ab", false),
            ("**/a", "x/y", true),
            ("a/**", "a/b/c", true),
            ("ab*", "a", false),
            ("ab*/x", "abc", true),
        ] {
            let pattern_ = Pattern::parse(pattern, Stars::Deep).expect(pattern);
            assert_eq!(pattern_.may_match_below(dir), expected, "{pattern} {dir}");
        }
    }
}
