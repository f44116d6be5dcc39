"""The cases, each a function that says what its workspace is made of."""

from build import ORG, Repository, git_entry, git_require, lakefile, leaf, manifest, path_entry, path_require

CASES = {}


def case(function):
    CASES[function.__name__] = function


# Paths


@case
def path_upward_in_path():
    return {
        "root": "app",
        "files": {
            "app/lakefile.toml": lakefile("root", path_require("lib", "../lib")),
            "lib/lakefile.toml": lakefile("lib", path_require("sub", "../sub")),
            "sub/lakefile.toml": lakefile("sub"),
        },
    }


@case
def path_upward_in_path_with_manifest():
    return {
        "root": "app",
        "files": {
            "app/lakefile.toml": lakefile("root", path_require("lib", "../lib")),
            "lib/lakefile.toml": lakefile("lib", path_require("sub", "../sub")),
            "lib/lake-manifest.json": manifest("lib", path_entry("sub", "../sub")),
            "sub/lakefile.toml": lakefile("sub", git_require("m", "v0")),
            "sub/lake-manifest.json": manifest("sub"),
        },
        "repos": {ORG + "m": leaf("m")},
    }


@case
def paths_three_deep():
    return {
        "root": "deep/app",
        "files": {
            "deep/app/lakefile.toml": lakefile("root", path_require("a", "../../a")),
            "a/lakefile.toml": lakefile("a", path_require("b", "inner/b"), path_require("c", "../c")),
            "a/inner/b/lakefile.toml": lakefile("b", path_require("d", "../../../deep/d")),
            "c/lakefile.toml": lakefile("c", path_require("e", "./e")),
            "c/lake-manifest.json": manifest("c", path_entry("e", "./e"), path_entry("f", "e/../f", inherited=True)),
            "c/e/lakefile.toml": lakefile("e", path_require("f", "../f")),
            "c/f/lakefile.toml": lakefile("f"),
            "deep/d/lakefile.toml": lakefile("d"),
        },
    }


@case
def paths_spelled_oddly():
    requires = [("a", "a/"), ("b", "./././b"), ("c", "a/../c"), ("d", "./d/."), ("e", "a//../e")]
    files = {f"{name}/lakefile.toml": lakefile(name, path_require(name * 2, "./in/")) for name, _ in requires}
    files |= {f"{name}/in/lakefile.toml": lakefile(name * 2) for name, _ in requires}
    return {"files": files | {"lakefile.toml": lakefile("root", *(path_require(*require) for require in requires))}}


@case
def path_that_is_the_workspace_itself():
    return {
        "files": {
            "lakefile.toml": lakefile("root", path_require("again", "."), path_require("lib", "lib")),
            "lib/lakefile.toml": lakefile("lib", path_require("own", "."), path_require("sub", "sub")),
            "lib/sub/lakefile.toml": lakefile("sub", path_require("up", "..")),
        },
    }


@case
def absolute_paths():
    return {
        "root": "app",
        "files": {
            "app/lakefile.toml": lakefile("root", path_require("lib", "<ws>/lib"), path_require("near", "near")),
            "app/near/lakefile.toml": lakefile("near", path_require("far", "<ws>/far")),
            "lib/lakefile.toml": lakefile("lib", path_require("sub", "../sub"), path_require("old", "<ws>/old")),
            "lib/lake-manifest.json": manifest("lib", path_entry("sub", "../sub"), path_entry("old", "<ws>/old")),
            "sub/lakefile.toml": lakefile("sub"),
            "far/lakefile.toml": lakefile("far", path_require("next", "../next")),
            "old/lakefile.toml": lakefile("old"),
            "next/lakefile.toml": lakefile("next"),
        },
    }


@case
def paths_with_other_letters():
    return {
        "files": {
            "lakefile.toml": lakefile("root", path_require("bücher", "bücher und mehr")),
            "bücher und mehr/lakefile.toml": lakefile("bücher", path_require("b", 'sch"ön\\')),
            'bücher und mehr/sch"ön\\/lakefile.toml': lakefile("b"),
        },
    }


# Cycles


@case
def cycle_of_paths():
    return {
        "files": {
            "lakefile.toml": lakefile("root", path_require("a", "a")),
            "a/lakefile.toml": lakefile("a", path_require("b", "../b")),
            "b/lakefile.toml": lakefile("b", path_require("c", "../c")),
            "c/lakefile.toml": lakefile("c", path_require("a", "../a"), path_require("b", "../b")),
        },
    }


