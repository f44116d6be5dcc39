//! What the shim edits, and what it leaves alone: lakefiles and manifests that `normalize` respells, links that `unlink`
//! takes back, packages directories that are elsewhere, clones that Lake would lose on its way to a manifest.

mod cases;

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// What tells whether a path was written, even if by the same bytes once more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Identity {
    inode: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Identity {
    #[track_caller]
    fn of(path: &Path) -> Identity {
        let meta = fs::symlink_metadata(path);
        let meta = meta.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Identity {
            inode: meta.ino(),
            modified: (meta.mtime(), meta.mtime_nsec()),
            changed: (meta.ctime(), meta.ctime_nsec()),
        }
    }
}
