//! How a given mathlib names its cache files, read from that checkout's own `Cache/*.lean`.
//!
//! The names depend on a number that is bumped now and then, on a list of covered packages, and on
//! one of three ways to compute the root hash. All three are read from the checkout rather than
//! from its version. A checkout whose text says anything else is not guessed at: a wrong recipe
//! would name 8,000 files that exist nowhere, and the real tool knows better.

use super::Module;
use super::leantar::Version;
use crate::read;
use anyhow::{Context, Result, bail, ensure};
use fs_err as fs;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The files whose contents enter the root hash, relative to mathlib's directory, in order.
pub const ROOT_FILES: [&str; 3] = ["lakefile.lean", "lean-toolchain", "lake-manifest.json"];

/// What a mathlib checkout says of its cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipe {
    pub scheme: Scheme,
    /// Root names of the modules that the cache covers, such as `Mathlib` and `Batteries`.
    pub covered: Vec<String>,
    /// `true` if `cache get` also fetches ProofWidgets' release files.
    pub fetches_proofwidgets: bool,
    /// The leantar that the tool asks for at least. `None` if it takes the toolchain's own.
    pub leantar: Option<Version>,
    /// Native targets that `cache get` also builds, as Lake names them: `CSDP:shared`.
    pub native_targets: Vec<String>,
}

/// What the root hash starts with; see `getRootHash` in `Cache/Hashing.lean`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// Since 2025-06 (v4.21).
    Generation(u64),
    /// From 2025-04 to 2025-06.
    GenerationAndGithash(u64),
    /// From 2023-12 to 2025-04.
    Githash,
}

impl Recipe {
    /// Reads the recipe of the mathlib checked out at `mathlib`.
    ///
    /// # Errors
    /// When there is no cache tool there, or when it is none that we know.
    pub fn read(mathlib: &Path) -> Result<Self> {
        let mut text = String::new();
        for file in lean_files(&mathlib.join("Cache"))? {
            // A checkout may have CRLF line ends (`core.autocrlf`), and means the same.
            text.push_str(&read::text(&file, read::TEXT)?.replace("\r\n", "\n"));
            text.push('\n');
        }
        ensure!(!text.is_empty(), "`{}` has no cache tool", mathlib.display());
        Self::parse(&text).with_context(|| {
            format!("the cache recipe of `{}` is not one we know", mathlib.display())
        })
    }

    /// Reads the recipe from the concatenated text of `Cache/**/*.lean`.
    fn parse(text: &str) -> Result<Self> {
        let text = without_comments(text);
        check_file_hash(&text)?;
        Ok(Self {
            scheme: scheme(&text)?,
            covered: covered(&text)?,
            fetches_proofwidgets: text.contains("def getProofWidgets"),
            leantar: leantar_version(&text),
            native_targets: native_targets(&text),
        })
    }

    pub fn covers(&self, module: &Module) -> bool {
        self.covered.iter().any(|root| root == module.root())
    }
}

/// `def LEANTARVERSION := "0.1.16"`, on one line or two.
fn leantar_version(text: &str) -> Option<Version> {
    Version::parse(string_literals(definition(text, "LEANTARVERSION")?).first()?)
}

/// Literals such as `"CSDP:release"`, `"@CSDP:release"` and `"CSDP/CSDP:shared"` (mathlib4#42336).
fn native_targets(text: &str) -> Vec<String> {
    let literals = string_literals(text);
    let targets = literals.into_iter().filter(|literal| {
        // ProofWidgets' own is fetched by `getProofWidgets`.
        NativeTarget::parse(literal).is_some_and(|target| target.package != "proofwidgets")
    });
    let targets: BTreeSet<_> = targets.map(str::to_owned).collect();
    targets.into_iter().collect()
}

/// A target as Lake's command line takes it: `[@]<package>[/<name>]:<facet>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NativeTarget<'a> {
    /// As Lean prints it: with `«»` where it needs them.
    pub package: &'a str,
    pub name: Option<&'a str>,
    pub facet: &'a str,
}

