//! What a Dockerfile takes from its build context: the sources of `COPY` and `ADD`, and what `RUN`
//! mounts.
//!
//! Every stage counts, whichever one is built. A stage's variables are followed from `ARG` and `ENV`
//! as far as the Dockerfile tells them, stages built on other stages and their `ONBUILD` triggers
//! included. Variables that Docker sets by platform (`TARGETARCH`) have a value only when it is
//! given as a build argument, as Docker allows: one tag is not to mean another context on another
//! machine.

use super::Fault;
use super::lines::{Dockerfile, Instruction, is_heredoc};
use super::words::{Unknown, Value, Variables, expand, split};
use crate::key::glob::has_wildcard;
use std::collections::BTreeMap;

/// What one instruction takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// Where the instruction begins.
    pub line: usize,
    /// `COPY`, `ADD` or `RUN --mount`.
    pub by: &'static str,
    pub sources: Vec<Source>,
    /// `--exclude`, relative to each directory that is taken.
    pub exclude: Vec<String>,
}

/// One source, relative to the context.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    pub path: String,
    pub has_wildcard: bool,
    /// With `--parents`: what is taken of the directory `path`.
    pub below: Option<String>,
}

/// One stage, as far as its instructions were read.
#[derive(Default)]
struct Stage {
    variables: Variables,
    triggers: Vec<Instruction>,
}

/// Bytes of variables, instructions and sources that a Dockerfile may have us keep. Triggers and
/// stages on stages copy them, so that a few kilobytes could ask for any amount.
const ROOM: usize = 64 << 20;
/// Bytes that each takes besides its text.
const ITEM: usize = 64;

struct Reader<'a> {
    escape: char,
    build_args: &'a BTreeMap<String, String>,
    /// `ARG` before the first `FROM`.
    global: Variables,
    stages: Vec<Stage>,
    /// Which stage was last called so, in lower case.
    names: BTreeMap<String, usize>,
    taken: Vec<Taken>,
    /// What is left of [`ROOM`].
    room: usize,
}

/// Reads what `dockerfile` takes from the context when it is built with `build_args`.
///
/// # Errors
/// A source that the Dockerfile does not tell.
pub fn taken(
    dockerfile: &Dockerfile,
    build_args: &BTreeMap<String, String>,
) -> Result<Vec<Taken>, Fault> {
    let Dockerfile { escape, instructions } = dockerfile;
    let mut reader = Reader {
        escape: *escape,
        build_args,
        global: Variables::new(),
        stages: Vec::new(),
        names: BTreeMap::new(),
        taken: Vec::new(),
        room: ROOM,
    };
    for instruction in instructions {
        reader.read(instruction)?;
    }
    if reader.stages.is_empty() {
        return Err(Fault::new(1, "there is no `FROM`".to_owned()));
    }
    Ok(reader.taken)
}