@case
def cycle_of_paths_with_manifests():
    return {
        "files": {
            "lakefile.toml": lakefile("root", path_require("a", "a")),
            "a/lakefile.toml": lakefile("a", path_require("b", "../b")),
            "a/lake-manifest.json": manifest("a", path_entry("b", "../b")),
            "b/lakefile.toml": lakefile("b", path_require("a", "../a"), path_require("b", ".")),
            "b/lake-manifest.json": manifest("b", path_entry("a", "../a"), path_entry("b", "../a/../b", inherited=True)),
        },
    }


@case
def dependency_requires_itself():
    return {
        "files": {
            "lakefile.toml": lakefile("root", path_require("a", "a")),
            "a/lakefile.toml": lakefile("a", path_require("a", "../other")),
            "other/lakefile.toml": lakefile("a"),
        },
    }


@case
def dependency_requires_the_roots_name():
    return {
        "files": {
            "lakefile.toml": lakefile("root", path_require("a", "a")),
            "a/lakefile.toml": lakefile("a", path_require("root", "../other"), path_require("b", "../b")),
            "b/lakefile.toml": lakefile("b"),
            "other/lakefile.toml": lakefile("root"),
        },
    }


@case
def manifest_of_dependency_has_the_roots_name():
    return {
        "files": {
            "lakefile.toml": lakefile("root", path_require("a", "a")),
            "a/lakefile.toml": lakefile("a", path_require("root", "../other"), path_require("b", "../b")),
            "a/lake-manifest.json": manifest("a", path_entry("root", "../other"), path_entry("b", "../b")),
            "b/lakefile.toml": lakefile("b"),
            "other/lakefile.toml": lakefile("root"),
        },
    }


# Conflicts: the first entry of a name wins


@case
def manifests_pin_different_revisions():
    def lib(name, rev):
        entry = git_entry("m", M.revision(rev), inputRev=f"v{rev}")
        return {
            f"{name}/lakefile.toml": lakefile(name, git_require("m", f"v{rev}")),
            f"{name}/lake-manifest.json": manifest(name, entry),
        }

    requires = [path_require(name, name) for name in ("one", "two", "three")]
    return {
        "files": {"lakefile.toml": lakefile("root", *requires)} | lib("one", 1) | lib("two", 0) | lib("three", 2),
        "repos": {ORG + "m": M},
    }


M = leaf("m", "zero", "one", "two")


@case
def requirers_without_manifests_differ():
    return {
        "files": {
            "lakefile.toml": lakefile("root", path_require("one", "one"), path_require("two", "two")),
            "one/lakefile.toml": lakefile("one", git_require("m", "v1")),
            "two/lakefile.toml": lakefile("two", git_require("m", "v0")),
        },
        "repos": {ORG + "m": M},
    }


@case
def a_later_manifest_beats_an_earlier_require():
    # Every direct dependency's manifest is read before any dependency's require is taken.
    return {
        "files": {
            "lakefile.toml": lakefile("root", path_require("one", "one"), path_require("two", "two")),
            "one/lakefile.toml": lakefile("one", git_require("m", "v1")),
            "one/lake-manifest.json": manifest("one", git_entry("m", M.revision(1), inputRev="v1")),
            "two/lakefile.toml": lakefile("two", git_require("m", "v0")),
        },
        "repos": {ORG + "m": M},
    }


@case
def manifest_without_its_require_still_pins():
    # Nobody's require but the other's: the manifest of `one` says where `m` is for `two` as well.
    return {
        "files": {
            "lakefile.toml": lakefile("root", path_require("one", "one"), path_require("two", "two")),
            "one/lakefile.toml": lakefile("one"),
            "one/lake-manifest.json": manifest("one", path_entry("m", "../m")),
            "two/lakefile.toml": lakefile("two", git_require("m", "v0")),
            "m/lakefile.toml": lakefile("m"),
        },
    }


@case
def root_overrides_a_manifests_git():
    return {
        "files": {
            "lakefile.toml": lakefile("root", git_require("m", "v2", ORG + "m.git"), path_require("lib", "lib")),
            "lib/lakefile.toml": lakefile("lib", git_require("m", "v0")),
            "lib/lake-manifest.json": manifest("lib", git_entry("m", M.revision(0), inputRev="v0")),
        },
        "repos": {ORG + "m.git": M},
    }


