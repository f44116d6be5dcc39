//! What the store does not have, the real lake may still download.
//!
//! Its cache tool gets a directory of its own to work in: links to what the stores have, so that it
//! downloads only the rest, and so that nothing it deletes is a store's. It only downloads: what it unpacks
//! would be in no ledger. Downloads end up where the tool would have put them.

use super::{Event, Observer, Outcome};
use crate::child::Variables;
use crate::error::hint;
use crate::fs::{WorkDir, ensure_dirs, exists};
use crate::interrupt::Interrupts;
use crate::mathlib::names::NamedModule;
use crate::settings::{Environment, temp_dir, var};
use crate::store::Stores;
use anyhow::{Context, Result, bail};
use fs_err as fs;
use fs_err::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus};
use std::time::Duration;

/// Pauses before the second and the third attempt. What fails longer than that is no hiccup.
const PAUSES: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(3)];

/// The task for the stock tool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// `get-`.
    Download,
    /// `get`.
    Unpack,
}

/// Starts the real lake's cache tool with the user's arguments, the verb for a task, and these variables besides.
pub type RunLake<'a> = &'a dyn Fn(Task, &Variables) -> Result<Child>;

/// What the real lake is asked for.
pub struct Lacking<'a> {
    /// Everything the user asked for.
    pub wanted: &'a [NamedModule],
    /// What came of it so far.
    pub outcome: &'a Outcome,
    pub stores: &'a Stores,
}

/// How it went.
pub struct Asked {
    status: ExitStatus,
    /// What it downloaded is in there, and elsewhere only once this is dropped.
    overlay: Overlay,
}

impl Asked {
    /// Keeps what was downloaded in the user's cache. Returns the directory that still has it where there is no
    /// such cache.
    pub fn keep(self) -> (ExitStatus, Option<Overlay>) {
        (self.status, Some(self.overlay).filter(|overlay| overlay.cache.is_none()))
    }
}

/// Asks the real lake for what is missing or failed, up to three times.
///
/// # Errors
/// When it cannot be run, or we are told to stop.
pub fn ask(
    lacking: &Lacking,
    env: &Environment,
    run: &dyn Fn(&Variables) -> Result<Child>,
    interrupts: &Interrupts,
    observer: Observer,
) -> Result<Asked> {
    let Lacking { wanted, outcome, stores } = lacking;
    let overlay = Overlay::new(env.user_cache())?;
    if overlay.cache.is_none() && outcome.only_fetch {
        let cache =
            env.user_cache().map_or_else(|| "there".into(), |c| format!("`{}`", c.display()));
        bail!(hint(
            format!("what was downloaded could not be kept: {cache} cannot be written"),
            format!("`{}` names another directory", var::MATHLIB_CACHE_DIR),
        ));
    }
    overlay.link_tools(stores.dirs())?;
    for named in wanted.iter().filter(|named| !outcome.failed.contains_key(&named.module)) {
        if let Some(file) = stores.candidates(named.file).find(|file| file.is_file()) {
            overlay.link(&file)?;
        }
    }
    let missing = outcome.missing.len() + outcome.failed.len();
    let mut variables = Variables::new();
    variables.insert(var::MATHLIB_CACHE_DIR.into(), overlay.path().into());
    // A lake that its tool calls is not to prepare the workspace once more.
    variables.insert(var::DISABLE.into(), "1".into());
    let mut pauses = PAUSES.iter();
    for attempt in 1.. {
        observer(Event::Asking { missing, attempt });
        let mut lake = run(&variables)?;
        let status = interrupts.while_waiting(&mut lake, |lake| Ok(lake.wait()?))?;
        let pause = pauses.next().filter(|_| !status.success() && status.code().is_some());
        let Some(&pause) = pause else {
            return Ok(Asked { status, overlay });
        };
        observer(Event::Retrying { status: status.to_string(), pause });
        interrupts.sleep(pause)?;
    }
    unreachable!("the pauses end")
}

/// A writable cache directory over read-only ones. Removed when dropped, after what was downloaded
/// has been kept, however the download ended: the stock tool goes on where it was, and so do we.
pub struct Overlay {
    dir: WorkDir,
    /// Where downloads are kept; nothing when there is no such place.
    cache: Option<PathBuf>,
}

impl Overlay {
    /// Makes one inside the user's own cache, so that keeping a download is a rename; in the
    /// temporary directory when there is no cache to write to.
    fn new(cache: Option<PathBuf>) -> Result<Self> {
        WorkDir::sweep(&temp_dir());
        let mut but = String::new();
        if let Some(cache) = cache {
            match Self::within(&cache) {
                Ok(dir) => return Ok(Self { dir, cache: Some(cache) }),
                Err(e) => but = format!(" (nor in `{}`: {e:#})", cache.display()),
            }
        }
        let dir = WorkDir::new_in(&temp_dir());
        let dir = dir.with_context(|| format!("no directory to download to{but}"))?;
        Ok(Self { dir, cache: None })
    }

    fn within(cache: &Path) -> Result<WorkDir> {
        ensure_dirs(cache)?;
        WorkDir::sweep_with(cache, |stale| keep_downloads(stale, cache));
        WorkDir::new_in(cache)
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    fn link(&self, file: &Path) -> Result<()> {
        let name = file.file_name().context("a file has a name")?;
        let link = self.dir.path().join(name);
        if !exists(&link)? {
            symlink(fs::canonicalize(file)?, link)?;
        }
        Ok(())
    }

    /// The stock tool downloads its own leantar and curl unless they are in its directory.
    fn link_tools(&self, stores: &[PathBuf]) -> Result<()> {
        for dir in stores.iter().chain(&self.cache) {
            for entry in fs::read_dir(dir).into_iter().flatten().filter_map(Result::ok) {
                let name = entry.file_name();
                let name = name.as_encoded_bytes();
                if name.starts_with(b"leantar-") || name.starts_with(b"curl-") {
                    self.link(&entry.path())?;
                }
            }
        }
        Ok(())
    }
}

impl Drop for Overlay {
    fn drop(&mut self) {
        if let Some(cache) = &self.cache {
            keep_downloads(self.dir.path(), cache);
        }
    }
}

/// Moves what was downloaded to the user's cache: plain files, for the links are the stores'. What
/// cannot be moved is downloaded again next time.
fn keep_downloads(overlay: &Path, cache: &Path) {
    for entry in fs::read_dir(overlay).into_iter().flatten().filter_map(Result::ok) {
        let name = entry.file_name();
        let is_whole = !name.as_encoded_bytes().ends_with(b".part") && name != "curl.cfg";
        if is_whole && entry.file_type().is_ok_and(|kind| kind.is_file()) {
            let _ = fs::rename(entry.path(), cache.join(&name));
        }
    }
}
