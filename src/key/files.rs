//! Files as a key sees them: by name, contents and executable bit, and by nothing that differs from
//! one checkout to the next.
//!
//! Text counts with `\n` at its line ends, as git keeps it, whatever `core.autocrlf` made of it.
//! What has a NUL byte in it is no text, and counts as it is. A symlink is the text of its target.
//! Owners, times, and every other bit of the mode are the machine's business.

use super::fields::Fields;
use crate::read;
use crate::store::pack::{Digest, Hashing};
use anyhow::Result;
use fs_err as fs;
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read, Seek, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// The owner's executable bit: the one that git keeps.
const EXECUTABLE: u32 = 0o100;
/// Bytes that are read at once.
const PIECE: usize = 1 << 16;

/// Files to hash, by the name they go by, in the order of its bytes. Directories have no part in it:
/// git does not keep them either.
#[derive(Debug, Default)]
pub struct Files(BTreeMap<Vec<u8>, PathBuf>);

impl Files {
    /// Adds the file or symlink at `path`, under a relative name.
    pub fn add(&mut self, name: &Path, path: PathBuf) {
        self.0.insert(name.as_os_str().as_bytes().to_owned(), path);
    }

    /// Whether one of them is in a directory of this name, or is called so.
    pub fn has(&self, component: &str) -> bool {
        let is_in = |name: &Vec<u8>| {
            name.split(|byte| *byte == b'/').any(|part| part == component.as_bytes())
        };
        self.0.keys().any(is_in)
    }

    /// The digest of all of them.
    ///
    /// # Errors
    /// When one cannot be read.
    pub fn digest(&self) -> Result<Digest> {
        let entries = self.0.par_iter().map(|(name, path)| Entry::read(name, path));
        let entries = entries.collect::<Result<Vec<_>>>()?;
        let mut fields = Fields::new("files");
        entries.iter().for_each(|entry| entry.feed(&mut fields));
        Ok(fields.digest())
    }

    #[cfg(test)]
    pub fn names(&self) -> Vec<String> {
        self.0.keys().map(|name| String::from_utf8_lossy(name).into_owned()).collect()
    }
}

/// One of them, read.
struct Entry<'a> {
    name: &'a [u8],
    content: Content,
}

enum Content {
    File { is_executable: bool, digest: Digest },
    Link { target: Vec<u8> },
}

impl<'a> Entry<'a> {
    fn read(name: &'a [u8], path: &Path) -> Result<Self> {
        let meta = fs::symlink_metadata(path)?;
        if meta.is_symlink() {
            let target = fs::read_link(path)?.into_os_string().as_bytes().to_owned();
            return Ok(Self { name, content: Content::Link { target } });
        }
        let is_executable = meta.permissions().mode() & EXECUTABLE != 0;
        Ok(Self { name, content: Content::File { is_executable, digest: contents(path)? } })
    }

    fn feed(&self, fields: &mut Fields) {
        let Self { name, content } = self;
        match content {
            Content::File { is_executable, digest } => {
                let kind = if *is_executable { "executable" } else { "file" };
                fields.add(kind).add(name).add(digest.to_string());
            }
            Content::Link { target } => {
                fields.add("link").add(name).add(target);
            }
        };
    }
}

/// The digest of what is in the file at `path`.
pub fn contents(path: &Path) -> Result<Digest> {
    Ok(digest(&mut read::open(path)?)?)
}

/// In pieces: a context may hold files of gigabytes.
fn digest(file: &mut (impl Read + Seek)) -> io::Result<Digest> {
    if let Some(digest) = text_digest(&mut *file)? {
        return Ok(digest);
    }
    file.rewind()?;
    Digest::of_reader(file)
}

