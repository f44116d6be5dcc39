use super::*;
use fs_err as fs;
use std::cell::Cell;

/// `/bin/sh`, whose own words are all it runs, held so that it reads `read` and writes in `write`.
fn sh(script: &str, read: &[&Path], write: &[&Path]) -> bool {
    let program = &fs::canonicalize("/bin/sh").expect("a shell");
    let needs = Needs { program, libraries: &[], read: read.into(), write: write.into() };
    let confinement = Confinement::new(&needs);
    assert!(matches!(confinement.state(), State::Confined { .. }), "{}", confinement.state());
    let mut command = Command::new(program);
    confinement.hold(&mut command);
    command.args(["-c", script]).stderr(std::process::Stdio::null());
    command.status().expect("it starts").success()
}

#[test]
fn what_is_needed_and_nothing_else() {
    let dir = TempDir::new().expect("a directory");
    let path = |name: &str| dir.path().join(name);
    let (input, other, room) = (path("input"), path("other"), path("room"));
    fs::write(&input, "text\n").expect("a file");
    fs::write(&other, "text\n").expect("a file");
    fs::create_dir(&room).expect("a directory");
    let run = |script: &str| {
        let paths = [("INPUT", &input), ("OTHER", &other), ("ROOM", &room)];
        let script = paths.iter().fold(script.to_owned(), |script, (name, path)| {
            script.replace(name, &path.display().to_string())
        });
        sh(&script, &[&input], &[&room])
    };
    for allowed in [
        "read line < INPUT && test \"$line\" = text",
        "echo a > ROOM/new && read line < ROOM/new",
        "echo a > /dev/null",
        "kill -0 $$",
    ] {
        assert!(run(allowed), "{allowed}");
    }
    for refused in [
        "read line < OTHER",
        "echo a > OTHER",
        "echo a >> INPUT",
        "echo a > ROOM/../new",
        "exec /bin/true",
        "kill -0 $PPID",
    ] {
        assert!(!run(refused), "{refused}");
    }
    assert!(!path("new").exists());
}

#[test]
fn rules_that_do_not_hold_are_found_out() {
    let dir = TempDir::new().expect("a directory");
    let input = dir.path().join("input");
    fs::write(&input, "text").expect("a file");
    let program = Path::new("/bin/sh");
    let needs = |read, write| Needs { program, libraries: &[], read, write };
    let nothing = ruleset(&needs(vec![], vec![])).expect("rules");
    for (needs, refused) in [
        (needs(vec![&input], vec![]), input.as_path()),
        (needs(vec![dir.path()], vec![]), dir.path()),
        (needs(vec![], vec![dir.path()]), dir.path()),
    ] {
        let Err(Unproven::Refused(path)) = prove(&nothing, &needs) else {
            panic!("no rule allows it");
        };
        assert_eq!(path, refused);
    }
    let gone = dir.path().join("gone");
    assert!(prove(&nothing, &needs(vec![&gone], vec![&gone])).is_ok(), "that is not the rules");
}

#[test]
fn what_was_replaced_before_the_trial_is_tried_again() {
    let dir = TempDir::new().expect("a directory");
    let (input, new) = (dir.path().join("input"), dir.path().join("new"));
    fs::write(&input, "text").expect("a file");
    let program = Path::new("/bin/sh");
    let needs = Needs { program, libraries: &[], read: vec![&input], write: vec![] };
    for (replaced, is_held) in [(1, true), (2, false)] {
        let left = Cell::new(replaced);
        let confinement = Confinement::with(&needs, |needs| {
            let rules = ruleset(needs);
            if let Some(less) = u32::checked_sub(left.get(), 1) {
                left.set(less);
                fs::write(&new, "text").and_then(|()| fs::rename(&new, &input)).expect("a file");
            }
            rules
        });
        let state = confinement.state();
        assert_eq!(state.abi().is_some(), is_held, "{state}");
        let reason = format!("the file system of `{}`", input.display());
        assert!(is_held || state.to_string().contains(&reason), "{state}");
    }
}

#[test]
fn what_a_kernel_lacks() {
    let lacks = |abi| State::Confined { abi }.lacks().len();
    assert_eq!([2, 3, 4, 5, 6, 7].map(lacks), [4, 3, 2, 1, 0, 0]);
    assert!(State::Free(String::new()).lacks().is_empty());
}

#[test]
fn programs() {
    let dir = TempDir::new().expect("a directory");
    let of = |bytes: &[u8]| {
        let path = dir.path().join("program");
        fs::write(&path, bytes).expect("a file");
        Program::of(&path)
    };
    let shell = fs::read("/bin/sh").expect("a shell");
    let Program::Loaded { by } = of(&shell) else { panic!("a shell has libraries") };
    assert!(by.is_file(), "{}", by.display());
    // The loader itself is started by nobody.
    assert_eq!(of(&fs::read(by).expect("the loader")), Program::Alone);
    let foreign = [&shell[..18], &[0xf7, 0], &shell[20..]].concat();
    for unknown in [b"#!/bin/sh\n", &b""[..], &shell[..63], &shell[..70], &foreign] {
        assert_eq!(of(unknown), Program::Unknown);
    }
    assert_eq!(Program::of(&dir.path().join("missing")), Program::Unknown);
}
