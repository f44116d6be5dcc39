//! Asking a program something, with patience that ends: a wrapper may loop, a proxy may wait for a
//! download.

use crate::child::die_with_us;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// A version takes milliseconds; on a busy machine with a cold disk, a second.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long to wait for the output of what has ended: somebody else may still hold its pipes.
const LAST_WORDS: Duration = Duration::from_secs(1);
const LOOK_AGAIN: Duration = Duration::from_millis(5);
/// More than this is no answer.
const MAX_OUTPUT: u64 = 1 << 20;

/// Runs `command` and returns what it printed to stdout, trimmed.
///
/// # Errors
/// Why there is no answer, in words that follow the program's name.
pub fn ask(command: &mut Command) -> Result<String, String> {
    let silent = || format!("does not answer within {} s", PATIENCE.as_secs());
    ask_for(command, PATIENCE)?.ok_or_else(silent)
}

/// As [`ask`], with another patience; nothing when that ends.
pub fn ask_for(command: &mut Command, patience: Duration) -> Result<Option<String>, String> {
    // A group of its own, so that what it started ends with it.
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    die_with_us(command);
    let mut child = command.spawn().map_err(|e| format!("cannot be run: {e}"))?;
    let (stdout, stderr) = (listen(child.stdout.take()), listen(child.stderr.take()));
    let Some(status) = wait(&mut child, patience) else {
        let _ = killpg(Pid::from_raw(child.id().cast_signed()), Signal::SIGKILL);
        let _ = child.wait();
        return Ok(None);
    };
    let [stdout, stderr] = [stdout, stderr].map(|words| heard(&words));
    if status.success() {
        return Ok(Some(stdout.trim().to_owned()));
    }
    let said = stderr.lines().find(|line| !line.trim().is_empty()).unwrap_or_default().trim();
    let said = if said.is_empty() { String::new() } else { format!(": {said}") };
    Err(format!("fails ({status}){said}"))
}

/// The version in an answer: `Lean (version 4.27.0, …)`, `leantar 0.1.19`, `git version 2.47.3`.
pub fn version(answer: &str) -> Option<String> {
    let is_end = |c: char| c.is_whitespace() || ",()".contains(c);
    let words = answer.lines().next()?.split(is_end);
    let is_version = |word: &&str| word.starts_with(|c: char| c.is_ascii_digit());
    words.map(|word| word.trim_start_matches('v')).find(is_version).map(str::to_owned)
}

fn wait(child: &mut Child, patience: Duration) -> Option<ExitStatus> {
    let start = Instant::now();
    while start.elapsed() < patience {
        match child.try_wait() {
            Ok(Some(status)) => return Some(status),
            Ok(None) => std::thread::sleep(LOOK_AGAIN),
            Err(_) => return None,
        }
    }
    None
}

fn listen(pipe: Option<impl Read + Send + 'static>) -> Receiver<Vec<u8>> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(pipe) = pipe {
            let _ = pipe.take(MAX_OUTPUT).read_to_end(&mut bytes);
        }
        sender.send(bytes)
    });
    receiver
}

fn heard(words: &Receiver<Vec<u8>>) -> String {
    String::from_utf8_lossy(&words.recv_timeout(LAST_WORDS).unwrap_or_default()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions() {
        for (answer, expected) in [
            ("Lake version 5.0.0-src+1a2b (Lean version 4.27.0)", Some("5.0.0-src+1a2b")),
            ("Lean (version 4.28.0-rc1, x86_64-unknown-linux-gnu, Release)", Some("4.28.0-rc1")),
            ("leantar 0.1.19", Some("0.1.19")),
            ("git version 2.47.3", Some("2.47.3")),
            ("elan v1.4.2", Some("1.4.2")),
            ("", None),
            ("hello", None),
        ] {
            assert_eq!(version(answer).as_deref(), expected, "{answer}");
        }
    }

    #[test]
    fn answers_and_what_is_none() {
        let sh = |script: &str| ask(Command::new("sh").args(["-c", script]));
        assert_eq!(sh("echo ' 1.0 '"), Ok("1.0".to_owned()));
        let failed = sh("echo; echo why >&2; exit 3").expect_err("it failed");
        assert!(failed.contains("exit status: 3") && failed.ends_with(": why"), "{failed}");
        let missing = ask(&mut Command::new("/no/such/program")).expect_err("there is none");
        assert!(missing.starts_with("cannot be run"), "{missing}");
    }

    #[test]
    fn patience_ends() {
        let start = Instant::now();
        let answer = ask_for(Command::new("sleep").arg("60"), Duration::from_millis(100));
        assert_eq!(answer, Ok(None));
        assert!(start.elapsed() < PATIENCE);
    }

    #[test]
    fn who_holds_the_pipes_is_not_waited_for() {
        let start = Instant::now();
        let answer = ask(Command::new("sh").args(["-c", "sleep 3 & echo 1.0"]));
        assert!(start.elapsed() < PATIENCE, "{answer:?}");
    }
}
