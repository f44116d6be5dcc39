//! JSON in the layout that Lean prints it in, which is how Lake writes manifests.
//!
//! `Json.pretty` (`Lean/Data/Json/Printer.lean`) goes through Lean's `Format` at a width of 80:
//! what fits on the line, with whatever must follow it there, stays on one line; a list or object
//! that does not has every item on a line of its own, one column further in; a key whose value does
//! not fit beside it has the value on the next line. Lean sorts keys downward; here they stay as
//! they are, so that a manifest which others have touched keeps its order.

use serde_json::Value;
use std::fmt::Write;

/// `Json.pretty`'s, in characters.
const WIDTH: usize = 80;

/// Prints `value` as Lean does, without a final newline.
pub fn pretty(value: &Value) -> String {
    let mut text = String::new();
    Printer { text: &mut text, column: 0 }.value(value, 0, 0);
    text
}

struct Printer<'a> {
    text: &'a mut String,
    /// In characters.
    column: usize,
}

impl Printer<'_> {
    /// Prints `value` with further lines at `indent`, and `trailing` characters to come before the
    /// line can end.
    fn value(&mut self, value: &Value, indent: usize, trailing: usize) {
        let flat = flat(value);
        if self.fits(&flat, trailing) {
            return self.put(&flat);
        }
        match value {
            Value::Array(items) => {
                self.bracket('[', ']', indent, items, trailing, |printer, item, trailing| {
                    printer.value(item, indent + 1, trailing);
                })
            }
            Value::Object(entries) => {
                self.bracket(
                    '{',
                    '}',
                    indent,
                    entries,
                    trailing,
                    |printer, (key, value), trailing| {
                        printer.entry(key, value, indent + 1, trailing);
                    },
                );
            }
            _ => self.put(&flat),
        }
    }

    fn bracket<T>(
        &mut self,
        open: char,
        close: char,
        indent: usize,
        items: impl IntoIterator<Item = T, IntoIter: ExactSizeIterator>,
        trailing: usize,
        print: impl Fn(&mut Self, T, usize),
    ) {
        self.put(open.encode_utf8(&mut [0; 4]));
        let items = items.into_iter();
        let last = items.len().saturating_sub(1);
        for (i, item) in items.enumerate() {
            if i > 0 {
                self.put(",");
                self.newline(indent + 1);
            }
            // The last is followed by the bracket and what follows that, the others by a comma.
            print(self, item, if i == last { trailing + 1 } else { 1 });
        }
        self.put(close.encode_utf8(&mut [0; 4]));
    }

    fn entry(&mut self, key: &str, value: &Value, indent: usize, trailing: usize) {
        let key = string(key) + ":";
        let flat = format!("{key} {}", flat(value));
        if self.fits(&flat, trailing) {
            return self.put(&flat);
        }
        self.put(&key);
        self.newline(indent);
        self.value(value, indent, trailing);
    }

    fn fits(&self, flat: &str, trailing: usize) -> bool {
        self.column + flat.chars().count() + trailing <= WIDTH
    }

    fn put(&mut self, text: &str) {
        self.text.push_str(text);
        self.column += text.chars().count();
    }

    fn newline(&mut self, indent: usize) {
        self.text.push('\n');
        self.text.extend(std::iter::repeat_n(' ', indent));
        self.column = indent;
    }
}

/// All on one line.
fn flat(value: &Value) -> String {
    let list = |items: Vec<String>| items.join(", ");
    match value {
        Value::String(text) => string(text),
        Value::Array(items) => format!("[{}]", list(items.iter().map(flat).collect())),
        Value::Object(entries) => {
            let entry =
                |(key, value): (&String, &Value)| format!("{}: {}", string(key), flat(value));
            format!("{{{}}}", list(entries.iter().map(entry).collect()))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => value.to_string(),
    }
}

/// A string literal, with no more escapes than Lean makes.
pub fn string(text: &str) -> String {
    let mut literal = String::from('"');
    for c in text.chars() {
        match c {
            '"' => literal.push_str("\\\""),
            '\\' => literal.push_str("\\\\"),
            '\n' => literal.push_str("\\n"),
            '\r' => literal.push_str("\\r"),
            // Writing to a string cannot fail.
            c if c < ' ' => drop(write!(literal, "\\u{:04x}", u32::from(c))),
            c => literal.push(c),
        }
    }
    literal + "\""
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_fits_stays_on_one_line() {
        assert_eq!(
            pretty(&json!({"b": [1, {"a": null}], "a": "x"})),
            r#"{"b": [1, {"a": null}], "a": "x"}"#
        );
        assert_eq!(pretty(&json!({})), "{}");
        assert_eq!(pretty(&json!([])), "[]");
        let just = "x".repeat(WIDTH - 2);
        assert_eq!(pretty(&json!(just)).len(), WIDTH);
        let just = "x".repeat(WIDTH - 4);
        assert_eq!(pretty(&json!([just])).lines().count(), 1);
    }

    #[test]
    fn what_follows_on_the_line_counts_too() {
        let x = "x".repeat(WIDTH - 8);
        // `{"a": "…"}` has 80 characters, and within a list it would need one more.
        assert_eq!(pretty(&json!({"a": x[..71]})).lines().count(), 1);
        assert_eq!(pretty(&json!([{"a": x[..71]}])), format!("[{{\"a\":\n  \"{}\"}}]", &x[..71]));
    }

    #[test]
    fn escapes() {
        assert_eq!(string("a\"\\\n\r\t\u{1}é/\u{7f}"), "\"a\\\"\\\\\\n\\r\\u0009\\u0001é/\u{7f}\"");
    }
}
