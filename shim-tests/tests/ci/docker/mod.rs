//! Building `ci/Dockerfile` without Docker: no engine runs on the machines that these tests run on. Every
//! instruction is carried out, each `RUN` in a root of its own with the network of a sandbox behind it.
//!
//! It knows what `ci/Dockerfile` uses and fails on anything else. What it cannot show: that the base image
//! has what it is taken to have (here the host's `/usr` stands for it), and that real servers answer.

pub mod recipe;
pub mod root;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use recipe::{Instruction, Line, expand};
use root::{Outside, Root, Setting};
use shim_tests::{Run, Sandbox};

/// What `FROM` of a name that is no stage begins with.
pub struct Base {
    pub root: PathBuf,
    pub path: String,
}

/// What `docker build` is given.
pub struct Build<'a> {
    pub sandbox: &'a Sandbox,
    pub base: Base,
    pub context: PathBuf,
    pub args: BTreeMap<String, String>,
    pub outside: Outside,
}

/// The last stage, or one on its way there.
#[derive(Clone)]
pub struct Image {
    pub root: Root,
    pub setting: Setting,
    /// Known between `ARG` and the end of the stage.
    args: BTreeMap<String, String>,
}

impl Build<'_> {
    /// # Errors
    /// Names the line. A `RUN` that fails is one, with all it printed.
    pub fn build(&self, dockerfile: &str) -> Result<Image> {
        let (mut stages, mut global) = (BTreeMap::<String, Image>::new(), BTreeMap::new());
        let mut current: Option<(Option<String>, Image)> = None;
        for Line { number, instruction } in recipe::parse(dockerfile)? {
            let place = || format!("Dockerfile:{number}");
            match (&mut current, instruction) {
                (None, Instruction::Arg { name, default }) => {
                    let value = self.args.get(&name).cloned().or(default).with_context(place)?;
                    global.insert(name, value);
                }
                (_, Instruction::From { image, name }) => {
                    let image = expand(&image, &global).with_context(place)?;
                    if let Some((Some(name), image)) = current.take() {
                        stages.insert(name, image);
                    }
                    let image = stages.get(&image).cloned().unwrap_or_else(|| self.scratch());
                    current = Some((name, Image { args: BTreeMap::new(), ..image }));
                }
                (Some((_, image)), instruction) => {
                    self.step(image, &stages, number, instruction).with_context(place)?;
                }
                (None, _) => bail!("{}: before any `FROM`", place()),
            }
        }
        current.map(|(_, image)| image).context("no `FROM`")
    }

    fn scratch(&self) -> Image {
        let env = [("PATH", self.base.path.as_str()), ("HOME", "/root")];
        let env = env.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let setting = Setting { env, user: "0:0".to_owned(), workdir: "/".to_owned() };
        let root = Root { layers: vec![self.base.root.clone()] };
        Image { root, setting, args: BTreeMap::new() }
    }

    fn step(
        &self,
        image: &mut Image,
        stages: &BTreeMap<String, Image>,
        number: usize,
        instruction: Instruction,
    ) -> Result<()> {
        let mut values = image.args.clone();
        values.extend(image.setting.env.clone());
        let expand = |text: &str| expand(text, &values);
        match instruction {
            Instruction::Arg { name, default } => {
                let value = self.args.get(&name).cloned().or(default);
                image.args.insert(name, value.context("an `ARG` without a value")?);
            }
            Instruction::Env(pairs) => {
                for (name, value) in pairs {
                    image.setting.env.insert(name, expand(&value)?);
                }
            }
            Instruction::User(user) => {
                let user = expand(&user)?;
                image.setting.env.insert("HOME".to_owned(), home_of(image, &user)?);
                image.setting.user = user;
            }
            Instruction::Workdir(dir) => {
                image.setting.workdir = expand(&dir)?;
                let dir = image.setting.workdir.clone();
                self.as_root(image, number, &["mkdir", "-p", &dir], &Outside::default())?;
            }
            Instruction::Run(script) => {
                let mut outside = self.outside.clone();
                // An `ENV` hides an `ARG` of its name.
                let args =
                    image.args.iter().filter(|(name, _)| !image.setting.env.contains_key(*name));
                outside.env.extend(args.map(|(name, value)| (name.clone(), value.clone())));
                let setting = image.setting.clone();
                self.layer(image, number, &setting, &outside, &["/bin/sh", "-c", &script])?;
            }
            Instruction::Copy { from, sources, destination } => {
                let from = match &from {
                    Some(stage) => Some(stages.get(stage).context("no such stage")?),
                    None => None,
                };
                let sources = sources.iter().map(|s| expand(s)).collect::<Result<Vec<_>>>()?;
                self.copy(image, number, from, &sources, &expand(&destination)?)?;
            }
            Instruction::From { .. } => bail!("`FROM` begins a stage"),
        }
        Ok(())
    }

    /// What is copied is root's, with its mode and new times, as with BuildKit. A directory's contents are
    /// copied, not itself.
    fn copy(
        &self,
        image: &mut Image,
        number: usize,
        from: Option<&Image>,
        sources: &[String],
        destination: &str,
    ) -> Result<()> {
        let mut files = Vec::new();
        for source in sources {
            match from {
                Some(stage) => files.push(stage.root.find(source).context(source.clone())?),
                None => files.extend(matches(&self.context, source)?),
            }
        }
        if files.len() > 1 && !destination.ends_with('/') {
            bail!("several files, and `{destination}` is no directory");
        }
        let layers = from.map(|stage| stage.root.layers.clone()).unwrap_or_default();
        if let [directory] = files.as_slice()
            && directory.is_dir()
        {
            // Of one layer only: a directory that is merged from several would lose some of it.
            let holders = layers.iter().filter(|layer| {
                layer.join(sources[0].trim_start_matches('/')).symlink_metadata().is_ok()
            });
            if holders.count() > 1 {
                bail!("`{}` is in several layers of its stage", sources[0]);
            }
        }
        for file in files {
            let target = match file.is_dir() {
                true => destination.trim_end_matches('/').to_owned(),
                false => match destination.ends_with('/') {
                    true => format!("{destination}{}", file_name(&file)),
                    false => destination.to_owned(),
                },
            };
            let target = match target.strip_prefix("./") {
                Some(rest) => format!("{}/{rest}", image.setting.workdir),
                None => target,
            };
            let outside = Outside {
                binds: vec![(file.parent().unwrap_or(&file).to_owned(), "/mnt".to_owned())],
                ..Outside::default()
            };
            let source = format!("/mnt/{}", file_name(&file));
            let script = "mkdir -p \"$(dirname \"$2\")\" && cp -R --no-target-directory \
                          --preserve=mode,links \"$1\" \"$2\"";
            self.as_root(image, number, &["sh", "-c", script, "copy", &source, &target], &outside)?;
        }
        Ok(())
    }

    fn as_root(
        &self,
        image: &mut Image,
        number: usize,
        program: &[&str],
        outside: &Outside,
    ) -> Result<()> {
        let env = BTreeMap::from([("PATH".to_owned(), "/usr/sbin:/usr/bin".to_owned())]);
        let setting = Setting { env, user: "0:0".to_owned(), workdir: "/".to_owned() };
        self.layer(image, number, &setting, outside, program)
    }

    /// Runs a program, and adds what it wrote to the image.
    fn layer(
        &self,
        image: &mut Image,
        number: usize,
        setting: &Setting,
        outside: &Outside,
        program: &[&str],
    ) -> Result<()> {
        let layers = image.root.layers.len();
        let upper = (0..).map(|n| self.sandbox.path(format!("image/{number}.{layers}.{n}")));
        let upper = upper.into_iter().find(|dir| !dir.exists()).context("no free name")?;
        let run = image.root.run(self.sandbox, &upper, setting, outside, program);
        if run.code != Some(0) {
            bail!("{run}");
        }
        image.root.layers.push(upper);
        Ok(())
    }
}

