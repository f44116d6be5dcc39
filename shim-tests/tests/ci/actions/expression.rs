//! The expressions of GitHub's workflows, `${{ … }}`: what they mean, as its documentation says.
//!
//! A property that is not there is null, strings are compared without regard to case, `&&` and `||` give one
//! of their operands. A function or an operator that the examples do not use is an error.

use serde_json::Value;

/// What an expression can refer to.
pub struct Scope<'a> {
    /// The contexts, by name.
    pub contexts: &'a Value,
    pub status: Status,
}

/// What `success()`, `failure()` and `cancelled()` say.
#[derive(Clone, Copy, Debug)]
pub struct Status {
    pub success: bool,
    pub failure: bool,
    pub cancelled: bool,
}

impl Scope<'_> {
    /// Replaces every `${{ … }}` of a text. One that is all of the text keeps its type.
    pub fn fill(&self, text: &str) -> Result<Value, String> {
        if let Some(inside) = text.trim().strip_prefix("${{").and_then(|t| t.strip_suffix("}}"))
            && !inside.contains("${{")
        {
            return self.evaluate(inside);
        }
        let (mut filled, mut rest) = (String::new(), text);
        while let Some((before, after)) = rest.split_once("${{") {
            let (inside, behind) = after.split_once("}}").ok_or("`${{` without `}}`")?;
            filled.push_str(before);
            filled.push_str(&string(&self.evaluate(inside)?));
            rest = behind;
        }
        Ok(Value::String(filled + rest))
    }

    /// What `if:` comes to. Without a status function it is `success() && (…)`.
    pub fn condition(&self, text: Option<&Value>) -> Result<bool, String> {
        let Some(text) = text else { return Ok(self.status.success) };
        let text = text.as_str().ok_or_else(|| format!("`if: {text}` is no string"))?;
        let inside = text.trim();
        let inside =
            inside.strip_prefix("${{").and_then(|t| t.strip_suffix("}}")).unwrap_or(inside);
        let names_status = ["success", "failure", "cancelled", "always"]
            .iter()
            .any(|name| inside.contains(&format!("{name}(")));
        let value = is_true(&self.evaluate(inside)?);
        Ok(value && (names_status || self.status.success))
    }

    pub fn evaluate(&self, text: &str) -> Result<Value, String> {
        let tokens = tokens(text)?;
        let mut parser = Parser { scope: self, tokens: &tokens, at: 0 };
        let value = parser.or()?;
        match parser.peek() {
            None => Ok(value),
            Some(token) => Err(format!("`{token}` is left in `{text}`")),
        }
    }
}

/// As it stands in a text.
pub fn string(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(_) => "Array".to_owned(),
        Value::Object(_) => "Object".to_owned(),
        other => other.to_string(),
    }
}

pub fn is_true(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(boolean) => *boolean,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(_) | Value::Object(_) => true,
    }
}

fn is_equal(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::String(left), Value::String(right)) => left.eq_ignore_ascii_case(right),
        (Value::Array(_) | Value::Object(_), _) | (_, Value::Array(_) | Value::Object(_)) => false,
        _ => number(left) == number(right),
    }
}

/// Equal to nothing when it is none, itself included.
fn number(value: &Value) -> f64 {
    match value {
        Value::Null => 0.0,
        Value::Bool(boolean) => f64::from(*boolean),
        Value::Number(number) => number.as_f64().unwrap_or(f64::NAN),
        Value::String(text) if text.is_empty() => 0.0,
        Value::String(text) => text.trim().parse().unwrap_or(f64::NAN),
        Value::Array(_) | Value::Object(_) => f64::NAN,
    }
}

/// Names, numbers, signs as they are; strings with their opening quote.
fn tokens(text: &str) -> Result<Vec<String>, String> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '\'' => {
                let mut end = 1;
                loop {
                    let quote =
                        rest[end..].find('\'').ok_or_else(|| format!("open `'` in `{text}`"))?;
                    end += quote + 1;
                    if !rest[end..].starts_with('\'') {
                        break end;
                    }
                    end += 1;
                }
            }
            c if c.is_ascii_alphanumeric() || c == '_' => {
                let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
                rest.find(|c| !is_name(c)).unwrap_or(rest.len())
            }
            _ if ["&&", "||", "==", "!="].iter().any(|sign| rest.starts_with(sign)) => 2,
            '(' | ')' | '.' | ',' | '!' | '*' => 1,
            _ => return Err(format!("`{first}` in `{text}` is not known here")),
        };
        let token = &rest[..length];
        tokens.push(match first {
            '\'' => format!("'{}", token[1..token.len() - 1].replace("''", "'")),
            _ => token.to_owned(),
        });
        rest = rest[length..].trim_start();
    }
    Ok(tokens)
}

struct Parser<'a> {
    scope: &'a Scope<'a>,
    tokens: &'a [String],
    at: usize,
}

