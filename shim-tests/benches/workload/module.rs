//! A module's build files, as Lake and Lean leave them: seven, of which the `.olean` is most.

use super::olean::{self, Olean};
use anyhow::{Context, Result, ensure};
use fs_err as fs;
use serde_json::json;
use shim_tests::lean_hash::lean_hash_hex;
use shim_tests::random::Random;
use std::path::{Path, PathBuf};

/// Of a module's bytes, these parts in a hundred are its `.ilean` and its `.c`.
const ILEAN: usize = 6;
const C: usize = 9;

/// Real build files to make others of.
pub struct Seeds {
    oleans: Vec<Olean>,
    ileans: Vec<Vec<u8>>,
    cs: Vec<Vec<u8>>,
}

/// The files that have contents of their own.
pub struct Contents {
    pub olean: Vec<u8>,
    pub ilean: Vec<u8>,
    pub c: Vec<u8>,
}

impl Seeds {
    /// Takes what there is in `dir` and below.
    pub fn read(dir: &Path) -> Result<Self> {
        let mut seeds = Self { oleans: Vec::new(), ileans: Vec::new(), cs: Vec::new() };
        for file in files(dir)? {
            match file.extension().and_then(|extension| extension.to_str()) {
                // Some are parts of others, and are no seeds.
                Some("olean") => seeds.oleans.extend(Olean::parse(fs::read(&file)?).ok()),
                Some("ilean") => seeds.ileans.push(fs::read(&file)?),
                Some("c") => seeds.cs.push(fs::read(&file)?),
                _ => {}
            }
        }
        let is_empty = seeds.oleans.is_empty() || seeds.ileans.is_empty() || seeds.cs.is_empty();
        ensure!(!is_empty, "`{}` has no `.olean`, `.ilean` and `.c` files", dir.display());
        Ok(seeds)
    }

    /// Without the `.olean`s that are longer, but for the shortest: no module is shorter than its seed.
    pub fn up_to(mut self, bytes: usize) -> Self {
        let shortest = self.oleans.iter().map(Olean::size).min().unwrap_or(0);
        self.oleans.retain(|seed| seed.size() <= bytes.max(shortest));
        self
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.oleans.len()
    }

    /// The files of one module, `size` bytes in all on average. Sizes vary as those of a Mathlib do:
    /// from a quarter to four times of that, small ones more often.
    pub fn module(&self, size: usize, random: &mut Random) -> Contents {
        let exponent = random.below(4001) as f64 / 1000.0 - 2.0;
        let mean_of_powers = (4.0 - 0.25) / 16_f64.ln();
        let size = (size as f64 * exponent.exp2() / mean_of_powers) as usize;
        Contents {
            olean: olean::grow(&self.oleans, size * (100 - ILEAN - C) / 100, random),
            ilean: text(&self.ileans, size * ILEAN / 100, random),
            c: text(&self.cs, size * C / 100, random),
        }
    }
}

/// All files below `dir`, in the order of their names.
pub fn files(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        match entry.file_type()?.is_dir() {
            true => found.extend(files(&entry.path())?),
            false => found.push(entry.path()),
        }
    }
    found.sort();
    Ok(found)
}

/// Random `seeds` one after another with other digits: in these files most of what differs is numbers.
fn text(seeds: &[Vec<u8>], size: usize, random: &mut Random) -> Vec<u8> {
    let mut out = Vec::new();
    while out.len() < size || out.is_empty() {
        out.extend_from_slice(&seeds[random.below(seeds.len())]);
    }
    out.truncate(size.max(1));
    let digits = out.iter_mut().filter(|byte| byte.is_ascii_digit());
    digits.for_each(|digit| *digit = b'0' + random.below(10) as u8);
    out
}

impl Contents {
    /// Writes the module `path` (`Mathlib/Init`) below `build`.
    pub fn write(&self, build: &Path, path: &str) -> Result<()> {
        let lib = build.join("lib/lean").join(path);
        let ir = build.join("ir").join(path);
        for stem in [&lib, &ir] {
            fs::create_dir_all(stem.parent().context("a module's file has a parent")?)?;
        }
        let mut hashes = Vec::new();
        let parts =
            [(&lib, "olean", &self.olean), (&lib, "ilean", &self.ilean), (&ir, "c", &self.c)];
        for (stem, extension, contents) in parts {
            let hash = lean_hash_hex(contents);
            fs::write(stem.with_extension(extension), contents)?;
            fs::write(stem.with_extension(format!("{extension}.hash")), &hash)?;
            hashes.push(format!("{hash}.{extension}"));
        }
        let [olean, ilean, c] = &hashes[..] else { unreachable!("three parts") };
        let trace = json!({
            "schemaVersion": "2025-09-10",
            "depHash": lean_hash_hex(&self.olean),
            "outputs": { "o": [olean], "i": ilean, "c": c },
        });
        Ok(fs::write(lib.with_extension("trace"), trace.to_string())?)
    }
}
