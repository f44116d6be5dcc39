//! The fixture `mini-mathlib`: eleven modules of two packages that a real Lake and Lean built and a real
//! leantar packed, and the same modules made up for the fake leantar.
//!
//! The made-up ones have the true names, depHashes, trace paths and sets of files; only the bytes differ, and
//! agree with the hashes in their traces and `.hash` files.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use fs_err as fs;
use serde_json::{Value, json};

use crate::lean_hash::lean_hash_hex;
use crate::ltar::{Entry, Header, Ltar};
use crate::or_panic::OrPanic as _;
use crate::tools;
use crate::tree::sha256;

/// The wanted packages: directory name and bundle.
pub const PACKAGES: [(&str, &str); 2] =
    [("mathlib", "mathlib4.bundle"), ("batteries", "batteries.bundle")];

/// How the manifest spells mathlib's URL, and a repository that is another.
pub const MATHLIB: &str = "https://github.com/leanprover-community/mathlib4";
pub const FORK: &str = "https://github.com/somebody/mathlib4";

/// One module that the cache covers.
#[derive(Clone, Debug)]
pub struct Module {
    pub name: String,
    /// `0123456789abcdef.ltar`.
    pub ltar: String,
    pub dep_hash: u64,
    /// Relative to the packages directory, like all paths here.
    pub trace: PathBuf,
    /// All that is restored but the trace.
    pub files: Vec<PathBuf>,
    /// As its archive spells it, see [`Header::trace`].
    archived_trace: String,
}

/// The modules in the order of their names.
pub fn modules() -> &'static [Module] {
    static MODULES: OnceLock<Vec<Module>> = OnceLock::new();
    MODULES.get_or_init(read_modules)
}

/// Where the fixture lies.
pub fn fixture() -> PathBuf {
    fixtures().join("mini-mathlib")
}

/// All fixtures.
pub fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

/// What a complete restore puts below the packages directory: path → sha256. Traces are not in it; they are
/// [`Module::trace`].
pub fn expected_files() -> BTreeMap<PathBuf, String> {
    if tools::real_leantar().is_some() {
        return built_sha256();
    }
    let made_up = modules().iter().flat_map(made_up_files);
    made_up.map(|(path, bytes)| (path, sha256(&bytes))).collect()
}

/// Fills a directory with the archives that the leantar in use can read, under their true names.
pub fn write_store(store: &Path) {
    for module in modules() {
        let archive = match tools::real_leantar() {
            Some(_) => read(&fixture().join("store").join(&module.ltar)),
            None => made_up_archive(module),
        };
        fs::write(store.join(&module.ltar), archive).or_panic();
    }
}

/// Module → archive name, in a file: what the fake cloud is told.
pub fn write_names(path: &Path) {
    let names: serde_json::Map<_, _> =
        modules().iter().map(|module| (module.name.clone(), json!(module.ltar))).collect();
    fs::write(path, Value::Object(names).to_string()).or_panic();
}

impl Module {
    pub fn package(&self) -> &'static str {
        match self.name.split('.').next() {
            Some("Batteries") => "batteries",
            _ => "mathlib",
        }
    }

    /// Its `.olean`, relative to the packages directory.
    pub fn olean(&self) -> PathBuf {
        self.trace.with_extension("olean")
    }
}

fn read_modules() -> Vec<Module> {
    let names: Value = serde_json::from_slice(&read(&fixture().join("names.json")))
        .unwrap_or_else(|error| panic!("names.json: {error}"));
    let files: Vec<_> = built_sha256().into_keys().collect();
    let names = names["files"].as_object().into_iter().flatten();
    let modules = names.map(|(name, ltar)| {
        let ltar = ltar.as_str().unwrap_or_default().to_owned();
        let header = Header::parse(&read(&fixture().join("store").join(&ltar)))
            .unwrap_or_else(|damage| panic!("{ltar}: {damage:?}"));
        let mut module = Module {
            name: name.clone(),
            ltar,
            dep_hash: header.dep_hash,
            trace: PathBuf::new(),
            files: Vec::new(),
            archived_trace: header.trace,
        };
        module.trace = on_disk(&module, &module.archived_trace);
        let stem = name.replace('.', "/");
        let own = files.iter().filter(|file| {
            file.starts_with(module.package())
                && module_path(file).as_deref() == Some(stem.as_str())
        });
        module.files = own.cloned().collect();
        module
    });
    modules.collect()
}

