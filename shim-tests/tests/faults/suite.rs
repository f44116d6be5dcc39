//! Rows, rounds, and what came of them.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::fault::{self, Fault};
use crate::operation::{self, Operation};
use crate::scene::Scene;
use crate::verdict::{self, Found, Kind};

pub fn run(args: impl Iterator<Item = String>) -> ExitCode {
    let mut filters = Vec::new();
    let mut rounds = 2;
    for arg in args {
        match arg.strip_prefix("--rounds=") {
            Some(n) => rounds = n.parse().expect("a number"),
            None if arg.starts_with("--") => {}
            None => filters.push(arg),
        }
    }
    if filters.is_empty() {
        filters.push("SIGKILL to all".to_owned()); // until all of them pass
    }
    let faults = fault::all();
    let mut rows: Vec<(&'static Operation, &dyn Fault)> = Vec::new();
    for operation in operation::ALL {
        for fault in faults.iter().filter(|fault| fault.suits(operation)) {
            let name = format!("{} / {}", operation.name, fault.name());
            if filters.iter().all(|filter| name.contains(filter.as_str())) {
                rows.push((operation, fault.as_ref()));
            }
        }
    }
    let next = AtomicUsize::new(0);
    let failures = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let mut scene: Option<Scene> = None;
                while let Some(&(operation, fault)) = rows.get(next.fetch_add(1, Ordering::Relaxed))
                {
                    if scene.as_ref().is_none_or(|scene| scene.operation.name != operation.name) {
                        scene = Some(Scene::new(operation));
                    }
                    let scene = scene.as_ref().expect("just made");
                    let row = row(scene, fault, rounds);
                    failures.fetch_add(row.found.len(), Ordering::Relaxed);
                    row.print(operation, fault);
                }
            });
        }
    });
    match failures.into_inner() {
        0 => ExitCode::SUCCESS,
        n => {
            println!("{n} findings");
            ExitCode::FAILURE
        }
    }
}

#[derive(Default)]
struct Row {
    rounds: u64,
    struck: u64,
    found: Vec<(u64, Found)>,
}

fn row(scene: &Scene, fault: &dyn Fault, rounds: u64) -> Row {
    let ways = fault.ways(scene);
    let mut row = Row::default();
    let step = (ways / rounds.max(1)).max(1);
    let mut way = 0;
    while way < ways && row.rounds < rounds {
        row.rounds += 1;
        match catch_unwind(AssertUnwindSafe(|| round(scene, fault, way))) {
            Ok((struck, found)) => {
                row.struck += u64::from(struck);
                row.found.extend(found.into_iter().map(|found| (way, found)));
            }
            Err(_) => row.found.push((way, Found::new(Kind::Unsound, "no end"))),
        }
        way += step;
    }
    row
}

fn round(scene: &Scene, fault: &dyn Fault, way: u64) -> (bool, Vec<Found>) {
    scene.reset();
    let struck = fault.strike(scene, way);
    let mut found = verdict::judge(scene, &struck);
    found.extend(scene.judge());
    (struck.mend)();
    found.extend(scene.run_again());
    if let Some(what) = &struck.what {
        found.iter_mut().for_each(|found| found.what = format!("struck: {what}\n{}", found.what));
    }
    (struck.what.is_some(), found)
}

impl Row {
    fn print(&self, operation: &Operation, fault: &dyn Fault) {
        let mut counts: BTreeMap<Kind, usize> = BTreeMap::new();
        for (_, found) in &self.found {
            *counts.entry(found.kind).or_default() += 1;
        }
        static OUT: Mutex<()> = Mutex::new(());
        let _out = OUT.lock();
        println!(
            "{} / {}: {} rounds, {} struck {counts:?}",
            operation.name,
            fault.name(),
            self.rounds,
            self.struck
        );
        for (way, found) in &self.found {
            println!("  [{way}] {:?}: {}", found.kind, found.what.replace('\n', "\n      "));
        }
    }
}
