//! The environment: values that are not allowed, and the switch that turns the shim off.

use super::{Area, Finding};
use crate::settings::{Environment, Settings, var};
use anyhow::{Context, Result, ensure};
use serde_json::{Map, Value};
use std::ffi::OsStr;

/// What the environment means, defaults standing in for what is not allowed.
pub fn look(env: &Environment) -> (Settings, Area) {
    let (settings, faults) = Settings::lenient(env);
    let consequence =
        "until then `lake exe cache get` fails, and builds go without the shim's help";
    let bad = |fault: &_| Finding::of_error("bad-variable", fault, "").seen(consequence);
    let mut findings: Vec<_> = faults.iter().map(bad).collect();
    findings.extend(url_map(env.url_map.as_deref()));
    findings.extend(git_config_count(env.git_config_count.as_deref()));
    if env.is_disabled() {
        let message = format!("`{}` is `1`: the shim stands aside", var::DISABLE);
        let finding = Finding::warning("disabled", message, format!("`unset {}`", var::DISABLE));
        findings.push(finding.seen("every `lake` becomes the real one at once"));
    }
    let set = set_variables(env);
    let summary = set.iter().map(|(name, value)| format!("{name}={value}"));
    let summary: Vec<_> = summary.collect();
    let facts = set.into_iter().map(|(name, value)| (name.to_owned(), value.into()));
    let facts = Value::Object(facts.collect::<Map<_, _>>());
    (settings, Area::new("settings", summary, facts).with(findings))
}

/// Lake takes a JSON object from package names to URLs, and fails on anything else.
fn url_map(value: Option<&OsStr>) -> Option<Finding> {
    let value = value?;
    let check = || -> Result<()> {
        let map: Value = serde_json::from_str(&value.to_string_lossy())?;
        let map = map.as_object().context("it is no JSON object")?;
        ensure!(map.values().all(Value::is_string), "a package's URL is no string");
        Ok(())
    };
    let reason = check().err()?;
    let message = format!("`{}` is `{}`", var::URL_MAP, value.to_string_lossy());
    let hint = "set it to a JSON object from package names to URLs, or unset it";
    Some(Finding::error("bad-variable", message, hint).seen(format!("Lake refuses it: {reason}")))
}

/// `true` unless git fails over its variables wherever it runs.
pub fn are_gits_sound(env: &Environment) -> bool {
    git_config_count(env.git_config_count.as_deref()).is_none()
}

/// git refuses to do anything at all, and Lake takes that for a clone that is not there.
fn git_config_count(value: Option<&OsStr>) -> Option<Finding> {
    let value = value?.to_string_lossy();
    if value.trim().parse::<usize>().is_ok() {
        return None;
    }
    let message = format!("`{}` is `{value}`", var::GIT_CONFIG_COUNT);
    let hint = "set it to the number of `GIT_CONFIG_KEY_<n>` there are, or unset it";
    let consequence = "git fails over it, and Lake then takes every package for broken";
    Some(Finding::error("bad-variable", message, hint).seen(consequence))
}

fn set_variables(env: &Environment) -> Vec<(&'static str, String)> {
    let path = |path: &Option<std::path::PathBuf>| path.clone().map(Into::into);
    let all = [
        (var::STORE, env.store.clone()),
        (var::PKG_DIR, env.pkg_dir.clone()),
        (var::NETWORK, env.network.clone()),
        (var::RESTORE, env.restore.clone()),
        (var::LAKE, env.lake.clone()),
        (var::LEANTAR, env.leantar.clone()),
        (var::CONFINE, env.confine.clone()),
        (var::JOBS, env.jobs.clone()),
        (var::LOG, env.log.clone()),
        (var::PRIVATE, env.private.clone()),
        (var::DISABLE, env.disable.clone()),
        (var::MATHLIB_CACHE_DIR, path(&env.mathlib_cache_dir)),
        (var::URL_MAP, env.url_map.clone()),
    ];
    let set = all.into_iter().filter_map(|(name, value)| Some((name, value?)));
    set.map(|(name, value)| (name, value.to_string_lossy().into_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn url_maps() {
        let is_bad = |text: &str| url_map(Some(OsStr::new(text))).is_some();
        assert!(!is_bad("{}") && !is_bad(r#"{"a":"https://e.org/a"}"#));
        for bad in ["", "a=b", "[]", r#"{"a":1}"#, r#"{"a":"#] {
            assert!(is_bad(bad), "{bad}");
        }
        assert!(url_map(None).is_none());
    }

    #[test]
    fn counts_for_git() {
        let is_bad = |text: &str| git_config_count(Some(OsStr::new(text))).is_some();
        assert!(!is_bad("0") && !is_bad("12"));
        assert!(is_bad("one") && is_bad("-1"));
    }

    #[test]
    fn every_bad_value_is_found_at_once() {
        let env = Environment {
            network: Some("maybe".into()),
            jobs: Some("0".into()),
            pkg_dir: Some("relative".into()),
            disable: Some("1".into()),
            ..Environment::default()
        };
        let (settings, area) = look(&env);
        let checks: Vec<_> = area.findings.iter().map(|finding| finding.check).collect();
        assert_eq!(checks, ["bad-variable", "bad-variable", "bad-variable", "disabled"]);
        assert_eq!(settings.pkg_dir, None);
    }
}
