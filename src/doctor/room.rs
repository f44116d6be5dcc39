//! Whether a restore could write where it has to: rights and space, disk by disk.

use super::{Finding, nearest, quoted, shown, word};
use fs_err as fs;
use indicatif::HumanBytes;
use nix::errno::Errno;
use nix::sys::statvfs::statvfs;
use nix::unistd::{AccessFlags, eaccess, getegid};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// A disk that a restore would write to.
#[derive(Debug)]
pub struct Room {
    /// The first directory on it that would get something, or where that would be made.
    dir: PathBuf,
    /// Bytes, about.
    need: u64,
    /// Bytes that this user may still write; nothing when that cannot be told.
    free: Option<u64>,
    /// Directories on it that may not be written to.
    refused: BTreeMap<PathBuf, Errno>,
}

/// Looks at the disks that `needs` go to: directories that may not exist yet, and bytes.
pub fn look(needs: &[(PathBuf, u64)]) -> Vec<Room> {
    let mut rooms: BTreeMap<u64, Room> = BTreeMap::new();
    let mut known: BTreeMap<&Path, (u64, PathBuf)> = BTreeMap::new();
    for (dir, bytes) in needs {
        if !known.contains_key(dir.as_path()) {
            let Some((device, there)) = place(dir) else { continue };
            known.insert(dir, (device, there));
        }
        let Some((device, there)) = known.get(dir.as_path()) else { continue };
        let room = rooms.entry(*device).or_insert_with(|| Room::at(there));
        room.need = room.need.saturating_add(*bytes);
        if let Err(errno) = eaccess(there, AccessFlags::W_OK | AccessFlags::X_OK) {
            room.refused.insert(there.clone(), errno);
        }
    }
    rooms.into_values().collect()
}

/// The device of a directory that may not exist yet, and where on it that would be made.
fn place(dir: &Path) -> Option<(u64, PathBuf)> {
    let there = nearest(dir)?;
    let device = fs::metadata(&there).ok()?.dev();
    Some((device, there))
}

impl Room {
    fn at(dir: &Path) -> Self {
        // The types of a `statvfs` differ from system to system.
        #[allow(clippy::useless_conversion, reason = "they are 64 bits wide here")]
        let free = statvfs(dir)
            .map(|stat| u64::from(stat.blocks_available()) * u64::from(stat.fragment_size()));
        Self { dir: dir.to_owned(), need: 0, free: free.ok(), refused: BTreeMap::new() }
    }

    pub fn judge(&self) -> Option<Finding> {
        if !self.refused.is_empty() {
            let message = "a restore would have to write where you may not";
            let first = self.refused.keys().next().map(PathBuf::as_path);
            let dir = word(first.unwrap_or(Path::new("")));
            let group = getegid();
            let hint = format!(
                "run it as the owner, or have the owner give your group the right: \
                 `chgrp -R {group} {dir} && chmod -R ug+rwX {dir}`"
            );
            let seen = self.refused.iter().map(|(dir, e)| format!("{}: {}", quoted(dir), e.desc()));
            return Some(Finding::error("packages-unwritable", message, hint).all_seen(seen));
        }
        let free = self.free.filter(|free| *free < self.need)?;
        let message = "there is too little space for a restore";
        let hint = format!(
            "free {} on that disk, or keep packages on a larger one: `LAKE_PKG_DIR`",
            HumanBytes(self.need - free)
        );
        let seen = format!(
            "{} has {} free, and a restore needs about {}",
            quoted(&self.dir),
            HumanBytes(free),
            HumanBytes(self.need)
        );
        Some(Finding::error("disk-space", message, hint).seen(seen))
    }

    pub fn facts(&self) -> Value {
        json!({ "dir": shown(&self.dir), "need": self.need, "free": self.free })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room(need: u64, free: Option<u64>) -> Room {
        Room { dir: "/p".into(), need, free, refused: BTreeMap::new() }
    }

    #[test]
    fn space() {
        let check = |room: Room| room.judge().map(|finding| finding.check);
        assert_eq!(check(room(10, Some(9))), Some("disk-space"));
        assert_eq!(check(room(10, Some(10))), None);
        assert_eq!(check(room(10, None)), None);
        assert_eq!(check(room(0, Some(0))), None);
        let refused = BTreeMap::from([(PathBuf::from("/p"), Errno::EACCES)]);
        assert_eq!(check(Room { refused, ..room(0, None) }), Some("packages-unwritable"));
    }

    #[test]
    fn what_goes_to_one_disk_is_added_up() {
        let dir = tempfile::tempdir().expect("a directory");
        let needs = ["a/b", "c", "a/b"].map(|name| (dir.path().join(name), 2));
        let rooms = look(&needs);
        assert_eq!(rooms.len(), 1);
        assert_eq!((rooms[0].need, rooms[0].dir.as_path()), (6, dir.path()));
        assert!(rooms[0].free.is_some() && rooms[0].judge().is_none());
    }
}
