"""Git packages, and packages in their repositories."""

from build import M, MONO, ORG, Repository, case, git_entry, git_require, lakefile, manifest, path_entry, path_require


# Git


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
