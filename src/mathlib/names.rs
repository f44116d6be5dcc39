//! Module names to cache file names.
//!
//! A file's name is a hash over the checkout's root hash, the module's path, its text, and the
//! names of everything it imports, so the whole import graph below `Mathlib` has to be read. The
//! reading is parallel, one layer of newly found modules after the other (a Mathlib has five or
//! six layers, because `Mathlib.lean` imports nearly all of it); the mixing is a cheap walk
//! afterwards.

use super::recipe::{ROOT_FILES, Recipe, Scheme};
use super::{Module, hash, header};
use crate::error::hint;
use crate::read;
use anyhow::{Context, Error, Result, bail, ensure};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// The name of a cache file, written as `<16 hex digits>.ltar`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "Cow<str>", into = "String")]
pub struct LtarName(u64);

impl fmt::Display for LtarName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}.ltar", self.0)
    }
}

impl FromStr for LtarName {
    type Err = Error;

    /// Takes what [`Display`](fmt::Display) writes and nothing else, so that no name leads out of its
    /// directory and no two lead to one file.
    fn from_str(text: &str) -> Result<Self> {
        let name = text.strip_suffix(".ltar").and_then(hash::digits).map(Self);
        name.filter(|name| name.to_string() == text)
            .with_context(|| format!("`{}` is no name of a cache file", text.escape_debug()))
    }
}

impl TryFrom<Cow<'_, str>> for LtarName {
    type Error = Error;

    fn try_from(text: Cow<str>) -> Result<Self> {
        text.parse()
    }
}

impl From<LtarName> for String {
    fn from(name: LtarName) -> Self {
        name.to_string()
    }
}

/// The import graph of a mathlib, with a file name for every covered module.
#[derive(Debug)]
pub struct Names {
    nodes: Vec<Node>,
    index: HashMap<Module, usize>,
}

#[derive(Debug)]
struct Node {
    module: Module,
    /// Whether the cache would have a file for it. A project's own module, named on the command
    /// line, takes part in the graph and is not covered.
    covered: bool,
    /// The package directory that has the module's source, an index into [`Inputs::search_path`].
    package: usize,
    imports: Vec<usize>,
    has_source: bool,
    state: State,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// Contents are hashed; the imports are not mixed in yet.
    Read {
        contents: u64,
    },
    /// Mixing its imports: to meet it again is a cycle.
    Open {
        contents: u64,
    },
    Named(u64),
    /// Its source, or that of something it imports, is missing: the cache has no file for it.
    Uncovered,
}

/// What the names depend on.
pub struct Inputs<'a> {
    pub mathlib: &'a Path,
    pub recipe: &'a Recipe,
    /// Package directories in the order in which a module's source is looked for.
    pub search_path: &'a [PathBuf],
    /// `lean --githash`; asked only by recipes older than 2025-06.
    pub githash: &'a dyn Fn() -> Result<String>,
}

/// One covered module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedModule {
    pub module: Module,
    pub file: LtarName,
    /// Index into [`Inputs::search_path`].
    pub package: usize,
}

/// A module that is wanted and has no source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissingSource {
    pub module: Module,
    /// Index into [`Inputs::search_path`].
    pub package: usize,
    /// A module that imports it. `None` if it was asked for.
    pub importer: Option<Module>,
}

impl Names {
    /// Names everything that `Mathlib` imports, and what `extra` modules import besides.
    ///
    /// # Errors
    /// Where the cache tool itself would stop: a header that Lean refuses, an import that no
    /// package has, an import cycle, a file that cannot be read.
    pub fn compute(inputs: &Inputs, extra: &[Module]) -> Result<Self> {
        let root_hash = root_hash(inputs)?;
        let mut names = Self { nodes: Vec::new(), index: HashMap::new() };
        names.read_graph(inputs, std::iter::once(&Module::mathlib()).chain(extra))?;
        for node in 0..names.nodes.len() {
            names.mix(node, root_hash)?;
        }
        Ok(names)
    }

    /// Whether `module` was met and its source is there.
    pub fn has_source(&self, module: &Module) -> bool {
        self.index.get(module).is_some_and(|&node| self.nodes[node].has_source)
    }

