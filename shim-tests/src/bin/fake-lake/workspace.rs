//! A workspace: where it is, and loading it, which is where packages are materialised.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use fs_err as fs;

use crate::config::Config;
use crate::manifest::{FILE, Manifest, Source, url_map};
use crate::materialize;
use crate::options::Options;
use crate::resolve;

pub(crate) struct Workspace {
    /// Absolute. Lake does not look for a lakefile further up.
    pub(crate) root: PathBuf,
    pub(crate) config: Config,
    /// Absolute.
    pub(crate) packages_dir: PathBuf,
}

impl Workspace {
    /// Loads the config and makes the packages what the manifest says; without one, or on `--update`, resolves.
    pub(crate) fn load(options: &Options) -> Result<Workspace> {
        Workspace::load_with(options, options.update)
    }

    /// `lake update`.
    pub(crate) fn update(options: &Options) -> Result<Workspace> {
        Workspace::load_with(options, true)
    }

    /// The config alone: `check-build` and its like ask for nothing else.
    pub(crate) fn load_root(options: &Options) -> Result<Workspace> {
        let root = fs::canonicalize(&options.root).with_context(|| {
            format!("workspace directory not found: {}", options.root.display())
        })?;
        let config = Config::load(&root, &options.config_file)?;
        let packages_dir =
            root.join(config.packages_dir.as_deref().unwrap_or(Path::new(".lake/packages")));
        Ok(Workspace { packages_dir, root, config })
    }

    /// Where the packages of a workspace lie, as well as can be told without an error: for the log.
    pub(crate) fn packages_dir_below(root: &Path) -> PathBuf {
        let manifest = Manifest::load(&root.join(FILE)).ok().flatten();
        let relative = manifest.and_then(|manifest| manifest.packages_dir);
        root.join(relative.unwrap_or_else(|| ".lake/packages".into()))
    }

    pub(crate) fn manifest(&self) -> PathBuf {
        self.root.join(self.config.manifest_file())
    }

    /// Whether a package of that name is in it, or is it.
    pub(crate) fn has_package(&self, name: &str) -> bool {
        self.config.name == name || self.packages_dir.join(name).is_dir()
    }

    fn load_with(options: &Options, update: bool) -> Result<Workspace> {
        let mut workspace = Workspace::load_root(options)?;
        match Manifest::load(&workspace.manifest())?.filter(|_| !update) {
            None => resolve::update(&workspace)?,
            Some(manifest) => workspace.materialize(&manifest)?,
        }
        Ok(workspace)
    }

    fn materialize(&mut self, manifest: &Manifest) -> Result<()> {
        if let Some(relative) = &manifest.packages_dir {
            self.packages_dir = self.root.join(relative);
        }
        let urls = url_map()?;
        for entry in &manifest.entries {
            if let Source::Git { url, rev, .. } = &entry.source {
                let url = urls.get(&entry.name).unwrap_or(url);
                materialize::locked(&entry.name, &self.packages_dir.join(&entry.name), url, rev)?;
            }
        }
        Ok(())
    }
}
