//! What waits to be posted to one receiver: of each problem the newest message, and so many problems at the most.

use super::judge::Notice;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// Problems that may wait for one receiver. More than a host has components and plugins; a receiver that is away for long
/// finds what is so when it is back, not what was.
const MOST: usize = 256;

/// Messages that wait.
#[derive(Default)]
pub(super) struct Outbox {
    waiting: Mutex<VecDeque<Arc<Notice>>>,
    more: Notify,
}

impl Outbox {
    /// One more to post. It takes the place of an older one about the same problem. Whether there was room; where there
    /// was none, the oldest is gone.
    pub(super) fn put(&self, notice: Arc<Notice>) -> bool {
        let mut waiting = self.lock();
        let room = match waiting.iter_mut().find(|known| known.key == notice.key) {
            Some(known) => {
                *known = notice;
                true
            }
            None => {
                let full = waiting.len() >= MOST;
                if full {
                    waiting.pop_front();
                }
                waiting.push_back(notice);
                !full
            }
        };
        drop(waiting);
        self.more.notify_one();
        room
    }

    /// The oldest, once there is one.
    pub(super) async fn next(&self) -> Arc<Notice> {
        loop {
            if let Some(notice) = self.lock().pop_front() {
                return notice;
            }
            self.more.notified().await;
        }
    }

    /// A newer message about the same problem, in place of one that could not be posted.
    pub(super) fn newer(&self, than: &Notice) -> Option<Arc<Notice>> {
        let mut waiting = self.lock();
        let at = waiting.iter().position(|known| known.key == than.key)?;
        waiting.remove(at)
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Arc<Notice>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::SystemTime;

    fn about(key: usize, what: &str) -> Arc<Notice> {
        let mut notice = Notice::test("h", SystemTime::UNIX_EPOCH);
        (notice.key, notice.what) = (key.to_string(), what.to_owned());
        Arc::new(notice)
    }

    #[tokio::test]
    async fn of_each_problem_the_newest_waits_and_the_oldest_makes_room() {
        let outbox = Outbox::default();
        assert!(outbox.put(about(1, "firing")) && outbox.put(about(2, "firing")) && outbox.put(about(1, "resolved")));
        let first = outbox.next().await;
        assert_eq!((first.key.as_str(), first.what.as_str()), ("1", "resolved"));
        assert_eq!((outbox.newer(&first), outbox.newer(&about(2, ""))), (None, Some(about(2, "firing"))));
        assert!((0..MOST).all(|n| outbox.put(about(n, "firing"))));
        assert!(!outbox.put(about(MOST, "firing")), "it is full");
        assert_eq!((outbox.next().await.key.as_str(), outbox.lock().len()), ("1", MOST - 1));
    }

    #[tokio::test]
    async fn who_waits_for_one_gets_it() {
        let outbox = Arc::new(Outbox::default());
        let waits = Arc::clone(&outbox);
        let waiter = tokio::spawn(async move { waits.next().await.key.clone() });
        tokio::task::yield_now().await;
        outbox.put(about(7, "firing"));
        assert_eq!(waiter.await.unwrap(), "7");
    }
}
