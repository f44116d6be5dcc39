//! Clocks that went wrong: files from the future, from before 1970, and all of one second.

use shim_tests::Tree;

use super::Fault;
use crate::form::Form;
use crate::scene::Scene;
use crate::verdict::{Expected, Found, Kind, Struck};

const TIMES: [&str; 4] = ["2100-01-01 UTC", "1970-01-01 UTC", "1930-01-01 UTC", "2000-01-01 UTC"];

enum FileTimes {
    Store,
    Workspace,
}

pub fn all() -> Vec<Box<dyn Fault>> {
    vec![Box::new(FileTimes::Store), Box::new(FileTimes::Workspace)]
}

impl Fault for FileTimes {
    fn name(&self) -> String {
        match self {
            FileTimes::Store => "a store from another time".to_owned(),
            FileTimes::Workspace => "a workspace from another time".to_owned(),
        }
    }

    fn ways(&self, _: &Scene) -> Option<u64> {
        Some(TIMES.len() as u64)
    }

    fn rounds(&self, form: Form) -> u64 {
        form.of(1, TIMES.len() as u64)
    }

    fn strike(&self, scene: &Scene, way: u64) -> Struck {
        let time = TIMES[way as usize];
        let store = scene.operation.store;
        let what = Some(format!("of {time}"));
        match self {
            FileTimes::Workspace => {
                scene.shell(&format!("find app -exec touch -h -d '{time}' {{}} +"));
                Struck::new(crate::run_with_children(scene.call()), what, Expected::Success)
            }
            FileTimes::Store => {
                scene.shell(&format!("mv {store} aside && cp -a aside {store}"));
                scene.shell(&format!("find {store} -exec touch -h -d '{time}' {{}} +"));
                let before = Tree::of(scene.sandbox.path(store));
                let run = crate::run_with_children(scene.call());
                let changes = before.changes_to(&Tree::of(scene.sandbox.path(store)));
                scene.shell(&format!("rm -r {store} && mv aside {store}"));
                let found = changes.into_iter().map(|change| Found::new(Kind::Lost, change));
                Struck { found: found.collect(), ..Struck::new(run, what, Expected::Success) }
            }
        }
    }
}