impl Parser<'_> {
    fn or(&mut self) -> Result<Value, String> {
        let mut value = self.and()?;
        while self.takes("||") {
            let right = self.and()?;
            value = if is_true(&value) { value } else { right };
        }
        Ok(value)
    }

    fn and(&mut self) -> Result<Value, String> {
        let mut value = self.equality()?;
        while self.takes("&&") {
            let right = self.equality()?;
            value = if is_true(&value) { right } else { value };
        }
        Ok(value)
    }

    fn equality(&mut self) -> Result<Value, String> {
        let mut value = self.unary()?;
        loop {
            let wanted = match self.peek() {
                Some("==") => true,
                Some("!=") => false,
                _ => return Ok(value),
            };
            self.at += 1;
            value = (is_equal(&value, &self.unary()?) == wanted).into();
        }
    }

    fn unary(&mut self) -> Result<Value, String> {
        if self.takes("!") {
            return Ok((!is_true(&self.unary()?)).into());
        }
        if self.takes("(") {
            let value = self.or()?;
            self.expect(")")?;
            return self.properties(value);
        }
        let token = self.next()?;
        if let Some(text) = token.strip_prefix('\'') {
            return Ok(text.into());
        }
        match token.as_str() {
            "true" => return Ok(true.into()),
            "false" => return Ok(false.into()),
            "null" => return Ok(Value::Null),
            _ => {}
        }
        if let Ok(number) = token.parse::<i64>() {
            return Ok(number.into());
        }
        if self.takes("(") {
            let mut arguments = Vec::new();
            while !self.takes(")") {
                arguments.push(self.or()?);
                if !self.takes(",") {
                    self.expect(")")?;
                    break;
                }
            }
            return self.call(&token, &arguments);
        }
        let context = self.scope.contexts.get(&token);
        let context = context.ok_or_else(|| format!("no context `{token}` here"))?.clone();
        self.properties(context)
    }

    fn properties(&mut self, mut value: Value) -> Result<Value, String> {
        let mut is_filter = false;
        while self.takes(".") {
            if self.takes("*") {
                let entries = value.as_object().into_iter().flatten();
                value = Value::Array(entries.map(|(_, entry)| entry.clone()).collect());
                is_filter = true;
                continue;
            }
            let name = self.next()?;
            let get = |value: &Value| value.get(&name).cloned().unwrap_or_default();
            value = match (&value, is_filter) {
                (Value::Array(items), true) => items.iter().map(get).collect(),
                _ => get(&value),
            };
        }
        Ok(value)
    }

    fn call(&self, name: &str, arguments: &[Value]) -> Result<Value, String> {
        let Status { success, failure, cancelled } = self.scope.status;
        Ok(match (name, arguments) {
            ("always", []) => true.into(),
            ("success", []) => success.into(),
            ("failure", []) => failure.into(),
            ("cancelled", []) => cancelled.into(),
            ("contains", [Value::Array(items), item]) => {
                items.iter().any(|other| is_equal(other, item)).into()
            }
            _ => return Err(format!("`{name}` of {arguments:?} is not known here")),
        })
    }

    fn peek(&self) -> Option<&str> {
        self.tokens.get(self.at).map(String::as_str)
    }

    fn takes(&mut self, token: &str) -> bool {
        let takes = self.peek() == Some(token);
        self.at += usize::from(takes);
        takes
    }

    fn expect(&mut self, token: &str) -> Result<(), String> {
        if self.takes(token) { Ok(()) } else { Err(format!("no `{token}`")) }
    }

    fn next(&mut self) -> Result<String, String> {
        let token = self.peek().ok_or("it ends too early")?.to_owned();
        self.at += 1;
        Ok(token)
    }
}

#[test]
fn values() {
    let contexts = serde_json::json!({
        "github": { "event_name": "push", "event": { "n": 1 } },
        "needs": { "a": { "result": "success" }, "b-c": { "result": "skipped" } },
    });
    let status = Status { success: false, failure: false, cancelled: false };
    let scope = Scope { contexts: &contexts, status };
    for (text, expected) in [
        ("github.event_name", "push".into()),
        ("github.event_name == 'PUSH'", true.into()),
        ("github.nothing.at.all", Value::Null),
        ("github.nothing == ''", true.into()),
        ("github.nothing != 'true'", true.into()),
        ("github.event.n == '1'", true.into()),
        ("!failure() && !cancelled()", true.into()),
        ("false || 'x' && 'it''s'", "it's".into()),
        ("(true || false) && null", Value::Null),
        ("contains(needs.*.result, 'skipped')", true.into()),
        ("contains(needs.*.result, 'failure')", false.into()),
        ("needs.b-c.result", "skipped".into()),
    ] {
        assert_eq!(scope.evaluate(text), Ok(expected), "{text}");
    }
    for text in ["x", "github.", "1 2", "'a", "hashFiles('x')", "a < b", "(true"] {
        assert!(scope.evaluate(text).is_err(), "{text}");
    }
    assert_eq!(scope.fill("a-${{ github.event.n }}-${{ null }}"), Ok("a-1-".into()));
    assert_eq!(scope.fill("${{ true }}"), Ok(true.into()));
}

#[test]
fn a_condition_without_a_status_function_asks_for_success() {
    let contexts = Value::Object(serde_json::Map::new());
    for (text, success, expected) in [
        ("true", true, true),
        ("true", false, false),
        ("${{ always() }}", false, true),
        ("!failure() && !cancelled()", false, true),
        ("!failure() && false", true, false),
    ] {
        let scope = Scope {
            contexts: &contexts,
            status: Status { success, failure: false, cancelled: false },
        };
        assert_eq!(scope.condition(Some(&text.into())), Ok(expected), "{text} {success}");
    }
}
