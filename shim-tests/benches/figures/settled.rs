//! What Lake saves by starting no git.

use super::pass_through::write_workspace;
use super::{Figure, compete, ratio};
use crate::lab::Lab;
use crate::timing::Contender;
use anyhow::Result;
use fs_err as fs;

/// `lake env true` in a workspace with nine packages, through the shim and without it.
pub fn measure(lab: &Lab) -> Result<Figure> {
    let dir = lab.work.join("settled");
    let (app, packages) = (dir.join("app"), dir.join("packages"));
    fs::create_dir_all(app.join(".lake"))?;
    write_workspace(lab, &dir, &app, &packages)?;
    let mut lake = lab.lake.path.clone();
    if lab.lake.is_fake {
        // Beside the header that tells its version.
        lake = dir.join("toolchain/bin/lake");
        fs::create_dir_all(dir.join("toolchain/bin"))?;
        fs::copy(&lab.lake.path, &lake)?;
        let from = lab.work.join("toolchain/include");
        lab.run(&dir, "cp", &["-r", &from.display().to_string(), "toolchain/include"])?;
    }
    let run = |which: &std::path::Path| {
        let (app, lake, which) = (app.display(), lake.display(), which.display());
        format!("env --chdir={app} LAKE_SHIM_LAKE={lake} {which} env true")
    };
    let contenders = [
        Contender::new("shim", run(&lab.shim.join("lake"))),
        Contender::new("the lake behind it alone", run(&lake)),
    ];
    let (runs, others) = compete(lab, &contenders, lab.scale.short)?;
    let what = match lab.lake.is_fake {
        true => "The lake is a stand-in that loads no configuration and starts git as Lake does",
        false => "The lake is a real one",
    };
    let bars = vec![ratio("the lake behind it alone", &runs[0], &runs[1], 0.8)];
    lab.discard(&dir)?;
    Ok(Figure {
        title: "Settled packages",
        about: format!(
            "`lake env true` in a workspace with nine packages at their locked revisions, for which Lake alone \
             starts 18 git processes. {what}."
        ),
        bars,
        runs,
        memory: Vec::new(),
        others,
    })
}
