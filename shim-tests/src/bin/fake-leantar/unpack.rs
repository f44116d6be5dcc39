//! Unpacking a list of archives, with leantar's ways of failing.

use std::env;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result};
use fs_err as fs;
use nix::sys::signal::{Signal, raise};
use serde_json::Value;
use shim_tests::ltar::{Damage, Header, Ltar};
use tempfile::NamedTempFile;

use crate::options::Options;

pub(crate) struct Archive {
    file: String,
    /// Takes the place of `-C` for this one.
    base: Option<PathBuf>,
}

/// What became of an archive that was not unpacked.
enum Failure {
    /// What leantar takes for a broken download.
    Corrupted,
    /// Printed behind the archive's name.
    Other(String),
}

impl Archive {
    pub(crate) fn named(file: String) -> Archive {
        Archive { file, base: None }
    }

    pub(crate) fn file(&self) -> &str {
        &self.file
    }

    pub(crate) fn base(&self) -> Option<&Path> {
        self.base.as_deref()
    }

    fn listed(entry: &Value) -> Result<Archive> {
        if let Some(file) = entry.as_str() {
            return Ok(Archive::named(file.to_owned()));
        }
        // The real one takes a list of bases as well; nobody gives it more than the first.
        let base = entry["base"].as_str().or_else(|| entry["base"][0].as_str());
        Ok(Archive {
            file: entry["file"].as_str().context("expected string")?.to_owned(),
            base: base.map(PathBuf::from),
        })
    }
}

/// Replaces a `-` by the archives listed on stdin, and returns that list.
pub(crate) fn expand_stdin(archives: &mut Vec<Archive>) -> Result<Value> {
    let Some(dash) = archives.iter().position(|archive| archive.file == "-") else {
        return Ok(Value::Null);
    };
    let list: Value = serde_json::from_str(&io::read_to_string(io::stdin())?)?;
    let entries = list.as_array().context("expected a list")?;
    let listed: Vec<_> = entries.iter().map(Archive::listed).collect::<Result<_>>()?;
    archives.splice(dash..=dash, listed);
    Ok(list)
}

pub(crate) fn unpack_all(options: &Options, archives: &[Archive]) -> Result<ExitCode> {
    let mut death = Death::from_env()?;
    let mut code = ExitCode::SUCCESS;
    for Archive { file, base } in archives {
        wait_for_gate();
        if options.verbose {
            println!("unpacking {file}");
        }
        let Ok(bytes) = fs::read(file) else {
            eprintln!("{file} not found");
            code = ExitCode::FAILURE;
            continue;
        };
        match unpack(options, base.as_ref().unwrap_or(&options.base), &bytes, &mut death) {
            Ok(()) => {}
            Err(Failure::Corrupted) if options.delete_corrupted || !keeps_corrupted() => {
                eprintln!("{file}: removing corrupted file");
                // A read-only store keeps its file, and leantar says nothing.
                let _ = fs::remove_file(file);
            }
            Err(Failure::Corrupted) => {
                eprintln!("{file}: file is corrupted, try deleting or redownloading it");
                code = ExitCode::FAILURE;
            }
            Err(Failure::Other(message)) => {
                eprintln!("{file}: {message}");
                code = ExitCode::FAILURE;
            }
        }
    }
    Ok(code)
}

fn unpack(options: &Options, base: &Path, bytes: &[u8], death: &mut Death) -> Result<(), Failure> {
    let header = Header::parse(bytes)?;
    let trace = base.join(&header.trace);
    if !options.force && trace_hash(&trace)? == Some(header.dep_hash) {
        if options.verbose {
            println!("not unpacking because the trace matches\n{}", trace.display());
        }
        return Ok(());
    }
    let ltar = match Ltar::parse(bytes) {
        Err(Damage::Flipped) => abort_on_flipped_bit(&trace)?,
        other => other?,
    };
    // As the real one: all is written beside its place first, then published, the trace before the rest.
    let mut published = Vec::new();
    for (path, bytes) in ltar.files() {
        let path = base.join(path);
        if options.verbose {
            println!("copying {}, compression = 0", path.display());
        }
        let file = temporary_beside(&path)?;
        file.as_file().write_all(bytes)?;
        published.push((file, path));
    }
    for (file, path) in published {
        death.strike_if_due();
        file.persist(path).map_err(|error| error.error)?;
        death.published += 1;
    }
    Ok(())
}

