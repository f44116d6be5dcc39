//! Quotes, escapes and variables in the words of a Dockerfile, as BuildKit's
//! `frontend/dockerfile/shell` reads them.
//!
//! What a base image sets is in no Dockerfile, so a variable may have a value that we cannot know.
//! That matters only where it is used for what we have to know, and is an error there.

use std::collections::BTreeMap;
use std::iter::Peekable;
use std::str::Chars;

/// Variables by name. One whose value nobody can tell has the reason instead; one that is not there
/// was not set by this Dockerfile.
pub type Variables = BTreeMap<String, Value>;

/// A value, or why there is none: a message, and what to do about it.
pub type Value = Result<String, Unknown>;

/// Why a word has no value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unknown {
    pub what: String,
    pub hint: Option<String>,
}

/// Bytes of a value. No program can be started with a longer one in its environment
/// (`MAX_ARG_STRLEN`), and a few lines that each double a variable would make one of any length.
const MAX_VALUE: usize = 128 << 10;
/// How deep `${A:-${B:-…}}` may be nested.
const MAX_DEPTH: usize = 64;

/// The word with its variables replaced and without its quotes.
pub fn expand(word: &str, escape: char, variables: &Variables) -> Value {
    Expander { chars: word.chars().peekable(), escape, variables, depth: 0 }.until(None)
}

/// Splits at white space that is not in quotes. The quotes stay, for [`expand`].
pub fn split(text: &str, escape: char) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut quote = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if quote.is_none() && c.is_whitespace() {
            words.extend((!word.is_empty()).then(|| std::mem::take(&mut word)));
            continue;
        }
        word.push(c);
        match quote {
            None if matches!(c, '"' | '\'') => quote = Some(c),
            Some(open) if c == open => quote = None,
            None | Some('"') if c == escape => word.extend(chars.next()),
            _ => {}
        }
    }
    words.extend((!word.is_empty()).then_some(word));
    words
}

struct Expander<'a> {
    chars: Peekable<Chars<'a>>,
    escape: char,
    variables: &'a Variables,
    /// Of substitutions that are not read to their end.
    depth: usize,
}

impl Expander<'_> {
    /// Up to `end`, which is taken, or up to the end of the word.
    fn until(&mut self, end: Option<char>) -> Value {
        let mut text = String::new();
        while let Some(c) = self.chars.next() {
            check_length(&text)?;
            match c {
                c if Some(c) == end => return Ok(text),
                '\'' => self.single_quoted(&mut text)?,
                '"' => self.double_quoted(&mut text)?,
                '$' => text += &self.dollar()?,
                c if c == self.escape => text.extend(self.chars.next()),
                c => text.push(c),
            }
        }
        match end {
            Some(end) => Err(unknown(format!("a `{end}` is missing"))),
            None => check_length(&text).map(|()| text),
        }
    }

    fn single_quoted(&mut self, text: &mut String) -> Result<(), Unknown> {
        for c in self.chars.by_ref() {
            match c {
                '\'' => return Ok(()),
                c => text.push(c),
            }
        }
        Err(unknown("a `'` is missing".to_owned()))
    }

    fn double_quoted(&mut self, text: &mut String) -> Result<(), Unknown> {
        while let Some(c) = self.chars.next() {
            check_length(text)?;
            match c {
                '"' => return Ok(()),
                '$' => *text += &self.dollar()?,
                c if c == self.escape => {
                    let escape = self.escape;
                    let is_escapable = |c: &char| matches!(c, '"' | '$') || *c == escape;
                    text.push(self.chars.next_if(is_escapable).unwrap_or(c));
                }
                c => text.push(c),
            }
        }
        Err(unknown("a `\"` is missing".to_owned()))
    }

    /// What follows a `$`.
    fn dollar(&mut self) -> Value {
        if self.chars.next_if_eq(&'{').is_none() {
            let name = self.name();
            return if name.is_empty() { Ok("$".to_owned()) } else { self.value(&name) };
        }
        let name = self.name();
        let is_null_unset = self.chars.next_if_eq(&':').is_some();
        let operator = self.chars.next();
        if operator == Some('}') && !is_null_unset && !name.is_empty() {
            return self.value(&name);
        }
        let word = match operator {
            Some('-' | '+' | '?') if !name.is_empty() => self.nested(),
            _ => Err(unknown(format!("`${{{name}…}}` is a substitution that is not done here"))),
        }?;
        let value = self.variables.get(&name).cloned().transpose()?;
        let value = value.filter(|value| !(is_null_unset && value.is_empty()));
        match (operator, value) {
            (Some('+'), Some(_)) => Ok(word),
            (Some('+'), None) => Ok(String::new()),
            (_, Some(value)) => Ok(value),
            (Some('-'), None) => Ok(word),
            _ => Err(Unknown { what: format!("`{name}` is not set: {word}"), ..unset(&name) }),
        }
    }

    /// The word of a substitution, up to its `}`.
    fn nested(&mut self) -> Value {
        if self.depth == MAX_DEPTH {
            return Err(unknown(format!("substitutions are more than {MAX_DEPTH} deep")));
        }
        self.depth += 1;
        let word = self.until(Some('}'));
        self.depth -= 1;
        word
    }

    fn name(&mut self) -> String {
        let mut name = String::new();
        while let Some(c) = self.chars.next_if(|c| c.is_alphanumeric() || *c == '_') {
            name.push(c);
        }
        name
    }

    fn value(&self, name: &str) -> Value {
        self.variables.get(name).cloned().unwrap_or_else(|| Err(unset(name)))
    }
}

