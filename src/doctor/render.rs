//! A diagnosis as people read it: what is there, then what is wrong with it, then how much.

use super::{Area, Diagnosis, Finding, Severity};
use crate::error::clean;
use anstyle::{AnsiColor, Style};
use textwrap::{Options, WordSplitter, fill};

/// What is printed on.
#[derive(Clone, Copy, Debug)]
pub struct Page {
    /// Columns.
    pub width: usize,
    pub colour: bool,
}

/// Evidence is cut after this many lines; `--json` has all of it.
const SHOWN: usize = 8;
/// Narrower than this nothing is readable.
const MIN_WIDTH: usize = 40;
/// Stands for a space at which a line is not to be broken.
const FIRM_SPACE: char = '\u{a0}';

const FAINT: Style = Style::new().dimmed();
const GOOD: Style = AnsiColor::Green.on_default();

impl Page {
    /// Renders all of it.
    pub fn print(&self, diagnosis: &Diagnosis) -> String {
        let mut text = String::new();
        for area in diagnosis.areas.iter().filter(|area| !area.summary.is_empty()) {
            text += &self.area(area);
        }
        for finding in diagnosis.findings() {
            text.push('\n');
            text += &self.finding(finding);
        }
        text.push('\n');
        text += &self.total(diagnosis);
        text
    }

    /// `ok       lake       5.0.0 /opt/lean/bin/lake`, further lines below the third column.
    fn area(&self, area: &Area) -> String {
        let (mark, style) = match area.worst() {
            None if area.is_sound => ("ok", GOOD),
            None => ("-", FAINT),
            Some(severity) => (severity.word(), style(severity)),
        };
        let indent = " ".repeat(20);
        let mut text = String::new();
        for (number, line) in area.summary.iter().enumerate() {
            let head = match number {
                0 => format!("{}{:<11}", self.styled(style, &format!("{mark:<9}")), area.name),
                _ => indent.clone(),
            };
            text += &self.paragraph(&clean(line), &head, &indent);
        }
        text
    }

    fn finding(&self, finding: &Finding) -> String {
        let Finding { severity, check, message, evidence, hint } = finding;
        let head = self.styled(style(*severity).bold(), severity.word());
        let check = self.styled(FAINT, &format!("[{check}]"));
        let message = format!("{} {check}", clean(message));
        let mut text = self.paragraph(&message, &format!("{head}: "), "    ");
        for line in evidence.iter().take(SHOWN) {
            text += &self.paragraph(&clean(line), "  - ", "    ");
        }
        if evidence.len() > SHOWN {
            text += &format!("  - and {} more\n", evidence.len() - SHOWN);
        }
        let label = self.styled(GOOD, "hint:");
        for (number, line) in hint.lines().enumerate() {
            let head = if number == 0 { format!("  {label} ") } else { " ".repeat(8) };
            text += &self.paragraph(&clean(line), &head, "        ");
        }
        text
    }

    fn total(&self, diagnosis: &Diagnosis) -> String {
        let findings = diagnosis.findings();
        let count = |severity| match findings.iter().filter(|f| f.severity == severity).count() {
            0 => None,
            1 => Some(format!("1 {}", Severity::word(severity))),
            n => Some(format!("{n} {}s", Severity::word(severity))),
        };
        let wrong: Vec<_> =
            [Severity::Error, Severity::Warning].into_iter().filter_map(count).collect();
        let (text, style) = match (wrong.is_empty(), diagnosis.has_errors()) {
            (true, _) => ("nothing wrong found".to_owned(), GOOD),
            (_, true) => (wrong.join(", "), style(Severity::Error)),
            _ => (wrong.join(", "), style(Severity::Warning)),
        };
        let notes = count(Severity::Note).map(|notes| format!(", {notes}")).unwrap_or_default();
        format!("{}{notes}\n", self.styled(style.bold(), &text))
    }

