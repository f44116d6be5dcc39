//! A workspace: where it is, and loading it, which is where packages are materialised.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use fs_err as fs;

use crate::config::Config;
use crate::dialect::Dialect;
use crate::hook;
use crate::manifest::{Entry, FILE, Manifest, OVERRIDES_FILE, Source, load_overrides, url_map};
use crate::materialize;
use crate::options::Options;
use crate::resolve;

pub(crate) struct Workspace {
    pub(crate) dialect: Dialect,
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
        let config = Config::load("[root]", &root, &options.config_file)?;
        let packages_dir =
            root.join(config.packages_dir.as_deref().unwrap_or(Path::new(".lake/packages")));
        Ok(Workspace { dialect: options.dialect, packages_dir, root, config })
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

    /// Directory of a package, absolute.
    pub(crate) fn package_dir(&self, entry: &Entry) -> PathBuf {
        match &entry.source {
            Source::Path { dir } => self.root.join(dir),
            Source::Git { .. } => self.packages_dir.join(&entry.name),
        }
    }

    fn load_with(options: &Options, update: bool) -> Result<Workspace> {
        let mut workspace = Workspace::load_root(options)?;
        let manifest = match update {
            true => None,
            false => Manifest::load(&workspace.manifest())?,
        };
        match manifest {
            None => {
                let packages = resolve::update(&workspace)?;
                hook::post_update(&workspace, &packages)?;
            }
            Some(manifest) => workspace.materialize(manifest, &options.overrides)?,
        }
        Ok(workspace)
    }

    fn materialize(&mut self, manifest: Manifest, overrides: &[Entry]) -> Result<()> {
        if let Some(relative) = &manifest.packages_dir {
            self.packages_dir = self.root.join(relative);
        }
        let urls = url_map()?;
        for entry in self.overridden(manifest.entries, overrides)? {
            let (name, dir) = (&entry.name, self.package_dir(&entry));
            match &entry.source {
                Source::Git { url, rev, .. } => {
                    let url = urls.get(name).unwrap_or(url);
                    materialize::locked(self.dialect, name, &dir, url, rev)?;
                }
                Source::Path { .. } => {
                    let found = dir.exists();
                    ensure!(found, "{name}: package directory not found: {}", dir.display());
                    Config::find(name, &dir, Path::new(&entry.config_file))?;
                }
            }
        }
        Ok(())
    }

    /// Replaces entries by those of the overrides file and then by those of the command line. Overrides of packages
    /// that are not required are ignored.
    fn overridden(&self, mut entries: Vec<Entry>, overrides: &[Entry]) -> Result<Vec<Entry>> {
        if !self.dialect.has_overrides() {
            return Ok(entries);
        }
        let file = self.root.join(OVERRIDES_FILE);
        let own = match file.exists() {
            true => load_overrides(&file)?,
            false => Vec::new(),
        };
        for entry in own.iter().chain(overrides) {
            match entries.iter_mut().find(|known| known.name == entry.name) {
                Some(known) => *known = entry.clone(),
                None if self.config.requires(&entry.name) => entries.push(entry.clone()),
                None => {}
            }
        }
        Ok(entries)
    }
}
