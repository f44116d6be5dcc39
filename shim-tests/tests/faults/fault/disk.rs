//! Disks that are full, of bytes or of files, and disks that nobody may write to.

use std::collections::BTreeMap;
use std::sync::Mutex;

use nix::sys::statvfs::statvfs;
use shim_tests::{NOBODY, Run, Tmpfs, Tree};

use super::Fault;
use crate::form::Form;
use crate::operation::Operation;
use crate::scene::Scene;
use crate::verdict::{At, Expected, Found, Kind, Struck};

/// Room for anything.
const AMPLE: &str = "size=256m,nr_inodes=100k";
/// Bytes of a page, which is what a tmpfs counts in.
const PAGE: u64 = 4096;

/// A real disk with room for so much and no more, from nothing to enough.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Full {
    Bytes,
    Files,
}

/// A disk that is mounted read-only.
enum ReadOnly {
    Store,
    Disk,
}

pub fn all() -> Vec<Box<dyn Fault>> {
    vec![
        Box::new(Full::Bytes),
        Box::new(Full::Files),
        Box::new(ReadOnly::Store),
        Box::new(ReadOnly::Disk),
        Box::new(Foreign),
    ]
}

impl Full {
    /// Puts the directory that the operation fills on a disk of its own.
    fn mount(scene: &Scene) -> Tmpfs {
        let disk = scene.operation.disk;
        let mounted = Tmpfs::mount_with(scene.sandbox.path(disk), AMPLE);
        if scene.sandbox.path(Scene::START).join(disk).exists() {
            scene.sandbox.copy(format!("{}/{disk}", Scene::START), disk);
        }
        mounted
    }

    /// Pages or files in use.
    fn used(self, scene: &Scene) -> u64 {
        let stat = statvfs(&scene.sandbox.path(scene.operation.disk)).expect("it is mounted");
        match self {
            Full::Bytes => stat.blocks() - stat.blocks_free(),
            Full::Files => stat.files() - stat.files_free(),
        }
    }

    fn options(self, most: u64) -> String {
        match self {
            // None at all would be no limit.
            Full::Bytes => format!("size={}", most.max(1) * PAGE),
            Full::Files => format!("nr_inodes={most}"),
        }
    }
}

impl Fault for Full {
    fn name(&self) -> String {
        let what = match self {
            Full::Bytes => "bytes",
            Full::Files => "files",
        };
        format!("a disk that is full of {what}")
    }

    /// What it needs, and half as much again for what it needs meanwhile: page by page, file by file.
    fn ways(&self, scene: &Scene) -> Option<u64> {
        let key = (scene.operation.name, *self);
        let known = NEEDED.lock().expect("no panic holds it").get(&key).copied();
        Some(known.unwrap_or_else(|| {
            let _disk = Full::mount(scene);
            let before = self.used(scene);
            scene.call().run();
            let needed = self.used(scene).saturating_sub(before);
            NEEDED.lock().expect("no panic holds it").insert(key, needed * 3 / 2 + 2);
            needed * 3 / 2 + 2
        }))
    }

    fn rounds(&self, form: Form) -> u64 {
        form.of(1, 100)
    }

    fn strike(&self, scene: &Scene, way: u64) -> Struck {
        let disk = Full::mount(scene);
        disk.limit(&self.options(self.used(scene) + way));
        let run = crate::run_with_children(scene.call());
        let is_met = run.code != Some(0) || says_full(&run);
        let what = is_met.then(|| format!("room for {way} more"));
        let at = vec![At::In(scene.sandbox.path(scene.operation.disk))];
        let struck = Struck::new(run, what, Expected::Failure { at, hint: true });
        disk.limit(AMPLE);
        Struck { guard: Box::new(disk), ..struck }
    }
}

fn says_full(run: &Run) -> bool {
    run.stderr.contains("No space left") || run.stderr.contains("disk was full")
}

/// A workspace of somebody's, and a store of root's that he may read, or may not.
struct Foreign;

/// Shell commands that make it so, on `store`; the first changes nothing.
const RIGHTS: [&str; 4] = [
    "true",
    "chmod -R go-w store",
    "chmod 700 store",
    "find -L store -type f -exec chmod 600 {} +",
];

impl Fault for Foreign {
    fn name(&self) -> String {
        "a store of root's for another user".to_owned()
    }

    fn suits(&self, operation: &Operation) -> bool {
        operation.disk == "app" && !operation.is_stock
    }

    fn ways(&self, _: &Scene) -> Option<u64> {
        Some(RIGHTS.len() as u64)
    }

    fn rounds(&self, form: Form) -> u64 {
        form.of(2, u64::MAX)
    }

    fn strike(&self, scene: &Scene, way: u64) -> Struck {
        let (sandbox, store) = (&scene.sandbox, scene.operation.store);
        sandbox.rename(store, "roots").copy("roots", store).chown("app", NOBODY);
        let script = RIGHTS[way as usize].replace("store", store);
        scene.shell(&script);
        let before = Tree::of(sandbox.path(store));
        let run = crate::run_with_children(scene.call().as_user(NOBODY));
        let changes = before.changes_to(&Tree::of(sandbox.path(store)));
        let found = changes.into_iter().map(|change| Found::new(Kind::Lost, change)).collect();
        sandbox.remove(store).rename("roots", store).chown("app", 0);
        let expected = match way {
            0 | 1 => Expected::Success,
            _ => {
                let store = sandbox.path(store);
                // Who may not look into a store cannot know whether it has one.
                let index = store.join("lake-shim/index.json");
                Expected::Failure { at: vec![At::In(store), At::Path(index)], hint: true }
            }
        };
        Struck { found, ..Struck::new(run, Some(script), expected) }
    }
}

type Needed = BTreeMap<(&'static str, Full), u64>;

static NEEDED: Mutex<Needed> = Mutex::new(BTreeMap::new());

impl Fault for ReadOnly {
    fn name(&self) -> String {
        match self {
            ReadOnly::Store => "a read-only store".to_owned(),
            ReadOnly::Disk => "a read-only disk".to_owned(),
        }
    }

    fn ways(&self, _: &Scene) -> Option<u64> {
        Some(1)
    }

    fn strike(&self, scene: &Scene, _: u64) -> Struck {
        let dir = match self {
            ReadOnly::Store => scene.operation.store,
            ReadOnly::Disk => scene.operation.disk,
        };
        let dir = scene.sandbox.path(dir);
        let mounted = Tmpfs::read_only(&dir);
        let run = crate::run_with_children(scene.call());
        drop(mounted);
        let expected = match self {
            ReadOnly::Store => Expected::Success,
            ReadOnly::Disk => Expected::Failure { at: vec![At::In(dir)], hint: true },
        };
        Struck::new(run, Some("mounted read-only".to_owned()), expected)
    }
}
