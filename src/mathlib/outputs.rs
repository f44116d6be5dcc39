//! Whether a module's build files are those that its cache file promises.
//!
//! Lake takes a module for built when its trace has the right `depHash` and the outputs exist; it
//! never reads the outputs. leantar reports success on files it could not read. So what was
//! unpacked is compared with the hashes that Lake recorded in the trace when it built them, before
//! Lake gets to see it.

use super::ltar::{LIBS, Place};
use super::{Module, hash};
use crate::fs::if_there;
use crate::read;
use fs_err as fs;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Marks outputs in the directory of that name.
const IR: &str = "ir/";

/// `Lake.Hash.nil`; the hash of a text starts from it.
const NIL: u64 = 1723;

/// The files of one module in one build directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    lib: PathBuf,
    ir: PathBuf,
}

/// What is wrong with a module's build files.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum Fault {
    #[error("it has no trace")]
    NoTrace,
    #[error("its trace says {found:016x}, not {expected:016x}")]
    OtherTrace { found: u64, expected: u64 },
    #[error("`{0}` is missing")]
    Missing(String),
    #[error("`{0}` is not what its trace recorded")]
    Damaged(String),
    /// The error names the file.
    #[error("{0}")]
    Unreadable(String),
}

/// How closely to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// The trace, and that the outputs exist and are not empty: what Lake looks at.
    Presence,
    /// Every output's bytes against the hash in the trace.
    Contents,
}

impl Files {
    /// The files of `module` below `build`, a package's `.lake/build`.
    pub fn new(build: &Path, place: &Place, module: &Module) -> Self {
        Self { lib: build.join(place.lib_stem(module)), ir: build.join("ir").join(module.path()) }
    }

    pub fn trace(&self) -> PathBuf {
        with_suffix(&self.lib, "trace")
    }

    /// Removes the trace, so that nobody takes the module for whole.
    ///
    /// # Errors
    /// When there is one and it cannot be removed.
    pub fn forget(&self) -> std::io::Result<()> {
        match fs::remove_file(self.trace()) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(e),
            _ => Ok(()),
        }
    }

    /// The files of `module` below `build`, wherever its trace is. `None` if it has none.
    pub fn find(build: &Path, module: &Module) -> Option<Self> {
        LIBS.into_iter().find_map(|lib| {
            let files = Self::new(build, &Place { package: None, lib }, module);
            fs::symlink_metadata(files.trace()).is_ok().then_some(files)
        })
    }

    /// The `depHash` of the trace.
    pub fn dep_hash(&self) -> Result<u64, Fault> {
        Ok(self.read_trace()?.dep_hash)
    }

    /// Removes the module's files, the trace first.
    pub fn remove(&self) -> std::io::Result<()> {
        self.forget()?;
        for stem in [&self.lib, &self.ir] {
            let (Some(dir), Some(name)) = (stem.parent(), stem.file_name()) else { continue };
            let mut start = name.to_owned();
            start.push(".");
            for entry in if_there(fs::read_dir(dir))?.into_iter().flatten() {
                let entry = entry?;
                let is_its =
                    entry.file_name().as_encoded_bytes().starts_with(start.as_encoded_bytes());
                if is_its && entry.file_type()?.is_file() {
                    fs::remove_file(entry.path())?;
                }
            }
        }
        Ok(())
    }

    /// Checks the files against their own trace, whatever its `depHash` is.
    pub fn check_own(&self, look: Look) -> Result<(), Fault> {
        let trace = self.read_trace()?;
        trace.outputs.iter().try_for_each(|output| self.check_output(output, look).map(drop))
    }

    /// `true` if these outputs, as [`Files::check`] returns them, are there and have the same length.
    pub fn has(&self, outputs: &str) -> bool {
        outputs.split_whitespace().all(|output| {
            let Some((name, length)) = output.rsplit_once(':') else { return false };
            let path = match name.strip_prefix(IR) {
                Some(suffix) => with_suffix(&self.ir, suffix),
                None => with_suffix(&self.lib, name),
            };
            let meta = fs::metadata(path);
            meta.is_ok_and(|meta| meta.is_file() && Ok(meta.len()) == length.parse())
        })
    }

    /// The files with these suffixes that are there: Lean's, then those below `ir`.
    ///
    /// # Errors
    /// When it cannot be told of one.
    pub fn present(&self, lib: &[&str], ir: &[&str]) -> std::io::Result<Vec<PathBuf>> {
        let lib = lib.iter().map(|suffix| with_suffix(&self.lib, suffix));
        let ir = ir.iter().map(|suffix| with_suffix(&self.ir, suffix));
        let mut present = Vec::new();
        for path in lib.chain(ir) {
            if if_there(fs::metadata(&path))?.is_some_and(|meta| meta.is_file()) {
                present.push(path);
            }
        }
        Ok(present)
    }

    fn read_trace(&self) -> Result<Trace, Fault> {
        let text = read::bytes(&self.trace(), read::TRACE);
        let text = text.map_err(|e| Fault::of(&e, || Fault::NoTrace))?;
        Trace::parse(&text).ok_or(Fault::NoTrace)
    }

    /// Checks the files against `dep_hash`. Returns the outputs that the trace names, as `suffix:bytes` with
    /// spaces between them; `ir/` stands before those that are not beside the trace.
    pub fn check(&self, dep_hash: u64, look: Look) -> Result<String, Fault> {
        let trace = self.read_trace()?;
        if trace.dep_hash != dep_hash {
            return Err(Fault::OtherTrace { found: trace.dep_hash, expected: dep_hash });
        }
        let print = |output: &Output| {
            let length = self.check_output(output, look)?;
            Ok(format!("{}{}:{length}", if output.is_ir { IR } else { "" }, output.suffix))
        };
        Ok(trace.outputs.iter().map(print).collect::<Result<Vec<_>, _>>()?.join(" "))
    }

    /// Checks one output, and returns its length in bytes.
    fn check_output(&self, output: &Output, look: Look) -> Result<u64, Fault> {
        let stem = if output.is_ir { &self.ir } else { &self.lib };
        let path = with_suffix(stem, &output.suffix);
        let name = || {
            let name = path.file_name().unwrap_or_default();
            name.to_string_lossy().into_owned()
        };
        let missing = || Fault::Missing(name());
        let meta = fs::metadata(&path).map_err(|e| Fault::of(&e, missing))?;
        if !meta.is_file() || meta.len() == 0 {
            return Err(missing());
        }
        let (Look::Contents, Some(expected)) = (look, output.hash) else {
            return Ok(meta.len());
        };
        let is_expected = output.has_hash(&path, meta.len(), expected);
        if !is_expected.map_err(|e| Fault::of(&e, missing))? {
            return Err(Fault::Damaged(name()));
        }
        output.check_hash_file(&path, expected)?;
        Ok(meta.len())
    }
}

