//! A page of Markdown as what a reader types: its fenced `sh` and `console` blocks.

use std::path::Path;

/// What stands before a block that cannot be run here, with the reason.
const NOT_RUN: &str = "<!-- not run: ";
/// Languages that nobody types.
const DATA: [&str; 6] = ["", "text", "json", "yaml", "toml", "dockerfile"];

/// One fenced block.
pub struct Block {
    /// Where it begins, counted from 1.
    pub line: usize,
    pub steps: Vec<Step>,
    /// Why it is not run.
    pub not_run: Option<String>,
}

/// Commands, and what they print if that is shown.
#[derive(Debug, PartialEq)]
pub struct Step {
    pub command: String,
    pub shown: Option<String>,
}

/// The blocks of a page.
///
/// # Panics
/// When a block has a language that nobody knows, or is not run without a reason.
#[track_caller]
pub fn blocks(page: &Path) -> Vec<Block> {
    let text = fs_err::read_to_string(page).expect("a page");
    let mut lines = text.lines().enumerate();
    let (mut blocks, mut before) = (Vec::new(), "");
    while let Some((number, line)) = lines.next() {
        let place = || format!("{}:{}", page.display(), number + 1);
        let Some(language) = line.strip_prefix("```") else {
            before = if line.is_empty() { before } else { line };
            continue;
        };
        let body: Vec<_> =
            lines.by_ref().map(|(_, line)| line).take_while(|line| *line != "```").collect();
        let not_run = before.strip_prefix(NOT_RUN).map(|reason| {
            let reason = reason.strip_suffix(" -->").unwrap_or_default();
            assert!(!reason.is_empty(), "{}: not run, and no reason", place());
            reason.to_owned()
        });
        let steps = match language {
            "sh" => {
                let command = format!("set -e\n{}\nset +e", body.join("\n"));
                vec![Step { command, shown: None }]
            }
            "console" => dialogue(&body),
            _ if DATA.contains(&language) => Vec::new(),
            _ => panic!("{}: what is `{language}`?", place()),
        };
        if !steps.is_empty() {
            blocks.push(Block { line: number + 1, steps, not_run });
        }
        before = "";
    }
    blocks
}

/// Lines after a `$ command` are what it prints; those that begin with `> ` go on with the command.
fn dialogue(lines: &[&str]) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for line in lines {
        if let Some(command) = line.strip_prefix("$ ") {
            steps.push(Step { command: command.to_owned(), shown: Some(String::new()) });
            continue;
        }
        let step = steps.last_mut().expect("a console begins with `$ `");
        match line.strip_prefix("> ") {
            Some(more) => step.command += &format!("\n{more}"),
            None => step.shown.get_or_insert_default().push_str(&format!("{line}\n")),
        }
    }
    steps
}

/// Whether `printed` is what is `shown`: figures that no two runs share aside, and `...` standing for
/// any lines.
pub fn is_shown(printed: &str, shown: &str) -> bool {
    let (printed, shown) = (without_figures(printed), without_figures(shown));
    let (printed, shown): (Vec<_>, Vec<_>) = (printed.lines().collect(), shown.lines().collect());
    matches(&printed, &shown)
}

fn matches(printed: &[&str], shown: &[&str]) -> bool {
    match shown {
        [] => printed.is_empty(),
        ["...", rest @ ..] => (0..=printed.len()).any(|skipped| matches(&printed[skipped..], rest)),
        [line, rest @ ..] => printed.first() == Some(line) && matches(&printed[1..], rest),
    }
}

/// `in 12.3 s` becomes `in 0 s`: times, and sizes that depend on the version of git.
pub fn without_figures(text: &str) -> String {
    let mut words: Vec<_> = text.split(' ').map(str::to_owned).collect();
    for at in 1..words.len() {
        let unit = words[at].split(['\n', '<']).next().unwrap_or_default();
        if ["s", "KiB", "MiB"].contains(&unit) && words[at - 1].parse::<f64>().is_ok() {
            words[at - 1] = "0".to_owned();
        }
    }
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown() {
        for (printed, shown, expected) in [
            ("a\nb\n", "a\nb\n", true),
            ("a\nb\n", "a\n", false),
            ("a\n", "a\nb\n", false),
            ("a\nb\nc\n", "a\n...\n", true),
            ("a\nb\nc\n", "...\nc\n", true),
            ("a\nb\nc\n", "...\nb\n", false),
            ("done in 1.5 s (offline)\n", "done in 0.0 s (offline)\n", true),
            ("done in 1.5 s\nx\n", "done in 0.1 s\nx\n", true),
            ("mathlib: 8.30 KiB\n", "mathlib: 8.2 KiB\n", true),
            ("done in 1.5 m\n", "done in 0.0 m\n", false),
        ] {
            assert_eq!(is_shown(printed, shown), expected, "{printed:?} {shown:?}");
        }
    }

    #[test]
    fn consoles() {
        let steps = dialogue(&["$ a \\", "> b", "c", "d", "$ e"]);
        let expected = [("a \\\nb", "c\nd\n"), ("e", "")];
        for (step, (command, shown)) in steps.iter().zip(expected) {
            assert_eq!((step.command.as_str(), step.shown.as_deref()), (command, Some(shown)));
        }
        assert_eq!(steps.len(), 2);
    }
}
