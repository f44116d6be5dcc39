//! Restoring from cache files.

use super::names::cache_get;
use super::{Figure, compete, memory_bar, ratio};
use crate::lab::Lab;
use crate::timing::{Contender, is_program, is_shim, peak_memory};
use crate::workload::project::Project;
use anyhow::{Result, ensure};
use fs_err as fs;

/// `lake exe cache get` and bare leantar, each into a Mathlib with nothing built; and the first from a store
/// without an index, of which every file that is unpacked is read back.
pub fn contenders(lab: &Lab, project: &Project) -> Result<[Contender; 3]> {
    let list = project.app.join("list.json");
    fs::write(&list, project.list()?)?;
    let (leantar, list) = (lab.leantar.0.display(), list.display());
    let bare = lab.script("leantar", &format!("{leantar} -x -j - <{list}"))?;
    let clear = lab.clear("clear", &[&project.build()])?;
    let indexed = project.index_ltars()?;
    let plain = cache_get(lab, &project.app, &project.ltars);
    Ok([
        Contender::new("shim", cache_get(lab, &project.app, &indexed)).prepared_by(&clear),
        Contender::new("bare leantar", bare).prepared_by(&clear),
        Contender::new("shim with a store without an index", plain).prepared_by(&clear),
    ])
}

/// Restores a tree that is there already, packed.
pub fn measure(lab: &Lab, project: &Project) -> Result<Figure> {
    let before = project.built()?.len();
    let contenders = contenders(lab, project)?;
    let (runs, others) = compete(lab, &contenders, lab.scale.long)?;
    let leantars = peak_memory(lab, &contenders[1], is_program)?;
    let ours = peak_memory(lab, &contenders[0], is_shim)?;
    let after = project.built()?.len();
    ensure!(before == after, "{after} files are restored, and there were {before}");
    Ok(Figure {
        title: "Restore from cache files",
        about: format!(
            "`lake exe cache get`, offline, from a store of {} `.ltar` files; beside it `leantar \
             -x -j -` with the same list.",
            lab.scale.modules
        ),
        bars: vec![ratio("bare leantar", &runs[0], &runs[1], 1.1), memory_bar(ours)],
        runs,
        memory: vec![("shim", ours), ("leantar", leantars)],
        others,
    })
}
