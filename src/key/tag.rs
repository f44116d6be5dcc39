//! Keys that people can read: what they were made from in front, a digest of all of it at the end.
//!
//! The readable part is cut and cleaned until it is a valid Docker tag; what that loses, the digest
//! still tells apart.

use crate::store::pack::Digest;

/// What the releases of Lean are named after; it tells nothing in a tag.
const OFFICIAL: &str = "leanprover/lean4:";
/// Characters of a toolchain.
const TOOLCHAIN: usize = 64;
/// Characters of a revision: what git shows is seven to ten.
const REVISION: usize = 8;
/// Hex digits of a digest: 64 bits.
const DIGEST: usize = 16;

/// `v4.26.0-2df2f015-0123456789abcdef`, or without mathlib's revision. Valid as a Docker tag:
/// `[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}` (distribution's `reference` package).
pub fn image(toolchain: &str, mathlib: Option<&str>, digest: &Digest) -> String {
    let mathlib = mathlib.map(|revision| readable(revision, REVISION));
    let parts = [Some(self::toolchain(toolchain)), mathlib, Some(short(digest))];
    parts.into_iter().flatten().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("-")
}

/// `x86_64-linux-v4.26.0-0123456789abcdef`.
pub fn cache(platform: &str, toolchain: &str, digest: &Digest) -> String {
    let parts = [platform, &self::toolchain(toolchain), &short(digest)];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("-")
}

/// The part of a digest that is shown.
pub fn short(digest: &Digest) -> String {
    let mut hex = digest.to_string();
    hex.truncate(DIGEST);
    hex
}

fn toolchain(name: &str) -> String {
    readable(name.strip_prefix(OFFICIAL).unwrap_or(name), TOOLCHAIN)
}

/// At most `length` characters of `text`, those that may not stand in a tag replaced by `-`, one for
/// any number of them. May be empty.
fn readable(text: &str, length: usize) -> String {
    let mut readable = String::new();
    for c in text.chars() {
        if c.is_ascii_alphanumeric() || matches!(c, '_' | '.') {
            readable.push(c);
        } else if !readable.ends_with('-') {
            readable.push('-');
        }
    }
    // Neither may begin a tag, and at an end they read badly.
    let mut readable = readable.trim_start_matches(['-', '.']).to_owned();
    readable.truncate(length);
    readable.trim_end_matches(['-', '.']).to_owned()
}

/// Whether Docker takes it.
#[cfg(test)]
pub fn is_valid(tag: &str) -> bool {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut chars = tag.chars();
    chars.next().is_some_and(is_word)
        && chars.all(|c| is_word(c) || matches!(c, '.' | '-'))
        && tag.len() <= 128
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readable_and_valid() {
        let digest = Digest::of(b"");
        let hex = "e3b0c44298fc1c14";
        let rev = "2df2f0150c275ad53cb3c90f7c98ec15a56a1a67";
        let long = "x".repeat(300);
        for (toolchain, mathlib, expected) in [
            ("leanprover/lean4:v4.26.0", Some(rev), format!("v4.26.0-2df2f015-{hex}")),
            ("leanprover/lean4:v4.26.0-rc1", Some(rev), format!("v4.26.0-rc1-2df2f015-{hex}")),
            ("leanprover/lean4:v4.26.0", None, format!("v4.26.0-{hex}")),
            (
                "org/fork:nightly-2025-01-01",
                Some(rev),
                format!("org-fork-nightly-2025-01-01-2df2f015-{hex}"),
            ),
            ("my  toolchain (debug)", None, format!("my-toolchain-debug-{hex}")),
            (".hidden", None, format!("hidden-{hex}")),
            ("--", Some("?"), hex.to_owned()),
            ("", Some(""), hex.to_owned()),
            ("λ", None, hex.to_owned()),
            ("_a+b", None, format!("_a-b-{hex}")),
            (&long, Some(&long), format!("{}-xxxxxxxx-{hex}", &long[..64])),
            ("v4", Some("v4.26.0/x"), format!("v4-v4.26.0-{hex}")),
        ] {
            let tag = image(toolchain, mathlib, &digest);
            assert_eq!(tag, expected);
            assert!(is_valid(&tag), "{tag}");
        }
    }

    #[test]
    fn caches_name_their_platform() {
        let key = cache("x86_64-linux", "leanprover/lean4:v4.26.0", &Digest::of(b""));
        assert_eq!(key, "x86_64-linux-v4.26.0-e3b0c44298fc1c14");
        assert_eq!(cache("x86_64-linux", "?", &Digest::of(b"")), "x86_64-linux-e3b0c44298fc1c14");
    }

    #[test]
    fn validity_can_fail() {
        let longest = "x".repeat(128);
        for (tag, expected) in [
            ("a", true),
            ("_", true),
            (longest.as_str(), true),
            (&format!("{longest}x"), false),
            ("", false),
            (".a", false),
            ("-a", false),
            ("a/b", false),
            ("a:b", false),
            ("ä", false),
        ] {
            assert_eq!(is_valid(tag), expected, "{tag}");
        }
    }
}
