//! Trees go into packs and come out again.

mod hostile;
mod raw;

use super::entry::{Entry, Kind};
use super::*;
use anyhow::bail;
use fs_err as fs;
use fs_err::os::unix::fs::symlink;
use nix::sys::stat::Mode;
use std::ffi::OsStr;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};
use tempfile::TempDir;

const OPTIONS: WriteOptions =
    WriteOptions { level: 3, jobs: 2, shard_bytes: 64 * 1024, mtime: None };

/// A directory to make things in.
struct Sandbox(TempDir);

impl Sandbox {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary directory"))
    }

    fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.0.path().join(name)
    }

    /// Makes a file with a time of its own. A name that ends with `/` is a directory.
    fn file(&self, name: impl AsRef<OsStr>, contents: &[u8]) -> &Self {
        let path = self.path(name.as_ref());
        if name.as_ref().as_bytes().ends_with(b"/") {
            fs::create_dir_all(&path).expect("a directory");
        } else {
            fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
            fs::write(&path, contents).expect("a file");
        }
        self
    }

    fn link(&self, name: &str, target: &str) -> &Self {
        symlink(target, self.path(name)).expect("a symlink");
        self
    }

    fn mode(&self, name: &str, mode: u32) -> &Self {
        fs::set_permissions(self.path(name), PermissionsExt::from_mode(mode)).expect("a mode");
        self
    }

    /// Sets the time of everything there is, `nanos` into a second that depends on its name.
    fn times(&self, nanos: u32) -> &Self {
        for (path, _) in snapshot(&self.path("")) {
            let second = 1_000_000_000 + path.as_os_str().len() as i64;
            let time = nix::sys::time::TimeSpec::new(second, nanos.into());
            let flags = nix::sys::stat::UtimensatFlags::NoFollowSymlink;
            nix::sys::stat::utimensat(nix::fcntl::AT_FDCWD, &self.path(path), &time, &time, flags)
                .expect("a time");
        }
        self
    }

    fn pack(&self, out: &Sandbox, options: WriteOptions) -> Vec<Shard> {
        write(self.0.path(), &|_| true, out.0.path(), options, &|_| Ok(())).expect("a pack")
    }

    fn unpack(&self, packs: &Sandbox, shards: &[Shard]) -> Result<()> {
        unpack(&packs.files(shards), self.0.path(), 2, &|_| Ok(()))
    }

    fn files(&self, shards: &[Shard]) -> Vec<(PathBuf, Shard)> {
        shards.iter().map(|shard| (self.path(shard.file_name()), shard.clone())).collect()
    }

    fn names(&self) -> Vec<String> {
        snapshot(self.0.path()).iter().map(|(path, _)| path.display().to_string()).collect()
    }
}

/// Everything below `root`, sorted: what it is, its time, what it holds.
fn snapshot(root: &Path) -> Vec<(PathBuf, (Entry, Vec<u8>))> {
    fn walk(root: &Path, relative: &Path, all: &mut Vec<(PathBuf, (Entry, Vec<u8>))>) {
        for found in fs::read_dir(root.join(relative)).expect("a directory") {
            let found = found.expect("an entry");
            let path = relative.join(found.file_name());
            let meta = found.metadata().expect("metadata");
            let mut contents = Vec::new();
            let kind = if meta.is_dir() {
                walk(root, &path, all);
                Kind::Directory
            } else if meta.is_symlink() {
                Kind::Symlink { target: fs::read_link(found.path()).expect("a symlink") }
            } else {
                contents = fs::read(found.path()).expect("a file");
                Kind::File { size: meta.len(), executable: meta.mode() & 0o100 != 0 }
            };
            let mtime = meta.mtime().try_into().expect("after 1970");
            all.push((path.clone(), (Entry { path, kind, mtime }, contents)));
        }
    }
    let mut all = Vec::new();
    walk(root, Path::new(""), &mut all);
    all.sort_by(|(a, _), (b, _)| a.as_os_str().cmp(b.as_os_str()));
    all
}

