//! mathlib's `cache` tool, with a directory for its cloud and a table for its hashing.
//!
//! The parts that meet the disk are as in `Cache/IO.lean` and `Cache/Requests.lean`: where files lie, `curl.cfg` with
//! its fixed name, downloads under `.part` names, one leantar over a JSON list from the current directory, success
//! printed whatever leantar deleted.

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::ffi::OsString;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};
use fs_err as fs;
use serde_json::{Value, json};
use shim_tests::ltar::Header;

use crate::mirror;
use crate::switches::number;
use crate::workspace::Workspace;

/// Module → archive.
type Names = BTreeMap<String, String>;

struct Cache<'a> {
    workspace: &'a Workspace,
    /// Where the archives lie.
    dir: PathBuf,
    /// Where `Mathlib.lean` lies.
    mathlib: PathBuf,
}

pub(crate) fn run(workspace: &Workspace, args: &[OsString]) -> Result<u8> {
    let args: Vec<_> = args.iter().map(|arg| arg.to_string_lossy().into_owned()).collect();
    let words: Vec<&str> =
        args.iter().map(String::as_str).filter(|arg| !arg.starts_with("--")).collect();
    let cache = Cache {
        workspace,
        dir: cache_dir()?,
        mathlib: match workspace.config.name.as_str() {
            "mathlib" => workspace.root.clone(),
            _ => workspace.packages_dir.join("mathlib"),
        },
    };
    match words.as_slice() {
        ["get", modules @ ..] => cache.fetch(modules, false, true),
        ["get!", modules @ ..] => cache.fetch(modules, true, true),
        ["get-", modules @ ..] => cache.fetch(modules, false, false),
        ["unpack"] => cache.unpack(&cache.names(&[])?, false),
        ["unpack!"] => cache.unpack(&cache.names(&[])?, true),
        _ => {
            println!("Mathlib4 caching CLI\nUsage: cache [OPTIONS] [COMMAND]");
            Ok(0)
        }
    }
}

