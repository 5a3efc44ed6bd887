//! Word of changes, to those they concern: whoever is told that a list changed although its own did not learns that
//! there is something it may not see.

use super::answer;
use crate::call::Host;
use crate::identity::Principal;
use crate::plugin::Tool;
use std::sync::Arc;
use tokio::sync::watch;

/// What one caller was told last, and the way to know of more.
pub(super) struct News {
    host: Arc<Host>,
    who: Arc<Principal>,
    changes: watch::Receiver<u64>,
    listed: Vec<Arc<Tool>>,
}

impl News {
    /// News from now on.
    pub(super) fn new(host: &Arc<Host>, who: &Arc<Principal>) -> Self {
        // In this order: what changes in between is news, too.
        let changes = host.changes();
        let listed = host.tools(who);
        Self { host: Arc::clone(host), who: Arc::clone(who), changes, listed }
    }

    /// Wait until the caller's own list is another than when it was told last. `false`: there will be no more news.
    pub(super) async fn next(&mut self) -> bool {
        while self.changes.changed().await.is_ok() {
            let now = self.host.tools(&self.who);
            let same = now.len() == self.listed.len() && now.iter().zip(&self.listed).all(|(a, b)| look_alike(a, b));
            self.listed = now;
            if !same {
                return true;
            }
        }
        false
    }
}

/// Whether a client sees the same tool. A new version of a plugin may be another inside only.
fn look_alike(a: &Arc<Tool>, b: &Arc<Tool>) -> bool {
    Arc::ptr_eq(a, b) || answer::tool(a) == answer::tool(b)
}
