//! Shims that were broken on purpose, and whether the suite notices: an oracle that finds nothing in them would find
//! nothing at all.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::args::Args;
use crate::scene;

/// One promise taken out of the source.
struct Breakage {
    name: &'static str,
    edits: &'static [Edit],
    /// The row that has to notice, and how often it may try.
    row: &'static str,
    rounds: u64,
}

/// A text that occurs once in a file, and what takes its place.
struct Edit {
    file: &'static str,
    from: &'static str,
    to: &'static str,
}

/// What came of one.
pub struct Noticed {
    pub name: &'static str,
    pub row: &'static str,
    /// The first thing that was found.
    pub by: Option<String>,
}

const BREAKAGES: &[Breakage] = &[
    Breakage {
        name: "traces are published before the files they speak of",
        edits: &[Edit {
            file: "src/restore/publish.rs",
            from: "for moves in [files, traces] {",
            to: "for moves in [traces, files] {",
        }],
        row: "restore from ltars over an older build / SIGKILL to the shim, at a system call",
        rounds: 200,
    },
    Breakage {
        name: "old traces stay until the new ones come",
        edits: &[Edit {
            file: "src/restore/publish.rs",
            from: "    forget(staged, build)?;\n",
            to: "",
        }],
        row: "restore from ltars over an older build / SIGKILL to the shim, at a system call",
        rounds: 200,
    },
    Breakage {
        name: "the ledger is written before the files that it speaks of",
        edits: &[Edit {
            file: "src/restore/apply.rs",
            from: "            publish(&staged, &build, &steps, mode)?;\n",
            to: "            ledger::record(&build, of_package().map(Whole::recorded))?;\n            publish(&staged, &build, &steps, mode)?;\n",
        }],
        row: "restore from ltars over another build with the same hashes / SIGKILL to the shim, at a system call",
        rounds: 200,
    },
    Breakage {
        name: "the mark of an older pack stays while a build is merged",
        edits: &[Edit {
            file: "src/restore/packs.rs",
            from: "        unmark(&self.into, &[])?;\n",
            to: "",
        }],
        row: "restore from packs over an older build / EIO where it changes names",
        rounds: 60,
    },
    Breakage {
        name: "sources are unpacked where they will be",
        edits: &[Edit {
            file: "src/restore/packs.rs",
            from: "let tree = stage.path().join(\"tree\");",
            to: "let tree = if self.is_source { self.into.clone() } else { stage.path().join(\"tree\") };",
        }],
        row: "restore from packs / SIGKILL to the shim, at a system call",
        rounds: 30,
    },
    Breakage {
        name: "a build is unpacked although its sources are not there",
        edits: &[
            Edit {
                file: "src/restore/session.rs",
                from: "if unpacked.failed.contains_key(&step.package) {",
                to: "if false {",
            },
            Edit {
                file: "src/restore/packs.rs",
                from: "self.is_source || if_there(fs::metadata(&self.clone))?.is_some(),",
                to: "true,",
            },
            Edit {
                file: "src/restore/staging.rs",
                from: "try_for_each(ensure_dir)",
                to: "try_for_each(|dir| fs::create_dir_all(dir).or(ensure_dir(dir)))",
            },
        ],
        row: "restore from packs / EIO where it writes",
        rounds: 30,
    },
    Breakage {
        name: "leantar's word is taken for it",
        edits: &[
            Edit {
                file: "src/restore/apply.rs",
                from: "        staging.files(step).check(step.head.dep_hash, look)\n",
                to: "        staging.files(step).check(step.head.dep_hash, look).or(Ok::<_, Fault>(String::new()))\n",
            },
            Edit {
                file: "src/restore/apply.rs",
                from: "        let checked = step.files().check(step.head.dep_hash, Look::Presence);\n",
                to: "        let checked = step.files().check(step.head.dep_hash, Look::Presence).or(Ok::<_, Fault>(String::new()));\n",
            },
        ],
        row: "restore from ltars / a leantar that is slow, hangs, dies, lies or is none",
        rounds: 15,
    },
    Breakage {
        name: "files are overwritten, not replaced",
        edits: &[Edit {
            file: "src/fs/mod.rs",
            from: "    let target = target_of(path)?;\n",
            to: "    let target = target_of(path)?;\n    if true { return Ok(fs::write(&target, contents)?); }\n",
        }],
        row: "normalize / SIGKILL to the shim, at a system call",
        rounds: 200,
    },
    Breakage {
        name: "a file that is replaced gets the mode of a new one",
        edits: &[Edit {
            file: "src/fs/mod.rs",
            from: "        file.set_permissions(Permissions::from_mode(old.mode() & RIGHTS))?;\n",
            to: "",
        }],
        row: "resolve / SIGKILL to the shim, at a system call",
        rounds: 200,
    },
    Breakage {
        name: "the index is overwritten, not replaced",
        edits: &[Edit {
            file: "src/store/index.rs",
            from: "        replace_name(&path, &text)\n",
            to: "        Ok(fs_err::write(&path, &text)?)\n",
        }],
        row: "bake / ENOSPC from a system call on",
        rounds: 1000,
    },
    Breakage {
        name: "a link goes before the directory is there that takes its place",
        edits: &[Edit {
            file: "src/fs/mod.rs",
            from: "match renameat2(AT_FDCWD, dir, AT_FDCWD, link, RenameFlags::RENAME_EXCHANGE) {",
            to: "match Err::<(), _>(Errno::ENOSYS) {",
        }],
        row: "unlink / EIO where it changes names",
        rounds: 1000,
    },
    Breakage {
        name: "a package is copied to its name, not renamed to it",
        edits: &[Edit {
            file: "src/workspace/adopt.rs",
            from: "                let copy = self.there.path().join(name);\n",
            to: "                let copy = self.shared.join(name);\n",
        }],
        row: "link / a disk that is full of files",
        rounds: 30,
    },
    Breakage {
        name: "nothing that was left behind is swept away",
        edits: &[Edit {
            file: "src/fs/work_dir.rs",
            from: "        for dir in Self::of_this_user(parent) {\n",
            to: "        for dir in Self::of_this_user(parent).take(0) {\n",
        }],
        row: "restore from packs / SIGKILL to the shim, at a system call",
        rounds: 60,
    },
    Breakage {
        name: "what goes wrong before a build stops it",
        edits: &[Edit {
            file: "src/proxy/mod.rs",
            from: "Err(error) if proxy.must_succeed(&error) => return Err(error),",
            to: "Err(error) if true || proxy.must_succeed(&error) => return Err(error),",
        }],
        row: "build through the proxy / EIO where it looks",
        rounds: 60,
    },
    Breakage {
        name: "a disk that refuses gets no hint",
        edits: &[Edit {
            file: "src/error.rs",
            from: "    Some(match errno {\n",
            to: "    if true { return None; }\n    Some(match errno {\n",
        }],
        row: "link / EACCES where it changes names",
        rounds: 30,
    },
    Breakage {
        name: "a message names another path",
        edits: &[Edit {
            file: "src/report/mod.rs",
            from: "causes.join(\": \") + &hints",
            to: "causes.join(\": \").replace(\"/app/\", \"/app/some/other/\") + &hints",
        }],
        row: "resolve / EACCES where it changes names",
        rounds: 30,
    },
    Breakage {
        name: "a message names what the path is a part of, and no more",
        edits: &[Edit {
            file: "src/report/mod.rs",
            from: "causes.join(\": \") + &hints",
            to: "causes.join(\": \").replace(\"/.lake/packages\", \"` \") + &hints",
        }],
        row: "restore from packs / EIO where it changes names",
        rounds: 30,
    },
    Breakage {
        name: "a build says nothing of what went wrong",
        edits: &[Edit {
            file: "src/report/mod.rs",
            from: "print(&format!(\"warning: {}\", message(error)));",
            to: "drop(message(error));",
        }],
        row: "build through the proxy / EIO where it changes names",
        rounds: 30,
    },
    Breakage {
        name: "only root is served",
        edits: &[Edit {
            file: "src/proxy/mod.rs",
            from: "if env.is_disabled() ||",
            to: "if env.is_disabled() || !nix::unistd::geteuid().is_root() ||",
        }],
        row: "build through the proxy / 16 workspaces of four users at once",
        rounds: 1,
    },
    Breakage {
        name: "a store has no index while another one is written",
        edits: &[Edit {
            file: "src/store/index.rs",
            from: "        replace_name(&path, &text)\n",
            to: "        let _ = fs_err::remove_file(&path);\n        std::thread::sleep(std::time::Duration::from_millis(50));\n        replace_name(&path, &text)\n",
        }],
        row: "gc / restores, builds and links of a store that is baked and swept",
        rounds: 5,
    },
];

