//! The guard's variables for shells and editors that call Lake without the shim.

use super::Place;
use crate::report::data;
use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use serde_json::{Map, Value};
use std::process::ExitCode;

#[derive(Debug, Args)]
pub struct EnvArgs {
    /// Who is to read them
    #[arg(long, value_enum, default_value = "sh")]
    shell: Shell,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Shell {
    /// For eval in a POSIX shell
    Sh,
    /// For source in fish
    Fish,
    /// For the file that GITHUB_ENV names
    Github,
    /// One object
    Json,
}

impl Place {
    pub(super) fn env(&self, args: &EnvArgs) -> Result<ExitCode> {
        let workspace = self.workspace()?;
        let for_later = self.guard(&workspace).for_later();
        let mut variables = Vec::new();
        for (name, value) in &for_later {
            let text = name.to_str().zip(value.to_str());
            variables.push(text.with_context(|| {
                format!("the value of `{}` is not UTF-8: {}", name.display(), value.display())
            })?);
        }
        data(&args.shell.print(&variables))?;
        Ok(ExitCode::SUCCESS)
    }
}

impl Shell {
    fn print(self, variables: &[(&str, &str)]) -> String {
        let line = |(name, value): &(&str, &str)| match self {
            Self::Sh => format!("export {name}='{}'\n", value.replace('\'', "'\\''")),
            Self::Fish => {
                let value = value.replace('\\', "\\\\").replace('\'', "\\'");
                format!("set -gx {name} '{value}'\n")
            }
            // The long form takes any value that lacks its last line.
            Self::Github => {
                let mut end = "LAKE_SHIM_END".to_owned();
                while value.contains(&end) {
                    end.push('_');
                }
                format!("{name}<<{end}\n{value}\n{end}\n")
            }
            Self::Json => String::new(),
        };
        if let Self::Json = self {
            let entry = |(name, value): &(&str, &str)| ((*name).to_owned(), Value::from(*value));
            let object: Map<_, _> = variables.iter().map(entry).collect();
            return format!("{:#}\n", Value::Object(object));
        }
        variables.iter().map(line).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_reach_the_shell_whole() {
        let variables = [("A", r#"{"it's": "\n"}"#)];
        assert_eq!(Shell::Sh.print(&variables), "export A='{\"it'\\''s\": \"\\n\"}'\n");
        assert_eq!(Shell::Fish.print(&variables), "set -gx A '{\"it\\'s\": \"\\\\n\"}'\n");
        assert_eq!(Shell::Github.print(&[("A", "b")]), "A<<LAKE_SHIM_END\nb\nLAKE_SHIM_END\n");
        let hostile = "/a\nLAKE_SHIM_END\nPATH=/evil";
        let printed = Shell::Github.print(&[("A", hostile)]);
        assert_eq!(printed, format!("A<<LAKE_SHIM_END_\n{hostile}\nLAKE_SHIM_END_\n"));
        assert_eq!(Shell::Json.print(&[("A", "b")]), "{\n  \"A\": \"b\"\n}\n");
        assert_eq!(Shell::Sh.print(&[]), "");
    }
}
