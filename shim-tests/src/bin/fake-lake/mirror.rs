//! Downloads as the real tool makes them, by a real curl: its configuration file, its arguments, its reading of what
//! curl says of each file (mathlib b5cac985, `Cache/Requests.lean`: `mkFileURL`, `downloadFiles`, `monitorCurl`).

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result};
use fs_err as fs;
use serde_json::Value;

/// Returns how many failed. A file that the server does not have is none of them, and is only warned of.
pub(crate) fn download(url: &str, dir: &Path, names: &[&String]) -> Result<usize> {
    let config = dir.join("curl.cfg");
    let entry = |name: &&String| {
        format!("url = {url}/f/{name}\n-o {:?}\n", dir.join(format!("{name}.part")))
    };
    fs::write(&config, names.iter().map(entry).collect::<String>())?;
    let output = Command::new("curl")
        .args(["--request", "GET", "--parallel", "--silent", "--retry", "5"])
        .args(["--write-out", "%{json}\n", "--config"])
        .arg(&config)
        .stderr(Stdio::inherit())
        .output()
        .context("curl")?;
    fs::remove_file(config)?;
    let (mut failed, mut absent) = (0, false);
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let result: Value = serde_json::from_str(line).context("curl's answer")?;
        let part = Path::new(result["filename_effective"].as_str().unwrap_or_default());
        match result["http_code"].as_u64() {
            Some(200 | 201) if part.exists() => fs::rename(part, part.with_extension(""))?,
            Some(200 | 201) => {}
            Some(404) => absent = true,
            code => {
                failed += 1;
                println!("{}: Transfer failed (error code: {})", part.display(), code.unwrap_or(0));
                if part.exists() {
                    fs::remove_file(part)?;
                }
            }
        }
    }
    if absent {
        eprintln!("Warning: some files were not found in the cache.");
    }
    Ok(failed)
}
