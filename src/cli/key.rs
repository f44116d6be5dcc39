//! The command that names images and caches.

use super::Place;
use crate::error::hint;
use crate::key::{self, Build, ImageTag, Name};
use crate::report::data;
use crate::settings::var;
use crate::workspace::Workspace;
use anyhow::{Context, Result, anyhow, bail};
use clap::Args;
use fs_err as fs;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Where a Dockerfile is looked for in the workspace, the first one first.
const DOCKERFILES: [&str; 2] = ["Dockerfile", "ci/Dockerfile"];

#[derive(Debug, Args)]
pub struct KeyArgs {
    /// Keys to compute; none means all that the workspace has the files for
    #[arg(value_name = "NAME", value_enum)]
    names: Vec<Name>,
    /// Files for the key `files`, as globs relative to the current directory. A directory means
    /// all files in it, `**` any directories
    #[arg(long, value_name = "GLOB", num_args = 1..)]
    files: Vec<String>,
    /// What the image is built from [default: `Dockerfile` or `ci/Dockerfile` of the workspace]
    #[arg(long, value_name = "FILE", help_heading = "Image")]
    dockerfile: Option<PathBuf>,
    /// The build context [default: the workspace; with `--dockerfile`, the directory of that file]
    #[arg(long, value_name = "DIR", help_heading = "Image")]
    context: Option<PathBuf>,
    /// A build argument, as given to `docker build`. May be repeated
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair, help_heading = "Image")]
    build_arg: Vec<(String, String)>,
    /// Something else that the image depends on. May be repeated, in any order
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair, help_heading = "Image")]
    with: Vec<(String, String)>,
    #[command(flatten)]
    format: Format,
}

/// How keys are printed: `name=value` lines unless something else is asked for.
#[derive(Debug, Args)]
#[group(multiple = false)]
struct Format {
    /// Print the bare value of the one key that is asked for
    #[arg(long)]
    value: bool,
    /// Print one JSON object, name to value
    #[arg(long)]
    json: bool,
    /// Append to the file that `GITHUB_OUTPUT` names, as outputs of a workflow's step
    #[arg(long)]
    github_output: bool,
}

impl KeyArgs {
    /// Whether something is said of the image.
    fn is_about_image(&self) -> bool {
        let Self { dockerfile, context, build_arg, with, names: _, files: _, format: _ } = self;
        let is_named = dockerfile.is_some() || context.is_some();
        is_named || !build_arg.is_empty() || !with.is_empty()
    }

    /// The keys to compute, in the order in which they are printed.
    fn wanted(&self, has_dockerfile: bool) -> Result<BTreeSet<Name>> {
        let mut wanted: BTreeSet<Name> = self.names.iter().copied().collect();
        if self.names.is_empty() {
            wanted.extend([Name::Packages, Name::Build]);
            wanted.extend((has_dockerfile || self.is_about_image()).then_some(Name::ImageTag));
        }
        if !self.files.is_empty() {
            wanted.insert(Name::Files);
        }
        if wanted.contains(&Name::Files) && self.files.is_empty() {
            bail!(hint("`files` of which files?", "name them: `--files GLOB…`"));
        }
        if self.is_about_image() && !wanted.contains(&Name::ImageTag) {
            bail!(hint(
                "`--dockerfile`, `--context`, `--build-arg` and `--with` go into `image-tag`, which \
                 is not asked for",
                "add `image-tag`, or leave them out",
            ));
        }
        if self.format.value && wanted.len() != 1 {
            bail!(hint(
                format!("`--value` prints one key, and {} are asked for", wanted.len()),
                "name one: `lake-shim key image-tag --value`",
            ));
        }
        Ok(wanted)
    }
}

