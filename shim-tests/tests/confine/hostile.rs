//! A leantar that was tampered with: it unpacks what it should, after it has tried to do harm.

use std::net::TcpListener;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::path::Path;

use nix::sys::signal::Signal;
use shim_tests::{Call, Run, Sandbox, Tree};

use crate::{get, get_unconfined};

const ATTACK: &str = "FAKE_LEANTAR_ATTACK";
const REFUSED: &str = "Permission denied (os error 13)";
const ELSEWHERE: &str = "Invalid cross-device link (os error 18)";
const NOT_PERMITTED: &str = "Operation not permitted (os error 1)";

/// Confined, the attack fails for this reason and all is restored; otherwise it succeeds.
#[track_caller]
fn expect_stopped(order: impl Fn(&Sandbox) -> String, reason: &str) -> [Sandbox; 2] {
    let victim = || {
        let sandbox = Sandbox::mini_mathlib();
        sandbox.write("home/precious", "of the user\n");
        sandbox
    };
    let confined = victim();
    let run = get(&confined).env(ATTACK, order(&confined)).run();
    run.expect_code(0).stderr_contains("restored 11 modules");
    confined.expect_all_restored();
    assert!(outcome(&confined).ends_with(reason), "{}\n{run}", outcome(&confined));
    let free = victim();
    get_unconfined(&free).env(ATTACK, order(&free)).run();
    assert_eq!(outcome(&free), "done");
    [confined, free]
}

/// What became of the attack.
#[track_caller]
fn outcome(sandbox: &Sandbox) -> String {
    let mut attacks = sandbox.leantar_calls().into_iter().filter_map(|call| call.attack);
    attacks.next_back().unwrap_or_else(|| panic!("nobody attacked"))
}

fn precious(sandbox: &Sandbox) -> String {
    sandbox.read("home/precious")
}

fn at(kind: &str, path: impl AsRef<Path>) -> String {
    format!("{kind} {}", path.as_ref().display())
}

#[test]
#[cfg_attr(
    not(all(has = "fake-leantar", has = "landlock")),
    ignore = "needs the fake leantar, landlock"
)]
fn files_of_the_user_are_not_written_fake_leantar_only() {
    let [confined, free] = expect_stopped(|s| at("write", s.path("home/precious")), REFUSED);
    assert_eq!(precious(&confined), "of the user\n");
    assert_eq!(precious(&free), "written by leantar\n");
    let [confined, free] = expect_stopped(|s| at("write", s.path("home/.profile")), REFUSED);
    assert!(!confined.path("home/.profile").exists() && free.path("home/.profile").exists());
    // Nor what it is unpacking for: the package itself, beside the stage.
    for place in ["mathlib/lakefile.lean", "mathlib/.lake/build/new", "new"] {
        let [confined, free] = expect_stopped(|s| at("write", s.packages().join(place)), REFUSED);
        let is_hurt = |s: &Sandbox| {
            s.packages().join(place).exists()
                && s.read(s.packages().join(place)).contains("by leantar")
        };
        assert!(!is_hurt(&confined) && is_hurt(&free), "{place}");
    }
}

#[test]
#[cfg_attr(
    not(all(has = "fake-leantar", has = "landlock")),
    ignore = "needs the fake leantar, landlock"
)]
fn the_store_is_not_touched_fake_leantar_only() {
    for attack in ["store", "truncate"] {
        let [confined, free] = expect_stopped(|_| attack.to_owned(), REFUSED);
        let untouched = Tree::of(Sandbox::mini_mathlib().store()).files();
        assert_eq!(Tree::of(confined.store()).files(), untouched, "{attack}");
        assert_ne!(Tree::of(free.store()).files(), untouched, "{attack}");
    }
}

#[test]
#[cfg_attr(
    not(all(has = "fake-leantar", has = "landlock")),
    ignore = "needs the fake leantar, landlock"
)]
fn nothing_is_read_but_what_it_unpacks_fake_leantar_only() {
    expect_stopped(|s| at("read", s.path("home/precious")), REFUSED);
    expect_stopped(|s| at("list", s.home()), REFUSED);
    expect_stopped(|s| at("list", s.store()), REFUSED);
    expect_stopped(|s| at("read", s.package("mathlib").join("lakefile.lean")), REFUSED);
    // Where secrets of other processes are.
    expect_stopped(|_| format!("read /proc/{}/environ", std::process::id()), REFUSED);
}

