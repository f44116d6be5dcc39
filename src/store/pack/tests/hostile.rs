//! Archives made by hand to do what no pack does. None writes outside, each is refused by name.

use super::super::digest::Hashing;
use super::super::entry::{BLOCK, END};
use super::raw::{Raw, directory, end, file, link, long, raw};
use super::*;
use std::collections::BTreeMap;

fn compress(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 1).expect("compressed")
}

fn digest(bytes: &[u8]) -> Digest {
    let mut hashing = Hashing::new(std::io::sink());
    hashing.write_all(bytes).expect("a sink takes everything");
    hashing.finish().1
}

/// A store with shards, a directory to unpack into, and neighbours that had better stay as they
/// are.
struct Scene {
    sandbox: Sandbox,
    shards: Vec<(PathBuf, Shard)>,
}

impl Scene {
    fn new() -> Self {
        let sandbox = Sandbox::new();
        sandbox.file("outside", b"precious").file("x", b"precious").file("a/b", b"precious");
        sandbox.file("into/", b"");
        Self { sandbox, shards: Vec::new() }
    }

    fn add(&mut self, bytes: &[u8], unpacked: u64, entries: u64) -> &mut Shard {
        let shard = Shard { sha256: digest(bytes), size: bytes.len() as u64, unpacked, entries };
        self.sandbox.file(format!("packs/{}", shard.file_name()), bytes);
        let path = self.sandbox.path("packs").join(shard.file_name());
        self.shards.push((path, shard));
        &mut self.shards.last_mut().expect("just added").1
    }

    fn neighbours(&self) -> BTreeMap<PathBuf, (Entry, Vec<u8>)> {
        let mut all: BTreeMap<_, _> = snapshot(self.sandbox.0.path()).into_iter().collect();
        all.retain(|path, _| !path.starts_with("into"));
        all
    }

    /// Unpacks, and checks that it fails as it should and leaves the neighbours alone.
    fn refuses(&self, what: &str, message: &str) {
        let before = self.neighbours();
        let into = self.sandbox.path("into");
        let jobs = 1; // in order, so that it is the last shard that fails
        let unpacked = unpack(&self.shards, &into, jobs, &|_| Ok(()));
        let error = format!("{:#}", unpacked.expect_err(what));
        assert!(error.contains(message), "{what}: `{message}` is not in:\n{error}");
        let (path, shard) = self.shards.last().expect("a shard");
        assert!(error.contains(&path.display().to_string()), "{what}: no shard in:\n{error}");
        assert_eq!(self.neighbours(), before, "{what}");
        let is_link =
            |(_, (entry, _)): &(_, (Entry, _))| matches!(entry.kind, Kind::Symlink { .. });
        assert!(!snapshot(&into).iter().any(is_link), "{what}: a symlink was made");
        if self.shards.len() == 1 {
            let error = format!("{:#}", check(path, shard, &|_| Ok(())).expect_err(what));
            assert!(error.contains(message), "{what}: check says\n{error}");
        }
    }
}

