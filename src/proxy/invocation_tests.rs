//! A table over every verb and option of `Lake/CLI/Main.lean`.

use super::*;

fn parse(line: &str) -> Invocation {
    let args: Vec<OsString> = line.split(' ').filter(|a| !a.is_empty()).map(Into::into).collect();
    Invocation::parse(&args)
}

const GUARDED: Command = Command::Guarded;

fn load(restore: bool) -> Command {
    Command::Load { restore }
}

fn cache(verb: CacheVerb, modules: &[&str]) -> Command {
    let modules = modules.iter().map(|&module| module.to_owned()).collect();
    Command::MathlibCache(CacheRequest {
        verb,
        modules,
        skip_proofwidgets: false,
        unknown_option: None,
    })
}

#[test]
fn verbs() {
    for (line, command) in [
        ("build", load(true)),
        ("check-build", load(true)),
        ("query x", load(true)),
        ("query-kind x", load(true)),
        ("test", load(true)),
        ("check-test", load(true)),
        ("lint", load(true)),
        ("check-lint", load(true)),
        ("env", load(true)),
        ("env printenv -x --y", load(true)),
        ("exe foo -x --y", load(true)),
        ("exec foo", load(true)),
        ("lean A.lean -- -x", load(true)),
        ("resolve-deps", load(true)),
        ("run script -x --y", load(true)),
        ("script run a -x", load(true)),
        ("script list", load(true)),
        ("scripts", load(true)),
        ("serve -- -x", load(false)),
        ("setup-file A.lean", load(false)),
        ("update", Command::Update),
        ("upgrade mathlib", Command::Update),
        ("cache get", Command::LakeCacheGet),
        ("cache get -q --max-revs=3", Command::LakeCacheGet),
        ("cache get --repo=a/b", GUARDED),
        ("cache get --scope a", GUARDED),
        ("cache get --force-download", GUARDED),
        ("cache get outputs.jsonl", GUARDED),
        ("cache put x", GUARDED),
        ("cache add x", GUARDED),
        ("cache clean", GUARDED),
        ("cache", GUARDED),
        ("new a", Command::Other),
        ("init a", Command::Other),
        ("pack", load(false)),
        ("unpack", load(false)),
        ("upload v1", load(false)),
        ("shake", load(false)),
        ("clean", Command::CleanAll),
        ("clean -q", Command::CleanAll),
        ("clean mathlib", load(false)),
        ("translate-config toml", GUARDED),
        ("reservoir-config", GUARDED),
        ("version-tags", GUARDED),
        ("self-check", Command::Other),
        ("help build", Command::Other),
        ("bake-a-cake", GUARDED),
        ("exe", GUARDED),
        ("", Command::Other),
    ] {
        assert_eq!(parse(line).command, command, "lake {line}");
    }
}

#[test]
fn mathlibs_cache() {
    for (line, command) in [
        ("exe cache get", cache(CacheVerb::Get, &[])),
        ("exec cache get", cache(CacheVerb::Get, &[])),
        ("exe mathlib/cache get", cache(CacheVerb::Get, &[])),
        ("exe cache get!", cache(CacheVerb::GetForce, &[])),
        ("exe cache get-", cache(CacheVerb::GetOnly, &[])),
        ("exe cache unpack", cache(CacheVerb::Unpack, &[])),
        ("exe cache unpack!", cache(CacheVerb::UnpackForce, &[])),
        (
            "exe cache get Mathlib.Init A/B.lean",
            cache(CacheVerb::Get, &["Mathlib.Init", "A/B.lean"]),
        ),
        ("exe cache --repo=a/b get", cache(CacheVerb::Get, &[])),
        ("-v exe -q cache get", cache(CacheVerb::Get, &[])),
        // Not for a store to answer, or not understood.
        ("exe cache", load(true)),
        ("exe cache lookup Mathlib", load(true)),
        ("exe cache clean!", load(true)),
        ("exe cache put", load(true)),
        ("exe cache get --help", load(true)),
        ("exe cache unpack Mathlib", load(true)),
        ("exe other/cache get", load(true)),
        ("env lake exe cache get", load(true)),
    ] {
        assert_eq!(parse(line).command, command, "lake {line}");
    }
    let Command::MathlibCache(request) = parse("exe cache --skip-proofwidgets get").command else {
        panic!("a cache request");
    };
    assert!(request.skip_proofwidgets);
}

#[test]
fn options_of_mathlibs_cache_that_say_where_from() {
    for line in [
        "--repo=a/b get",
        "--repo a/b get",
        "get --repo a/b",
        "--cache-from=master,forks get",
        "get --container master",
        "--scope=HEAD --unsafe get",
        "--unsafe-window 3 get",
    ] {
        let command = parse(&format!("exe cache {line}")).command;
        assert_eq!(command, cache(CacheVerb::Get, &[]), "{line}");
    }
    for option in ["--dev-cache", "--dev-cache=x", "-x"] {
        let Command::MathlibCache(request) = parse(&format!("exe cache get {option}")).command
        else {
            panic!("{option}: a cache request");
        };
        assert_eq!(request.unknown_option.as_deref(), Some(option));
    }
}

