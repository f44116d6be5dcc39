//! What others do to the disk in the middle of a run: it stands still at a system call, and goes on over changed
//! ground.

use std::fs::{File, FileTimes};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use fs_err as fs;
use shim_tests::Tree;
use shim_tests::preload::{Act, Strike};

use super::Fault;
use crate::form::Form;
use crate::operation::{Ends, Operation, Tool};
use crate::scene::Scene;
use crate::verdict::{At, Expected, Found, Kind, Struck};

/// The calls between which something may happen.
const CALLS: &str = "open,read,stat,readlink,list,create,rename,symlink,mkdir,unlink";

/// Undoes a disturbance, and says what the run has done to what was there meanwhile.
type Undo = Box<dyn FnOnce() -> Vec<Found>>;

struct Meanwhile {
    name: &'static str,
    ground: Ground,
    suits: fn(&Operation) -> bool,
    /// Nothing when there is nothing to disturb yet.
    disturb: fn(&Scene, way: u64) -> Option<Undo>,
}

/// What changes.
#[derive(Clone, Copy)]
enum Ground {
    Packages,
    Store,
    /// What the store has to say of itself. One that says nothing is as good as none, and a build is Lake's then.
    Answer,
}

impl Meanwhile {
    const fn packages(name: &'static str, disturb: fn(&Scene, u64) -> Option<Undo>) -> Meanwhile {
        Meanwhile { name, ground: Ground::Packages, suits: |_| true, disturb }
    }

    const fn store(
        name: &'static str,
        suits: fn(&Operation) -> bool,
        disturb: fn(&Scene, u64) -> Option<Undo>,
    ) -> Meanwhile {
        Meanwhile { name, ground: Ground::Store, suits, disturb }
    }

    const fn answer(
        name: &'static str,
        suits: fn(&Operation) -> bool,
        disturb: fn(&Scene, u64) -> Option<Undo>,
    ) -> Meanwhile {
        Meanwhile { ground: Ground::Answer, ..Meanwhile::store(name, suits, disturb) }
    }
}

pub fn all() -> Vec<Box<dyn Fault>> {
    let any: fn(&Operation) -> bool = |operation| operation.store != "shared";
    let has_ltars: fn(&Operation) -> bool = |operation| operation.reads_ltars;
    let has_index: fn(&Operation) -> bool = |operation| operation.store == "baked";
    [
        Meanwhile::packages("a package that is moved away meanwhile", |scene, way| {
            Aside::put(scene, &package(scene, way)?, |_| {})
        }),
        Meanwhile::packages("a package that becomes an empty directory meanwhile", |scene, way| {
            Aside::put(scene, &package(scene, way)?, |path| drop(fs::create_dir(path)))
        }),
        Meanwhile::packages("a package that becomes a file meanwhile", |scene, way| {
            Aside::put(scene, &package(scene, way)?, |path| drop(fs::write(path, "no package")))
        }),
        Meanwhile::packages("builds that are moved away meanwhile", |scene, way| {
            Aside::put(scene, &package(scene, way)?.join(".lake"), |_| {})
        }),
        Meanwhile::store("a cache file that goes meanwhile", has_ltars, |scene, way| {
            Aside::put(scene, &file_of(scene, way, ".ltar")?, |_| {})
        }),
        Meanwhile::store("a cache file that becomes another meanwhile", has_ltars, |scene, way| {
            let other = fs::read(file_of(scene, way + 1, ".ltar")?).ok()?;
            Aside::put(scene, &file_of(scene, way, ".ltar")?, |path| drop(fs::write(path, &other)))
        }),
        Meanwhile::store("a cache file that is cut short meanwhile", has_ltars, |scene, way| {
            cut(&file_of(scene, way, ".ltar")?)
        }),
        Meanwhile::store("a shard that goes meanwhile", has_index, |scene, way| {
            Aside::put(scene, &file_of(scene, way, ".tar.zst")?, |_| {})
        }),
        Meanwhile::store("a shard that is cut short meanwhile", has_index, |scene, way| {
            cut(&file_of(scene, way, ".tar.zst")?)
        }),
        Meanwhile::answer("an index that goes meanwhile", has_index, |scene, way| {
            Aside::put(scene, &file_of(scene, way, "index.json")?, |_| {})
        }),
        Meanwhile::answer("an index that becomes another meanwhile", has_index, |scene, way| {
            let other = r#"{"schema": 1, "locks": {}, "ltars": {}, "packs": []}"#;
            let index = file_of(scene, way, "index.json")?;
            Aside::put(scene, &index, |path| drop(fs::write(path, other)))
        }),
        Meanwhile::store("an index that is cut short meanwhile", has_index, |scene, way| {
            cut(&file_of(scene, way, "index.json")?)
        }),
        Meanwhile::answer("a store that is moved away meanwhile", any, |scene, _| {
            Aside::put(scene, &store(scene), |_| {})
        }),
    ]
    .into_iter()
    .map(|fault| Box::new(fault) as Box<dyn Fault>)
    .collect()
}

impl Fault for Meanwhile {
    fn name(&self) -> String {
        self.name.to_owned()
    }

    fn suits(&self, operation: &Operation) -> bool {
        (self.suits)(operation)
    }

    fn ways(&self, scene: &Scene) -> Option<u64> {
        Some(super::injected::count(scene, CALLS, "lake-shim"))
    }

    fn rounds(&self, form: Form) -> u64 {
        form.of(1, 40)
    }

