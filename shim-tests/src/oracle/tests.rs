//! Trees that were made half-published by hand, which the oracle must refuse, and unfinished ones that are nobody's
//! loss.

use std::path::PathBuf;

use serde_json::json;

use super::{Oracle, Verdict};
use crate::sandbox::Sandbox;
use crate::tree::sha256;

const BUILD: &str = "packages/p/.lake/build";
const MARK: &str = "packages/p/.lake/build/.lake-shim.pack";

type Edit = fn(&Sandbox);

/// A package with a module that is built and marked, a manifest, a store that is read and one that is made.
fn world() -> (Sandbox, Oracle) {
    let sandbox = Sandbox::empty();
    sandbox.write("packages/p/P.lean", "prelude\n").write("packages/p/.git/HEAD", "0123\n");
    sandbox.write_build(&sandbox.path(BUILD), "P/Q", "new").write(MARK, "digest\n");
    sandbox.write("manifest", "old").chmod("manifest", 0o640);
    sandbox.write("store/0123456789abcdef.ltar", "archive");
    let pack = sha256(b"pack");
    sandbox
        .write("baked/0123456789abcdef.ltar", "archive")
        .write(format!("baked/lake-shim/packs/{pack}.tar.zst"), "pack");
    let index = json!({
        "ltars": {"0123456789abcdef.ltar": {"sha256": sha256(b"archive"), "size": 7}},
        "packs": [{"shards": [{"sha256": pack}]}],
    });
    sandbox.write("baked/lake-shim/index.json", index.to_string());
    let mut oracle = Oracle::new();
    oracle
        .packages_in(sandbox.path("packages"))
        .packages_in(sandbox.path("shared"))
        .learn()
        .keep()
        .text(sandbox.path("manifest"))
        .store(sandbox.path("store"))
        .baked(sandbox.path("baked"));
    sandbox.write("manifest", "new");
    oracle.text(sandbox.path("manifest"));
    assert_eq!(oracle.judge(), Verdict::default());
    (sandbox, oracle)
}

fn path(sandbox: &Sandbox, file: &str) -> PathBuf {
    sandbox.path(BUILD).join(file)
}

#[test]
fn what_is_half_published_is_refused() {
    let cases: [(&str, Edit); 22] = [
        ("`p/.lake/build/lib/lean/P/Q.olean` is missing", |s| {
            s.remove(MARK).remove(path(s, "lib/lean/P/Q.olean"));
        }),
        ("Q.olean` has other bytes", |s| {
            s.remove(MARK).truncate(path(s, "lib/lean/P/Q.olean"));
        }),
        ("Q.olean.hash` is missing", |s| {
            s.remove(MARK).remove(path(s, "lib/lean/P/Q.olean.hash"));
        }),
        ("Q.c` has other bytes", |s| {
            s.remove(MARK).flip_bit(path(s, "ir/P/Q.c"));
        }),
        ("Q.trace` cannot be read", |s| {
            s.remove(MARK).truncate(path(s, "lib/lean/P/Q.trace"));
        }),
        ("a build that nobody made", |s| {
            s.remove(MARK).edit_json(path(s, "lib/lean/P/Q.trace"), |trace| {
                trace["depHash"] = "0000000000000001".into();
            });
        }),
        // What a merge over an older build does halfway, if it leaves the old trace for last.
        ("Q.c` has other bytes", |s| {
            let trace = s.read(path(s, "lib/lean/P/Q.trace"));
            s.remove(MARK).write_build(&s.path(BUILD), "P/Q", "newer");
            s.write(path(s, "lib/lean/P/Q.trace"), trace);
        }),
        ("the mark of `p`: `ir/P/Q.c` is missing", |s| {
            s.remove(path(s, "lib/lean/P/Q.trace")).remove(path(s, "ir/P/Q.c"));
        }),
        ("the mark of `p`: no pack that anybody made", |s| {
            s.write(MARK, "another\n");
        }),
        ("the clone `p` is not whole: - .git", |s| {
            s.remove("packages/p/.git");
        }),
        ("the clone `p` is not whole: ~ .git/HEAD", |s| {
            s.write("packages/p/.git/HEAD", "");
        }),
        ("the clone `p` is not whole: - P.lean", |s| {
            s.remove("packages/p/P.lean");
        }),
        ("`q` is a package that nobody has", |s| {
            s.mkdir("packages/q");
        }),
        ("manifest` is neither old nor new: 2 bytes", |s| {
            s.write("manifest", "ne");
        }),
        ("manifest` is neither old nor new: 3 bytes, mode 644", |s| {
            s.chmod("manifest", 0o644);
        }),
        ("manifest` is gone", |s| {
            s.remove("manifest");
        }),
        ("names `0123456789abcdef.ltar`, which is not there", |s| {
            s.remove("baked/0123456789abcdef.ltar");
        }),
        ("`0123456789abcdef.ltar` has other bytes", |s| {
            s.remove("baked/lake-shim/index.json").truncate("baked/0123456789abcdef.ltar");
        }),
        ("`fedcba9876543210.ltar` is nobody's", |s| {
            s.write("baked/fedcba9876543210.ltar", "");
        }),
        ("which is not there", |s| {
            s.remove(format!("baked/lake-shim/packs/{}.tar.zst", sha256(b"pack")));
        }),
        ("has other bytes", |s| {
            s.write(format!("baked/lake-shim/packs/{}.tar.zst", sha256(b"pack")), "pac");
        }),
        ("names `lake-shim/index.json`", |s| {
            s.truncate("baked/lake-shim/index.json");
        }),
    ];
    for (expected, edit) in cases {
        let (sandbox, oracle) = world();
        edit(&sandbox);
        let verdict = oracle.judge();
        assert!(
            verdict.half_published.iter().any(|fault| fault.contains(expected)),
            "{expected}: {verdict:#?}"
        );
    }
}

