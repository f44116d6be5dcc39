//! Where leantar writes: directories of our own beside the real ones, on the same file system.
//!
//! Nothing that a killed, lying or hostile leantar leaves here is ever taken for whole, by us or by
//! Lake. Each package has a stage inside its `.lake/build`, so that publishing is a rename; the
//! first one also holds the links that leantar is given for inputs, and a base directory whose
//! `.lake/packages/<name>` lead to the stages.

use super::plan::Step;
use super::turn::cannot_restore_into;
use crate::fs::links::check_way;
use crate::fs::{WorkDir, ensure_dir, make_in};
use crate::mathlib::leantar::Item;
use crate::mathlib::outputs::Files;
use anyhow::{Context, Result, ensure};
use fs_err as fs;
use fs_err::os::unix::fs::symlink;
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf, absolute};

/// The stages of one restore. Removed when dropped.
#[derive(Debug)]
pub struct Staging {
    /// By package directory.
    stages: BTreeMap<PathBuf, WorkDir>,
    /// Links to the store's files.
    links: PathBuf,
    /// What the paths of `.ltar`s that start with `.lake/packages/` are relative to.
    workspace: PathBuf,
    /// Links to the stages that the paths of other `.ltar`s are relative to, by number.
    bases: PathBuf,
}

/// Makes a stage in a package's `build` directory. The package itself is not made: should it be gone
/// by now, Lake would take what is left of it for a broken clone.
pub(super) fn stage(build: &Path) -> Result<WorkDir> {
    check_way(build)?;
    let dirs = build.parent().into_iter().chain([build]);
    let made = dirs.into_iter().try_for_each(ensure_dir);
    let stage = made.map_err(Into::into).and_then(|()| WorkDir::new_in(build));
    stage.map_err(|e| cannot_restore_into(build, e))
}

impl Staging {
    /// Makes the stages for `steps`, of which there is at least one.
    pub fn new(steps: &[Step]) -> Result<Self> {
        let mut stages = BTreeMap::new();
        for step in steps {
            if !stages.contains_key(&step.package) {
                let stage = stage(&step.build_dir())?;
                make_in(stage.path(), &[".lake", "build"])?;
                stages.insert(step.package.clone(), stage);
            }
        }
        let first: &WorkDir = stages.values().next().context("a restore has steps")?;
        let links = first.path().join("links");
        let workspace = first.path().join("workspace");
        make_in(first.path(), &["workspace", ".lake", "packages"])?;
        let bases = first.path().join("bases");
        let staging = Self { links, workspace, bases, stages };
        fs::create_dir(&staging.links)?;
        fs::create_dir(&staging.bases)?;
        for (number, stage) in staging.stages.values().enumerate() {
            symlink(stage.path(), staging.bases.join(number.to_string()))?;
        }
        steps.iter().try_for_each(|step| staging.add(step))?;
        Ok(staging)
    }

    fn add(&self, step: &Step) -> Result<()> {
        // One that is gone by now is one file that cannot be restored, and no reason to stop.
        let source = fs::canonicalize(&step.source).or_else(|_| absolute(&step.source))?;
        symlink(source, self.link(step))?;
        let Some(package) = &step.head.place.package else {
            return Ok(());
        };
        let stage = self.stage(step);
        let link = self.workspace.join(".lake/packages").join(package);
        match symlink(stage, &link) {
            Err(e) if e.kind() == ErrorKind::AlreadyExists => {
                let is_it = fs::read_link(&link)? == stage;
                ensure!(is_it, "two packages are called `{package}` in the store");
                Ok(())
            }
            made => Ok(made?),
        }
    }

    fn link(&self, step: &Step) -> PathBuf {
        self.links.join(step.named.file.to_string())
    }

    fn stage(&self, step: &Step) -> &Path {
        self.stages[&step.package].path()
    }

    /// What leantar is told for `step`.
    pub fn item(&self, step: &Step) -> Item {
        let base = match step.head.place.package {
            Some(_) => self.workspace.clone(),
            None => {
                let number = self.stages.keys().take_while(|dir| **dir != step.package).count();
                self.bases.join(number.to_string())
            }
        };
        Item { file: self.link(step), source: step.source.clone(), base }
    }

    /// Where leantar may write.
    pub fn rooms(&self) -> Vec<&Path> {
        self.stages.values().map(WorkDir::path).collect()
    }

    /// Where leantar puts the files of `step`.
    pub fn files(&self, step: &Step) -> Files {
        Files::new(&staged_build(self.stage(step)), &step.head.place, &step.named.module)
    }

    /// Whether the stages are still directories down to where [`Staging::files`] are: what is tidied
    /// and published would else be what a link leads to.
    ///
    /// # Errors
    /// When leantar has put something else there.
    pub fn check(&self) -> Result<()> {
        for stage in self.stages.values() {
            let build = staged_build(stage.path());
            let dirs = build.ancestors().take_while(|dir| *dir != stage.path());
            for dir in dirs {
                ensure!(
                    fs::symlink_metadata(dir)?.is_dir(),
                    "leantar has replaced `{}` by something else",
                    dir.display()
                );
            }
        }
        Ok(())
    }

    /// Package directories and the build directories staged for them.
    pub fn packages(&self) -> impl Iterator<Item = (&Path, PathBuf)> {
        self.stages.iter().map(|(package, stage)| (package.as_path(), staged_build(stage.path())))
    }
}

/// leantar's paths are relative to a package.
fn staged_build(stage: &Path) -> PathBuf {
    stage.join(".lake/build")
}
