//! The command line, read as Lake reads it.
//!
//! Options are parsed as Lake parses them (`Lake/Util/Cli.lean`, `Lake/CLI/Main.lean`), oddities included:
//! `-dDIR`, `-d=DIR` and `"-d DIR"` are one option, short options do not bundle, and `--flag=x` leaves `x`
//! behind as the next argument. A verb or an option that is not known here is one of a newer Lake: nothing is
//! restored for it, and the packages are protected as for `build`.

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
    /// `true` if package overrides have an effect: not on what resolves, or asks git about the packages.
    pub takes_overrides: bool,
}

/// A command, as far as it matters to us.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Command {
    /// Loads no workspace: `lake`, `new`, `init`, `help`, `self-check`, `--help`, `--version`.
    #[default]
    Other,
    /// May load the workspace. Its packages are linked and protected, and nothing else is done.
    Guarded,
    /// Loads the workspace with its dependencies, so that a missing manifest is written if a store has the
    /// lock.
    Load {
        /// `true` if build files are restored first. Not for `serve`, `setup-file` (an editor waits),
        /// and what builds nothing.
        restore: bool,
    },
    /// `lake update`.
    Update,
    /// `lake clean` without a package: removes the build of every package.
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
    /// An option that may change what is wanted.
    pub unknown_option: Option<String>,
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
        // An option without its value is Lake's to complain of.
        let verb = parser.verb().unwrap_or_default();
        let command = match parser.command(&verb).unwrap_or(Command::Guarded) {
            Command::Update if parser.has_unknown => Command::Update,
            // Behind an option of a newer Lake the verb may not be where we looked.
            _ if parser.has_unknown && args.iter().any(|arg| arg == "clean") => Command::CleanAll,
            _ if parser.has_unknown => Command::Guarded,
            // Behind an unknown verb, `--help` may be an option of a program that Lake runs.
            Command::Guarded => Command::Guarded,
            _ if parser.wants_help => Command::Other,
            command => command,
        };
        let Parser { toolchain, mut location, has_unknown, .. } = parser;
        const UPDATES: [&str; 4] = ["update", "upgrade", "-U", "--update"];
        location.updates |=
            has_unknown && args.iter().any(|arg| UPDATES.iter().any(|update| arg == *update));
        match command {
            Command::Other => location = Location::default(),
            Command::MathlibCache(_) => location.search_above = true,
            _ => {}
        }
        const WITHOUT_OVERRIDES: [&str; 5] =
            ["update", "upgrade", "resolve-deps", "upload", "cache"];
        let takes_overrides = command != Command::Other
            && !location.updates
            && !WITHOUT_OVERRIDES.iter().any(|without| verb == *without);
        Self { toolchain, location, command, takes_overrides }
    }
}

#[derive(Default)]
struct Parser {
    args: VecDeque<OsString>,
    toolchain: Option<OsString>,
    location: Location,
    /// An option says what Lake's own cache is asked for.
    has_cache_option: bool,
    has_unknown: bool,
    wants_help: bool,
}

/// `None` if an option lacks its value.
type Parse<T> = Option<T>;

impl Parser {
    /// The verb; empty if there is none.
    fn verb(&mut self) -> Parse<OsString> {
        if let Some(toolchain) = self.args.front().and_then(|arg| arg.as_bytes().strip_prefix(b"+"))
        {
            self.toolchain = Some(OsStr::from_bytes(toolchain).to_owned());
            self.args.pop_front();
        }
        self.leading_options()?;
        Some(self.args.pop_front().unwrap_or_default())
    }

    fn command(&mut self, verb: &OsStr) -> Parse<Command> {
        self.leading_options()?;
        Some(match verb.to_str()? {
            "" | "new" | "init" | "help" | "self-check" => Command::Other,
            "exe" | "exec" => return self.exe(),
            "cache" => return self.lake_cache(),
            // These take a command of their own; what follows is not Lake's.
            "env" | "run" => Command::Load { restore: true },
            "script" | "scripts" => {
                self.args.pop_front();
                self.leading_options()?;
                Command::Load { restore: true }
            }
            "build" | "check-build" | "query" | "query-kind" | "test" | "check-test" | "lint"
            | "check-lint" | "lean" | "resolve-deps" => {
                self.all_options()?;
                Command::Load { restore: true }
            }
            "serve" | "setup-file" | "pack" | "unpack" | "upload" | "shake" => {
                self.all_options()?;
                Command::Load { restore: false }
            }
            "clean" => match self.all_options()? {
                0 => Command::CleanAll,
                _ => Command::Load { restore: false },
            },
            "update" | "upgrade" => {
                self.all_options()?;
                self.location.updates = true;
                Command::Update
            }
            _ => {
                self.all_options()?;
                Command::Guarded
            }
        })
    }

    fn exe(&mut self) -> Parse<Command> {
        let spec = self.args.pop_front()?;
        let is_cache = matches!(spec.to_str(), Some("cache" | "mathlib/cache" | "@mathlib/cache"));
        let request = is_cache.then(|| CacheRequest::parse(&self.args)).flatten();
        Some(request.map_or(Command::Load { restore: true }, Command::MathlibCache))
    }

    fn lake_cache(&mut self) -> Parse<Command> {
        let command = self.args.pop_front()?;
        self.leading_options()?;
        let arguments = self.all_options()?;
        Some(match command.to_str()? {
            "get" if arguments == 0 && !self.has_cache_option => Command::LakeCacheGet,
            "help" => Command::Other,
            _ => Command::Guarded,
        })
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

    /// Reads every option, wherever it stands; `--` ends them. Returns the number of other arguments.
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
                self.long_option(name.to_str().unwrap_or_default())
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
            _ => Some(()),
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
            b'h' => self.wants_help = true,
            _ => self.has_unknown = true,
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
            "--help" | "--version" => self.wants_help = true,
            "--" => self.args.clear(),
            _ => self.has_unknown = true,
        }
        Some(())
    }
}

/// Lake's test: a dash and something behind it.
fn is_option(arg: &OsStr) -> bool {
    arg.len() > 1 && arg.as_bytes().starts_with(b"-")
}

/// Options with a value that say where the cache tool downloads from or uploads to, not which modules.
const DOWNLOAD_OPTIONS: [&str; 6] =
    ["repo", "staging-dir", "cache-from", "container", "scope", "unsafe-window"];

impl CacheRequest {
    /// Reads what follows `cache`: options, which the tool takes anywhere, a verb, its arguments.
    /// `None` if the store has no answer to it, or if the tool would refuse it.
    fn parse(args: &VecDeque<OsString>) -> Option<Self> {
        let (mut skip_proofwidgets, mut unknown_option) = (false, None);
        let mut words = Vec::new();
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            let arg = arg.to_str()?;
            let Some(option) = arg.strip_prefix("--") else {
                match arg.starts_with('-') {
                    true => unknown_option = Some(arg.to_owned()),
                    false => words.push(arg.to_owned()),
                }
                continue;
            };
            match option.split_once('=') {
                Some((name, _)) if DOWNLOAD_OPTIONS.contains(&name) => {}
                None if DOWNLOAD_OPTIONS.contains(&option) => drop(args.next()),
                None if option == "unsafe" => {}
                None if option == "skip-proofwidgets" => skip_proofwidgets = true,
                None if option == "help" => return None,
                _ => unknown_option = Some(arg.to_owned()),
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
        Some(Self { verb, modules: modules.to_vec(), skip_proofwidgets, unknown_option })
    }
}

#[cfg(test)]
#[path = "invocation_tests.rs"]
mod tests;
