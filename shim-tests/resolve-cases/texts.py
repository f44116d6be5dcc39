"""Names, configurations, and what the manifests of dependencies say."""

from build import M, MONO, N, ORG, case, git_entry, git_require, lakefile, manifest, path_entry, path_require


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
def names_of_odd_letters():
    names = ["#x", "?y", "a»b", "✝z", "a.#b", "«a.#b»", "λx", "x₁'", "日本", "x!", "_hyg.1._@.x", "ÀÿŁ", "ℵ𝒜", "x\ny\x7f", 'q"\\']
    return {
        "files": {
            "lakefile.toml": lakefile("ro\x01ot\t", *(path_require(name, f"p{n}") for n, name in enumerate(names))),
            **{f"p{n}/lakefile.toml": lakefile("own") for n in range(len(names))},
        },
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
