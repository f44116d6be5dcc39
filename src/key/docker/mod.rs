//! What a Docker image is built from: its Dockerfile, and what that takes from the build context.
//!
//! The rest of the context may change as it likes, and so may what is fetched while building: a base
//! image or a URL counts by its name, which stands in the Dockerfile. Where BuildKit's rules and
//! those of older builders differ, these are BuildKit's.

mod context;
#[cfg(test)]
mod context_tests;
mod ignore;
mod lines;
mod recipe;
#[cfg(test)]
mod recipe_tests;
mod words;

use super::fields::Fields;
use super::files::{self, Files};
use crate::error::hint;
use crate::read;
use crate::store::pack::Digest;
use anyhow::{Context as _, Result, anyhow};
use context::{Context, Missing};
use ignore::Patterns;
use lines::Dockerfile;
use recipe::Taken;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// A build to be.
#[derive(Clone, Debug)]
pub struct Build {
    pub dockerfile: PathBuf,
    /// The directory that sources are relative to.
    pub context: PathBuf,
    /// Build arguments, as `docker build --build-arg` takes them.
    pub args: BTreeMap<String, String>,
}

/// What a build is made from.
#[derive(Clone, Debug)]
pub struct Inputs {
    pub digest: Digest,
    /// Those of [`FLEETING`] that files are taken from.
    pub fleeting: Vec<&'static str>,
}

/// Directories that are not the same in two checkouts of one commit, or before and after a build.
const FLEETING: [&str; 2] = [".git", ".lake"];

/// Something wrong in a Dockerfile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The first line is 1.
    pub line: usize,
    pub what: String,
    pub hint: Option<String>,
}

impl Fault {
    fn new(line: usize, what: String) -> Self {
        Self { line, what, hint: None }
    }
}

impl Build {
    /// All that the build is made from.
    ///
    /// # Errors
    /// When a file cannot be read, and where Docker would fail too: a Dockerfile that is none, a source
    /// that is not in the context. Besides, when a source depends on what only a build would know.
    pub fn inputs(&self) -> Result<Inputs> {
        let Self { dockerfile, context: _, args } = self;
        let (recipe, files) = (files::contents(dockerfile)?, self.files()?);
        let mut fields = Fields::new("docker");
        fields.add(recipe.to_string()).add(files.digest()?.to_string());
        fields.add_all(args.iter().flat_map(|(name, value)| [name, value]));
        let fleeting = FLEETING.into_iter().filter(|directory| files.has(directory)).collect();
        Ok(Inputs { digest: fields.digest(), fleeting })
    }

    /// What the Dockerfile takes from the context.
    fn files(&self) -> Result<Files> {
        let Self { dockerfile, context: root, args } = self;
        let text = read::bytes(dockerfile, read::TEXT)?;
        let parsed = Dockerfile::parse(&String::from_utf8_lossy(&text));
        let all = parsed.and_then(|parsed| recipe::taken(&parsed, args));
        let all = all.map_err(|fault| self.error(fault))?;
        let (ignore, ignore_file) = self.ignore()?;
        let context = Context { root, ignore: &ignore };
        let mut files = Files::default();
        for taken in &all {
            let place = || format!("`{}:{}`", dockerfile.display(), taken.line);
            let missing = context.take(taken, &mut files).with_context(place)?;
            if let Some((source, why)) = missing.first() {
                return Err(self.error(self.missing(taken, source, *why, &ignore_file)));
            }
        }
        Ok(files)
    }

    /// `<Dockerfile>.dockerignore` beside the Dockerfile, else `.dockerignore` in the context.
    fn ignore(&self) -> Result<(Patterns, PathBuf)> {
        let mut own = OsString::from(&self.dockerfile);
        own.push(".dockerignore");
        for file in [PathBuf::from(own), self.context.join(".dockerignore")] {
            let text = match read::bytes(&file, read::TEXT) {
                Ok(text) => text,
                Err(e) if e.kind() == ErrorKind::NotFound => continue,
                Err(e) => return Err(e.into()),
            };
            let patterns = Patterns::parse(&String::from_utf8_lossy(&text));
            let patterns = patterns.with_context(|| format!("`{}`", file.display()))?;
            return Ok((patterns, file));
        }
        Ok((Patterns::default(), PathBuf::new()))
    }

    fn missing(&self, taken: &Taken, source: &str, why: Missing, ignore_file: &Path) -> Fault {
        let Taken { line, by, sources: _, exclude: _ } = taken;
        let context = self.context.display();
        let (what, hint) = match why {
            Missing::Absent => (
                format!("is not in the build context `{context}`"),
                "sources are relative to the context; `--context DIR` names another".to_owned(),
            ),
            Missing::Ignored => (
                format!("is left out of the build context by `{}`", ignore_file.display()),
                format!("take it back with a line `!{source}`"),
            ),
            Missing::Unmatched => (
                format!("matches nothing in the build context `{context}`"),
                "sources are relative to the context; `--context DIR` names another".to_owned(),
            ),
        };
        Fault {
            line: *line,
            what: format!("`{by}` takes `{source}`, which {what}"),
            hint: Some(hint),
        }
    }

    fn error(&self, Fault { line, what, hint: advice }: Fault) -> anyhow::Error {
        let message = format!("`{}:{line}`: {what}", self.dockerfile.display());
        anyhow!(match advice {
            Some(advice) => hint(message, advice),
            None => message,
        })
    }
}
