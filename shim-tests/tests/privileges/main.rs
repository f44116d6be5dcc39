//! Whose rights are used for what: modes and groups of what is made, several users in one directory, what somebody else
//! has planted, and which programs are run.

mod executed;
mod modes;
mod planted;
mod users;

use std::path::{Path, PathBuf};

use shim_tests::{Call, Sandbox, Tree};

/// Two users with nothing in common but a group.
const ANNA: u32 = 2001;
const BERT: u32 = 2002;
const GROUP: u32 = 3000;

/// `lake exe cache get`, and no network wanted.
fn get(sandbox: &Sandbox) -> Call<'_> {
    sandbox.lake("exe cache get").env("LAKE_SHIM_NETWORK", "never")
}

/// A store baked from the fixture's workspace, which is a fresh checkout again. All of it is root's.
fn baked_and_fresh() -> Sandbox {
    let mut sandbox = Sandbox::mini_mathlib();
    get(&sandbox).run().expect_code(0);
    let baked = sandbox.path("baked");
    sandbox.lake_shim("bake --level 1 --store").arg(&baked).run().expect_code(0);
    sandbox.remove("app/.lake");
    sandbox.set_env("LAKE_SHIM_STORE", baked);
    sandbox
}

/// A checkout of one user's own, beside the first.
fn checkout(sandbox: &Sandbox, user: u32) -> PathBuf {
    let app = sandbox.path(format!("app.{user}"));
    sandbox.copy("app", &app).chown(&app, user);
    app
}

/// What lies below a directory: path, mode, whether it is a directory.
fn entries(dir: impl AsRef<Path>) -> Vec<(PathBuf, u32, bool)> {
    let tree = Tree::of(dir);
    let entry = |(path, entry): (&PathBuf, &shim_tests::tree::Entry)| {
        let is_link = matches!(entry.kind, shim_tests::tree::Kind::Symlink { .. });
        let is_dir = matches!(entry.kind, shim_tests::tree::Kind::Directory);
        (!is_link).then(|| (path.clone(), entry.mode, is_dir))
    };
    tree.entries().iter().filter_map(entry).collect()
}