@case
def root_overrides_a_git_by_a_path():
    return {
        "files": {
            "lakefile.toml": lakefile("root", path_require("m", "m"), git_require("a")),
            "m/lakefile.toml": lakefile("m", path_require("o", "../o")),
            "o/lakefile.toml": lakefile("o"),
        },
        "repos": {
            ORG + "a": Repository({
                "lakefile.toml": lakefile("a", git_require("m", "v0"), git_require("o", "v0")),
                "lake-manifest.json": manifest("a", git_entry("m", M.revision(0))),
            }),
            ORG + "o": leaf("o"),
        },
    }


@case
def stale_entries_of_a_manifest():
    return {
        "files": {
            "lakefile.toml": lakefile("root", path_require("lib", "lib")),
            "lib/lakefile.toml": lakefile("lib", git_require("m", "v2")),
            "lib/lake-manifest.json": manifest(
                "lib",
                git_entry("gone", "0" * 40),
                path_entry("vanished", "../vanished"),
                git_entry("m", M.revision(0), inputRev="v0", scope="old", configFile="lakefile", manifestFile="old.json"),
                git_entry("m", M.revision(1), inputRev="v1"),
            ),
        },
        "repos": {ORG + "m": M},
    }


@case
def duplicate_names_in_the_root():
    return {
        "files": {
            "lakefile.toml": lakefile(
                "root",
                git_require("m", "v1"),
                path_require("lib", "one"),
                git_require("m", "v2", ORG + "m.git"),
                path_require("lib", "two"),
            ),
            "one/lakefile.toml": lakefile("lib", path_require("a", "../a")),
            "two/lakefile.toml": lakefile("lib", path_require("b", "../b")),
            "a/lakefile.toml": lakefile("a"),
            "b/lakefile.toml": lakefile("b"),
        },
        "repos": {ORG + "m.git": M, ORG + "m": M},
    }


@case
def duplicate_names_in_a_dependency():
    return {
        "files": {
            "lakefile.toml": lakefile("root", path_require("lib", "lib")),
            "lib/lakefile.toml": lakefile("lib", git_require("m", "v1"), git_require("m", "v2"), path_require("m", "m")),
            "lib/m/lakefile.toml": lakefile("m"),
        },
    }


@case
def order_of_a_tree():
    def package(name, *requires):
        return {f"{name}/lakefile.toml": lakefile(name, *(path_require(other, f"../{other}") for other in requires))}

    root = lakefile("root", *(path_require(name, name) for name in ("a", "b", "c")))
    files = {"lakefile.toml": root} | package("a", "d", "e") | package("b", "f", "d") | package("c", "g", "h")
    files |= package("d", "i") | package("e", "j", "k") | package("f", "k", "g") | package("g", "j") | package("h", "l", "f")
    files |= package("i", "m") | package("j") | package("k", "i") | package("l", "d") | package("m")
    return {"files": files}


@case
def order_of_a_tree_of_gits():
    def repository(name, *requires):
        return Repository({"lakefile.toml": lakefile(name, *(git_require(other) for other in requires))})

    repositories = {"a": repository("a", "c", "d"), "b": repository("b", "e", "c"), "c": repository("c", "f")}
    repositories |= {"d": repository("d", "e"), "e": repository("e", "f", "g"), "f": leaf("f"), "g": leaf("g")}
    return {
        "files": {"lakefile.toml": lakefile("root", git_require("a"), git_require("b"))},
        "repos": {ORG + name: repository for name, repository in repositories.items()},
    }


# Git


MONO = Repository({
    "lakefile.toml": lakefile("mono", path_require("inner", "inner")),
    "inner/lakefile.toml": lakefile("inner", path_require("deep", "deep")),
    "inner/deep/lakefile.toml": lakefile("deep"),
    "packages/sub/lakefile.toml": lakefile("sub", path_require("other", "../other")),
    "packages/other/lakefile.toml": lakefile("other", path_require("inner", "../../inner")),
    "pinned/lakefile.toml": lakefile("pinned", path_require("third", "../packages/third")),
    "pinned/lake-manifest.json": manifest("pinned", path_entry("third", "./../packages/third")),
    "packages/third/lakefile.toml": lakefile("third"),
})


@case
def sub_dir():
    return {
        "files": {"lakefile.toml": lakefile("root", git_require("sub", url=ORG + "mono", subDir="packages/sub"))},
        "repos": {ORG + "mono": MONO},
    }


