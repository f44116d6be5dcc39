//! Examples of every command, for its help and its manual page: what to type, and what for.

pub const EXAMPLES: [(&str, &[(&str, &str)]); 15] = [
    (
        "lake-shim",
        &[
            ("lake-shim demo", "try it on a built-in example"),
            ("lake-shim doctor", "why is it not working?"),
            ("lake-shim bake --store /opt/mathlib-cache", "in an image, with network"),
            ("lake exe cache get", "in a project, without"),
        ],
    ),
    (
        "restore",
        &[
            ("lake-shim restore", "all of mathlib"),
            ("lake-shim restore Mathlib.Order.Lattice", "a module and all it imports"),
            ("lake-shim restore --network never", "or fail, and say what is missing"),
            ("lake-shim restore --dry-run", "what would be unpacked"),
        ],
    ),
    (
        "link",
        &[
            ("lake-shim link --pkg-dir /opt/packages", "to this directory"),
            ("lake-shim link", "to `$LAKE_PKG_DIR`"),
        ],
    ),
    (
        "unlink",
        &[
            ("lake-shim unlink", "begin with no packages"),
            ("lake-shim unlink --copy", "begin with those of the shared directory"),
        ],
    ),
    (
        "resolve",
        &[
            ("lake-shim resolve", "write the manifest"),
            ("lake-shim resolve --check", "show what would change"),
            ("lake-shim resolve --lock ../b/lake-manifest.json", "as project `b` has it"),
        ],
    ),
    (
        "normalize",
        &[
            ("lake-shim normalize", "manifest and lakefile"),
            ("lake-shim normalize --check tests/a/lakefile.toml", "would this file change?"),
        ],
    ),
    (
        "names",
        &[
            ("lake-shim names Mathlib.Init", "a module and all it imports"),
            ("lake-shim names --where", "all of mathlib, and where each file lies"),
        ],
    ),
    (
        "env",
        &[
            (r#"eval "$(lake-shim env)""#, "in a shell"),
            ("lake-shim env --shell fish | source", "in fish"),
            (r#"lake-shim env --shell github >> "$GITHUB_ENV""#, "for later steps of a job"),
        ],
    ),
    (
        "bake",
        &[
            ("lake-shim bake --store /opt/mathlib-cache", "fetch, or build what is not served"),
            ("lake-shim bake --format pack --from-source", "fetch no build files"),
        ],
    ),
    (
        "verify",
        &[
            ("lake-shim verify --store /opt/mathlib-cache", "read every byte"),
            ("lake-shim verify --quick --json", "presence and size, for programs"),
        ],
    ),
    (
        "gc",
        &[
            ("lake-shim gc --dry-run", "what no lock of the store needs"),
            ("lake-shim gc --keep 7168d33c5dae350c", "and what only other locks need"),
        ],
    ),
    (
        "key",
        &[
            ("lake-shim key", "all that this project has"),
            (
                "lake-shim key image-tag --dockerfile ci/Dockerfile --context . --with shim=0.1.0",
                "",
            ),
            ("lake-shim key packages build --github-output", "in a step of a workflow"),
            ("lake-shim key files --value --files 'scripts/**/*.sh' docs", ""),
        ],
    ),
    ("doctor", &[("lake-shim doctor", "for people"), ("lake-shim doctor --json", "for programs")]),
    (
        "completions",
        &[
            (
                "lake-shim completions bash > \
                 ~/.local/share/bash-completion/completions/lake-shim",
                "",
            ),
            ("lake-shim completions zsh > ~/.zfunc/_lake-shim", "a directory of your `fpath`"),
            ("lake-shim completions fish > ~/.config/fish/completions/lake-shim.fish", ""),
        ],
    ),
    (
        "man",
        &[
            ("lake-shim man | man -l -", "read it"),
            ("lake-shim man ~/.local/share/man/man1", "keep it: `man lake-shim-bake`"),
        ],
    ),
];

/// One a line, indented.
pub fn examples(command: &str) -> Option<String> {
    let (_, lines) = EXAMPLES.iter().find(|(of, _)| *of == command)?;
    let explained = lines.iter().filter(|(_, why)| !why.is_empty());
    let width = explained.map(|(line, _)| line.len()).max().unwrap_or(0);
    let print = |(line, why): &(&str, &str)| match why.is_empty() {
        true => format!("  {line}\n"),
        false => format!("  {line:width$}  {why}\n"),
    };
    Some(lines.iter().map(print).collect())
}
