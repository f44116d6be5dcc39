//! What a store says of itself, and what its files say: an index, a cache file's head, a trace.

use super::{room, texts, write};
use crate::mathlib::ltar::{Head, HeadError, Place};
use crate::mathlib::outputs::{Fault, Files, Look};
use crate::mathlib::{Module, hash};
use crate::store::index::Index;
use crate::workspace::manifest::Entry;
use fs_err as fs;
use serde_json::Value;
use std::path::{Component, Path};

/// An `index.json`.
///
/// What is written of it is read as the same and written as the same bytes, and nothing in it is a
/// path that leads anywhere.
pub fn index(data: &[u8]) {
    let Ok(index) = Index::parse(data) else { return };
    let text = serde_json::to_vec(&index).expect("an index can be written");
    let again = Index::parse(&text).expect("and read");
    assert_eq!(again, index);
    assert_eq!(serde_json::to_vec(&again).expect("and written"), text);

    for pack in &index.packs {
        for shard in &pack.shards {
            assert_is_name(&shard.file_name());
        }
        assert_eq!(pack.mark().lines().count(), pack.shards.len().max(1));
    }
    let files = index.locks.values().flat_map(|lock| lock.modules.values());
    files.chain(index.ltars.keys()).for_each(|file| assert_is_name(&file.to_string()));
    for lock in index.locks.values() {
        let revisions = lock.revisions();
        for pack in index.packs_of(lock) {
            assert_eq!(revisions.get(&pack.package), Some(&pack.rev));
        }
        assert_is_name(&lock.id());
        let entries = lock.packages.iter().filter_map(|entry| Entry::from_json(entry).ok());
        entries.filter(Entry::is_git).for_each(|entry| assert_is_name(&entry.name.plain()));
    }
}

/// One component of a path, and not `.` or `..`.
fn assert_is_name(name: &str) {
    assert!(Path::new(name).components().eq([Component::Normal(name.as_ref())]), "`{name}`");
}

/// A cache file, named after `Mathlib.Init`.
///
/// What its head says is all before a NUL, and sends the module's files where its files go.
pub fn ltar(data: &[u8]) {
    let module = Module::parse("Mathlib.Init").expect("a name");
    let dir = room();
    let path = dir.path().join("ltar");
    let read = |data: &[u8]| {
        write(&path, data);
        Head::read(&path, &module)
    };
    let head = match read(data) {
        Ok(head) => head,
        Err(HeadError::Empty | HeadError::Magic | HeadError::Truncated) => return,
        Err(error) => {
            assert!(data.iter().skip(12).any(|&byte| byte == 0), "not cut short, but: {error}");
            return;
        }
    };
    let Place { package, lib } = &head.place;
    package.iter().for_each(|package| assert_is_name(package));
    assert!(["lib", "lib/lean"].contains(lib));
    let end = 12 + data[12..].iter().position(|&byte| byte == 0).expect("a NUL ends the path");
    assert_eq!(read(&data[..=end]).expect("it is whole"), head, "nothing behind it counts");
    assert!(matches!(read(&data[..end]), Err(HeadError::Truncated)), "every byte counts");
}

/// A trace, and the `.hash` file of its `.olean`.
///
/// What it asks for are files beside it, and a module that is whole has every one of them.
pub fn trace(data: &[u8]) {
    let module = Module::parse("A.B").expect("a name");
    let dir = room();
    let build = dir.path().join("build");
    let mut texts = texts(data);
    let (trace, hash) = (texts.next().unwrap_or_default(), texts.next().unwrap_or_default());
    let files = Files::new(&build, &Place { package: None, lib: "lib/lean" }, &module);
    write(&files.trace(), trace);
    // Whatever a trace calls an output, nothing out here is one.
    write(&dir.path().join("outside"), b"outside");
    fs::create_dir_all(build.join("lib/lean/A/B.x")).expect("a directory");
    fs::create_dir_all(build.join("ir/A/B.x")).expect("a directory");
    for (place, contents) in [
        ("lib/lean/A/B.olean", &b"an olean"[..]),
        ("lib/lean/A/B.ilean", b"an ilean"),
        ("lib/lean/A/B.olean.hash", hash),
        ("ir/A/B.c", b"c\r\n"),
    ] {
        write(&build.join(place), contents);
    }
    for look in [Look::Presence, Look::Contents] {
        let own = files.check_own(look);
        match &own {
            Ok(()) => {}
            Err(Fault::NoTrace | Fault::OtherTrace { .. }) => {
                assert_eq!(own, Err(Fault::NoTrace), "a trace agrees with itself");
            }
            // A name that no file can have.
            Err(Fault::Unreadable(reason)) => assert!(reason.contains("/B."), "{reason}"),
            Err(Fault::Missing(name) | Fault::Damaged(name)) => {
                assert!(name.starts_with("B."), "{name}");
            }
        }
        let known = [1, 0x4d2, u64::MAX].map(|dep_hash| files.check(dep_hash, look));
        let agree = known.iter().filter(|known| !matches!(known, Err(Fault::OtherTrace { .. })));
        assert!(own == Err(Fault::NoTrace) || agree.count() <= 1, "one `depHash`");
    }
    if files.check_own(Look::Contents).is_ok() {
        assert_eq!(files.check_own(Look::Presence), Ok(()), "contents are present");
    }
    if files.check_own(Look::Presence).is_ok() {
        let outputs = outputs(trace).unwrap_or_default();
        assert!(outputs.iter().all(|output| !output.contains('/')), "{outputs:?}");
    }
}

/// The outputs of a trace that has them in the form we know.
fn outputs(trace: &[u8]) -> Option<Vec<String>> {
    let json: Value = serde_json::from_slice(trace).ok()?;
    json["outputs"].get("o")?;
    let mut all = Vec::new();
    for kind in ["o", "i", "r", "c", "b"] {
        match &json["outputs"][kind] {
            Value::Null => {}
            Value::String(one) => all.push(one.clone()),
            Value::Array(some) => {
                let texts = some.iter().map(|one| one.as_str().map(str::to_owned));
                all.extend(texts.collect::<Option<Vec<_>>>()?);
            }
            _ => return None,
        }
    }
    let has_hash = |output: &String| {
        output.split_once('.').is_some_and(|(hash, _)| hash::digits(hash).is_some())
    };
    all.iter().all(has_hash).then_some(all)
}
