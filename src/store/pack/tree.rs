//! What the shards of a pack have put where so far, whichever comes first.

use super::entry::{Entry, Kind, show};
use anyhow::{Result, bail};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// What the paths of a tree may take of our memory, in bytes: enough for over a million files. A few
/// that are thousands of directories deep, which compress to nothing, would take all there is.
const MAX_PATHS: usize = 256 << 20;
/// Bytes that a path takes besides its text.
const PATH: usize = 96;

/// The paths of a tree that are taken.
#[derive(Debug)]
pub struct Tree {
    taken: HashMap<PathBuf, Taken>,
    /// Bytes that there is room for.
    room: usize,
}

impl Default for Tree {
    fn default() -> Self {
        Self { taken: HashMap::new(), room: MAX_PATHS }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Taken {
    /// By a directory above an entry, whose own entry may be in another shard.
    Above,
    Directory,
    File,
    Symlink,
}

impl Tree {
    /// Takes the path of `entry`. Returns the directories that it needs and that nobody needed
    /// before, outermost first, itself among them when it is one.
    ///
    /// # Errors
    /// When the path is taken, or leads through something that is no directory.
    pub fn take<'e>(&mut self, entry: &'e Entry) -> Result<Vec<&'e Path>> {
        let mut new = Vec::new();
        for above in entry.path.ancestors().skip(1) {
            match self.taken.get(above) {
                _ if above.as_os_str().is_empty() => break,
                Some(Taken::Above | Taken::Directory) => break,
                Some(Taken::File) => bail!("it is below `{}`, which is a file", shown(above)),
                Some(Taken::Symlink) => bail!("it passes through the symlink `{}`", shown(above)),
                None => new.push(above),
            }
        }
        let (taken, target) = match &entry.kind {
            Kind::Directory => (Taken::Directory, 0),
            Kind::File { .. } => (Taken::File, 0),
            Kind::Symlink { target } => (Taken::Symlink, target.as_os_str().len()),
        };
        match (self.taken.get(&entry.path), taken) {
            (None, Taken::Directory) => new.insert(0, &entry.path),
            (None, _) | (Some(Taken::Above), Taken::Directory) => {}
            (Some(Taken::Above), Taken::Symlink) => {
                bail!("it is a symlink that other entries pass through")
            }
            (Some(Taken::Above), _) => bail!("it is a file that other entries are below of"),
            (Some(_), _) => bail!("its path is taken by another entry"),
        }
        let paths = new.iter().copied().chain([entry.path.as_path()]);
        let size = paths.map(|path| path.as_os_str().len() + PATH).sum::<usize>() + target;
        let Some(room) = self.room.checked_sub(size) else {
            bail!("with it the paths of its pack take more than {} MiB", MAX_PATHS >> 20)
        };
        self.room = room;
        self.taken.extend(new.iter().map(|&above| (above.to_owned(), Taken::Above)));
        self.taken.insert(entry.path.clone(), taken);
        new.reverse();
        Ok(new)
    }
}

fn shown(path: &Path) -> String {
    show(path.as_os_str().as_encoded_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: String) -> Entry {
        let kind = Kind::File { size: 0, executable: false };
        Entry { path: path.into(), kind, mtime: 0 }
    }

    #[test]
    fn deep_paths_are_counted_with_all_that_is_above_them() {
        let mut tree = Tree { room: 64 << 10, ..Tree::default() };
        let deep = |name: &str| file("d/".repeat(200) + name);
        tree.take(&deep("a")).expect("there is room: 200 directories take 40 KB");
        tree.take(&deep("b")).expect("the same directories take nothing more");
        let other = file("e/".repeat(200) + "c");
        let error = tree.take(&other).expect_err("no room for 200 more");
        assert!(error.to_string().contains("more than 256 MiB"), "{error}");
        tree.take(&file("e/c".to_owned())).expect("what found no room takes none");
    }

    #[test]
    fn a_million_files_have_room() {
        let path =
            |n: usize| format!("lib/lean/Mathlib/Analysis/Calculus/Module{n:07}.olean.private");
        let mut tree = Tree::default();
        (0..10_000).for_each(|n| drop(tree.take(&file(path(n))).expect("there is room")));
        assert!((MAX_PATHS - tree.room) * 100 < MAX_PATHS, "{} left", tree.room);
    }
}