/// The depHash of a trace on disk.
///
/// A trace that ends too early counts as a corrupted **archive** (the JSON reader's end of file is taken for
/// the archive's), so that a half-written trace makes leantar delete a good download. Seen with the real 0.1.19.
fn trace_hash(trace: &Path) -> Result<Option<u64>, Failure> {
    let text = match fs::read_to_string(trace) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        text => text?,
    };
    if let Ok(hash) = text.parse() {
        return Ok(Some(hash));
    }
    let trace: Value = serde_json::from_str(&text).map_err(|error| match error.is_eof() {
        true => Failure::Corrupted,
        false => Failure::Other(error.to_string()),
    })?;
    Ok(trace["depHash"].as_str().and_then(|digits| u64::from_str_radix(digits, 16).ok()))
}

/// Created with mode 0600 and a `.tmp` name, both of which the real one has from the same crate.
fn temporary_beside(path: &Path) -> io::Result<NamedTempFile> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    NamedTempFile::new_in(folder)
}

/// A wrong length makes the real one ask for more memory than there is; the allocator's answer is abort.
fn abort_on_flipped_bit(trace: &Path) -> Result<Ltar, Failure> {
    let olean = trace.with_extension("olean");
    let leftover = temporary_beside(&olean)?;
    leftover.as_file().write_all(b"olean")?;
    let _ = leftover.keep();
    fs::write(&olean, b"olean, the first hal")?;
    eprintln!("memory allocation of 280375465082980 bytes failed");
    std::process::abort()
}

/// `FAKE_LEANTAR_DIE`: dying between two files of a module, its trace published and its olean not.
struct Death {
    signal: Option<Signal>,
    after: usize,
    published: usize,
}

impl Death {
    fn from_env() -> Result<Death> {
        let signal = match env::var("FAKE_LEANTAR_DIE").as_deref() {
            Ok("kill") => Some(Signal::SIGKILL),
            Ok("abort") => Some(Signal::SIGABRT),
            Ok(other) => anyhow::bail!("FAKE_LEANTAR_DIE is `kill` or `abort`, not `{other}`"),
            Err(_) => None,
        };
        Ok(Death { signal, after: number("FAKE_LEANTAR_DIE_AFTER")?.unwrap_or(0), published: 0 })
    }

    fn strike_if_due(&self) {
        if let Some(signal) = self.signal.filter(|_| self.published >= self.after) {
            let _ = raise(signal);
        }
    }
}

fn keeps_corrupted() -> bool {
    env::var_os("FAKE_LEANTAR_KEEP").is_some_and(|value| value == "1")
}

/// Waits until a test lets go of it, or is gone with its sandbox.
fn wait_for_gate() {
    let Some(gate) = env::var_os("FAKE_LEANTAR_WAIT_FOR").map(PathBuf::from) else { return };
    while !gate.exists() && gate.parent().is_some_and(Path::exists) {
        thread::sleep(Duration::from_millis(2));
    }
}

fn number(variable: &str) -> Result<Option<usize>> {
    let Ok(value) = env::var(variable) else {
        return Ok(None);
    };
    value.parse().map(Some).with_context(|| format!("{variable} is a number, not `{value}`"))
}

impl From<Damage> for Failure {
    fn from(damage: Damage) -> Failure {
        match damage {
            Damage::Truncated => Failure::Corrupted,
            Damage::BadMagic | Damage::Flipped => Failure::Other("bad .ltar file".to_owned()),
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        Failure::Other(error.to_string())
    }
}