/// The digest of the text without the `\r` of every `\r\n`; nothing when it is no text.
fn text_digest(file: impl Read) -> io::Result<Option<Digest>> {
    let mut text = BufReader::with_capacity(PIECE, file);
    let mut hashing = Hashing::new(io::sink());
    // A `\r` at the end of a piece, whose next character is in the next one.
    let mut held = false;
    loop {
        let piece = text.fill_buf()?;
        if piece.contains(&0) {
            return Ok(None);
        }
        let read = piece.len();
        if held && piece.first() != Some(&b'\n') {
            hashing.write_all(b"\r")?;
        }
        if read == 0 {
            return Ok(Some(hashing.finish().1));
        }
        held = piece.ends_with(b"\r");
        let piece = piece.strip_suffix(b"\r").unwrap_or(piece);
        let mut from = 0;
        for at in (1..piece.len()).filter(|&at| piece[at - 1..].starts_with(b"\r\n")) {
            hashing.write_all(&piece[from..at - 1])?;
            from = at;
        }
        hashing.write_all(&piece[from..])?;
        text.consume(read);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fs_err::os::unix::fs::symlink;
    use std::fs::Permissions;
    use std::io::Cursor;
    use tempfile::TempDir;

    fn of(contents: &[u8]) -> String {
        digest(&mut Cursor::new(contents)).expect("memory can be read").to_string()
    }

    #[test]
    fn line_ends_of_text_do_not_count() {
        // The second one ends a piece between `\r` and `\n`.
        let long = |end: &str| ["x".repeat(PIECE - 1).as_str(), "y", ""].join(end);
        for (crlf, lf) in [
            ("a\r\nb\r\n", "a\nb\n"),
            (&long("\r\n"), &long("\n")),
            ("\r\n\r\n", "\n\n"),
            ("\r\n", "\n"),
            ("", ""),
        ] {
            let plain = Digest::of(lf.as_bytes()).to_string();
            let shown = &crlf[..crlf.len().min(9)];
            assert_eq!(of(crlf.as_bytes()), plain, "{shown:?}");
            assert_eq!(of(lf.as_bytes()), plain, "{shown:?}");
        }
    }

    #[test]
    fn everything_else_counts() {
        let long = "x".repeat(PIECE);
        let contents = [
            "a",
            "a\n",
            "a\r",
            "a\r\r\n",
            "a\r\rb",
            "\ra",
            "a\rb",
            "\n\r",
            "a\0\r\n",
            "a\0\n",
            "\0",
            &format!("{long}\r"),
            &format!("{long}\0\r\n"),
            &format!("{long}\0\n"),
            &long,
        ]
        .map(str::to_owned);
        let mut digests: Vec<_> = contents.iter().map(|text| of(text.as_bytes())).collect();
        digests.sort();
        digests.dedup();
        assert_eq!(digests.len(), contents.len());
        assert_eq!(of(b"a\0\r\n"), Digest::of(b"a\0\r\n").to_string(), "binary files as they are");
        assert_eq!(of(b"a\rb"), Digest::of(b"a\rb").to_string());
    }

    #[test]
    fn names_and_kinds_count() {
        let dir = TempDir::new().expect("a temporary directory");
        let path = |name: &str| dir.path().join(name);
        for (name, text) in [("a", "x"), ("b", "y"), ("same", "x"), ("run", "x")] {
            fs::write(path(name), text).expect("a file");
        }
        fs::set_permissions(path("run"), Permissions::from_mode(0o700)).expect("a mode");
        symlink("x", path("link")).expect("a symlink");
        let digest = |pairs: &[(&str, &str)]| {
            let mut files = Files::default();
            pairs.iter().for_each(|(name, file)| files.add(Path::new(name), path(file)));
            files.digest().expect("they can be read")
        };
        let ab = digest(&[("a", "a"), ("b", "b")]);
        assert_eq!(ab, digest(&[("b", "b"), ("a", "same")]), "neither order nor place");
        let mut digests = vec![
            ab,
            digest(&[]),
            digest(&[("a", "a")]),
            digest(&[("c", "a")]),
            digest(&[("a", "b"), ("b", "a")]),
            digest(&[("a", "run")]),
            digest(&[("a", "link")]),
        ];
        digests.sort();
        digests.dedup();
        assert_eq!(digests.len(), 7);
    }

    #[test]
    fn the_order_is_that_of_the_bytes() {
        let mut files = Files::default();
        for name in ["b", "a/b", "a-b", "a.b", "B"] {
            files.add(Path::new(name), PathBuf::new());
        }
        assert_eq!(files.names(), ["B", "a-b", "a.b", "a/b", "b"]);
    }
}
