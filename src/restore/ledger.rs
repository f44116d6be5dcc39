//! The ledger of a package's build: which archive each module came from.
//!
//! A module is up to date if it came from the archive that is wanted now. Its trace does not say so:
//! `depHash` covers what went into a module and not what came out, so two builds with other bytes can have
//! the same one (mathlib4#42660). An entry names the archive, the store that had it, the outputs, and the
//! trace's size and time: a trace that another program has written since (the stock tool, Lake) is not ours
//! any more.
//!
//! The ledger is written after the files that it speaks of, by rename. A process that dies before that leaves
//! modules without a valid entry. They are as builds of unknown origin: Lake is asked, or they are unpacked
//! once more.

use crate::fs::replace_name;
use crate::mathlib::Module;
use crate::mathlib::names::LtarName;
use crate::mathlib::outputs::Files;
use crate::read;
use crate::store::pack::Digest;
use anyhow::Result;
use fs_err as fs;
use std::collections::HashMap;
use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// The name of the file in a build directory.
const FILE: &str = ".lake-shim.ledger";
const TITLE: &str = "lake-shim ledger 1";
/// Bytes read. Mathlib's has 1 MB.
const LIMIT: u64 = 64 << 20;

/// The origins of a package's modules.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger(HashMap<String, Entry>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    archive: LtarName,
    origin: Origin,
    trace: Fingerprint,
    /// As [`Files::check`] returns them.
    outputs: String,
}

/// Where a module's files came from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Origin {
    Store {
        /// The first digits of the digest of the directory's path.
        dir: String,
        /// The archive's length and time of change: another one may have taken its place.
        archive: String,
    },
    /// The user's own build, which Lake found up to date.
    Own,
}

impl Origin {
    /// The origin of a module from the archive at `path`; links to it are followed.
    pub fn of(path: &Path) -> Self {
        let real = match fs::symlink_metadata(path) {
            Ok(meta) if meta.is_symlink() => fs::canonicalize(path),
            _ => path.parent().map_or_else(
                || Ok(path.to_owned()),
                |dir| Ok(fs::canonicalize(dir)?.join(path.file_name().unwrap_or_default())),
            ),
        };
        let real = real.unwrap_or_else(|_| path.to_owned());
        let dir = real.parent().unwrap_or(&real).as_os_str().as_bytes();
        let dir = Digest::of(dir).to_string()[..16].to_owned();
        let meta = fs::metadata(&real).map(|meta| (meta.len(), meta.mtime())).unwrap_or_default();
        Self::Store { dir, archive: format!("{}.{}", meta.0, meta.1) }
    }

    /// The store; `None` for the user's own builds.
    pub fn store(&self) -> Option<&str> {
        match self {
            Self::Store { dir, .. } => Some(dir),
            Self::Own => None,
        }
    }

    fn print(&self) -> String {
        match self {
            Self::Store { dir, archive } => format!("{dir}/{archive}"),
            Self::Own => "own".to_owned(),
        }
    }

    fn parse(text: &str) -> Self {
        match text.split_once('/') {
            Some((dir, archive)) => {
                Self::Store { dir: dir.to_owned(), archive: archive.to_owned() }
            }
            None => Self::Own,
        }
    }
}

/// Tells whether a trace was written since.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Fingerprint {
    /// Bytes.
    size: u64,
    seconds: i64,
    nanoseconds: i64,
}

impl Fingerprint {
    fn of(trace: &Path) -> Option<Self> {
        let meta = fs::symlink_metadata(trace).ok()?;
        let (seconds, nanoseconds) = (meta.mtime(), meta.mtime_nsec());
        meta.is_file().then_some(Self { size: meta.size(), seconds, nanoseconds })
    }

    /// `true` if `now` is the same file. Archives and image layers may keep whole seconds only.
    fn is(self, now: Self) -> bool {
        let cut = Self { nanoseconds: 0, ..self };
        now == self || now == cut
    }
}

impl Ledger {
    /// Reads the ledger in `build`. One that is missing, damaged or of another version has no entries.
    pub fn read(build: &Path) -> Self {
        let text = read::text(&build.join(FILE), LIMIT).unwrap_or_default();
        Self::parse(&text).unwrap_or_default()
    }

    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        if lines.next()? != TITLE {
            return None;
        }
        let entry = |line: &str| {
            let mut fields = line.split('\t');
            let mut field = || fields.next();
            let (module, archive, origin) = (field()?, field()?.parse().ok()?, field()?);
            let size = field()?.parse().ok()?;
            let (seconds, nanoseconds) = (field()?.parse().ok()?, field()?.parse().ok()?);
            let trace = Fingerprint { size, seconds, nanoseconds };
            let (origin, outputs) = (Origin::parse(origin), field()?.to_owned());
            Some((module.to_owned(), Entry { archive, origin, trace, outputs }))
        };
        Some(Self(lines.map(entry).collect::<Option<_>>()?))
    }

    fn print(&self) -> String {
        let mut text = format!("{TITLE}\n");
        let mut entries: Vec<_> = self.0.iter().collect();
        entries.sort_by_key(|(module, _)| *module);
        for (module, Entry { archive, origin, trace, outputs }) in entries {
            let (origin, Fingerprint { size, seconds, nanoseconds }) = (origin.print(), trace);
            let _ = writeln!(
                text,
                "{module}\t{archive}\t{origin}\t{size}\t{seconds}\t{nanoseconds}\t{outputs}"
            );
        }
        text
    }

    /// Where `module` came from, if it came from `archive`, its trace is still the same and its outputs are
    /// there.
    pub fn origin(&self, module: &Module, archive: LtarName, files: &Files) -> Option<&Origin> {
        let entry = self.0.get(&module.to_string())?;
        let is_it = entry.archive == archive
            && entry.trace.is(Fingerprint::of(&files.trace())?)
            && files.has(&entry.outputs);
        is_it.then_some(&entry.origin)
    }

    /// `true` if `module` came from an archive, whichever, and its trace is still the same.
    pub fn knows(&self, module: &Module, files: &Files) -> bool {
        let entry = self.0.get(&module.to_string()).filter(|entry| entry.origin != Origin::Own);
        let now = Fingerprint::of(&files.trace());
        entry.zip(now).is_some_and(|(entry, now)| entry.trace.is(now))
    }
}

