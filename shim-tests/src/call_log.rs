//! How the fakes write down that they were called, and how tests read it.
//!
//! A log is a file of JSON lines, one per call, appended in a single write so that calls running at once
//! do not mix. A string that is UTF-8 stands as a JSON string; any other as an array of its bytes, so that
//! nothing is lost.

use std::collections::BTreeMap;
use std::env;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::Write as _;
use std::os::fd::{BorrowedFd, RawFd};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use fs_err as fs;
use serde_json::{Value, json};

/// Set to the path of its log for the fake lake.
pub const LAKE_LOG: &str = "FAKE_LAKE_LOG";
/// Set to an open descriptor of its log for the fake leantar: it runs confined, and could not open a path.
pub const LEANTAR_LOG: &str = "FAKE_LEANTAR_LOG";

/// Variables and prefixes of variables that the fake lake notes: what the shim, Lake, git and elan read or set.
const NOTED: &str = "PATH LAKE LAKE_HOME LAKE_PKG_URL_MAP LAKE_PKG_DIR LAKE_SHIM_ MATHLIB_CACHE_DIR XDG_CACHE_HOME \
    GIT_CONFIG_ GIT_DIR ELAN_ LEAN_RECURSION_COUNT MATHLIB_NO_CACHE_ON_UPDATE";

/// One call of the fake lake, or of mathlib's cache tool by its post-update hook.
#[derive(Clone, Debug)]
pub struct LakeCall {
    /// Without `argv[0]`, and without the overrides that the shim adds.
    pub args: Vec<OsString>,
    /// The file of the shim's `--packages=FILE`, which comes first.
    pub settled: Option<PathBuf>,
    /// elan's proxies choose by it, so it must be `lake`.
    pub argv0: OsString,
    pub cwd: PathBuf,
    pub pid: u32,
    pub env: BTreeMap<String, OsString>,
    /// Where the packages directory itself leads, if it is a symlink.
    pub packages_link: Option<PathBuf>,
    /// What the packages directory held when lake was started: name, and target if a symlink.
    pub packages: BTreeMap<String, Option<PathBuf>>,
}

/// One call of the fake leantar.
#[derive(Clone, Debug)]
pub struct LeantarCall {
    pub args: Vec<OsString>,
    pub cwd: PathBuf,
    pub pid: u32,
    /// The list read from stdin; `Null` if none was.
    pub list: Value,
    /// What came of `FAKE_LEANTAR_ATTACK`: `done`, or why not.
    pub attack: Option<String>,
}

/// The value of `--packages=FILE`, if the shim wrote the file.
fn settled_file(arg: &OsString) -> Option<PathBuf> {
    let file = PathBuf::from(arg.to_str()?.strip_prefix("--packages=")?);
    let is_ours = file.file_name()?.to_str()?.starts_with("settled-");
    is_ours.then_some(file)
}

impl LakeCall {
    /// The program that the hook runs, inside mathlib's directory.
    pub const CACHE_TOOL: &str = ".lake/build/bin/cache";

    /// Returns `true` for the hook's cache tool, which never passes through a `lake`.
    pub fn is_hook(&self) -> bool {
        Path::new(&self.argv0).ends_with(LakeCall::CACHE_TOOL)
    }

    /// The arguments in one line, for comparison with `exe cache get`.
    pub fn line(&self) -> String {
        let words: Vec<_> = self.args.iter().map(|arg| arg.to_string_lossy()).collect();
        words.join(" ")
    }

    /// A noted variable, lossily.
    pub fn var(&self, name: &str) -> Option<String> {
        Some(self.env.get(name)?.to_string_lossy().into_owned())
    }

    /// Describes this process: what [`LakeCall::parse`] reads back.
    pub fn describe(packages_dir: &Path) -> Value {
        let env: serde_json::Map<_, _> = env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, encode(&value))))
            .filter(|(name, _)| is_noted(name))
            .collect();
        let packages: serde_json::Map<_, _> = fs::read_dir(packages_dir)
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| {
                (entry.file_name().to_string_lossy().into_owned(), link_target(&entry.path()))
            })
            .collect();
        json!({
            "args": env::args_os().skip(1).map(|arg| encode(&arg)).collect::<Vec<_>>(),
            "argv0": encode(&env::args_os().next().unwrap_or_default()),
            "cwd": encode(env::current_dir().unwrap_or_default().as_os_str()),
            "pid": std::process::id(),
            "env": env,
            "packages_link": link_target(packages_dir),
            "packages": packages,
        })
    }

    fn parse(line: &Value) -> Result<LakeCall> {
        let entries =
            |key: &str| line[key].as_object().with_context(|| format!("no `{key}` in {line}"));
        let mut args = args(line)?;
        let settled = args.first().and_then(settled_file);
        if settled.is_some() {
            args.remove(0);
        }
        Ok(LakeCall {
            args,
            settled,
            argv0: decode(&line["argv0"])?,
            cwd: decode(&line["cwd"])?.into(),
            pid: line["pid"].as_u64().context("no pid")?.try_into()?,
            env: entries("env")?
                .iter()
                .map(|(name, value)| Ok((name.clone(), decode(value)?)))
                .collect::<Result<_>>()?,
            packages_link: optional_path(&line["packages_link"])?,
            packages: entries("packages")?
                .iter()
                .map(|(name, target)| Ok((name.clone(), optional_path(target)?)))
                .collect::<Result<_>>()?,
        })
    }
}

