//! Asking a program for its version and the like, with bounded patience: a wrapper may loop, a proxy may
//! wait for a download.

use crate::child::die_with_us;
use crate::interrupt::stop_if_told;
use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::Pid;
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
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
    let group = Pid::from_raw(child.id().cast_signed());
    let heard_of =
        listen(child.stdout.take()).and_then(|out| Ok((out, listen(child.stderr.take())?)));
    let (stdout, stderr) = match heard_of {
        Ok(pipes) => pipes,
        Err(e) => {
            let _ = killpg(group, Signal::SIGKILL);
            let _ = child.wait();
            return Err(format!("cannot be listened to: {e}"));
        }
    };
    let said = has_ended(group, patience).then(|| {
        let end = Instant::now() + LAST_WORDS;
        [stdout, stderr].map(|words| heard(&words, end))
    });
    // Before it is waited for: after that, its number may be somebody else's.
    let _ = killpg(group, Signal::SIGKILL);
    let status = child.wait().map_err(|e| format!("cannot be waited for: {e}"))?;
    let Some([stdout, stderr]) = said else { return Ok(None) };
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

/// Whether a child ends in time. It is not waited for.
fn has_ended(child: Pid, patience: Duration) -> bool {
    let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
    let start = Instant::now();
    while start.elapsed() < patience && stop_if_told().is_ok() {
        match waitid(Id::Pid(child), flags) {
            Ok(WaitStatus::StillAlive) => std::thread::sleep(LOOK_AGAIN),
            Ok(_) => return true,
            Err(_) => return false,
        }
    }
    false
}

/// What comes out of a pipe, piece by piece.
fn listen(pipe: Option<impl Read + Send + 'static>) -> io::Result<Receiver<Vec<u8>>> {
    let (sender, receiver) = channel();
    std::thread::Builder::new().spawn(move || {
        let Some(pipe) = pipe else { return };
        let mut pipe = BufReader::new(pipe.take(MAX_OUTPUT));
        while let Ok(piece @ [_, ..]) = pipe.fill_buf() {
            let read = piece.len();
            if sender.send(piece.to_vec()).is_err() {
                return;
            }
            pipe.consume(read);
        }
    })?;
    Ok(receiver)
}

/// All there is until `end`: somebody may hold the pipe for longer.
fn heard(words: &Receiver<Vec<u8>>, end: Instant) -> String {
    let mut text = Vec::new();
    while let Ok(piece) = words.recv_timeout(end.saturating_duration_since(Instant::now())) {
        text.extend(piece);
    }
    String::from_utf8_lossy(&text).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use fs_err as fs;
    use std::path::Path;

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
    fn who_holds_the_pipes_is_not_waited_for_and_takes_no_answer_along() {
        let start = Instant::now();
        let sh = |script: &str| ask(Command::new("sh").args(["-c", script]));
        assert_eq!(sh("sleep 60 & echo 1.0"), Ok("1.0".to_owned()));
        let failed = sh("sleep 60 & echo why >&2; exit 3").expect_err("it failed");
        assert!(failed.ends_with(": why"), "{failed}");
        let sleeper = sh("sleep 60 & echo $!").expect("its number");
        let command_line = Path::new("/proc").join(sleeper).join("cmdline");
        // One that has ended has none, whether its number is gone or not.
        while !fs::read(&command_line).unwrap_or_default().is_empty() {
            assert!(start.elapsed() < 2 * PATIENCE, "it sleeps on");
        }
        assert!(start.elapsed() < 2 * PATIENCE);
    }
}
