//! One question under way for all who ask it meanwhile.
//!
//! Who comes first asks; the others wait, each for as long as its own call lasts, and leave by themselves. When the first
//! one leaves, the next one asks. When it fails, everybody asks alone: a failure may be the first one's own, and a queue
//! of failures would make the last one wait for all of them. (moka's own way hands one failure to all.)

use super::Entry;
use super::key::Key;
use std::collections::HashMap;
use std::collections::hash_map;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// What came of a question.
#[derive(Clone)]
pub(super) enum Outcome {
    /// An answer.
    Landed(Arc<Entry>),
    /// Nothing for anybody else.
    Failed,
    /// Who asked left.
    Left,
}

/// The questions under way.
#[derive(Clone, Default)]
pub(super) struct Flights(Arc<Mutex<HashMap<Key, watch::Receiver<Option<Outcome>>>>>);

/// What whoever asks is to do.
pub(super) enum Boarding {
    /// Ask, and tell the others.
    Lead(Lead),
    /// Wait.
    Follow(Follow),
}

/// The right to ask. Dropped without a word, it says that whoever had it left.
pub(super) struct Lead {
    flights: Flights,
    key: Key,
    outcome: watch::Sender<Option<Outcome>>,
}

/// A place among those who wait.
pub(super) struct Follow(watch::Receiver<Option<Outcome>>);

impl Flights {
    fn all(&self) -> MutexGuard<'_, HashMap<Key, watch::Receiver<Option<Outcome>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Come aboard.
    pub(super) fn board(&self, key: Key) -> Boarding {
        match self.all().entry(key) {
            hash_map::Entry::Occupied(there) => Boarding::Follow(Follow(there.get().clone())),
            hash_map::Entry::Vacant(free) => {
                let (outcome, wait) = watch::channel(None);
                free.insert(wait);
                Boarding::Lead(Lead { flights: self.clone(), key, outcome })
            }
        }
    }
}

impl Lead {
    /// Tell the others.
    pub(super) fn land(self, outcome: Outcome) {
        // Whoever comes from here on asks anew, or finds it kept.
        self.flights.all().remove(&self.key);
        self.outcome.send_replace(Some(outcome));
    }

    /// Whether anybody waits. The book has a receiver itself.
    pub(super) fn has_company(&self) -> bool {
        self.outcome.receiver_count() > 1
    }
}

impl Drop for Lead {
    fn drop(&mut self) {
        if self.outcome.borrow().is_none() {
            self.flights.all().remove(&self.key);
            self.outcome.send_replace(Some(Outcome::Left));
        }
    }
}

impl Follow {
    /// What came of it.
    pub(super) async fn outcome(mut self) -> Outcome {
        match self.0.wait_for(Option::is_some).await {
            Ok(outcome) => outcome.clone().unwrap_or(Outcome::Left),
            Err(_) => Outcome::Left,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::entry;
    use super::*;

    fn lead(flights: &Flights, key: u8) -> Lead {
        match flights.board([key; 32]) {
            Boarding::Lead(lead) => lead,
            Boarding::Follow(_) => panic!("somebody asks already"),
        }
    }

    fn follow(flights: &Flights, key: u8) -> Follow {
        match flights.board([key; 32]) {
            Boarding::Follow(follow) => follow,
            Boarding::Lead(_) => panic!("nobody asks"),
        }
    }

    #[tokio::test]
    async fn a_hundred_wait_for_one() {
        let flights = Flights::default();
        let first = lead(&flights, 1);
        assert!(!first.has_company());
        let others: Vec<Follow> = (0..100).map(|_| follow(&flights, 1)).collect();
        assert!(first.has_company());
        drop(lead(&flights, 2));
        let there = entry("x");
        first.land(Outcome::Landed(Arc::clone(&there)));
        for other in others {
            assert!(matches!(other.outcome().await, Outcome::Landed(got) if Arc::ptr_eq(&got, &there)));
        }
        // It is over: who comes now asks.
        drop(lead(&flights, 1));
    }

    #[tokio::test]
    async fn who_leaves_takes_nobody_along() {
        let flights = Flights::default();
        let (first, waits, leaves) = (lead(&flights, 1), follow(&flights, 1), follow(&flights, 1));
        drop(leaves);
        drop(first);
        assert!(matches!(waits.outcome().await, Outcome::Left));
        // One of them asks, the others wait for that one.
        let second = lead(&flights, 1);
        let third = follow(&flights, 1);
        second.land(Outcome::Failed);
        assert!(matches!(third.outcome().await, Outcome::Failed));
    }

    #[tokio::test]
    async fn who_comes_late_hears_it_all_the_same() {
        let flights = Flights::default();
        let (first, waits) = (lead(&flights, 1), follow(&flights, 1));
        first.land(Outcome::Landed(entry("x")));
        tokio::task::yield_now().await;
        assert!(matches!(waits.outcome().await, Outcome::Landed(_)));
    }
}