/// Packs `tree`, unpacks it, and compares.
fn round_trip(tree: &Sandbox) -> Vec<Shard> {
    let (packs, copy) = (Sandbox::new(), Sandbox::new());
    let shards = tree.pack(&packs, OPTIONS);
    copy.unpack(&packs, &shards).expect("it unpacks");
    assert_eq!(snapshot(copy.0.path()), snapshot(tree.0.path()));
    for (path, shard) in packs.files(&shards) {
        check(&path, &shard, &|_| Ok(())).expect("it is whole");
        let file = fs::File::open(path).expect("a shard");
        let plain = zstd::Decoder::new(file).expect("zstd");
        let entries = tar::Archive::new(plain).entries().expect("tar").count();
        assert_eq!(entries as u64, shard.entries, "other tools can read it");
    }
    let names: Vec<_> = shards.iter().map(Shard::file_name).collect();
    assert!(packs.names().iter().all(|name| names.contains(name)), "nothing is left behind");
    shards
}

/// Bytes that do not compress.
fn noise(len: usize) -> Vec<u8> {
    let mut state = len as u64 | 1;
    let next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 56) as u8
    };
    std::iter::repeat_with(next).take(len).collect()
}

#[test]
fn trees_come_back_as_they_were() {
    let tree = Sandbox::new();
    tree.file("lib/lean/A.olean", b"one").file("lib/lean/A/B.olean", b"").file("lib-x", b"two");
    tree.file("empty/inside/", b"").file("bin/tool", b"#!/bin/sh\n").mode("bin/tool", 0o750);
    tree.link("lib/now", "lean/A.olean").link("bin/up", "../lib/./lean/").link("dangling", "x");
    tree.link("lib/lean/root", "../..").times(999_999_999);
    let shards = round_trip(&tree);
    assert_eq!(shards.len(), 1);
    assert_eq!((shards[0].unpacked, shards[0].entries), (16, 14));
}

#[test]
fn an_empty_tree_needs_no_shard() {
    assert_eq!(round_trip(&Sandbox::new()), []);
    let tree = Sandbox::new();
    assert_eq!(round_trip(tree.file("only/empty/directories/", b"")).len(), 1);
}

#[test]
fn odd_names_are_kept() {
    let tree = Sandbox::new();
    let long = "n".repeat(255);
    for name in [
        "a b",
        "new\nline",
        "tab\t",
        "\u{1b}[31m",
        "-rf",
        "~",
        "...",
        "..a",
        "a.",
        "quote\"'`",
        "*",
        "Case",
        "case",
        "caf\u{e9}",
        "cafe\u{301}",
        "\u{202e}",
        &long,
    ] {
        tree.file(name, name.as_bytes());
    }
    tree.file(OsStr::from_bytes(b"not\xffutf-8/\xc3"), b"bytes");
    tree.link("latin", "caf\u{e9}").link("far", &format!("{long}/{long}"));
    // Around the hundred bytes of a header's field, and as deep as paths go.
    for len in [98, 99, 100, 101, 102] {
        tree.file("x".repeat(len), b"x").file(format!("{}/", "y".repeat(len)), b"");
        tree.link(&"z".repeat(len), &"t".repeat(len));
    }
    tree.file(format!("{long}s/{}/deep", [long.as_str(); 13].join("/")).replace("ns/", "/"), b"!");
    round_trip(tree.times(0));
}

#[test]
fn shards_end_between_files() {
    let tree = Sandbox::new();
    for i in 0..20 {
        tree.file(format!("small{i}"), &noise(10_000));
    }
    tree.file("middle", &noise(300_000)).file("unlike/", b"");
    let shards = round_trip(tree.times(1));
    let is_alone = |shard: &Shard| shard.unpacked == 300_000 && shard.entries == 1;
    assert!(is_alone(&shards[0]), "a large file has a shard of its own: {shards:?}");
    assert_eq!(shards[1..].iter().map(|s| s.entries).collect::<Vec<_>>(), [6, 6, 6, 3]);
    assert!(shards[1..].iter().all(|shard| shard.unpacked <= OPTIONS.shard_bytes));
}

#[test]
fn a_file_of_several_buffers() {
    let tree = Sandbox::new();
    for len in [511, 512, 513, 128 * 1024, 128 * 1024 + 1, 1_000_000] {
        tree.file(len.to_string(), &noise(len));
    }
    round_trip(tree.times(1));
}