impl LeantarCall {
    /// Describes this process: what [`LeantarCall::parse`] reads back.
    pub fn describe(list: &Value, attack: Option<String>) -> Value {
        json!({
            "args": env::args_os().skip(1).map(|arg| encode(&arg)).collect::<Vec<_>>(),
            "cwd": encode(env::current_dir().unwrap_or_default().as_os_str()),
            "pid": std::process::id(),
            "list": list,
            "attack": attack,
        })
    }

    /// The archives asked for on stdin, without their bases.
    pub fn files(&self) -> Vec<PathBuf> {
        let entries = self.list.as_array().into_iter().flatten();
        entries
            .filter_map(|entry| entry.as_str().or_else(|| entry["file"].as_str()))
            .map(PathBuf::from)
            .collect()
    }

    /// The shim asks every leantar for its version before it uses it.
    pub fn asks_for_version(&self) -> bool {
        self.args == ["--version"]
    }

    fn parse(line: &Value) -> Result<LeantarCall> {
        Ok(LeantarCall {
            args: args(line)?,
            cwd: decode(&line["cwd"])?.into(),
            pid: line["pid"].as_u64().context("no pid")?.try_into()?,
            list: line["list"].clone(),
            attack: line["attack"].as_str().map(str::to_owned),
        })
    }
}

/// Appends a line to the log that `variable` names, if it is set.
pub fn append(variable: &str, call: &Value) -> Result<()> {
    let Some(log) = env::var_os(variable) else {
        return Ok(());
    };
    let mut log = match log.to_str().and_then(|log| log.parse().ok()) {
        Some(descriptor) => inherited(descriptor)?,
        None => open(Path::new(&log))?,
    };
    // One write of the whole line: O_APPEND keeps lines of different processes apart.
    log.write_all(format!("{call}\n").as_bytes())?;
    Ok(())
}

/// Opens a log for appending.
pub fn open(log: &Path) -> Result<File> {
    Ok(fs::OpenOptions::new().create(true).append(true).open(log)?.into_file())
}

#[expect(unsafe_code, reason = "the environment says which descriptor is ours, not the compiler")]
fn inherited(descriptor: RawFd) -> Result<File> {
    // SAFETY: a number that is no open descriptor gives an error here, and nothing else owns one that is.
    let borrowed = unsafe { BorrowedFd::borrow_raw(descriptor) };
    Ok(borrowed.try_clone_to_owned()?.into())
}

/// The calls of a log in the order in which they were made; none if there is no log.
pub fn lake_calls(log: &Path) -> Result<Vec<LakeCall>> {
    lines(log)?.iter().map(LakeCall::parse).collect()
}

/// As [`lake_calls`], for leantar.
pub fn leantar_calls(log: &Path) -> Result<Vec<LeantarCall>> {
    lines(log)?.iter().map(LeantarCall::parse).collect()
}

fn lines(log: &Path) -> Result<Vec<Value>> {
    if !log.exists() {
        return Ok(Vec::new());
    }
    let text = fs::read_to_string(log)?;
    text.lines().map(|line| Ok(serde_json::from_str(line)?)).collect()
}

fn is_noted(name: &str) -> bool {
    let mut noted = NOTED.split_whitespace();
    noted.any(|noted| match noted.ends_with('_') {
        true => name.starts_with(noted),
        false => name == noted,
    })
}

fn link_target(path: &Path) -> Value {
    fs::read_link(path).map_or(Value::Null, |target| encode(target.as_os_str()))
}

fn args(line: &Value) -> Result<Vec<OsString>> {
    line["args"].as_array().context("no `args`")?.iter().map(decode).collect()
}

fn optional_path(value: &Value) -> Result<Option<PathBuf>> {
    match value {
        Value::Null => Ok(None),
        value => Ok(Some(decode(value)?.into())),
    }
}

fn encode(text: &OsStr) -> Value {
    match text.to_str() {
        Some(text) => json!(text),
        None => json!(text.as_bytes()),
    }
}

fn decode(value: &Value) -> Result<OsString> {
    match value {
        Value::String(text) => Ok(text.into()),
        Value::Array(bytes) => {
            let bytes =
                bytes.iter().map(|byte| byte.as_u64().and_then(|byte| u8::try_from(byte).ok()));
            Ok(OsString::from_vec(bytes.collect::<Option<_>>().context("not an array of bytes")?))
        }
        other => bail!("neither a string nor bytes: {other}"),
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;
    use std::os::unix::ffi::OsStringExt as _;

    use super::{decode, encode};

    #[test]
    fn loses_nothing() {
        for text in
            [OsString::from("plain"), OsString::new(), OsString::from_vec(vec![b'a', 0xff, 0xfe])]
        {
            assert_eq!(decode(&encode(&text)).ok(), Some(text));
        }
    }
}
