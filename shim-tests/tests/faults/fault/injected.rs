//! System calls that fail, and processes that die at one.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Mutex;

use nix::errno::Errno;
use nix::sys::signal::Signal;
use shim_tests::preload::{Act, Strike};

use super::Fault;
use crate::scene::Scene;
use crate::verdict::{Expected, Struck};

/// Everything that is done to the disk.
const ALL_CALLS: &str = "open,create,read,write,rename,symlink,link,mkdir,fsync,unlink,chmod,chown,stat,readlink,list,\
    lock,times,resize";
/// Everything that takes room.
const ROOM: &str = "create,write,rename,symlink,link,mkdir";

const SHIM: &str = "lake-shim";
const WITH_TOOLS: &str = "lake-shim,git,leantar,fake-leantar";

struct Injected {
    name: String,
    strike: Strike,
    expected: fn(PathBuf) -> Expected,
}

pub fn all() -> Vec<Box<dyn Fault>> {
    let mut all = vec![
        Injected::signal("SIGKILL to the shim at a call", Act::Signal(Signal::SIGKILL), SHIM),
        Injected::signal("SIGKILL to all at a call", Act::Group(Signal::SIGKILL), WITH_TOOLS),
    ];
    for calls in ALL_CALLS.split(',') {
        for errno in [Errno::EIO, Errno::EACCES] {
            all.push(Injected::errno(errno, calls, false));
        }
    }
    all.push(Injected::errno(Errno::ENOSPC, ROOM, true));
    all.into_iter().map(|fault| Box::new(fault) as Box<dyn Fault>).collect()
}

impl Injected {
    fn signal(name: &str, act: Act, programs: &'static str) -> Injected {
        let strike = Strike { calls: ALL_CALLS, programs, at: 0, lasting: false, act };
        Injected { name: name.to_owned(), strike, expected: |_| Expected::Death }
    }

    fn errno(errno: Errno, calls: &'static str, lasting: bool) -> Injected {
        let when = if lasting { "from a call on" } else { "at a call" };
        let kinds = if lasting { String::new() } else { format!(" of {calls}") };
        Injected {
            name: format!("{errno:?}{kinds} {when}"),
            strike: Strike { calls, programs: SHIM, at: 0, lasting, act: Act::Errno(errno) },
            expected: |path| Expected::Failure { at: vec![path], hint: true },
        }
    }
}

impl Fault for Injected {
    fn name(&self) -> String {
        self.name.clone()
    }

    /// As many as there are calls.
    fn ways(&self, scene: &Scene) -> u64 {
        let key = (scene.operation.name, self.strike.calls, self.strike.programs);
        if let Some(&count) = COUNTED.lock().expect("no panic holds it").get(&key) {
            return count;
        }
        let count = Strike::count(self.strike.calls, self.strike.programs);
        let (call, armed) = count.arm(&scene.sandbox, scene.call());
        call.run();
        scene.reset();
        let count = armed.count();
        COUNTED.lock().expect("no panic holds it").insert(key, count);
        count
    }

    fn strike(&self, scene: &Scene, way: u64) -> Struck {
        let strike = Strike { at: way + 1, ..self.strike.clone() };
        let (call, armed) = strike.arm(&scene.sandbox, scene.call());
        let running = call.spawn();
        let group = running.pid();
        let run = running.wait();
        crate::wait_for_group(group);
        let struck = armed.struck();
        Struck {
            run,
            expected: match &struck {
                Some((_, path)) => (self.expected)(path.clone()),
                None => Expected::Success,
            },
            what: struck.map(|(kind, path)| format!("{kind} `{}`", path.display())),
            mend: Box::new(|| {}),
        }
    }
}

type Counted = BTreeMap<(&'static str, &'static str, &'static str), u64>;

/// How many calls there are, by operation, calls and programs.
static COUNTED: Mutex<Counted> = Mutex::new(BTreeMap::new());
