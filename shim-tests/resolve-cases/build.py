"""What cases are made of: configurations, manifests, repositories."""

import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

ORG = "https://example.org/org/"
TIME = "1767225600 +0000"


def git_require(name, rev="main", url=None, **more):
    return {"name": name, "git": url or ORG + name, "rev": rev} | more


def path_require(name, path):
    return {"name": name, "path": path}


def lakefile(name, *requires, head=""):
    """A package's configuration, every require a table of its own."""
    lines = [f"name = {literal(name)}", *filter(None, [head])]
    for require in requires:
        lines += ["", "[[require]]"]
        fields = require.items()
        lines += [f"{key} = {literal(value)}" for key, value in fields if value is not None]
    return "\n".join(lines) + "\n"


def literal(text):
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def git_entry(name, rev, url=None, **more):
    entry = {"url": url or ORG + name, "type": "git", "subDir": None, "scope": "", "rev": rev, "name": name}
    entry |= {"manifestFile": "lake-manifest.json", "inputRev": "main", "inherited": False}
    return entry | {"configFile": "lakefile.toml"} | more


def path_entry(name, dir, **more):
    entry = {"type": "path", "scope": "", "name": name, "manifestFile": "lake-manifest.json"}
    return entry | {"inherited": False, "dir": dir, "configFile": "lakefile.toml"} | more


def manifest(name, *entries, version="1.1.0", **more):
    whole = {"version": version, "packagesDir": ".lake/packages", "packages": list(entries)}
    return json.dumps(whole | {"name": name, "lakeDir": ".lake"} | more, ensure_ascii=False, indent=1)


def git(directory, *args):
    names = {"GIT_AUTHOR_NAME": "fixture", "GIT_AUTHOR_EMAIL": "fixture@example.org", "GIT_AUTHOR_DATE": TIME}
    names |= {"GIT_COMMITTER_NAME": "fixture", "GIT_COMMITTER_EMAIL": "fixture@example.org"}
    env = os.environ | names | {"GIT_COMMITTER_DATE": TIME, "GIT_CONFIG_GLOBAL": "/dev/null"}
    run = subprocess.run(["git", *args], cwd=directory, env=env, check=True, capture_output=True, text=True)
    return run.stdout.strip()


def write(directory, files):
    for path, text in files.items():
        (directory / path).parent.mkdir(parents=True, exist_ok=True)
        (directory / path).write_text(text, newline="")


class Repository:
    """Commits one after the other, each a dictionary of all its files, tagged `v0`, `v1`, …"""

    def __init__(self, *commits):
        self.commits = commits

    def make(self, directory):
        directory.mkdir(parents=True)
        git(directory, "init", "--quiet", "--initial-branch=main")
        for number, files in enumerate(self.commits):
            for old in directory.iterdir():
                if old.name != ".git":
                    shutil.rmtree(old) if old.is_dir() else old.unlink()
            write(directory, files)
            git(directory, "add", "--all", "--force")
            git(directory, "commit", "--quiet", "--allow-empty", "--message", f"c{number}")
            git(directory, "tag", f"v{number}")
        git(directory, "branch", "master")

    def revision(self, number):
        """What the commit of that number will be called."""
        with tempfile.TemporaryDirectory() as temporary:
            clone = Path(temporary) / "clone"
            self.make(clone)
            return git(clone, "rev-parse", f"v{number}")


def leaf(name, *commits):
    """A repository of a package without requires, with as many commits as words."""
    return Repository(*({"lakefile.toml": lakefile(name), "at": word} for word in commits or ["one"]))


M = leaf("m", "zero", "one", "two")

N = Repository(
    {"lakefile.toml": lakefile("n")},
    {"lakefile.toml": lakefile("n", git_require("m", "v0"), head='manifestFile = "lock.json"'), "lock.json": manifest("n")},
)

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


CASES = {}


def case(function):
    """A function that says what a workspace of its name is made of."""
    CASES[function.__name__] = function