impl Reader<'_> {
    fn read(&mut self, instruction: &Instruction) -> Result<(), Fault> {
        self.keep(instruction.line, [instruction.arguments.len()])?;
        match instruction.name.as_str() {
            "FROM" => self.from(instruction)?,
            "ARG" => self.arg(instruction)?,
            "ENV" => self.env(instruction)?,
            "COPY" => self.copy(instruction, "COPY")?,
            "ADD" => self.copy(instruction, "ADD")?,
            "RUN" => self.run(instruction)?,
            "ONBUILD" => {
                let trigger = instruction.trigger(self.escape).ok_or_else(|| {
                    let what = format!("`ONBUILD {}` is no trigger", instruction.arguments);
                    Fault::new(instruction.line, what)
                })?;
                if let Some(stage) = self.stages.last_mut() {
                    stage.triggers.push(trigger);
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// `FROM base [AS name]`. A base that is a stage hands on its variables, and its triggers act.
    fn from(&mut self, instruction: &Instruction) -> Result<(), Fault> {
        let words: Vec<_> = instruction.arguments.split_whitespace().collect();
        let base = words.first().and_then(|base| expand(base, self.escape, &self.global).ok());
        let base = base.and_then(|base| self.names.get(&base.to_ascii_lowercase()));
        let base = base.map(|&base| &self.stages[base]);
        let variables = base.map(|base| base.variables.clone()).unwrap_or_default();
        let triggers = base.map(|base| base.triggers.clone()).unwrap_or_default();
        self.keep(instruction.line, variables.iter().map(|(name, value)| size(name, value)))?;
        if let [_, keyword, name] = words.as_slice()
            && keyword.eq_ignore_ascii_case("as")
        {
            self.names.insert(name.to_ascii_lowercase(), self.stages.len());
        }
        self.stages.push(Stage { variables, triggers: Vec::new() });
        triggers.iter().try_for_each(|trigger| self.read(trigger))
    }

    /// `ARG name[=default] …`
    fn arg(&mut self, instruction: &Instruction) -> Result<(), Fault> {
        for word in split(&instruction.arguments, self.escape) {
            let (name, default) = match word.split_once('=') {
                Some((name, default)) => (name, Some(default)),
                None => (word.as_str(), None),
            };
            let given = self.build_args.get(name).cloned().map(Ok);
            let default = || default.map(|default| expand(default, self.escape, self.variables()));
            let inherited = || self.global.get(name).cloned();
            if let Some(value) = given.or_else(default).or_else(inherited) {
                self.keep(instruction.line, [size(name, &value)])?;
                let name = name.to_owned();
                self.variables_mut().insert(name, value);
            }
        }
        Ok(())
    }

    /// `ENV name=value …` or `ENV name value`. All of one instruction see what was before it.
    fn env(&mut self, instruction: &Instruction) -> Result<(), Fault> {
        let words = split(&instruction.arguments, self.escape);
        let pairs: Vec<(&str, &str)> = if words.first().is_some_and(|word| !word.contains('=')) {
            instruction.arguments.split_once(char::is_whitespace).into_iter().collect()
        } else {
            words.iter().filter_map(|word| word.split_once('=')).collect()
        };
        let before = self.variables();
        let mut room = self.room;
        let mut set = Vec::new();
        for (name, value) in pairs {
            let Ok(name) = expand(name, self.escape, before) else { continue };
            let value = expand(value.trim_start(), self.escape, before);
            room = room
                .checked_sub(ITEM + size(&name, &value))
                .ok_or_else(|| full(instruction.line))?;
            set.push((name, value));
        }
        self.room = room;
        self.variables_mut().extend(set);
        Ok(())
    }

    fn copy(&mut self, instruction: &Instruction, by: &'static str) -> Result<(), Fault> {
        // Another stage, an image or a context that is named on the command line: not this one.
        if instruction.flag("from").is_some_and(|from| !from.is_empty()) {
            return Ok(());
        }
        let mut list = instruction.list();
        if list.pop().is_none() || list.is_empty() {
            return Err(Fault::new(instruction.line, format!("`{by}` needs a source and a place")));
        }
        let is_json = instruction.json().is_some();
        list.retain(|word| is_json || !is_heredoc(word));
        let has_parents = instruction.flag("parents").is_some_and(|value| value != "false");
        let mut sources = Vec::new();
        for word in &list {
            if by == "ADD" && is_remote(word) {
                continue;
            }
            let path = self.known(instruction, word)?;
            match is_remote(&path) {
                true if by == "ADD" => {}
                true => {
                    let what = format!("`COPY {path}` is a URL, which only `ADD` takes");
                    return Err(Fault::new(instruction.line, what));
                }
                false => sources.push(Source::of(&path, has_parents)),
            }
        }
        let exclude = instruction.flag_values("exclude").map(str::to_owned).collect();
        self.take(Taken { line: instruction.line, by, sources, exclude });
        Ok(())
    }

    /// `--mount=type=bind,source=…`, which is what a mount is unless it says otherwise.
    fn run(&mut self, instruction: &Instruction) -> Result<(), Fault> {
        let mut sources = Vec::new();
        for mount in instruction.flag_values("mount") {
            let fields = csv(mount);
            let field = |names: &[&str]| {
                let is_it = |name: &str| names.iter().any(|it| name.eq_ignore_ascii_case(it));
                let pairs = fields.iter().filter_map(|field| field.split_once('='));
                pairs.rev().find(|(name, _)| is_it(name)).map(|(_, value)| value)
            };
            let kind = field(&["type"]).unwrap_or("bind");
            let from = field(&["from"]).unwrap_or_default();
            if from.is_empty() && self.known(instruction, kind)?.eq_ignore_ascii_case("bind") {
                let path = field(&["source", "src"]).unwrap_or_default();
                let path = self.known(instruction, path)?;
                // A mount has no wildcards.
                sources.push(Source { path, has_wildcard: false, below: None });
            }
        }
        let (by, exclude) = ("RUN --mount", Vec::new());
        self.take(Taken { line: instruction.line, by, sources, exclude });
        Ok(())
    }

    fn take(&mut self, taken: Taken) {
        if !taken.sources.is_empty() {
            self.taken.push(taken);
        }
    }

    /// Takes room for as many items as there are `sizes`.
    fn keep(&mut self, line: usize, sizes: impl IntoIterator<Item = usize>) -> Result<(), Fault> {
        let size = sizes.into_iter().fold(0, |all: usize, size| all.saturating_add(ITEM + size));
        self.room = self.room.checked_sub(size).ok_or_else(|| full(line))?;
        Ok(())
    }

    /// The value of a word that we have to know.
    fn known(&mut self, instruction: &Instruction, word: &str) -> Result<String, Fault> {
        let value = expand(word, self.escape, self.variables());
        let value = value.map_err(|Unknown { what, hint }| {
            let what = format!("`{}` takes `{word}`, but {what}", instruction.name);
            Fault { line: instruction.line, what, hint }
        })?;
        self.keep(instruction.line, [value.len()])?;
        Ok(value)
    }

    fn variables(&self) -> &Variables {
        self.stages.last().map_or(&self.global, |stage| &stage.variables)
    }

    fn variables_mut(&mut self) -> &mut Variables {
        self.stages.last_mut().map_or(&mut self.global, |stage| &mut stage.variables)
    }
}

/// Bytes of a variable.
fn size(name: &str, value: &Value) -> usize {
    name.len() + value.as_ref().map_or_else(|unknown| unknown.what.len(), String::len)
}

fn full(line: usize) -> Fault {
    let what = format!("with it the Dockerfile takes more than {} MiB of memory", ROOM >> 20);
    Fault::new(line, what)
}

impl Source {
    /// With `--parents` what is before `/./` stays behind, and the rest is looked for in there.
    fn of(path: &str, has_parents: bool) -> Self {
        let (path, below) = match path.split_once("/./") {
            _ if !has_parents => (path, None),
            Some((path, below)) => (path, Some(below)),
            None => ("", Some(path)),
        };
        let has_wildcard = has_wildcard(path);
        Self { path: path.to_owned(), has_wildcard, below: below.map(str::to_owned) }
    }
}

/// Whether `ADD` fetches it: a URL, or a git repository in ssh's spelling.
fn is_remote(source: &str) -> bool {
    let is_user = |user: &str| {
        !user.is_empty() && user.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c))
    };
    let is_host = |host: &str| {
        !host.is_empty() && host.chars().all(|c| c.is_ascii_alphanumeric() || "-.".contains(c))
    };
    let is_scp = || {
        let (user, rest) = source.split_once('@')?;
        let (host, _) = rest.split_once(':')?;
        Some(is_user(user) && is_host(host))
    };
    let lower = source.to_ascii_lowercase();
    ["http://", "https://", "git://", "ssh://"].iter().any(|scheme| lower.starts_with(scheme))
        || is_scp() == Some(true)
}

/// The fields of one line of CSV.
fn csv(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut is_quoted = false;
    for c in line.chars() {
        match (c, fields.last_mut()) {
            ('"', _) => is_quoted = !is_quoted,
            (',', _) if !is_quoted => fields.push(String::new()),
            (c, Some(field)) => field.push(c),
            (_, None) => {}
        }
    }
    fields
}
