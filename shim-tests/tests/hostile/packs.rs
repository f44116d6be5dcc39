//! Shards that are a few kilobytes and ask for gigabytes. What they hold is refused entry by entry in the library's own
//! tests; here it is what they take.

use serde_json::json;
use sha2::{Digest as _, Sha256};
use shim_tests::Sandbox;

use crate::with_little_memory;

const BLOCK: usize = 512;

/// Files so deep that each takes megabytes of paths.
fn deep(files: usize) -> Vec<u8> {
    let mut archive = Vec::new();
    for file in 0..files {
        let path = format!("{file}/{}f", "d/".repeat(2000));
        archive.extend(entry(b'L', "././@LongLink", format!("{path}\0").as_bytes()));
        archive.extend(entry(b'0', &path[..100], b""));
    }
    archive.extend([0; 2 * BLOCK]);
    archive
}

/// An entry of GNU tar.
fn entry(kind: u8, name: &str, contents: &[u8]) -> Vec<u8> {
    let mut header = vec![0; BLOCK];
    let mut put =
        |at: usize, text: &str| header[at..at + text.len()].copy_from_slice(text.as_bytes());
    put(0, name);
    put(100, "0000644");
    put(124, &format!("{:011o}", contents.len()));
    put(136, "00000000000");
    put(148, "        ");
    put(257, "ustar  ");
    header[156] = kind;
    let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let mut entry = header;
    entry.extend(contents);
    entry.resize(entry.len().next_multiple_of(BLOCK), 0);
    entry
}

/// A store for the fixture's workspace whose sources of mathlib are `archive`, compressed with `options`.
fn with_sources(archive: &[u8], entries: usize, options: &str) -> Sandbox {
    let sandbox = Sandbox::mini_mathlib_without_packages();
    sandbox.write("archive", archive);
    // From a pipe: of a file zstd knows the size, and takes no larger window than that.
    let zstd = format!("cat ../archive | zstd -q {options} >../shard");
    sandbox.command("sh", "-c").arg(zstd).run().expect_code(0);
    let shard = fs_err::read(sandbox.path("shard")).expect("it was made");
    assert!(shard.len() < 1 << 20, "it is small: {} bytes", shard.len());
    let digest = Sha256::digest(&shard);
    let sha256: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    sandbox.mkdir("store/lake-shim/packs");
    sandbox.write(format!("store/lake-shim/packs/{sha256}.tar.zst"), &shard);
    let (url, rev) = sandbox.locked("mathlib");
    let shard = json!({ "sha256": sha256, "size": shard.len(), "unpacked": 0, "entries": entries });
    let package =
        json!({ "type": "git", "name": "mathlib", "url": url, "rev": rev, "inherited": false });
    let index = json!({
        "schema": 1,
        "locks": { "0": { "toolchain": "", "packages": [package], "modules": {} } },
        "ltars": {},
        "packs": [{ "package": "mathlib", "rev": rev, "content": "source", "url": url, "shards": [shard] }],
    });
    sandbox.write("store/lake-shim/index.json", index.to_string());
    sandbox
}

#[test]
#[cfg_attr(not(has = "zstd"), ignore = "needs zstd")]
fn deep_directories_do_not_take_all_memory() {
    let sandbox = with_sources(&deep(2), 2, "-1");
    with_little_memory(&sandbox, "lake-shim verify --store ../store")
        .run()
        .stderr_lacks("the paths of its pack");
    let sandbox = with_sources(&deep(500), 500, "-1");
    with_little_memory(&sandbox, "lake-shim verify --store ../store")
        .run()
        .expect_code(1)
        .stderr_contains("with it the paths of its pack take more than 256 MiB")
        .stderr_contains(".tar.zst");
}

#[test]
#[cfg_attr(not(has = "zstd"), ignore = "needs zstd")]
fn a_window_of_two_gigabytes_is_refused() {
    let sandbox = with_sources(&deep(2), 2, "-1 --long=31");
    with_little_memory(&sandbox, "lake-shim verify --store ../store")
        .run()
        .expect_code(1)
        .stderr_contains("too much memory")
        .stderr_contains(".tar.zst");
}