/// `Mathlib/Init` of `mathlib/.lake/build/lib/lean/Mathlib/Init.olean.hash`.
fn module_path(file: &Path) -> Option<String> {
    let file = file.to_str()?;
    let (_, inner) = file
        .split_once("/.lake/build/lib/lean/")
        .or_else(|| file.split_once("/.lake/build/ir/"))?;
    Some(inner.split('.').next()?.to_owned())
}

/// An archived path in the packages directory. Those of mathlib's modules start at the mathlib directory, others
/// at the workspace's root.
fn on_disk(module: &Module, archived: &str) -> PathBuf {
    match archived.strip_prefix(".lake/packages/") {
        Some(inside) => PathBuf::from(inside),
        None => Path::new(module.package()).join(archived),
    }
}

fn archived(module: &Module, on_disk: &Path) -> String {
    let inside = match module.package() {
        "mathlib" => on_disk.strip_prefix("mathlib").unwrap_or(on_disk).to_owned(),
        _ => Path::new(".lake/packages").join(on_disk),
    };
    inside.to_string_lossy().into_owned()
}

fn made_up_archive(module: &Module) -> Vec<u8> {
    let files = made_up_files(module);
    let hash = |extension| {
        let named = files
            .iter()
            .find(|(path, _)| path.to_string_lossy().ends_with(&format!(".{extension}")));
        named.map(|(_, bytes)| format!("{}.{extension}", lean_hash_hex(bytes)))
    };
    let oleans = ["olean", "olean.server", "olean.private"].map(hash);
    let oleans: Vec<_> = oleans.into_iter().flatten().collect();
    let mut outputs = json!({ "c": hash("c"), "i": hash("ilean"), "o": oleans });
    if let Some(ir) = hash("ir") {
        outputs["r"] = json!(ir);
    }
    let trace = json!({
        "schemaVersion": "2025-09-10",
        "depHash": format!("{:016x}", module.dep_hash),
        "outputs": outputs,
    });
    let mut entries = vec![
        Entry::File { path: module.archived_trace.clone(), bytes: trace.to_string().into_bytes() },
        Entry::Comment("git=mathlib4@7644214d632598d68620e33c40d3b98136b6741e".to_owned()),
    ];
    entries.extend(
        files.into_iter().map(|(path, bytes)| Entry::File { path: archived(module, &path), bytes }),
    );
    let header = Header { dep_hash: module.dep_hash, trace: module.archived_trace.clone() };
    Ltar { header, entries }.to_bytes()
}

/// About 2 kB a file, so that half of one is visibly half; a `.hash` holds the hash of its neighbour.
fn made_up_files(module: &Module) -> Vec<(PathBuf, Vec<u8>)> {
    let content =
        |file: &Path| format!("{} of {}\n", file.display(), module.name).repeat(32).into_bytes();
    let files = module.files.iter().map(|file| {
        let bytes = match file.extension().is_some_and(|extension| extension == "hash") {
            true => lean_hash_hex(&content(&file.with_extension(""))).into_bytes(),
            false => content(file),
        };
        (file.clone(), bytes)
    });
    files.collect()
}

fn built_sha256() -> BTreeMap<PathBuf, String> {
    let text = String::from_utf8_lossy(&read(&fixture().join("built.sha256"))).into_owned();
    let lines = text.lines().filter_map(|line| line.split_once("  ./"));
    lines.map(|(sha256, path)| (path.into(), sha256.to_owned())).collect()
}

fn read(path: &Path) -> Vec<u8> {
    fs::read(path).or_panic()
}
