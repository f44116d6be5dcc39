#!/usr/bin/env python3
"""Makes fixtures/resolve-more: workspaces, and the manifests that a real Lake writes for them.

usage: shim-tests/resolve-cases/make.py LAKE [CASE…]

The layout is that of fixtures/resolve: `in/` is what a run finds, `case.json` says where in there the
workspace is (`root`) and which bundle of `git/` lies behind which URL, `lake-manifest.json` (by whatever
name the lakefile gives it) and `log.txt` are what `lake update` wrote and said. `<ws>` in a file stands for
the directory that `in/` becomes. Commits are by the same hand at the same time, so that the same cases
come out on every machine.
"""

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

sys.dont_write_bytecode = True

import gits
import paths
import texts
from build import CASES, git, write

assert all((gits, paths, texts)), "these have the cases"

OUT = Path(__file__).resolve().parent.parent / "fixtures" / "resolve-more"
TOOLCHAIN = "leanprover/lean4:v4.27.0\n"

REMOTE_HTTPS = """#!/bin/sh
url=${2#https://}
repository=REMOTES/${url%.git}
[ -d "$repository" ] || { echo "fatal: repository '$2' not found" >&2; exit 128; }
while read -r command service; do
    case $command in
    capabilities) printf 'connect\\n\\n' ;;
    connect) printf '\\n'; exec git -c safe.directory='*' "${service#git-}" "$repository" ;;
    *) exit ;;
    esac
done
"""


def make(name, lake):
    described = CASES[name]()
    root = described.get("root", ".")
    file = described.get("manifest", "lake-manifest.json")
    target = OUT / name
    shutil.rmtree(target, ignore_errors=True)
    write(target / "in", described["files"] | {str(Path(root, "lean-toolchain")): TOOLCHAIN})
    with tempfile.TemporaryDirectory(prefix="lake-case-", dir="/tmp") as temporary:
        temporary = Path(temporary)
        ws = temporary / "ws"
        shutil.copytree(target / "in", ws)
        substitute(ws, str(ws))
        bundles = publish(described.get("repos", {}), temporary / "remotes", target / "git")
        facts = {"root": root, "repos": bundles}
        if file != "lake-manifest.json":
            facts["manifest"] = file
        write(target, {"case.json": json.dumps(facts, indent=1) + "\n"})
        run = subprocess.run([lake, "update"], cwd=ws / root, env=internet(temporary), capture_output=True, text=True)
        log = (run.stdout + run.stderr).replace(str(ws), "<ws>")
        if run.returncode != 0:
            sys.exit(f"{name}: exit code {run.returncode}\n{log}")
        text = (ws / root / file).read_text().replace(str(ws), "<ws>")
        write(target, {"log.txt": log, "lake-manifest.json": text})


def publish(repositories, remotes, bundles):
    """Makes repositories, and bundles of them. URL → bundle."""
    published = {}
    for url, repository in sorted(repositories.items()):
        name = url.removesuffix(".git").rsplit("/", 1)[1] + ".bundle"
        remote = remotes / url.removeprefix("https://").removesuffix(".git")
        published[url] = name
        if not remote.exists():
            repository.make(remote)
        if not (bundles / name).exists():
            bundles.mkdir(exist_ok=True)
            git(remote, "-c", "pack.threads=1", "bundle", "create", "-q", str(bundles / name), "--all", "HEAD")
    return published


def internet(temporary):
    """An environment in which git reaches the remotes and nothing else (see src/internet.rs)."""
    core = temporary / "git-core"
    for directory in (core, temporary / "home"):
        directory.mkdir()
    for tool in Path(git(temporary, "--exec-path")).iterdir():
        if not tool.name.startswith("git-remote-http"):
            (core / tool.name).symlink_to(tool)
    (core / "git-remote-https").write_text(REMOTE_HTTPS.replace("REMOTES", str(temporary / "remotes")))
    (core / "git-remote-https").chmod(0o755)
    return {"PATH": "/usr/bin:/bin", "HOME": str(temporary / "home"), "GIT_EXEC_PATH": str(core), "LANG": "C.UTF-8"}


def substitute(directory, ws):
    for path in directory.rglob("*"):
        if path.is_file() and "<ws>" in path.read_text():
            path.write_text(path.read_text().replace("<ws>", ws))


def main():
    lake, *names = sys.argv[1:]
    OUT.mkdir(exist_ok=True)
    for name in names or CASES:
        make(name, lake)


if __name__ == "__main__":
    main()
