//! The head of an `.ltar`: enough to tell what it unpacks to, without unpacking it.
//!
//! The format is leangz's (`src/ltar.rs` there): `LTAR`, `LTR2` or `LTR3`, the trace's `depHash`
//! as a little-endian 64-bit number, then the NUL-terminated path of the trace.

use super::Module;
use crate::read;
use std::io::Read;
use std::path::{Path, PathBuf};
use thiserror::Error;

const MAGIC: [&[u8; 4]; 3] = [b"LTAR", b"LTR2", b"LTR3"];
/// Where Lean's files are below `.lake/build`; before 2025-03 the second.
pub const LIBS: [&str; 2] = ["lib/lean", "lib"];
/// Where the path begins.
const PATH_AT: usize = 12;
/// No path in a cache comes near this; what does is no `.ltar`.
const MAX_HEAD: u64 = 4096;

/// What the head of an `.ltar` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The module is up to date when its trace has this `depHash`.
    pub dep_hash: u64,
    pub place: Place,
}

/// Where the files of an `.ltar` go, read from the path of its trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// `Some("batteries")` when the paths start with `.lake/packages/batteries/`: relative to a
    /// workspace. `None`: relative to the package itself, as mathlib's own are.
    pub package: Option<String>,
    /// The directory of the Lean files below `.lake/build`: `lib/lean`, before 2025-03 `lib`.
    pub lib: &'static str,
}

/// Why a file is no cache file for the module it is named after.
#[derive(Debug, Error)]
pub enum HeadError {
    #[error("it is empty")]
    Empty,
    #[error("it is cut short")]
    Truncated,
    #[error("it is no `.ltar` file")]
    Magic,
    #[error("it holds `{0}`, which is another module or no module at all")]
    OtherModule(String),
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

impl Head {
    /// Reads the head of the cache file at `path`, which is named after `module`.
    pub fn read(path: &Path, module: &Module) -> Result<Self, HeadError> {
        let mut bytes = Vec::with_capacity(256);
        read::open(path)?.take(256).read_to_end(&mut bytes)?;
        if bytes.len() == 256 && !bytes[PATH_AT..].contains(&0) {
            bytes.clear();
            read::open(path)?.take(MAX_HEAD).read_to_end(&mut bytes)?;
        }
        Self::parse(&bytes, module)
    }

    fn parse(bytes: &[u8], module: &Module) -> Result<Self, HeadError> {
        if bytes.is_empty() {
            return Err(HeadError::Empty);
        }
        let (magic, rest) = bytes.split_first_chunk::<4>().ok_or(HeadError::Truncated)?;
        if !MAGIC.contains(&magic) {
            return Err(HeadError::Magic);
        }
        let (dep_hash, rest) = rest.split_first_chunk::<8>().ok_or(HeadError::Truncated)?;
        let end = rest.iter().position(|&b| b == 0).ok_or(HeadError::Truncated)?;
        let trace = String::from_utf8_lossy(&rest[..end]);
        let place = Place::parse(&trace, module)
            .ok_or_else(|| HeadError::OtherModule(trace.into_owned()))?;
        Ok(Self { dep_hash: u64::from_le_bytes(*dep_hash), place })
    }
}

impl Place {
    /// Takes `trace` apart: `[.lake/packages/<package>/].lake/build/lib[/lean]/<module>.trace`.
    fn parse(trace: &str, module: &Module) -> Option<Self> {
        let (package, rest) = match trace.strip_prefix(".lake/packages/") {
            Some(rest) => {
                let (package, rest) = rest.split_once('/')?;
                let is_name = !matches!(package, "" | "." | "..");
                (Some(is_name.then(|| package.to_owned())?), rest)
            }
            None => (None, trace),
        };
        let file = Path::new(rest.strip_suffix(".trace")?);
        let is_in = |lib: &str| file == Path::new(".lake/build").join(lib).join(module.path());
        let lib = LIBS.into_iter().find(|lib| is_in(lib))?;
        Some(Self { package, lib })
    }

    /// The stem of the module's Lean files, below the package's build directory.
    pub fn lib_stem(&self, module: &Module) -> PathBuf {
        Path::new(self.lib).join(module.path())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(trace: &str) -> Result<Head, HeadError> {
        let mut bytes = b"LTR3\x01\0\0\0\0\0\0\0".to_vec();
        bytes.extend(trace.as_bytes());
        bytes.push(0);
        Head::parse(&bytes, &Module::parse("Mathlib.Init").expect("a name"))
    }

    #[test]
    fn places() {
        for (trace, package, lib) in [
            (".lake/build/lib/lean/Mathlib/Init.trace", None, "lib/lean"),
            (".lake/build/lib/Mathlib/Init.trace", None, "lib"),
            (".lake/packages/m/.lake/build/lib/lean/Mathlib/Init.trace", Some("m"), "lib/lean"),
        ] {
            let head = head(trace).expect(trace);
            assert_eq!(head.dep_hash, 1);
            assert_eq!((head.place.package.as_deref(), head.place.lib), (package, lib));
        }
    }

    /// Its first bytes say nothing of its end, whatever zeros its hash has.
    #[test]
    fn a_long_path_is_read_to_its_end() {
        let name = vec!["LongComponent"; 30];
        let module = Module::parse(&name.join(".")).expect("a name");
        let mut bytes = b"LTR3\x01\0\0\0\0\0\0\0".to_vec();
        bytes.extend(format!(".lake/build/lib/lean/{}.trace\0", name.join("/")).as_bytes());
        assert!(bytes.len() > 256);
        let file = tempfile::NamedTempFile::new().expect("a file");
        fs_err::write(file.path(), bytes).expect("written");
        assert_eq!(Head::read(file.path(), &module).expect("a head").dep_hash, 1);
    }

    #[test]
    fn what_would_land_elsewhere_is_refused() {
        for trace in [
            "",
            "/etc/passwd",
            "/.lake/build/lib/lean/Mathlib/Init.trace",
            "../.lake/build/lib/lean/Mathlib/Init.trace",
            ".lake/packages/../.lake/build/lib/lean/Mathlib/Init.trace",
            ".lake/packages/m/../.lake/build/lib/lean/Mathlib/Init.trace",
            ".lake/build/lib/lean/Mathlib/Other.trace",
            ".lake/build/lib/lean/../lean/Mathlib/Init.trace",
            ".lake/build/lib/lean/Mathlib/Init.olean",
        ] {
            assert!(matches!(head(trace), Err(HeadError::OtherModule(_))), "{trace}");
        }
    }

    #[test]
    fn every_cut_is_noticed() {
        let module = Module::parse("A").expect("a name");
        let whole = b"LTAR\x01\0\0\0\0\0\0\0.lake/build/lib/A.trace\0";
        assert!(Head::parse(whole, &module).is_ok());
        for end in 0..whole.len() {
            assert!(Head::parse(&whole[..end], &module).is_err(), "cut at {end}");
        }
    }
}
