//! One job: a machine or a container, its files, its steps.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::{Map, Value, json};
use shim_tests::Sandbox;

use super::expression::{Scope, Status, string};
use super::stand_ins;
use super::workflow::{self, Run};
use super::yaml;
use crate::docker::Container;
use crate::docker::root::Outside;

/// Who runs jobs on GitHub's runners.
pub const RUNNER: u32 = 1001;

pub struct Job<'a> {
    pub run: &'a Run<'a>,
    pub name: String,
    pub job: &'a Value,
    pub default_shell: Option<String>,
    pub contexts: Value,
}

#[derive(Clone, Debug)]
pub struct Step {
    pub name: String,
    /// `success`, `failure` or `skipped`.
    pub result: String,
    /// What it printed.
    pub log: String,
}

/// A job under way.
pub struct Machine<'a> {
    pub run: &'a Run<'a>,
    pub container: Option<Container<'a>>,
    /// Of this job alone: `work/App/App`, `temp`, `home`, `tools`.
    pub dir: PathBuf,
    /// Added to PATH, the first to be found first.
    path: Vec<String>,
    env: BTreeMap<String, String>,
    pub contexts: Value,
    default_shell: Option<String>,
    has_failed: bool,
    steps: Vec<Step>,
}

impl Job<'_> {
    pub fn run(self) -> workflow::Job {
        let Job { run, name, job, default_shell, contexts } = self;
        assert!(job["timeout-minutes"].is_i64(), "job `{name}` may hang for six hours");
        let sandbox = run.github.sandbox;
        let dir = sandbox.path(format!("runs/{}/{}", run.number, name.replace('/', ".")));
        for part in ["work/App/App", "temp", "home", "tools"] {
            sandbox.mkdir(dir.join(part));
        }
        sandbox.write(dir.join("tools/Python/3.13/x64/bin/python"), "room").chown(&dir, RUNNER);
        let mut machine = Machine {
            run,
            container: None,
            dir,
            path: Vec::new(),
            env: BTreeMap::new(),
            contexts,
            default_shell,
            has_failed: false,
            steps: Vec::new(),
        };
        machine.contexts["steps"] = json!({});
        machine.contexts["env"] = json!({});
        machine.enter_container(job);
        machine.add_env(job);
        for step in job["steps"].as_array().expect("steps") {
            machine.step(step, &[]);
        }
        let outputs = job["outputs"].as_object().into_iter().flatten();
        let outputs = outputs.map(|(key, value)| (key.clone(), machine.fill(value).into()));
        workflow::Job {
            outputs: outputs.collect(),
            result: if machine.has_failed { "failure" } else { "success" }.to_owned(),
            steps: machine.steps,
        }
    }
}

