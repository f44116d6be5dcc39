//! Naming the modules of a Mathlib, and finding that there is nothing to do.

use super::{Bar, Figure, compete, memory_bar};
use crate::lab::Lab;
use crate::timing::{Contender, is_shim, peak_memory};
use crate::workload::module::Seeds;
use crate::workload::project::Project;
use anyhow::{Context as _, Result};
use fs_err as fs;
use std::path::Path;

/// The command that names everything, and one that only reads the same files.
pub fn contenders(lab: &Lab, app: &Path, tag: &str) -> Result<[Contender; 2]> {
    let list = lab.work.join(format!("sources-{tag}"));
    fs::write(&list, sources(lab, app)?.join("\n"))?;
    let read = format!("xargs -d '\\n' cat <{} >/dev/null", list.display());
    let shim = lab.shim.join("lake-shim");
    Ok([
        Contender::new("shim", format!("{} --dir {} names", shim.display(), app.display())),
        Contender::new("`cat` of the sources", lab.script(&format!("cat-{tag}"), &read)?),
    ])
}

/// The sources of what is named, and no others. Every package has them at its top.
fn sources(lab: &Lab, app: &Path) -> Result<Vec<String>> {
    let mut packages = vec![app.to_owned()];
    for package in fs::read_dir(app.join(".lake/packages"))? {
        packages.push(package?.path());
    }
    let names = lab.run(app, lab.shim.join("lake-shim"), &["names"])?;
    let modules = names.lines().filter_map(|line| Some(line.split_once(' ')?.0));
    let source = |module: &str| {
        let file = module.replace('.', "/") + ".lean";
        let found = packages.iter().map(|dir| dir.join(&file)).find(|file| file.is_file());
        Ok(found.with_context(|| format!("`{module}` has no source"))?.display().to_string())
    };
    modules.map(source).collect()
}

/// `lake exe cache get` with everything there, and leantar finding the same.
pub fn nothing_to_do(lab: &Lab, project: &Project, tag: &str) -> Result<[Contender; 2]> {
    let list = project.app.join("list.json");
    fs::write(&list, project.list()?)?;
    let leantar = lab.leantar.0.display();
    let bare = format!("{leantar} -x -j - <{}", list.display());
    // A build that is not in the ledger would be asked about.
    lab.script(
        &format!("restore-{tag}"),
        &format!("{}!", cache_get(lab, &project.app, &project.ltars)),
    )
    .and_then(|restore| lab.run(&project.app, restore, &[]))?;
    Ok([
        Contender::new("shim", cache_get(lab, &project.app, &project.ltars)),
        Contender::new("bare leantar", lab.script(&format!("leantar-{tag}"), &bare)?),
    ])
}

/// `lake exe cache get` from `store`.
pub fn cache_get(lab: &Lab, app: &Path, store: &Path) -> String {
    let (app, store, lake) = (app.display(), store.display(), lab.shim.join("lake"));
    format!("env --chdir={app} LAKE_SHIM_STORE={store} {} exe cache get", lake.display())
}

/// Names; of the Mathlib at `real`, if there is one.
pub fn measure(lab: &Lab, project: &Project, real: Option<&Path>) -> Result<Figure> {
    let app = real.unwrap_or(&project.app);
    let contenders = contenders(lab, app, "names")?;
    let (runs, others) = compete(lab, &contenders, lab.scale.middle)?;
    let modules = lab.run(app, lab.shim.join("lake-shim"), &["names"])?.lines().count();
    let memory = peak_memory(lab, &contenders[0], is_shim)?;
    let about = match real {
        Some(_) => {
            format!("`lake-shim names` of a real Mathlib and its dependencies, {modules} modules")
        }
        None => {
            format!("`lake-shim names` of {modules} modules made up, 9 kB and six imports each")
        }
    };
    let bar = Bar { what: "time".to_owned(), found: runs[0].median(), at_most: 0.35, unit: "s" };
    Ok(Figure {
        title: "Names",
        about: about + "; beside it, reading the same files.",
        runs,
        memory: vec![("shim", memory)],
        bars: vec![bar, memory_bar(memory)],
        others,
    })
}

/// `cache get` with nothing to do.
pub fn measure_nothing_to_do(lab: &Lab, project: &Project, seeds: &Seeds) -> Result<Figure> {
    project.write_build(seeds, lab.scale.small_bytes, true)?;
    project.write_ltars(lab, true)?;
    let contenders = nothing_to_do(lab, project, "nothing")?;
    let (runs, others) = compete(lab, &contenders, lab.scale.middle)?;
    let memory = peak_memory(lab, &contenders[0], is_shim)?;
    let bar = Bar { what: "time".to_owned(), found: runs[0].median(), at_most: 0.25, unit: "s" };
    Ok(Figure {
        title: "`cache get` with nothing to do",
        about: format!(
            "`lake exe cache get` where all {} modules are up to date; beside it, leantar with the \
             list of all of them.",
            lab.scale.named
        ),
        runs,
        memory: vec![("shim", memory)],
        bars: vec![bar, memory_bar(memory)],
        others,
    })
}
