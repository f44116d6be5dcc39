//! Making cache files from build files, as `lake exe cache pack` does.

use super::leantar::{Leantar, told};
use super::names::NamedModule;
use super::outputs::{Fault, Files, Look};
use crate::child::die_with_us;
use crate::error::{hint, is_disk_full};
use crate::fs::{WorkDir, if_there, new_file_mode};
use crate::settings::var;
use crate::workspace::Workspace;
use anyhow::{Context, Result, bail, ensure};
use fs_err as fs;
use fs_err::os::unix::fs::symlink;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

/// The files of a module in the order in which the cache tool packs them (`mkBuildPaths` in
/// `Cache/IO.lean`): the trace is first, and the three parts of an olean are neighbours. Those that
/// are not there are left out.
const LIB: [&str; 13] = [
    "trace",
    "olean",
    "olean.server",
    "olean.private",
    "olean.hash",
    "olean.server.hash",
    "olean.private.hash",
    "ilean",
    "ilean.hash",
    "ir",
    "ir.hash",
    "ir.sig",
    "extra",
];
const IR: [&str; 2] = ["c", "c.hash"];

/// What the paths in the files are relative to, in the packer's directory.
const MATHLIB: &str = "mathlib";
const WORKSPACE: &str = "workspace";

/// How much of a complaint is passed on. Characters.
const MAX_SAID: usize = 2000;

/// Packs modules of one workspace.
#[derive(Debug)]
pub struct Packer {
    leantar: Leantar,
    packages: Vec<PathBuf>,
    mathlib: PathBuf,
    /// Written into every file, as the stock tool does: mathlib's revision.
    comment: Option<String>,
    /// A directory in the store with links to the packages, wherever they lie, where files get ready.
    base: WorkDir,
    /// Their names, by index.
    names: Vec<Option<String>>,
}

impl Packer {
    /// One that fills `store`.
    pub fn new(workspace: &Workspace, leantar: Leantar, store: &Path) -> Result<Self> {
        let packages = workspace.source_path();
        let base = WorkDir::new_in(store)?;
        let links = base.path().join(WORKSPACE).join(".lake/packages");
        fs::create_dir_all(&links)?;
        let name_of = |dir: &PathBuf| {
            let package = workspace.packages.iter().find(|package| package.dir == *dir)?;
            Some(package.name.clone())
        };
        let names: Vec<_> = packages.iter().map(name_of).collect();
        for (name, dir) in names.iter().zip(&packages) {
            if let Some(name) = name {
                symlink(fs::canonicalize(dir)?, links.join(name))?;
            }
        }
        let mathlib = workspace.mathlib().context("the workspace is on mathlib")?.to_owned();
        symlink(fs::canonicalize(&mathlib)?, base.path().join(MATHLIB))?;
        let rev = workspace.package("mathlib").and_then(|package| package.lock.as_ref());
        let comment = rev.map(|lock| format!("git=mathlib4@{}", lock.rev));
        Ok(Self { leantar, packages, mathlib, comment, base, names })
    }

    /// The build files of `named`, when all are there and what their trace says.
    pub fn built(&self, named: &NamedModule) -> Result<Files, Fault> {
        let build = self.packages[named.package].join(".lake/build");
        let files = Files::find(&build, &named.module).ok_or(Fault::NoTrace)?;
        files.check_own(Look::Contents).map(|()| files)
    }

    /// Makes the cache file of `named` in `store` from its build files.
    ///
    /// # Errors
    /// When one of them cannot be read, and when leantar fails.
    pub fn pack(&self, named: &NamedModule, files: &Files, store: &Path) -> Result<()> {
        let package = &self.packages[named.package];
        // mathlib's own are relative to mathlib, the others' to the workspace.
        let (base, prefix) = match &self.names[named.package] {
            Some(name) if *package != self.mathlib => {
                (self.base.path().join(WORKSPACE), Path::new(".lake/packages").join(name))
            }
            _ => (self.base.path().join(MATHLIB), PathBuf::new()),
        };
        let relative =
            |path: &PathBuf| -> Result<PathBuf> { Ok(prefix.join(path.strip_prefix(package)?)) };
        let present = files.present(&LIB, &IR)?;
        let work = self.base.path().join(named.file.to_string());
        fs::create_dir(&work)?;
        let made = work.join("ltar");
        let read = present.iter().map(PathBuf::as_path).collect();
        let (mut command, _) = self.leantar.command(read, &[&work])?;
        let present: Vec<_> = present.iter().map(relative).collect::<Result<_>>()?;
        let room = self.base.path();
        command.current_dir(room).arg("-C").arg(told(&base, room)).arg(told(&made, room));
        let (trace, rest) = present.split_first().context("no trace")?;
        command.arg(trace);
        if let Some(comment) = &self.comment {
            command.args(["-c", comment]);
        }
        die_with_us(&mut command);
        let output = command.args(rest).stdin(Stdio::null()).output();
        let output = output.with_context(|| self.leantar.cannot_run())?;
        let said = self.unlinked(&String::from_utf8_lossy(&output.stderr));
        let is_made = if_there(fs::metadata(&made))?.is_some_and(|meta| meta.is_file());
        if !(output.status.success() && is_made) {
            let failure = format!(
                "`{}` cannot pack `{}` into `{}` ({}): {}",
                self.leantar.path().display(),
                named.module,
                store.display(),
                output.status,
                said.chars().take(MAX_SAID).collect::<String>().trim()
            );
            // What a full disk asks for is said wherever one is met.
            ensure!(!is_disk_full(&said), failure);
            let asks = format!(
                "is it a leantar? `lake-shim doctor` asks it; `{}` names another",
                var::LEANTAR
            );
            bail!(hint(failure, asks));
        }
        // leantar makes its files for its user alone.
        fs::set_permissions(&made, PermissionsExt::from_mode(new_file_mode(&work)?))?;
        Ok(fs::rename(made, store.join(named.file.to_string()))?)
    }

    /// What leantar said, with the places that our links lead to.
    fn unlinked(&self, said: &str) -> String {
        let links = self.base.path().join(WORKSPACE).join(".lake/packages");
        let packages = self.names.iter().zip(&self.packages);
        let packages = packages.filter_map(|(name, dir)| Some((links.join(name.as_ref()?), dir)));
        let all = packages.chain([(self.base.path().join(MATHLIB), &self.mathlib)]);
        all.fold(said.to_owned(), |said, (link, dir)| {
            said.replace(&format!("{}/", link.display()), &format!("{}/", dir.display()))
        })
    }
}