/// Edits that the source has outgrown: nobody would know what they were to prove.
pub fn stale() -> Vec<String> {
    let edits = BREAKAGES.iter().flat_map(|breakage| breakage.edits);
    let times = |edit: &Edit| {
        let text = std::fs::read_to_string(top().join(edit.file)).unwrap_or_default();
        text.matches(edit.from).count()
    };
    let stale = edits.filter(|edit| times(edit) != 1);
    stale.map(|edit| format!("`{}` is not once in {}", edit.from.trim(), edit.file)).collect()
}

/// Breaks a copy of the source in each of these ways, builds it, and has the suite run on it.
pub fn all(args: &Args) -> Vec<Noticed> {
    let asked = |breakage: &&Breakage| args.words.iter().all(|word| breakage.row.contains(word));
    let all = BREAKAGES.iter().filter(asked).map(|breakage| {
        let shim = breakage.build();
        let (name, row) = (breakage.name, breakage.row);
        let noticed = Noticed { name, row, by: breakage.notice(&shim, args.seed) };
        match &noticed.by {
            Some(by) => println!("broken on purpose: {name}: noticed: {by}"),
            None => println!("broken on purpose: {name}: NOT NOTICED"),
        }
        noticed
    });
    all.collect()
}

fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

impl Breakage {
    /// The broken shim.
    fn build(&self) -> PathBuf {
        let copy = top().join("target/faults-broken");
        let script = "mkdir -p \"$1\" && git ls-files | grep -v ^shim-tests/fixtures/ | tar -cf - -T - | tar -xf - -C \"$1\"";
        let mut copying = Command::new("sh");
        copying.args(["-ec", script, "sh"]).arg(&copy).current_dir(top());
        succeed(&mut copying, self.name);
        for edit in self.edits {
            let file = copy.join(edit.file);
            let text = std::fs::read_to_string(&file);
            let text = text.unwrap_or_else(|error| panic!("{}: {error}", edit.file));
            std::fs::write(&file, text.replace(edit.from, edit.to)).expect("it was read just now");
        }
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        // Not this build's own target directory: whoever is killed now would leave a broken shim in it.
        cargo
            .args(["build", "--quiet", "--package", "lake-shim", "--target-dir"])
            .arg(copy.join("target"));
        succeed(cargo.current_dir(&copy).env("RUSTFLAGS", "-Awarnings"), self.name);
        copy.join("target/debug/lake-shim")
    }

