//! throwaway
use super::*;
use std::path::{Path, PathBuf};
use std::time::Instant;

#[test]
#[ignore]
fn bench() {
    let mode = std::env::var("MODE").unwrap();
    let packs = PathBuf::from(std::env::var("PACKS").unwrap());
    let jobs = std::env::var("JOBS").map_or(2, |j| j.parse().unwrap());
    let begun = Instant::now();
    match mode.as_str() {
        "write" => {
            let level = std::env::var("LEVEL").unwrap().parse().unwrap();
            let shards = write(
                Path::new(&std::env::var("TREE").unwrap()),
                &|_| true,
                &packs,
                WriteOptions { level, jobs, shard_bytes: SHARD_BYTES },
                &|_| Ok(()),
            )
            .unwrap();
            std::fs::write(packs.join("index"), serde_json::to_string(&shards).unwrap()).unwrap();
            eprintln!(
                "{} shards {} bytes",
                shards.len(),
                shards.iter().map(|s| s.size).sum::<u64>()
            );
        }
        _ => {
            let shards: Vec<Shard> =
                serde_json::from_str(&std::fs::read_to_string(packs.join("index")).unwrap())
                    .unwrap();
            let shards: Vec<_> =
                shards.into_iter().map(|s| (packs.join(s.file_name()), s)).collect();
            if mode == "unpack" {
                unpack(&shards, Path::new(&std::env::var("INTO").unwrap()), jobs, &|_| Ok(()))
                    .unwrap();
            } else {
                use rayon::prelude::*;
                shards.par_iter().for_each(|(p, s)| check(p, s, &|_| Ok(())).unwrap());
            }
        }
    }
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    eprintln!(
        "{mode} {:.2} s {}",
        begun.elapsed().as_secs_f64(),
        status.lines().find(|l| l.starts_with("VmHWM")).unwrap()
    );
}