#[test]
fn what_is_lost_is_missed() {
    let cases: [(&str, Edit); 6] = [
        ("the package `p`", |s| {
            s.remove("packages/p");
        }),
        ("the package `p`", |s| {
            s.rename("packages/p", "packages/.lake-shim-work/p");
        }),
        ("- 0123456789abcdef.ltar", |s| {
            s.remove("store/0123456789abcdef.ltar");
        }),
        ("~ 0123456789abcdef.ltar", |s| {
            s.truncate("store/0123456789abcdef.ltar");
        }),
        ("~ 0123456789abcdef.ltar", |s| {
            s.chmod("store/0123456789abcdef.ltar", 0o600);
        }),
        ("+ .lake-shim-work", |s| {
            s.mkdir("store/.lake-shim-work");
        }),
    ];
    for (expected, edit) in cases {
        let (sandbox, oracle) = world();
        edit(&sandbox);
        let verdict = oracle.judge();
        assert!(
            verdict.lost.iter().any(|lost| lost.contains(expected)),
            "{expected}: {verdict:#?}"
        );
    }
}

#[test]
fn what_nobody_would_take_for_whole_is_let_pass() {
    let cases: [(&str, Edit); 8] = [
        ("a module without its trace", |s| {
            s.remove(MARK).remove(path(s, "lib/lean/P/Q.trace")).remove(path(s, "ir/P/Q.c"));
        }),
        ("no build at all", |s| {
            s.remove("packages/p/.lake");
        }),
        ("a build that is not marked", |s| {
            s.remove(MARK);
        }),
        ("a stage", |s| {
            s.write(path(s, ".lake-shim-x/.lake/build/lib/lean/P/Q.trace"), "{");
        }),
        ("a package under way", |s| {
            s.mkdir("packages/.lake-shim-x/tree/.git");
        }),
        ("a package in the other place", |s| {
            s.rename("packages/p", "shared/p");
        }),
        ("a linked packages directory", |s| {
            s.rename("packages", "shared").symlink("shared", "packages");
        }),
        ("a store without its index", |s| {
            s.remove("baked/lake-shim/index.json").remove("baked/0123456789abcdef.ltar");
        }),
    ];
    for (name, edit) in cases {
        let (sandbox, oracle) = world();
        edit(&sandbox);
        assert_eq!(oracle.judge(), Verdict::default(), "{name}");
    }
}

#[test]
fn an_older_build_is_a_build_too() {
    let (sandbox, _) = world();
    let mut oracle = Oracle::new();
    oracle.packages_in(sandbox.path("packages")).learn();
    sandbox.remove(MARK).write_build(&sandbox.path(BUILD), "P/Q", "newer");
    oracle.learn();
    assert!(oracle.judge().is_clean());
    sandbox.write_build(&sandbox.path(BUILD), "P/Q", "new");
    assert!(oracle.judge().is_clean());
}
