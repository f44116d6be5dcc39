//! Which files an instruction takes from a context on disk, as tables.

use super::Build;
use fs_err as fs;
use fs_err::os::unix::fs::symlink;
use std::collections::BTreeMap;
use std::path::Path;
use tempfile::TempDir;

/// A context with these files; `name -> target` is a symlink, `name/` an empty directory.
fn context(files: &[&str], ignore: &str) -> TempDir {
    let dir = TempDir::new().expect("a temporary directory");
    for file in files {
        let (name, target) = file.split_once(" -> ").unwrap_or((file, ""));
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("directories");
        match (target, name.ends_with('/')) {
            ("", true) => fs::create_dir_all(path).expect("a directory"),
            ("", false) => fs::write(path, name).expect("a file"),
            (target, _) => symlink(target, path).expect("a symlink"),
        }
    }
    fs::write(dir.path().join(".dockerignore"), ignore).expect("a file");
    dir
}

/// The names of the files that the instruction takes, or the error.
fn taken(dir: &Path, instruction: &str) -> Result<Vec<String>, String> {
    let dockerfile = dir.join(".Dockerfile");
    fs::write(&dockerfile, format!("FROM a\n{instruction}\n")).expect("a file");
    let build = Build { dockerfile, context: dir.to_owned(), args: BTreeMap::new() };
    let names = build.files().map(|files| files.names());
    names.map_err(|error| format!("{error:#}").replace(&*dir.to_string_lossy(), "<context>"))
}

const FILES: &[&str] = &[
    "a.md",
    "b.md",
    "c.txt",
    ".hidden",
    "src/a.c",
    "src/a.md",
    "src/deep/b.c",
    "src/deep/b.md",
    "src/empty/",
    "other/x",
    "[z]",
];

#[test]
fn what_is_taken() {
    let all = "- .Dockerfile .dockerignore .hidden [z] a.md b.md c.txt other/x src/a.c src/a.md \
               src/deep/b.c src/deep/b.md";
    for (ignore, instruction, expected) in [
        ("", "COPY c.txt /", "c.txt"),
        ("", "COPY ./c.txt /x", "c.txt"),
        ("", "COPY /c.txt /", "c.txt"),
        ("", "COPY ../../c.txt /", "c.txt"),
        ("", "COPY src/../c.txt /", "c.txt"),
        ("", "COPY c.txt a.md c.txt /", "a.md c.txt"),
        ("", "COPY src /", "src/a.c src/a.md src/deep/b.c src/deep/b.md"),
        ("", "COPY src/ /", "src/a.c src/a.md src/deep/b.c src/deep/b.md"),
        ("", "COPY src/empty /", ""),
        ("", "COPY . /", &all[2..]),
        ("", "ADD / /", &all[2..]),
        ("", "COPY *.md /", "a.md b.md"),
        ("", "COPY * /", &all[2..]),
        ("", "COPY s*/*.c /", "src/a.c"),
        ("", "COPY s*/d* /", "src/deep/b.c src/deep/b.md"),
        ("", "COPY src/**/b.c /", "src/deep/b.c"),
        ("", "COPY **/b.c /", "- matches nothing"),
        ("", "COPY [[]z] /", "[z]"),
        ("", "COPY c.tx[t] nothing* /", "c.txt"),
        ("", "COPY --exclude=*.md src /", "src/a.c src/deep/b.c src/deep/b.md"),
        ("", "COPY --exclude=**/*.md --exclude=deep/*.c src /", "src/a.c"),
        (
            "",
            "COPY --exclude=**/*.md --exclude=!deep/b.md src /",
            "src/a.c src/deep/b.c src/deep/b.md",
        ),
        ("", "COPY --exclude=*.md a.md /", "a.md"),
        ("", "COPY --parents src/a.c /", "src/a.c"),
        ("", "COPY --parents src/**/*.c /", "src/a.c src/deep/b.c"),
        ("", "COPY --parents src/./deep /", "src/deep/b.c src/deep/b.md"),
        ("", "COPY --parents s*/./**/*.c /", "src/a.c src/deep/b.c"),
        ("", "COPY --parents . /", &all[2..]),
        ("", "COPY --parents --exclude=src/a.* src /", "src/deep/b.c src/deep/b.md"),
        ("", "RUN --mount=target=/x make", &all[2..]),
        ("", "RUN --mount=source=src/deep,target=/x make", "src/deep/b.c src/deep/b.md"),
        ("**/*.md\n.*", "COPY . /", "[z] c.txt other/x src/a.c src/deep/b.c"),
        ("**/*.md\n.*", "RUN --mount=target=/x make", "[z] c.txt other/x src/a.c src/deep/b.c"),
        ("src\n!src/deep/b.c", "COPY src /", "src/deep/b.c"),
        ("*\n!src/deep/b.c", "COPY . /", "src/deep/b.c"),
        ("*\n!src/deep/b.c", "COPY s* /", "src/deep/b.c"),
        ("*\n!src/deep/b.c", "COPY src/deep/*.c /", "src/deep/b.c"),
        ("*\n!src/deep/b.c", "COPY --parents src/**/b.* /", "src/deep/b.c"),
        ("src\n!src/deep/b.c", "COPY other src/a.* /", "other/x"),
    ] {
        let names = taken(context(FILES, ignore).path(), instruction).map(|names| names.join(" "));
        match expected.strip_prefix("- ") {
            None => assert_eq!(names.as_deref(), Ok(expected), "{instruction} {ignore:?}"),
            Some(part) => assert!(names.expect_err(instruction).contains(part)),
        }
    }
}