/// Each case is the shards of a pack without their ends. All but the last are fine by themselves.
#[test]
fn entries_that_no_pack_has() {
    let ok = || file("ok");
    let n = |n: usize| "n".repeat(n);
    let nul = |name: &str| format!("{name}\0");
    let pax = || raw(b'x', b"pax", b"", b"18 path=../outside\n");
    let through = "passes through the symlink `l`";
    let cases: Vec<(&str, Vec<Raw>, &str)> = vec![
        // Names.
        ("absolute", vec![file("/outside")], "entry `/outside`: it is absolute"),
        ("two slashes", vec![file("//outside")], "it is absolute"),
        ("the root", vec![directory("/")], "it is absolute"),
        ("above", vec![file("../outside")], "entry `../outside`: it has `..` in it"),
        ("above, later", vec![ok().with(file("a/../../outside"))], "it has `..` in it"),
        ("above, last", vec![directory("a/../")], "it has `..` in it"),
        ("just above", vec![directory("../")], "it has `..` in it"),
        ("here", vec![directory("./")], "it has `.` in it"),
        ("a dot first", vec![file("./a")], "it has `.` in it"),
        ("a dot within", vec![file("a/./b")], "it has `.` in it"),
        ("an empty name", vec![file("a//b")], "it has an empty name in it"),
        ("no name", vec![file("")], "it has no name"),
        ("a file like a directory", vec![file("a/")], "ends with `/` and is no directory"),
        ("a directory like a file", vec![directory("a")], "does not end with `/`"),
        ("two slashes last", vec![directory("a//")], "it has an empty name in it"),
        ("NUL", vec![file("ok\0/../outside")], "there is a NUL in it"),
        ("an escape for terminals", vec![file("/\x1b[2J\n")], r"entry `/\u{1b}[2J\n`"),
        // Long names.
        ("long: above", vec![long(b'L', nul("../outside")).with(ok())], "it has `..` in it"),
        ("long: absolute", vec![long(b'L', nul("/outside")).with(ok())], "it is absolute"),
        ("long: NUL", vec![long(b'L', "ok\0no\0").with(ok())], "there is a NUL in it"),
        ("long: no end", vec![long(b'L', n(120)).with(ok())], "does not end with NUL"),
        ("long: empty", vec![long(b'L', "").with(ok())], "does not end with NUL"),
        ("long: nothing", vec![long(b'L', "\0").with(ok())], "it has no name"),
        ("long: a long component", vec![long(b'L', nul(&n(256))).with(ok())], "over 255 bytes"),
        ("long: too long", vec![long(b'L', n(4097)).with(ok())], "more than 4096"),
        (
            "long: a terabyte",
            vec![long(b'L', "").header(|h| h.set_size(1 << 40)).with(ok())],
            "more than 4096",
        ),
        (
            "long: two",
            vec![long(b'L', nul("a")).with(long(b'L', nul("b"))).with(ok())],
            "two long names",
        ),
        ("long: for nothing", vec![long(b'L', nul("a"))], "the name of nothing"),
        ("a target for a file", vec![long(b'K', nul("a")).with(ok())], "and is no symlink"),
        // Types.
        (
            "a hard link",
            vec![ok().with(raw(b'1', b"h", b"ok", b""))],
            "entry `h`: it is a hard link",
        ),
        ("a hard link out", vec![raw(b'1', b"h", b"../outside", b"")], "it is a hard link"),
        ("a tty", vec![raw(b'3', b"d", b"", b"")], "it is a device"),
        ("a disk", vec![raw(b'4', b"d", b"", b"")], "it is a device"),
        ("a fifo", vec![raw(b'6', b"f", b"", b"")], "it is a fifo"),
        ("a sparse file", vec![raw(b'S', b"s", b"", b"")], "it is a sparse file"),
        ("pax", vec![pax().with(ok())], "it is a pax header"),
        (
            "pax for all",
            vec![raw(b'g', b"pax", b"", b"18 path=../outside\n")],
            "it is a pax header",
        ),
        ("an old file", vec![raw(0, b"f", b"", b"")], "it is of tar's type `\\0`"),
        ("a contiguous file", vec![raw(b'7', b"f", b"", b"")], "it is of tar's type `7`"),
        ("a volume", vec![raw(b'V', b"v", b"", b"")], "it is of tar's type `V`"),
        ("a dump", vec![raw(b'D', b"d/", b"", b"")], "it is of tar's type `D`"),
        // Symlinks.
        ("a link to the root", vec![link("l", "/")], "to `/`, which is absolute"),
        ("a link above", vec![link("l", "..")], "outside of the tree"),
        ("a link beside", vec![link("d/l", "../../outside")], "outside of the tree"),
        ("a link by a detour", vec![link("l", "a/../../outside")], "`..` after a name"),
        (
            "a link that seems inside",
            vec![link("p/q/l", "../..").with(link("m", "p/q/l/../outside"))],
            "entry `m`: it is a symlink to `p/q/l/../outside`, which has `..` after a name",
        ),
        ("a link to nothing", vec![link("l", "")], "a symlink to nothing"),
        ("a link with NUL", vec![link("l", "a\0b")], "there is a NUL in it"),
        (
            "a long link out",
            vec![long(b'K', nul(&format!("../{}", n(200)))).with(link("l", "a"))],
            "outside of the tree",
        ),
        // One path, two entries.
        ("twice", vec![ok().with(ok())], "entry `ok`: its path is taken"),
        ("twice, apart", vec![ok(), ok()], "entry `ok`: its path is taken"),
        ("a directory twice", vec![directory("d/").with(directory("d/"))], "is taken"),
        ("a directory twice, apart", vec![directory("d/"), directory("d/")], "is taken"),
        ("a file, then a directory", vec![file("d").with(directory("d/"))], "is taken"),
        ("a directory, then a file", vec![directory("d/"), file("d")], "is taken"),
        ("a link, then a file", vec![link("l", "x").with(file("l"))], "is taken"),
        ("a file, then a link", vec![file("l"), link("l", "x")], "is taken"),
        ("below a file", vec![file("f").with(file("f/g"))], "below `f`, which is a file"),
        ("below a file, apart", vec![file("f"), file("f/g/h")], "below `f`, which is a file"),
        ("a file above", vec![file("f/g").with(file("f"))], "that other entries are below"),
        ("through a link", vec![link("l", "d").with(file("l/f"))], through),
        ("through a link, apart", vec![link("l", "d"), file("l/d/f")], through),
        ("a directory through a link", vec![link("l", "d").with(directory("l/d/"))], through),
        ("a link through a link", vec![link("l", "d").with(link("l/m", "x"))], through),
        ("a link, late", vec![file("l/f").with(link("l", "d"))], "other entries pass through"),
        // Numbers.
        ("a directory that holds", vec![raw(b'5', b"d/", b"", b"x")], "and is no file"),
        ("a link that holds", vec![raw(b'2', b"l", b"x", b"x")], "and is no file"),
        ("no size", vec![ok().header(|h| h.as_old_mut().size = *b"zzzzzzzzzzzz")], "is no number"),
        ("no mode", vec![ok().header(|h| h.as_old_mut().mode = *b"rwxr-xr-")], "is no number"),
        ("no time", vec![ok().header(|h| h.as_old_mut().mtime = [b'9'; 12])], "is no number"),
        ("the end of time", vec![ok().header(|h| h.set_mtime(u64::MAX))], "is out of range"),
        ("a huge file", vec![ok().header(|h| h.set_size(1 << 62))], "more than the 4 bytes"),
        (
            "files that add up to nothing",
            vec![ok().header(|h| h.set_size(u64::MAX))],
            "more than the 4 bytes",
        ),
        // Blocks.
        ("no header", vec![Raw::bytes(&[b'x'; BLOCK])], "not begin with a GNU tar header"),
        (
            "another tar's header",
            vec![ok().header(|h| h.as_mut_bytes()[257..265].copy_from_slice(b"ustar\x0000"))],
            "not begin with a GNU tar header",
        ),
        (
            "something in between",
            vec![ok().with(Raw::bytes(&END[..BLOCK])).with(file("f"))],
            "after",
        ),
    ];
    for (what, shards, message) in &cases {
        let mut scene = Scene::new();
        for shard in shards {
            let shard = shard.clone().with(end());
            scene.add(&compress(&shard.bytes), shard.unpacked, shard.entries);
        }
        scene.refuses(what, message);
    }
    assert!(cases.len() >= 40);
}

