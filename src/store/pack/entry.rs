//! One thing in a pack, and how tar says it.
//!
//! Packs are GNU tar: a name that is too long for the header stands in an entry of its own before
//! it, as it is, whatever bytes it has. Of what tar can say, this is all that is written and all
//! that is read.

use anyhow::{Context, Result, bail, ensure};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};
use tar::{EntryType, Header};

/// What tar counts in.
pub const BLOCK: usize = 512;
/// What an archive ends with: two blocks of zeros.
pub const END: [u8; 2 * BLOCK] = [0; 2 * BLOCK];
/// The longest path or link target that Linux takes, with a NUL.
pub const PATH_MAX: usize = 4096;
/// The longest name of a file on Linux.
const NAME_MAX: usize = 255;
/// What GNU tar calls an entry that holds the name of the next one.
const LONG_LINK: &[u8] = b"././@LongLink";

/// A file, a directory or a symlink.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Relative to the tree, made of names only.
    pub path: PathBuf,
    pub kind: Kind,
    /// When it was modified: seconds since 1970.
    pub mtime: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    Directory,
    File {
        /// Bytes.
        size: u64,
        executable: bool,
    },
    /// Relative, and leads to somewhere in the tree.
    Symlink {
        target: PathBuf,
    },
}

impl Entry {
    /// Bytes of its contents.
    pub fn size(&self) -> u64 {
        match self.kind {
            Kind::File { size, .. } => size,
            Kind::Directory | Kind::Symlink { .. } => 0,
        }
    }

    /// Its header, and before it what the header has no room for.
    pub fn to_tar(&self) -> Vec<u8> {
        let mut name = self.path.as_os_str().as_bytes().to_vec();
        let (kind, mode, target) = match &self.kind {
            Kind::Directory => (EntryType::Directory, 0o755, None),
            Kind::File { executable: true, .. } => (EntryType::Regular, 0o755, None),
            Kind::File { executable: false, .. } => (EntryType::Regular, 0o644, None),
            Kind::Symlink { target } => (EntryType::Symlink, 0o777, Some(target)),
        };
        if kind.is_dir() {
            name.push(b'/');
        }
        let mut out = Vec::with_capacity(BLOCK);
        let mut header = header(kind, mode, self.size(), self.mtime);
        if let Some(target) = target {
            let target = target.as_os_str().as_bytes();
            put(&mut header.as_old_mut().linkname, target, EntryType::GNULongLink, &mut out);
        }
        put(&mut header.as_old_mut().name, &name, EntryType::GNULongName, &mut out);
        header.set_cksum();
        out.extend_from_slice(header.as_bytes());
        out
    }

    /// What `header` says, with the longer `name` and `target` that stood before it.
    pub fn from_tar(header: &Header, name: &[u8], target: Option<&[u8]>) -> Result<Self> {
        let size = header.entry_size().context("its size is no number")?;
        let kind = match header.as_old().linkflag {
            [b'5'] => Kind::Directory,
            [b'0'] => {
                let executable = header.mode().context("its mode is no number")? & 0o100 != 0;
                Kind::File { size, executable }
            }
            [b'2'] => {
                let target = match target {
                    Some(target) => target,
                    None => field(&header.as_old().linkname)?,
                };
                Kind::Symlink { target: PathBuf::from(OsStr::from_bytes(target)) }
            }
            [other] => bail!("it is {}, which no pack has", describe(other)),
        };
        let is_file = matches!(kind, Kind::File { .. });
        ensure!(is_file || size == 0, "it has contents and is no file");
        let is_symlink = matches!(kind, Kind::Symlink { .. });
        ensure!(is_symlink || target.is_none(), "it has a link's target and is no symlink");
        let path = path(name, kind == Kind::Directory)?;
        if let Kind::Symlink { target } = &kind {
            check_target(&path, target)?;
        }
        let mtime = header.mtime().context("its time is no number")?;
        ensure!(i64::try_from(mtime).is_ok(), "its time is out of range");
        Ok(Self { path, kind, mtime })
    }
}