impl Cache<'_> {
    fn fetch(&self, modules: &[&str], force: bool, decompress: bool) -> Result<u8> {
        let names = self.names(modules)?;
        if !self.toolchain_matches()? {
            return Ok(1);
        }
        if fails_this_time()? {
            println!("Transfer failed (error code: 503)\n1 download(s) failed");
            return Ok(1);
        }
        let failed = self.download(&names, force)?;
        if failed > 0 {
            println!("{failed} download(s) failed");
            return Ok(1);
        }
        if decompress {
            return self.unpack(&names, force);
        }
        println!("Downloaded all files successfully!");
        Ok(0)
    }

    /// Returns how many failed; one that the cloud does not have is only warned of.
    fn download(&self, names: &Names, force: bool) -> Result<usize> {
        let wanted: Vec<_> =
            names.values().filter(|name| force || !self.dir.join(name).exists()).collect();
        if wanted.is_empty() {
            println!("No files to download");
            return Ok(0);
        }
        println!(
            "Attempting to download {} file(s) from leanprover-community/mathlib4 cache",
            wanted.len()
        );
        fs::create_dir_all(&self.dir)?;
        let config = self.dir.join("curl.cfg");
        fs::write(
            &config,
            wanted.iter().map(|name| format!("url = {name}\n")).collect::<String>(),
        )?;
        if let Ok(url) = env::var("MATHLIB_CACHE_GET_URL") {
            return mirror::download(&url, &self.dir, &wanted);
        }
        let (mut failed, mut absent) = (0, false);
        for name in wanted {
            let Some(cloud) = env::var_os("FAKE_CLOUD") else {
                println!(
                    "{name}.part: Transfer failed: Could not resolve host: lakecache.blob.core.windows.net"
                );
                failed += 1;
                continue;
            };
            let source = Path::new(&cloud).join(name);
            if !source.exists() {
                absent = true;
                continue;
            }
            let part = self.dir.join(format!("{name}.part"));
            fs::write(&part, fs::read(source)?)?;
            fs::rename(part, self.dir.join(name))?;
        }
        fs::remove_file(config)?;
        if absent {
            eprintln!("Warning: some files were not found in the cache.");
        }
        Ok(failed)
    }

    fn unpack(&self, names: &Names, force: bool) -> Result<u8> {
        let present: Names = names
            .iter()
            .filter(|(_, name)| self.dir.join(name).exists())
            .map(|(module, name)| (module.clone(), name.clone()))
            .collect();
        let wanted: Vec<_> =
            present.iter().filter(|(_, name)| force || self.needs_decompression(name)).collect();
        if wanted.is_empty() {
            match present.len() {
                0 => println!("No cache files to decompress"),
                count => println!("Already decompressed {count} file(s)"),
            }
            return Ok(0);
        }
        println!("Decompressing {} file(s)", wanted.len());
        let list = wanted.into_iter().map(|(module, name)| self.list_entry(module, name));
        let list = Value::Array(list.collect()).to_string();
        let mut child = Command::new(self.leantar())
            .args(force.then_some("-f"))
            .args(["-x", "--delete-corrupted", "-j", "-"])
            .stdin(Stdio::piped())
            .spawn()
            .context("leantar")?;
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(list.as_bytes())?;
        }
        let status = child.wait()?;
        if !status.success() {
            bail!("leantar failed with error code {}", status.code().unwrap_or(-1));
        }
        println!("Completed successfully!");
        Ok(0)
    }

    /// In mathlib itself paths are right as they are; downstream, mathlib's own need its directory for a base.
    fn list_entry(&self, module: &str, name: &str) -> Value {
        let file = self.dir.join(name);
        match module.split('.').next() {
            Some("Mathlib") if !Path::new("Mathlib").exists() => {
                json!({ "file": file, "base": self.mathlib })
            }
            _ => json!(file),
        }
    }

    fn needs_decompression(&self, name: &str) -> bool {
        let Some(header) =
            fs::read(self.dir.join(name)).ok().and_then(|bytes| Header::parse(&bytes).ok())
        else {
            return true;
        };
        let trace = match header.trace.strip_prefix(".lake/packages/") {
            Some(inside) => self.workspace.packages_dir.join(inside),
            None => self.mathlib.join(&header.trace),
        };
        let trace: Value =
            serde_json::from_slice(&fs::read(trace).unwrap_or_default()).unwrap_or_default();
        trace["depHash"] != format!("{:016x}", header.dep_hash)
    }

    /// The modules asked for and all that they import, or all that there are.
    fn names(&self, modules: &[&str]) -> Result<Names> {
        let path = env::var_os("FAKE_CLOUD_NAMES").context("FAKE_CLOUD_NAMES is not set")?;
        let table: Value = serde_json::from_slice(&fs::read(PathBuf::from(path))?)?;
        let table = table.as_object().context("FAKE_CLOUD_NAMES holds no object")?;
        let all: Names = table
            .iter()
            .map(|(module, name)| (module.clone(), name.as_str().unwrap_or_default().to_owned()))
            .collect();
        if modules.is_empty() {
            return Ok(all);
        }
        let mut queue = Vec::new();
        for arg in modules {
            let module = arg.trim_end_matches(".lean").replace('/', ".");
            let asked = all.keys().filter(|name| match module.strip_suffix('.') {
                Some(folder) => name.starts_with(folder),
                None => **name == module,
            });
            let before = queue.len();
            queue.extend(asked.cloned());
            if queue.len() == before {
                bail!("Invalid argument: non-existing module {arg}");
            }
        }
        let mut wanted = BTreeSet::new();
        while let Some(module) = queue.pop() {
            if wanted.insert(module.clone()) {
                queue.extend(
                    self.imports(&module).into_iter().filter(|import| all.contains_key(import)),
                );
            }
        }
        Ok(all.into_iter().filter(|(module, _)| wanted.contains(module)).collect())
    }

    /// Every word behind an `import`: enough for a fixture, since unknown names are dropped.
    fn imports(&self, module: &str) -> Vec<String> {
        let relative = format!("{}.lean", module.replace('.', "/"));
        let folders = fs::read_dir(&self.workspace.packages_dir).into_iter().flatten().flatten();
        let places = folders.map(|entry| entry.path()).chain([self.mathlib.clone()]);
        let source = places
            .map(|folder| folder.join(&relative))
            .find_map(|path| std::fs::read_to_string(path).ok());
        let source = source.unwrap_or_default();
        let words: Vec<_> = source.split_whitespace().filter(|word| *word != "all").collect();
        words.windows(2).filter(|pair| pair[0] == "import").map(|pair| pair[1].to_owned()).collect()
    }

    fn toolchain_matches(&self) -> Result<bool> {
        let own = fs::read_to_string(self.workspace.root.join("lean-toolchain"))?;
        let mathlibs = fs::read_to_string(self.mathlib.join("lean-toolchain"))?;
        let matches = own.trim() == mathlibs.trim();
        if !matches {
            println!("Dependency Mathlib uses a different lean-toolchain");
            println!("  Project uses {}\n  Mathlib uses {}", own.trim(), mathlibs.trim());
        }
        Ok(matches)
    }

    fn leantar(&self) -> PathBuf {
        if let Some(path) = env::var_os("FAKE_LAKE_LEANTAR") {
            return path.into();
        }
        let mut entries = fs::read_dir(&self.dir).into_iter().flatten().flatten();
        let own = entries.find(|entry| entry.file_name().to_string_lossy().starts_with("leantar-"));
        own.map_or_else(|| PathBuf::from("leantar"), |entry| entry.path())
    }
}

fn cache_dir() -> Result<PathBuf> {
    if let Some(dir) = env::var_os("MATHLIB_CACHE_DIR") {
        return Ok(dir.into());
    }
    let base = env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let base = base.or_else(|| Some(Path::new(&env::var_os("HOME")?).join(".cache")));
    Ok(base.context("neither XDG_CACHE_HOME nor HOME is set")?.join("mathlib"))
}

/// Counts down `FAKE_CLOUD_FAILURES` by a file in `FAKE_LAKE_STATE` that grows by a byte per failure.
fn fails_this_time() -> Result<bool> {
    let Some(failures) = number::<u64>("FAKE_CLOUD_FAILURES")? else {
        return Ok(false);
    };
    let state =
        env::var_os("FAKE_LAKE_STATE").context("FAKE_CLOUD_FAILURES needs FAKE_LAKE_STATE")?;
    let path = Path::new(&state).join("cloud-failures");
    let mut counter = fs::OpenOptions::new().create(true).append(true).open(path)?;
    if counter.metadata()?.len() >= failures {
        return Ok(false);
    }
    counter.write_all(b".")?;
    Ok(true)
}
