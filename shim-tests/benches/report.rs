//! BENCHMARKS.md and the README's table, written from what was measured.

use crate::figures::growth::Growth;
use crate::figures::{Bar, Figure};
use crate::scale::{Scale, Size};
use anyhow::{Context, Result, ensure};
use fs_err as fs;
use std::fmt::Write as _;
use std::path::Path;

const BEGIN: &str = "<!-- figures: written by shim-tests/bench.sh -->\n";
const END: &str = "<!-- end of figures -->\n";
/// Where the plot lies, from the top of the repository.
pub const PLOT: &str = "docs/growth.svg";
/// More than this of the processors' time to others is noise.
const QUIET: f64 = 0.05;
/// The power of the number of modules up to which growth counts as linear.
const LINEAR: f64 = 1.1;

pub struct Measured {
    pub machine: Vec<(&'static str, String)>,
    pub figures: Vec<Figure>,
    pub growth: Vec<Growth>,
    pub growth_others: f64,
    pub seeds: usize,
}

/// Writes BENCHMARKS.md and the plot into `dir`, and the table into the README there, if any.
pub fn write(dir: &Path, measured: &Measured, scale: &Scale) -> Result<()> {
    fs::write(dir.join("BENCHMARKS.md"), benchmarks(measured, scale))?;
    let plot = dir.join(PLOT);
    fs::create_dir_all(plot.parent().context("the plot lies in a directory")?)?;
    fs::write(plot, crate::plot::svg(&measured.growth))?;
    let readme = dir.join("README.md");
    if let Ok(text) = fs::read_to_string(&readme) {
        let old = block(&text).context("README.md has no place for the figures")?;
        fs::write(&readme, text.replace(old, &summary(measured)))?;
    }
    Ok(())
}

/// Checks that the README's figures are those of BENCHMARKS.md.
pub fn check(dir: &Path) -> Result<()> {
    let read = |name: &str| fs::read_to_string(dir.join(name));
    let (readme, benchmarks) = (read("README.md")?, read("BENCHMARKS.md")?);
    let figures = |text, name: &str| block(text).with_context(|| format!("{name} has no figures"));
    ensure!(
        figures(&readme, "README.md")? == figures(&benchmarks, "BENCHMARKS.md")?,
        "the figures in README.md are not those of BENCHMARKS.md: run shim-tests/bench.sh"
    );
    Ok(())
}

/// What stands between the marks.
fn block(text: &str) -> Option<&str> {
    Some(text.split_once(BEGIN)?.1.split_once(END)?.0)
}

fn benchmarks(measured: &Measured, scale: &Scale) -> String {
    let mut out = String::from(
        "# Benchmarks\n\nWritten by `shim-tests/bench.sh`, which says how to run it. Each figure was measured \
         in turns with\nits reference, in one run.\n\n",
    );
    out += &noise(measured, scale);
    out += "\n| | |\n|---|---|\n";
    for (name, value) in &measured.machine {
        let _ = writeln!(out, "| {name} | {value} |");
    }
    let _ = write!(out, "\n## In short\n\n{BEGIN}{}{END}", summary(measured));
    measured.figures.iter().for_each(|figure| out += &section(figure));
    out += &growth(measured);
    out += &workload(measured, scale);
    out + "\n" + include_str!("tried.md")
}

fn noise(measured: &Measured, scale: &Scale) -> String {
    let others = measured.figures.iter().map(|figure| figure.others);
    let others = others.chain([measured.growth_others]).fold(0.0, f64::max);
    let mut out = String::new();
    match scale.size {
        Size::Full => {}
        Size::Quick => out += "**The quick form: a smaller tree and fewer runs.**\n",
        Size::Smoke => out += "**A smoke test: its figures mean nothing.**\n",
    }
    let percent = others * 100.0;
    let _ = match others > QUIET {
        true => writeln!(
            out,
            "**The machine was not quiet: other programs had up to {percent:.0} % of the processors' time.**"
        ),
        false => {
            writeln!(out, "Other programs had at most {percent:.0} % of the processors' time.")
        }
    };
    out
}

fn summary(measured: &Measured) -> String {
    let mut out = String::from("| what | shim | beside it | bar | |\n|---|---|---|---|---|\n");
    for figure in &measured.figures {
        let [shim, references @ ..] = &figure.runs[..] else { continue };
        let beside = references.iter().map(|r| format!("{} {}", r.name, seconds(r.median())));
        let beside: Vec<_> = beside.collect();
        let bars =
            figure.bars.iter().map(|bar| format!("{} ≤ {}", bar.what, amount(bar.at_most, bar)));
        let found = figure.bars.iter().map(verdict);
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} | {} |",
            figure.title,
            seconds(shim.median()),
            beside.join(", "),
            bars.collect::<Vec<_>>().join("; "),
            found.collect::<Vec<_>>().join("; "),
        );
    }
    out
}

