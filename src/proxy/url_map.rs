//! `LAKE_PKG_URL_MAP`: where Lake is to look for a package, in place of the manifest's URL.

use crate::child::Variables;
use crate::settings::var;
use crate::workspace::name::Name;
use serde_json::{Map, Value};
use std::ffi::{OsStr, OsString};

/// The map in the order the user wrote it. `None` if that is not a JSON object: it stays as it is for Lake to
/// complain about.
#[derive(Clone, Debug, PartialEq)]
pub struct UrlMap(Option<Map<String, Value>>);

impl UrlMap {
    /// Reads the variable's value. Without one the map is empty.
    pub fn parse(text: Option<&OsStr>) -> Self {
        let parse = |text: &OsStr| serde_json::from_str(text.to_str()?).ok();
        Self(text.map_or_else(|| Some(Map::new()), parse))
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        let map = self.0.as_ref()?;
        map.get(Name::new(name).as_str()).or_else(|| map.get(name))?.as_str()
    }

    pub fn insert(&mut self, name: &str, url: String) {
        if let Some(map) = &mut self.0 {
            // Lake reads keys as names: what is no identifier has to have its `«»`.
            map.insert(Name::new(name).to_string(), Value::String(url));
        }
    }

    /// Has Lake, started with `variables`, look for the package `name` at `url`. A value that is not a JSON
    /// object stays as it is.
    pub fn add_to(&mut self, variables: &mut Variables, name: &str, url: String) {
        let before = self.clone();
        self.insert(name, url);
        if *self != before {
            variables.insert(var::URL_MAP.into(), self.print());
        }
    }

    pub fn print(&self) -> OsString {
        self.0.clone().map(Value::Object).unwrap_or_default().to_string().into()
    }
}
