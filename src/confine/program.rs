//! What a program needs in order to start.

use crate::read;
use fs_err as fs;
use std::ffi::OsString;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

/// A program, by what the kernel starts it with.
#[derive(Debug, PartialEq, Eq)]
pub enum Program {
    /// It needs nothing.
    Alone,
    /// A loader maps it, and its libraries.
    Loaded { by: PathBuf },
    /// A script, or something for another machine: what that runs cannot be told.
    Unknown,
}

/// `e_machine` of this program, and so of those that the kernel runs without help.
const MACHINE: u16 = match () {
    () if cfg!(target_arch = "x86_64") => 62,
    () if cfg!(target_arch = "aarch64") => 183,
    () => 0, // unheard of: every program is unknown
};

/// No loader has a longer path.
const MAX_PATH: u64 = 4096;

const PT_INTERP: u32 = 3;

impl Program {
    /// What cannot be read is unknown; the kernel may run it all the same.
    pub fn of(path: &Path) -> Self {
        read::open(path).and_then(|mut file| elf(&mut file)).unwrap_or(Self::Unknown)
    }
}

/// Where the libraries of a program may be that came with them: beside its `bin`, as in a toolchain,
/// and beside its loader.
pub fn libraries_near(program: &Path, loader: &Path) -> Vec<PathBuf> {
    let real = fs::canonicalize(program).unwrap_or_else(|_| program.to_owned());
    let prefix = real.parent().and_then(Path::parent).filter(|prefix| prefix.parent().is_some());
    let loader = loader.parent().filter(|dir| dir.parent().is_some());
    let lib = prefix.map(|prefix| prefix.join("lib"));
    lib.into_iter().chain(loader.map(Path::to_owned)).collect()
}

/// Reads the headers of a 64-bit little-endian ELF file (`elf(5)`) for its loader.
fn elf(file: &mut (impl Read + Seek)) -> io::Result<Program> {
    let mut header = [0; 64];
    file.read_exact(&mut header)?;
    let (class, order) = (header[4], header[5]);
    if !header.starts_with(b"\x7fELF") || (class, order) != (2, 1) || half(&header, 18) != MACHINE {
        return Ok(Program::Unknown);
    }
    let (offset, size) = (word(&header, 32), u64::from(half(&header, 54)));
    for i in 0..u64::from(half(&header, 56)) {
        let mut header = [0; 56];
        file.seek(SeekFrom::Start(offset.saturating_add(i * size)))?;
        file.read_exact(&mut header)?;
        if header.starts_with(&PT_INTERP.to_le_bytes()) {
            let (offset, size) = (word(&header, 8), word(&header, 32));
            let mut path = Vec::new();
            file.seek(SeekFrom::Start(offset))?;
            file.take(size.min(MAX_PATH)).read_to_end(&mut path)?;
            path.truncate(path.iter().position(|&byte| byte == 0).unwrap_or(path.len()));
            return Ok(Program::Loaded { by: OsString::from_vec(path).into() });
        }
    }
    Ok(Program::Alone)
}

fn half(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn word(bytes: &[u8], at: usize) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(word)
}
