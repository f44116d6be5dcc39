//! `ci/mirror/nginx.conf` in a real nginx, asked as mathlib's tool asks: by a real curl, through the shim's fallback.

use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::time::Duration;

use shim_tests::{Running, Sandbox, modules, tools};

use crate::world::example;

const CURL: &str = "--silent --output body --write-out %{http_code}";

/// A server in a sandbox, and the one below it which is stopped at the end.
struct Mirror<'a> {
    sandbox: &'a Sandbox,
    nginx: Option<Running>,
    url: String,
}

impl<'a> Mirror<'a> {
    /// Serves a directory of the sandbox, the configuration changed as little as the README says.
    fn of(sandbox: &'a Sandbox, store: &str) -> Mirror<'a> {
        let port = free_port();
        let mut config = example("mirror/nginx.conf");
        let store = sandbox.path(store).display().to_string();
        let temp = sandbox.path("tmp/lake-mirror").display().to_string();
        for (from, to) in [
            ("listen 8080;", format!("listen 127.0.0.1:{port};")),
            ("/opt/mathlib-cache/", format!("{store}/")),
            ("/tmp/lake-mirror", temp),
        ] {
            assert!(config.contains(from), "no `{from}` in nginx.conf");
            config = config.replace(from, &to);
        }
        sandbox.write("nginx.conf", config).chmod("nginx.conf", 0o644);
        let nginx = || {
            let program = tools::find_on_path("nginx").expect("needed");
            sandbox
                .command(program, "-c")
                .arg(sandbox.path("nginx.conf"))
                .as_user(shim_tests::NOBODY)
        };
        nginx().arg("-t").run().expect_code(0);
        let running = nginx().timeout(Duration::from_secs(60)).spawn();
        running.wait_until(|| TcpStream::connect(("127.0.0.1", port)).is_ok());
        Mirror { sandbox, nginx: Some(running), url: format!("http://127.0.0.1:{port}") }
    }

    /// Status and body.
    #[track_caller]
    fn get(&self, path: &str, more: &str) -> (String, Vec<u8>) {
        let body = self.sandbox.path("app/body");
        let _ = std::fs::remove_file(&body);
        let curl = tools::find_on_path("curl").expect("needed");
        let call = self.sandbox.command(curl, CURL).args(more.split_whitespace());
        let run = call.arg("--path-as-is").arg(format!("{}{path}", self.url)).run();
        (run.expect_code(0).stdout.clone(), std::fs::read(body).unwrap_or_default())
    }
}

impl Drop for Mirror<'_> {
    fn drop(&mut self) {
        if let Some(nginx) = self.nginx.take() {
            nginx.signal(nix::sys::signal::Signal::SIGTERM);
            nginx.wait();
        }
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
    listener.local_addr().expect("an address").port()
}

/// A machine with neither store nor packages' builds, behind which nothing but the mirror is.
fn machine() -> Sandbox {
    let mut sandbox = Sandbox::mini_mathlib();
    sandbox.rename("store", "served");
    sandbox.mkdir("empty");
    let empty = sandbox.path("empty");
    sandbox.set_env("LAKE_SHIM_STORE", empty);
    let curl = tools::find_on_path("curl").expect("needed");
    sandbox.symlink(curl, "tools/curl");
    sandbox
}

#[test]
#[cfg_attr(
    not(all(has = "nginx", has = "curl", has = "setpriv")),
    ignore = "needs nginx, curl, setpriv"
)]
fn files_are_served_by_the_names_that_the_tool_asks_for() {
    let sandbox = machine();
    sandbox
        .write("served/leantar-0.1.16", "program")
        .write("served/lake-shim/index.json", "{}")
        .write("secret.ltar", "secret");
    let mirror = Mirror::of(&sandbox, "served");
    let name = &modules()[0].ltar;
    let file = std::fs::read(sandbox.path("served").join(name)).expect("it is there");
    for path in [format!("/f/{name}"), format!("/f/leanprover-community/mathlib4/{name}")] {
        assert_eq!(mirror.get(&path, ""), ("200".to_owned(), file.clone()), "{path}");
        assert_eq!(mirror.get(&path, "--head").0, "200", "{path}");
        assert_eq!(mirror.get(&path, "--request DELETE").0, "403", "{path}");
        assert_eq!(mirror.get(&path, "--request PUT --data x").0, "403", "{path}");
    }
    let head = sandbox.command(tools::find_on_path("curl").expect("curl"), "--silent --head");
    let head = head.arg(format!("{}/f/{name}", mirror.url)).run();
    head.stdout_contains("max-age=31536000, immutable").stdout_lacks("nginx/");
    for path in [
        "/f/0000000000000000.ltar",
        "/f/someone/fork/0000000000000000.ltar",
        "/",
        "/f/",
        "/f",
        &format!("/{name}"),
        &format!("/f/{name}/"),
        &format!("/f/{name}.part"),
        &format!("/f/a/b/c/{name}"),
        "/f/leantar-0.1.16",
        "/f/lake-shim/index.json",
        "/f/../lake-shim/index.json",
        "/m/leanprover-community/mathlib4/b5cac9856eeb5eea147cdaab533b2aa5d72fe641",
    ] {
        assert_eq!(mirror.get(path, "").0, "404", "{path}");
    }
    for path in ["/f/../../secret.ltar", "/f/..%2f..%2fsecret.ltar"] {
        assert_eq!(mirror.get(path, "").0, "400", "{path}");
    }
}