#[test]
fn the_same_tree_gives_the_same_bytes() {
    let names: Vec<String> = (0..50).map(|i| format!("d{}/f{i}", i % 7)).collect();
    let make = |names: &mut dyn Iterator<Item = &String>, nanos, file, directory| {
        let tree = Sandbox::new();
        for name in names {
            tree.file(name, &noise(name.len() * 1000)).mode(name, file);
        }
        for i in 0..7 {
            tree.mode(&format!("d{i}"), directory);
        }
        tree.times(nanos);
        tree
    };
    let (one, two) = (Sandbox::new(), Sandbox::new());
    let a = make(&mut names.iter(), 0, 0o644, 0o755);
    let b = make(&mut names.iter().rev(), 999, 0o660, 0o2770);
    // A hard link is a file of its own.
    fs::remove_file(b.path("d0/f0")).expect("removed");
    fs::write(two.path("original"), noise(5000)).expect("a file");
    fs::hard_link(two.path("original"), b.path("d0/f0")).expect("a hard link");
    fs::remove_file(two.path("original")).expect("removed");
    a.times(0);
    b.times(5);
    let shards = a.pack(&one, WriteOptions { jobs: 1, ..OPTIONS });
    assert!(shards.len() > 3);
    assert_eq!(shards, b.pack(&two, WriteOptions { jobs: 4, ..OPTIONS }));
    for ((a, _), (b, _)) in one.files(&shards).iter().zip(two.files(&shards)) {
        assert_eq!(fs::read(a).expect("a shard"), fs::read(b).expect("a shard"));
    }
    let other = a.pack(&two, WriteOptions { level: 1, ..OPTIONS });
    assert_ne!(other, shards, "the level is an option");
}

#[test]
fn only_what_is_kept_is_packed() {
    let (tree, packs, copy) = (Sandbox::new(), Sandbox::new(), Sandbox::new());
    tree.file("in/a", b"a").file("in/a.log", b"b").file("out/c", b"c").link("out/d", "/etc");
    let keep =
        |path: &Path| path != Path::new("out") && path.extension() != Some(OsStr::new("log"));
    let shards = write(tree.0.path(), &keep, packs.0.path(), OPTIONS, &|_| Ok(())).expect("a pack");
    copy.unpack(&packs, &shards).expect("it unpacks");
    assert_eq!(copy.names(), ["in", "in/a"]);
}

#[test]
fn modes_are_those_of_new_files() {
    let (tree, packs, copy) = (Sandbox::new(), Sandbox::new(), Sandbox::new());
    tree.file("d/plain", b"").file("d/tool", b"").mode("d/tool", 0o4701).mode("d/plain", 0o477);
    copy.file("new", b"").file("new.d/", b"");
    let mode = |path: PathBuf| fs::metadata(path).expect("metadata").mode() & 0o7777;
    let (new, new_dir) = (mode(copy.path("new")), mode(copy.path("new.d")));
    let into = copy.path("into");
    fs::create_dir(&into).expect("a directory");
    let shards = tree.pack(&packs, OPTIONS);
    unpack(&packs.files(&shards), &into, 1, &|_| Ok(())).expect("it unpacks");
    assert_eq!(mode(into.join("d")), new_dir);
    assert_eq!(mode(into.join("d/plain")), new);
    assert_eq!(mode(into.join("d/tool")), new_dir, "executable, and nothing more");
    assert_eq!(mode(packs.path(shards[0].file_name())), new);
}

#[test]
fn what_has_no_place_in_a_pack_is_refused() {
    type Make = fn(&Sandbox);
    let cases: [(Make, &str); 8] = [
        (|t| _ = t.link("bad", "/etc/passwd"), "which is absolute"),
        (|t| _ = t.link("bad", ".."), "outside of the tree"),
        (|t| _ = t.link("bad", "../x"), "outside of the tree"),
        (|t| _ = t.file("d/", b"").link("d/bad", "../../x"), "outside of the tree"),
        (|t| _ = t.file("d/", b"").link("bad", "d/../.."), "which has `..` after a name"),
        (|t| drop(UnixListener::bind(t.path("bad")).expect("a socket")), "no file, directory or"),
        (
            |t| nix::unistd::mkfifo(&t.path("bad"), Mode::S_IRUSR).expect("a fifo"),
            "no file, directory or",
        ),
        (|t| _ = t.file("bad/", b"").mode("bad", 0o000), ""),
    ];
    for (make, message) in cases {
        let (tree, packs) = (Sandbox::new(), Sandbox::new());
        make(tree.file("good", b"good"));
        let packed = write(tree.0.path(), &|_| true, packs.0.path(), OPTIONS, &|_| Ok(()));
        if message.is_empty() && packed.is_ok() {
            continue; // root reads everything
        }
        let error = format!("{:#}", packed.expect_err(message));
        assert!(error.contains(message) && error.contains("bad`"), "{message}: {error}");
        assert_eq!(packs.names(), [""; 0], "{message}");
    }
}

