//! Tools that are slow, that hang, that die, that lie and that are no tools.

use std::path::Path;
use std::thread;
use std::time::Duration;

use nix::sys::signal::Signal;
use shim_tests::Sandbox;

use super::Fault;
use crate::form::Form;
use crate::operation::{Operation, Tool};
use crate::scene::Scene;
use crate::verdict::{At, Expected, Struck};

/// Long enough that the tool has been started.
const UNTIL_IT_HANGS: Duration = Duration::from_millis(700);

/// What stands in the tool's place. `$REAL` is what was there.
struct Impostor {
    name: &'static str,
    put: Put,
    expected: Ends,
}

enum Put {
    Script(&'static str),
    Nothing,
    Directory,
    File(&'static [u8]),
}

#[derive(Clone, Copy)]
enum Ends {
    /// The tool has done its work, whatever it said.
    Well,
    Badly,
    /// Only when somebody ends it.
    Never,
}

const IMPOSTORS: [Impostor; 15] = [
    script("takes its time", "sleep 0.3; exec \"$REAL\" \"$@\"", Ends::Well),
    script(
        "talks nonsense",
        "case $1 in --version) ;; *) head -c 2000000 /dev/urandom; head -c 2000000 /dev/urandom >&2 ;; esac; exec \"$REAL\" \"$@\"",
        Ends::Well,
    ),
    script("says that it has done it, and has not", "exit 0", Ends::Badly),
    script("fails at once", "echo broken >&2; exit 1", Ends::Badly),
    script("fails with 101", "exit 101", Ends::Badly),
    script("fails with 255", "head -c 2000000 /dev/zero >&2; exit 255", Ends::Badly),
    script("dies of SIGSEGV", "kill -SEGV $$", Ends::Badly),
    script("dies of SIGTERM", "kill -TERM $$", Ends::Badly),
    script("hangs", "exec sleep 1000", Ends::Never),
    script("hangs and will not be ended", "trap '' TERM INT HUP; exec sleep 1000", Ends::Never),
    Impostor { name: "is not there", put: Put::Nothing, expected: Ends::Badly },
    Impostor { name: "is a directory", put: Put::Directory, expected: Ends::Badly },
    Impostor { name: "is empty", put: Put::File(b""), expected: Ends::Badly },
    Impostor { name: "is a text", put: Put::File(b"exit 0\n"), expected: Ends::Badly },
    Impostor { name: "is for another machine", put: Put::File(OTHER_ELF), expected: Ends::Badly },
];

/// The head of a program for SPARC.
const OTHER_ELF: &[u8] = b"\x7fELF\x02\x02\x01\0\0\0\0\0\0\0\0\0\0\x02\0\x2b\0\0\0\x01";

const fn script(name: &'static str, body: &'static str, expected: Ends) -> Impostor {
    Impostor { name, put: Put::Script(body), expected }
}

struct Broken(Tool);

pub fn all() -> Vec<Box<dyn Fault>> {
    vec![Box::new(Broken(Tool::Leantar)), Box::new(Broken(Tool::Lake))]
}

impl Fault for Broken {
    fn name(&self) -> String {
        match self.0 {
            Tool::Leantar => "a leantar that is slow, hangs, dies, lies or is none".to_owned(),
            Tool::Lake => "a lake that is slow, hangs, dies, lies or is none".to_owned(),
        }
    }

    fn suits(&self, operation: &Operation) -> bool {
        operation.tools.contains(&self.0)
    }

    fn ways(&self, _: &Scene) -> Option<u64> {
        Some(IMPOSTORS.len() as u64)
    }

    fn rounds(&self, form: Form) -> u64 {
        form.of(3, u64::MAX)
    }

    fn strike(&self, scene: &Scene, way: u64) -> Struck {
        let impostor = &IMPOSTORS[way as usize];
        let place = scene.sandbox.path("impostor");
        let (variable, real) = match self.0 {
            Tool::Leantar => ("LAKE_SHIM_LEANTAR", scene.sandbox.path("toolchain/bin/leantar")),
            Tool::Lake => ("LAKE_SHIM_LAKE", scene.sandbox.toolchain_bin().join("lake")),
        };
        impostor.put.at(&place, &scene.sandbox);
        let call = scene.call().env(variable, &place).env("REAL", real);
        let running = call.spawn();
        let group = running.pid();
        // Whose work is not what it says is known by the work.
        let store = At::In(scene.sandbox.path(scene.operation.store));
        let at = vec![At::Path(place.clone()), At::Words("leantar died on it"), store];
        let expected = match impostor.expected {
            Ends::Well => Expected::Success,
            // What a lake says it has done is taken for it; Lake's own builds come after.
            Ends::Badly if self.0 == Tool::Lake => Expected::Anyhow,
            Ends::Badly => Expected::Failure { at, hint: true },
            Ends::Never => {
                thread::sleep(UNTIL_IT_HANGS);
                running.signal(Signal::SIGTERM);
                Expected::Stop(Signal::SIGTERM)
            }
        };
        let run = running.wait();
        crate::wait_for_group(group);
        if place.exists() {
            scene.sandbox.remove(&place);
        }
        Struck::new(run, Some(format!("it {}", impostor.name)), expected)
    }
}

impl Put {
    fn at(&self, place: &Path, sandbox: &Sandbox) {
        match self {
            Put::Script(body) => drop(sandbox.script(place, body)),
            Put::Nothing => {}
            Put::Directory => drop(sandbox.mkdir(place)),
            Put::File(bytes) => drop(sandbox.write(place, bytes).chmod(place, 0o755)),
        }
    }
}
