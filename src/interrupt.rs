//! Being told to stop while there is something to clean up.
//!
//! A restore has gigabytes of unfinished work in its stages and a child that goes on writing there.
//! While an [`Interrupts`] is alive, SIGINT, SIGTERM and SIGHUP are passed on to the child and
//! remembered; a child that goes on all the same is killed after a while. Whoever waited for it
//! returns [`Failure::Interrupted`], everything is cleaned
//! up on the way out, and `main` ends the process by the same signal, as if nobody had caught it.
//! Signals that this process was started to ignore (`nohup`) stay ignored, by Lake as well.

use crate::error::Failure;
use crate::lake::is_ignored;
use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::{Pid, getpgid};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::{Handle, Signals};
use std::io;
use std::process::Child;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

/// How long a child may take to end when it was told to. leantar needs no time at all; who sent the
/// signal may not wait much longer.
const GRACE: Duration = Duration::from_millis(500);

/// How often to look whether a signal came.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

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
    child: Option<Pid>,
}

/// The signal that was caught since the last [`Interrupts::catch`]; 0 if none was.
static RECEIVED: AtomicI32 = AtomicI32::new(0);

/// Ends what takes long. Everything that opens a file or reads one in pieces comes by here.
///
/// # Errors
/// Fails if a signal was caught. What fails for it is not reported: [`Interrupts::check`] is called behind it.
pub fn stop_if_told() -> io::Result<()> {
    match RECEIVED.load(Ordering::SeqCst) {
        0 => Ok(()),
        _ => Err(io::Error::other("a signal came")),
    }
}

impl Interrupts {
    pub fn catch() -> Result<Self> {
        let ours = not_ignored(&[SIGINT, SIGTERM, SIGHUP]);
        RECEIVED.store(0, Ordering::SeqCst);
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
        match RECEIVED.load(Ordering::SeqCst) {
            0 => Ok(()),
            signal => bail!(Failure::Interrupted(signal)),
        }
    }

    /// Waits for `pause`, or until a signal comes.
    ///
    /// # Errors
    /// Those of [`Interrupts::check`].
    pub fn sleep(&self, pause: Duration) -> Result<()> {
        let start = Instant::now();
        while start.elapsed() < pause {
            self.check()?;
            std::thread::sleep(LOOK_AGAIN.min(pause));
        }
        self.check()
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
        RECEIVED.store(signal, Ordering::SeqCst);
        let state = self.lock();
        let (Some(child), Ok(signal)) = (state.child, Signal::try_from(signal)) else {
            return;
        };
        send(child, signal);
        let is_there = |state: &mut State| state.child == Some(child);
        let waited = self.changed.wait_timeout_while(state, GRACE, is_there);
        let (_state, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
        if timeout.timed_out() {
            send(child, Signal::SIGKILL);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sends `signal` to `child`, which may have ended just now, and to its group if it leads one.
fn send(child: Pid, signal: Signal) {
    let leads = getpgid(Some(child)).is_ok_and(|group| group == child);
    let _ = if leads { killpg(child, signal) } else { kill(child, signal) };
}

/// Those of `signals` that this process was not started to ignore.
pub fn not_ignored(signals: &[i32]) -> Vec<i32> {
    signals.iter().copied().filter(|signal| !is_ignored(*signal)).collect()
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
        RECEIVED.store(0, Ordering::SeqCst);
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