#[test]
fn symlinks_are_followed_within_the_context() {
    let files = [
        "real/a",
        "real/sub/b",
        "real/inner -> a",
        "links/abs -> /top/x",
        "top/x",
        "dir -> real",
        "file -> real/a",
        "twice -> dir/sub",
        "rooted -> /real/sub",
        "up -> ../../../real/a",
        "gone -> nowhere",
        "loop -> loop",
        "hidden -> secret",
        "secret",
    ];
    for (instruction, expected) in [
        ("COPY file /", "file real/a"),
        ("COPY dir /", "dir real/a real/inner real/sub/b"),
        ("COPY dir/a /", "dir real/a"),
        ("COPY twice/b /", "dir real/sub/b twice"),
        ("COPY rooted /", "real/sub/b rooted"),
        ("COPY links/abs /", "links/abs top/x"),
        ("COPY up /", "real/a up"),
        ("COPY real /", "real/a real/inner real/sub/b"),
        ("COPY d* /", "dir real/a real/inner real/sub/b"),
        ("COPY d*/a /", "- `COPY` takes `d*/a`, which matches nothing"),
        ("COPY dir/s* /", "dir real/sub/b"),
        ("COPY gone /", "- `COPY` takes `gone`, which is not in the build context `<context>`"),
        ("COPY hidden /", "- `COPY` takes `hidden`, which is left out of the build context"),
        ("COPY loop /", "- `loop` leads through too many symlinks"),
    ] {
        let dir = context(&files, "secret");
        let names = taken(dir.path(), instruction).map(|names| names.join(" "));
        match expected.strip_prefix("- ") {
            None => assert_eq!(names.as_deref(), Ok(expected), "{instruction}"),
            Some(part) => {
                let error = names.expect_err(instruction);
                assert!(error.contains(part), "{instruction}: {error}");
                assert!(error.starts_with("`<context>/.Dockerfile:2`: "), "{error}");
            }
        }
    }
}

#[test]
fn what_is_not_there() {
    for (ignore, instruction, parts) in [
        (
            "",
            "COPY nope /",
            &["takes `nope`, which is not in the build context `<context>`", "--context DIR"][..],
        ),
        ("", "COPY c.txt nope /", &["takes `nope`"]),
        ("", "COPY a.md/x /", &["takes `a.md/x`, which is not in"]),
        ("", "ADD nope.tgz /", &["`ADD` takes `nope.tgz`"]),
        ("", "RUN --mount=source=nope,target=/x a", &["`RUN --mount` takes `nope`"]),
        ("", "RUN --mount=source=*.md,target=/x a", &["takes `*.md`, which is not in"]),
        ("", "COPY nope* *.nope /", &["takes `nope*`, which matches nothing"]),
        ("", "COPY --parents src/nope /", &["takes `src/nope`, which is not in"]),
        ("", "COPY --parents src/./nope /", &["takes `src/./nope`, which is not in"]),
        ("", "COPY --parents **/*.nope /", &["takes `**/*.nope`, which matches nothing"]),
        ("", "COPY [x /", &["`[x` is no pattern"]),
        ("", "COPY --exclude=[ src /", &["`[` is no pattern"]),
        (
            "src",
            "COPY src /",
            &["takes `src`, which is left out", "`<context>/.dockerignore`", "`!src`"],
        ),
        ("src", "COPY src/deep/b.c /", &["left out"]),
        ("*\n!nothing", "COPY src /", &["left out"]),
        ("*.md", "COPY *.md /", &["takes `*.md`, which matches nothing"]),
    ] {
        let dir = context(FILES, ignore);
        let error = taken(dir.path(), instruction).expect_err(instruction);
        assert!(error.starts_with("`<context>/.Dockerfile:2`: "), "{error}");
        for part in parts {
            assert!(error.contains(part), "{instruction}: {error}");
        }
    }
    let error = taken(context(FILES, "a\n[").path(), "COPY src /").expect_err("a bad ignore file");
    assert!(error.starts_with("`<context>/.dockerignore`: line 2: `[` is no pattern"), "{error}");
}

#[test]
fn an_ignore_file_of_ones_own_wins() {
    let dir = context(&["a", "b"], "*");
    let own = dir.path().join(".Dockerfile.dockerignore");
    fs::write(&own, "b\n.*").expect("a file");
    assert_eq!(taken(dir.path(), "COPY . /"), Ok(vec!["a".to_owned()]));
    fs::write(&own, "").expect("a file");
    let all = [".Dockerfile", ".Dockerfile.dockerignore", ".dockerignore", "a", "b"];
    assert_eq!(taken(dir.path(), "COPY . /"), Ok(all.map(str::to_owned).to_vec()));
}