impl<'a> NativeTarget<'a> {
    /// `None` if `text` is anything else.
    pub fn parse(text: &'a str) -> Option<Self> {
        let is_name = |name: &str| {
            let is_part = |c: char| c.is_alphanumeric() || "-_.'«»".contains(c);
            !name.is_empty() && !name.starts_with('-') && name.chars().all(is_part)
        };
        let (path, facet) = text.rsplit_once(':')?;
        let path = path.strip_prefix('@').unwrap_or(path);
        let (package, name) =
            path.split_once('/').map_or((path, None), |(package, name)| (package, Some(name)));
        let is_target = is_name(package)
            && name.is_none_or(is_name)
            && ["release", "shared", "static"].contains(&facet);
        is_target.then_some(Self { package, name, facet })
    }
}

/// All `.lean` files below `dir`, sorted.
fn lean_files(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let path = entry.path();
        if entry.file_type()?.is_dir() {
            files.extend(lean_files(&path)?);
        } else if path.extension().is_some_and(|ext| ext == "lean") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// The body of `getRootHash` decides the scheme.
fn scheme(text: &str) -> Result<Scheme> {
    let body = definition(text, "getRootHash").context("no `getRootHash`")?;
    ensure!(
        string_literals(body) == ROOT_FILES,
        "`getRootHash` reads other files than {}",
        ROOT_FILES.join(", ")
    );
    let (_, result) = body.rsplit_once("return hash").context("`getRootHash` returns no `hash`")?;
    let result: String = result.chars().filter(|c| !"() \n".contains(*c)).collect();
    match result.strip_suffix("es").or(result.strip_suffix('s')).unwrap_or_default() {
        "rootHashGeneration::hash" => Ok(Scheme::Generation(generation(text)?)),
        "rootHashGeneration::hashLean.githash::hash" => {
            Ok(Scheme::GenerationAndGithash(generation(text)?))
        }
        "hashLean.githash::hash" => Ok(Scheme::Githash),
        _ => bail!("`getRootHash` returns something new"),
    }
}

fn generation(text: &str) -> Result<u64> {
    let (_, rest) =
        text.split_once("def rootHashGeneration : UInt64 :=").context("no `rootHashGeneration`")?;
    let number = rest.split_whitespace().next().unwrap_or_default();
    number.parse().with_context(|| format!("`rootHashGeneration` is `{number}`"))
}

/// `isPartOfMathlibCache`, or before 2025-02 the table of package directories.
fn covered(text: &str) -> Result<Vec<String>> {
    let names: Vec<String> = if let Some(body) = definition(text, "isPartOfMathlibCache") {
        let (_, list) = body.split_once("#[").context("`isPartOfMathlibCache` has no list")?;
        let (list, test) = list.split_once(']').context("an unclosed list")?;
        ensure!(
            test.trim() == ".contains mod.getRoot",
            "`isPartOfMathlibCache` tests something new"
        );
        let name = |item: &str| item.trim().strip_prefix('`').map(str::to_owned);
        list.split(',').map(name).collect::<Option<_>>().context("a list of something new")?
    } else {
        let body = definition(text, "CacheM.getContext").context("no list of covered packages")?;
        let entries = body.split("(\"").skip(1);
        entries.filter_map(|entry| Some(entry.split_once("\",")?.0.to_owned())).collect()
    };
    if let Some(odd) = names.iter().find(|name| Module::parse(name).is_none()) {
        bail!("a list with `{}` in it", odd.escape_debug());
    }
    ensure!(names.iter().any(|name| name == "Mathlib"), "the cache does not cover Mathlib");
    Ok(names)
}

/// Refuses a tool that hashes a file in some other way. The definitions may be absent: they are
/// not what tells the schemes apart.
fn check_file_hash(text: &str) -> Result<()> {
    let known = [
        ("let pathHash :=", "hash filePath.components"),
        (
            "let fileHash :=",
            "rootHash :: pathHash :: hashFileContents content :: importHashes.toList",
        ),
    ];
    for (start, meaning) in known {
        if let Some((_, rest)) = text.split_once(start) {
            let line = rest.lines().next().unwrap_or_default().trim();
            ensure!(line.ends_with(meaning), "`{start}` says `{line}`");
        }
    }
    if let Some(body) = definition(text, "hashFileContents") {
        let normalises = body.contains("crlfToLf") || body.contains("crlf2lf");
        ensure!(normalises, "`hashFileContents` does something new");
    }
    Ok(())
}

/// The text from `def name` to the next blank line or top-level command.
fn definition<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let start = text.match_indices("def ").map(|(i, def)| i + def.len()).find(|&i| {
        let rest = text[i..].strip_prefix(name);
        rest.is_some_and(|rest| rest.starts_with([' ', '\n']))
    })?;
    let body = &text[start + name.len()..];
    let mut end = 0;
    for line in body.split_inclusive('\n') {
        let is_command = end > 0 && line.starts_with(|c: char| !c.is_whitespace());
        if is_command {
            break;
        }
        end += line.len();
    }
    Some(&body[..end])
}

