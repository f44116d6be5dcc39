//! The leantar in a store: put there by `bake`, tried by `verify`, used where the machine has none.

use shim_tests::{Sandbox, tools};

use crate::{bake, baked, baked_and_fresh, built, clear, object, restore, verify};

/// The leantar that a bake has put into the store.
fn in_store(sandbox: &Sandbox) -> Vec<String> {
    let entries = std::fs::read_dir(baked(sandbox)).expect("a store").filter_map(Result::ok);
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.filter(|name| name.starts_with("leantar-")).collect()
}

#[test]
#[cfg_attr(not(has = "fake-lake"), ignore = "needs a toolchain without leantar")]
fn a_store_goes_to_a_machine_that_has_neither_leantar_nor_network_fake_lake_only() {
    let sandbox = built();
    // From elsewhere: neither of the toolchain nor of a cache.
    sandbox.rename("toolchain/bin/leantar", "elsewhere/leantar");
    let leantar = sandbox.path("elsewhere/leantar");
    let cache = sandbox.store();
    let mut baking = bake(&sandbox, "").env("LAKE_SHIM_LEANTAR", &leantar);
    baking = baking.env("MATHLIB_CACHE_DIR", &cache);
    baking.run().expect_code(0);
    assert_eq!(in_store(&sandbox), ["leantar-0.1.19"]);
    verify(&sandbox, "").run().expect_code(0);
    clear(&sandbox);
    sandbox.remove("elsewhere").remove("store").rename("baked", "mnt/cache");
    let run = sandbox.lake("exe cache get").env("LAKE_SHIM_NETWORK", "never");
    let run = run.env("LAKE_SHIM_STORE", sandbox.path("mnt/cache")).without_network().run();
    run.expect_code(0).stderr_contains("restored 11 modules");
    sandbox.expect_all_restored();
}

#[test]
fn another_bake_leaves_the_leantar_as_it_is() {
    let sandbox = built();
    bake(&sandbox, "").run().expect_code(0);
    let [name] = in_store(&sandbox).try_into().expect("one leantar");
    let time = || {
        std::fs::metadata(baked(&sandbox).join(&name)).and_then(|m| m.modified()).expect("a time")
    };
    let before = time();
    bake(&sandbox, "").run().expect_code(0);
    assert_eq!(time(), before);
    // One that does not run any more is replaced.
    sandbox.chmod(baked(&sandbox).join(&name), 0o644);
    bake(&sandbox, "").run().expect_code(0);
    verify(&sandbox, "").run().expect_code(0);
}

#[test]
#[cfg_attr(not(has = "fake-lake"), ignore = "needs a toolchain without leantar")]
fn a_store_that_nothing_unpacks_is_not_whole_fake_lake_only() {
    let version = r#"[ "$1" = --version ] && echo leantar 0.1.19 && exit"#;
    for (leantar, message) in [
        (None, "neither the store nor the toolchain has a leantar"),
        (Some("exit 3".to_owned()), "leantar-0.1.19` fails (exit status: 3)"),
        (Some("echo leantar 0.1.2".to_owned()), "is 0.1.2, and this mathlib needs 0.1.16"),
        (Some(format!("{version}\ncat > /dev/null")), "unpacks none of the 1 cache files tried"),
    ] {
        let sandbox = baked_and_fresh();
        sandbox.remove("baked/leantar-0.1.19");
        if let Some(script) = &leantar {
            sandbox.script("baked/leantar-0.1.19", script);
        }
        // One that is on this machine only proves nothing.
        sandbox.install_leantar("tools/leantar");
        let run = verify(&sandbox, "").run();
        run.expect_code(1).stderr_contains("no leantar unpacks it: ").stderr_contains(message);
        run.stderr_contains("is not whole");
        let found = object(&verify(&sandbox, "--json").run());
        assert_eq!(found["whole"], false);
        assert!(found["locks"][0]["no_leantar"].as_str().is_some_and(|why| why.contains(message)));
        // The toolchain's own will do.
        sandbox.script("toolchain/bin/lean", "exit 1");
        verify(&sandbox, "").run().expect_code(0);
    }
}

