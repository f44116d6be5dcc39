//! Workspaces in places that nobody thought of.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};

use super::Fault;
use crate::form::Form;
use crate::scene::Scene;
use crate::verdict::{At, Expected, Struck};

/// The longest name.
const NAME_MAX: usize = 255;

struct OddName;

/// A directory so deep that a path gets too long somewhere.
struct Deep;

pub fn all() -> Vec<Box<dyn Fault>> {
    vec![Box::new(OddName), Box::new(Deep)]
}

fn names() -> Vec<Vec<u8>> {
    vec![
        b"with spaces ".to_vec(),
        b"new\nline\r".to_vec(),
        b"quotes ' \" ` $(exit 1) \\".to_vec(),
        vec![b'l'; NAME_MAX],
        b"-d".to_vec(),
        b"colon:comma,semicolon;{}[]*?".to_vec(),
        "ünïcödé 数学".as_bytes().to_vec(),
        b"\x1b[31mred\x07".to_vec(),
        b"\xff\xfe not UTF-8".to_vec(), // the last: some operations do without
    ]
}

impl Fault for OddName {
    fn name(&self) -> String {
        "a workspace with an odd name".to_owned()
    }

    fn ways(&self, scene: &Scene) -> Option<u64> {
        // Lean's strings are UTF-8, and so is what the stock tool can say to leantar.
        let is_sayable = |name: &Vec<u8>| !scene.operation.is_stock || str::from_utf8(name).is_ok();
        Some(names().iter().filter(|name| is_sayable(name)).count() as u64)
    }

    fn rounds(&self, form: Form) -> u64 {
        form.of(2, u64::MAX)
    }

    fn strike(&self, scene: &Scene, way: u64) -> Struck {
        let name = OsString::from_vec(names()[way as usize].clone());
        let what = format!("in {name:?}");
        struck_in(scene, &Path::new("odd").join(name), what, Expected::Success)
    }
}

impl Fault for Deep {
    fn name(&self) -> String {
        "a workspace at a very long path".to_owned()
    }

    /// From where everything fits to where not even the workspace does.
    fn ways(&self, _: &Scene) -> Option<u64> {
        Some(1200)
    }

    fn rounds(&self, form: Form) -> u64 {
        form.of(2, 60)
    }

    fn strike(&self, scene: &Scene, way: u64) -> Struck {
        let length = 2880 + way as usize;
        let mut path = PathBuf::from("odd");
        let top = scene.sandbox.path("").as_os_str().len();
        while let missing @ 1.. = length.saturating_sub(top + path.as_os_str().len()) {
            path.push("d".repeat(missing.min(200)));
        }
        let what = format!("at a path of {length} bytes");
        let at = vec![At::Below(scene.sandbox.path(&path))];
        struck_in(scene, &path, what, Expected::Failure { at, hint: true })
    }
}

/// Runs the operation with its workspace in that directory.
fn struck_in(scene: &Scene, dir: &Path, what: String, expected: Expected) -> Struck {
    let sandbox = &scene.sandbox;
    sandbox.mkdir(dir).rename("app", dir.join("app"));
    let run = crate::run_with_children(scene.call().cwd(sandbox.path(dir).join("app")));
    sandbox.rename(dir.join("app"), "app").remove("odd");
    Struck::new(run, Some(what), expected)
}