#[test]
fn a_file_that_changes_meanwhile_is_an_error() {
    for change in [-1, 1] {
        let (tree, packs) = (Sandbox::new(), Sandbox::new());
        tree.file("a", b"first").file("b", &noise(1000));
        let late = tree.path("b");
        let change = |_| {
            let len = fs::metadata(&late)?.len().saturating_add_signed(change);
            Ok(fs::OpenOptions::new().write(true).open(&late)?.set_len(len)?)
        };
        let packed = write(tree.0.path(), &|_| true, packs.0.path(), OPTIONS, &change);
        let error = format!("{:#}", packed.expect_err("it changed"));
        assert!(error.contains("`b`: it changed"), "{error}");
        assert_eq!(packs.names(), [""; 0]);
    }
}

#[test]
fn shards_that_are_there_stay() {
    let options = WriteOptions { shard_bytes: SHARD_BYTES, ..OPTIONS };
    let (tree, packs) = (Sandbox::new(), Sandbox::new());
    let shards = tree.file("a", &noise(5000)).pack(&packs, options);
    let path = packs.path(shards[0].file_name());
    let inode = || fs::metadata(&path).expect("a shard").ino();
    let first = inode();
    assert_eq!(tree.pack(&packs, options), shards);
    assert_eq!(inode(), first, "left alone");
    fs::OpenOptions::new().write(true).open(&path).and_then(|f| f.set_len(9)).expect("cut off");
    assert_eq!(tree.pack(&packs, options), shards);
    check(&path, &shards[0], &|_| Ok(())).expect("half a shard is replaced");
}

#[test]
fn progress_counts_contents_and_can_stop_the_work() {
    let (tree, packs, copy) = (Sandbox::new(), Sandbox::new(), Sandbox::new());
    tree.file("a", &noise(100_000)).file("b", &noise(200_000));
    let done = AtomicU64::new(0);
    let count = |n| {
        done.fetch_add(n, Ordering::Relaxed);
        Ok(())
    };
    let shards = write(tree.0.path(), &|_| true, packs.0.path(), OPTIONS, &count).expect("a pack");
    assert_eq!(done.swap(0, Ordering::Relaxed), 300_000);
    unpack(&packs.files(&shards), copy.0.path(), 2, &count).expect("it unpacks");
    assert_eq!(done.swap(0, Ordering::Relaxed), 300_000);
    let (packs_2, copy_2) = (Sandbox::new(), Sandbox::new());
    let stop = |_| bail!("stop");
    let stopped = write(tree.0.path(), &|_| true, packs_2.0.path(), OPTIONS, &stop);
    assert_eq!(stopped.expect_err("stopped").root_cause().to_string(), "stop");
    assert_eq!(packs_2.names(), [""; 0]);
    let stopped = unpack(&packs.files(&shards), copy_2.0.path(), 2, &stop);
    assert_eq!(stopped.expect_err("stopped").root_cause().to_string(), "stop");
}

#[test]
fn times_before_1970_and_after_2242() {
    let (tree, packs, copy) = (Sandbox::new(), Sandbox::new(), Sandbox::new());
    tree.file("old", b"").file("new", b"");
    let set = |name, time: Option<SystemTime>| {
        let file = fs::OpenOptions::new().write(true).open(tree.path(name)).expect("a file");
        file.set_modified(time.expect("a time")).expect("a time");
    };
    // 8 to the 11th: more than the octal digits of a header.
    let late = Duration::from_secs(8_589_934_592);
    set("old", SystemTime::UNIX_EPOCH.checked_sub(Duration::from_millis(1500)));
    set("new", SystemTime::UNIX_EPOCH.checked_add(late));
    let shards = tree.pack(&packs, OPTIONS);
    copy.unpack(&packs, &shards).expect("it unpacks");
    let mtime = |name| fs::metadata(copy.path(name)).expect("a file").mtime();
    assert_eq!((mtime("old"), mtime("new")), (0, 8_589_934_592));
}

#[test]
fn a_directory_that_is_not_empty_is_not_unpacked_into() {
    let copy = Sandbox::new();
    let error = copy.file("mine", b"").unpack(&Sandbox::new(), &[]).expect_err("not empty");
    assert!(error.to_string().ends_with("is not empty"), "{error}");
}