    /// `roots` and what they import, sorted by name. What the cache does not cover is left out, as
    /// the cache tool leaves it out.
    pub fn closure(&self, roots: &[Module]) -> Vec<NamedModule> {
        let wanted = self.reach(roots);
        self.select(|node| wanted[node])
    }

    /// The modules among `roots` and what they import whose source is missing, sorted by name.
    pub fn missing_sources(&self, roots: &[Module]) -> Vec<MissingSource> {
        let wanted = self.reach(roots);
        let importer = |missing: usize| {
            let mut nodes = self.nodes.iter().zip(&wanted);
            let importer = nodes.find(|(node, wanted)| **wanted && node.imports.contains(&missing));
            importer.map(|(node, _)| node.module.clone())
        };
        let nodes = self.nodes.iter().enumerate();
        let missing = nodes.filter(|(i, node)| wanted[*i] && !node.has_source);
        let mut missing: Vec<_> = missing
            .map(|(i, Node { module, package, .. })| MissingSource {
                module: module.clone(),
                package: *package,
                importer: importer(i),
            })
            .collect();
        missing.sort_unstable_by(|a, b| a.module.cmp(&b.module));
        missing
    }

    /// For every node, `true` if it is one of `roots` or imported by one, through others too.
    fn reach(&self, roots: &[Module]) -> Vec<bool> {
        let mut wanted = vec![false; self.nodes.len()];
        let mut todo: Vec<usize> =
            roots.iter().filter_map(|m| self.index.get(m).copied()).collect();
        while let Some(node) = todo.pop() {
            if !std::mem::replace(&mut wanted[node], true) {
                todo.extend(&self.nodes[node].imports);
            }
        }
        wanted
    }

    fn select(&self, wanted: impl Fn(usize) -> bool) -> Vec<NamedModule> {
        let named = |(i, node): (usize, &Node)| match node.state {
            State::Named(hash) if node.covered && wanted(i) => Some(NamedModule {
                module: node.module.clone(),
                file: LtarName(hash),
                package: node.package,
            }),
            _ => None,
        };
        let mut modules: Vec<_> = self.nodes.iter().enumerate().filter_map(named).collect();
        modules.sort_unstable_by(|a, b| a.module.cmp(&b.module));
        modules
    }

    /// Reads `roots` and all they import, layer by layer.
    fn read_graph<'a>(
        &mut self,
        inputs: &Inputs,
        roots: impl Iterator<Item = &'a Module>,
    ) -> Result<()> {
        let mut packages = PackageOf { inputs, known: HashMap::new() };
        for root in roots {
            self.intern(root.clone(), &mut packages)?;
        }
        let mut read = 0;
        while read < self.nodes.len() {
            let layer_end = self.nodes.len();
            let layer: Vec<_> = self.nodes[read..]
                .par_iter()
                .map(|node| read_source(&inputs.search_path[node.package], node, inputs.recipe))
                .collect::<Result<_>>()?;
            for (offset, source) in layer.into_iter().enumerate() {
                let Some(source) = source else {
                    continue;
                };
                let imports = source.imports.into_iter();
                let imports: Result<_> = imports.map(|m| self.intern(m, &mut packages)).collect();
                let node = &mut self.nodes[read + offset];
                node.has_source = true;
                node.state = State::Read { contents: source.contents };
                node.imports = imports?;
            }
            read = layer_end;
        }
        Ok(())
    }

    fn intern(&mut self, module: Module, packages: &mut PackageOf) -> Result<usize> {
        if let Some(&known) = self.index.get(&module) {
            return Ok(known);
        }
        let package = packages.find(&module)?;
        let covered = packages.inputs.recipe.covers(&module);
        self.index.insert(module.clone(), self.nodes.len());
        self.nodes.push(Node {
            module,
            covered,
            package,
            imports: Vec::new(),
            has_source: false,
            state: State::Uncovered,
        });
        Ok(self.nodes.len() - 1)
    }

    /// Gives `start` and all below it their names, depth first. Iterative: import chains are
    /// hundreds deep, and a hostile checkout's may be deeper than any stack.
    fn mix(&mut self, start: usize, root_hash: u64) -> Result<()> {
        let mut stack = vec![start];
        while let Some(&node) = stack.last() {
            match self.nodes[node].state {
                State::Named(_) | State::Uncovered => {
                    stack.pop();
                }
                State::Read { contents } => {
                    self.nodes[node].state = State::Open { contents };
                    for &import in &self.nodes[node].imports {
                        match self.nodes[import].state {
                            State::Read { .. } => stack.push(import),
                            State::Open { .. } => {
                                bail!(
                                    "dependency loop found involving `{}`",
                                    self.nodes[import].module
                                )
                            }
                            State::Named(_) | State::Uncovered => {}
                        }
                    }
                }
                State::Open { contents } => {
                    self.nodes[node].state = self.named(node, contents, root_hash);
                    stack.pop();
                }
            }
        }
        Ok(())
    }

    fn named(&self, node: usize, contents: u64, root_hash: u64) -> State {
        let node = &self.nodes[node];
        let path =
            hash::list(node.module.hashed_path().iter().map(|part| hash::bytes(part.as_bytes())));
        let mut parts = vec![root_hash, path, contents];
        for &import in &node.imports {
            match self.nodes[import].state {
                State::Named(hash) => parts.push(hash),
                _ => return State::Uncovered,
            }
        }
        State::Named(hash::list(parts))
    }
}