#[test]
#[cfg_attr(
    not(all(has = "fake-lake", has = "nginx", has = "curl", has = "setpriv")),
    ignore = "needs the fake lake, nginx, curl, setpriv"
)]
fn a_machine_without_a_store_gets_its_files_from_the_mirror() {
    let mut sandbox = machine();
    let cache = sandbox.path("home/.cache/mathlib");
    // What a download leaves in the tool's own directory, without the shim and with it.
    let url = {
        let mirror = Mirror::of(&sandbox, "served");
        let run =
            sandbox.real_lake("exe cache get-").env("MATHLIB_CACHE_GET_URL", &mirror.url).run();
        run.expect_code(0).stdout_contains("Downloaded all files successfully!");
        assert_eq!(ltars(&cache), modules().len());
        sandbox.remove(&cache);
        let run = sandbox.lake("exe cache get").env("MATHLIB_CACHE_GET_URL", &mirror.url).run();
        run.expect_code(0);
        sandbox.expect_restored(&modules().iter().map(|m| m.name.as_str()).collect::<Vec<_>>());
        mirror.url.clone()
    };
    // Nothing listens there now: that is a failure, and no missing file.
    sandbox.set_env("MATHLIB_CACHE_GET_URL", url);
    sandbox.remove("app/.lake");
    sandbox.clone_packages(&sandbox.packages());
    let _ = std::fs::remove_dir_all(&cache);
    sandbox.real_lake("exe cache get-").run().expect_code(1).stdout_contains("download(s) failed");
}

/// One file is not on the mirror: it is named as missing, the others come, and an error page is no file of the cache.
#[test]
#[cfg_attr(
    not(all(has = "fake-lake", has = "nginx", has = "curl", has = "setpriv")),
    ignore = "needs the fake lake, nginx, curl, setpriv"
)]
fn a_file_that_the_mirror_lacks_is_missing_and_no_more() {
    let sandbox = machine();
    let lacked = modules().last().expect("modules");
    sandbox.remove(sandbox.path("served").join(&lacked.ltar));
    let mirror = Mirror::of(&sandbox, "served");
    let run = sandbox.real_lake("exe cache get-").env("MATHLIB_CACHE_GET_URL", &mirror.url).run();
    run.expect_code(0).stderr_contains("Warning: some files were not found in the cache.");
    let cache = sandbox.path("home/.cache/mathlib");
    assert!(!cache.join(&lacked.ltar).exists());
    assert_eq!(ltars(&cache), modules().len() - 1);
    let run = sandbox.lake("exe cache get").env("MATHLIB_CACHE_GET_URL", &mirror.url).run();
    run.stderr_contains(&lacked.name);
}

fn ltars(dir: &Path) -> usize {
    let entries = dir.read_dir().into_iter().flatten().flatten();
    entries.filter(|entry| entry.path().extension().is_some_and(|e| e == "ltar")).count()
}
