//! Reading what somebody else wrote: files only, and no more of them than there can be.
//!
//! A manifest of gigabytes, or one that is a pipe or leads to `/dev/zero`, is a mistake or an attack.
//! Read to its end the one would take all memory, and the others have none.

use crate::interrupt::stop_if_told;
use fs_err as fs;
use fs_err::os::unix::fs::OpenOptionsExt;
use nix::libc;
use std::io::{self, ErrorKind, Read};
use std::path::Path;

/// Bytes of what people write, or Lake for them: configurations, manifests, Dockerfiles. Real ones have
/// kilobytes.
pub const TEXT: u64 = 1 << 20;

/// Bytes of what git has packed all its branches and tags in.
pub const REFS: u64 = 64 << 20;

/// Bytes of a trace, which has the messages of its module in it.
pub const TRACE: u64 = 64 << 20;

/// Bytes of a Lean source. Those of mathlib have up to 300 KB; generated ones may be large.
pub const SOURCE: u64 = 256 << 20;

/// Bytes of a store's index. One lock on a Mathlib of 8,000 modules takes 2 MB.
pub const INDEX: u64 = 64 << 20;

/// Opens the file at `path`.
///
/// # Errors
/// What is no file: to open a pipe would be to wait for who writes to it.
pub fn open(path: &Path) -> io::Result<fs::File> {
    sized(path).map(|(file, _)| file)
}

/// As [`open`], with the bytes that the file has by its own account.
fn sized(path: &Path) -> io::Result<(fs::File, u64)> {
    stop_if_told()?;
    let file = fs::OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
    let meta = file.metadata()?;
    if meta.is_file() {
        return Ok((file, meta.len()));
    }
    let (kind, what) = match meta.is_dir() {
        true => (ErrorKind::IsADirectory, "a directory"),
        false => (ErrorKind::InvalidInput, "a pipe or a device"),
    };
    Err(io::Error::new(kind, format!("`{}` is {what}, and no file", path.display())))
}

/// What is in the file at `path`, as long as that has at most `limit` bytes.
///
/// # Errors
/// Those of [`open`], and [`ErrorKind::FileTooLarge`].
pub fn bytes(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let (file, size) = sized(path)?;
    let room = usize::try_from(size.min(limit)).unwrap_or(0);
    let mut bytes = Vec::with_capacity(room);
    if size <= limit {
        // Not what it says it has: it may grow, and what is in `/proc` says 0.
        file.take(limit + 1).read_to_end(&mut bytes)?;
    }
    if size > limit || bytes.len() as u64 > limit {
        let (path, limit) = (path.display(), limit >> 20);
        let what = format!("`{path}` has more than the {limit} MiB that are read of such a file");
        return Err(io::Error::new(ErrorKind::FileTooLarge, what));
    }
    Ok(bytes)
}

/// As [`bytes`], of a file that is UTF-8.
///
/// # Errors
/// Those of [`bytes`], and [`ErrorKind::InvalidData`].
pub fn text(path: &Path, limit: u64) -> io::Result<String> {
    String::from_utf8(bytes(path, limit)?).map_err(|_| {
        io::Error::new(ErrorKind::InvalidData, format!("`{}` is not UTF-8", path.display()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use fs_err::os::unix::fs::symlink;
    use nix::sys::stat::Mode;
    use nix::unistd::mkfifo;
    use tempfile::TempDir;

    const LIMIT: u64 = 1 << 20;

    #[test]
    fn files_up_to_the_limit() {
        let dir = TempDir::new().expect("a temporary directory");
        let path = dir.path().join("file");
        for size in [0, 1, LIMIT as usize] {
            fs::write(&path, vec![b'x'; size]).expect("a file");
            assert_eq!(bytes(&path, LIMIT).expect("it can be read").len(), size);
            assert_eq!(text(&path, LIMIT).expect("it can be read").len(), size);
        }
        fs::write(&path, b"\xff").expect("a file");
        assert_eq!(text(&path, LIMIT).expect_err("no UTF-8").kind(), ErrorKind::InvalidData);
        assert!(!bytes(Path::new("/proc/self/status"), LIMIT).expect("a file").is_empty());
    }

    /// None of these may wait, or take memory.
    #[test]
    fn everything_else() {
        let dir = TempDir::new().expect("a temporary directory");
        let path = |name: &str| dir.path().join(name);
        let sparse = |name: &str, size| {
            fs::File::create(path(name)).and_then(|file| file.set_len(size)).expect("a file")
        };
        sparse("over", LIMIT + 1);
        sparse("far over", 1 << 40);
        mkfifo(&path("pipe"), Mode::S_IRWXU).expect("a pipe");
        symlink("/dev/zero", path("zero")).expect("a symlink");
        symlink("circle", path("circle")).expect("a symlink");
        for (name, kind, words) in [
            ("over", ErrorKind::FileTooLarge, "more than the 1 MiB"),
            ("far over", ErrorKind::FileTooLarge, "more than the 1 MiB"),
            ("pipe", ErrorKind::InvalidInput, "a pipe or a device"),
            ("zero", ErrorKind::InvalidInput, "a pipe or a device"),
            (".", ErrorKind::IsADirectory, "a directory"),
            ("none", ErrorKind::NotFound, "none"),
        ] {
            let error = bytes(&path(name), LIMIT).expect_err(name);
            assert_eq!(error.kind(), kind, "{name}: {error}");
            assert!(error.to_string().contains(words), "{name}: {error}");
            assert!(error.to_string().contains(&*path(name).to_string_lossy()), "{error}");
        }
    }
}
