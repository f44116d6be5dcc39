//! Shards that no `bake` wrote.

use super::{room, write};
use crate::store::pack::{self, Digest, Shard, WriteOptions, check, unpack};
use fs_err as fs;
use std::collections::BTreeMap;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use tar::Header;

const BLOCK: usize = 512;

/// A shard as it lies in a store, or what [`archives`] makes shards of.
///
/// Nothing is written outside of the directory, no more than the store has said, and no symlink while
/// anything may still go wrong. What can be unpacked can be packed again and gives the same tree.
pub fn pack(data: &[u8]) {
    let room = room();
    let (into, packs) = (room.path().join("into"), room.path().join("packs"));
    fs::create_dir(&into).expect("a directory");
    fs::create_dir(&packs).expect("a directory");
    write(&room.path().join("outside"), b"precious");
    let shards: Vec<(PathBuf, Shard)> = files(data)
        .into_iter()
        .map(|(bytes, unpacked, entries)| {
            let sha256 = Digest::of(&bytes);
            let shard = Shard { sha256, size: bytes.len() as u64, unpacked, entries };
            let path = packs.join(shard.file_name());
            write(&path, &bytes);
            (path, shard)
        })
        .collect();
    let before = neighbours(room.path());
    let unpacked = unpack(&shards, &into, 1, &|_| Ok(()));
    assert_eq!(neighbours(room.path()), before, "{unpacked:?}");
    let tree = tree(&into);
    let files = tree.values().filter(|found| found.kind != Kind::Symlink);
    let size: usize = files.map(|found| found.contents.len()).sum();
    let allowed = shards.iter().map(|(_, shard)| shard.unpacked).fold(0, u64::saturating_add);
    assert!(size as u64 <= allowed, "{size} bytes, {allowed} allowed");
    if unpacked.is_err() {
        assert!(tree.values().all(|found| found.kind != Kind::Symlink), "{unpacked:?}");
        return;
    }
    for path in tree.iter().filter(|(_, found)| found.kind == Kind::Symlink).map(|(path, _)| path) {
        // One that leads to nothing leads nowhere.
        let target = fs::canonicalize(into.join(path)).unwrap_or_else(|_| into.clone());
        let inside = fs::canonicalize(&into).expect("it is there");
        assert!(target.starts_with(inside), "{path:?} leads to {target:?}");
    }
    for (path, shard) in &shards {
        check(path, shard, &|_| Ok(())).expect("what was unpacked can be");
    }
    again(&into, &tree, room.path());
}

/// Packs `tree`, which is at `from`, and unpacks it elsewhere.
fn again(from: &Path, tree: &BTreeMap<PathBuf, Found>, room: &Path) {
    let (packs, into) = (room.join("packs again"), room.join("into again"));
    fs::create_dir(&into).expect("a directory");
    let options = WriteOptions { level: 1, jobs: 1, shard_bytes: 1 << 16, mtime: None };
    let shards = pack::write(from, &|_| true, &packs, options, &|_| Ok(())).expect("it is packed");
    let shards: Vec<_> =
        shards.into_iter().map(|shard| (packs.join(shard.file_name()), shard)).collect();
    unpack(&shards, &into, 1, &|_| Ok(())).expect("it is unpacked again");
    assert_eq!(self::tree(&into), *tree);
}

#[derive(Debug, PartialEq, Eq)]
struct Found {
    kind: Kind,
    /// Of a symlink, its target.
    contents: Vec<u8>,
    mtime: i64,
}

#[derive(Debug, PartialEq, Eq)]
enum Kind {
    Directory,
    File { executable: bool },
    Symlink,
}

/// All that is below `dir`.
fn tree(dir: &Path) -> BTreeMap<PathBuf, Found> {
    let mut tree = BTreeMap::new();
    let mut todo = vec![dir.to_owned()];
    while let Some(above) = todo.pop() {
        for entry in fs::read_dir(above).expect("a directory") {
            let path = entry.expect("an entry").path();
            let meta = fs::symlink_metadata(&path).expect("it is there");
            let (kind, contents) = if meta.is_dir() {
                todo.push(path.clone());
                (Kind::Directory, Vec::new())
            } else if meta.is_symlink() {
                let target = fs::read_link(&path).expect("a symlink");
                (Kind::Symlink, target.into_os_string().into_encoded_bytes())
            } else {
                let executable = meta.permissions().mode() & 0o100 != 0;
                (Kind::File { executable }, fs::read(&path).expect("a file"))
            };
            let path = path.strip_prefix(dir).expect("it is below").to_owned();
            tree.insert(path, Found { kind, contents, mtime: meta.mtime() });
        }
    }
    tree
}

