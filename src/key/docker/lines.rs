//! A Dockerfile as a list of instructions.
//!
//! The rules are those of BuildKit's `frontend/dockerfile/parser`: directives before everything else,
//! comments and empty lines even inside a continued instruction, here-documents, flags before the
//! arguments, arguments as a JSON array or as words.

use super::Fault;

/// A Dockerfile, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dockerfile {
    /// What continues a line, and takes the meaning of a character: `\`, or what the directive
    /// `# escape=` says.
    pub escape: char,
    pub instructions: Vec<Instruction>,
}

/// One instruction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instruction {
    /// Where it begins; the first line is 1.
    pub line: usize,
    /// In capitals.
    pub name: String,
    /// The leading words that begin with `--`, without quotes.
    pub flags: Vec<String>,
    /// The rest, without white space around it.
    pub arguments: String,
}

impl Dockerfile {
    /// Reads a Dockerfile.
    ///
    /// # Errors
    /// A bad `# escape=`, or a here-document without an end.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let escape = escape_directive(text)?;
        let mut lines = (1..).zip(text.lines());
        let mut instructions = Vec::new();
        while let Some((number, first)) = lines.next() {
            let Some(first) = significant(first) else { continue };
            let (mut whole, mut goes_on) = continued(first.trim_start(), escape);
            while goes_on && let Some((_, next)) = lines.next() {
                let Some(next) = significant(next) else { continue };
                let (part, more) = continued(next, escape);
                whole += &part;
                goes_on = more;
            }
            let Some(instruction) = Instruction::parse(number, &whole, escape) else { continue };
            if instruction.may_have_heredocs(escape) {
                for heredoc in heredocs(&whole) {
                    if !lines.any(|(_, line)| heredoc.ends_at(line)) {
                        let what = format!("the here-document `{}` has no end", heredoc.name);
                        return Err(Fault::new(number, what));
                    }
                }
            }
            instructions.push(instruction);
        }
        Ok(Self { escape, instructions })
    }
}

impl Instruction {
    /// Reads one logical line. Nothing when it is blank.
    pub fn parse(line: usize, text: &str, escape: char) -> Option<Self> {
        let text = text.trim();
        let (name, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        let (flags, arguments) = flags(rest, escape);
        let name = name.to_ascii_uppercase();
        (!name.is_empty()).then(|| Self {
            line,
            name,
            flags,
            arguments: arguments.trim().to_owned(),
        })
    }

    /// The value of the flag `--name=value`; empty when it has none.
    pub fn flag(&self, name: &str) -> Option<&str> {
        self.flag_values(name).next()
    }

    /// All values of a flag that may stand more than once.
    pub fn flag_values(&self, name: &str) -> impl Iterator<Item = &str> {
        self.flags.iter().filter_map(move |flag| {
            let flag = flag.strip_prefix("--")?;
            let (flag, value) = flag.split_once('=').unwrap_or((flag, ""));
            (flag == name).then_some(value)
        })
    }

    /// The arguments in their JSON form, if that is what they are.
    pub fn json(&self) -> Option<Vec<String>> {
        self.arguments.starts_with('[').then(|| serde_json::from_str(&self.arguments).ok())?
    }

    /// The arguments as Docker takes a list of them: JSON, or words. Quotes mean nothing here yet.
    pub fn list(&self) -> Vec<String> {
        let words = || self.arguments.split_whitespace().map(str::to_owned).collect();
        self.json().unwrap_or_else(words)
    }

    /// What an `ONBUILD` does. Docker takes neither another `ONBUILD` there nor a `FROM`, each of
    /// which could go on for ever.
    pub fn trigger(&self, escape: char) -> Option<Self> {
        let trigger =
            (self.name == "ONBUILD").then(|| Self::parse(self.line, &self.arguments, escape))?;
        trigger.filter(|trigger| !matches!(trigger.name.as_str(), "ONBUILD" | "FROM"))
    }

    fn may_have_heredocs(&self, escape: char) -> bool {
        match self.trigger(escape) {
            Some(trigger) => trigger.may_have_heredocs(escape),
            None => matches!(self.name.as_str(), "ADD" | "COPY" | "RUN") && self.json().is_none(),
        }
    }
}

/// Directives are comments of the form `# name=value` before anything else; a comment that is none,
/// or a name nobody knows, ends them.
fn escape_directive(text: &str) -> Result<char, Fault> {
    let mut escape = None;
    for (number, line) in (1..).zip(text.lines()) {
        let comment = line.trim_start().strip_prefix('#');
        let Some((name, value)) = comment.and_then(|comment| comment.split_once('=')) else {
            break;
        };
        let name = name.trim().to_ascii_lowercase();
        match (name.as_str(), value.trim()) {
            (_, "") => break,
            ("syntax" | "check", _) => {}
            ("escape", "\\") if escape.is_none() => escape = Some('\\'),
            ("escape", "`") if escape.is_none() => escape = Some('`'),
            ("escape", value) => {
                let what = format!("`{value}` is no escape character, or not the first one");
                return Err(Fault::new(number, what));
            }
            _ => break,
        }
    }
    Ok(escape.unwrap_or('\\'))
}

/// Comments and blank lines are nothing, wherever they stand.
fn significant(line: &str) -> Option<&str> {
    let text = line.trim_start();
    (!text.is_empty() && !text.starts_with('#')).then_some(line)
}

/// The line without the escape character that continues it, and whether there was one. (Two in a row
/// are an escape of the escape.)
fn continued(line: &str, escape: char) -> (String, bool) {
    let trimmed = line.trim_end_matches([' ', '\t']);
    match trimmed.strip_suffix(escape) {
        Some(head) if !head.ends_with(escape) => (head.to_owned(), true),
        _ => (line.to_owned(), false),
    }
}

/// The flags in front, and what comes after them.
fn flags(text: &str, escape: char) -> (Vec<String>, &str) {
    let mut flags = Vec::new();
    let mut rest = text.trim_start();
    while rest.starts_with("--") {
        let (word, after) = flag(rest, escape);
        rest = after.trim_start();
        match word.as_str() {
            "--" => break,
            _ => flags.push(word),
        }
    }
    (flags, rest)
}

/// The first word without its quotes, and what comes after it.
fn flag(text: &str, escape: char) -> (String, &str) {
    let mut word = String::new();
    let mut quote = None;
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match quote {
            None if c.is_whitespace() => return (word, &text[at..]),
            None if matches!(c, '"' | '\'') => quote = Some(c),
            Some(open) if c == open => quote = None,
            _ if c == escape => word.extend(chars.next().map(|(_, c)| c)),
            _ => word.push(c),
        }
    }
    (word, "")
}

