//! System calls that fail, and processes that are told to end at one.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Mutex;

use nix::errno::Errno;
use nix::sys::signal::Signal;
use shim_tests::preload::{Act, Strike};

use super::Fault;
use crate::form::Form;
use crate::operation::Operation;
use crate::scene::Scene;
use crate::verdict::{At, Expected, Struck};

/// Calls that look, that write, and that change names.
const LOOKING: &str = "open,read,stat,readlink,list,lock";
const WRITING: &str = "create,write,transfer,fsync,chmod,chown,times,resize";
const NAMING: &str = "rename,symlink,link,mkdir,unlink";
/// All of these.
const DISK: &str = "open,read,stat,readlink,list,lock,create,write,transfer,fsync,chmod,chown,times,resize,\
    rename,symlink,link,mkdir,unlink";
/// Those that take room.
const ROOM: &str = "create,write,transfer,rename,symlink,link,mkdir";

pub const SHIM: &str = "lake-shim";
const TOOLS: &str = "git,leantar";
const ALL: &str = "lake-shim,git,leantar";

/// A day in another decade. Seconds.
const TEN_YEARS: i32 = 315_360_000;

struct Injected {
    name: String,
    strike: Strike,
    expected: fn(&Scene, PathBuf) -> Expected,
    /// In the short form and in the long one.
    rounds: [u64; 2],
}

pub fn all() -> Vec<Box<dyn Fault>> {
    let dies = |name: &str, act, programs| {
        let death: fn(&Scene, PathBuf) -> Expected = |_, _| Expected::Death;
        Injected::new(name, DISK, programs, act, death).rounds(2, 200)
    };
    let fails = |name: &str, calls, errno| {
        Injected::new(name, calls, SHIM, Act::Errno(errno), failure).rounds(1, 60)
    };
    let nothing = |name: &str, calls, act| {
        let success: fn(&Scene, PathBuf) -> Expected = |_, _| Expected::Success;
        Injected::new(name, calls, ALL, act, success)
    };
    let stops = |name: &str, signal, expected| {
        Injected::new(name, DISK, SHIM, Act::Signal(signal), expected).rounds(1, 60)
    };
    vec![
        dies("SIGKILL to the shim, at a system call", Act::Signal(Signal::SIGKILL), SHIM),
        dies("SIGKILL to everybody, at a system call", Act::Group(Signal::SIGKILL), ALL),
        dies("SIGKILL to git or leantar, at a system call", Act::Signal(Signal::SIGKILL), TOOLS)
            .expecting(|_, _| Expected::Failure {
                at: vec![At::Words("leantar"), At::Words("git")],
                hint: false,
            }),
        stops("SIGTERM, at a system call", Signal::SIGTERM, |_, _| Expected::Stop(Signal::SIGTERM)),
        stops("SIGINT, at a system call", Signal::SIGINT, |_, _| Expected::Stop(Signal::SIGINT)),
        fails("EIO where it looks", LOOKING, Errno::EIO),
        fails("EIO where it writes", WRITING, Errno::EIO),
        fails("EIO where it changes names", NAMING, Errno::EIO),
        fails("EACCES where it looks", LOOKING, Errno::EACCES),
        fails("EACCES where it writes", WRITING, Errno::EACCES),
        fails("EACCES where it changes names", NAMING, Errno::EACCES),
        fails("ENOSPC from a system call on", ROOM, Errno::ENOSPC)
            .lasting()
            .expecting(anywhere)
            .rounds(2, u64::MAX),
        fails("ENOSPC to git and leantar from a system call on", ROOM, Errno::ENOSPC)
            .of(TOOLS)
            .lasting()
            .expecting(anywhere),
        fails("EROFS from a system call on", ROOM, Errno::EROFS).lasting().expecting(anywhere),
        fails("no more open files, from one on", "open,create,list,pipe", Errno::EMFILE)
            .lasting()
            .expecting(anywhere),
        fails("no more processes, from one on", "spawn", Errno::EAGAIN)
            .lasting()
            .expecting(anywhere),
        // A thread has no place.
        fails("no more threads, from one on", "thread", Errno::EAGAIN)
            .lasting()
            .expecting(|_, _| Expected::Failure { at: Vec::new(), hint: true }),
        nothing("EINTR", "open,read,write", Act::Errno(Errno::EINTR)).of(SHIM),
        nothing("half a write", "write", Act::Half),
        nothing("the clock leaps ahead", "clock", Act::Jump(TEN_YEARS)).lasting(),
        nothing("the clock leaps back", "clock", Act::Jump(-TEN_YEARS)).lasting(),
    ]
    .into_iter()
    .map(|fault| Box::new(fault) as Box<dyn Fault>)
    .collect()
}

