//! Which Lake the fake stands in for.

use std::env;

use anyhow::{Result, bail};

/// Set to a dialect's name; unset means `4.27`.
const VARIABLE: &str = "FAKE_LAKE_DIALECT";

/// Ordered by age.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Dialect {
    /// Lake up to 4.16.
    Lake416,
    /// Lake 4.17 to 4.34.
    Lake427,
    /// Lake since 4.35 (lean4#14782).
    Lake435,
}

impl Dialect {
    pub(crate) fn from_env() -> Result<Dialect> {
        let Some(name) = env::var_os(VARIABLE) else {
            return Ok(Dialect::Lake427);
        };
        Ok(match name.to_str() {
            Some("4.16") => Dialect::Lake416,
            Some("4.27") => Dialect::Lake427,
            Some("4.35" | "4.36") => Dialect::Lake435,
            _ => bail!("{VARIABLE} is 4.16, 4.27, 4.35 or 4.36, not `{}`", name.display()),
        })
    }

    /// The answer to `lake --version`.
    pub(crate) fn version(self) -> &'static str {
        match self {
            Dialect::Lake416 => "Lake version 5.0.0-fake (Lean version 4.16.0)",
            Dialect::Lake427 => "Lake version 5.0.0-fake (Lean version 4.27.0)",
            Dialect::Lake435 => "Lake version 5.0.0-fake (Lean version 4.35.0)",
        }
    }

    /// Reads `--packages` and `.lake/package-overrides.json` (lean4#6411).
    pub(crate) fn has_overrides(self) -> bool {
        self >= Dialect::Lake427
    }

    /// Deletes a checkout whose URL differs. A later Lake gives it the wanted URL, fetches without trees, and cleans.
    pub(crate) fn deletes(self) -> bool {
        self <= Dialect::Lake427
    }

    /// Knows the verbs and options that came after 4.27.
    pub(crate) fn knows_newer_words(self) -> bool {
        self >= Dialect::Lake435
    }

    /// Writes `fixedToolchain` to manifests, which are of version 1.2.0 then (since 4.30).
    pub(crate) fn writes_fixed_toolchain(self) -> bool {
        self >= Dialect::Lake435
    }
}