    fn strike(&self, scene: &Scene, way: u64) -> Struck {
        let programs = "lake-shim";
        let stop = Strike { calls: CALLS, programs, at: way + 1, lasting: false, act: Act::Stop };
        let (call, armed) = stop.arm(&scene.sandbox, scene.call());
        let mut running = call.spawn();
        let group = running.pid();
        while armed.struck().is_none() && !running.has_ended() {
            std::thread::sleep(std::time::Duration::from_micros(200));
        }
        let struck = armed.struck();
        let undo = struck.as_ref().and_then(|_| (self.disturb)(scene, way));
        armed.resume();
        let run = running.wait();
        crate::wait_for_group(group);
        let what = struck.filter(|_| undo.is_some());
        let what = what.map(|(kind, path)| format!("before {kind} `{}`", path.display()));
        // What is where the disturbance was is looked at before it is undone, and all else after.
        let found = undo.map(|undo| undo()).unwrap_or_default();
        let expected = match self.ground {
            Ground::Packages => Expected::Anyhow,
            Ground::Answer if scene.operation.ends == Ends::Build => Expected::Anyhow,
            _ if scene.operation.obeys_index => Expected::Anyhow,
            Ground::Store | Ground::Answer => {
                // What a store does not have has no path there.
                let mut at = vec![At::In(store(scene)), At::Words("in no store")];
                if matches!(self.ground, Ground::Answer) {
                    at.push(At::In(scene.sandbox.path(scene.operation.packages[0])));
                }
                Expected::Failure { at, hint: true }
            }
        };
        Struck { found, ..Struck::new(run, what, expected) }
    }
}

/// One of the packages that are there now.
fn package(scene: &Scene, way: u64) -> Option<PathBuf> {
    let dirs = scene.operation.packages.iter().map(|dir| scene.sandbox.path(dir));
    let names = ["mathlib", "batteries", "extra"];
    let all = dirs.flat_map(|dir| names.map(|name| dir.join(name)));
    let store = store(scene);
    let is_fit = |package: &PathBuf| {
        fs::canonicalize(package).is_ok_and(|real| real.is_dir() && !real.starts_with(&store))
    };
    let there: Vec<_> = all.filter(is_fit).collect();
    there.get(way as usize % there.len().max(1)).cloned()
}

/// One of the store's files that end so.
fn file_of(scene: &Scene, way: u64, suffix: &str) -> Option<PathBuf> {
    let files = Tree::of(store(scene)).files().into_keys();
    let files: Vec<_> = files.filter(|path| path.to_string_lossy().ends_with(suffix)).collect();
    Some(store(scene).join(files.get(way as usize % files.len().max(1))?))
}

fn store(scene: &Scene) -> PathBuf {
    scene.sandbox.path(scene.operation.store)
}

/// Something that was put aside, and what took its place.
struct Aside {
    place: PathBuf,
    kept: PathBuf,
    parent_time: SystemTime,
    substitute: Tree,
    is_package: bool,
    tools: &'static [Tool],
}

impl Aside {
    fn put(scene: &Scene, place: &Path, substitute: impl FnOnce(&Path)) -> Option<Undo> {
        let parent_time = fs::metadata(place.parent()?).ok()?.modified().ok()?;
        let kept = scene.sandbox.path("aside");
        let is_package = place.join(".git").exists();
        fs::rename(place, &kept).ok()?;
        substitute(place);
        let substitute = Tree::of(place);
        let place = place.to_owned();
        let tools = scene.operation.tools;
        let aside = Aside { place, kept, parent_time, substitute, is_package, tools };
        Some(Box::new(move || aside.undo()))
    }

    fn undo(self) -> Vec<Found> {
        let place = self.place.display();
        let mut found = Vec::new();
        let changes = self.substitute.content_changes_to(&Tree::of(&self.place));
        // Lake may, for it is what Lake takes for a broken clone.
        let is_lakes = self.is_package && self.tools.contains(&Tool::Lake);
        // An empty directory is in Lake's way, and nothing is lost with it.
        let is_loss = |change: &&String| !change.starts_with('+') && change.as_str() != "- ";
        if let Some(change) = changes.iter().find(|change| is_loss(change) && !is_lakes) {
            found.push(Found::new(Kind::Lost, format!("what others put at `{place}`: {change}")));
        }
        let is_none = self.substitute.entries().is_empty();
        if self.is_package && is_none && self.place.exists() && !self.place.join(".git").exists() {
            let what = format!("`{place}` was moved away, and what is there now is no clone");
            found.push(Found::new(Kind::HalfPublished, what));
        }
        let _ = fs::remove_file(&self.place).or_else(|_| fs::remove_dir_all(&self.place));
        let parent = self.place.parent().expect("it was in a directory");
        fs::create_dir_all(parent).expect("it was there");
        fs::rename(&self.kept, &self.place).expect("it was put aside");
        set_time(parent, self.parent_time);
        found
    }
}

/// Cuts a file to half its length where it is: whoever reads it reads on in the same file.
fn cut(file: &Path) -> Option<Undo> {
    let (bytes, time) = (fs::read(file).ok()?, fs::metadata(file).ok()?.modified().ok()?);
    let file = file.to_owned();
    File::options().write(true).open(&file).ok()?.set_len(bytes.len() as u64 / 2).ok()?;
    let half = bytes[..bytes.len() / 2].to_vec();
    Some(Box::new(move || {
        let is_kept = fs::read(&file).is_ok_and(|now| now == half);
        fs::write(&file, bytes).expect("it was there");
        set_time(&file, time);
        let lost = Found::new(Kind::Lost, format!("`{}` was changed", file.display()));
        if is_kept { Vec::new() } else { vec![lost] }
    }))
}

fn set_time(path: &Path, time: SystemTime) {
    let times = FileTimes::new().set_modified(time);
    File::open(path).and_then(|file| file.set_times(times)).expect("its time can be set");
}
