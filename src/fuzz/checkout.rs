//! Checkouts of packages: where git says they are, and how mathlib's names its cache files.

use super::{room, texts, write};
use crate::mathlib::recipe::{Recipe, Scheme};
use crate::workspace::git::Checkout;
use fs_err as fs;

/// The files of a clone, in this order: `HEAD`, a branch, `packed-refs`, `commondir`, and `.git`
/// itself when it is a file.
///
/// A commit that is found is written in one of them, and where git looks nowhere else nothing does.
pub fn git(data: &[u8]) {
    let dir = room();
    let clone = dir.path().join("clone");
    let files = ["HEAD", "refs/heads/main", "packed-refs", "commondir"];
    let mut texts = texts(data);
    let mut written = Vec::new();
    for (file, text) in files.into_iter().zip(texts.by_ref()) {
        if !text.is_empty() {
            write(&clone.join(".git").join(file), text);
            written.extend_from_slice(text);
            written.push(b'\n');
        }
    }
    if let Some(file) = texts.next() {
        let git_dir = dir.path().join("elsewhere");
        if clone.join(".git").exists() {
            fs::rename(clone.join(".git"), git_dir).expect("moved");
        }
        write(&clone.join(".git"), file);
    }
    let Some(head) = Checkout::open(&clone).and_then(|clone| clone.head()) else { return };
    assert!(matches!(head.len(), 40 | 64), "{head}");
    assert!(head.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)), "{head}");
    assert!(written.windows(head.len()).any(|part| part == head.as_bytes()), "{head}");
}

/// The text of mathlib's cache tool.
///
/// What is understood of it is written in it, outside of comments too.
pub fn recipe(data: &[u8]) {
    let mathlib = room();
    write(&mathlib.path().join("Cache/IO.lean"), data);
    let Ok(recipe) = Recipe::read(mathlib.path()) else { return };
    let text = std::str::from_utf8(data).expect("it was read as text");
    let Recipe { scheme, covered, fetches_proofwidgets: _, leantar: _, native_targets: _ } =
        &recipe;
    assert!(covered.iter().any(|name| name == "Mathlib"));
    assert!(covered.iter().all(|name| text.contains(name.as_str())), "{covered:?}");
    if let Scheme::Generation(generation) | Scheme::GenerationAndGithash(generation) = scheme {
        assert!(text.contains(&generation.to_string()), "{generation}");
    }
    write(&mathlib.path().join("Cache/More.lean"), b"/- def getRootHash\nreturn hash -/\n-- def x");
    assert_eq!(Recipe::read(mathlib.path()).ok(), Some(recipe), "comments say nothing");
}
