//! `docs/screens`: what a terminal of 80 and of 160 columns shows, as SVG with colours, as text where
//! `NO_COLOR` is set. `SHIM_TEST_WRITE_SCREENS=1` makes them anew.

use std::path::PathBuf;

use crate::page::without_figures;
use crate::place::Place;
use crate::repository;
use crate::svg::draw;

const COLUMNS: [usize; 2] = [80, 160];
/// What the terminal shows below everything else.
const END: &str = "=== the end ===";

fn ill() -> Place {
    let place = Place::installed().with_packages().with_store();
    place.type_in(&[
        "echo >> .lake/packages/batteries/lean-toolchain",
        "rm /opt/mathlib-cache/*0.ltar",
    ]);
    place.with("PATH", "/opt/lean/bin:/home/you/.local/share/lake-shim/bin:/opt/tools")
}

#[test]
#[cfg_attr(
    not(all(has = "fake-lake", has = "tmux", has = "mount")),
    ignore = "needs the fake lake, tmux, mount"
)]
fn doctor() {
    same_screens("doctor", "lake-shim doctor", ill);
}

#[test]
#[cfg_attr(
    not(all(has = "fake-lake", has = "tmux", has = "mount")),
    ignore = "needs the fake lake, tmux, mount"
)]
fn doctor_of_what_is_sound() {
    let sound = || Place::installed().with_packages().with_store();
    same_screens("doctor-sound", "lake-shim doctor", sound);
}

#[test]
#[cfg_attr(
    not(all(has = "fake-lake", has = "tmux", has = "mount")),
    ignore = "needs the fake lake, tmux, mount"
)]
fn restore() {
    let baked = || Place::installed().with_baked_store();
    same_screens("restore", "lake exe cache get; lake exe cache get", baked);
}

#[test]
#[cfg_attr(not(all(has = "tmux", has = "mount")), ignore = "needs tmux, mount")]
fn help() {
    same_screens("help", "lake-shim --help", Place::installed);
    same_screens("help-restore", "lake-shim restore --help", Place::installed);
}

#[track_caller]
fn same_screens(name: &str, command: &str, place: impl Fn() -> Place) {
    for columns in COLUMNS {
        let shown = screen(&place(), command, columns);
        same(&format!("{name}-{columns}.svg"), &draw(&shown, columns));
        assert!(shown.contains("\x1b[") || name == "restore", "no colours:\n{shown}");
        let plain = screen(&place().with("NO_COLOR", "1"), command, columns);
        assert!(!plain.contains('\x1b'), "colours, though somebody minds:\n{plain}");
        same(&format!("{name}-{columns}.txt"), &plain);
    }
}

/// What stands on the screen when the command has ended, and all it has printed has got there.
#[track_caller]
fn screen(place: &Place, command: &str, columns: usize) -> String {
    let script = format!(
        "cd project && tmux='tmux -S /home/tmux -f /dev/null'
         $tmux new-session -d -x {columns} -y 90 'PS1=; {command}; echo {END}; sleep 300'
         until $tmux capture-pane -p | grep -q '^{END}'; do sleep 0.02; done
         $tmux capture-pane -e -p; $tmux kill-server"
    );
    let screen = place.run_in(&script);
    let lines: Vec<_> =
        screen.lines().take_while(|line| !line.contains(END)).map(str::trim_end).collect();
    lines.join("\n").trim_end().to_owned() + "\n"
}

#[track_caller]
fn same(file: &str, now: &str) {
    let path: PathBuf = repository().join("docs/screens").join(file);
    let kept = fs_err::read_to_string(&path).unwrap_or_default();
    let is_same = without_figures(&kept) == without_figures(now);
    if !is_same && std::env::var_os("SHIM_TEST_WRITE_SCREENS").is_some_and(|value| value == "1") {
        return fs_err::write(&path, now).expect("to write a screen");
    }
    assert!(is_same, "{file} is stale; SHIM_TEST_WRITE_SCREENS=1 makes it anew\n{kept}\n{now}");
}
