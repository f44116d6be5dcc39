//! The threads that rayon works with.

use rayon::{ThreadBuilder, ThreadPoolBuilder};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::Builder;

/// Starts `jobs` of them, or as many as the system lets us. Left to itself rayon ends the process when there is
/// one too few; this thread is one of them, so that there are enough even if there is no other. The first call
/// counts.
pub fn prepare(jobs: usize) {
    let (sender, receiver) = channel::<ThreadBuilder>();
    let receiver = Arc::new(Mutex::new(receiver));
    let others = jobs.saturating_sub(1);
    let start = || {
        let receiver = Arc::clone(&receiver);
        Builder::new().spawn(move || {
            let received = receiver.lock().unwrap_or_else(PoisonError::into_inner).recv();
            received.map(ThreadBuilder::run)
        })
    };
    let started = (0..others).map_while(|_| start().ok()).count();
    let pool = ThreadPoolBuilder::new().num_threads(started + 1).use_current_thread();
    let pool = pool.spawn_handler(|thread| {
        let _ = sender.send(thread); // as many as wait for one
        Ok(())
    });
    let _ = pool.build_global();
}
