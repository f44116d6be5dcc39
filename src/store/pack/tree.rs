//! What the shards of a pack have put where so far, whichever comes first.

use super::entry::{Entry, Kind, show};
use anyhow::{Result, bail};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// The paths of a tree that are taken.
#[derive(Debug, Default)]
pub struct Tree(HashMap<PathBuf, Taken>);

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
            match self.0.get(above) {
                _ if above.as_os_str().is_empty() => break,
                Some(Taken::Above | Taken::Directory) => break,
                Some(Taken::File) => bail!("it is below `{}`, which is a file", shown(above)),
                Some(Taken::Symlink) => bail!("it passes through the symlink `{}`", shown(above)),
                None => new.push(above),
            }
        }
        let taken = match entry.kind {
            Kind::Directory => Taken::Directory,
            Kind::File { .. } => Taken::File,
            Kind::Symlink { .. } => Taken::Symlink,
        };
        match (self.0.get(&entry.path), taken) {
            (None, Taken::Directory) => new.insert(0, &entry.path),
            (None, _) | (Some(Taken::Above), Taken::Directory) => {}
            (Some(Taken::Above), Taken::Symlink) => {
                bail!("it is a symlink that other entries pass through")
            }
            (Some(Taken::Above), _) => bail!("it is a file that other entries are below of"),
            (Some(_), _) => bail!("its path is taken by another entry"),
        }
        self.0.extend(new.iter().map(|&above| (above.to_owned(), Taken::Above)));
        self.0.insert(entry.path.clone(), taken);
        new.reverse();
        Ok(new)
    }
}

fn shown(path: &Path) -> String {
    show(path.as_os_str().as_encoded_bytes())
}
