//! Whether a restore could write where it has to: rights and space, disk by disk.

use super::{Finding, quoted, shown, word};
use fs_err as fs;
use indicatif::HumanBytes;
use nix::errno::Errno;
use nix::sys::statvfs::statvfs;
use nix::unistd::{AccessFlags, eaccess, getegid, geteuid};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
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
    /// What may not be written to or made on it.
    refused: BTreeMap<Place, Errno>,
}

/// A directory that may have to be made.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    /// What is there of it: the directory itself, or the nearest of its parents.
    there: PathBuf,
    /// The first one below that has to be made.
    to_make: Option<PathBuf>,
}

/// Looks at the disks that `needs` go to: directories that may not exist yet, and bytes.
pub fn look(needs: &[(PathBuf, u64)]) -> Vec<Room> {
    let mut rooms: BTreeMap<u64, Room> = BTreeMap::new();
    let mut known: BTreeMap<&Path, (u64, Place)> = BTreeMap::new();
    for (dir, bytes) in needs {
        if !known.contains_key(dir.as_path()) {
            let Some(place) = Place::of(dir) else { continue };
            let Some(device) = place.device() else { continue };
            known.insert(dir, (device, place));
        }
        let Some((device, place)) = known.get(dir.as_path()) else { continue };
        let room = rooms.entry(*device).or_insert_with(|| Room::at(&place.there));
        room.need = room.need.saturating_add(*bytes);
        if let Err(errno) = eaccess(&place.there, AccessFlags::W_OK | AccessFlags::X_OK) {
            room.refused.insert(place.clone(), errno);
        }
    }
    rooms.into_values().collect()
}

impl Place {
    fn of(dir: &Path) -> Option<Self> {
        let mut to_make = None;
        for dir in dir.ancestors() {
            // What cannot be looked at may well be there.
            if dir.try_exists().unwrap_or(true) {
                return Some(Self { there: dir.to_owned(), to_make });
            }
            to_make = Some(dir.to_owned());
        }
        None
    }

    fn device(&self) -> Option<u64> {
        self.there.ancestors().find_map(|dir| Some(fs::metadata(dir).ok()?.dev()))
    }

    /// What is refused, and why.
    fn evidence(&self, errno: Errno) -> String {
        let there = quoted(&self.there);
        match &self.to_make {
            Some(dir) => {
                format!("{} cannot be made in {there}: {}", quoted(dir), errno.desc())
            }
            None => format!("{there}: {}", errno.desc()),
        }
    }
}

/// What gives this user the right to write in all these places. A directory that is to be made has to
/// be his; that it would lie in `/` is no reason to give anybody a right to what else is there.
fn grant<'a>(places: impl Iterator<Item = &'a Place> + Clone) -> String {
    let words = |dirs: BTreeSet<&PathBuf>| {
        dirs.into_iter().map(|dir| word(dir)).collect::<Vec<_>>().join(" ")
    };
    let closed = places.clone().filter(|place| place.to_make.is_none()).map(|place| &place.there);
    let closed = words(closed.collect());
    let to_make = words(places.filter_map(|place| place.to_make.as_ref()).collect());
    let mut hint = "run it as the owner".to_owned();
    if !closed.is_empty() {
        let group = getegid();
        hint += &format!(
            ", or have the owner give your group the right: \
             `chgrp -R {group} {closed} && chmod -R ug+rwX {closed}`"
        );
    }
    if !to_make.is_empty() {
        let user = geteuid();
        hint += &format!(
            ", or have root make yours what is not there: `install -d -o {user} {to_make}`"
        );
    }
    hint
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
            let seen = self.refused.iter().map(|(place, errno)| place.evidence(*errno));
            let hint = grant(self.refused.keys());
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
    }

    #[test]
    fn rights_are_asked_for_where_something_is_written_and_nowhere_else() {
        let place = |there: &str, to_make: Option<&str>| Place {
            there: there.into(),
            to_make: to_make.map(PathBuf::from),
        };
        let hint = |places: &[Place]| {
            let refused = places.iter().map(|place| (place.clone(), Errno::EACCES)).collect();
            let finding = Room { refused, ..room(0, None) }.judge().expect("a finding");
            assert_eq!(
                (finding.check, finding.evidence.len()),
                ("packages-unwritable", places.len())
            );
            finding.hint
        };
        let (user, group) = (geteuid(), getegid());
        let give = format!("`chgrp -R {group} /p/a /p/b && chmod -R ug+rwX /p/a /p/b`");
        let make = format!("`install -d -o {user} /lake-packages '/p/c d'`");
        let closed = [place("/p/a", None), place("/p/b", None)];
        let to_make = [place("/", Some("/lake-packages")), place("/p", Some("/p/c d"))];
        let told = hint(&closed);
        assert!(told.contains(&give) && !told.contains("install"), "{told}");
        let told = hint(&to_make);
        assert!(told.contains(&make) && !told.contains("chmod"), "{told}");
        let told = hint(&[closed, to_make].concat());
        assert!(told.contains(&give) && told.contains(&make), "{told}");
    }

    #[test]
    fn places() {
        let dir = tempfile::tempdir().expect("a directory");
        let there = dir.path().to_owned();
        for (name, to_make) in [("", None), ("a", Some("a")), ("a/b/c", Some("a"))] {
            let to_make = to_make.map(|name| there.join(name));
            let expected = Place { there: there.clone(), to_make };
            assert_eq!(Place::of(&there.join(name)), Some(expected), "{name}");
        }
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
