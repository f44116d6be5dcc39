//! All rows, as many at a time as there are cores.

use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use shim_tests::tools;

use crate::args::Args;
use crate::broken;
use crate::fault::{self, Fault};
use crate::operation::{self, Operation};
use crate::row::{Outcome, Row};
use crate::scene::Scene;
use crate::table::{self, Table};

/// The rows that were asked for, operation by operation.
pub fn rows(args: &Args) -> Vec<Row<'static>> {
    // They live as long as the suite.
    let faults: &'static [Box<dyn Fault>] = Vec::leak(fault::all());
    let mut rows = Vec::new();
    for operation in operation::ALL {
        let suiting = faults.iter().filter(|fault| fault.suits(operation));
        rows.extend(suiting.map(|fault| Row { operation, fault: fault.as_ref() }));
    }
    rows.retain(|row| args.wants(&row.name()));
    rows
}

/// Runs them, and prints what came of it.
pub fn run(args: &Args) -> ExitCode {
    let rows = rows(args);
    println!("{} rows, SHIM_FAULT_SEED={}", rows.len(), args.seed);
    if rows.first().is_some_and(|row| !is_within_reach(row.operation)) {
        let shim = tools::lake_shim().display();
        println!("no call of `{shim}` is counted, so none can fail: is it linked statically?");
        return ExitCode::FAILURE;
    }
    let stale = broken::stale();
    stale.iter().for_each(|edit| println!("cannot be broken on purpose any more: {edit}"));
    let (started, commit) = (Instant::now(), table::commit());
    let outcomes = outcomes(&rows, args);
    let broken = if args.broken { broken::all(args) } else { Vec::new() };
    let table = Table { args, outcomes, broken, took: started.elapsed(), commit };
    println!("{}", table.summary());
    if let Some(file) = &args.write {
        std::fs::write(file, table.markdown())
            .unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    }
    let unmet = if args.wants_all() { table.unmet() } else { Vec::new() };
    unmet.iter().for_each(|fault| println!("no operation met it: {fault}"));
    let is_missed = args.must_match && rows.is_empty();
    let is_clean = table.is_clean() && stale.is_empty() && unmet.is_empty() && !is_missed;
    if is_clean { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Whether the library that faults come from is loaded into the shim under test: without a dynamic linker nobody would.
fn is_within_reach(operation: &'static Operation) -> bool {
    fault::counts_calls(&Scene::new(operation))
}

fn outcomes(rows: &[Row], args: &Args) -> Vec<Outcome> {
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::new());
    let work = || {
        let mut scene: Option<Scene> = None;
        while let Some(row) = rows.get(next.fetch_add(1, Ordering::Relaxed)) {
            if scene.as_ref().is_none_or(|scene| scene.operation.name != row.operation.name) {
                scene = Some(Scene::new(row.operation));
            }
            let Some(scene) = &mut scene else { continue };
            let outcome = row.run(scene, args);
            let mut done = done.lock().unwrap_or_else(PoisonError::into_inner);
            outcome.print();
            done.push(outcome);
        }
    };
    thread::scope(|scope| {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        (0..cores).for_each(|_| drop(scope.spawn(work)));
    });
    done.into_inner().unwrap_or_else(PoisonError::into_inner)
}