    /// What its row finds first.
    fn notice(&self, shim: &Path, seed: u64) -> Option<String> {
        let suite = std::env::current_exe().expect("a suite knows itself");
        let mut suite = Command::new(suite);
        suite.args(["--long", "--every", "--rounds", &self.rounds.to_string(), self.row]);
        suite.env("SHIM_TEST_BIN", shim).env("SHIM_FAULT_SEED", seed.to_string());
        let output = suite.stdin(Stdio::null()).output().expect("it can be run");
        if output.status.success() {
            return None;
        }
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let mut lines =
            text.lines().skip_while(|line| !line.starts_with("  ") || line.starts_with("  again"));
        match (lines.next(), lines.next()) {
            (Some(first), Some(second)) => {
                let kind = first.trim().split(':').next()?;
                Some(format!("{kind}: {}", second.trim()))
            }
            // It does not even get to a round.
            _ => {
                let text = String::from_utf8_lossy(&output.stderr);
                let said = text.lines().find(|line| line.starts_with(scene::NOT_WHOLE))?;
                Some(format!("before any fault: {said}"))
            }
        }
    }
}

fn succeed(command: &mut Command, what: &str) {
    let output = command.stdin(Stdio::null()).output().unwrap_or_else(|e| panic!("{what}: {e}"));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{what}: {stderr}");
}
