//! Inputs with a structure, made at random and shrunk when something does not hold of them.
//!
//! A fuzzer finds out what a byte does; these begin where it would be after hours. They are put
//! together from the words of each format, those that mean trouble among them.

use super::{
    argv, dockerfile, git, glob, header, index, lakefile, manifest, pack, room, trace, write,
};
use crate::workspace::git::Checkout;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::Config;
use std::process::{Command, Stdio};

const NAMES: &[&str] =
    &["a", "std-1.0", "«a-b»", "a.b", "α", "A.«b c»", "#a", "..", "a/b", "a\\u0001"];
const URLS: &[&str] = &[
    "https://e.org/o/a",
    "https://e.org/o/a.git",
    "git@e.org:o/a",
    "ssh://git@e.org/o/a/",
    "file:///srv/a",
    "../a",
    "",
];

/// Some of `words`, in a row.
fn words(words: &'static [&'static str], most: usize) -> impl Strategy<Value = String> {
    vec(select(words), 0..most).prop_map(|words| words.concat())
}

fn config(cases: u32) -> Config {
    Config { cases, failure_persistence: None, ..Config::default() }
}

/// The beginning of a Lean file.
pub fn headers() -> impl Strategy<Value = String> {
    words(HEADER, 24)
}

/// An entry of a manifest, with fields in any order and some that nobody knows.
fn entry() -> impl Strategy<Value = String> {
    let name = select(NAMES).prop_map(|name| format!(r#""name":"{name}""#));
    let source = prop_oneof![
        3 => select(URLS).prop_map(|url| format!(r#""type":"git","url":"{url}","rev":"r""#)),
        1 => Just(r#""type":"path","dir":"d""#.to_owned()),
        1 => Just(r#""type":"hg""#.to_owned()),
    ];
    let more = vec(
        select(
            &[
                r#""inputRev":null"#,
                r#""subDir":"s""#,
                r#""inherited":true"#,
                r#""scope":"o""#,
                r#""configFile":"l.toml""#,
                r#""manifestFile":"m.json""#,
                r#""new":{"url":"https://e.org/o/a","x":[1,2.5e-3,null]}"#,
            ][..],
        ),
        0..4,
    );
    (name, source, more).prop_map(|(name, source, mut fields)| {
        fields.sort_unstable();
        fields.dedup();
        let all = [name, source].into_iter().chain(fields.into_iter().map(str::to_owned));
        all.collect::<Vec<_>>().join(",")
    })
}

const REQUIRES: &[&str] = &[
    "[[require]]\nname = \"a\"\ngit = \"https://e.org/o/a\" # why\n",
    "[[require]]\r\nname = 'b'\r\ngit = 'git@e.org:o/b.git'\r\nrev = 'v'\r\n",
    "[[require]]\nname = \"c\"\n  git.url = '''https://e.org/o/c'''\n",
    "[[require]]\n\"name\" = \"d\"\ngit = { subDir = \"x\", url = \"\\u0068ttps://e.org/o/d\" }\n",
    "[[require]]\nname = \"e\"\npath = \"../e\"\ngit = \"https://e.org/o/e\"\n",
    "[[require]]\nname = \"f\"\nsource = {type = \"git\", url = \"\"\"ssh://e.org/o/f\"\"\"}\n",
    "[[require]]\nname = \"g\"\nscope = \"o\"\nversion = \"git#v\"\n",
    "[[require]]\nname = \"../h\"\ngit = \"https://e.org/o/h\"\n",
    "[[require]]\ngit = \"https://e.org/o/i\"\n",
    "[[require]]\nname = \"a\"\nsource = 1\n",
    "[[lean_lib]]\nname = \"https://e.org/o/a\"\n",
    "# git = \"https://e.org/o/a\"\n",
    "name = \"app\"\n",
    "\n",
];

const HEADER: &[&str] = &[
    "import", "public", "meta", "all", "module", "prelude", " ", "\n", "\r\n", "\t", "-- c\n",
    "--", "/-", "-/", "/--", "-", "/", "A", "Mathlib", ".", "«", "»", "α₁", "1", "'", "section",
    "\u{feff}",
];

const ARGUMENTS: &[&str] = &[
    "build",
    "exe",
    "exec",
    "cache",
    "get",
    "get!",
    "unpack",
    "update",
    "env",
    "script",
    "serve",
    "lean",
    "mathlib/cache",
    "Mathlib.Init",
    "-d",
    "-dx",
    "-d=x",
    "-d x",
    "--dir=y",
    "--file",
    "-K",
    "-q",
    "-U",
    "--packages=p",
    "--repo=a/b",
    "--skip-proofwidgets",
    "--",
    "-",
    "",
    "+nightly",
    "--help",
    "-q=build",
    "--log-level",
    "--json=x",
    "é",
];

const DOCKERFILE: &[&str] = &[
    "FROM x AS a\n",
    "FROM a\n",
    "from A as B\n",
    "ARG V=b\n",
    "ARG A\n",
    "ENV V=$A W=\"$V c\"\n",
    "ENV V a b\n",
    "COPY a b /x/\n",
    "COPY $V /x\n",
    "COPY ${V:-b}/c /x\n",
    "COPY --parents b/./* /x\n",
    "COPY --exclude=*.lean . /\n",
    "COPY [\"a\", \"/x\"]\n",
    "COPY <<E /x\nCOPY no no\nE\n",
    "COPY out /x\n",
    "COPY in/* \\\n# c\n b/[c-d] /x\n",
    "ADD https://e.org/x a? /x\n",
    "ONBUILD COPY a /x\n",
    "RUN --mount=source=b,target=/b ls\n",
    "RUN <<-E cat\n\tE\n",
    "# escape=`\n",
    "# c\n",
    "USER x\n",
];

const IGNORE: &[&str] =
    &["*", "**", "a", "b", "/", "!", "\n", "c", "d", "#", "[b-d]", "?", "..", " ", "\r\n"];

/// Paths that meet each other, and those that lead out.
const PATHS: &[&str] = &["a", "b", "/", "..", "l", "x", ".", "a/", "l/x"];
const TARGETS: &[&str] = &["a", "..", "/", "b/x", "../", "l"];

/// A record as [`super::pack`] reads it.
fn record() -> impl Strategy<Value = Vec<u8>> {
    let kind = select(&b"000005522LKx1"[..]);
    let flags = prop_oneof![6 => Just(0), 2 => Just(1), 1 => Just(16), 1 => any::<u8>()];
    let text = prop_oneof![words(TARGETS, 4), Just("x".repeat(600)), Just("n/".repeat(70) + "\0")];
    (kind, flags, words(PATHS, 4), text).prop_map(|(kind, flags, name, text)| {
        [&[kind, flags], name.as_bytes(), &[0xfe], text.as_bytes()].concat()
    })
}

/// A ref or what is in its place.
fn reference() -> impl Strategy<Value = String> {
    let object = "[0-9a-f]{40}";
    prop_oneof![
        4 => object.prop_map(|object| object + "\n"),
        3 => select(&["ref: refs/heads/main\n", "ref: refs/heads/other\n", "ref:refs/tags/t"][..])
            .prop_map(str::to_owned),
        1 => (object, select(&["", " ", "\r\n", "0", " garbage\n"][..])).prop_map(|(o, s)| o + s),
        1 => select(&["", "ref: HEAD\n", "ref: refs/heads/../main\n", "ref: refs/heads/a.lock\n"][..])
            .prop_map(str::to_owned),
    ]
}

fn packed_refs() -> impl Strategy<Value = String> {
    let object = || proptest::option::of("[0-9a-f]{40}");
    (object(), object(), object(), object()).prop_map(|(main, other, tag, peeled)| {
        let header = "# pack-refs with: peeled fully-peeled sorted \n";
        let line = |object: Option<String>, name| {
            object.map(|object| format!("{object} refs/{name}\n")).unwrap_or_default()
        };
        let peeled = peeled.filter(|_| tag.is_some()).map(|object| format!("^{object}\n"));
        let (main, other, tag) =
            (line(main, "heads/main"), line(other, "heads/other"), line(tag, "tags/t"));
        [header, &main, &other, &tag, &peeled.unwrap_or_default()].concat()
    })
}

proptest! {
    #![proptest_config(config(128))]

    #[test]
    fn manifests(
        version in select(&["7", "\"1.0.0\"", "\"1.1.0\"", "\"1.2.0\"", "\"2.0.0\"", "4"][..]),
        entries in vec(entry(), 0..4),
        end in select(&["", ",\"name\":\"x\"", ",\"name\":\"[anonymous]\",\"packagesDir\":\"p\"", ",\"k\":[]"][..]),
    ) {
        let entries: Vec<_> = entries.iter().map(|entry| format!("{{{entry}}}")).collect();
        let text = format!(r#"{{"version":{version},"packages":[{}]{end}}}"#, entries.join(","));
        manifest(text.as_bytes());
    }

    #[test]
    fn old_manifests(kind in select(&["git", "path", "hg"][..]), entry in entry()) {
        let text = format!(r#"{{"version":5,"packages":[{{"{kind}":{{{entry}}}}}]}}"#);
        manifest(text.as_bytes());
    }

    #[test]
    fn lakefiles(text in words(REQUIRES, 6)) {
        lakefile(text.as_bytes());
    }

    #[test]
    fn import_headers(text in headers()) {
        header(text.as_bytes());
    }

    #[test]
    fn arguments(args in vec(select(ARGUMENTS), 0..8)) {
        argv(args.join("\0").as_bytes());
    }

    #[test]
    fn globs(
        pattern in words(&["a", "b", "/", "*", "?", "[", "]", "^", "-", "\\", "é"], 9),
        name in words(&["a", "b", "/", "^", "-", "]", "é", "c"], 9),
    ) {
        glob(&[pattern.as_bytes(), name.as_bytes()].join(&0xff));
    }

    #[test]
    fn dockerfiles(recipe in words(DOCKERFILE, 9), ignore in words(IGNORE, 9), argument in words(PATHS, 3)) {
        dockerfile(&[recipe.as_bytes(), ignore.as_bytes(), argument.as_bytes()].join(&0xff));
    }

    #[test]
    fn shards(records in vec(record(), 0..7), lie in select(&b"tttl"[..])) {
        pack(&[&[lie], records.join(&0xff).as_slice()].concat());
    }

    #[test]
    fn traces(
        version in select(&["", r#""schemaVersion":"2025-09-10","#][..]),
        hash in "[0-9a-f]{16}|[0-9]{1,20}",
        outputs in words(&[
            r#""o":["0000000000000001.olean"],"#, r#""i":"0000000000000001.ilean","#, r#""c":null,"#,
            r#""r":"0000000000000001./../../x","#, r#""x":{},"#, r#""b":[1],"#,
        ], 5),
    ) {
        let outputs = outputs.trim_end_matches(',');
        trace(format!(r#"{{{version}"depHash":"{hash}","outputs":{{{outputs}}}}}"#).as_bytes());
    }

    #[test]
    fn indices(entry in entry(), file in "[0-9a-f]{16}\\.ltar|[0-9A-F]{16}\\.ltar|\\.\\./[a-z]\\.ltar") {
        let lock = format!(r#"{{"toolchain":"t","packages":[{{{entry}}}],"modules":{{"A":"{file}"}}}}"#);
        index(format!(r#"{{"schema":1,"locks":{{"l":{lock}}},"ltars":{{}},"packs":[]}}"#).as_bytes());
    }
}

proptest! {
    #![proptest_config(config(48))]

    /// What git says too, wherever files tell it.
    #[test]
    fn heads_are_gits(head in reference(), branch in reference(), packed in packed_refs()) {
        git(&[head.as_bytes(), branch.as_bytes(), packed.as_bytes()].join(&0xff));
        let dir = room();
        let dot_git = dir.path().join(".git");
        write(&dot_git.join("HEAD"), head.as_bytes());
        write(&dot_git.join("refs/heads/main"), branch.as_bytes());
        write(&dot_git.join("packed-refs"), packed.as_bytes());
        write(&dot_git.join("objects/keep"), b"");
        let ours = Checkout::open(dir.path()).expect("a clone").head();
        let theirs = Command::new("git")
            .args(["rev-parse", "--verify", "--quiet", "HEAD"])
            .current_dir(dir.path())
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CEILING_DIRECTORIES", dir.path())
            .stderr(Stdio::null())
            .output()
            .expect("git runs");
        let theirs = String::from_utf8(theirs.stdout).expect("hex digits");
        if let Some(ours) = ours {
            prop_assert_eq!(ours, theirs.trim_end());
        }
    }
}