impl Fault {
    /// What it means that a file cannot be read; `absent` if it is not there.
    fn of(error: &std::io::Error, absent: impl FnOnce() -> Self) -> Self {
        match error.kind() {
            std::io::ErrorKind::NotFound => absent(),
            _ => Self::Unreadable(error.to_string()),
        }
    }
}

impl Output {
    /// Whether Lake would hash the file so. It has hashed `.c` and `.ilean` as text at times.
    fn has_hash(&self, path: &Path, len: u64, expected: u64) -> std::io::Result<bool> {
        match hash::file(&mut read::open(path)?, len) {
            Err(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(false), // it shrinks
            Err(e) => return Err(e),
            Ok(hash) if hash == expected => return Ok(true),
            Ok(_) if !["c", "ilean"].contains(&self.suffix.as_str()) => return Ok(false),
            Ok(_) => {}
        }
        match read::bytes(path, read::SOURCE) {
            Err(e) if e.kind() == std::io::ErrorKind::FileTooLarge => Ok(false),
            text => Ok(hash::mix(NIL, hash::text(&text?)) == expected),
        }
    }

    /// Lake believes the `.hash` file beside an output, so that has to be right too: 16 hex digits,
    /// in 2024 a decimal number.
    fn check_hash_file(&self, output: &Path, expected: u64) -> Result<(), Fault> {
        let path = with_suffix(output, "hash");
        let name = || path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        match read::bytes(&path, read::TEXT).map(|text| String::from_utf8_lossy(&text).into_owned())
        {
            Ok(text) if hash::digits(&text) == Some(expected) || text.parse() == Ok(expected) => {
                Ok(())
            }
            Ok(_) => Err(Fault::Damaged(name())),
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                Err(Fault::Unreadable(e.to_string()))
            }
            Err(_) if ALWAYS_HASHED.contains(&self.suffix.as_str()) => Err(Fault::Missing(name())),
            Err(_) => Ok(()),
        }
    }
}

/// Appends `.suffix`; the stem may have dots of its own.
fn with_suffix(stem: &Path, suffix: &str) -> PathBuf {
    let mut path = OsString::from(stem);
    path.push(".");
    path.push(suffix);
    path.into()
}

/// A Lake trace, as far as it concerns us.
#[derive(Debug, PartialEq, Eq)]
struct Trace {
    dep_hash: u64,
    outputs: Vec<Output>,
}

/// The outputs whose `.hash` files the cache tool insists on (`mkBuildPaths`).
const ALWAYS_HASHED: [&str; 3] = ["olean", "ilean", "c"];

