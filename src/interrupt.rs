//! Being told to stop while there is something to clean up.
//!
//! A restore has gigabytes of unfinished work in its stages and a child that goes on writing there.
//! While an [`Interrupts`] is alive, SIGINT, SIGTERM and SIGHUP are passed on to the child and
//! remembered; whoever waited for the child returns [`Failure::Interrupted`], everything is cleaned
//! up on the way out, and `main` ends the process by the same signal, as if nobody had caught it.

use crate::error::Failure;
use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::{Handle, Signals};
use std::process::Child;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

/// Catches signals until it is dropped.
#[derive(Debug)]
pub struct Interrupts {
    state: Arc<Mutex<State>>,
    handle: Handle,
    watcher: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct State {
    received: Option<i32>,
    child: Option<Pid>,
}

impl Interrupts {
    pub fn catch() -> Result<Self> {
        let mut signals =
            Signals::new([SIGINT, SIGTERM, SIGHUP]).context("cannot catch signals")?;
        let handle = signals.handle();
        let state = Arc::new(Mutex::new(State::default()));
        let shared = Arc::clone(&state);
        let watcher = std::thread::spawn(move || {
            for signal in signals.forever() {
                let mut state = shared.lock().unwrap_or_else(PoisonError::into_inner);
                state.received = Some(signal);
                if let (Some(child), Ok(signal)) = (state.child, Signal::try_from(signal)) {
                    let _ = kill(child, signal); // it may have ended just now
                }
            }
        });
        Ok(Self { state, handle, watcher: Some(watcher) })
    }

    /// Waits for `child` by `wait`, passing signals on to it meanwhile.
    ///
    /// # Errors
    /// [`Failure::Interrupted`] when there was one, and what `wait` returns.
    pub fn while_waiting<T>(
        &self,
        child: &mut Child,
        wait: impl FnOnce(&mut Child) -> Result<T>,
    ) -> Result<T> {
        self.with_state(|state| state.child = i32::try_from(child.id()).ok().map(Pid::from_raw));
        if self.check().is_err() {
            child.kill()?; // it came before we could pass it on
        }
        let waited = wait(child);
        self.with_state(|state| state.child = None);
        self.check()?;
        waited
    }

    /// # Errors
    /// [`Failure::Interrupted`] when there was one.
    pub fn check(&self) -> Result<()> {
        match self.with_state(|state| state.received) {
            Some(signal) => bail!(Failure::Interrupted(signal)),
            None => Ok(()),
        }
    }

    fn with_state<T>(&self, f: impl FnOnce(&mut State) -> T) -> T {
        f(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Interrupts {
    fn drop(&mut self) {
        self.handle.close();
        if let Some(watcher) = self.watcher.take() {
            let _ = watcher.join();
        }
    }
}

/// Ends this process as `signal` would have. Returns when that signal does not end a process.
pub fn end_by(signal: i32) {
    let _ = signal_hook::low_level::emulate_default_handler(signal);
}
