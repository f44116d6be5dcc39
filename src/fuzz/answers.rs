//! Import headers, and what a real Lean says of them.
//!
//! `SHIM_TEST_REAL_LEAN=/path/to/lean cargo test -p lake-shim --lib real_lean -- --ignored`
//!
//! `lean --deps-json` prints what `parseImports'` returns, which is what mathlib's cache hashes. It is
//! asked about everything that fuzzing has kept, and about thousands of headers made at random.

use super::generated::headers;
use super::room;
use crate::mathlib::header::{HeaderError, imports};
use fs_err as fs;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use serde_json::Value;
use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// How many are made at random.
const RANDOM: usize = 20_000;

#[test]
#[ignore = "SHIM_TEST_REAL_LEAN has to name a real lean"]
#[expect(clippy::disallowed_methods, reason = "tests are told where the real tools are")]
fn headers_are_read_as_a_real_lean_reads_them() {
    let lean = std::env::var_os("SHIM_TEST_REAL_LEAN").expect("SHIM_TEST_REAL_LEAN is set");
    let mut sources = kept();
    let mut runner = TestRunner::default();
    while sources.len() < RANDOM {
        sources.insert(headers().new_tree(&mut runner).expect("a header").current());
    }
    let sources: Vec<_> = sources.into_iter().collect();
    for some in sources.chunks(500) {
        let answers = ask(lean.as_ref(), some);
        assert_eq!(answers.len(), some.len());
        for (source, answer) in some.iter().zip(&answers) {
            let (mut ours, mut theirs) = (ours(source), theirs(answer));
            // Lean has gone on behind the end by then, and says column 1 whatever there is.
            if source.ends_with("/-") {
                ours = ours.map_err(|(line, _)| (line, 0));
                theirs = theirs.map_err(|(line, _)| (line, 0));
            }
            assert_eq!(ours, theirs, "{source:?}: {answer}");
        }
    }
}

/// What is in the corpus, and what fuzzing on this machine has found.
fn kept() -> BTreeSet<String> {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    let dirs = ["corpus/header", "work/header"].map(|dir| fuzz.join(dir));
    let files = dirs.iter().filter_map(|dir| fs::read_dir(dir).ok()).flatten();
    let texts = files.map(|file| fs::read(file.expect("an entry").path()).expect("a file"));
    texts.filter_map(|text| String::from_utf8(text).ok()).collect()
}

/// Lean's answers, in order.
fn ask(lean: &Path, sources: &[String]) -> Vec<Value> {
    let dir = room();
    let files: Vec<PathBuf> = (0..sources.len()).map(|n| dir.path().join(format!("{n}"))).collect();
    for (file, source) in files.iter().zip(sources) {
        fs::write(file, source).expect("a file");
    }
    let mut command = Command::new(lean);
    command.args(["--deps-json", "--stdin"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().expect("lean runs");
    let list: String = files.iter().map(|file| format!("{}\n", file.display())).collect();
    child.stdin.take().expect("a pipe").write_all(list.as_bytes()).expect("lean reads");
    let output = child.wait_with_output().expect("lean ends");
    let json: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    json["imports"].as_array().expect("a list").clone()
}

/// Modules without `Init`, which may be implicit; or where the error is.
type Answer = Result<Vec<String>, (usize, usize)>;

fn ours(source: &str) -> Answer {
    let modules = imports(source).map_err(|HeaderError { line, column, .. }| (line, column))?;
    Ok(modules.iter().map(ToString::to_string).filter(|module| module != "Init").collect())
}

fn theirs(answer: &Value) -> Answer {
    if let Some(error) = answer["errors"].get(0) {
        let error = error.as_str().expect("a message");
        let mut parts = error.split(':').skip(1).map(|part| part.parse().expect("a number"));
        return Err((parts.next().expect("a line"), parts.next().expect("a column")));
    }
    let imports = answer["result"]["imports"].as_array().expect("a list");
    let modules =
        imports.iter().map(|import| import["module"].as_str().expect("a name").to_owned());
    Ok(modules.filter(|module| module != "Init").collect())
}
