//! What Lake is asked to do, read off its command line.
//!
//! Options are parsed exactly as Lake parses them (`Lake/Util/Cli.lean`, `Lake/CLI/Main.lean`),
//! oddities included: `-dDIR`, `-d=DIR` and `"-d DIR"` are one option, short options do not
//! bundle, and `--flag=x` leaves `x` behind as the next argument. An option we do not know makes
//! the command none of our business, since it may take the argument that we would take for a verb.

use crate::workspace::Location;
use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// A parsed command line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Invocation {
    /// Of `+toolchain`, which is elan's and comes first.
    pub toolchain: Option<OsString>,
    pub location: Location,
    pub command: Command,
}

/// What a command means to us.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Command {
    /// Nothing. It goes to the real lake untouched, and so does everything we do not understand.
    #[default]
    Other,
    /// It loads the workspace, so the packages have to be in place.
    Load {
        /// Whether build files may be restored first. Not for `serve`, `setup-file` (an editor
        /// waits), `update` (they are about to change), and what builds nothing.
        may_restore: bool,
    },
    /// `lake clean` without a package: of the workspace's packages, every one's build goes.
    CleanAll,
    /// `lake exe cache …`, mathlib's tool, if the workspace is on mathlib.
    MathlibCache(CacheRequest),
    /// `lake cache get`, Lake's own, for the workspace as it is.
    LakeCacheGet,
}

/// A run of mathlib's cache tool that a store can answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheRequest {
    pub verb: CacheVerb,
    /// Module names or `.lean` paths; none means all of mathlib.
    pub modules: Vec<String>,
    pub skip_proofwidgets: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CacheVerb {
    /// `get`: download what is missing, unpack what is not up to date.
    Get,
    /// `get!`: download and unpack everything.
    GetForce,
    /// `get-`: download only.
    GetOnly,
    /// `unpack`.
    Unpack,
    /// `unpack!`: unpack even what is up to date.
    UnpackForce,
}

impl Invocation {
    /// Reads the arguments after `argv[0]`.
    pub fn parse(args: &[OsString]) -> Self {
        let mut parser = Parser { args: args.iter().cloned().collect(), ..Parser::default() };
        let command = parser.command().unwrap_or_default();
        let Parser { toolchain, mut location, .. } = parser;
        match command {
            Command::Other => location = Location::default(),
            Command::MathlibCache(_) => location.search_above = true,
            Command::Load { .. } | Command::CleanAll | Command::LakeCacheGet => {}
        }
        Self { toolchain, location, command }
    }
}

#[derive(Default)]
struct Parser {
    args: VecDeque<OsString>,
    toolchain: Option<OsString>,
    location: Location,
    /// Whether an option says what Lake's own cache is asked for.
    has_cache_option: bool,
}

/// Nothing stands for [`Command::Other`].
type Parse<T> = Option<T>;

impl Parser {
    fn command(&mut self) -> Parse<Command> {
        if let Some(toolchain) = self.args.front().and_then(|arg| arg.as_bytes().strip_prefix(b"+"))
        {
            self.toolchain = Some(OsStr::from_bytes(toolchain).to_owned());
            self.args.pop_front();
        }
        self.leading_options()?;
        let verb = self.args.pop_front()?;
        self.leading_options()?;
        match verb.to_str()? {
            "exe" | "exec" => self.exe(),
            "cache" => self.lake_cache(),
            // These take a command of their own; what follows is not Lake's.
            "env" | "run" => Some(Command::Load { may_restore: true }),
            "script" | "scripts" => {
                self.args.pop_front();
                self.leading_options()?;
                Some(Command::Load { may_restore: true })
            }
            "build" | "check-build" | "query" | "query-kind" | "test" | "check-test" | "lint"
            | "check-lint" | "lean" | "resolve-deps" => {
                self.all_options()?;
                Some(Command::Load { may_restore: true })
            }
            "serve" | "setup-file" | "pack" | "unpack" | "upload" | "shake" => {
                self.all_options()?;
                Some(Command::Load { may_restore: false })
            }
            "clean" => {
                let packages = self.all_options()?;
                Some(match packages {
                    0 => Command::CleanAll,
                    _ => Command::Load { may_restore: false },
                })
            }
            "update" | "upgrade" => {
                self.all_options()?;
                self.location.updates = true;
                Some(Command::Load { may_restore: false })
            }
            _ => None,
        }
    }

    fn exe(&mut self) -> Parse<Command> {
        let spec = self.args.pop_front()?;
        let is_cache = matches!(spec.to_str(), Some("cache" | "mathlib/cache" | "@mathlib/cache"));
        let request = is_cache.then(|| CacheRequest::parse(&self.args)).flatten();
        Some(request.map_or(Command::Load { may_restore: true }, Command::MathlibCache))
    }

    fn lake_cache(&mut self) -> Parse<Command> {
        let command = self.args.pop_front()?;
        self.leading_options()?;
        let arguments = self.all_options()?;
        match command.to_str()? {
            "get" if arguments == 0 && !self.has_cache_option => Some(Command::LakeCacheGet),
            "get" | "put" | "add" => Some(Command::Load { may_restore: false }),
            _ => None,
        }
    }