#[derive(Debug, PartialEq, Eq)]
struct Output {
    /// Such as `olean.private`.
    suffix: String,
    /// Whether it lies below `ir` rather than among the Lean files.
    is_ir: bool,
    hash: Option<u64>,
}

impl Trace {
    /// Reads every form that leantar writes: a bare number, an object with a decimal `depHash`,
    /// and since 2025-09 an object with a `schemaVersion`, 16 hex digits and the outputs.
    fn parse(text: &[u8]) -> Option<Self> {
        let text = text.trim_ascii_start();
        // A list would be read as the fields in their order.
        if !text.starts_with(b"{") {
            let dep_hash = serde_json::from_slice(text).ok()?;
            return Some(Self { dep_hash, outputs: required() });
        }
        let RawTrace { dep_hash, schema_version, outputs } = serde_json::from_slice(text).ok()?;
        let dep_hash = match schema_version {
            Some(_) => hash::digits(&dep_hash)?,
            None => dep_hash.parse().ok()?,
        };
        let outputs = outputs.and_then(|json| self::outputs(json.get())).unwrap_or_else(required);
        // Suffixes, and no ways to somewhere else.
        let is_odd = |c: char| c == '/' || c.is_whitespace();
        let are_beside = outputs.iter().all(|output| !output.suffix.contains(is_odd));
        are_beside.then_some(Self { dep_hash, outputs })
    }
}

/// A trace as it is written. The rest of it (inputs, messages) may be long, and is passed over.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawTrace<'a> {
    #[serde(borrow)]
    dep_hash: Cow<'a, str>,
    #[serde(borrow)]
    schema_version: Option<&'a RawValue>,
    #[serde(borrow)]
    outputs: Option<&'a RawValue>,
}

/// What every module has, when the trace does not say: `mkBuildPaths` in mathlib's `Cache/IO.lean`.
fn required() -> Vec<Output> {
    let output = |suffix: &str, is_ir| Output { suffix: suffix.to_owned(), is_ir, hash: None };
    vec![output("olean", false), output("ilean", false), output("c", true)]
}

/// `{"o": ["<hash>.olean", …], "i": "<hash>.ilean", "c": "<hash>.c", "r": "<hash>.ir"}`. Nothing
/// when it looks otherwise.
fn outputs(json: &str) -> Option<Vec<Output>> {
    let object: Map<String, Value> = serde_json::from_str(json).ok()?;
    let mut outputs = Vec::new();
    for (kind, value) in &object {
        let is_ir = match kind.as_str() {
            "o" | "i" | "r" => false,
            "c" | "b" => true,
            _ => continue,
        };
        let descriptions: Vec<&str> = match value {
            Value::Array(list) => list.iter().map(Value::as_str).collect::<Option<_>>()?,
            Value::String(one) => vec![one],
            Value::Null => continue,
            _ => return None,
        };
        for description in descriptions {
            let (digits, suffix) = description.split_once('.')?;
            outputs.push(Output {
                suffix: suffix.to_owned(),
                is_ir,
                hash: Some(hash::digits(digits)?),
            });
        }
    }
    object.contains_key("o").then_some(outputs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_trace() {
        let plain = |text: &str| Trace::parse(text.as_bytes()).map(|trace| trace.dep_hash);
        assert_eq!(plain("1234"), Some(1234));
        assert_eq!(plain(r#"{"depHash":"1234","log":[]}"#), Some(1234));
        let current = r#"{"schemaVersion":"2025-09-10","depHash":"00000000000004d2"}"#;
        assert_eq!(plain(current), Some(1234));
        for bad in ["", "{", "[]", "{}", r#"{"depHash":12}"#, r#"{"depHash":"x"}"#, "-1", "null"] {
            assert_eq!(plain(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn outputs_say_which_files() {
        let text = r#"{"schemaVersion":"2025-09-10","depHash":"0000000000000001","outputs":
            {"c":"000000000000000a.c","o":["000000000000000b.olean","000000000000000c.olean.server"],
             "r":"000000000000000d.ir","b":null}}"#;
        let trace = Trace::parse(text.as_bytes()).expect("a trace");
        let mut found: Vec<_> =
            trace.outputs.iter().map(|o| (o.suffix.as_str(), o.is_ir, o.hash)).collect();
        found.sort_unstable();
        let expected = [
            ("c", true, Some(10)),
            ("ir", false, Some(13)),
            ("olean", false, Some(11)),
            ("olean.server", false, Some(12)),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn an_unknown_shape_asks_for_the_files_every_module_has() {
        let text = r#"{"schemaVersion":"9","depHash":"0000000000000001","outputs":{"x":{}}}"#;
        let trace = Trace::parse(text.as_bytes()).expect("a trace");
        assert_eq!(trace.outputs, required());
    }
}
