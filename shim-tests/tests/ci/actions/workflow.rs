//! The jobs of a workflow: in which order, under which condition, with which token.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::expression::{Scope, Status, string};
use super::github::{Event, GitHub, REPOSITORY};
use super::job::{self, Step};
use super::yaml;

/// One run.
pub struct Run<'a> {
    pub github: &'a GitHub<'a>,
    pub event: &'a Event,
    pub number: usize,
}

/// What the jobs came to, by name; those of a called workflow as `image/check`.
#[derive(Debug, Default)]
pub struct Outcome(pub BTreeMap<String, Job>);

#[derive(Clone, Debug)]
pub struct Job {
    /// `success`, `failure` or `skipped`.
    pub result: String,
    pub outputs: Map<String, Value>,
    pub steps: Vec<Step>,
}

/// What `permissions` give.
pub type Permissions = BTreeMap<String, String>;

impl Run<'_> {
    pub fn run(&self, workflow: &Value) -> Outcome {
        let mut outcome = Outcome::default();
        let granted = permissions(workflow.get("permissions"), None);
        self.jobs(workflow, "", &granted, None, &mut outcome);
        outcome
    }

    /// Runs all jobs of a workflow, `prefix` before their names. Returns what they came to.
    fn jobs(
        &self,
        workflow: &Value,
        prefix: &str,
        granted: &Permissions,
        ceiling: Option<&Permissions>,
        outcome: &mut Outcome,
    ) -> BTreeMap<String, Job> {
        let jobs = workflow["jobs"].as_object().expect("jobs");
        let mut done: BTreeMap<String, Job> = BTreeMap::new();
        while done.len() < jobs.len() {
            let ready = jobs.iter().find(|(id, job)| {
                !done.contains_key(*id) && needs(job).iter().all(|need| done.contains_key(need))
            });
            let (id, job) = ready.expect("`needs` in a circle, or of no job");
            let granted = permissions(job.get("permissions"), Some(granted));
            if let Some(ceiling) = ceiling {
                assert_within(&granted, ceiling, id);
            }
            let ended = self.job(workflow, (id, job), prefix, &granted, &done, outcome);
            outcome.0.insert(format!("{prefix}{id}"), ended.clone());
            done.insert(id.clone(), ended);
        }
        done
    }

    fn job(
        &self,
        workflow: &Value,
        (id, job): (&String, &Value),
        prefix: &str,
        granted: &Permissions,
        done: &BTreeMap<String, Job>,
        outcome: &mut Outcome,
    ) -> Job {
        let contexts = self.contexts(job, granted, done);
        let scope = Scope { contexts: &contexts, status: status(job, workflow, done) };
        let place = format!("job `{prefix}{id}`");
        let runs = scope.condition(job.get("if")).unwrap_or_else(|e| panic!("{place}: {e}"));
        if !runs {
            return Job { result: "skipped".to_owned(), outputs: Map::new(), steps: Vec::new() };
        }
        let Some(called) = job["uses"].as_str() else {
            let defaults = workflow["defaults"]["run"]["shell"].as_str();
            let job = job::Job {
                run: self,
                name: format!("{prefix}{id}"),
                job,
                default_shell: defaults.map(str::to_owned),
                contexts,
            };
            return job.run();
        };
        let file = called.strip_prefix("./").expect("a workflow of this repository");
        let called = yaml::read(&self.github.sandbox.path("app").join(file));
        assert!(called["on"].get("workflow_call").is_some(), "{place}: it cannot be called");
        let inner = permissions(called.get("permissions"), Some(granted));
        let jobs = self.jobs(&called, &format!("{prefix}{id}/"), &inner, Some(granted), outcome);
        let result = |wanted: &str| jobs.values().any(|job| job.result == wanted);
        let result = match (result("failure"), result("success")) {
            (true, _) => "failure",
            (false, true) => "success",
            (false, false) => "skipped",
        };
        let outputs: Map<_, _> = jobs.iter().map(|(id, job)| (id.clone(), job.context())).collect();
        let contexts = json!({ "jobs": outputs });
        let scope = Scope { contexts: &contexts, status: ALL_WELL };
        let outputs = called["on"]["workflow_call"]["outputs"].as_object();
        let outputs = outputs.into_iter().flatten().map(|(name, output)| {
            let value = output["value"].as_str().unwrap_or_default();
            (name.clone(), scope.fill(value).unwrap_or_else(|e| panic!("{place}: {name}: {e}")))
        });
        Job { result: result.to_owned(), outputs: outputs.collect(), steps: Vec::new() }
    }

    /// What a job can refer to before it has steps.
    fn contexts(&self, job: &Value, granted: &Permissions, done: &BTreeMap<String, Job>) -> Value {
        let needs = needs(job).into_iter().map(|need| (need.clone(), done[&need].context()));
        let Event { name, payload, may_write } = self.event;
        // On a fork's pull request every `write` is a `read`.
        let token = granted.iter().map(|(scope, level)| {
            let level = if *may_write || level == "none" { level } else { "read" };
            format!("{scope}={level}")
        });
        json!({
            "needs": needs.collect::<Map<_, _>>(),
            "github": {
                "event_name": name,
                "event": payload,
                "repository": REPOSITORY,
                "actor": "someone",
                "token": token.collect::<Vec<_>>().join(","),
                "workflow": "CI",
                "ref": "refs/heads/x",
            },
            "runner": { "environment": self.github.runner.get() },
            "inputs": {},
        })
    }
}