impl<'a> Machine<'a> {
    fn sandbox(&self) -> &'a Sandbox {
        self.run.github.sandbox
    }

    pub fn workspace(&self) -> PathBuf {
        self.dir.join("work/App/App")
    }

    /// `container:`, with the image from the registry, if the credentials may read it.
    fn enter_container(&mut self, job: &Value) {
        if job.get("container").is_none() {
            return;
        }
        let image = self.fill(&job["container"]["image"]);
        assert!(self.run.github.pushed().contains(&image), "no image `{image}` in the registry");
        let token = self.fill(&job["container"]["credentials"]["password"]);
        assert!(token.contains("packages=read"), "the token may not read packages: {token}");
        let bind = |part: &str, to: &str| (self.dir.join(part), to.to_owned());
        let outside = Outside {
            binds: vec![
                bind("work", "/__w"),
                bind("temp", "/__temp"),
                bind("tools", "/__t"),
                bind("home", "/github/home"),
            ],
            has_network: false,
            env: BTreeMap::new(),
        };
        self.container = Some(Container {
            sandbox: self.sandbox(),
            image: self.run.github.image(),
            upper: self.dir.join("container"),
            outside,
        });
    }

    fn add_env(&mut self, holder: &Value) {
        for (name, value) in holder["env"].as_object().into_iter().flatten() {
            let value = self.fill(value);
            self.contexts["env"][name] = value.clone().into();
            self.env.insert(name.clone(), value);
        }
    }

    /// A step of the job, or, with inputs, one of a composite action.
    fn step(&mut self, step: &Value, inputs: &[(String, String)]) {
        let before = self.contexts.clone();
        if !inputs.is_empty() {
            let inputs = inputs.iter().map(|(name, value)| (name.clone(), value.as_str().into()));
            self.contexts["inputs"] = Value::Object(inputs.collect());
        }
        let what = step["uses"].as_str().or(step["run"].as_str()).expect("`uses` or `run`");
        let name = step["name"].as_str().unwrap_or(what.lines().next().unwrap_or_default());
        let status =
            Status { success: !self.has_failed, failure: self.has_failed, cancelled: false };
        let scope = Scope { contexts: &self.contexts, status };
        let place = format!("step `{name}`");
        let runs = scope.condition(step.get("if")).unwrap_or_else(|e| panic!("{place}: {e}"));
        let (result, outputs, log) = match runs {
            false => ("skipped", Map::new(), String::new()),
            true => match self.carry_out(step) {
                (Ok(outputs), log) => ("success", outputs, log),
                (Err(()), log) => ("failure", Map::new(), log),
            },
        };
        self.has_failed |= result == "failure";
        self.steps.push(Step { name: name.to_owned(), result: result.to_owned(), log });
        self.contexts["inputs"] = before["inputs"].clone();
        if let Some(id) = step["id"].as_str() {
            self.contexts["steps"][id] = json!({ "outputs": outputs, "outcome": result });
        }
    }

    fn carry_out(&mut self, step: &Value) -> (Result<Map<String, Value>, ()>, String) {
        let entries = step["with"].as_object().into_iter().flatten();
        let with: BTreeMap<_, _> =
            entries.map(|(name, value)| (name.clone(), self.fill(value))).collect();
        match step["uses"].as_str() {
            None => self.run_step(step),
            Some(action) => match action.strip_prefix("./") {
                Some(dir) => self.composite(dir, &with),
                None => match stand_ins::act(self, action, &with) {
                    Ok(outputs) => (Ok(outputs), String::new()),
                    Err(error) => (Err(()), error),
                },
            },
        }
    }

    fn composite(
        &mut self,
        dir: &str,
        with: &BTreeMap<String, String>,
    ) -> (Result<Map<String, Value>, ()>, String) {
        // From the checkout: without one there is no such action.
        let action = yaml::read(&self.workspace().join(dir).join("action.yml"));
        assert_eq!(action["runs"]["using"], "composite");
        let declared = action["inputs"].as_object().into_iter().flatten();
        let inputs: Vec<_> = declared
            .map(|(name, input)| {
                (name.clone(), with.get(name).cloned().unwrap_or(string(&input["default"])))
            })
            .collect();
        let unknown = with.keys().find(|name| !inputs.iter().any(|(known, _)| known == *name));
        assert!(unknown.is_none(), "{dir} has no input {unknown:?}");
        let failed_before = self.has_failed;
        for step in action["runs"]["steps"].as_array().expect("steps") {
            assert!(
                step["uses"].is_string() || step["shell"].is_string(),
                "a step without a shell"
            );
            self.step(step, &inputs);
        }
        match self.has_failed == failed_before {
            true => (Ok(Map::new()), String::new()),
            false => (Err(()), String::new()),
        }
    }

    fn run_step(&mut self, step: &Value) -> (Result<Map<String, Value>, ()>, String) {
        let script = step["run"].as_str().unwrap_or_default();
        assert!(
            !script.contains("${{"),
            "an expression in a script: what it becomes is run\n{script}"
        );
        let default = if self.container.is_some() { "sh" } else { "bash -e" };
        let shell = step["shell"].as_str().or(self.default_shell.as_deref()).unwrap_or(default);
        let shell = match shell {
            "bash" => "bash --noprofile --norc -e -o pipefail",
            "sh" => "sh -e",
            other => other,
        };
        let mut env = self.env.clone();
        for (name, value) in step["env"].as_object().into_iter().flatten() {
            env.insert(name.clone(), self.fill(value));
        }
        let temp = self.dir.join("temp");
        for file in ["script", "output", "path", "env"] {
            self.sandbox().write(temp.join(file), if file == "script" { script } else { "" });
            self.sandbox().chmod(temp.join(file), 0o666);
        }
        let run = self.execute(shell, env);
        let log = format!("{}{}", run.stdout, run.stderr);
        let read = |file: &str| self.sandbox().read(temp.join(file));
        let pairs = |text: String| -> Vec<(String, String)> {
            let pair = |line: &str| {
                let (name, value) = line.split_once('=').expect("NAME=VALUE");
                (name.to_owned(), value.to_owned())
            };
            text.lines().map(pair).collect()
        };
        let outputs = pairs(read("output")).into_iter().map(|(k, v)| (k, v.into())).collect();
        let (added, variables) = (read("path"), pairs(read("env")));
        for line in added.lines() {
            self.path.insert(0, line.to_owned());
        }
        self.env.extend(variables);
        (if run.code == Some(0) { Ok(outputs) } else { Err(()) }, log)
    }

    fn execute(&self, shell: &str, mut env: BTreeMap<String, String>) -> shim_tests::Run {
        let sandbox = self.sandbox();
        let host = |part: &str| self.dir.join(part).display().to_string();
        let (temp, tools, home, workspace) = match self.container {
            Some(_) => {
                ["/__temp", "/__t", "/github/home", "/__w/App/App"].map(str::to_owned).into()
            }
            None => (host("temp"), host("tools"), host("home"), host("work/App/App")),
        };
        let variables = [
            ("GITHUB_OUTPUT", format!("{temp}/output")),
            ("GITHUB_PATH", format!("{temp}/path")),
            ("GITHUB_ENV", format!("{temp}/env")),
            ("GITHUB_WORKSPACE", workspace.clone()),
            ("GITHUB_REPOSITORY", super::github::REPOSITORY.to_owned()),
            ("GITHUB_SERVER_URL", "https://github.com".to_owned()),
            ("GITHUB_ACTOR", "someone".to_owned()),
            ("GITHUB_RUN_ID", self.run.number.to_string()),
            ("GITHUB_ACTIONS", "true".to_owned()),
            ("RUNNER_TEMP", temp.clone()),
            ("RUNNER_TOOL_CACHE", tools),
            ("HOME", home),
        ];
        env.extend(variables.map(|(name, value)| (name.to_owned(), value)));
        let base = match &self.container {
            Some(container) => container.image.setting.env["PATH"].clone(),
            None => {
                format!("{}:{}", sandbox.path("fakes").display(), sandbox.path("tools").display())
            }
        };
        let path = self.path.iter().cloned().chain([base]).collect::<Vec<_>>().join(":");
        env.insert("PATH".to_owned(), path);
        let script = format!("{temp}/script");
        let words: Vec<&str> = shell.split(' ').chain([script.as_str()]).collect();
        match &self.container {
            Some(container) => {
                let mut outside = container.outside.clone();
                outside.env.extend(env);
                outside.env.extend(crate::world::env(
                    sandbox,
                    &["FAKE_LAKE_MODULES", "FAKE_LAKE_PROGRAM"],
                ));
                let inside = Container { outside, upper: container.upper.clone(), ..*container };
                inside.run_as(&container.image.setting.user, &workspace, &words)
            }
            None => {
                let call = sandbox.command(sandbox.path("tools").join(words[0]), "");
                let call = env.iter().fold(call.args(&words[1..]), |call, (k, v)| call.env(k, v));
                call.cwd(self.workspace()).run()
            }
        }
    }

    /// An entry of `with`, `env`, `outputs`.
    fn fill(&self, value: &Value) -> String {
        let status =
            Status { success: !self.has_failed, failure: self.has_failed, cancelled: false };
        let scope = Scope { contexts: &self.contexts, status };
        match value {
            Value::String(text) => {
                string(&scope.fill(text).unwrap_or_else(|e| panic!("`{text}`: {e}")))
            }
            other => string(other),
        }
    }

    /// Whoever unpacks on this machine: caches are made with what it has.
    pub fn has_zstd(&self) -> bool {
        match &self.container {
            Some(container) => container.image.root.find("/var/lib/fake-dpkg/zstd").is_some(),
            None => true,
        }
    }
}