fn verdict(bar: &Bar) -> String {
    let met = if bar.is_met() { "✓" } else { "✗" };
    format!("{} {met}", amount(bar.found, bar))
}

fn verdict_in_words(is_met: bool) -> &'static str {
    if is_met { "met" } else { "**not met**" }
}

fn amount(value: f64, bar: &Bar) -> String {
    match bar.unit {
        "" | "s" | "ms" => format!("{value:.2} {}", bar.unit).trim_end().to_owned(),
        unit => format!("{value:.0} {unit}"),
    }
}

fn seconds(value: f64) -> String {
    match value {
        _ if value < 0.01 => format!("{:.2} ms", value * 1000.0),
        _ if value < 1.0 => format!("{:.0} ms", value * 1000.0),
        _ => format!("{value:.2} s"),
    }
}

fn section(figure: &Figure) -> String {
    let mut out = format!("\n## {}\n\n{}\n\n", figure.title, figure.about);
    out += "| | median | quartiles | fastest, slowest | runs |\n|---|---|---|---|---|\n";
    for runs in &figure.runs {
        let at = |part| seconds(runs.quantile(part));
        let _ = writeln!(
            out,
            "| {} | {} | {} to {} | {}, {} | {} |",
            runs.name,
            at(0.5),
            at(0.25),
            at(0.75),
            at(0.0),
            at(1.0),
            runs.seconds.len()
        );
    }
    out += "\n| | found | bar | |\n|---|---|---|---|\n";
    for bar in &figure.bars {
        let met = verdict_in_words(bar.is_met());
        let _ = writeln!(
            out,
            "| {} | {} | {} | {met} |",
            bar.what,
            amount(bar.found, bar),
            amount(bar.at_most, bar)
        );
    }
    let memory = figure.memory.iter().map(|(n, b)| format!("{n} {:.0} MB", *b as f64 / 1e6));
    let memory: Vec<_> = memory.collect();
    if !memory.is_empty() {
        let _ = write!(out, "\nPeak memory: {}.", memory.join(", "));
    }
    let _ = writeln!(
        out,
        "\nOther programs had {:.0} % of the processors' time.",
        figure.others * 100.0
    );
    out
}

fn growth(measured: &Measured) -> String {
    let mut out = format!(
        "\n## Growth\n\n![Time and memory against the number of modules]({PLOT})\n\nSmall modules, so that \
         what each of them costs shows; in memory, where there is room, so that no\ndisk shows. The \
         exponent is the power of the number of modules by which time grows: 1 is linear.\n\n| | \
         modules | shim | reference | shim's memory | reference's |\n|---|---|---|---|---|---|\n"
    );
    for growth in &measured.growth {
        for point in &growth.points {
            let [ours, theirs] = point.memory.map(|bytes| format!("{:.0} MB", bytes as f64 / 1e6));
            let [shim, reference] = point.seconds.map(seconds);
            let _ = writeln!(
                out,
                "| {} | {} | {shim} | {} {reference} | {ours} | {theirs} |",
                growth.task, point.modules, growth.reference
            );
        }
    }
    let _ = write!(
        out,
        "\n| | exponent, shim | exponent, reference | linear: at most {LINEAR} |\n|---|---|---|---|\n"
    );
    for growth in &measured.growth {
        let exponent = |who: usize| growth.exponent(|point| point.seconds[who]);
        let (ours, theirs) = (exponent(0), exponent(1));
        let verdict = verdict_in_words(ours <= LINEAR);
        let _ = writeln!(out, "| {} | {ours:.2} | {theirs:.2} | {verdict} |", growth.task);
    }
    let _ = writeln!(
        out,
        "\nOther programs had {:.0} % of the processors' time.",
        measured.growth_others * 100.0
    );
    out
}

fn workload(measured: &Measured, scale: &Scale) -> String {
    let Scale { modules, module_bytes, small_bytes, .. } = scale;
    let files = modules * 7;
    format!(
        "\n## How the workload is made\n\n{modules} modules with seven files each, {files} in all, {:.1} GB. \
         Their `.olean`s are made of {} that a\nreal Lean wrote: copies of them one after another, each moved \
         to its own addresses (a module has a base of its own, as\nLean gives it) and with other letters in \
         every string, under an array that holds their roots. The hashes in\nnames, levels and expressions \
         are computed anew, as Lean does. So leantar parses and \
         packs them as it does real ones,\nand no two modules are alike. `.ilean` and `.c` are real ones with \
         other digits. Sizes vary from a\nquarter to four times of the mean. For growth a module has {} kB on \
         average, and only 64 of them are\nmade up; the others are the same under other names.\n\nThe sources \
         are made up: six imports and 9 kB each.\n",
        (modules * module_bytes) as f64 / 1e9,
        measured.seeds,
        small_bytes / 1000,
    )
}
