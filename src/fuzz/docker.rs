//! Dockerfiles, what they take, and the patterns that choose it.

use super::{room, texts, write};
use crate::key::Build;
use crate::key::glob::{Pattern, Stars};
use fs_err as fs;
use fs_err::os::unix::fs::symlink;
use std::collections::BTreeMap;

/// A Dockerfile, a `.dockerignore`, and the value of a build argument `A`.
///
/// What an image is built from depends on nothing outside of its context, on no line ends, and is the
/// same when it is asked for again.
pub fn dockerfile(data: &[u8]) {
    let mut texts = texts(data);
    let mut text = || texts.next().unwrap_or_default();
    let (recipe, ignore, argument) = (text(), text(), String::from_utf8_lossy(text()));
    let dir = room();
    let context = dir.path().join("context");
    write(&context.join("a"), b"a");
    write(&context.join("b/c"), b"c");
    write(&context.join("b/d/e.lean"), b"e");
    write(&dir.path().join("outside"), b"outside");
    symlink("../outside", context.join("out")).expect("a symlink");
    symlink("b/d", context.join("in")).expect("a symlink");
    let build = Build {
        dockerfile: context.join("Dockerfile"),
        context: context.clone(),
        args: BTreeMap::from([("A".to_owned(), argument.into_owned())]),
    };
    write(&build.dockerfile, recipe);
    write(&context.join(".dockerignore"), ignore);
    let digest = || build.inputs().map(|inputs| inputs.digest);
    let Ok(first) = digest() else { return };
    write(&dir.path().join("outside"), b"something else");
    assert_eq!(digest().ok(), Some(first), "what is outside does not count");
    if !recipe.contains(&b'\r') && !recipe.contains(&0) {
        let crlf = recipe.split(|&byte| byte == b'\n').collect::<Vec<_>>().join(&b"\r\n"[..]);
        write(&build.dockerfile, &crlf);
        assert_eq!(digest().ok(), Some(first), "line ends do not count");
    }
    fs::remove_dir_all(context).expect("nothing of it is kept");
}

/// A pattern and a name: whether they match is what the plainest matcher says.
pub fn glob(data: &[u8]) {
    let mut texts = texts(data).map(std::str::from_utf8);
    let (Some(Ok(text)), Some(Ok(name))) = (texts.next(), texts.next()) else { return };
    let Ok(pattern) = Pattern::parse(text, Stars::Plain) else { return };
    let matches = pattern.matches(name);
    if let Some((dir, _)) = name.rsplit_once('/') {
        assert!(!matches || pattern.may_match_below(dir), "`{text}` below `{dir}`");
    }
    // What that one does takes exponential time.
    if text.matches(['*', '[']).count() > 6 || text.len() + name.len() > 100 {
        return;
    }
    let (text, name): (Vec<char>, Vec<char>) = (text.chars().collect(), name.chars().collect());
    assert_eq!(matches, matches_plainly(&text, &name), "{text:?} {name:?}");
}

/// Go's `filepath.Match`, of a pattern that is one.
fn matches_plainly(pattern: &[char], name: &[char]) -> bool {
    match (pattern, name) {
        ([], _) => name.is_empty(),
        (['*', rest @ ..], _) => {
            matches_plainly(rest, name)
                || name
                    .split_first()
                    .is_some_and(|(&c, after)| c != '/' && matches_plainly(pattern, after))
        }
        (_, []) => false,
        (['?', rest @ ..], [c, name @ ..]) => *c != '/' && matches_plainly(rest, name),
        (['\\', literal, rest @ ..], [c, name @ ..]) => literal == c && matches_plainly(rest, name),
        (['[', class @ ..], [c, name @ ..]) => {
            let (is_in, rest) = class_has(class, *c);
            is_in && matches_plainly(rest, name)
        }
        ([literal, rest @ ..], [c, name @ ..]) => literal == c && matches_plainly(rest, name),
    }
}

/// Whether the class that begins here has `c`, and what comes after the class.
fn class_has(class: &[char], c: char) -> (bool, &[char]) {
    let (negated, mut rest) = match class {
        ['^', rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    let bound = |rest: &mut &[char]| match **rest {
        ['\\', c, ref after @ ..] | [c, ref after @ ..] => {
            *rest = after;
            c
        }
        [] => unreachable!("a class ends"),
    };
    let (mut is_in, mut is_empty) = (false, true);
    while is_empty || rest[0] != ']' {
        is_empty = false;
        let low = bound(&mut rest);
        let mut high = low;
        if rest[0] == '-' {
            rest = &rest[1..];
            high = bound(&mut rest);
        }
        is_in |= (low..=high).contains(&c);
    }
    (is_in != negated, &rest[1..])
}
