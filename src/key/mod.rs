//! Names for CI: the tag of an image and the keys of caches, computed in one place.
//!
//! A key says what went into a thing: equal keys, equal things; and nothing goes into it that differs
//! between two checkouts of one commit. Each ends in a digest of values that are all named here;
//! what is in front of it is for people, and for `restore-keys`.

mod docker;
mod fields;
mod files;
pub mod glob;
#[cfg(test)]
mod properties;
mod sources;
mod tag;

pub use docker::Build;

use crate::error::hint;
use crate::lake::toolchain;
use crate::store::platform;
use crate::workspace::git::Checkout;
use crate::workspace::{Package, Workspace};
use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use docker::Inputs;
use fields::Fields;
use std::collections::BTreeMap;
use std::path::Path;

/// What can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Name {
    /// A tag for the CI image: toolchain, mathlib, what it is built from
    ImageTag,
    /// For a cache of the packages: toolchain, revisions, platform
    Packages,
    /// For a cache of the own build: all that, and the sources
    Build,
    /// A digest of what --files matches
    Files,
}

impl Name {
    /// As it is asked for and printed.
    pub fn text(self) -> &'static str {
        match self {
            Self::ImageTag => "image-tag",
            Self::Packages => "packages",
            Self::Build => "build",
            Self::Files => "files",
        }
    }
}

/// The tag of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageTag {
    pub tag: String,
    /// Directories that the image takes and no two checkouts have in common, so that neither have
    /// they the tag.
    pub fleeting: Vec<&'static str>,
}

/// The tag of the image that `build` makes for `workspace`. `with` is what else it depends on.
///
/// # Errors
/// When the workspace is not locked, and those of [`Build::inputs`].
pub fn image_tag(
    workspace: &Workspace,
    build: &Build,
    with: &BTreeMap<String, String>,
) -> Result<ImageTag> {
    let Lock { toolchain, packages: _ } = Lock::of(workspace)?;
    let mathlib = mathlib(workspace)?;
    let Inputs { digest, fleeting } = build.inputs()?;
    let mut fields = Fields::new("image-tag");
    fields
        .add(&toolchain)
        .add_all(&mathlib)
        .add(digest.to_string())
        .add_all(with.iter().flat_map(|(name, value)| [name, value]));
    let tag = tag::image(&toolchain, mathlib.as_deref(), &fields.digest());
    Ok(ImageTag { tag, fleeting })
}

/// The key of a cache of the packages directory.
///
/// # Errors
/// When the workspace is not locked.
pub fn packages(workspace: &Workspace) -> Result<String> {
    let Lock { toolchain, packages } = Lock::of(workspace)?;
    let platform = platform();
    let mut fields = Fields::new("packages");
    fields.add(&platform).add(&toolchain);
    // URLs are not asked: a revision is the same wherever it was cloned from.
    fields.add_all(packages.iter().flat_map(|(name, revision)| [name, revision]));
    Ok(tag::cache(&platform, &toolchain, &fields.digest()))
}

/// The key of a cache of the root's `.lake/build`.
///
/// # Errors
/// When the workspace is not locked, or a source cannot be read.
pub fn build(workspace: &Workspace) -> Result<String> {
    let packages = packages(workspace)?;
    let sources = sources::of_build(workspace)?.digest()?;
    let mut fields = Fields::new("build");
    fields.add(&packages).add(sources.to_string());
    Ok(format!("{packages}-{}", tag::short(&fields.digest())))
}

/// The digest of the files that `globs` match.
///
/// # Errors
/// When a glob matches nothing, or a file cannot be read.
pub fn files(workspace: &Workspace, cwd: &Path, globs: &[String]) -> Result<String> {
    Ok(tag::short(&sources::of_globs(&workspace.root, cwd, globs)?.digest()?))
}

/// What a workspace is locked to.
struct Lock {
    toolchain: String,
    /// Git packages and their revisions, by name.
    packages: BTreeMap<String, String>,
}

impl Lock {
    fn of(workspace: &Workspace) -> Result<Self> {
        let root = workspace.root.display();
        let toolchain = toolchain::read(&workspace.root)?.filter(|name| !name.is_empty());
        let toolchain = toolchain.with_context(|| {
            hint(
                format!("`{root}` names no toolchain"),
                "write one to `lean-toolchain`, and commit it",
            )
        })?;
        if workspace.manifest.is_none() {
            bail!(hint(
                format!("`{root}` has no `lake-manifest.json`, so nothing is locked"),
                "run `lake update`, and commit the file",
            ));
        }
        Ok(Self { toolchain, packages: workspace.revisions() })
    }
}

/// Mathlib's revision: what the manifest says; or the commit that is checked out, when mathlib is the
/// root or a `path` dependency. Nothing without mathlib.
fn mathlib(workspace: &Workspace) -> Result<Option<String>> {
    let Some(dir) = workspace.mathlib() else { return Ok(None) };
    if let Some(Package { lock: Some(lock), .. }) = workspace.package("mathlib") {
        return Ok(Some(lock.rev.clone()));
    }
    let enclosing = dir.ancestors().find_map(Checkout::open);
    let head = enclosing.and_then(|clone| clone.head());
    head.map(Some).with_context(|| {
        hint(
            format!("cannot tell which revision of mathlib `{}` is", dir.display()),
            "it has to be a git clone with a commit checked out",
        )
    })
}
