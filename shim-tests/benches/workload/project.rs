//! A project on a Mathlib of any size: sources, build files, and a store of each kind.

use super::module::{Seeds, files};
use crate::lab::Lab;
use anyhow::{Context, Result};
use fs_err as fs;
use serde_json::{Value, json};
use shim_tests::mini_mathlib::fixture;
use shim_tests::random::Random;
use shim_tests::tree::sha256;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes of a source file: what Mathlib's have on average.
const SOURCE_BYTES: usize = 9000;
const URL: &str = "https://example.org/mathlib4";
/// Modules packed by leantar, at most, when the rest may be copies under other names.
const DISTINCT: usize = 64;

/// A project whose Mathlib has nothing built.
pub struct Project {
    pub app: PathBuf,
    pub mathlib: PathBuf,
    /// Has cache files only.
    pub ltars: PathBuf,
    /// Has packs only.
    pub packs: PathBuf,
    modules: usize,
}

/// The path of a module: eight to a directory, as in Mathlib, and all of one length.
fn module_path(i: usize) -> String {
    format!("Mathlib/D{:04}/E{:02}/M{i:06}", i / 128, i / 8 % 16)
}

impl Project {
    /// The build files, without the notes of the shim.
    pub fn built(&self) -> Result<Vec<PathBuf>> {
        let is_note = |file: &PathBuf| {
            file.file_name().is_some_and(|name| name.to_string_lossy().starts_with(".lake-shim"))
        };
        Ok(files(&self.build())?.into_iter().filter(|file| !is_note(file)).collect())
    }

    /// Makes one with `modules` modules, `Mathlib` among them, in `dir`.
    pub fn new(lab: &Lab, dir: &Path, modules: usize) -> Result<Self> {
        let app = dir.join("app");
        let project = Self {
            mathlib: app.join(".lake/packages/mathlib"),
            ltars: dir.join("ltars"),
            packs: dir.join("packs"),
            app,
            modules,
        };
        fs::create_dir_all(&project.ltars)?;
        fs::create_dir_all(&project.packs)?;
        project.write_mathlib(lab)?;
        let rev = lab.run(&project.mathlib, "git", &["rev-parse", "HEAD"])?;
        project.write_app(rev.trim())?;
        Ok(project)
    }

    /// A clone of the fixture's, with other modules and no dependency.
    fn write_mathlib(&self, lab: &Lab) -> Result<()> {
        let bundle = fixture().join("git/mathlib4.bundle");
        let (dir, bundle) = (self.mathlib.display().to_string(), bundle.display().to_string());
        lab.run(Path::new("/"), "git", &["clone", "-q", &bundle, &dir])?;
        fs::remove_dir_all(self.mathlib.join("Mathlib"))?;
        fs::write(self.mathlib.join("lake-manifest.json"), manifest(&[]))?;
        fs::write(self.mathlib.join(".gitignore"), ".lake\n")?;
        let mut all = String::new();
        for (i, path) in self.paths().enumerate() {
            let mut random = Random::new(i as u64);
            let file = self.mathlib.join(&path).with_extension("lean");
            fs::create_dir_all(file.parent().context("a module lies in a directory")?)?;
            fs::write(file, source(i, &mut random))?;
            all += &format!("import {}\n", path.replace('/', "."));
        }
        fs::write(self.mathlib.join("Mathlib.lean"), all)?;
        for args in [
            &["add", "--all"][..],
            &["-c", "user.name=a", "-c", "user.email=a@example.org", "commit", "-qm", "a"],
            &["checkout", "-q", "--detach"],
            &["remote", "set-url", "origin", URL],
        ] {
            lab.run(&self.mathlib, "git", args)?;
        }
        Ok(())
    }

    fn write_app(&self, rev: &str) -> Result<()> {
        let mathlib = json!({
            "type": "git", "name": "mathlib", "url": URL, "rev": rev, "inherited": false,
        });
        fs::write(self.app.join("lake-manifest.json"), manifest(&[mathlib]))?;
        fs::write(self.app.join("lakefile.toml"), "name = \"app\"\n")?;
        fs::copy(self.mathlib.join("lean-toolchain"), self.app.join("lean-toolchain"))?;
        Ok(())
    }

    /// Paths of all modules but `Mathlib`.
    fn paths(&self) -> impl Iterator<Item = String> + use<> {
        (1..self.modules).map(module_path)
    }

    pub fn build(&self) -> PathBuf {
        self.mathlib.join(".lake/build")
    }

    /// Writes build files of `bytes` a module. With `repeat` only the first few are made up, and the
    /// others have the same contents.
    pub fn write_build(&self, seeds: &Seeds, bytes: usize, repeat: bool) -> Result<()> {
        let paths: Vec<_> = std::iter::once("Mathlib".to_owned()).chain(self.paths()).collect();
        in_parallel(paths.len(), |i| {
            let like = if repeat && i > 0 { 1 + (i - 1) % DISTINCT } else { i };
            let contents = seeds.module(bytes, &mut Random::new(like as u64));
            contents.write(&self.build(), &paths[i])
        })
    }

