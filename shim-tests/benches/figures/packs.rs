//! Restoring from packs.

use super::names::cache_get;
use super::{Bar, Figure, compete, memory_bar, ratio};
use crate::lab::Lab;
use crate::timing::{Contender, is_program, is_shim, peak_memory};
use crate::workload::project::Project;
use anyhow::{Result, ensure};
use fs_err as fs;

/// zstd's level of packs and of the archive beside them.
const LEVEL: &str = "3";
/// Threads of a larger machine, each of which keeps what it decodes with.
const MANY: usize = 16;

/// Packs the tree that is there and makes the archive and the copy that references take; the tree is
/// gone afterwards.
pub fn contenders(lab: &Lab, project: &Project) -> Result<[Contender; 4]> {
    let (packs, build) = (project.packs.display().to_string(), project.build());
    let shim = lab.shim.join("lake-shim");
    let bake = ["bake", "--store", &packs, "--format", "pack", "--level", LEVEL];
    lab.run(&project.app, shim, &bake)?;
    let dir = project.packs.with_file_name("references");
    let (tree, archive, copy) = (dir.join("tree"), dir.join("tree.tar.zst"), dir.join("copy"));
    fs::create_dir_all(&dir)?;
    fs::rename(&build, &tree)?;
    let clear = lab.clear("clear-packs", &[&build, &copy])?;
    let (tree, archive, copy) = (tree.display(), archive.display(), copy.display());
    let make = format!("tar -C {tree} -cf - . | zstd -q -{LEVEL} --long=27 -T0 -o {archive}");
    lab.run(&dir, lab.script("archive", &make)?, &[])?;
    let untar = format!("mkdir {copy}\nzstd -dcq --long=27 {archive} | tar -C {copy} -xf -");
    let decode = format!(
        "find {packs} -name '*.tar.zst' -print0 | xargs -0 -n 1 -P $(nproc) zstd -dcq --long=27 >/dev/null"
    );
    Ok([
        Contender::new("shim", cache_get(lab, &project.app, &project.packs)).prepared_by(&clear),
        Contender::new("`zstd -dc \\| tar -x`", lab.script("untar", &untar)?).prepared_by(&clear),
        Contender::new("`cp -r`", format!("cp -r {tree} {copy}")).prepared_by(&clear),
        Contender::new("decoding alone, on every core", lab.script("decode", &decode)?),
    ])
}

/// Restores a tree that is there already, packed at level 3.
pub fn measure(lab: &Lab, project: &Project) -> Result<Figure> {
    let before = project.built()?;
    let bytes: u64 = before.iter().map(|file| Ok(fs::metadata(file)?.len())).sum::<Result<_>>()?;
    let contenders = contenders(lab, project)?;
    let (runs, others) = compete(lab, &contenders, lab.scale.long)?;
    let reference = peak_memory(lab, &contenders[1], is_program)?;
    let ours = peak_memory(lab, &contenders[0], is_shim)?;
    let command = format!("env LAKE_SHIM_JOBS={MANY} {}", contenders[0].command);
    let with_many = Contender { command, ..contenders[0].clone() };
    let with_many = peak_memory(lab, &with_many, is_shim)?;
    let (before, after) = (before.len(), project.built()?.len());
    ensure!(before == after, "{after} files are restored, and there were {before}");
    Ok(Figure {
        title: "Restore from packs",
        about: format!(
            "`lake exe cache get`, offline, from packs of {} files, {:.2} GB; beside it `zstd -dc \
             --long=27 | tar -x` of the same tree, packed at the same level ({LEVEL}), and `cp -r` \
             of it. Decoding alone is the same shards through `zstd -dc` to nowhere, as many at once \
             as there are cores: what is decoded and written cannot take less than that and the \
             writing.",
            before,
            bytes as f64 / 1e9
        ),
        bars: vec![
            ratio("`zstd -dc \\| tar -x`", &runs[0], &runs[1], 0.5),
            ratio("`cp -r`", &runs[0], &runs[2], 1.25),
            memory_bar(ours),
            Bar { what: format!("memory with {MANY} threads"), ..memory_bar(with_many) },
        ],
        runs,
        memory: vec![("shim", ours), ("zstd and tar", reference)],
        others,
    })
}