/// The string literals of code without comments, as they are written.
fn string_literals(code: &str) -> Vec<&str> {
    let mut literals = Vec::new();
    let mut rest = code;
    while let Some(c) = rest.chars().next() {
        let length = literal(rest).unwrap_or(c.len_utf8());
        let (text, behind) = rest.split_at(length);
        literals.extend(text.strip_prefix('"').map(|text| text.strip_suffix('"').unwrap_or(text)));
        rest = behind;
    }
    literals
}

/// The length of the string or character literal that `code` starts with. `None` if it starts with something else.
fn literal(code: &str) -> Option<usize> {
    if let Some(quote) = ["'\"'", "'\\\"'"].iter().find(|quote| code.starts_with(**quote)) {
        return Some(quote.len());
    }
    let mut chars = code.strip_prefix('"')?.char_indices();
    while let Some((i, c)) = chars.next() {
        match c {
            '\\' => drop(chars.next()),
            '"' => return Some(i + 2),
            _ => {}
        }
    }
    Some(code.len())
}

/// A blank in place of every comment, so that what is commented out is not taken for code, and what
/// stands around it not for one word.
fn without_comments(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut depth = 0_usize;
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let (skip, keep) = match rest.as_bytes() {
            [b'/', b'-', ..] => {
                depth += 1;
                (2, if depth == 1 { " " } else { "" })
            }
            [b'-', b'/', ..] if depth > 0 => {
                depth -= 1;
                (2, "")
            }
            [b'-', b'-', ..] if depth == 0 => (rest.find('\n').unwrap_or(rest.len()), ""),
            _ => {
                let length = literal(rest).filter(|_| depth == 0).unwrap_or(c.len_utf8());
                (length, if depth == 0 || c == '\n' { &rest[..length] } else { "" })
            }
        };
        code.push_str(keep);
        rest = &rest[skip..];
    }
    code
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tool's text whose root hash ends in `result`.
    fn tool(result: &str) -> String {
        format!(
            r#"
/-- Old: `return hash (hash Lean.githash :: hashes)` -/
def getRootHash : CacheM UInt64 := do
  let rootFiles : List FilePath := ["lakefile.lean", "lean-toolchain", "lake-manifest.json"]
  let hashes ← rootFiles.mapM fun path => hashFileContents <$> IO.FS.readFile path
  -- return hash (hash Lean.githash :: hashes)
  return hash {result}

/-- Bump. -/
def rootHashGeneration : UInt64 := 5
"#
        )
    }

    const LIST: &str = "
def isPartOfMathlibCache (mod : Name) : Bool := #[
  `Mathlib,
  -- for testing
  `Reap].contains mod.getRoot
