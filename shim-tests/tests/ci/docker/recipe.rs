//! A Dockerfile as a list of instructions: those that `ci/Dockerfile` uses, and an error for any other, so
//! that nothing in it goes untested in silence.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail};

/// One line of a Dockerfile, its continuations joined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The first is 1.
    pub number: usize,
    pub instruction: Instruction,
}

/// Variables are not replaced yet, except that `RUN` leaves them to its shell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Instruction {
    Arg { name: String, default: Option<String> },
    From { image: String, name: Option<String> },
    Run(String),
    Env(Vec<(String, String)>),
    Copy { from: Option<String>, sources: Vec<String>, destination: String },
    User(String),
    Workdir(String),
}

pub fn parse(text: &str) -> Result<Vec<Line>> {
    let mut lines = Vec::new();
    let mut open: Option<(usize, String)> = None;
    for (number, line) in (1..).zip(text.lines()) {
        // Comments may stand between continued lines.
        if line.trim_start().starts_with('#') || (line.trim().is_empty() && open.is_none()) {
            continue;
        }
        let (first, mut joined) = open.take().unwrap_or((number, String::new()));
        match line.strip_suffix('\\') {
            Some(part) => {
                joined.push_str(part);
                open = Some((first, joined));
            }
            None => {
                joined.push_str(line);
                let instruction = instruction(joined.trim());
                let instruction = instruction.with_context(|| format!("line {first}"))?;
                lines.push(Line { number: first, instruction });
            }
        }
    }
    match open {
        Some((number, _)) => bail!("line {number}: continued, and nothing comes"),
        None => Ok(lines),
    }
}

fn instruction(line: &str) -> Result<Instruction> {
    let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let rest = rest.trim();
    let words: Vec<&str> = rest.split_whitespace().collect();
    Ok(match (word.to_uppercase().as_str(), words.as_slice()) {
        ("ARG", [one]) => {
            let (name, default) = match one.split_once('=') {
                Some((name, default)) => (name, Some(default.to_owned())),
                None => (*one, None),
            };
            Instruction::Arg { name: name.to_owned(), default }
        }
        ("FROM", [image]) if !image.starts_with("--") => {
            Instruction::From { image: (*image).to_owned(), name: None }
        }
        ("FROM", [image, keyword, name]) if keyword.eq_ignore_ascii_case("as") => {
            Instruction::From { image: (*image).to_owned(), name: Some((*name).to_owned()) }
        }
        ("RUN", [first, ..]) => {
            if first.starts_with("--") || first.starts_with('[') || rest.contains("<<") {
                bail!("`RUN` with flags, a list or a here-document is not known here");
            }
            Instruction::Run(rest.to_owned())
        }
        ("ENV", [_, ..]) => {
            let pair = |word: &&str| match word.split_once('=') {
                Some((name, value)) if !value.contains(['"', '\'']) => {
                    Ok((name.to_owned(), value.to_owned()))
                }
                _ => bail!("`ENV` other than NAME=VALUE without quotes is not known here"),
            };
            Instruction::Env(words.iter().map(pair).collect::<Result<_>>()?)
        }
        ("COPY", [words @ .., destination]) if !words.is_empty() => {
            let (flags, sources): (Vec<&str>, Vec<&str>) =
                words.iter().partition(|word| word.starts_with("--"));
            let from = match flags.as_slice() {
                [] => None,
                [flag] if flag.starts_with("--from=") => flag.strip_prefix("--from="),
                _ => bail!("`COPY` with flags other than `--from` is not known here"),
            };
            Instruction::Copy {
                from: from.map(str::to_owned),
                sources: sources.into_iter().map(str::to_owned).collect(),
                destination: (*destination).to_owned(),
            }
        }
        ("USER", [user]) => Instruction::User((*user).to_owned()),
        ("WORKDIR", [dir]) => Instruction::Workdir((*dir).to_owned()),
        _ => bail!("not known here: `{line}`"),
    })
}

/// Replaces `$NAME` and `${NAME}`. What has no value is an error: Docker would put nothing there.
pub fn expand(text: &str, values: &BTreeMap<String, String>) -> Result<String> {
    let mut expanded = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        expanded.push_str(before);
        let (name, behind) = match after.strip_prefix('{') {
            Some(inside) => inside.split_once('}').context("`${` without `}`")?,
            None => {
                let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
                after.split_at(after.find(|c| !is_name(c)).unwrap_or(after.len()))
            }
        };
        expanded.push_str(values.get(name).with_context(|| format!("`{name}` has no value"))?);
        rest = behind;
    }
    Ok(expanded + rest)
}

#[test]
fn what_is_known() {
    let text = "# syntax\nARG A=1\nFROM x:${A} AS one\nRUN a \\\n # why\n && b\n\
                ENV P=/x:${P} Q=\nFROM one\nCOPY --from=one /a b /c/\nCOPY d e\nUSER 1:1\nWORKDIR /w\nARG B\n";
    let lines = parse(text).expect("known");
    let run = Instruction::Run("a  && b".to_owned());
    assert_eq!(lines[2], Line { number: 4, instruction: run });
    let copy = Instruction::Copy {
        from: Some("one".to_owned()),
        sources: vec!["/a".to_owned(), "b".to_owned()],
        destination: "/c/".to_owned(),
    };
    assert_eq!(lines[5].instruction, copy);
    assert_eq!(lines.len(), 10);
    let values = BTreeMap::from([("A".to_owned(), "1".to_owned())]);
    assert_eq!(expand("x:${A}-$A.", &values).expect("has values"), "x:1-1.");
    assert!(expand("$B", &values).is_err());
}

#[test]
fn what_is_not_known_is_an_error() {
    for line in [
        "ONBUILD RUN x",
        "EXPOSE 80",
        "SHELL [\"bash\", \"-c\"]",
        "ADD a b",
        "COPY --chown=1 a b",
        "COPY --link a b",
        "COPY a",
        "RUN --mount=type=cache x",
        "RUN [\"x\"]",
        "RUN cat <<EOF",
        "ENV A b",
        "ENV A='b c'",
        "FROM --platform=x y",
        "FROM a b c",
        "RUN",
        "RUN x \\",
    ] {
        assert!(parse(line).is_err(), "{line}");
    }
}
