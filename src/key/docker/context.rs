//! Which files of a build context an instruction takes.
//!
//! The context is what `.dockerignore` leaves of a directory; nothing else is there for Docker. A
//! source that is a symlink, or leads through one, is followed, with the context as the root of the
//! file system; symlinks inside a directory that is taken are copied as they are. So both count: the
//! symlinks that were followed, and what they lead to.

use super::ignore::{Patterns, Seen, clean};
use super::recipe::{Source, Taken};
use crate::key::files::Files;
use crate::key::glob::{Pattern, Stars, has_wildcard};
use anyhow::{Result, bail};
use fs_err as fs;
use std::fs::FileType;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Linux follows this many symlinks.
const MAX_LINKS: usize = 40;

/// A directory and what is left out of it.
#[derive(Debug)]
pub struct Context<'a> {
    pub root: &'a Path,
    pub ignore: &'a Patterns,
}

/// Why a source is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// Nothing of that name.
    Absent,
    /// `.dockerignore` leaves it out.
    Ignored,
    /// No name matches.
    Unmatched,
}

/// Something in the context.
#[derive(Clone, Debug)]
struct Place {
    /// Relative to the root; empty for the root.
    path: PathBuf,
    is_ignored: bool,
    seen: Seen,
}

impl Context<'_> {
    /// Adds the files that `taken` takes to `files`. Sources that are not there, and why, are what it
    /// gives back.
    ///
    /// A wildcard may match nothing as long as another source of the instruction does: that is how
    /// a file is made optional (`COPY lake-manifest.jso[n] lakefile.toml ./`).
    ///
    /// # Errors
    /// What cannot be read, and what is no pattern.
    pub fn take(&self, taken: &Taken, files: &mut Files) -> Result<Vec<(String, Missing)>> {
        let Taken { line: _, by: _, sources, exclude } = taken;
        let exclude = Patterns::of(exclude.iter().map(String::as_str))?;
        let mut missing = Vec::new();
        for source in sources {
            let found = self.find(source, &exclude, files)?;
            missing.extend(found.err().map(|why| (shown(source), why)));
        }
        if missing.len() < sources.len() {
            missing.retain(|(_, why)| *why != Missing::Unmatched);
        }
        Ok(missing)
    }

    fn find(
        &self,
        source: &Source,
        exclude: &Patterns,
        files: &mut Files,
    ) -> Result<Result<(), Missing>> {
        let Source { path, has_wildcard, below } = source;
        let path = absolute(path);
        let places = match has_wildcard {
            true => self.matching(&path, files)?,
            false => match self.follow(&path, files)? {
                Ok(place) => vec![place],
                Err(why) => return Ok(Err(why)),
            },
        };
        let Some(below) = below else {
            for place in &places {
                self.add(place, &Patterns::default(), exclude, files)?;
            }
            return Ok(if places.is_empty() { Err(Missing::Unmatched) } else { Ok(()) });
        };
        let below = absolute(below);
        let include = Patterns::of([below.as_str()])?;
        let mut is_found = false;
        for place in &places {
            is_found |= self.add(place, &include, exclude, files)?;
        }
        let is_literal = !has_wildcard && !self::has_wildcard(&below);
        Ok(match is_found {
            true => Ok(()),
            false => Err(if is_literal { Missing::Absent } else { Missing::Unmatched }),
        })
    }

    /// The places whose names match. Components without a wildcard in front of the first one with one
    /// are followed, as is each match.
    fn matching(&self, path: &str, files: &mut Files) -> Result<Vec<Place>> {
        let components: Vec<&str> = path.split('/').collect();
        let literal = components.iter().take_while(|part| !has_wildcard(part)).count();
        let Ok(start) = self.follow(&components[..literal].join("/"), files)? else {
            return Ok(Vec::new());
        };
        let mut places = vec![start];
        let mut found = Vec::new();
        for (depth, component) in (literal + 1..).zip(&components[literal..]) {
            let pattern = Pattern::parse(component, Stars::Plain)?;
            let mut next = Vec::new();
            for (child, kind) in self.children_of_all(&places)? {
                let name = child.path.file_name().unwrap_or_default().to_string_lossy();
                if !pattern.matches(&name) {
                    continue;
                }
                if depth < components.len() {
                    // Only the last one may be a symlink.
                    next.extend(kind.is_dir().then_some(child));
                } else if kind.is_symlink() {
                    found.extend(self.follow(&child.path.to_string_lossy(), files)?.ok());
                } else if self.is_there(&child)? {
                    found.push(child);
                }
            }
            places = next;
        }
        Ok(found)
    }

    /// What `path` leads to. The symlinks on the way are added to `files`.
    fn follow(&self, path: &str, files: &mut Files) -> Result<Result<Place, Missing>> {
        let mut todo: Vec<String> = path.split('/').rev().map(str::to_owned).collect();
        let mut at = self.top();
        let mut links = 0;
        while let Some(name) = todo.pop() {
            match name.as_str() {
                "" | "." => continue,
                ".." => {
                    at = self.place(at.path.parent().unwrap_or(Path::new("")));
                    continue;
                }
                _ => {}
            }
            let above = at;
            at = self.child(&above, Path::new(&name));
            let Some(kind) = self.kind(&at)? else {
                return Ok(Err(Missing::Absent));
            };
            if !kind.is_symlink() {
                continue;
            }
            if at.is_ignored {
                return Ok(Err(Missing::Ignored));
            }
            links += 1;
            if links > MAX_LINKS {
                bail!("`{path}` leads through too many symlinks");
            }
            files.add(&at.path, self.root.join(&at.path));
            let target = fs::read_link(self.root.join(&at.path))?;
            at = if target.is_absolute() { self.top() } else { above };
            todo.extend(target.to_string_lossy().split('/').rev().map(str::to_owned));
        }
        Ok(if self.is_there(&at)? { Ok(at) } else { Err(Missing::Ignored) })
    }

    /// Adds what is at `place` and below it, as far as `include` (if there is any) matches and
    /// `exclude` does not; both are relative to it. Says whether there was anything.
    fn add(
        &self,
        place: &Place,
        include: &Patterns,
        exclude: &Patterns,
        files: &mut Files,
    ) -> Result<bool> {
        if self.kind(place)?.is_some_and(|kind| !kind.is_dir()) {
            // A file that is named itself is not asked whether it is excluded.
            if include.is_empty() && !place.is_ignored {
                files.add(&place.path, self.root.join(&place.path));
            }
            return Ok(include.is_empty());
        }
        let mut is_found = false;
        let mut todo = vec![(place.clone(), include.top(), exclude.top())];
        while let Some((dir, included, excluded)) = todo.pop() {
            for (child, kind) in self.children(&dir)? {
                let below = child.path.strip_prefix(&place.path).unwrap_or(&child.path);
                let below = below.to_string_lossy();
                let (is_included, included) = include.look(&below, &included);
                let (is_excluded, excluded) = exclude.look(&below, &excluded);
                let is_included = is_included || include.is_empty();
                let is_taken = !child.is_ignored && !is_excluded && is_included;
                is_found |= is_taken;
                let may_have_some = (is_included || include.may_match_below(&below))
                    && (!is_excluded || exclude.may_spare_below(&below));
                if !kind.is_dir() {
                    if is_taken {
                        files.add(&child.path, self.root.join(&child.path));
                    }
                } else if may_have_some {
                    todo.push((child, included, excluded));
                }
            }
        }
        Ok(is_found || include.is_empty())
    }

    /// Whether something is not ignored, or a directory in which something is not.
    fn is_there(&self, place: &Place) -> Result<bool> {
        if !place.is_ignored {
            return Ok(true);
        }
        if !self.kind(place)?.is_some_and(|kind| kind.is_dir()) {
            return Ok(false);
        }
        for (child, _) in self.children(place)? {
            if self.is_there(&child)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn children_of_all(&self, dirs: &[Place]) -> Result<Vec<(Place, FileType)>> {
        let mut all = Vec::new();
        for dir in dirs {
            all.extend(self.children(dir)?);
        }
        Ok(all)
    }

    /// What is in a directory, ignored or not, sorted; but not the ignored directories in which nothing
    /// can have been brought back, nor what is neither file, directory nor symlink.
    fn children(&self, dir: &Place) -> Result<Vec<(Place, FileType)>> {
        let entries = match fs::read_dir(self.root.join(&dir.path)) {
            Ok(entries) => entries,
            Err(e) if e.kind() == ErrorKind::NotADirectory => return Ok(Vec::new()),
            Err(e) => return Err(e.into()),
        };
        let mut children = Vec::new();
        for entry in entries {
            let entry = entry?;
            let kind = entry.file_type()?;
            let child = self.child(dir, Path::new(&entry.file_name()));
            let is_gone = child.is_ignored
                && !(kind.is_dir() && self.ignore.may_spare_below(&child.path.to_string_lossy()));
            if !is_gone && (kind.is_dir() || kind.is_file() || kind.is_symlink()) {
                children.push((child, kind));
            }
        }
        children.sort_by(|(a, _), (b, _)| a.path.cmp(&b.path));
        Ok(children)
    }

    fn top(&self) -> Place {
        Place { path: PathBuf::new(), is_ignored: false, seen: self.ignore.top() }
    }

    fn place(&self, path: &Path) -> Place {
        path.iter().fold(self.top(), |above, name| self.child(&above, Path::new(name)))
    }

    fn child(&self, above: &Place, name: &Path) -> Place {
        let path = above.path.join(name);
        let (is_ignored, seen) = self.ignore.look(&path.to_string_lossy(), &above.seen);
        Place { path, is_ignored, seen }
    }

    /// Nothing when nothing is there.
    fn kind(&self, place: &Place) -> Result<Option<FileType>> {
        match fs::symlink_metadata(self.root.join(&place.path)) {
            Ok(meta) => Ok(Some(meta.file_type())),
            Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                Ok(None)
            }
            Err(e) => Err(e.into()),
        }
    }
}

/// Relative to the context's root, above which nothing leads.
fn absolute(path: &str) -> String {
    clean(&format!("/{path}"))[1..].to_owned()
}

fn shown(Source { path, has_wildcard: _, below }: &Source) -> String {
    match below {
        Some(below) if path.is_empty() => below.clone(),
        Some(below) => format!("{path}/./{below}"),
        None if path.is_empty() => ".".to_owned(),
        None => path.clone(),
    }
}
