//! A store in the making.

use std::path::Path;

use serde_json::Value;

use super::{Files, is_unfinished};
use crate::tree::Tree;

const INDEX: &str = "lake-shim/index.json";
const PACKS: &str = "lake-shim/packs";

/// What of the store at `dir` would be taken for what it is not. A whole one has the files of one of `whole`.
pub(super) fn judge(dir: &Path, whole: &[Files], faults: &mut Vec<String>) {
    let mut files = Tree::of(dir).files();
    files.retain(|path, _| !is_unfinished(path));
    for (path, sha256) in files.iter().filter(|(path, _)| *path != Path::new(INDEX)) {
        let shown = path.display();
        let known: Vec<_> = whole.iter().filter_map(|files| files.get(path)).collect();
        if known.is_empty() && has_name_of_contents(path) {
            faults.push(format!("`{shown}` is nobody's"));
        } else if !known.is_empty() && !known.contains(&sha256) {
            faults.push(format!("`{shown}` has other bytes"));
        }
    }
    if files.contains_key(Path::new(INDEX)) {
        faults.extend(named(&dir.join(INDEX)).into_iter().filter_map(|(path, sha256)| {
            let found = files.get(Path::new(&path));
            (found != Some(&sha256))
                .then(|| format!("the index names `{path}`, which is not there"))
        }));
    }
}

fn has_name_of_contents(path: &Path) -> bool {
    let name = path.to_string_lossy();
    name.ends_with(".ltar") || name.ends_with(".tar.zst")
}

/// The files that an index names, and their sha256; the index itself when it cannot be read.
fn named(index: &Path) -> Vec<(String, String)> {
    let text = std::fs::read(index).unwrap_or_default();
    let Ok(index) = serde_json::from_slice::<Value>(&text) else {
        return vec![(INDEX.to_owned(), "an index that can be read".to_owned())];
    };
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let ltars = index["ltars"].as_object().into_iter().flatten();
    let ltars = ltars.map(|(name, record)| (name.clone(), text(&record["sha256"])));
    let packs = index["packs"].as_array().into_iter().flatten();
    let shards = packs.flat_map(|pack| pack["shards"].as_array().into_iter().flatten());
    let shards = shards.map(|shard| {
        let sha256 = text(&shard["sha256"]);
        (format!("{PACKS}/{sha256}.tar.zst"), sha256)
    });
    ltars.chain(shards).collect()
}
