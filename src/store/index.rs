//! `lake-shim/index.json`: what a baked store holds, and for which locks it is complete.
//!
//! The stock tool never looks at it. A store without one is still a store; one with an index can be
//! proven, offline, and carries what mathlib's cache does not: sources, and builds of packages that
//! the cache does not cover.

use super::pack::{Digest, Shard};
use crate::error::hint;
use crate::fs::{ensure_dirs, replace_name};
use crate::mathlib::names::LtarName;
use crate::read;
use crate::workspace::manifest::Manifest;
use crate::workspace::name;
use crate::workspace::url::same_repository;
use crate::workspace::{GitLock, Workspace};
use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// The schema this shim writes, and the only one it reads.
const SCHEMA: u64 = 1;

/// Bytes of what is said of packages, in all locks and packs. A lock on a Mathlib takes 10 KB of it.
const MAX_SWELLING: usize = 4 << 20;

/// Our directory in a store.
pub const DIR: &str = "lake-shim";

/// A store's index.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Index {
    schema: u64,
    /// By [`Lock::id`].
    pub locks: BTreeMap<String, Lock>,
    /// Cache files, by name.
    pub ltars: BTreeMap<LtarName, Record>,
    pub packs: Vec<Pack>,
}

/// A toolchain and packages at revisions: what a workspace is locked to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lock {
    pub toolchain: String,
    /// The manifest's version, as Lake wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<Value>,
    /// The manifest's git entries, and those of packages that come in their repositories, in its order.
    pub packages: Vec<Value>,
    /// The leantar that unpacks its cache files, or a later one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leantar: Option<String>,
    /// Covered modules and their cache files.
    pub modules: BTreeMap<String, LtarName>,
    /// Packages whose builds a restore takes from packs.
    #[serde(default)]
    pub builds: BTreeSet<String>,
}

/// A file as it was when the index was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    pub sha256: Digest,
    /// Bytes.
    pub size: u64,
}

/// The files of one package at one revision.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Pack {
    pub package: String,
    pub rev: String,
    #[serde(flatten)]
    pub content: Content,
    pub shards: Vec<Shard>,
}

/// What a pack holds.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "content", rename_all = "lowercase")]
pub enum Content {
    /// A shallow clone.
    Source { url: String },
    /// `.lake/build`, or what of it mathlib's cache does not cover.
    Build {
        toolchain: String,
        platform: String,
        /// Whether it is all of the build, and not only what mathlib's cache does not cover.
        whole: bool,
        /// The package's own dependencies and their revisions.
        dependencies: BTreeMap<String, String>,
    },
}

/// What is the same in every schema.
#[derive(Deserialize)]
struct Outline<'a> {
    #[serde(borrow)]
    schema: &'a RawValue,
}

/// What of an index takes more than ten times its size when it is read: JSON that is kept as it is,
/// and collections of short texts.
#[derive(Deserialize)]
struct Swelling<'a> {
    #[serde(borrow)]
    locks: BTreeMap<Cow<'a, str>, SwellingLock<'a>>,
    #[serde(borrow)]
    packs: Vec<SwellingPack<'a>>,
}

#[derive(Deserialize)]
struct SwellingLock<'a> {
    #[serde(borrow)]
    version: Option<&'a RawValue>,
    #[serde(borrow)]
    packages: &'a RawValue,
    #[serde(borrow)]
    builds: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct SwellingPack<'a> {
    #[serde(borrow)]
    dependencies: Option<&'a RawValue>,
}

impl Swelling<'_> {
    fn len(&self) -> usize {
        let Self { locks, packs } = self;
        let locks = locks.values().flat_map(|lock| {
            let SwellingLock { version, packages, builds } = lock;
            [*version, Some(*packages), *builds]
        });
        let packs = packs.iter().map(|SwellingPack { dependencies }| *dependencies);
        locks.chain(packs).flatten().map(|json| json.get().len()).sum()
    }
}

/// Why an index that may be a good one is not read.
#[derive(Debug, Error)]
#[error("it has schema {0}, and this shim reads {SCHEMA}")]
struct OtherSchema(u64);