/// The bytes of an archive with one file, and how it is refused.
#[test]
fn archives_that_are_not_whole() {
    let whole = || file("ok").with(end());
    let mut padded = whole();
    padded.bytes[BLOCK + 100] = b'!';
    let mut miscounted = whole();
    miscounted.bytes[148] ^= 1;
    let cases = [
        ("nothing", whole().cut(0), "entry 1: the archive ends early"),
        ("half a header", whole().cut(100), "entry 1: the archive ends early"),
        ("half a file", whole().cut(BLOCK + 2), "entry `ok`: the archive ends in it"),
        ("half a block", whole().cut(BLOCK + 100), "entry `ok`: the archive ends early"),
        ("no end", whole().cut(2 * BLOCK), "entry 2: the archive ends early"),
        ("half an end", whole().cut(3 * BLOCK), "entry 2: the archive ends early"),
        ("a longer end", whole().with(end()), "after the end of the archive"),
        ("more", whole().with(file("more")), "after the end of the archive"),
        ("a byte more", whole().with(Raw::bytes(b"!")), "after the end of the archive"),
        ("something between", padded, "entry `ok`: there is something between"),
        ("a wrong sum", miscounted, "entry 1: its header has a wrong checksum"),
    ];
    for (what, archive, message) in cases {
        let mut scene = Scene::new();
        scene.add(&compress(&archive.bytes), 4, 1);
        scene.refuses(what, message);
    }
}

