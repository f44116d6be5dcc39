//! Being told to stop while there is something to clean up.
//!
//! A restore has gigabytes of unfinished work in its stages and a child that goes on writing there.
//! While an [`Interrupts`] is alive, SIGINT, SIGTERM and SIGHUP are passed on to the child and
//! remembered; a child that goes on all the same is killed after a while. Whoever waited for it
//! returns [`Failure::Interrupted`], everything is cleaned
//! up on the way out, and `main` ends the process by the same signal, as if nobody had caught it.
//! Signals that this process was started to ignore (`nohup`) stay ignored, by Lake as well.

use crate::error::Failure;
use anyhow::{Context, Result, bail};
use fs_err as fs;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::{Handle, Signals};
use std::process::Child;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

/// How long a child may take to end when it was told to. leantar needs no time at all; who sent the
/// signal may not wait much longer.
const GRACE: Duration = Duration::from_secs(3);

/// Catches signals until it is dropped. There is one at a time.
#[derive(Debug)]
pub struct Interrupts {
    state: Arc<Shared>,
    handle: Handle,
    watcher: Option<JoinHandle<()>>,
}

/// Whether signals are nobody's to catch: the handlers stay when the last [`Interrupts`] is gone, and
/// then do what would have been done without them.
static UNCAUGHT: OnceLock<Arc<AtomicBool>> = OnceLock::new();

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    /// The child has ended, or there is another.
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    received: Option<i32>,
    child: Option<Pid>,
}

impl Interrupts {
    pub fn catch() -> Result<Self> {
        let ours = not_ignored(&[SIGINT, SIGTERM, SIGHUP]);
        uncaught(&ours)?.store(false, Ordering::SeqCst);
        let mut signals = Signals::new(ours).context("cannot catch signals")?;
        let handle = signals.handle();
        let state = Arc::new(Shared::default());
        let shared = Arc::clone(&state);
        let watch = move || signals.forever().for_each(|signal| shared.receive(signal));
        let watcher = Builder::new().spawn(watch).context("cannot watch for signals")?;
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
        let result = f(&mut self.state.lock());
        self.state.changed.notify_all();
        result
    }
}

impl Shared {
    /// Passes `signal` on to the child, if there is one, and sees to it that it ends.
    fn receive(&self, signal: i32) {
        let mut state = self.lock();
        state.received = Some(signal);
        let (Some(child), Ok(signal)) = (state.child, Signal::try_from(signal)) else {
            return;
        };
        let _ = kill(child, signal); // it may have ended just now
        let is_there = |state: &mut State| state.child == Some(child);
        let waited = self.changed.wait_timeout_while(state, GRACE, is_there);
        let (_state, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
        if timeout.timed_out() {
            let _ = kill(child, Signal::SIGKILL);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Those of `signals` that this process was not started to ignore.
pub fn not_ignored(signals: &[i32]) -> Vec<i32> {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let bits = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = bits.and_then(|bits| u64::from_str_radix(bits.trim(), 16).ok()).unwrap_or(0);
    signals.iter().copied().filter(|signal| ignored >> (signal - 1) & 1 == 0).collect()
}

/// [`UNCAUGHT`], which `signals` go by from now on.
fn uncaught(signals: &[i32]) -> Result<&'static Arc<AtomicBool>> {
    if let Some(flag) = UNCAUGHT.get() {
        return Ok(flag);
    }
    let flag = UNCAUGHT.get_or_init(Arc::default);
    for &signal in signals {
        signal_hook::flag::register_conditional_default(signal, Arc::clone(flag))
            .context("cannot catch signals")?;
    }
    Ok(flag)
}

impl Drop for Interrupts {
    fn drop(&mut self) {
        if let Some(flag) = UNCAUGHT.get() {
            flag.store(true, Ordering::SeqCst);
        }
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