    /// Wraps `text` behind `head`, further lines behind `indent`. What stands in backticks is not
    /// broken, so that it can be copied.
    fn paragraph(&self, text: &str, head: &str, indent: &str) -> String {
        let mut is_literal = false;
        let firm = text.chars().map(|c| {
            is_literal ^= c == '`';
            if is_literal && c == ' ' { FIRM_SPACE } else { c }
        });
        let firm: String = firm.collect();
        let options = Options::new(self.width.max(MIN_WIDTH))
            .initial_indent(head)
            .subsequent_indent(indent)
            .break_words(false)
            .word_splitter(WordSplitter::NoHyphenation);
        fill(&firm, options).replace(FIRM_SPACE, " ") + "\n"
    }

    fn styled(&self, style: Style, text: &str) -> String {
        if self.colour { format!("{style}{text}{style:#}") } else { text.to_owned() }
    }
}

fn style(severity: Severity) -> Style {
    match severity {
        Severity::Error => AnsiColor::Red.on_default(),
        Severity::Warning => AnsiColor::Yellow.on_default(),
        Severity::Note => AnsiColor::Cyan.on_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    fn diagnosis(findings: Vec<Finding>) -> Diagnosis {
        let summary = vec!["5.0.0 /opt/lean/bin/lake".to_owned()];
        Diagnosis { areas: vec![Area::new("lake", summary, Value::Null).with(findings)] }
    }

    fn finding() -> Finding {
        let message = "a message that is long enough to be broken into several lines somewhere";
        Finding::warning("some-check", message, "do this:\n`rm -r /a/path with/a space`")
            .seen("evidence of something that is long enough to be broken into two lines too")
    }

    const PLAIN: Page = Page { width: 50, colour: false };

    #[test]
    fn nothing_wrong() {
        let text = PLAIN.print(&diagnosis(Vec::new()));
        let area = "ok       lake       5.0.0 /opt/lean/bin/lake";
        assert_eq!(text, format!("{area}\n\nnothing wrong found\n"));
    }

    #[test]
    fn lines_hang_and_literals_stay_whole() {
        let text = PLAIN.print(&diagnosis(vec![finding()]));
        let expected = "\
warning  lake       5.0.0 /opt/lean/bin/lake

warning: a message that is long enough to be
    broken into several lines somewhere
    [some-check]
  - evidence of something that is long enough to
    be broken into two lines too
  hint: do this:
        `rm -r /a/path with/a space`

1 warning
";
        assert_eq!(text, expected);
    }

    #[test]
    fn colours_do_not_count_as_columns() {
        let coloured = Page { colour: true, ..PLAIN }.print(&diagnosis(vec![finding()]));
        assert!(coloured.contains("\x1b[33m"));
        let mut plain = String::new();
        let mut is_escape = false;
        for c in coloured.chars() {
            match (is_escape, c) {
                (false, '\x1b') => is_escape = true,
                (true, 'm') => is_escape = false,
                (true, _) => {}
                (false, c) => plain.push(c),
            }
        }
        assert_eq!(plain, PLAIN.print(&diagnosis(vec![finding()])));
    }

    #[test]
    fn totals() {
        let of = |severities: &[Severity]| {
            let finding = |severity: &Severity| Finding { severity: *severity, ..finding() };
            let text = PLAIN.print(&diagnosis(severities.iter().map(finding).collect()));
            text.lines().last().unwrap_or_default().to_owned()
        };
        use Severity::{Error, Note, Warning};
        assert_eq!(of(&[Error, Error, Warning]), "2 errors, 1 warning");
        assert_eq!(of(&[Note]), "nothing wrong found, 1 note");
        assert_eq!(of(&[Error, Note, Note]), "1 error, 2 notes");
    }

    #[test]
    fn what_others_said_stays_in_its_line() {
        let finding = finding().seen("`lake` says `\x1b[2J\n`");
        let text = PLAIN.print(&diagnosis(vec![finding]));
        assert!(text.contains("  - `lake` says `\\u{1b}[2J\\n`\n"), "{text}");
    }

    #[test]
    fn long_evidence_is_cut() {
        let finding = Finding { evidence: vec!["x".into(); 12], ..finding() };
        assert!(PLAIN.print(&diagnosis(vec![finding])).contains("  - and 4 more\n"));
    }
}
