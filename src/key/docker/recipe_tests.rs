//! Tests of [`super::recipe`], as tables.

use super::Fault;
use super::lines::Dockerfile;
use super::recipe::{Source, Taken, taken};
use std::collections::BTreeMap;

fn read(text: &str, build_args: &[(&str, &str)]) -> Result<Vec<Taken>, Fault> {
    let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    let build_args: BTreeMap<_, _> = build_args.iter().map(pair).collect();
    taken(&Dockerfile::parse(text)?, &build_args)
}

/// `line BY sources…` of what is taken: `~` before a wildcard, `path[below]` of `--parents`, `-` before
/// an `--exclude`.
fn shown(text: &str, build_args: &[(&str, &str)]) -> Vec<String> {
    let source = |Source { path, has_wildcard, below }: &Source| {
        let tilde = if *has_wildcard { "~" } else { "" };
        let below = below.as_ref().map(|below| format!("[{below}]")).unwrap_or_default();
        format!(" {tilde}{path}{below}")
    };
    let show = |Taken { line, by, sources, exclude }: &Taken| {
        let exclude = exclude.iter().map(|exclude| format!(" -{exclude}"));
        let words: String = sources.iter().map(source).chain(exclude).collect();
        format!("{line} {by}{words}")
    };
    let taken = read(text, build_args).unwrap_or_else(|e| panic!("{text:?}: {e:?}"));
    taken.iter().map(show).collect()
}

#[test]
fn sources_of_copy_and_add() {
    for (text, expected) in [
        ("FROM a\nCOPY b c d/", &["2 COPY b c"][..]),
        ("from a\ncopy b c", &["2 COPY b"]),
        ("FROM a\nCOPY [\"b c\", \"*.d\", \"e\"]", &["2 COPY b c ~*.d"]),
        ("FROM a\nCOPY --chown=1:1 --chmod=755 --link b c", &["2 COPY b"]),
        ("FROM a\nCOPY --exclude=*.md --exclude=x . /", &["2 COPY . -*.md -x"]),
        ("FROM a\nCOPY b*/c [xy] \\\n\n# why\n d", &["2 COPY ~b*/c ~[xy]"]),
        ("FROM a AS b\nCOPY --from=b c d\nCOPY --from=0 c d\nCOPY --from=image:1 c d", &[]),
        ("FROM a\nCOPY --from= c d", &["2 COPY c"]),
        ("FROM a\nCOPY --parents x/./y/*.z w /", &["2 COPY x[y/*.z] [w]"]),
        ("FROM a\nCOPY --parents=false x/./y /", &["2 COPY x/./y"]),
        ("FROM a\nCOPY <<E b /c\nCOPY x y\nE\n", &["2 COPY b"]),
        ("FROM a\nCOPY <<E /c\nE\n", &[]),
        ("FROM a\nADD b.tgz https://x/y git@h.org:r.git ssh://h/r git://h/r /c", &["2 ADD b.tgz"]),
        ("FROM a\nARG U=https://x\nADD $U/y /c", &[]),
        ("FROM a\nADD https://x/$UNKNOWN /c", &[]),
        ("FROM a\nADD a@b /c", &["2 ADD a@b"]),
    ] {
        assert_eq!(shown(text, &[]), expected, "{text:?}");
    }
}

#[test]
fn mounts() {
    for (mount, expected) in [
        ("source=x,target=/x", &["2 RUN --mount x"][..]),
        ("type=bind,src=x/y,dst=/x", &["2 RUN --mount x/y"]),
        ("type=BIND,target=/x", &["2 RUN --mount "]),
        ("'\"source=a,b\",target=/x'", &["2 RUN --mount a,b"]),
        ("source=d/*,target=$UNKNOWN", &["2 RUN --mount d/*"]),
        ("from=a,source=x", &[]),
        ("type=cache,target=/x", &[]),
        ("type=cache,from=a,source=x", &[]),
        ("type=tmpfs,target=/x", &[]),
        ("type=secret,source=x", &[]),
        ("type=ssh", &[]),
    ] {
        let text = format!("FROM a\nRUN --network=none --mount={mount} make");
        assert_eq!(shown(&text, &[]), expected, "{mount}");
    }
    let text =
        "FROM a\nARG D=d\nRUN --mount=source=$D/a,target=/x --mount=source=$D/b,target=/y make";
    assert_eq!(shown(text, &[]), ["3 RUN --mount d/a d/b"]);
    assert!(read("FROM a\nRUN --mount=source=$D,target=/x make", &[]).is_err());
}

