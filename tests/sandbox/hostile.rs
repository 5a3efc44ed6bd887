//! The hostile collection: what a plugin can do against its host or its neighbours, how it is called, and the code it
//! ends with; beside a neighbour who answers all the time.

pub mod calls; // What a guest does in a call.
mod lies; // What one says of itself, or is inside.

use crate::harness::App;
use crate::patience::soon;
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tokio::task::JoinHandle;

/// Somebody who asks the well-behaved guest again and again while others misbehave.
struct Neighbour {
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicU64>,
    asking: JoinHandle<()>,
}

impl Neighbour {
    fn beside(app: &Arc<App>) -> Self {
        let (app, stop, answered) = (Arc::clone(app), Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
        let (told, count) = (Arc::clone(&stop), Arc::clone(&answered));
        let asking = tokio::spawn(async move {
            while !told.load(Ordering::Relaxed) {
                let answer = soon(app.answer("spokane", "echo", json!({ "text": "still here" }))).await;
                assert_eq!(answer["text"], "still here");
                count.fetch_add(1, Ordering::Relaxed);
            }
        });
        Self { stop, answered, asking }
    }

    /// It was answered each time, also since the last look.
    async fn was_answered(&self) {
        let before = self.answered.load(Ordering::Relaxed);
        soon(async {
            while self.answered.load(Ordering::Relaxed) < before + 2 {
                assert!(!self.asking.is_finished(), "the neighbour was not answered");
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        })
        .await;
    }

    async fn leave(self) {
        self.stop.store(true, Ordering::Relaxed);
        soon(self.asking).await.expect("the neighbour was answered each time");
    }
}