/// `getRootHash` of the cache tool.
fn root_hash(inputs: &Inputs) -> Result<u64> {
    let githash = || Ok::<_, Error>(hash::bytes((inputs.githash)()?.as_bytes()));
    let mut parts = match inputs.recipe.scheme {
        Scheme::Generation(generation) => vec![generation],
        Scheme::GenerationAndGithash(generation) => vec![generation, githash()?],
        Scheme::Githash => vec![githash()?],
    };
    for file in ROOT_FILES {
        parts.push(hash::text(&read::bytes(&inputs.mathlib.join(file), read::SOURCE)?));
    }
    Ok(hash::list(parts))
}

/// `true` if `package` has the module's root name as a folder or a `.lean` file: the first such package has the module
/// (`SearchPath.findWithExt` in lean4).
pub(super) fn has_root(package: &Path, module: &Module) -> bool {
    let root = module.root();
    package.join(root).is_dir() || package.join(format!("{root}.lean")).exists()
}

/// The path of a module's source in `package`. Of a module that [is a path](Module::is_path).
pub(super) fn source(package: &Path, module: &Module) -> PathBuf {
    let mut path = package.join(module.path()).into_os_string();
    path.push(".lean");
    path.into()
}

/// Finds the package that has a module.
struct PackageOf<'a> {
    inputs: &'a Inputs<'a>,
    known: HashMap<String, usize>,
}

impl PackageOf<'_> {
    fn find(&mut self, module: &Module) -> Result<usize> {
        ensure!(module.is_path(), "`{module}` is imported, and names no file below a package");
        let root = module.root();
        if let Some(&package) = self.known.get(root) {
            return Ok(package);
        }
        let mut packages = self.inputs.search_path.iter().enumerate();
        let package = packages.find(|(_, dir)| has_root(dir, module));
        let (package, _) = package.with_context(|| {
            hint(
                format!("`{module}` is imported, and no package has `{root}` or `{root}.lean`"),
                "`lake resolve-deps` clones packages; `lake-shim doctor` looks at those that are there",
            )
        })?;
        self.known.insert(root.to_owned(), package);
        Ok(package)
    }
}

struct Source {
    contents: u64,
    /// Covered imports only.
    imports: Vec<Module>,
}

/// Reads a module's source. Nothing when there is none: its importers are then not covered.
fn read_source(package: &Path, node: &Node, recipe: &Recipe) -> Result<Option<Source>> {
    let path = source(package, &node.module);
    let text = match read::bytes(&path, read::SOURCE) {
        Ok(text) => text,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(e.into()),
    };
    let path = path.display();
    let source = std::str::from_utf8(&text).with_context(|| format!("`{path}` is not UTF-8"))?;
    let mut imports = header::imports(source).map_err(|e| anyhow::anyhow!("{path}:{e}"))?;
    imports.retain(|module| recipe.covers(module));
    Ok(Some(Source { contents: hash::text(&text), imports }))
}