#[test]
fn variables() {
    let stage = |instructions: &str| format!("FROM a\n{instructions}\nCOPY $V /x\n");
    for (text, build_args, expected) in [
        (stage("ARG V=v"), &[][..], "v"),
        (stage("ARG V=v"), &[("V", "given")], "given"),
        (stage("ARG V"), &[("V", "given")], "given"),
        (stage("ARG A=1 V=\"$A 2\""), &[], "1 2"),
        (stage("ARG V=v\nENV V=env"), &[("V", "given")], "env"),
        (stage("ENV V v w"), &[], "v w"),
        (stage("ENV V=v W='a b'"), &[], "v"),
        (stage("ENV A=old\nENV A=new V=$A"), &[], "old"),
        (stage("ENV P=/a:$PATH V=v"), &[], "v"),
        (stage("ARG TARGETARCH\nENV V=bin/$TARGETARCH"), &[("TARGETARCH", "arm64")], "bin/arm64"),
        (format!("ARG V=v\n{}", stage("ARG V")), &[], "v"),
        (format!("ARG V=v\n{}", stage("ARG V")), &[("V", "given")], "given"),
        (format!("ARG V=v\n{}", stage("ARG V=own")), &[], "own"),
        (format!("ARG A=a\nARG V=$A/b\n{}", stage("ARG V")), &[], "a/b"),
        ("FROM a AS Base\nARG V=v\nFROM base\nCOPY $V /x".to_owned(), &[], "v"),
        ("ARG B=b\nFROM a AS b\nENV V=v\nFROM ${B}\nCOPY $V /x".to_owned(), &[], "v"),
        ("FROM a\nCOPY ${V:-v} /x".to_owned(), &[], "v"),
        ("# escape=`\nFROM a\nCOPY v`$V /x".to_owned(), &[], "v$V"),
    ] {
        let taken = read(&text, build_args).unwrap_or_else(|e| panic!("{text:?}: {e:?}"));
        let paths: Vec<_> =
            taken.iter().flat_map(|taken| &taken.sources).map(|source| &source.path).collect();
        assert_eq!(paths, [expected], "{text:?} {build_args:?}");
    }
}

#[test]
fn triggers_act_in_the_stage_built_on_theirs() {
    let text = "FROM a AS b\nONBUILD ARG V=v\nONBUILD COPY $V /x\nFROM c\nFROM b\nCOPY y z";
    assert_eq!(shown(text, &[]), ["3 COPY v", "6 COPY y"]);
}

/// A few kilobytes that ask for any amount of memory, or of our stack.
#[test]
fn what_never_ends() {
    let full = "more than 64 MiB of memory";
    let long = "it becomes longer than 128 KiB";
    let doubling = "ENV A=$A$A\n".repeat(64);
    let triggers = "ONBUILD COPY b c\n".repeat(2000);
    for (text, what) in [
        (format!("FROM a\nENV A=aaaaaaaa\n{doubling}COPY $A /x"), long),
        (format!("FROM a\n{}COPY b c", "ENV A=a$A\nARG A=$A\n".repeat(3)), "COPY"),
        (format!("FROM a\nENV A={}\n{}", "a".repeat(1 << 16), "ENV B=$A\n".repeat(2000)), full),
        (format!("FROM a AS a\n{triggers}{}", "FROM a AS b\n".repeat(2000)), full),
        ("FROM a AS a\nONBUILD FROM a\nFROM a\n".to_owned(), "`ONBUILD FROM a` is no trigger"),
        (format!("FROM a\n{}", "ONBUILD ".repeat(100_000)), "is no trigger"),
        (format!("FROM a\nCOPY {} /x", "${A:-".repeat(100_000)), "more than 64 deep"),
    ] {
        match read(&text, &[]) {
            Err(fault) => assert!(fault.what.contains(what), "{:?}: {fault:?}", &text[..60]),
            Ok(taken) => assert_eq!(taken[0].by, what, "{:?}", &text[..60]),
        }
    }
}

#[test]
fn what_cannot_be_told() {
    for (text, build_args, line, parts) in [
        ("FROM a\n\nCOPY $V /x", &[][..], 3, &["`COPY` takes `$V`", "`V` has no value"][..]),
        ("FROM a\nADD a/$V /x", &[], 2, &["`ADD` takes `a/$V`"]),
        ("ARG V=v\nFROM a\nCOPY $V /x", &[], 3, &["`V` has no value"]),
        ("FROM a\nCOPY $V /x", &[("V", "undeclared")], 2, &["`V` has no value"]),
        ("FROM a AS b\nARG V=v\nFROM c\nCOPY $V /x", &[], 4, &["`V` has no value"]),
        ("FROM a\nENV V=$HOME/v\nCOPY $V /x", &[], 3, &["`HOME` has no value"]),
        ("FROM a\nARG TARGETARCH\nCOPY $TARGETARCH /x", &[], 3, &["`TARGETARCH` has no value"]),
        ("FROM a\nARG V=v\nCOPY ${V%x} /x", &[], 3, &["`${V…}` is a substitution"]),
        ("FROM a\nCOPY \"b c\" /x", &[], 2, &["takes `\"b`", "a `\"` is missing"]),
        ("FROM a\nCOPY b", &[], 2, &["needs a source"]),
        ("FROM a\nCOPY https://x/y /x", &[], 2, &["`COPY https://x/y` is a URL"]),
        ("ARG A\n", &[], 1, &["there is no `FROM`"]),
        ("", &[], 1, &["there is no `FROM`"]),
    ] {
        let fault = read(text, build_args).expect_err(text);
        assert_eq!(fault.line, line, "{text:?}");
        for part in parts {
            assert!(fault.what.contains(part), "{text:?}: {fault:?}");
        }
    }
}