#[test]
#[cfg_attr(
    not(all(has = "fake-leantar", has = "landlock")),
    ignore = "needs the fake leantar, landlock"
)]
fn no_link_leads_out_of_where_it_writes_fake_leantar_only() {
    expect_stopped(|s| at("link", s.path("home/precious")), ELSEWHERE);
    expect_stopped(|s| at("symlink", s.home()), REFUSED);
}

#[test]
#[cfg_attr(not(has = "fake-leantar"), ignore = "needs the fake leantar")]
fn a_link_in_the_place_of_a_stage_is_not_followed_fake_leantar_only() {
    // As on a kernel without Landlock. What it leads to is neither tidied nor published.
    let sandbox = Sandbox::mini_mathlib();
    sandbox.write("victim/build/precious", "of the user\n");
    let run = get_unconfined(&sandbox).env(ATTACK, at("symlink", sandbox.path("victim"))).run();
    assert_eq!(outcome(&sandbox), "done");
    run.expect_code(1).stderr_contains("leantar has replaced `");
    assert_eq!(sandbox.read("victim/build/precious"), "of the user\n");
    sandbox.expect_restored(&[]);
}

#[test]
#[cfg_attr(
    not(all(has = "fake-leantar", has = "landlock")),
    ignore = "needs the fake leantar, landlock"
)]
fn no_other_program_is_run_fake_leantar_only() {
    for program in ["/bin/sh", "/usr/bin/env"] {
        expect_stopped(|_| at("exec", program), REFUSED);
    }
}

#[test]
#[cfg_attr(
    not(all(has = "fake-leantar", has = "landlock")),
    ignore = "needs the fake leantar, landlock"
)]
fn no_network_is_reached_fake_leantar_only() {
    let server = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = server.local_addr().expect("bound").port();
    expect_stopped(|_| format!("tcp {port}"), REFUSED);
}

#[test]
#[cfg_attr(
    not(all(has = "fake-leantar", has = "landlock")),
    ignore = "needs the fake leantar, landlock"
)]
fn no_other_process_is_reached_fake_leantar_only() {
    let name = format!("shim-test-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(&name).expect("a name");
    let _server = UnixListener::bind_addr(&address).expect("a socket");
    expect_stopped(|_| format!("socket {name}"), NOT_PERMITTED);
    expect_stopped(|_| "trace".to_owned(), NOT_PERMITTED);
    // That one ends before leantar can write down what came of it.
    let confined = Sandbox::mini_mathlib();
    get(&confined).env(ATTACK, "parent").run().expect_code(0);
    assert_eq!(outcome(&confined), NOT_PERMITTED);
    let free = Sandbox::mini_mathlib();
    get_unconfined(&free).env(ATTACK, "parent").run().expect_signal(Signal::SIGKILL);
}

#[test]
#[cfg_attr(
    not(all(has = "fake-leantar", has = "landlock")),
    ignore = "needs the fake leantar, landlock"
)]
fn a_trial_is_held_as_well_fake_leantar_only() {
    let bake = |how: &str| -> (Sandbox, Run) {
        let sandbox = Sandbox::mini_mathlib();
        get(&sandbox).run().expect_code(0);
        sandbox.write("home/precious", "of the user\n");
        let call: Call = sandbox.lake_shim("bake --level 1 --store").arg(sandbox.store());
        let attack = at("write", sandbox.path("home/precious"));
        let run = call.env(ATTACK, attack).env("LAKE_SHIM_CONFINE", how).run();
        (sandbox, run)
    };
    let (confined, run) = bake("always");
    run.expect_code(0);
    assert!(outcome(&confined).ends_with(REFUSED), "{}", outcome(&confined));
    assert_eq!(precious(&confined), "of the user\n");
    let (free, _) = bake("never");
    assert_eq!(precious(&free), "written by leantar\n");
}