impl Place {
    pub(super) fn key(&self, args: &KeyArgs) -> Result<ExitCode> {
        let workspace = self.workspace()?;
        let dockerfile = match &args.dockerfile {
            Some(file) => Some(self.cwd.join(file)),
            None => {
                DOCKERFILES.map(|file| workspace.root.join(file)).into_iter().find(|f| f.is_file())
            }
        };
        let mut keys = Vec::new();
        for name in args.wanted(dockerfile.is_some())? {
            let value = match name {
                Name::ImageTag => self.image_tag(&workspace, dockerfile.as_deref(), args)?,
                Name::Packages => key::packages(&workspace)?,
                Name::Build => key::build(&workspace)?,
                Name::Files => key::files(&workspace, &self.cwd, &args.files)?,
            };
            keys.push((name.text(), value));
        }
        self.print(&keys, &args.format)?;
        Ok(ExitCode::SUCCESS)
    }

    fn image_tag(
        &self,
        workspace: &Workspace,
        dockerfile: Option<&Path>,
        args: &KeyArgs,
    ) -> Result<String> {
        let root = workspace.root.display();
        let dockerfile = dockerfile.with_context(|| {
            let places = DOCKERFILES.map(|file| format!("`{file}`")).join(" or ");
            hint(format!("no {places} in `{root}`"), "name one with `--dockerfile FILE`")
        })?;
        let context = match &args.context {
            Some(dir) => self.cwd.join(dir).components().collect(),
            // `ci/Dockerfile` is found because of where it lies, and takes files from all over.
            None if args.dockerfile.is_none() => workspace.root.clone(),
            None => dockerfile.parent().unwrap_or(Path::new("/")).to_owned(),
        };
        if !context.is_dir() {
            bail!(hint(
                format!("there is no build context at `{}`", context.display()),
                "name a directory with `--context DIR`",
            ));
        }
        let dockerfile = dockerfile.to_owned();
        let build = Build { dockerfile, context, args: unique("--build-arg", &args.build_arg)? };
        let ImageTag { tag, fleeting } =
            key::image_tag(workspace, &build, &unique("--with", &args.with)?)?;
        for directory in fleeting {
            self.report.warn(&anyhow!(hint(
                format!(
                    "the image takes `{directory}`, so its tag is another one in every checkout"
                ),
                "leave it out with a line of `.dockerignore`",
            )));
        }
        Ok(tag)
    }

    fn print(&self, keys: &[(&str, String)], format: &Format) -> Result<()> {
        let Format { value, json, github_output } = format;
        let lines: String = keys.iter().map(|(name, value)| format!("{name}={value}\n")).collect();
        if *github_output {
            append_outputs(self.env.github_output.as_deref(), &lines)?;
            self.report.info(lines.trim_end());
        } else if *json {
            let entry =
                |(name, value): &(&str, String)| ((*name).to_owned(), value.as_str().into());
            let object: Map<String, Value> = keys.iter().map(entry).collect();
            data(&format!("{}\n", Value::Object(object)))?;
        } else if *value {
            let values: String = keys.iter().map(|(_, value)| format!("{value}\n")).collect();
            data(&values)?;
        } else {
            data(&lines)?;
        }
        Ok(())
    }
}

/// Adds lines to the file behind `GITHUB_OUTPUT`. (Keys have no line breaks, so they need none of its
/// here-documents.)
fn append_outputs(file: Option<&Path>, lines: &str) -> Result<()> {
    let file = file.with_context(|| {
        hint(
            format!("`{}` is not set, so there is nowhere to append to", var::GITHUB_OUTPUT),
            "it is set in steps of a GitHub workflow; elsewhere leave `--github-output` out",
        )
    })?;
    let mut output = fs::OpenOptions::new().create(true).append(true).open(file)?;
    Ok(output.write_all(lines.as_bytes())?)
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("it has to be `NAME=VALUE`".to_owned()),
    }
}

/// By name. Of two values for one name, none is the right one.
fn unique(flag: &str, pairs: &[(String, String)]) -> Result<BTreeMap<String, String>> {
    let mut unique = BTreeMap::new();
    for (name, value) in pairs {
        if unique.insert(name.clone(), value.clone()).is_some() {
            bail!(hint(
                format!("`{flag}` has more than one value for `{name}`"),
                "give every name once",
            ));
        }
    }
    Ok(unique)
}