/// The end of a here-document.
struct Heredoc {
    name: String,
    /// `<<-`: tabs may stand before the end.
    is_indented: bool,
}

impl Heredoc {
    fn ends_at(&self, line: &str) -> bool {
        let line = if self.is_indented { line.trim_start_matches('\t') } else { line };
        line.trim_end_matches('\r') == self.name
    }
}

/// Whether a word is the mark of a here-document, `<<EOF` in all its forms.
pub fn is_heredoc(word: &str) -> bool {
    heredoc(word).is_some()
}

/// The here-documents that a logical line announces, in order.
fn heredocs(line: &str) -> Vec<Heredoc> {
    raw_words(line).unwrap_or_default().into_iter().filter_map(heredoc).collect()
}

/// `[n]<<[-]name`, the name in quotes or not.
fn heredoc(word: &str) -> Option<Heredoc> {
    let name = word.trim_start_matches(|c: char| c.is_ascii_digit()).strip_prefix("<<")?;
    let (is_indented, name) = name.strip_prefix('-').map_or((false, name), |name| (true, name));
    if name.contains('<') {
        return None;
    }
    let (name, rest) = flag(name.trim_start(), '\\');
    (!name.is_empty() && rest.is_empty()).then_some(Heredoc { name, is_indented })
}

/// Words with their quotes. Nothing when a quote is left open, in which case Docker sees no
/// here-documents either.
fn raw_words(line: &str) -> Option<Vec<&str>> {
    let mut words = Vec::new();
    let mut start = None;
    let mut quote = None;
    let mut chars = line.char_indices();
    while let Some((at, c)) = chars.next() {
        if quote.is_none() && c.is_whitespace() {
            words.extend(start.take().map(|start| &line[start..at]));
            continue;
        }
        start = start.or(Some(at));
        match quote {
            None if matches!(c, '"' | '\'') => quote = Some(c),
            Some(open) if c == open => quote = None,
            None | Some('"') if c == '\\' => drop(chars.next()),
            _ => {}
        }
    }
    words.extend(start.map(|start| &line[start..]));
    quote.is_none().then_some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `line NAME flags | arguments` of every instruction.
    fn shown(text: &str) -> Vec<String> {
        let dockerfile = Dockerfile::parse(text).unwrap_or_else(|e| panic!("{text:?}: {e:?}"));
        let show = |i: &Instruction| {
            format!("{} {} {} | {}", i.line, i.name, i.flags.join(" "), i.arguments)
        };
        dockerfile.instructions.iter().map(show).collect()
    }

    #[test]
    fn instructions() {
        for (text, expected) in [
            ("FROM a\nCOPY b c\n", &["1 FROM  | a", "2 COPY  | b c"][..]),
            ("from a\r\n  copy b c\r\n", &["1 FROM  | a", "2 COPY  | b c"]),
            ("\u{feff}FROM a", &["1 FROM  | a"]),
            ("# c\n\nFROM a # not a comment", &["3 FROM  | a # not a comment"]),
            ("COPY a \\\n  b \\\n c", &["1 COPY  | a   b  c"]),
            ("COPY a \\ \t\n# why\n\n  # why\n  b c\nRUN d", &["1 COPY  | a   b c", "6 RUN  | d"]),
            ("RUN a\\\n\\\nb\nRUN c", &["1 RUN  | ab", "4 RUN  | c"]),
            ("RUN a \\\\\nRUN b", &["1 RUN  | a \\\\", "2 RUN  | b"]),
            ("RUN a \\", &["1 RUN  | a"]),
            ("COPY\ta\tb", &["1 COPY  | a\tb"]),
            ("COPY --from=x --link a b", &["1 COPY --from=x --link | a b"]),
            ("COPY --chown=\"a b\" --x='y\"' -- --c d", &["1 COPY --chown=a b --x=y\" | --c d"]),
            ("COPY --link\\\n  --from=x \\\n a b", &["1 COPY --link --from=x | a b"]),
            ("RUN a --from=b", &["1 RUN  | a --from=b"]),
        ] {
            assert_eq!(shown(text), expected, "{text:?}");
        }
    }

    #[test]
    fn the_escape_directive() {
        for (text, expected) in [
            ("# escape=`\nFROM a\nCOPY a `\n b", '`'),
            ("#ESCAPE = `\n", '`'),
            ("# syntax=docker/dockerfile:1\n# escape=`\n", '`'),
            ("# check=skip=all\n# escape=`\n", '`'),
            ("# a comment\n# escape=`\n", '\\'),
            ("# a=b\n# escape=`\n", '\\'),
            ("\n# escape=`\n", '\\'),
            ("FROM a\n# escape=`\n", '\\'),
            ("# escape=\\\n", '\\'),
        ] {
            assert_eq!(Dockerfile::parse(text).expect(text).escape, expected, "{text:?}");
        }
        let lines = shown("# escape=`\nCOPY a `\n b\nRUN c\\\nRUN d");
        assert_eq!(lines, ["2 COPY  | a  b", "4 RUN  | c\\", "5 RUN  | d"]);
        for (text, line) in [("# escape=x\n", 1), ("# escape=`\n# escape=`\n", 2)] {
            assert_eq!(Dockerfile::parse(text).expect_err(text).line, line, "{text:?}");
        }
    }

    #[test]
    fn here_documents_are_no_instructions() {
        for (text, expected) in [
            ("COPY <<EOF /a\nCOPY x y\nEOF\nRUN b", &["1 COPY  | <<EOF /a", "4 RUN  | b"][..]),
            ("RUN <<'e f'\nEOF\ne f\nRUN b", &["1 RUN  | <<'e f'", "4 RUN  | b"]),
            (
                "RUN cat <<-\"E\" >x\n\tE x\n\t\tE\r\nRUN b",
                &["1 RUN  | cat <<-\"E\" >x", "4 RUN  | b"],
            ),
            ("COPY <<A <<B /x\nB\nA\nA\nB\nRUN b", &["1 COPY  | <<A <<B /x", "6 RUN  | b"]),
            ("RUN 3<<E\nE\nRUN b", &["1 RUN  | 3<<E", "3 RUN  | b"]),
            ("ONBUILD RUN <<E\nCOPY a b\nE\n", &["1 ONBUILD  | RUN <<E"]),
            // None of these announces one.
            ("RUN cat <<<E\nRUN b", &["1 RUN  | cat <<<E", "2 RUN  | b"]),
            ("RUN echo $((1<<2))\nRUN b", &["1 RUN  | echo $((1<<2))", "2 RUN  | b"]),
            ("RUN echo \"<<E\"\nRUN b", &["1 RUN  | echo \"<<E\"", "2 RUN  | b"]),
            ("RUN echo don't <<E\nRUN b", &["1 RUN  | echo don't <<E", "2 RUN  | b"]),
            ("RUN [\"<<E\"]\nRUN b", &["1 RUN  | [\"<<E\"]", "2 RUN  | b"]),
            ("ENV A=<<E\nRUN b", &["1 ENV  | A=<<E", "2 RUN  | b"]),
            ("LABEL <<E\nRUN b", &["1 LABEL  | <<E", "2 RUN  | b"]),
        ] {
            assert_eq!(shown(text), expected, "{text:?}");
        }
        let fault = Dockerfile::parse("FROM a\nCOPY <<EOF /a\nEOFF\n").expect_err("no end");
        assert_eq!(fault.line, 2);
        assert!(fault.what.contains("`EOF`"), "{fault:?}");
    }

    #[test]
    fn lists_and_flags() {
        let parse = |text| Instruction::parse(1, text, '\\').expect(text);
        for (text, expected) in [
            (r#"COPY ["a b", "c"]"#, &["a b", "c"][..]),
            (r#"COPY --link  ["a","b"] "#, &["a", "b"]),
            ("COPY [a b", &["[a", "b"]),
            ("COPY [[]a] b", &["[[]a]", "b"]),
            ("COPY a\t b", &["a", "b"]),
        ] {
            assert_eq!(parse(text).list(), expected, "{text}");
        }
        let copy = parse("COPY --from=a --parents --exclude=x --exclude=y --fromage=z a b");
        assert_eq!(copy.flag("from"), Some("a"));
        assert_eq!(copy.flag("parents"), Some(""));
        assert_eq!(copy.flag("link"), None);
        assert_eq!(copy.flag_values("exclude").collect::<Vec<_>>(), ["x", "y"]);
    }
}