fn failure(_: &Scene, path: PathBuf) -> Expected {
    // A tool is looked for in several places, which a message that it is nowhere does not list.
    let is_lookup = path.iter().any(|part| part == "toolchain" || part == "tools");
    let tools = if is_lookup { &["no real lake", "leantar", "`git`"][..] } else { &[] };
    let tools = tools.iter().map(|tool| At::Words(tool));
    Expected::Failure { at: tools.chain([At::Path(path)]).collect(), hint: true }
}

/// What is short is short everywhere, and the first that goes without may do without. Nor has to be
/// there what somebody looks for.
fn anywhere(scene: &Scene, _: PathBuf) -> Expected {
    let top = At::Below(scene.sandbox.path(""));
    Expected::Failure { at: vec![top, At::Words("`git`")], hint: true }
}

impl Injected {
    fn new(
        name: &str,
        calls: &'static str,
        programs: &'static str,
        act: Act,
        expected: fn(&Scene, PathBuf) -> Expected,
    ) -> Injected {
        let strike = Strike { calls, programs, at: 0, lasting: false, act };
        Injected { name: name.to_owned(), strike, expected, rounds: [1, 20] }
    }

    fn rounds(self, short: u64, long: u64) -> Injected {
        Injected { rounds: [short, long], ..self }
    }

    fn expecting(self, expected: fn(&Scene, PathBuf) -> Expected) -> Injected {
        Injected { expected, ..self }
    }

    fn lasting(mut self) -> Injected {
        self.strike.lasting = true;
        self
    }

    fn of(mut self, programs: &'static str) -> Injected {
        self.strike.programs = programs;
        self
    }
}

impl Fault for Injected {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn suits(&self, operation: &Operation) -> bool {
        !operation.is_stock || self.strike.programs == SHIM
    }

    /// As many as there are calls.
    fn ways(&self, scene: &Scene) -> Option<u64> {
        Some(count(scene, self.strike.calls, self.strike.programs))
    }

    fn rounds(&self, form: Form) -> u64 {
        self.rounds[form as usize]
    }

    fn strike(&self, scene: &Scene, way: u64) -> Struck {
        let strike = Strike { at: way + 1, ..self.strike.clone() };
        let (call, armed) = strike.arm(&scene.sandbox, scene.call());
        let run = crate::run_with_children(call);
        let struck = armed.struck();
        let path = struck.as_ref().map(|(_, path)| path.clone()).unwrap_or_default();
        let what = struck.map(|(kind, path)| format!("{kind} `{}`", path.display()));
        Struck::new(run, what, (self.expected)(scene, path))
    }
}

/// How many of these calls the scene's operation makes.
pub fn count(scene: &Scene, calls: &'static str, programs: &'static str) -> u64 {
    let key = (scene.operation.name, calls, programs);
    let known = COUNTED.lock().expect("no panic holds it").get(&key).copied();
    known.unwrap_or_else(|| {
        // What is done already takes fewer.
        scene.reset();
        let strike = Strike::count(calls, programs);
        let (call, armed) = strike.arm(&scene.sandbox, scene.call());
        call.run();
        scene.reset();
        COUNTED.lock().expect("no panic holds it").insert(key, armed.count());
        armed.count()
    })
}

type Counted = BTreeMap<(&'static str, &'static str, &'static str), u64>;

/// How many calls there are, by operation, calls and programs.
static COUNTED: Mutex<Counted> = Mutex::new(BTreeMap::new());
