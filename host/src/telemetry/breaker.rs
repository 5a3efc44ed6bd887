//! Where a breaker's stand is read while somebody else moves it.

use super::Breaker;
use std::sync::atomic::{AtomicU8, Ordering};

/// A breaker's stand. It begins closed.
#[derive(Debug, Default)]
pub(crate) struct Dial(AtomicU8);

impl Dial {
    /// How it stands.
    pub(crate) fn read(&self) -> Breaker {
        Breaker::ALL.get(usize::from(self.0.load(Ordering::Acquire))).copied().unwrap_or(Breaker::Closed)
    }

    /// It stands like this from now on. Gives how it stood.
    pub(crate) fn turn(&self, to: Breaker) -> Breaker {
        Breaker::ALL.get(usize::from(self.0.swap(to as u8, Ordering::AcqRel))).copied().unwrap_or(Breaker::Closed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_it_was_turned_to_is_read() {
        let dial = Dial::default();
        let mut before = Breaker::Closed;
        assert_eq!(dial.read(), before);
        for to in Breaker::ALL.iter().copied().rev() {
            assert_eq!((dial.turn(to), dial.read()), (before, to));
            before = to;
        }
    }
}