impl Default for Index {
    fn default() -> Self {
        Self { schema: SCHEMA, locks: BTreeMap::new(), ltars: BTreeMap::new(), packs: Vec::new() }
    }
}

impl Index {
    pub fn path(store: &Path) -> PathBuf {
        store.join(DIR).join("index.json")
    }

    /// Where a store's shards lie.
    pub fn packs_dir(store: &Path) -> PathBuf {
        store.join(DIR).join("packs")
    }

    /// Reads the index of `store`; nothing when it has none.
    ///
    /// # Errors
    /// When it cannot be understood, or another version of the shim wrote it.
    pub fn read(store: &Path) -> Result<Option<Self>> {
        let path = Self::path(store);
        let broken = || {
            hint(
                format!("cannot understand `{}`", path.display()),
                "bake the store again, or delete the file: the `.ltar` files work without it",
            )
        };
        let text = match read::bytes(&path, read::INDEX) {
            Ok(text) => text,
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
            Err(e) if e.kind() == ErrorKind::FileTooLarge => return Err(e).with_context(broken),
            Err(e) => return Err(e.into()),
        };
        match Self::parse(&text) {
            Err(e) if e.is::<OtherSchema>() => Err(e).with_context(|| {
                let age = "use the lake-shim that baked it, or one of its age; this is";
                hint(
                    format!("`{}`", path.display()),
                    format!("{age} {}", env!("CARGO_PKG_VERSION")),
                )
            }),
            parsed => parsed.with_context(broken).map(Some),
        }
    }

    /// Takes the text of an index apart.
    ///
    /// # Errors
    /// As [`Index::read`].
    pub fn parse(text: &[u8]) -> Result<Self> {
        let Outline { schema } = serde_json::from_slice(text)?;
        let schema = serde_json::from_str(schema.get()).context("its schema is no number")?;
        ensure!(schema == SCHEMA, OtherSchema(schema));
        let swelling = serde_json::from_slice::<Swelling>(text)?.len();
        let limit = MAX_SWELLING >> 20;
        ensure!(swelling <= MAX_SWELLING, "what it says of packages has more than {limit} MiB");
        let index: Self = serde_json::from_slice(text)?;
        let empty = index.packs.iter().find(|pack| pack.shards.is_empty());
        // Nothing would count as whole, and be unpacked over what is there.
        let package = empty.map(|pack| pack.package.as_str()).unwrap_or_default();
        ensure!(empty.is_none(), "its pack of `{}` has no shards", package.escape_debug());
        Ok(index)
    }

    /// Writes the index of `store`, atomically. The same index gives the same bytes.
    pub fn write(&self, store: &Path) -> Result<()> {
        let path = Self::path(store);
        let mut text = serde_json::to_vec_pretty(self)?;
        text.push(b'\n');
        ensure!(text.len() as u64 <= read::INDEX, too_large(&path, text.len()));
        ensure_dirs(&store.join(DIR))?;
        replace_name(&path, &text)
    }

    /// Adds a pack, in the place of one of the same thing.
    pub fn add(&mut self, pack: Pack) {
        let is_other = |old: &Pack| {
            (&old.package, &old.rev, &old.content) != (&pack.package, &pack.rev, &pack.content)
        };
        self.packs.retain(is_other);
        self.packs.push(pack);
        self.packs.sort();
    }

    /// The packs that workspaces locked to `lock` use, on whatever platform.
    pub fn packs_of<'a>(&'a self, lock: &'a Lock) -> impl Iterator<Item = &'a Pack> {
        let revisions = lock.revisions();
        let urls = lock.fields("url");
        self.packs.iter().filter(move |pack| match &pack.content {
            Content::Source { url } => {
                revisions.get(&pack.package) == Some(&pack.rev)
                    && urls.get(&pack.package).is_some_and(|wanted| same_repository(url, wanted))
            }
            Content::Build { .. } => pack.is_build_of(&lock.toolchain, &revisions),
        })
    }
}

