"""Paths, cycles, and packages that more than one package requires."""

from build import M, ORG, Repository, case, git_entry, git_require, lakefile, leaf, manifest, path_entry, path_require


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