pub const ALL_WELL: Status = Status { success: true, failure: false, cancelled: false };

/// Of everything that a job needs, directly or not: this is where skipping spreads.
fn status(job: &Value, workflow: &Value, done: &BTreeMap<String, Job>) -> Status {
    let mut ancestors = BTreeSet::new();
    let mut queue = needs(job);
    while let Some(need) = queue.pop() {
        queue.extend(needs(&workflow["jobs"][&need]));
        ancestors.insert(need);
    }
    let results: Vec<_> = ancestors.iter().map(|id| done[id].result.as_str()).collect();
    Status {
        success: results.iter().all(|result| *result == "success"),
        failure: results.contains(&"failure"),
        cancelled: false,
    }
}

fn needs(job: &Value) -> Vec<String> {
    match &job["needs"] {
        Value::Null => Vec::new(),
        Value::Array(needs) => needs.iter().map(string).collect(),
        need => vec![string(need)],
    }
}

/// Those of a job replace those of its workflow; what is not named is nothing.
fn permissions(own: Option<&Value>, outer: Option<&Permissions>) -> Permissions {
    let Some(own) = own else { return outer.cloned().expect("the workflow has `permissions`") };
    let entries = own.as_object().expect("`permissions` are a mapping");
    entries.iter().map(|(scope, level)| (scope.clone(), string(level))).collect()
}

/// GitHub refuses to start a called workflow that asks for more than its caller has.
fn assert_within(inner: &Permissions, outer: &Permissions, id: &str) {
    let rank = |level: Option<&String>| match level.map(String::as_str) {
        Some("write") => 2,
        Some("read") => 1,
        _ => 0,
    };
    for (scope, level) in inner {
        assert!(
            rank(Some(level)) <= rank(outer.get(scope)),
            "job `{id}` asks for too much: {scope}"
        );
    }
}

impl Job {
    /// As `needs` and `jobs` have it.
    fn context(&self) -> Value {
        json!({ "result": self.result, "outputs": self.outputs })
    }
}

impl Outcome {
    #[track_caller]
    pub fn job(&self, name: &str) -> &Job {
        self.0.get(name).unwrap_or_else(|| panic!("no job `{name}` in {:?}", self.0.keys()))
    }

    /// Result by job, in one line: `build success, guard skipped`.
    pub fn results(&self) -> String {
        let results = self.0.iter().map(|(name, job)| format!("{name} {}", job.result));
        results.collect::<Vec<_>>().join(", ")
    }

    /// Everything that was printed, for messages.
    pub fn log(&self) -> String {
        let steps = self.0.iter().flat_map(|(name, job)| job.steps.iter().map(move |s| (name, s)));
        steps
            .map(|(job, step)| format!("--- {job}: {}: {}\n{}", step.name, step.result, step.log))
            .collect()
    }

    #[track_caller]
    pub fn expect(&self, results: &str) -> &Outcome {
        assert_eq!(self.results(), results, "\n{}", self.log());
        self
    }
}