fn header(kind: EntryType, mode: u32, size: u64, mtime: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_size(size);
    header.set_mtime(mtime);
    header
}

/// Puts `name` into `field` of a header, or what fits of it there and all of it into `out`.
fn put(field: &mut [u8; 100], name: &[u8], long: EntryType, out: &mut Vec<u8>) {
    let fits = name.len().min(field.len());
    field[..fits].copy_from_slice(&name[..fits]);
    if fits == name.len() {
        return;
    }
    let mut header = header(long, 0o644, name.len() as u64 + 1, 0);
    header.as_old_mut().name[..LONG_LINK.len()].copy_from_slice(LONG_LINK);
    header.set_cksum();
    out.extend_from_slice(header.as_bytes());
    out.extend_from_slice(name);
    out.push(0);
    out.resize(out.len().next_multiple_of(BLOCK), 0);
}

/// The text in a header's field: up to a NUL, behind which there is nothing.
pub fn field(field: &[u8; 100]) -> Result<&[u8]> {
    let end = field.iter().position(|&byte| byte == 0).unwrap_or(field.len());
    let (text, rest) = field.split_at(end);
    ensure!(rest.iter().all(|&byte| byte == 0), "there is a NUL in it");
    Ok(text)
}

/// The text in a long name's contents, which end with a NUL.
pub fn long_text(mut contents: Vec<u8>) -> Result<Vec<u8>> {
    ensure!(contents.pop() == Some(0), "a long name does not end with NUL");
    ensure!(!contents.contains(&0), "there is a NUL in it");
    Ok(contents)
}

/// Checks an entry's name, byte by byte: `Path` would overlook `.` and `//`.
fn path(name: &[u8], is_directory: bool) -> Result<PathBuf> {
    ensure!(!name.is_empty(), "it has no name");
    ensure!(name[0] != b'/', "it is absolute");
    let name = match (name.strip_suffix(b"/"), is_directory) {
        (Some(name), true) => name,
        (None, false) => name,
        (None, true) => bail!("it is a directory and does not end with `/`"),
        (Some(_), false) => bail!("it ends with `/` and is no directory"),
    };
    for component in name.split(|&byte| byte == b'/') {
        match component {
            b"" => bail!("it has an empty name in it"),
            b"." => bail!("it has `.` in it"),
            b".." => bail!("it has `..` in it"),
            _ => ensure!(component.len() <= NAME_MAX, "it has a name of over {NAME_MAX} bytes"),
        }
    }
    Ok(PathBuf::from(OsStr::from_bytes(name)))
}

/// Checks that a symlink at `path` stays in the tree. `..` is taken at its start only: further on
/// it could follow another symlink, and lead out although it does not look so.
pub fn check_target(path: &Path, target: &Path) -> Result<()> {
    let shown = show(target.as_os_str().as_bytes());
    ensure!(!shown.is_empty(), "it is a symlink to nothing");
    let mut above = path.components().count() - 1;
    let mut down = false;
    for component in target.components() {
        match component {
            Component::RootDir | Component::Prefix(_) => {
                bail!("it is a symlink to `{shown}`, which is absolute")
            }
            Component::ParentDir if down => {
                bail!("it is a symlink to `{shown}`, which has `..` after a name")
            }
            Component::ParentDir if above == 0 => {
                bail!("it is a symlink to `{shown}`, outside of the tree")
            }
            Component::ParentDir => above -= 1,
            Component::Normal(_) => down = true,
            Component::CurDir => {}
        }
    }
    Ok(())
}

fn describe(kind: u8) -> String {
    match kind {
        b'1' => "a hard link".to_owned(),
        b'3' | b'4' => "a device".to_owned(),
        b'6' => "a fifo".to_owned(),
        b'S' => "a sparse file".to_owned(),
        b'x' | b'g' => "a pax header".to_owned(),
        other => format!("of tar's type `{}`", show(&[other])),
    }
}

/// A name for a message: on one line and without escapes for a terminal.
pub fn show(name: &[u8]) -> String {
    String::from_utf8_lossy(name).escape_debug().to_string()
}