impl Pack {
    /// Whether a build can be used here: everything that entered it is equal.
    pub fn fits(&self, toolchain: &str, revisions: &BTreeMap<String, String>) -> bool {
        self.is_build_of(toolchain, revisions) && self.is_for_here()
    }

    /// As [`Pack::fits`], for machines of its platform.
    fn is_build_of(&self, toolchain: &str, revisions: &BTreeMap<String, String>) -> bool {
        let Content::Build { toolchain: built_by, dependencies, .. } = &self.content else {
            return false;
        };
        built_by == toolchain
            && revisions.get(&self.package) == Some(&self.rev)
            && dependencies.iter().all(|(name, rev)| revisions.get(name) == Some(rev))
    }

    /// Whether machines like this one can use it. Sources they all can.
    pub fn is_for_here(&self) -> bool {
        match &self.content {
            Content::Source { .. } => true,
            Content::Build { platform, .. } => *platform == crate::store::platform(),
        }
    }

    pub fn is_source(&self) -> bool {
        matches!(self.content, Content::Source { .. })
    }

    /// Whether it is all of a package's build.
    pub fn is_whole_build(&self) -> bool {
        matches!(self.content, Content::Build { whole: true, .. })
    }

    /// Whether it is the sources of `package` as `lock` wants them.
    pub fn is_source_of(&self, package: &str, lock: &GitLock) -> bool {
        let is_url = match &self.content {
            Content::Source { url } => same_repository(url, &lock.url),
            Content::Build { .. } => false,
        };
        is_url && self.package == package && self.rev == lock.rev
    }

    /// The digest of what it holds, for a mark that says it is there.
    pub fn mark(&self) -> String {
        let digests: Vec<_> = self.shards.iter().map(|shard| shard.sha256.to_string()).collect();
        digests.join("\n") + "\n"
    }
}

impl Lock {
    /// The lock of a workspace with a manifest, without modules.
    pub fn of(workspace: &Workspace, toolchain: &str) -> Result<Self> {
        let manifest = Manifest::read(&workspace.manifest_path)?;
        Ok(Self::new(toolchain, &manifest.unwrap_or_default()))
    }

    /// The lock of a manifest, without modules.
    pub fn new(toolchain: &str, manifest: &Manifest) -> Self {
        Self {
            toolchain: toolchain.to_owned(),
            version: Some(manifest.version.clone()).filter(|version| !version.is_null()),
            packages: manifest.lock_entries(),
            leantar: None,
            modules: BTreeMap::new(),
            builds: BTreeSet::new(),
        }
    }

    /// Package names and revisions.
    pub fn revisions(&self) -> BTreeMap<String, String> {
        self.fields("rev")
    }

    fn fields(&self, key: &str) -> BTreeMap<String, String> {
        let text = |entry: &Value, key: &str| Some(entry.get(key)?.as_str()?.to_owned());
        let field = |entry| Some((name::plain(&text(entry, "name")?), text(entry, key)?));
        self.packages.iter().filter_map(field).collect()
    }

    /// See [`lock_id`].
    pub fn id(&self) -> String {
        lock_id(&self.toolchain, &self.revisions())
    }

    /// The cache files it needs.
    pub fn ltars(&self) -> BTreeSet<LtarName> {
        self.modules.values().copied().collect()
    }
}

/// No shim would read it.
fn too_large(path: &Path, size: usize) -> String {
    let (size, limit) = (size >> 20, read::INDEX >> 20);
    hint(
        format!("`{}` would have {size} MiB, and {limit} are read", path.display()),
        "`lake-shim gc` removes locks that nobody needs; or bake to another store",
    )
}

/// A short name that tells locks apart: toolchain and packages at their revisions, hashed.
pub fn lock_id(toolchain: &str, revisions: &BTreeMap<String, String>) -> String {
    let mut text = toolchain.to_owned();
    for (name, rev) in revisions {
        text.push_str(&format!("\n{name} {rev}"));
    }
    let digest = Digest::of(text.as_bytes()).to_string();
    digest[..16].to_owned()
}