/// A good archive, in a file that is not.
#[test]
fn files_that_are_not_one_frame() {
    let archive = file("ok").with(end()).bytes;
    let good = compress(&archive);
    let joined = |parts: &[&[u8]]| parts.concat();
    let skippable = [0x50, 0x2a, 0x4d, 0x18, 4, 0, 0, 0, b'e', b'v', b'i', b'l'];
    let mut wide = zstd::Encoder::new(Vec::new(), 1).expect("an encoder");
    wide.window_log(24).expect("a window");
    wide.write_all(&archive).expect("written");
    let wide = wide.finish().expect("compressed");
    let cases = [
        ("empty", Vec::new(), "ends early"),
        ("no zstd", archive, "Unknown frame descriptor"),
        ("half", good[..good.len() / 2].to_vec(), "ends early"),
        ("garbage behind", joined(&[&good, b"evil"]), "after the compressed data"),
        ("twice", joined(&[&good, &good]), "after the compressed data"),
        ("something to skip behind", joined(&[&good, &skippable]), "after the compressed data"),
        ("something to skip before", joined(&[&skippable, &good]), "ends early"),
        ("a window of 16 MiB", wide, "too much memory"),
    ];
    for (what, bytes, message) in cases {
        let mut scene = Scene::new();
        scene.add(&bytes, 4, 1);
        scene.refuses(what, message);
    }
}

#[test]
fn shards_that_are_not_what_the_store_says() {
    let archive = file("ok").with(file("ok2")).with(end());
    let good = compress(&archive.bytes);
    let flipped = |at: usize| {
        let mut bytes = good.clone();
        bytes[at] ^= 1;
        bytes
    };
    type Lie = fn(&mut Shard);
    let cases: [(&str, Vec<u8>, Lie, &str); 8] = [
        (
            "fewer bytes",
            good.clone(),
            |s| s.unpacked = 7,
            "entry `ok2`: with it there are more than",
        ),
        ("more bytes", good.clone(), |s| s.unpacked = 9, "8 bytes instead of 2 and 9"),
        (
            "fewer entries",
            good.clone(),
            |s| s.entries = 1,
            "entry `ok2`: it is one more than the 1",
        ),
        ("more entries", good.clone(), |s| s.entries = 3, "it ends after 2 entries"),
        ("a smaller file", good.clone(), |s| s.size += 1, "is damaged: it has"),
        ("a larger file", good.clone(), |s| s.size -= 1, "is damaged: it has"),
        ("a flipped bit", flipped(good.len() - 1), |_| {}, "is damaged: its sha256 is"),
        ("a flipped bit, early", flipped(0), |_| {}, "is damaged: its sha256 is"),
    ];
    for (what, bytes, lie, message) in cases {
        let mut scene = Scene::new();
        let shard = scene.add(&bytes, archive.unpacked, archive.entries);
        if bytes != good {
            shard.sha256 = digest(&good);
        }
        lie(shard);
        scene.refuses(what, message);
    }
    let mut scene = Scene::new();
    scene.add(&good, 8, 2);
    fs::remove_file(&scene.shards[0].0).expect("removed");
    scene.refuses("a missing file", "failed to open file");
}

/// 1 GiB of zeros in a few kilobytes.
#[test]
fn a_bomb_does_not_go_off() {
    let mut bytes = file("bomb").header(|h| h.set_size(1 << 30)).cut(BLOCK).bytes;
    bytes.resize(8 << 20, 0);
    for (what, unpacked, message) in
        [("no room", 4, "more than the 4 bytes"), ("room", 1 << 30, "the archive ends in it")]
    {
        let mut scene = Scene::new();
        scene.add(&compress(&bytes), unpacked, 1);
        scene.refuses(what, message);
    }
}

/// What looks odd and is fine.
#[test]
fn what_is_no_harm_is_taken() {
    let setuid = file("setuid").header(|h| h.set_mode(0o6755));
    let archive = setuid
        .with(file("CASE"))
        .with(file("case"))
        .with(file("no/entry/above"))
        .with(directory("no/"))
        .with(link("no/entry/up", "../../case"))
        .with(link("no/circle", "circle"))
        .with(end());
    let mut scene = Scene::new();
    scene.add(&compress(&archive.bytes), archive.unpacked, archive.entries);
    let into = scene.sandbox.path("into");
    unpack(&scene.shards, &into, 1, &|_| Ok(())).expect("it unpacks");
    assert_eq!(fs::metadata(into.join("setuid")).expect("a file").mode() & 0o7000, 0);
    assert_eq!(fs::read(into.join("no/entry/up")).expect("a file"), b"evil");
    assert_eq!(snapshot(&into).len(), 8);
}