@case
def sub_dir_with_manifest():
    return {
        "files": {"lakefile.toml": lakefile("root", git_require("pinned", url=ORG + "mono", subDir="./pinned/"))},
        "repos": {ORG + "mono": MONO},
    }


@case
def sub_dirs_of_one_repository():
    return {
        "files": {
            "lakefile.toml": f"""name = "root"
[[require]]
name = "sub"
git = {{ url = "{ORG}mono", subDir = "packages/sub" }}
rev = "v0"
[[require]]
name = "other"
rev = "main"
subDir = "not/this/one"
[require.git]
url = "{ORG}mono"
subDir = 'packages/other'
""",
        },
        "repos": {ORG + "mono": MONO},
    }


@case
def path_in_a_gits_repository():
    return {"files": {"lakefile.toml": lakefile("root", git_require("mono"))}, "repos": {ORG + "mono": MONO}}


@case
def path_in_a_gits_repository_with_manifest():
    repository = Repository({
        "lakefile.toml": lakefile("a", path_require("inner", "inner"), path_require("next", "./next")),
        "lake-manifest.json": manifest("a", path_entry("next", "./next"), path_entry("inner", "inner")),
        "inner/lakefile.toml": lakefile("inner"),
        "next/lakefile.toml": lakefile("next", git_require("m", "v1")),
    })
    return {
        "files": {"lakefile.toml": lakefile("root", git_require("a", "v0"))},
        "repos": {ORG + "a": repository, ORG + "m": M},
    }


@case
def packages_dir_elsewhere_with_a_path_in_a_repository():
    return {
        "root": "app",
        "files": {"app/lakefile.toml": lakefile("root", git_require("mono"), head='packagesDir = "../deps/pkgs"')},
        "repos": {ORG + "mono": MONO},
    }


@case
def packages_dir_spelled_oddly():
    return {
        "files": {"lakefile.toml": lakefile("root", git_require("mono"), head="packagesDir = './deps/'")},
        "repos": {ORG + "mono": MONO},
    }


@case
def packages_dir_absolute():
    return {
        "root": "app",
        "files": {"app/lakefile.toml": lakefile("root", git_require("mono"), head="packagesDir = '<ws>/deps'")},
        "repos": {ORG + "mono": MONO},
    }


@case
def revisions_of_every_kind():
    names = {"branch": "main", "tag": "v1", "none": None, "whole": M.revision(0), "short": M.revision(1)[:9]}
    requires = [git_require(name, rev, ORG + "m") for name, rev in names.items()]
    return {
        "files": {"lakefile.toml": lakefile("root", *requires, git_require("m", "refs/tags/v0"))},
        "repos": {ORG + "m": M},
    }


# Names


@case
def names_that_need_quotes():
    names = ["a.b", "a-b", "«c d»", "e.«f-g»", "«h.i»", "1.0", "j.1", "k.«1»", "012", "α-β", "αβ₁", "x y", "end", "_", "«n»"]
    return {
        "files": {
            "lakefile.toml": lakefile("my-app.v2", *(path_require(name, f"p{n}") for n, name in enumerate(names))),
            **{f"p{n}/lakefile.toml": lakefile(f"own-name-{n}") for n in range(len(names))},
        },
    }


@case
def names_that_need_quotes_in_manifests():
    entries = [git_entry("«std-1.0»", M.revision(0), ORG + "m"), path_entry("a.«b-c»", "../abc"), path_entry("«1»", "../one")]
    return {
        "files": {
            "lakefile.toml": lakefile("«ro.ot»", path_require("doc-gen4", "lib")),
            "lib/lakefile.toml": lakefile(
                "lib", git_require("std-1.0", url=ORG + "m"), path_require("a.«b-c»", "../no"), path_require("«1»", "no")
            ),
            "lib/lake-manifest.json": manifest("lib", *entries),
            "abc/lakefile.toml": lakefile("abc"),
            "one/lakefile.toml": lakefile("one", path_require("in«side", "in")),
            "one/in/lakefile.toml": lakefile("x"),
        },
        "repos": {ORG + "m": M},
    }


@case
def names_that_are_one():
    # Written otherwise, the same name: whoever requires it second gets the first.
    return {
        "files": {
            "lakefile.toml": lakefile("root", path_require("lib", "lib"), path_require("«a».b", "ab"), path_require("7", "seven")),
            "lib/lakefile.toml": lakefile("lib", path_require("a.«b»", "../no"), path_require("07", "no"), path_require("«lib»", "no")),
            "ab/lakefile.toml": lakefile("ab"),
            "seven/lakefile.toml": lakefile("seven"),
        },
    }


