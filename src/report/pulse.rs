//! A line now and then, for logs that are read while they grow, and that nobody wants flooded.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Long enough for a log, short enough for who waits.
const EVERY: Duration = Duration::from_secs(10);

/// Tells, to any thread, when a line is due; to one thread each time.
#[derive(Clone, Debug)]
pub struct Pulse {
    start: Instant,
    /// Milliseconds from `start` to the last line.
    last: Arc<AtomicU64>,
}

impl Pulse {
    pub fn new() -> Self {
        Self { start: Instant::now(), last: Arc::default() }
    }

    /// Something was said, so the next line is due later.
    pub fn reset(&self) {
        self.last.store(self.elapsed(Instant::now()), Ordering::Relaxed);
    }

    pub fn is_due(&self) -> bool {
        self.is_due_at(Instant::now())
    }

    fn is_due_at(&self, now: Instant) -> bool {
        let (now, last) = (self.elapsed(now), self.last.load(Ordering::Relaxed));
        let is_due = u128::from(now.saturating_sub(last)) >= EVERY.as_millis();
        // Of several threads that see this, the one that notes it has the word.
        let note = || self.last.compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed);
        is_due && note().is_ok()
    }

    fn elapsed(&self, now: Instant) -> u64 {
        let elapsed = now.saturating_duration_since(self.start).as_millis();
        u64::try_from(elapsed).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_due_every_ten_seconds_and_once() {
        let pulse = Pulse::new();
        let at = |seconds| pulse.is_due_at(pulse.start + Duration::from_secs(seconds));
        let due: Vec<_> = (0..60).filter(|second| at(*second)).collect();
        assert_eq!(due, [10, 20, 30, 40, 50]);
        assert!(!at(50) && !at(59));
    }
}
