//! The benchmarks: every figure beside its reference, and BENCHMARKS.md from what was found.
//!
//! `shim-tests/bench.sh` runs it, and says what it takes. Nothing is asserted about time.

#![expect(clippy::print_stderr, reason = "a tool of the command line talks there")]

mod figures;
mod lab;
mod machine;
mod plot;
mod report;
mod scale;
mod timing;
mod workload;

use anyhow::{Context, Result, bail};
use lab::{Lab, Lake, Leantar};
use report::Measured;
use scale::{Scale, Size};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Instant;
use workload::module::Seeds;
use workload::project::Project;

fn main() -> Result<()> {
    let options = Options::parse()?;
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("a repository")?;
    if options.check {
        return report::check(repository);
    }
    let work = options.work.context("`--work` names an empty directory")?;
    let shim = options.shim.context("`--shim` names the shim to measure")?;
    let leantar = options.leantar.filter(|path| path.is_file());
    let leantar = Leantar(leantar.context("there is no leantar: `--leantar` names it")?);
    let lake = match (options.lake, options.fake_lake) {
        (Some(path), _) => Lake { path, is_fake: false },
        (None, Some(path)) => Lake { path, is_fake: true },
        (None, None) => bail!("`--lake` or `--fake-lake` names a lake that loads a workspace"),
    };
    let lab = Lab::new(&work, &shim, lake, leantar, Scale::new(options.size))?;
    let measured = measure(&lab, repository, options.seeds.as_deref(), options.mathlib.as_deref())?;
    report::write(options.output.as_deref().unwrap_or(repository), &measured, &lab.scale)
}

/// All figures, the short ones first: later ones leave pages to be written.
fn measure(
    lab: &Lab,
    repository: &Path,
    seeds: Option<&Path>,
    mathlib: Option<&Path>,
) -> Result<Measured> {
    let start = Instant::now();
    let tell = |what: &str| eprintln!("bench: {:4.0} s  {what}", start.elapsed().as_secs_f64());
    let machine = machine::describe(lab, repository)?;
    let seeds = match seeds {
        Some(dir) => Seeds::read(dir)?,
        None => Seeds::read(&lab.example()?)?,
    };
    tell("pass-through");
    let mut figures = vec![figures::pass_through::measure(lab)?];
    tell("settled packages");
    figures.push(figures::settled::measure(lab)?);

    tell("a Mathlib to name");
    let dir = lab.work.join("named");
    let project = Project::new(lab, &dir, lab.scale.named)?;
    tell("names");
    figures.push(figures::names::measure(lab, &project, mathlib)?);
    tell("nothing to do");
    figures.push(figures::names::measure_nothing_to_do(lab, &project, &seeds)?);
    lab.discard(&dir)?;

    tell("a tree to restore");
    let dir = lab.work.join("restored");
    let project = Project::new(lab, &dir, lab.scale.modules)?;
    project.write_build(&seeds, lab.scale.module_bytes, false)?;
    tell("its cache files");
    project.write_ltars(lab, false)?;
    tell("restore from cache files");
    figures.push(figures::ltars::measure(lab, &project)?);
    tell("restore from packs");
    figures.push(figures::packs::measure(lab, &project)?);
    lab.discard(&dir)?;

    tell("growth");
    let count = seeds.count();
    let (growth, growth_others) = figures::growth::measure(lab, seeds)?;
    tell("done");
    Ok(Measured { machine, figures, growth, growth_others, seeds: count })
}

struct Options {
    size: Size,
    check: bool,
    shim: Option<PathBuf>,
    leantar: Option<PathBuf>,
    lake: Option<PathBuf>,
    fake_lake: Option<PathBuf>,
    seeds: Option<PathBuf>,
    mathlib: Option<PathBuf>,
    work: Option<PathBuf>,
    output: Option<PathBuf>,
}

impl Options {
    fn parse() -> Result<Self> {
        let mut options = Self {
            size: Size::Full,
            check: false,
            shim: None,
            leantar: None,
            lake: None,
            fake_lake: None,
            seeds: None,
            mathlib: None,
            work: None,
            output: None,
        };
        let mut args = std::env::args_os().skip(1);
        while let Some(arg) = args.next() {
            let mut path = || -> Result<PathBuf> {
                let value: Option<OsString> = args.next();
                let value = value.with_context(|| format!("`{}` takes a path", arg.display()))?;
                Ok(value.into())
            };
            match arg.to_str() {
                Some("--quick") => options.size = Size::Quick,
                Some("--smoke") => options.size = Size::Smoke,
                Some("--check") => options.check = true,
                Some("--shim") => options.shim = Some(path()?),
                Some("--leantar") => options.leantar = Some(path()?),
                Some("--lake") => options.lake = Some(path()?),
                Some("--fake-lake") => options.fake_lake = Some(path()?),
                Some("--seeds") => options.seeds = Some(path()?),
                Some("--mathlib") => options.mathlib = Some(path()?),
                Some("--work") => options.work = Some(path()?),
                Some("--output") => options.output = Some(path()?),
                Some("--bench") => {} // cargo's own
                _ => bail!("what is `{}`? `shim-tests/bench.sh --help` tells", arg.display()),
            }
        }
        Ok(options)
    }
}
