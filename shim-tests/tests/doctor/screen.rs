//! What people see: widths, colours, the last line.

use shim_tests::{Run, Sandbox};

use crate::{doctor, move_head, set_path, shim, sound};

/// One error, two warnings.
fn ill() -> Sandbox {
    let mut sandbox = sound();
    set_path(&mut sandbox, &["lean/bin", "shim/bin", "tools"]);
    move_head(&sandbox, &sandbox.package("mathlib"));
    sandbox.set_env("LAKE_SHIM_DISABLE", "1");
    sandbox
}

/// On a terminal of so many columns.
fn on_terminal(sandbox: &Sandbox, columns: usize, before: &str) -> Run {
    let stty = shim_tests::tools::find_on_path("stty").unwrap_or_default();
    let inner = format!(
        "'{}' rows 50 cols {columns}; {before} '{}' doctor",
        stty.display(),
        shim(sandbox).display()
    );
    let script = shim_tests::tools::find_on_path("script").unwrap_or_default();
    let call = sandbox.command(script, "--quiet --return --command").arg(inner);
    call.arg("/dev/null").env("TERM", "xterm").env("SHELL", "/bin/sh").run()
}

#[test]
fn findings_and_how_many() {
    let sandbox = ill();
    let run = doctor(&sandbox, "").run();
    run.expect_code(1)
        .expect_stderr("")
        .stdout_contains(
            "\nerror: another `lake` comes before the shim on PATH [lake-before-shim]\n",
        )
        .stdout_contains("\nwarning: a package is not at its locked revision [head-moved]\n")
        .stdout_contains("\n  hint: `unset LAKE_SHIM_DISABLE`\n")
        .stdout_contains("ok       git        ")
        .stdout_contains("warning  packages   2 of 2 in ");
    assert!(run.stdout.ends_with("\n\n1 error, 2 warnings\n"), "{run}");
    let position = |text: &str| run.stdout.find(text).unwrap_or_else(|| panic!("{text}\n{run}"));
    assert!(position("\nerror: ") < position("\nwarning: "), "the most severe first\n{run}");
}

#[test]
fn nothing_wrong() {
    let sandbox = sound();
    let run = doctor(&sandbox, "").run();
    run.expect_code(0).stdout_contains("\n\nnothing wrong found\n").stdout_lacks("hint:");
    assert_eq!(run.stdout.lines().filter(|line| line.starts_with("ok ")).count(), 10, "{run}");
}

#[test]
fn without_a_terminal_no_colour_and_80_columns() {
    let run = doctor(&ill(), "").run();
    run.stdout_lacks("\x1b");
    assert_fits(&run, 80);
}

#[test]
#[cfg_attr(not(all(has = "script", has = "stty")), ignore = "needs script, stty")]
fn widths_of_a_terminal() {
    let sandbox = ill();
    let mut lines = Vec::new();
    for columns in [80, 160] {
        let run = on_terminal(&sandbox, columns, "NO_COLOR=1");
        run.expect_code(1).stdout_lacks("\x1b");
        assert_fits(&run, columns);
        lines.push(run.stdout.lines().count());
    }
    assert!(lines[1] < lines[0], "a wide terminal needs fewer lines: {lines:?}");
}

#[test]
#[cfg_attr(not(all(has = "script", has = "stty")), ignore = "needs script, stty")]
fn colours_on_a_terminal_unless_somebody_minds() {
    let sandbox = ill();
    on_terminal(&sandbox, 80, "").stdout_contains("\x1b[1m\x1b[31merror\x1b[0m: ");
    on_terminal(&sandbox, 80, "NO_COLOR=1").stdout_lacks("\x1b");
    on_terminal(&sandbox, 80, "TERM=dumb").stdout_lacks("\x1b");
}

/// Lines that cannot be broken, for they are of one word or one literal, may be longer.
#[track_caller]
fn assert_fits(run: &Run, columns: usize) {
    for line in run.stdout.lines().filter(|line| line.chars().count() > columns) {
        let words = line.trim_start_matches([' ', '-']).trim_start_matches("hint: ");
        let literal = words.split_once('`').map(|(before, _)| before.trim()).unwrap_or(words);
        let is_one = literal.is_empty() || !words.contains(' ');
        assert!(is_one, "more than {columns} columns: {line}\n{run}");
    }
}
