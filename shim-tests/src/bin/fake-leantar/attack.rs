//! What a leantar could do that somebody has tampered with, asked for by `FAKE_LEANTAR_ATTACK`.
//!
//! | attack | what it does |
//! |---|---|
//! | `write PATH` | overwrites a file |
//! | `read PATH` | reads a file |
//! | `list PATH` | lists a directory |
//! | `store` | removes the files that its links lead to |
//! | `truncate` | cuts them to nothing |
//! | `link PATH` | makes a hard link to a file where it may write |
//! | `symlink PATH` | puts a symlink in the place of its own output directory |
//! | `exec PATH` | runs a program |
//! | `tcp PORT` | connects to a port of this machine |
//! | `socket NAME` | connects to an abstract socket |
//! | `parent` | kills the process that started it |
//! | `trace` | takes hold of that process, as a debugger does |

use std::env;
use std::io;
use std::net::TcpStream;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixStream};
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use fs_err as fs;
use nix::sys::ptrace;
use nix::sys::signal::{Signal, kill};
use nix::unistd::getppid;

use crate::unpack::Archive;

/// Attacks, if told to. `done`, or why it did not work.
pub(crate) fn attack(archives: &[Archive]) -> Result<Option<String>> {
    let Ok(order) = env::var("FAKE_LEANTAR_ATTACK") else {
        return Ok(None);
    };
    let (kind, target) = order.split_once(' ').unwrap_or((&order, ""));
    let path = Path::new(target);
    // Where a package's files go, and not the place from which links lead there.
    let mut rooms = archives.iter().filter_map(Archive::base);
    let room = rooms.find(|base| !base.join(".lake/packages").exists());
    let room = room.context("no room to attack from")?;
    let mut inputs = archives.iter().map(|archive| fs::canonicalize(archive.file()));
    let done = match kind {
        "write" => fs::write(path, "written by leantar\n"),
        "read" => fs::read(path).map(drop),
        "list" => fs::read_dir(path).map(drop),
        "store" => inputs.try_for_each(|input| fs::remove_file(input?)),
        "truncate" => inputs.try_for_each(|input| {
            let file = fs::OpenOptions::new().write(true).truncate(true).open(input?);
            file.map(drop)
        }),
        "link" => fs::hard_link(path, room.join("link")),
        "symlink" => replace(&room.join(".lake"), path),
        "exec" => Command::new(path).status().map(drop),
        "tcp" => TcpStream::connect(("127.0.0.1", target.parse()?)).map(drop),
        "socket" => SocketAddr::from_abstract_name(target)
            .and_then(|address| UnixStream::connect_addr(&address))
            .map(drop),
        "parent" => kill(getppid(), Signal::SIGKILL).map_err(Into::into),
        "trace" => ptrace::seize(getppid(), ptrace::Options::empty()).map_err(Into::into),
        other => bail!("no such attack: {other}"),
    };
    Ok(Some(done.map_or_else(|error: io::Error| error.to_string(), |()| "done".to_owned())))
}

fn replace(dir: &Path, target: &Path) -> io::Result<()> {
    fs::remove_dir_all(dir)?;
    fs_err::os::unix::fs::symlink(target, dir)
}