fn check_length(text: &str) -> Result<(), Unknown> {
    match text.len() {
        ..=MAX_VALUE => Ok(()),
        _ => Err(unknown(format!("it becomes longer than {} KiB", MAX_VALUE >> 10))),
    }
}

fn unset(name: &str) -> Unknown {
    Unknown {
        what: format!("`{name}` has no value that this Dockerfile tells"),
        hint: Some(format!(
            "declare it with `ARG {name}=…`, or give it with `--build-arg {name}=…`"
        )),
    }
}

fn unknown(what: String) -> Unknown {
    Unknown { what, hint: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables() -> Variables {
        let known = [("A", "a"), ("EMPTY", ""), ("DIR", "x/y"), ("N1_", "n")];
        let known = known.map(|(name, value)| (name.to_owned(), Ok(value.to_owned())));
        let lost = ("LOST".to_owned(), Err(unknown("it is lost".to_owned())));
        known.into_iter().chain([lost]).collect()
    }

    #[test]
    fn words() {
        for (word, expected) in [
            ("a/b.c", "a/b.c"),
            ("$A", "a"),
            ("$A/b", "a/b"),
            ("x${A}y", "xay"),
            ("$N1_-", "n-"),
            ("${A:-b}", "a"),
            ("${A-b}", "a"),
            ("${EMPTY:-b}", "b"),
            ("${EMPTY-b}", ""),
            ("${NONE:-b}", "b"),
            ("${NONE-b}", "b"),
            ("${NONE:-}", ""),
            ("${NONE:-$DIR/z}", "x/y/z"),
            ("${NONE:-${EMPTY:-c}}", "c"),
            ("${A:+b}", "b"),
            ("${EMPTY:+b}", ""),
            ("${EMPTY+b}", "b"),
            ("${NONE+b}", ""),
            ("${A:?no}", "a"),
            (r"\$A", "$A"),
            (r"a\ b", "a b"),
            (r"a\*", "a*"),
            (r"a\", "a"),
            ("'$A'", "$A"),
            (r"'\'", r"\"),
            ("\"$A b\"", "a b"),
            (r#""\$A\"\\\n""#, r#"$A"\\n"#),
            ("a'b'\"c\"", "abc"),
            ("$", "$"),
            ("a$/b", "a$/b"),
            ("${LOST+b}${A}", "?"),
        ] {
            let value = expand(word, '\\', &variables());
            match expected {
                "?" => assert_eq!(value.expect_err(word).what, "it is lost"),
                expected => assert_eq!(value.as_deref(), Ok(expected), "{word}"),
            }
        }
        assert_eq!(expand("`$A\\b", '`', &variables()).as_deref(), Ok("$A\\b"));
    }

    #[test]
    fn words_without_a_value() {
        for (word, what) in [
            ("$NONE", "`NONE` has no value"),
            ("a/${NONE}", "`NONE` has no value"),
            ("$LOST", "it is lost"),
            ("${NONE:?is needed}", "`NONE` is not set: is needed"),
            ("${EMPTY:?is needed}", "`EMPTY` is not set: is needed"),
            ("${A%x}", "`${A…}` is a substitution"),
            ("${A/x/y}", "`${A…}` is a substitution"),
            ("${A:}", "`${A…}` is a substitution"),
            ("${}", "`${…}` is a substitution"),
            ("${A", "`${A…}` is a substitution"),
            ("${NONE:-a", "a `}` is missing"),
            ("'a", "a `'` is missing"),
            ("\"a", "a `\"` is missing"),
            (&"$A".repeat(MAX_VALUE + 1), "it becomes longer than 128 KiB"),
            (
                &("${NONE-".repeat(MAX_DEPTH + 1) + &"}".repeat(MAX_DEPTH + 1)),
                "substitutions are more",
            ),
            (&"${NONE-".repeat(1 << 20), "substitutions are more than 64 deep"),
        ] {
            let error = expand(word, '\\', &variables()).expect_err(word);
            assert!(error.what.starts_with(what), "{word}: {error:?}");
        }
        let hint = expand("$NONE", '\\', &variables()).expect_err("unset").hint;
        assert!(hint.expect("a hint").contains("--build-arg NONE="));
    }

    #[test]
    fn splitting() {
        for (text, expected) in [
            ("a=b c", &["a=b", "c"][..]),
            ("  a='b c'\td=\"e f\"  ", &["a='b c'", "d=\"e f\""]),
            (r"a=b\ c d", &[r"a=b\ c", "d"]),
            (r"a='b\' c", &[r"a='b\'", "c"]),
            ("", &[]),
        ] {
            assert_eq!(split(text, '\\'), expected, "{text:?}");
        }
    }
}
