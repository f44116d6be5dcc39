//! Names of packages, as Lean spells them.
//!
//! A `lakefile.toml` has `std-1.0`, a manifest has `«std-1.0»`, and the directory is `std-1.0`
//! again. Lake compares the names themselves (`Lean.Name`); a name's printed form stands for it
//! here, since that reads back to the same name.

use crate::error::clean;
use std::fmt;

/// A name as Lean prints it, `«»` included.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(String);

impl Name {
    /// Lake's `stringToLegalOrSimpleName`: what is written as a name is one, with its parts between
    /// dots; anything else is a name of one part.
    pub fn new(text: &str) -> Self {
        Self(legal(text).unwrap_or_else(|| escape(text)))
    }

    /// Whether [its plain form](Self::plain) can be the name of a directory that people see, as it has
    /// to be for a package that is cloned. Of a `path` package Lake takes any name.
    pub fn is_file_name(&self) -> bool {
        let plain = self.plain();
        let is_one = !matches!(plain.as_str(), "" | "." | "..") && !plain.contains('/');
        is_one && !plain.contains(char::is_control)
    }

    /// As the name of a directory: without `«»`.
    pub fn plain(&self) -> String {
        plain(&self.0)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// As a word of a message: without `«»`, and without what ends a line or moves the cursor.
    pub fn label(&self) -> String {
        clean(&self.plain())
    }
}

/// For messages, so on one line whatever the name.
impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(&clean(&self.0))
    }
}

/// `«std-1.0»` is written so in a manifest and names the directory `std-1.0`.
pub fn plain(name: &str) -> String {
    name.replace(['«', '»'], "")
}

/// Whether `text` is a name as it is written in Lean, so that Lean can read it.
pub fn is_legal(text: &str) -> bool {
    legal(text).is_some()
}

/// A written name (`splitNameLitAux` in `Init/Meta/Defs.lean`) as Lean prints it; nothing when
/// `text` is none.
fn legal(text: &str) -> Option<String> {
    let mut printed = Vec::new();
    let mut rest = text;
    loop {
        let first = rest.chars().next()?;
        let end = |is_part: fn(char) -> bool| rest.find(|c| !is_part(c)).unwrap_or(rest.len());
        let (part, after) = match first {
            '«' => {
                let (part, after) = rest['«'.len_utf8()..].split_once('»')?;
                (escape(part), after)
            }
            '0'..='9' => {
                let (digits, after) = rest.split_at(end(|c| c.is_ascii_digit()));
                let significant = digits.trim_start_matches('0');
                (if significant.is_empty() { "0" } else { significant }.to_owned(), after)
            }
            _ if is_id_first(first) => {
                let (part, after) = rest.split_at(end(is_id_rest));
                (part.to_owned(), after)
            }
            _ => return None,
        };
        printed.push(part);
        if after.is_empty() {
            return Some(printed.join("."));
        }
        rest = after.strip_prefix('.')?;
    }
}

/// Lean's `Name.escapePart`: `«»` around what is no identifier, unless that could not be read back
/// or looks like the delaborator's pseudo-syntax.
pub fn escape(part: &str) -> String {
    let mut chars = part.chars();
    let is_identifier = chars.next().is_some_and(is_id_first) && chars.all(is_id_rest);
    let is_pseudo = part.starts_with(['#', '?']) || part.contains('✝');
    if is_identifier || is_pseudo || part.contains('»') {
        part.to_owned()
    } else {
        format!("«{part}»")
    }
}

/// Whether `c` may begin an identifier (`isIdFirst` in `Init/Meta/Defs.lean`).
pub fn is_id_first(c: char) -> bool {
    c.is_ascii_alphabetic() || c == '_' || is_letter_like(c)
}

/// Whether `c` may go on an identifier (`isIdRest`).
pub fn is_id_rest(c: char) -> bool {
    c.is_ascii_alphanumeric()
        || matches!(c, '_' | '\'' | '!' | '?')
        || is_letter_like(c)
        || is_subscript(c)
}

fn is_letter_like(c: char) -> bool {
    match c {
        'λ' | 'Π' | 'Σ' | '×' | '÷' => false,
        'α'..='ω' | 'Α'..='Ω' => true,
        '\u{3ca}'..='\u{3fb}' => true,     // Coptic letters
        '\u{1f00}'..='\u{1ffe}' => true,   // polytonic Greek
        '\u{2100}'..='\u{214f}' => true,   // letter-like symbols
        '\u{1d49c}'..='\u{1d59f}' => true, // script, double-struck, Fraktur
        '\u{c0}'..='\u{17f}' => true,      // Latin-1 letters, Latin Extended-A
        _ => false,
    }
}

fn is_subscript(c: char) -> bool {
    matches!(c, '\u{2080}'..='\u{2089}' | '\u{2090}'..='\u{209c}' | '\u{1d62}'..='\u{1d6a}' | '\u{2c7c}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_as_lakefiles_manifests_and_directories_have_them() {
        for (written, printed, plain) in [
            ("mathlib", "mathlib", "mathlib"),
            ("std-1.0.0-beta.14", "«std-1.0.0-beta.14»", "std-1.0.0-beta.14"),
            ("«doc-gen4»", "«doc-gen4»", "doc-gen4"),
            ("doc-gen4", "«doc-gen4»", "doc-gen4"),
            ("a.b", "a.b", "a.b"),
            ("a.«b-c»", "a.«b-c»", "a.b-c"),
            ("a.b-c", "«a.b-c»", "a.b-c"),
            ("«a.b»", "«a.b»", "a.b"),
            ("«mathlib»", "mathlib", "mathlib"),
            ("α₁'", "α₁'", "α₁'"),
            ("a b", "«a b»", "a b"),
            ("a.1", "a.1", "a.1"),
            ("a.«1»", "a.«1»", "a.1"),
            ("1.0", "1.0", "1.0"),
            ("v1.0-rc", "«v1.0-rc»", "v1.0-rc"),
            ("a.", "«a.»", "a."),
            ("", "«»", ""),
        ] {
            let name = Name::new(written);
            assert_eq!(name.as_str(), printed, "{written}");
            assert_eq!(name.plain(), plain, "{written}");
            assert_eq!(Name::new(name.as_str()), name, "{written} reads back");
        }
    }
}