#[test]
#[cfg_attr(not(has = "fake-lake"), ignore = "needs a toolchain without leantar")]
fn a_script_is_not_put_into_a_store_fake_lake_only() {
    let sandbox = built();
    sandbox.rename("toolchain/bin/leantar", "elsewhere/leantar");
    let real = sandbox.path("elsewhere/leantar");
    sandbox.script("leantar", &format!("exec {} \"$@\"", real.display()));
    let baking = bake(&sandbox, "").env("LAKE_SHIM_LEANTAR", sandbox.path("leantar"));
    let run = baking.env("LAKE_SHIM_CONFINE", "never").run();
    run.expect_code(0).stderr_contains("is a script, so that the store gets no leantar");
    assert!(in_store(&sandbox).is_empty());
}

#[test]
fn the_store_to_bake_is_one_directory() {
    let sandbox = built();
    for (list, message) in
        [("", "has an empty name"), (":", "has an empty name"), ("a:b", "2 stores are named")]
    {
        let run = sandbox.lake_shim("bake --level 1 --store").arg(list).run();
        run.expect_code(2).stderr_contains(message).stderr_contains("hint: ");
        if !list.is_empty() {
            // An empty variable is none.
            let run = sandbox.lake_shim("bake --level 1").env("LAKE_SHIM_STORE", list).run();
            run.expect_code(2).stderr_contains(message);
        }
    }
    assert!(!sandbox.path("app/a").exists() && !sandbox.path("app/b").exists());
}

#[test]
fn a_restore_prefers_a_whole_build_to_a_leantar() {
    let sandbox = built();
    bake(&sandbox, "--format pack").run().expect_code(0);
    clear(&sandbox);
    if tools::real_lake().is_none() {
        sandbox.remove("toolchain/bin/leantar");
    }
    restore(&sandbox, "").run().expect_code(0);
    sandbox.expect_all_restored();
}

/// A store that is moved takes along only what lies in it.
#[test]
fn links_out_of_a_store_become_copies() {
    let sandbox = built();
    bake(&sandbox, "--format both").run().expect_code(0);
    let before = crate::files(baked(&sandbox));
    // All but the index.
    let files = before.keys().filter(|path| !path.ends_with("index.json"));
    for file in files {
        let (there, elsewhere) = (baked(&sandbox).join(file), sandbox.path("elsewhere").join(file));
        sandbox.rename(&there, &elsewhere).symlink(&elsewhere, &there);
    }
    bake(&sandbox, "--format both").run().expect_code(0).stderr_contains("is whole");
    sandbox.remove("elsewhere");
    assert_eq!(crate::files(baked(&sandbox)), before);
    verify(&sandbox, "").run().expect_code(0);
    // The leantar that unpacks may be a link itself.
    let [name] = in_store(&sandbox).try_into().expect("one leantar");
    sandbox.rename(baked(&sandbox).join(&name), "elsewhere/leantar");
    sandbox.symlink("leantar", "elsewhere/link");
    let leantar = sandbox.path("elsewhere/link");
    let baking = bake(&sandbox, "--format both").env("LAKE_SHIM_LEANTAR", leantar);
    baking.run().expect_code(0);
    assert_eq!(crate::files(baked(&sandbox)), before);
}

#[test]
fn a_directory_with_the_name_of_a_leantar_is_named() {
    let sandbox = built();
    sandbox.mkdir("baked/leantar-0.1.19");
    let run = bake(&sandbox, "").run();
    let path = baked(&sandbox).join("leantar-0.1.19");
    run.expect_code(1)
        .stderr_contains(&format!("`{}` is not a file but a directory", path.display()));
    run.stderr_contains("hint: `mv ").stderr_lacks("running `lake");
}
