//! `--help` that teaches: commands in groups, examples that can be typed, and of the settings only
//! those that a command is about. `-h`, `--help` and `help COMMAND` say the same.

use super::Cli;
use super::examples::examples;
use anstyle::Style;
use clap::{Arg, ArgAction, Command, CommandFactory};

/// Lines of ours are no longer than this; clap wraps its own.
const WIDTH: usize = 80;

const GROUPS: [(&str, &[&str]); 4] = [
    ("In a project", &["restore", "link", "unlink", "resolve", "normalize", "names", "env"]),
    ("Stores", &["bake", "verify", "gc"]),
    ("In CI", &["key"]),
    ("Finding out", &["doctor", "demo", "completions", "man", HELP]),
];

/// The one command that clap adds.
const HELP: &str = "help";

/// Settings that a command's own help shows; all of them are flags of every command.
const SETTINGS: [(&str, &[&str]); 7] = [
    ("restore", &["store", "pkg_dir", "network"]),
    ("names", &["store"]),
    ("link", &["pkg_dir"]),
    ("resolve", &["store"]),
    ("bake", &["store"]),
    ("verify", &["store"]),
    ("gc", &["store"]),
];

/// What no flag sets, for these are asked of `lake` and not of `lake-shim`.
pub const VARIABLES: &str =
    "  LAKE_SHIM_RESTORE  Restore before builds too: `always`, `never`, or `baked`,
                     when a store with an index is complete [default: baked]
  LAKE_SHIM_PRIVATE  `1`: a packages directory of the project's own
  LAKE_SHIM_DISABLE  `1`: become the real lake at once
";

/// The command line as its own help shows it.
pub fn command() -> Command {
    let cli = Cli::command();
    let flags: Vec<Arg> = cli.get_arguments().cloned().collect();
    let template = [
        "{about-with-newline}".to_owned(),
        more_about(&cli),
        "{usage-heading} {usage}\n".to_owned(),
        groups(&cli),
        section("Settings, of every command", "{options}\n"),
        section("Settings of `lake`", VARIABLES),
        section("Examples", &examples("lake-shim").unwrap_or_default()),
    ];
    let cli = with_help_flag(cli, "Print this").help_template(page(&template));
    cli.long_about(None).mut_subcommands(|command| of_subcommand(command, &flags))
}

fn of_subcommand(command: Command, flags: &[Arg]) -> Command {
    let name = command.get_name().to_owned();
    let examples = examples(&name).map(|lines| section("Examples", &lines));
    let template = [
        "{about-with-newline}".to_owned(),
        more_about(&command),
        "{usage-heading} {usage}\n".to_owned(),
        "{all-args}\n".to_owned(),
        meanings(&command),
        examples.unwrap_or_default(),
    ];
    let shown = SETTINGS.iter().find(|(of, _)| *of == name).map_or(&[][..], |(_, shown)| shown);
    // A flag that a subcommand defines itself is not handed down to it.
    let hidden = flags.iter().filter(|flag| !shown.contains(&flag.get_id().as_str()));
    let hidden: Vec<_> = hidden.map(|flag| flag.clone().hide(true)).collect();
    let listed_apart = |arg: Arg| {
        let is_listed = has_meanings(&arg);
        arg.hide_possible_values(is_listed)
    };
    let command = command.args(hidden).mut_args(listed_apart).long_about(None);
    with_help_flag(command, "Print this; `lake-shim --help` has all settings")
        .help_template(page(&template))
}

/// The same for `-h` and `--help`.
fn with_help_flag(command: Command, what: &'static str) -> Command {
    let flag = Arg::new(HELP).short('h').long(HELP).action(ArgAction::HelpShort).help(what);
    command.disable_help_flag(true).arg(flag.display_order(usize::MAX))
}

/// Parts that are not empty, with an empty line between them.
fn page(parts: &[String]) -> String {
    let parts = parts.iter().filter(|part| !part.is_empty()).map(String::as_str);
    parts.collect::<Vec<_>>().join("\n").trim_end().to_owned()
}

/// Headed as clap heads its own.
fn section(heading: &str, lines: &str) -> String {
    let style = Style::new().bold().underline();
    format!("{style}{heading}:{style:#}\n{lines}")
}

fn groups(cli: &Command) -> String {
    let about = |name: &str| match cli.find_subcommand(name).and_then(Command::get_about) {
        Some(about) => about.to_string(),
        None => "Print the help of a command".to_owned(),
    };
    let line = |name: &&str| format!("  {name:11}  {}\n", about(name));
    let group = |(heading, names): &(&str, &[&str])| {
        section(heading, &names.iter().map(line).collect::<String>())
    };
    GROUPS.iter().map(group).collect::<Vec<_>>().join("\n")
}

/// What a command's description says after its first paragraph.
fn more_about(command: &Command) -> String {
    let text = command.get_long_about().map(ToString::to_string).unwrap_or_default();
    let more = text.split_once("\n\n").map(|(_, more)| textwrap::fill(more, WIDTH) + "\n");
    more.unwrap_or_default()
}

