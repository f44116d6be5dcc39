//! What mathlib's cache is: the names of its files, the shape of an `.ltar`, the tool that unpacks
//! it.
//!
//! Everything in here is read off mathlib's `Cache/*.lean` and digama0's leangz, and tells what
//! they would do; none of it changes a workspace.

pub mod hash;
pub mod header;
pub mod leantar;
pub mod ltar;
pub mod names;
pub mod outputs;
pub mod packing;
pub mod recipe;
pub mod request;

use crate::workspace::name::print;
use std::fmt;
use std::path::PathBuf;

/// The name of a Lean module, such as `Mathlib.Order.Lattice`: one or more components, unescaped.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Module(Vec<String>);

impl Module {
    pub fn new(components: Vec<String>) -> Self {
        debug_assert!(!components.is_empty());
        Self(components)
    }

    /// The module that imports all others of mathlib.
    pub fn mathlib() -> Self {
        Self::new(vec!["Mathlib".to_owned()])
    }

    /// Reads a dotted name, escaped components included. Nothing when it is no module name.
    pub fn parse(name: &str) -> Option<Self> {
        let source = format!("import {name}");
        match header::imports(&source).ok()?.as_slice() {
            // `A B` would parse too, as `A`: what is printed must be what was read.
            [module] if module.to_string() == name => Some(module.clone()),
            _ => None,
        }
    }

    /// The first component, which tells the library.
    pub fn root(&self) -> &str {
        &self.0[0]
    }

    /// Whether its components are names of files: Lean takes `A.«../b»` for a module, which would
    /// lie anywhere.
    pub fn is_path(&self) -> bool {
        let is_name = |part: &String| {
            !matches!(part.as_str(), "" | "." | "..") && !part.contains(['/', '\0'])
        };
        self.0.iter().all(is_name)
    }

    /// Where the module's files lie below a source or build directory, without an extension. Of a
    /// module that [is a path](Self::is_path).
    pub fn path(&self) -> PathBuf {
        self.0.iter().collect()
    }

    /// The path components that the cache tool hashes: the *escaped* name turned into a path whose
    /// extension is then replaced, so that `A.«b.c»` counts as `A`, `«b.lean`.
    pub fn hashed_path(&self) -> Vec<String> {
        let joined: Vec<_> = self.0.iter().map(|part| print([part.as_str()])).collect();
        let mut parts: Vec<String> = joined.join("/").split('/').map(str::to_owned).collect();
        if let Some(last) = parts.last_mut() {
            let stem = match last.rfind('.') {
                None | Some(0) => last.len(),
                Some(dot) => dot,
            };
            last.truncate(stem);
            last.push_str(".lean");
        }
        parts
    }
}

/// As Lean's `Name.toString` prints it.
impl fmt::Display for Module {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&print(self.0.iter().map(String::as_str)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip() {
        for name in ["Mathlib", "Mathlib.Order.Lattice", "A.«b c».D", "«std-1.0»", "α.b₁'"] {
            let module = Module::parse(name).unwrap_or_else(|| panic!("{name} is a name"));
            assert_eq!(module.to_string(), name);
        }
        for no_name in ["", "A B", "A.", ".A", "1", "A/B", "A.1", "--repo=x"] {
            assert_eq!(Module::parse(no_name), None, "{no_name:?}");
        }
    }

    #[test]
    fn modules_that_would_lie_elsewhere() {
        for (name, expected) in [
            ("Mathlib.Order", true),
            ("A.«b c».«..d»", true),
            ("A.«..»", false),
            ("A.«.»", false),
            ("A.«»", false),
            ("«/etc»", false),
            ("A.«../../b»", false),
            ("A.«b\0»", false),
        ] {
            assert_eq!(Module::parse(name).expect(name).is_path(), expected, "{name}");
        }
    }

    #[test]
    fn the_hashed_path_is_the_escaped_one() {
        let path = |name: &str| Module::parse(name).expect("a name").hashed_path();
        assert_eq!(path("Mathlib.Order.Lattice"), ["Mathlib", "Order", "Lattice.lean"]);
        assert_eq!(path("A.«b-c»"), ["A", "«b-c».lean"]);
        assert_eq!(path("A.«b.c»"), ["A", "«b.lean"]);
    }
}
