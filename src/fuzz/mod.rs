//! What holds of every input, whoever wrote it.
//!
//! One function per kind of input. Each takes any bytes and panics when something does not hold that
//! should hold of all of them: not only that reading them ends, but what was read. libFuzzer calls
//! them through `fuzz/`; on stable the tests run them over the corpus that is kept there, and over
//! inputs that are generated with a structure ([`generated`]).

#[cfg(test)]
mod answers;
mod checkout;
mod docker;
mod environment;
#[cfg(test)]
mod generated;
mod lean;
mod pack;
mod store;
mod workspace;

pub use checkout::{git, recipe};
pub use docker::{dockerfile, glob};
pub use environment::{argv, url_map};
pub use lean::{header, name};
pub use pack::pack;
pub use store::{index, ltar, trace};
pub use workspace::{lakefile, manifest, url};

use fs_err as fs;
use std::path::Path;
use tempfile::TempDir;

#[cfg(test)]
type Target = fn(&[u8]);

/// Every kind of input, by the name of its target and of its corpus.
#[cfg(test)]
const TARGETS: [(&str, Target); 15] = [
    ("argv", argv),
    ("dockerfile", dockerfile),
    ("git", git),
    ("glob", glob),
    ("header", header),
    ("index", index),
    ("lakefile", lakefile),
    ("ltar", ltar),
    ("manifest", manifest),
    ("name", name),
    ("pack", pack),
    ("recipe", recipe),
    ("trace", trace),
    ("url", url),
    ("url_map", url_map),
];

/// An empty directory.
fn room() -> TempDir {
    TempDir::new().expect("a temporary directory")
}

/// Writes a file and the directories above it.
fn write(path: &Path, contents: &[u8]) {
    fs::create_dir_all(path.parent().expect("a parent")).expect("directories");
    fs::write(path, contents).expect("a file");
}

/// `data` up to each byte `0xff`, which no UTF-8 has: several texts in one input.
fn texts(data: &[u8]) -> impl Iterator<Item = &[u8]> {
    data.split(|&byte| byte == 0xff)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::panic::catch_unwind;

    fn corpus() -> std::path::PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus")
    }

    fn names(dir: &Path) -> BTreeSet<String> {
        let entries = fs::read_dir(dir).expect("a directory");
        entries.map(|e| e.expect("an entry").file_name().into_string().expect("a name")).collect()
    }

    /// What fuzzing found, and one input for each thing it found out.
    #[test]
    fn the_corpus() {
        for (name, target) in TARGETS {
            let dir = corpus().join(name);
            let inputs = names(&dir);
            assert!(inputs.len() >= 4, "the corpus of {name} is whole");
            for input in inputs {
                let data = fs::read(dir.join(&input)).expect("an input");
                let holds = catch_unwind(|| target(&data)).is_ok();
                assert!(holds, "{name}/{input}: what does not hold is above");
            }
        }
    }

    /// A target that is missing in one of the places would never be run there. The programs are built
    /// by nobody but `cargo fuzz`; that they still can be is read off.
    #[test]
    fn every_target_has_a_program_and_a_corpus() {
        let targets: BTreeSet<String> = TARGETS.map(|(name, _)| name.to_owned()).into();
        let programs = names(&corpus().join("../targets"));
        let programs: BTreeSet<String> =
            programs.iter().map(|file| file.trim_end_matches(".rs").to_owned()).collect();
        assert_eq!(programs, targets);
        assert_eq!(names(&corpus()), targets);
        let text = |file: &str| fs::read_to_string(corpus().join("..").join(file)).expect("a text");
        for name in targets {
            let program = format!("|data: &[u8]| lake_shim::fuzz::{name}(data)");
            let program = format!("#![no_main]\n\nlibfuzzer_sys::fuzz_target!({program});\n");
            assert_eq!(text(&format!("targets/{name}.rs")), program);
            let bin = format!("[[bin]]\nname = \"{name}\"\npath = \"targets/{name}.rs\"\n");
            assert!(text("Cargo.toml").contains(&bin), "{bin}");
        }
    }
}