    /// Packs the build files, with `repeat` only the first few; the others become copies in which
    /// the paths are changed. (They are of one length, and stand there as they are.)
    pub fn write_ltars(&self, lab: &Lab, repeat: bool) -> Result<()> {
        let names = lab.run(&self.app, lab.shim.join("lake-shim"), &["names", "--json"])?;
        let names: Value = serde_json::from_str(&names)?;
        let file = |path: &str| -> Result<PathBuf> {
            let name = names[path.replace('/', ".")].as_str().context("every module is named")?;
            Ok(self.ltars.join(name))
        };
        self.pack(lab, "Mathlib", &file("Mathlib")?)?;
        let paths: Vec<_> = self.paths().collect();
        let packed = if repeat { DISTINCT.min(paths.len()) } else { paths.len() };
        in_parallel(packed, |i| self.pack(lab, &paths[i], &file(&paths[i])?))?;
        in_parallel(paths.len() - packed, |i| {
            let (from, to) = (&paths[i % packed], &paths[packed + i]);
            let bytes = replaced(fs::read(file(from)?)?, from.as_bytes(), to.as_bytes());
            Ok(fs::write(file(to)?, bytes)?)
        })
    }

    /// Writes the index that a bake writes of the cache files, into a second store of links to them.
    pub fn index_ltars(&self) -> Result<PathBuf> {
        let indexed = self.ltars.with_file_name("indexed");
        fs::create_dir_all(indexed.join("lake-shim"))?;
        let mut ltars = serde_json::Map::new();
        for entry in fs::read_dir(&self.ltars)? {
            let file = entry?.path();
            let name = file.file_name().context("a file has a name")?;
            let bytes = fs::read(&file)?;
            let record = json!({ "sha256": sha256(&bytes), "size": bytes.len() });
            ltars.insert(name.to_string_lossy().into_owned(), record);
            let link = indexed.join(name);
            if !link.exists() {
                fs::hard_link(&file, link)?;
            }
        }
        let index = json!({ "schema": 1, "locks": {}, "ltars": ltars, "packs": [] });
        fs::write(indexed.join("lake-shim/index.json"), index.to_string())?;
        Ok(indexed)
    }

    fn pack(&self, lab: &Lab, path: &str, to: &Path) -> Result<()> {
        let lib = format!(".lake/build/lib/lean/{path}");
        let ir = format!(".lake/build/ir/{path}");
        let mut args = vec!["-C".to_owned(), self.mathlib.display().to_string()];
        args.push(to.display().to_string());
        args.push(format!("{lib}.trace"));
        for file in [format!("{lib}.olean"), format!("{lib}.ilean"), format!("{ir}.c")] {
            args.push(format!("{file}.hash"));
            args.push(file);
        }
        let args: Vec<_> = args.iter().map(String::as_str).collect();
        lab.run(&self.mathlib, &lab.leantar.0, &args).map(drop)
    }

    /// The list that `leantar -j -` reads to unpack everything into its place.
    pub fn list(&self) -> Result<String> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.ltars)? {
            let file = entry?.path();
            files.push(json!({ "file": file, "base": self.mathlib }));
        }
        Ok(Value::Array(files).to_string())
    }
}

fn manifest(packages: &[Value]) -> String {
    json!({ "version": "1.1.0", "packagesDir": ".lake/packages", "packages": packages }).to_string()
}

/// A source that imports about six modules before it.
fn source(i: usize, random: &mut Random) -> String {
    let mut text = String::new();
    for _ in 0..6.min(i.saturating_sub(1)) {
        let import = 1 + random.below(i - 1);
        text += &format!("import {}\n", module_path(import).replace('/', "."));
    }
    while text.len() < SOURCE_BYTES {
        let (a, b, c) = (random.below(9999), random.below(9999), random.below(9999));
        text += &format!("theorem t{a} (h : p{b} ∧ p{c}) : p{c} ∧ p{b} := ⟨h.2, h.1⟩\n\n");
    }
    text
}

/// `bytes` with every `from` turned into `to`, which is as long.
fn replaced(mut bytes: Vec<u8>, from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut at = 0;
    while let Some(found) = bytes[at..].windows(from.len()).position(|window| window == from) {
        at += found;
        bytes[at..at + from.len()].copy_from_slice(to);
        at += from.len();
    }
    bytes
}

/// Does `work` for the numbers below `count`, on every core.
fn in_parallel(count: usize, work: impl Fn(usize) -> Result<()> + Sync) -> Result<()> {
    let next = AtomicUsize::new(0);
    let cores = std::thread::available_parallelism()?.get();
    std::thread::scope(|scope| {
        let worker = || {
            while let Some(i) = Some(next.fetch_add(1, Ordering::Relaxed)).filter(|i| *i < count) {
                work(i)?;
            }
            Ok(())
        };
        let workers: Vec<_> = (0..cores).map(|_| scope.spawn(worker)).collect();
        workers.into_iter().try_for_each(|worker| match worker.join() {
            Ok(done) => done,
            Err(panic) => std::panic::resume_unwind(panic),
        })
    })
}
