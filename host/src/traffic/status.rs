//! How limits and books are doing: for whoever looks after the host.

use super::Traffic;
use crate::telemetry;
use std::sync::atomic::Ordering;

/// How limits and books are doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    /// Calls that run.
    pub running: usize,
    /// Calls that may run at once.
    pub places: usize,
    /// Calls that wait for a place.
    pub waiting: usize,
    /// How many may.
    pub most_waiting: usize,
    /// Whether usage was written the last time it was tried.
    pub written: bool,
    /// Calls since the start that there was no room to count for reports.
    pub lost: u64,
}

impl Traffic {
    /// How limits and books are doing right now.
    pub fn status(&self) -> Status {
        let inner = &self.inner;
        Status {
            running: inner.queue.running(),
            places: inner.shape.places,
            waiting: inner.queue.waiting(),
            most_waiting: inner.shape.waiting,
            written: inner.written.load(Ordering::Relaxed),
            lost: inner.detail.lost(),
        }
    }

    /// The queue before the places of calls, for metrics.
    pub fn standing(&self) -> telemetry::Queue {
        let Status { running, places, waiting, most_waiting, .. } = self.status();
        let [running, most, waiting, most_waiting] =
            [running, places, waiting, most_waiting].map(|n| u64::try_from(n).unwrap_or(u64::MAX));
        telemetry::Queue { running, most, waiting, most_waiting }
    }
}