/// A module to record.
#[derive(Debug)]
pub struct Recorded<'a> {
    pub module: &'a Module,
    pub archive: LtarName,
    pub origin: Origin,
    pub files: Files,
    /// As [`Files::check`] returns them.
    pub outputs: String,
}

/// Adds `modules` to the ledger in `build`.
///
/// # Errors
/// Fails if the ledger cannot be written.
pub fn record<'a>(build: &Path, modules: impl Iterator<Item = Recorded<'a>>) -> Result<()> {
    let mut ledger = Ledger::read(build);
    for Recorded { module, archive, origin, files, outputs } in modules {
        // One that is gone by now is not recorded, and looked at again.
        if let Some(trace) = Fingerprint::of(&files.trace()) {
            ledger.0.insert(module.to_string(), Entry { archive, origin, trace, outputs });
        }
    }
    replace_name(&build.join(FILE), ledger.print().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tempfile::TempDir;

    #[test]
    fn an_entry_holds_until_the_trace_is_written_again() {
        let dir = TempDir::new().expect("a directory");
        let build = dir.path();
        let module = Module::parse("A").expect("a module");
        let names = ["0000000000000001.ltar", "0000000000000002.ltar"];
        let [archive, other] = names.map(|name| name.parse().expect("a name"));
        fs::create_dir_all(build.join("lib/lean")).expect("a directory");
        fs::create_dir_all(build.join("ir")).expect("a directory");
        for file in ["lib/lean/A.trace", "lib/lean/A.olean", "ir/A.c"] {
            fs::write(build.join(file), "{}").expect("a file");
        }
        let files = Files::find(build, &module).expect("a trace");
        let recorded = |files: &Files| {
            let (files, outputs) = (files.clone(), "olean:2 ir/c:2".to_owned());
            [Recorded { module: &module, archive, origin: Origin::Own, files, outputs }].into_iter()
        };
        record(build, recorded(&files)).expect("a ledger");
        let ledger = Ledger::read(build);
        let origin = |archive| ledger.origin(&module, archive, &files);
        assert_eq!(origin(archive), Some(&Origin::Own));
        assert_eq!(origin(other), None);
        assert_eq!(Ledger::parse(&ledger.print()).as_ref(), Some(&ledger));
        fs::remove_file(build.join("ir/A.c")).expect("removed");
        assert_eq!(origin(archive), None, "an output is gone");
        fs::write(build.join("ir/A.c"), "{}").expect("a file");
        assert_eq!(origin(archive), Some(&Origin::Own));
        let trace = fs::File::options().write(true).open(files.trace()).expect("a file");
        let made = fs::metadata(files.trace()).and_then(|meta| meta.modified()).expect("a time");
        trace.set_modified(made + Duration::from_nanos(1)).expect("a time");
        assert_eq!(origin(archive), None, "written since");
    }

    #[test]
    fn a_damaged_ledger_has_no_entries() {
        let line = "A\t0000000000000001.ltar\ts\t1\t2\t3\tolean";
        assert!(Ledger::parse(&format!("{TITLE}\n{line}\n")).is_some());
        let without_outputs = line.strip_suffix("\tolean").expect("a suffix");
        for text in [
            String::new(),
            format!("{line}\n"),
            format!("{TITLE}\n{without_outputs}\n"),
            format!("{TITLE}\n{line}\nhalf"),
        ] {
            assert_eq!(Ledger::parse(&text), None, "{text}");
        }
    }

    #[test]
    fn a_link_to_an_archive_has_the_origin_of_the_archive() {
        let dir = TempDir::new().expect("a directory");
        let [store, overlay] = ["store", "overlay"].map(|name| dir.path().join(name));
        fs::create_dir(&store).expect("a directory");
        fs::create_dir(&overlay).expect("a directory");
        fs::write(store.join("a.ltar"), "").expect("a file");
        fs::write(overlay.join("b.ltar"), "").expect("a file");
        fs_err::os::unix::fs::symlink(store.join("a.ltar"), overlay.join("a.ltar"))
            .expect("a link");
        assert_eq!(Origin::of(&overlay.join("a.ltar")), Origin::of(&store.join("a.ltar")));
        assert_ne!(Origin::of(&overlay.join("b.ltar")), Origin::of(&store.join("a.ltar")));
    }
}
