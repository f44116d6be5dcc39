//! A package that mathlib's cache does not cover, so that only packs hold its build; and builds made up for any module.

use std::path::Path;

use serde_json::{Value, json};

use crate::lean_hash::{lean_hash, lean_hash_hex};
use crate::sandbox::Sandbox;

const EXTRA_URL: &str = "https://example.org/me/extra";

impl Sandbox {
    /// Adds the package `extra` to the workspace, cloned, locked and built.
    pub fn add_extra(&self) -> &Sandbox {
        let extra = self.package("extra");
        self.write(
            extra.join("lakefile.toml"),
            "name = \"extra\"\n\n[[lean_lib]]\nname = \"Extra\"\n",
        )
        .write(extra.join("Extra.lean"), "prelude\n")
        .write(extra.join(".gitignore"), "/.lake\n");
        self.git(&extra, &["init", "--quiet"]);
        self.commit(&extra);
        self.git(&extra, &["checkout", "--quiet", "--detach"]);
        self.git(&extra, &["remote", "add", "origin", EXTRA_URL]);
        // As after a push: the commit is not only here.
        self.git(&extra, &["update-ref", "refs/remotes/origin/main", "HEAD"]);
        let rev = self.git(&extra, &["rev-parse", "HEAD"]);
        self.edit_json("app/lake-manifest.json", |manifest| {
            let entry = json!({
                "url": EXTRA_URL, "type": "git", "subDir": null, "scope": "", "rev": rev, "name": "extra",
                "manifestFile": "lake-manifest.json", "inputRev": "main", "inherited": false,
                "configFile": "lakefile.toml",
            });
            manifest["packages"].as_array_mut().expect("packages").push(entry);
        });
        let require =
            format!("\n[[require]]\nname = \"extra\"\ngit = \"{EXTRA_URL}\"\nrev = \"main\"\n");
        let lakefile = self.read("app/lakefile.toml");
        let lakefile = lakefile.replace("\n[[lean_lib]]", &(require + "\n[[lean_lib]]"));
        self.write("app/lakefile.toml", lakefile);
        let build = extra.join(".lake/build");
        self.write_build(&build, "Extra", "extra");
        self.write(build.join("bin/tool"), "tool\n".repeat(50))
            .chmod(build.join("bin/tool"), 0o755)
            .symlink("Extra.olean", build.join("lib/lean/Alias.olean"))
    }

    /// Writes the files of `module` (`Mathlib/Init`) as a Lean of that `generation` might have built them, and a trace
    /// that records them.
    pub fn write_build(&self, build: &Path, module: &str, generation: &str) -> &Sandbox {
        let mut outputs = json!({ "o": [] });
        for (kind, folder, suffix) in
            [("o", "lib/lean", "olean"), ("i", "lib/lean", "ilean"), ("c", "ir", "c")]
        {
            let bytes = format!("{suffix} of {module}, {generation}\n").repeat(32);
            let hash = lean_hash_hex(bytes.as_bytes());
            let description = json!(format!("{hash}.{suffix}"));
            match outputs[kind].as_array_mut() {
                Some(list) => list.push(description),
                None => outputs[kind] = description,
            }
            let file = |suffix: &str| build.join(folder).join(format!("{module}.{suffix}"));
            self.write(file(&format!("{suffix}.hash")), hash).write(file(suffix), bytes);
        }
        let dep_hash = lean_hash(format!("{module} {generation}").as_bytes());
        let trace = json!({
            "schemaVersion": "2025-09-10", "depHash": format!("{dep_hash:016x}"), "outputs": outputs,
        });
        self.write(build.join("lib/lean").join(format!("{module}.trace")), trace.to_string())
    }

    /// Commits all there is in a clone, by the same hand at the same time wherever it is done. The new revision.
    pub fn commit(&self, clone: &Path) -> String {
        self.git(clone, &["add", "--all"]);
        let run = self
            .command("git", "commit --quiet --message change")
            .env("GIT_AUTHOR_DATE", "1700000000 +0000")
            .env("GIT_COMMITTER_DATE", "1700000000 +0000")
            .cwd(clone)
            .run();
        run.expect_code(0);
        self.git(clone, &["rev-parse", "HEAD"])
    }

    /// Changes a JSON file.
    pub fn edit_json(&self, path: impl AsRef<Path>, edit: impl FnOnce(&mut Value)) -> &Sandbox {
        let text = self.read(path.as_ref());
        let mut value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}"));
        edit(&mut value);
        self.write(path, value.to_string())
    }
}
