//! Resolving from scratch: `lake update`, or any load of a workspace without a manifest.
//!
//! Requires in reverse order, then those of the dependencies; the first entry of a name wins. A dependency's own
//! manifest locks what it brings along.

use std::collections::{HashMap, VecDeque};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use fs_err as fs;

use crate::config::{Config, Require, RequireSource};
use crate::manifest::{Entry, FILE, Manifest, Source, url_map};
use crate::materialize;
use crate::workspace::Workspace;

/// Materialises everything, writes the manifest, and returns its entries.
pub(crate) fn update(workspace: &Workspace) -> Result<Vec<Entry>> {
    if workspace.config.requires.is_none() {
        bail!(
            "{}: the fake lake cannot read a lakefile.lean without a manifest",
            workspace.root.display()
        );
    }
    move_packages(workspace)?;
    let mut resolution =
        Resolution { workspace, urls: url_map()?, locked: Vec::new(), done: Vec::new() };
    let mut queue = VecDeque::new();
    resolution.direct(&workspace.config, Path::new(""), false, &mut queue)?;
    while let Some((dir, config)) = queue.pop_front() {
        resolution.direct(&config, &dir, true, &mut queue)?;
    }
    let packages_dir = workspace.config.packages_dir.clone();
    let manifest = Manifest {
        packages_dir: Some(packages_dir.unwrap_or_else(|| ".lake/packages".into())),
        entries: resolution.done,
    };
    manifest.save(&workspace.manifest(), &workspace.config.name, workspace.dialect)?;
    Ok(manifest.entries)
}

/// As Lake's `reuseManifest`: what the old manifest calls the packages directory is renamed to what the configuration does.
fn move_packages(workspace: &Workspace) -> Result<()> {
    // A manifest that cannot be read is ignored here.
    let manifest = Manifest::load(&workspace.manifest()).ok().flatten();
    let Some(locked) = manifest.and_then(|manifest| manifest.packages_dir) else { return Ok(()) };
    let (old, new) = (workspace.root.join(&locked), &workspace.packages_dir);
    let configured = workspace.config.packages_dir.as_deref();
    // Letter for letter, as Lake compares them.
    if locked.as_os_str() == configured.unwrap_or(Path::new(".lake/packages")) || !old.exists() {
        return Ok(());
    }
    eprintln!(
        "info: workspace packages directory changed; renaming '{}' to '{}'",
        old.display(),
        new.display()
    );
    let parents = new.parent().map_or(Ok(()), fs::create_dir_all);
    parents
        .and_then(|()| fs::rename(old, new))
        .context("could not rename workspace packages directory")
}

struct Resolution<'a> {
    workspace: &'a Workspace,
    urls: HashMap<String, String>,
    /// What the manifests of dependencies lock.
    locked: Vec<Entry>,
    /// In order of materialisation.
    done: Vec<Entry>,
}

type Queue = VecDeque<(PathBuf, Config)>;

impl Resolution<'_> {
    /// Handles the requires of the package in `dir` (relative to the root), and queues the packages found.
    fn direct(
        &mut self,
        config: &Config,
        dir: &Path,
        inherited: bool,
        queue: &mut Queue,
    ) -> Result<()> {
        let mut found = Vec::new();
        for entry in self.wanted_by(config, dir, inherited)? {
            if self.done.iter().any(|done| done.name == entry.name) {
                continue;
            }
            let locked = self.locked.iter().find(|locked| locked.name == entry.name);
            let mut entry = locked.cloned().unwrap_or(entry);
            let dir = self.materialize(&mut entry)?;
            let folder = self.workspace.root.join(&dir);
            let config = Config::load(&entry.name, &folder, Path::new("lakefile"))?;
            entry.config_file.clone_from(&config.file);
            self.done.push(entry);
            found.push((dir, config));
        }
        for (dir, config) in found {
            self.add_locked(&dir)?;
            queue.push_back((dir, config));
        }
        Ok(())
    }

    /// What a package requires, the last first. A `lakefile.lean` is not read: its manifest says as much.
    fn wanted_by(&self, config: &Config, dir: &Path, inherited: bool) -> Result<Vec<Entry>> {
        if let Some(requires) = &config.requires {
            return requires
                .iter()
                .rev()
                .map(|require| new_entry(require, dir, inherited))
                .collect();
        }
        let manifest = Manifest::load(&self.workspace.root.join(dir).join(FILE))?;
        let entries = manifest.into_iter().flat_map(|manifest| manifest.entries);
        Ok(entries
            .filter(|entry| !entry.inherited)
            .map(|entry| Entry { inherited, ..entry })
            .collect())
    }

    /// Returns the package's directory, relative to the root.
    fn materialize(&self, entry: &mut Entry) -> Result<PathBuf> {
        let (url, rev, input_rev) = match &mut entry.source {
            Source::Path { dir } => return Ok(dir.clone()),
            Source::Git { url, rev, input_rev } => (url, rev, input_rev),
        };
        let dir = self.workspace.packages_dir.join(&entry.name);
        let mapped = self.urls.get(&entry.name);
        let (dialect, name) = (self.workspace.dialect, &entry.name);
        match rev.is_empty() {
            // What a dependency's manifest locks is written down as it is there.
            false => materialize::locked(dialect, name, &dir, mapped.unwrap_or(url), rev)?,
            true => {
                if let Some(mapped) = mapped {
                    url.clone_from(mapped);
                }
                *rev = materialize::required(dialect, name, &dir, url, input_rev.as_deref())?;
            }
        }
        Ok(dir)
    }

    fn add_locked(&mut self, dir: &Path) -> Result<()> {
        let Some(manifest) = Manifest::load(&self.workspace.root.join(dir).join(FILE))? else {
            eprintln!("warning: ignoring missing manifest '{}'", dir.join(FILE).display());
            return Ok(());
        };
        for mut entry in manifest.entries {
            let mut known = self.locked.iter().chain(&self.done);
            if known.any(|known| known.name == entry.name) {
                continue;
            }
            entry.inherited = true;
            if let Source::Path { dir: inner } = &mut entry.source {
                *inner = dir.join(&inner);
            }
            self.locked.push(entry);
        }
        Ok(())
    }
}

fn new_entry(require: &Require, dir: &Path, inherited: bool) -> Result<Entry> {
    let source = match &require.source {
        RequireSource::Path(path) => Source::Path {
            // As Lake: a path that was inherited without a manifest looks like one out of a manifest.
            dir: match inherited {
                true => dir.join(".").join(path),
                false => path.clone(),
            },
        },
        RequireSource::Git { url, rev } => {
            Source::Git { url: url.clone(), rev: String::new(), input_rev: rev.clone() }
        }
        RequireSource::Reservoir => {
            bail!("{}/{}: could not materialize package: no network", require.scope, require.name)
        }
    };
    Ok(Entry {
        name: require.name.clone(),
        scope: require.scope.clone(),
        inherited,
        config_file: "lakefile".to_owned(),
        source,
    })
}