# Where configurations and manifests are


@case
def manifest_file_and_packages_dir():
    return {
        "manifest": "locked.json",
        "files": {
            "lakefile.toml": lakefile(
                "root", path_require("lib", "lib"), git_require("m", "v1"), head='manifestFile = "locked.json"\npackagesDir = "pkgs"'
            ),
            "lake-manifest.json": "not ours",
            "lib/lakefile.toml": lakefile(
                "lib", git_require("n", "v0"), head='manifestFile = "sub/lock.json"\npackagesDir = "elsewhere"'
            ),
            "lib/sub/lock.json": manifest("lib", git_entry("n", N.revision(1), inputRev="v1"), packagesDir="elsewhere"),
            "lib/lake-manifest.json": manifest("lib", git_entry("n", N.revision(0), inputRev="v0")),
        },
        "repos": {ORG + "m": M, ORG + "n": N},
    }


N = Repository(
    {"lakefile.toml": lakefile("n")},
    {"lakefile.toml": lakefile("n", git_require("m", "v0"), head='manifestFile = "lock.json"'), "lock.json": manifest("n")},
)


@case
def manifest_file_of_a_git():
    return {
        "files": {"lakefile.toml": lakefile("root", git_require("n"), path_require("lib", "lib")), "lib/lakefile.toml": lakefile("lib")},
        "repos": {ORG + "n": N, ORG + "m": M},
    }


@case
def config_file_of_an_entry():
    return {
        "files": {
            "lakefile.toml": lakefile("root", path_require("lib", "lib")),
            "lib/lakefile.toml": lakefile("lib", path_require("sub", "../sub")),
            "lib/lake-manifest.json": manifest("lib", path_entry("sub", "../sub", configFile="other.toml", manifestFile="x.json")),
            "sub/lakefile.toml": lakefile("sub", path_require("wrong", "wrong")),
            "sub/other.toml": lakefile("sub", path_require("right", "right"), head='manifestFile = "y.json"'),
            "sub/right/lakefile.toml": lakefile("right"),
            "sub/wrong/lakefile.toml": lakefile("wrong"),
        },
    }


@case
def reservoirs_packages_in_a_manifest():
    entry = git_entry("m", M.revision(1), inputRev="v1", scope="leanprover-community")
    nested = git_entry("n", N.revision(0), inputRev=None, scope="leanprover", inherited=True, configFile="lakefile")
    return {
        "files": {
            "lakefile.toml": lakefile("root", path_require("lib", "lib"), path_require("two", "two")),
            "lib/lakefile.toml": lakefile(
                "lib",
                {"name": "m", "scope": "leanprover-community", "rev": "v1"},
                {"name": "n", "scope": "leanprover", "version": ">= 1.0"},
            ),
            "lib/lake-manifest.json": manifest("lib", entry, nested),
            "two/lakefile.toml": lakefile("two", {"name": "n", "scope": "somebody", "version": "git#nowhere"}),
        },
        "repos": {ORG + "m": M, ORG + "n": N},
    }


# Forms of requires


@case
def requires_of_every_form():
    text = f"""# a comment
name = 'root' # 'quoted'
require = [
  {{ name = "m", git = {{ url = "{ORG}m" }}, rev = "v0", options = {{ a = "b" }} }}, # one
  {{name = "n", source = {{type = "git", url = '{ORG}n', rev = "v0"}}}},
  {{ "name" = "lib", 'path' = "lib" }},
  {{ name = "two", source.type = "path", source.dir = "two" }},
  {{ name = "three", scope = "somebody", path = "three", git = "{ORG}nowhere", rev = "x", version = "1" }},
  {{ name = "four", scope = "somebody", git.url = "{ORG}m", git.rev = "v2", rev = "v1" }},
  {{ name = "five", source = {{ type = "git", url = "{ORG}mono", subDir = "inner" }}, rev = "ignored" }},
]
"""
    names = ("lib", "two", "three")
    return {
        "files": {"lakefile.toml": text} | {f"{name}/lakefile.toml": lakefile(name) for name in names},
        "repos": {ORG + "m": M, ORG + "n": N, ORG + "mono": MONO},
    }


@case
def lakefile_with_crlf_and_multi_line_strings():
    text = f'''name = """
root"""
\tpackagesDir = \'\'\'.lake/packages\'\'\'

[[ require ]]
name = "\\u006d"
git = """\\
   {ORG}m"""
rev = "v0"
'''
    return {"files": {"lakefile.toml": text.replace("\n", "\r\n")}, "repos": {ORG + "m": M}}


