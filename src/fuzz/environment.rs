//! What the caller hands over: arguments and variables.

use crate::proxy::invocation::{CacheRequest, Command, Invocation};
use crate::proxy::url_map::UrlMap;
use crate::workspace::Location;
use crate::workspace::name::Name;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

/// Arguments, each up to a NUL.
///
/// All that is read of them is written in them, behind an unknown option a command is protected and nothing
/// more, and `+toolchain` changes nothing but the toolchain.
pub fn argv(data: &[u8]) {
    let args: Vec<OsString> =
        data.split(|&byte| byte == 0).map(|arg| OsStr::from_bytes(arg).to_owned()).collect();
    let invocation = Invocation::parse(&args);
    let Invocation { toolchain, location, command, takes_overrides } = &invocation;
    let Location { dir, file, overrides, search_above, updates: _ } = location;

    // `"--file x=y"` is the file `x`, and `y` an argument more.
    let is_in = |arg: &OsString, text: &[u8]| {
        text.is_empty() || arg.as_bytes().windows(text.len()).any(|part| part == text)
    };
    let is_there = |text: &OsString| args.iter().any(|arg| is_in(arg, text.as_bytes()));
    assert!(dir.iter().chain(file).chain(overrides).all(is_there), "{invocation:?}");
    match command {
        Command::Other => assert!(*location == Location::default() && !takes_overrides),
        Command::MathlibCache(CacheRequest { modules, .. }) => {
            assert!(search_above);
            assert!(modules.iter().all(|module| args.iter().any(|arg| arg == module.as_str())));
        }
        _ => assert!(!search_above),
    }

    let rest = if toolchain.is_some() { &args[1..] } else { &args[..] };
    let with = |first: &[&str]| {
        let first = first.iter().map(OsString::from);
        Invocation::parse(&first.chain(rest.iter().cloned()).collect::<Vec<_>>())
    };
    let help = with(&["--help"]).command;
    let is_help = |command: &Command| {
        matches!(command, Command::Other | Command::Guarded | Command::CleanAll | Command::Update)
    };
    assert!(is_help(&help), "--help: {help:?}");
    for unknown in ["--no-such-option", "-Z", "--no-such-option=x"] {
        let behind = with(&["build", unknown]).command;
        let is_clean = behind == Command::CleanAll && args.iter().any(|arg| arg == "clean");
        assert!(is_clean || behind == Command::Guarded, "build {unknown}: {behind:?}");
        assert!(with(&[unknown, "update"]).location.updates, "{unknown} update");
    }
    assert_eq!(with(&["-q", "", "--json"]), Invocation { toolchain: None, ..invocation.clone() });
    if !rest.first().is_some_and(|first| first.as_bytes().starts_with(b"+")) {
        let toolchain = Some("nightly".into());
        assert_eq!(with(&["+nightly"]), Invocation { toolchain, ..invocation.clone() });
    }
}

/// `LAKE_PKG_URL_MAP`: what the user has in it stays, in its order, and what is added is found.
pub fn url_map(data: &[u8]) {
    let text = OsStr::from_bytes(data);
    let old = UrlMap::parse(Some(text));
    let mut new = old.clone();
    let added = ["mathlib", "doc-gen4", "a.b"];
    added.iter().for_each(|name| new.insert(name, format!("https://e.org/{name}")));
    let printed = new.print();
    assert_eq!(UrlMap::parse(Some(&printed)), new, "{printed:?}");
    let json: Result<serde_json::Map<String, serde_json::Value>, _> = serde_json::from_slice(data);
    let Ok(json) = json else {
        assert_eq!(new, old, "no JSON object, so not ours to change");
        return;
    };
    for name in added {
        assert_eq!(new.get(name), Some(format!("https://e.org/{name}").as_str()));
    }
    let print: serde_json::Map<String, serde_json::Value> =
        serde_json::from_str(printed.to_str().expect("UTF-8")).expect("JSON");
    let is_added = |key: &String| added.iter().any(|name| Name::new(name).as_str() == key);
    assert!(json.keys().eq(print.keys().take(json.len())), "{printed:?}");
    for (key, value) in json.iter().filter(|(key, _)| !is_added(key)) {
        assert_eq!(print.get(key), Some(value), "{printed:?}");
    }
}