/// A container of an image: what is written in it stays until it is dropped with its sandbox.
pub struct Container<'a> {
    pub sandbox: &'a Sandbox,
    pub image: &'a Image,
    pub upper: PathBuf,
    pub outside: Outside,
}

impl Container<'_> {
    /// As the image's user, where the image says.
    #[track_caller]
    pub fn run(&self, program: &[&str]) -> Run {
        self.image.root.run(self.sandbox, &self.upper, &self.image.setting, &self.outside, program)
    }

    #[track_caller]
    pub fn run_as(&self, user: &str, workdir: &str, program: &[&str]) -> Run {
        let mut setting = self.image.setting.clone();
        setting.env.insert("HOME".into(), home_of(self.image, user).expect("a user of the image"));
        setting.user = user.to_owned();
        setting.workdir = workdir.to_owned();
        self.image.root.run(self.sandbox, &self.upper, &setting, &self.outside, program)
    }
}

/// Docker takes HOME from the image's own `/etc/passwd`.
fn home_of(image: &Image, user: &str) -> Result<String> {
    let passwd = image.root.find("/etc/passwd").context("no /etc/passwd")?;
    let id = user.split(':').next().unwrap_or(user);
    let text = std::fs::read_to_string(passwd)?;
    let mut entries = text.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let entry = entries.find(|fields| fields.len() == 7 && (fields[0] == id || fields[2] == id));
    Ok(entry.with_context(|| format!("no user `{user}`"))?[5].to_owned())
}

/// Files of the context that a source names; `*` stands for any part of a last component.
fn matches(context: &Path, source: &str) -> Result<Vec<PathBuf>> {
    let path = context.join(source.trim_start_matches('/'));
    let pattern = file_name(&path);
    let Some((begin, end)) = pattern.split_once('*') else {
        path.symlink_metadata().with_context(|| format!("`{source}` is not in the context"))?;
        return Ok(vec![path]);
    };
    let dir = path.parent().unwrap_or(context).read_dir()?;
    let mut files: Vec<_> = dir.flatten().map(|entry| entry.path()).collect();
    files.retain(|file| {
        let name = file_name(file);
        name.len() >= begin.len() + end.len() && name.starts_with(begin) && name.ends_with(end)
    });
    files.sort();
    if files.is_empty() {
        bail!("`{source}` matches nothing in the context");
    }
    Ok(files)
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