";

    #[test]
    fn three_schemes() {
        for (result, scheme) in [
            ("(rootHashGeneration :: hashes)", Scheme::Generation(5)),
            (
                "(rootHashGeneration :: hash Lean.githash :: hashes)",
                Scheme::GenerationAndGithash(5),
            ),
            ("(hash Lean.githash :: hashes)", Scheme::Githash),
            ("((hash Lean.githash) :: hashs)", Scheme::Githash),
        ] {
            let recipe = Recipe::parse(&(tool(result) + LIST)).expect(result);
            assert_eq!(recipe.scheme, scheme, "{result}");
            assert_eq!(recipe.covered, ["Mathlib", "Reap"]);
        }
    }

    #[test]
    fn what_else_the_tool_says() {
        let more = "\ndef LEANTARVERSION :=\n  \"0.1.16\"\n\ndef native := #[\"CSDP:release\", \"CSDP:shared\", \"a:b\"]\n";
        let recipe = Recipe::parse(&(tool("(rootHashGeneration :: hashes)") + LIST + more));
        let recipe = recipe.expect("known");
        assert_eq!(recipe.leantar, Version::parse("0.1.16"));
        assert_eq!(recipe.native_targets, ["CSDP:release", "CSDP:shared"]);
        let plain = Recipe::parse(&(tool("(rootHashGeneration :: hashes)") + LIST)).expect("known");
        assert_eq!((plain.leantar, plain.native_targets), (None, vec![]));
    }

    #[test]
    fn native_targets_in_every_spelling() {
        for (code, expected) in [
            (r##"#["build", "--no-ansi", "CSDP:release"]"##, &["CSDP:release"][..]),
            (
                r#"for t in ["@CSDP:release", "CSDP/CSDP:shared"] do run t"#,
                &["@CSDP:release", "CSDP/CSDP:shared"],
            ),
            (
                r#""my-csdp:release" "«my-csdp»/a_b:static""#,
                &["my-csdp:release", "«my-csdp»/a_b:static"],
            ),
            (
                r#"if c == '"' then "A:shared" else '\"'.toString ++ "B:shared""#,
                &["A:shared", "B:shared"],
            ),
            (r#""say \"A:shared\"" "C:shared""#, &["C:shared"]),
            ("\"two\n  -- lines\" \"A:shared\"", &["A:shared"]),
            (
                r#"-- "A:shared"
                /- "B:shared" /- " -/ -/ /-- "C:shared" -/"#,
                &[],
            ),
            (r#""proofwidgets:release" "@proofwidgets:release""#, &[]),
            (r#""a:b" "A:" ":shared" "-x:shared" "A B:shared" "/A:shared" "A/:shared""#, &[]),
        ] {
            assert_eq!(native_targets(&without_comments(code)), expected, "{code}");
        }
    }

    #[test]
    fn the_table_of_directories_before_2025() {
        let table = r#"
private def CacheM.getContext : IO CacheM.Context := do
  return ⟨root, {
    ("Mathlib", root),
    ("Aesop", LAKEPACKAGESDIR / "aesop")
  }⟩
"#;
        let recipe = Recipe::parse(&(tool("(hash Lean.githash :: hashs)") + table)).expect("known");
        assert_eq!(recipe.covered, ["Mathlib", "Aesop"]);
    }

    #[test]
    fn what_is_new_is_refused() {
        let known = tool("(rootHashGeneration :: hashes)") + LIST;
        assert!(Recipe::parse(&known).is_ok());
        for (old, new) in [
            ("(rootHashGeneration ::", "(salt :: rootHashGeneration ::"),
            ("\"lean-toolchain\", ", ""),
            ("rootHashGeneration : UInt64 := 5", "rootHashGeneration : UInt64 := five"),
            (".contains mod.getRoot", ".any (·.isPrefixOf mod)"),
            ("`Mathlib", "`Matlib"),
            ("`Mathlib,", "`Mathlib, `A"),
            ("`Mathlib,", "`Mathlib, `A/--/B,"),
            ("def getRootHash", "def rootHash"),
            ("\n/-- Bump", "\n  let pathHash := hash mod\n/-- Bump"),
        ] {
            let changed = known.replacen(old, new, 1);
            assert_ne!(changed, known, "{old}");
            assert!(Recipe::parse(&changed).is_err(), "{new}");
        }
    }
}