# Manifests


def with_manifest(text):
    return {
        "files": {
            "lakefile.toml": lakefile("root", path_require("lib", "lib")),
            "lib/lakefile.toml": lakefile("lib", git_require("m", "v2"), path_require("sub", "sub")),
            "lib/lake-manifest.json": text,
            "lib/sub/lakefile.toml": lakefile("sub"),
            "lib/moved/lakefile.toml": lakefile("sub"),
        },
        "repos": {ORG + "m": M},
    }


def flat(version, **more):
    return manifest("lib", git_entry("m", M.revision(0), **more), path_entry("sub", "moved"), version=version)


@case
def manifest_of_version_7():
    short = {"url": ORG + "m", "type": "git", "rev": M.revision(0), "name": "m", "inherited": False, "inputRev": "v0"}
    other = {"type": "path", "dir": "./moved", "name": "sub", "inherited": True, "manifestFile": None}
    return with_manifest(manifest("lib", short, other, version=7))


@case
def manifest_of_version_6():
    short = {"url": ORG + "m", "rev": M.revision(0), "name": "m", "inherited": False, "opts": {}, "subDir?": None, "inputRev?": "v0"}
    other = {"dir": "./moved", "name": "sub", "inherited": False, "opts": {}}
    return with_manifest(manifest("lib", {"git": short}, {"path": other}, version=6))


@case
def manifest_of_version_1_0_0():
    return with_manifest(flat("1.0.0"))


@case
def manifest_of_version_1_9_0_with_unknown_fields():
    return with_manifest(flat("1.9.0-rc1", later=[1], inputRev=None, subDir="."))


@case
def manifest_that_packs_things_oddly():
    return with_manifest(flat("1.1.0").replace("\n", "\r\n\t") + "\n\n")


@case
def long_lines():
    def url(length):
        return "https://example.org/" + "x" * (length - 21) + "/m"

    # Around the column at which Lean breaks the line: `   "url": "…",` in the first entry and in the others.
    urls = [url(length) for length in range(60, 78)]
    requires = [git_require(f"m{n}", "v0", url) for n, url in enumerate(urls)]
    requires.append(git_require("a" * 58, "v1", ORG + "m"))
    requires.append(git_require("b" * 90, "v1", ORG + "m"))
    longest = path_require("lib", "lib-" + "é" * 61)
    return {
        "files": {
            "lakefile.toml": lakefile("root", *requires, longest),
            longest["path"] + "/lakefile.toml": lakefile("lib"),
        },
        "repos": {url: M for url in [*urls, ORG + "m"]},
    }


@case
def long_name_and_packages_dir():
    return {
        "files": {
            "lakefile.toml": lakefile("r" * 71, path_require("a", "a"), head=f'packagesDir = "{"d" * 63}"'),
            "a/lakefile.toml": lakefile("a"),
        },
    }


@case
def one_short_entry():
    return {"files": {"lakefile.toml": lakefile("r", path_require("a", "a")), "a/lakefile.toml": lakefile("a")}}


@case
def manifest_with_an_entry_that_lacks_inherited():
    # Lake takes such a manifest for broken, and goes on without it.
    return with_manifest(manifest("lib", {"type": "git", "url": ORG + "m", "rev": M.revision(0), "name": "m"}))


@case
def manifest_with_an_unquoted_name():
    return with_manifest(manifest("lib", path_entry("a-b", "moved"), git_entry("m", M.revision(0))))


@case
def path_into_a_packages_clone():
    return {
        "files": {"lakefile.toml": lakefile("root", path_require("third", ".lake/packages/mono/packages/third"), git_require("mono"))},
        "repos": {ORG + "mono": MONO},
    }


@case
def packages_of_one_repository_at_two_revisions():
    entries = [git_entry("one", M.revision(1), ORG + "m.git", inputRev=None), git_entry("two", M.revision(2), ORG + "m")]
    return {
        "files": {
            "lakefile.toml": lakefile("root", git_require("three", "v0", ORG + "m"), path_require("lib", "lib")),
            "lib/lakefile.toml": lakefile("lib", git_require("one", None, ORG + "m.git"), git_require("two", url=ORG + "m")),
            "lib/lake-manifest.json": manifest("lib", *entries),
        },
        "repos": {ORG + "m": M, ORG + "m.git": M},
    }