    /// Options up to the first argument that is none. Empty arguments are skipped.
    fn leading_options(&mut self) -> Parse<()> {
        while let Some(arg) = self.args.front() {
            if !arg.is_empty() && !is_option(arg) {
                break;
            }
            let arg = self.args.pop_front()?;
            if !arg.is_empty() {
                self.option(arg)?;
            }
        }
        Some(())
    }

    /// Every option, wherever it stands; `--` ends them. How many arguments there are besides.
    fn all_options(&mut self) -> Parse<usize> {
        let mut arguments = 0;
        while let Some(arg) = self.args.pop_front() {
            if is_option(&arg) {
                self.option(arg)?;
            } else {
                arguments += usize::from(!arg.is_empty());
            }
        }
        Some(arguments)
    }

    fn option(&mut self, option: OsString) -> Parse<()> {
        match option.as_bytes() {
            [b'-', b'-', ..] => {
                let name = self.split_long(&option);
                self.long_option(name.to_str()?)
            }
            [b'-', short] => self.short_option(*short),
            [b'-', short, b'=', value @ ..] => {
                self.args.push_front(OsStr::from_bytes(value).to_owned());
                self.short_option(*short)
            }
            [b'-', short, b' ', value @ ..] => {
                self.args.push_front(OsStr::from_bytes(value.trim_ascii_start()).to_owned());
                self.short_option(*short)
            }
            [b'-', short, value @ ..] => {
                self.args.push_front(OsStr::from_bytes(value).to_owned());
                self.short_option(*short)
            }
            _ => None,
        }
    }

    /// `--name=value`, `"--name value"`: what follows the name becomes the next argument.
    fn split_long(&mut self, option: &OsStr) -> OsString {
        let mut name = option.as_bytes();
        for separator in [b'=', b' '] {
            if let Some(at) = name.iter().position(|&b| b == separator) {
                self.args.push_front(OsStr::from_bytes(&name[at + 1..]).to_owned());
                name = &name[..at];
            }
        }
        OsString::from_vec(name.to_vec())
    }

    fn short_option(&mut self, option: u8) -> Parse<()> {
        match option {
            b'd' => self.location.dir = Some(self.args.pop_front()?),
            b'f' => self.location.file = Some(self.args.pop_front()?),
            b'K' | b'o' => drop(self.args.pop_front()?),
            b'U' => self.location.updates = true,
            b'q' | b'v' | b'R' | b'H' | b'J' => {}
            _ => return None, // `-h` too: help touches no workspace
        }
        Some(())
    }

    fn long_option(&mut self, option: &str) -> Parse<()> {
        match option {
            "--dir" => self.location.dir = Some(self.args.pop_front()?),
            "--file" => self.location.file = Some(self.args.pop_front()?),
            "--packages" => {
                let file = self.args.pop_front()?;
                self.location.overrides.push(file);
            }
            "--log-level" | "--fail-level" | "--max-revs" => drop(self.args.pop_front()?),
            "--scope" | "--repo" | "--platform" | "--toolchain" | "--rev" | "--service" => {
                self.has_cache_option = true;
                self.args.pop_front()?;
            }
            "--mappings-only" | "--download-arts" | "--force-download" => {
                self.has_cache_option = true;
            }
            "--update" => self.location.updates = true,
            "--quiet" | "--verbose" | "--keep-toolchain" | "--reconfigure" | "--old" | "--text"
            | "--json" | "--no-build" | "--no-cache" | "--try-cache" | "--rehash" | "--offline"
            | "--wfail" | "--iofail" | "--ansi" | "--no-ansi" | "--allow-empty" | "--summary" => {}
            "--" => self.args.clear(),
            _ => return None,
        }
        Some(())
    }
}

/// Lake's test: a dash and something behind it.
fn is_option(arg: &OsStr) -> bool {
    arg.len() > 1 && arg.as_bytes().starts_with(b"-")
}

impl CacheRequest {
    /// Reads what follows `cache`: options, which the tool takes anywhere, a verb, its arguments.
    /// Nothing when the store has no answer to it, or when the tool would refuse it.
    fn parse(args: &VecDeque<OsString>) -> Option<Self> {
        let mut skip_proofwidgets = false;
        let mut words = Vec::new();
        for arg in args {
            match arg.to_str()? {
                "--skip-proofwidgets" => skip_proofwidgets = true,
                option if option.starts_with("--repo=") => {}
                option if option.starts_with('-') => return None,
                word => words.push(word.to_owned()),
            }
        }
        let (verb, modules) = words.split_first()?;
        let verb = match verb.as_str() {
            "get" => CacheVerb::Get,
            "get!" => CacheVerb::GetForce,
            "get-" => CacheVerb::GetOnly,
            "unpack" if modules.is_empty() => CacheVerb::Unpack,
            "unpack!" if modules.is_empty() => CacheVerb::UnpackForce,
            _ => return None,
        };
        Some(Self { verb, modules: modules.to_vec(), skip_proofwidgets })
    }
}

#[cfg(test)]
#[path = "invocation_tests.rs"]
mod tests;