/// All but what is being unpacked.
fn neighbours(room: &Path) -> BTreeMap<PathBuf, Found> {
    let mut tree = tree(room);
    tree.retain(|path, _| !path.starts_with("into"));
    tree
}

/// Files, with the bytes and the entries that a store has said they hold.
fn files(data: &[u8]) -> Vec<(Vec<u8>, u64, u64)> {
    match data {
        [b'z', entries, unpacked, file @ ..] => {
            vec![(file.to_owned(), u64::from(*unpacked) << 4, u64::from(*entries))]
        }
        [lie, records @ ..] => {
            let archives = archives(records).into_iter().map(|(archive, unpacked, entries)| {
                let file = zstd::encode_all(archive.as_slice(), 1).expect("compressed");
                (file, unpacked, entries + u64::from(*lie == b'l'))
            });
            archives.collect()
        }
        [] => Vec::new(),
    }
}

/// Archives made of records, each up to a byte `0xff`: tar's type, [flags](record), the name up to
/// a byte `0xfe`, the contents or a link's target. What no text has tells them apart, so that a
/// fuzzer can change the one without the other.
fn archives(records: &[u8]) -> Vec<(Vec<u8>, u64, u64)> {
    let mut archives = vec![(Vec::new(), 0, 0)];
    for bytes in super::texts(records) {
        let [kind, flags, rest @ ..] = bytes else { continue };
        let mut rest = rest.splitn(2, |&byte| byte == 0xfe);
        let (name, text) = (rest.next().unwrap_or_default(), rest.next().unwrap_or_default());
        if flags & NEXT_SHARD != 0 {
            archives.push((Vec::new(), 0, 0));
        }
        let (archive, unpacked, entries) = archives.last_mut().expect("there is one");
        archive.extend(record(*kind, *flags, name, text));
        if !b"LK".contains(kind) {
            *entries += 1;
            *unpacked += if b"25".contains(kind) { 0 } else { text.len() as u64 };
        }
    }
    archives.iter_mut().for_each(|(archive, ..)| archive.extend([0; 2 * BLOCK]));
    archives
}

const NEXT_SHARD: u8 = 1;
const HUGE: u8 = 2;
const BAD_SUM: u8 = 4;
const USTAR: u8 = 8;
const EXECUTABLE: u8 = 16;
const LATE: u8 = 32;

fn record(kind: u8, flags: u8, name: &[u8], text: &[u8]) -> Vec<u8> {
    let contents = if b"25".contains(&kind) { &b""[..] } else { text };
    let target = if kind == b'2' { text } else { b"" };
    let mut header = Header::new_gnu();
    header.as_mut_bytes()[156] = kind;
    header.set_mode(if flags & EXECUTABLE != 0 { 0o755 } else { 0o644 });
    header.set_mtime(if flags & LATE != 0 { u64::MAX >> 1 } else { 1_000_000_000 });
    header.set_size(contents.len() as u64 + if flags & HUGE != 0 { 1 << 40 } else { 0 });
    let put = |field: &mut [u8; 100], text: &[u8]| {
        let fits = text.len().min(field.len());
        field[..fits].copy_from_slice(&text[..fits]);
    };
    put(&mut header.as_old_mut().name, name);
    put(&mut header.as_old_mut().linkname, target);
    if flags & USTAR != 0 {
        header.as_mut_bytes()[257..265].copy_from_slice(b"ustar\x0000");
    }
    header.set_cksum();
    if flags & BAD_SUM != 0 {
        header.as_mut_bytes()[148] ^= 1;
    }
    let mut record = header.as_bytes().to_vec();
    record.extend(contents);
    record.resize(record.len().next_multiple_of(BLOCK), 0);
    record
}