#[test]
fn places() {
    for line in [
        "-d DIR build",
        "-dDIR build",
        "-d=DIR build",
        "--dir DIR build",
        "--dir=DIR build",
        "build -d DIR",
        "build target -dDIR",
        "build --dir=DIR target",
        "-d other -d DIR build",
    ] {
        let location = parse(line).location;
        assert_eq!(location.dir.as_deref(), Some(OsStr::new("DIR")), "lake {line}");
    }
    let spaced = ["-d DIR", "build"].map(OsString::from);
    assert_eq!(Invocation::parse(&spaced).location.dir.as_deref(), Some(OsStr::new("DIR")));
    let spaced = ["--dir DIR", "build"].map(OsString::from);
    assert_eq!(Invocation::parse(&spaced).location.dir.as_deref(), Some(OsStr::new("DIR")));
    for line in ["-f F build", "-fF build", "-f=F build", "--file=F build", "build --file F"] {
        assert_eq!(parse(line).location.file.as_deref(), Some(OsStr::new("F")), "lake {line}");
    }
    assert_eq!(parse("--packages=a --packages b build").location.overrides, ["a", "b"]);
    assert!(parse("build --update").location.updates);
    assert!(parse("update").location.updates);
    // What follows a command's own program is not Lake's.
    assert_eq!(parse("env foo -d DIR").location.dir, None);
    assert_eq!(parse("exe foo -d DIR").location.dir, None);
    assert_eq!(parse("build -- -d DIR").location.dir, None);
}

#[test]
fn every_option_is_known() {
    for option in [
        "-q",
        "-v",
        "-R",
        "-H",
        "-J",
        "-U",
        "-K a=b",
        "-Ka=b",
        "-K=a=b",
        "-o x",
        "--quiet",
        "--verbose",
        "--update",
        "--keep-toolchain",
        "--reconfigure",
        "--old",
        "--text",
        "--json",
        "--no-build",
        "--no-cache",
        "--try-cache",
        "--rehash",
        "--offline",
        "--wfail",
        "--iofail",
        "--ansi",
        "--no-ansi",
        "--log-level=info",
        "--log-level info",
        "--fail-level=info",
        "--packages=x",
        "--force-download",
        "--scope x",
        "--repo a/b",
        "--platform x",
        "--toolchain x",
        "--rev x",
        "--max-revs 1",
    ] {
        assert_eq!(parse(&format!("{option} build")).command, load(true), "{option} before");
        assert_eq!(parse(&format!("build {option}")).command, load(true), "{option} after");
    }
}

#[test]
fn help_loads_no_workspace() {
    for line in ["-h build", "build -h", "--help", "build --help", "--version", "-d", "--dir"] {
        assert_eq!(parse(line), Invocation::default(), "lake {line}");
    }
    let toolchain_only = parse("+nightly --help");
    assert_eq!(toolchain_only.command, Command::Other);
    assert_eq!(toolchain_only.toolchain.as_deref(), Some(OsStr::new("nightly")));
}

#[test]
fn what_is_not_known_is_protected_and_restores_nothing() {
    for line in [
        "-x build",
        "--new build",
        "build --new",
        "build --new=x",
        "--new x build",
        "build -K",
        "frobnicate",
        "frobnicate --new",
        // The program that it runs may take these.
        "samply exe1 --help",
        "frobnicate --version build",
        // The verb may be the option's value.
        "--new new build",
        "--new help",
        "--new --help",
        // Short options do not bundle: Lake takes `v` for the verb here.
        "-qv build",
        // A flag's value is the next argument: Lake takes `x` for the verb here.
        "--json=x build",
    ] {
        let invocation = parse(line);
        assert_eq!(invocation.command, GUARDED, "lake {line}");
        assert!(invocation.takes_overrides, "lake {line}");
    }
    assert_eq!(parse("--new -d DIR build").location.dir.as_deref(), Some(OsStr::new("DIR")));
    for line in ["--new update", "--new x update mathlib", "--new build -U", "update --new"] {
        assert!(parse(line).location.updates, "lake {line}");
    }
}

#[test]
fn overrides_have_an_effect_unless_lake_resolves_or_uploads() {
    for (line, expected) in [
        ("build", true),
        ("env true", true),
        ("serve", true),
        ("exe cache get", true),
        ("clean", true),
        ("check-build", true),
        ("build -U", false),
        ("update", false),
        ("upgrade a", false),
        ("resolve-deps", false),
        ("upload v1", false),
        ("cache get", false),
        ("cache put x", false),
        ("new a", false),
        ("--help", false),
    ] {
        assert_eq!(parse(line).takes_overrides, expected, "lake {line}");
    }
}

#[test]
fn odd_arguments() {
    assert_eq!(parse("+nightly build").command, load(true));
    assert_eq!(parse("build +nightly").command, load(true), "a target, to Lake");
    let empty = ["", "build", ""].map(OsString::from);
    assert_eq!(Invocation::parse(&empty).command, load(true));
    let raw = OsString::from_vec(vec![b'a', 0xff]);
    let non_utf8 = ["build".into(), raw.clone()];
    assert_eq!(Invocation::parse(&non_utf8).command, load(true));
    assert_eq!(Invocation::parse(std::slice::from_ref(&raw)).command, GUARDED);
    let module = ["exe".into(), "cache".into(), "get".into(), raw.clone()];
    assert_eq!(Invocation::parse(&module).command, load(true));
    let dir = ["-d".into(), raw.clone(), "build".into()];
    assert_eq!(Invocation::parse(&dir).location.dir, Some(raw));
    assert_eq!(parse("-").command, GUARDED);
    assert_eq!(parse("build -").command, load(true));
}