/// The values of arguments that say what each of them means.
fn meanings(command: &Command) -> String {
    let with_meanings = command.get_arguments().filter(|arg| has_meanings(arg));
    let sections = with_meanings.map(|arg| {
        let name = arg.get_value_names().and_then(|names| names.first());
        let lines = arg.get_possible_values().into_iter().map(|value| {
            let meaning = value.get_help().map(ToString::to_string).unwrap_or_default();
            format!("  {:11}  {meaning}\n", value.get_name())
        });
        section(name.map_or(arg.get_id().as_str(), |name| name), &lines.collect::<String>())
    });
    sections.collect::<Vec<_>>().join("\n")
}

fn has_meanings(arg: &Arg) -> bool {
    arg.get_possible_values().iter().any(|value| value.get_help().is_some())
}

#[cfg(test)]
mod tests {
    use super::super::examples::EXAMPLES;
    use super::*;
    use std::collections::BTreeSet;

    /// What a user sees on a terminal of 80 columns, without colours.
    fn help(name: &str) -> String {
        let mut cli = command().term_width(WIDTH);
        cli.build();
        let found =
            if name == "lake-shim" { Some(&mut cli) } else { cli.find_subcommand_mut(name) };
        found.expect(name).render_help().to_string()
    }

    fn names() -> BTreeSet<String> {
        Cli::command().get_subcommands().map(|command| command.get_name().to_owned()).collect()
    }

    #[test]
    fn the_definition_of_the_command_line_is_sound() {
        command().debug_assert();
    }

    #[test]
    fn every_command_is_in_one_group_and_every_entry_is_of_a_command() {
        let listed = GROUPS.iter().flat_map(|(_, names)| *names).filter(|name| **name != "help");
        let mut listed: Vec<_> = listed.map(ToString::to_string).collect();
        listed.sort();
        assert_eq!(listed, Vec::from_iter(names()));
        let has_flag = |id: &&str| Cli::command().get_arguments().any(|arg| arg.get_id() == *id);
        for (command, shown) in SETTINGS {
            assert!(names().contains(command) && shown.iter().all(has_flag), "{command}");
        }
        for (command, lines) in EXAMPLES {
            assert!(names().contains(command) || command == "lake-shim", "{command}");
            assert!(!lines.is_empty(), "{command}");
        }
    }

    #[test]
    fn examples_are_understood() {
        for (line, _) in EXAMPLES.iter().flat_map(|(_, lines)| *lines) {
            let line = line.trim_start_matches("eval \"$(").trim_end_matches(")\"");
            let words = line.split_whitespace().map(|word| word.trim_matches('\''));
            let words: Vec<_> = words.take_while(|word| !["|", ">", ">>"].contains(word)).collect();
            if words[0] == "lake-shim" {
                let parsed = command().try_get_matches_from(&words);
                assert!(parsed.is_ok(), "{line}: {}", parsed.expect_err("it is not"));
            }
        }
    }

    #[test]
    fn help_fits_eighty_columns_and_has_examples() {
        for name in names().iter().map(String::as_str).chain(["lake-shim"]) {
            let text = help(name);
            let has_example =
                text.contains(&format!("Examples:\n  {name}")) || text.contains("Examples:");
            assert!(has_example || name == "demo", "{text}");
            // A command that is too long alone cannot be broken.
            let is_bare = |line: &&str| {
                line.strip_prefix("  ")
                    .is_some_and(|line| line.starts_with("lake-shim ") && !line.contains("  "))
            };
            for line in text.lines().filter(|line| !is_bare(line)) {
                assert!(line.chars().count() <= WIDTH, "{name}: {line}");
            }
        }
    }

    #[test]
    fn a_command_shows_the_settings_that_it_is_about() {
        let (doctor, bake) = (help("doctor"), help("bake"));
        assert!(!doctor.contains("--leantar") && !bake.contains("--leantar"));
        assert!(bake.contains("--store <DIRS>") && bake.contains("Settings:"), "{bake}");
        assert!(help("lake-shim").contains("--leantar <FILE>"));
        // Hidden is not gone.
        let parsed = command().try_get_matches_from(["lake-shim", "doctor", "--jobs", "2"]);
        assert!(parsed.is_ok());
    }

    /// Completions for fish and zsh have it between quotes in which a shell expands things.
    #[test]
    fn what_values_mean_is_safe_in_a_shell() {
        for command in Cli::command().get_subcommands() {
            let values = command.get_arguments().flat_map(Arg::get_possible_values);
            for meaning in values.filter_map(|value| value.get_help().map(ToString::to_string)) {
                assert!(!meaning.contains(['`', '$', '"', '\'', '\\']), "{meaning}");
            }
        }
    }

    #[test]
    fn long_and_short_help_are_one() {
        for words in [&["lake-shim", "key", "--help"], &["lake-shim", "help", "key"]] {
            let printed = command().try_get_matches_from(words).expect_err("help");
            let short = command().try_get_matches_from(["lake-shim", "key", "-h"]);
            assert_eq!(printed.to_string(), short.expect_err("help").to_string());
        }
    }
}
