//! One operation under one fault.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::args::Args;
use crate::fault::Fault;
use crate::form::Draw;
use crate::operation::Operation;
use crate::scene::Scene;
use crate::verdict::{self, Found, Kind, Struck};

pub struct Row<'a> {
    pub operation: &'static Operation,
    pub fault: &'a dyn Fault,
}

/// How often at most where one way is like the other.
const AGAIN: u64 = 1000;

/// What came of a row.
#[derive(Default)]
pub struct Outcome {
    pub operation: &'static str,
    pub fault: String,
    pub rounds: u64,
    /// Of how many ways the rounds were drawn; nothing where one is like the other.
    pub ways: Option<u64>,
    /// Rounds in which the run met the fault.
    pub met: u64,
    /// What must not be, and in which way of the fault.
    pub found: Vec<(u64, Found)>,
    /// What the first run that failed said.
    pub message: Option<String>,
}

impl Row<'_> {
    pub fn name(&self) -> String {
        format!("{} / {}", self.operation.name, self.fault.name())
    }

    /// Runs its rounds. What is found may have spoiled the scene for the next, which then gets another.
    pub fn run(&self, scene: &mut Scene, args: &Args) -> Outcome {
        let mut outcome = Outcome {
            operation: self.operation.name,
            fault: self.fault.name(),
            ..Outcome::default()
        };
        outcome.ways = self.fault.ways(scene);
        let ways = outcome.ways.unwrap_or(AGAIN);
        let rounds = if args.every { ways } else { self.fault.rounds(args.form) };
        let rounds = rounds.min(args.rounds);
        let drawn = match args.way {
            Some(way) => vec![way],
            None => Draw::new(args.seed, &self.name()).spread(rounds, ways),
        };
        for way in drawn {
            outcome.rounds += 1;
            let found_before = outcome.found.len();
            match catch_unwind(AssertUnwindSafe(|| self.round(scene, way))) {
                Ok((struck, found)) => {
                    outcome.met += u64::from(struck.what.is_some());
                    outcome.found.extend(found.into_iter().map(|found| (way, found)));
                    if outcome.message.is_none() {
                        outcome.message = message(&struck.run.stderr, &scene.sandbox.path(""));
                    }
                }
                // The harness has no other way to say that a run does not end.
                Err(panic) => outcome.found.push((way, Found::new(Kind::Unsound, text(&*panic)))),
            }
            if outcome.found.len() > found_before {
                *scene = Scene::new(self.operation);
            }
        }
        outcome
    }

    fn round(&self, scene: &Scene, way: u64) -> (Struck, Vec<Found>) {
        scene.reset();
        let mut struck = self.fault.strike(scene, way);
        let mut found = std::mem::take(&mut struck.found);
        found.extend(verdict::judge(scene, &struck));
        found.extend(scene.judge());
        std::mem::replace(&mut struck.mend, Box::new(|| {}))();
        found.extend(scene.run_again());
        if let Some(what) = &struck.what {
            let with_cause =
                |found: &mut Found| found.what = format!("struck: {what}\n{}", found.what);
            found.iter_mut().for_each(with_cause);
        }
        struck.guard = Box::new(());
        (struck, found)
    }
}

impl Outcome {
    pub fn count(&self, kind: Kind) -> usize {
        self.found.iter().filter(|(_, found)| found.kind == kind).count()
    }

    /// In a line, and what was found in some more.
    pub fn print(&self) {
        let mut counts: BTreeMap<Kind, usize> = BTreeMap::new();
        for (_, found) in &self.found {
            *counts.entry(found.kind).or_default() += 1;
        }
        let counts: Vec<_> = counts.iter().map(|(kind, n)| format!(", {n} {kind}")).collect();
        let Outcome { operation, fault, rounds, met, .. } = self;
        println!("{operation} / {fault}: {rounds} rounds, {met} met{}", counts.concat());
        for (way, found) in &self.found {
            println!("  {}: {}", found.kind, found.what.replace('\n', "\n      "));
            println!(
                "  again: SHIM_FAULT_WAY={way} cargo test -p shim-tests --test faults -- '{operation} / {fault}'"
            );
        }
    }
}

/// The error, or the warning, that a run ended with, its own directory left out.
fn message(stderr: &str, sandbox: &std::path::Path) -> Option<String> {
    let line = |sign: &str| stderr.lines().find(|line| line.starts_with(sign));
    let said = line("lake-shim: error: ").or_else(|| line("lake-shim: warning: "))?;
    let hint = line("hint: ").map(|hint| format!(" — {hint}")).unwrap_or_default();
    let place = format!("{}/", sandbox.to_string_lossy().trim_end_matches('/'));
    Some(format!("{said}{hint}").replace(&place, ""))
}

fn text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| Some((*panic.downcast_ref::<&str>()?).to_owned())).unwrap_or_default()
}
