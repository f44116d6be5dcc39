//! What is there between runs: the registry, the caches, and who asks for what.

use std::cell::{Cell, OnceCell, RefCell};
use std::path::PathBuf;

use serde_json::{Value, json};
use shim_tests::Sandbox;

use super::workflow::{self, Outcome};
use super::yaml;
use crate::docker::Image;
use crate::world;

/// With capitals, as repositories may have and registries may not.
pub const REPOSITORY: &str = "Example/App";
pub const PACKAGE: &str = "ghcr.io/example/app/ci";

pub struct GitHub<'a> {
    pub sandbox: &'a Sandbox,
    /// `github-hosted` or `self-hosted`.
    pub runner: Cell<&'static str>,
    pub caches: RefCell<Vec<Cache>>,
    runs: Cell<usize>,
    image: OnceCell<Image>,
}

/// A saved cache.
#[derive(Clone, Debug)]
pub struct Cache {
    pub key: String,
    /// Paths and compression: another version is never found.
    pub version: String,
    pub content: PathBuf,
}

/// Why a workflow runs.
#[derive(Clone, Debug)]
pub struct Event {
    pub name: &'static str,
    pub payload: Value,
    /// Whether GitHub hands out a token that can write.
    pub may_write: bool,
}

impl Event {
    pub fn push() -> Event {
        Event { name: "push", payload: json!({}), may_write: true }
    }

    pub fn dispatch() -> Event {
        Event { name: "workflow_dispatch", ..Event::push() }
    }

    pub fn pull_request() -> Event {
        Event { may_write: true, ..Event::pull_request_of("Example/App", "someone") }
    }

    pub fn fork() -> Event {
        Event::pull_request_of("Stranger/App", "stranger")
    }

    pub fn dependabot() -> Event {
        Event::pull_request_of(REPOSITORY, "dependabot[bot]")
    }

    /// As of a fork that was deleted since.
    pub fn fork_that_is_gone() -> Event {
        let mut event = Event::fork();
        event.payload["pull_request"]["head"]["repo"] = Value::Null;
        event
    }

    fn pull_request_of(repository: &str, user: &str) -> Event {
        let payload = json!({
            "pull_request": { "head": { "repo": { "full_name": repository } }, "user": { "login": user } }
        });
        Event { name: "pull_request", payload, may_write: false }
    }
}

impl<'a> GitHub<'a> {
    /// No image, no cache.
    pub fn new(sandbox: &'a Sandbox) -> GitHub<'a> {
        docker(sandbox);
        // Never the real one: what it would do is done to this machine.
        sandbox
            .script("fakes/sudo", &format!("echo \"$*\" >>{}", sandbox.path("sudo.log").display()));
        sandbox.script(
            "fakes/sleep",
            &format!("echo \"$*\" >>{}", sandbox.path("sleep.log").display()),
        );
        GitHub {
            sandbox,
            runner: Cell::new("github-hosted"),
            caches: RefCell::default(),
            runs: Cell::new(0),
            image: OnceCell::new(),
        }
    }

    /// Runs a workflow of the repository to its end.
    #[track_caller]
    pub fn run(&self, file: &str, event: &Event) -> Outcome {
        self.runs.set(self.runs.get() + 1);
        let workflow = yaml::read(&self.sandbox.path("app/.github/workflows").join(file));
        assert!(!workflow["on"][event.name].is_null() || workflow["on"].get(event.name).is_some());
        workflow::Run { github: self, event, number: self.runs.get() }.run(&workflow)
    }

    /// The image, which is built when it is first asked for.
    pub fn image(&self) -> &Image {
        self.image.get_or_init(|| {
            let dockerfile = self.sandbox.read("app/ci/Dockerfile");
            world::build(self.sandbox).build(&dockerfile).unwrap_or_else(|e| panic!("{e:#}"))
        })
    }

    /// What the registry has.
    pub fn pushed(&self) -> Vec<String> {
        let names = self.sandbox.path("registry").read_dir().into_iter().flatten().flatten();
        let mut names: Vec<_> =
            names.map(|entry| entry.file_name().to_string_lossy().replace('+', "/")).collect();
        names.sort();
        names
    }

    /// The tag that the image has to have now.
    pub fn wanted_image(&self) -> String {
        let run = self
            .sandbox
            .lake_shim("key image-tag --value --dockerfile ci/Dockerfile --context .")
            .run();
        format!("{PACKAGE}:{}", run.expect_code(0).stdout.trim())
    }

    pub fn push_image(&self, image: &str) {
        self.sandbox.write(format!("registry/{}", image.replace('/', "+")), "");
    }

    /// What a fake wrote down, line by line.
    pub fn log(&self, name: &str) -> Vec<String> {
        let text = std::fs::read_to_string(self.sandbox.path(format!("{name}.log")));
        text.unwrap_or_default().lines().map(str::to_owned).collect()
    }
}

/// A `docker` with a registry in a directory. What may be done there is what the token says that it was logged in with;
/// its words are those of docker and GHCR. The file `registry.down` takes the registry away.
fn docker(sandbox: &Sandbox) {
    let root = sandbox.path("").display().to_string();
    let body = r#"
set -eu
echo "$*" >>ROOT/docker.log
name() { printf '%s' "$1" | tr / +; }
may() { grep -q "packages=.*$1" "$HOME/.docker-token" 2>/dev/null; }
case "$1 ${2-}" in
'login ghcr.io')
  [ "$3 $5" = '--username --password-stdin' ] || exit 125
  cat >"$HOME/.docker-token" ;;
'manifest inspect')
  if [ -e ROOT/registry.down ]; then echo 'received unexpected HTTP status: 503 Service Unavailable' >&2; exit 1; fi
  may 'read\|write' || { echo 'unauthorized' >&2; exit 1; }
  [ -d ROOT/registry ] || { echo 'denied' >&2; exit 1; }
  [ -e "ROOT/registry/$(name "$3")" ] || { echo "manifest unknown" >&2; exit 1; }
  echo '{}' ;;
'build --file')
  [ "$4 $6" = '--tag --label' ] && [ "$8" = . ] && [ -e "$3" ] || exit 125
  mkdir -p ROOT/local; echo "$7" >"ROOT/local/$(name "$5")" ;;
'run --rm')
  [ "$3 $4" = '--network none' ] && [ -e "ROOT/local/$(name "$5")" ] || exit 125
  [ ! -e ROOT/image.broken ] ;;
'push '*)
  [ -e "ROOT/local/$(name "$2")" ] || exit 125
  may write || { echo 'denied: permission_denied: write_package' >&2; exit 1; }
  mkdir -p ROOT/registry; cp "ROOT/local/$(name "$2")" ROOT/registry ;;
*) echo "docker: unknown command: $*" >&2; exit 125 ;;
esac"#;
    sandbox.script("fakes/docker", &body.replace("ROOT", root.trim_end_matches('/')));
}
