//! Documents a session of the older revisions wants to hear of.

use super::Changed;
use rmcp::RoleServer;
use rmcp::model::{ErrorData, ResourceUpdatedNotificationParam};
use rmcp::service::{Peer, ServiceError};
use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Documents one session may subscribe to. A client shows a handful.
const MOST: usize = 100;

/// The URIs, as the client wrote them.
#[derive(Debug, Default)]
pub(super) struct Subscribed(Mutex<BTreeSet<String>>);

impl Subscribed {
    /// One more.
    ///
    /// # Errors
    /// Where it would be one too many.
    pub(super) fn add(&self, uri: String) -> Result<(), ErrorData> {
        let mut uris = self.lock();
        if uris.len() >= MOST && !uris.contains(&uri) {
            let text = format!("a session subscribes to {MOST} resources at most: unsubscribe from some");
            return Err(ErrorData::invalid_params(text, None));
        }
        uris.insert(uri);
        Ok(())
    }

    /// One less, if it was there.
    pub(super) fn remove(&self, uri: &str) {
        self.lock().remove(uri);
    }

    /// Say what changed.
    ///
    /// # Errors
    /// Where the client cannot be reached any more.
    pub(super) async fn tell(&self, peer: &Peer<RoleServer>, changed: Changed) -> Result<(), ServiceError> {
        if changed.tools {
            peer.notify_tool_list_changed().await?;
        }
        if changed.prompts {
            peer.notify_prompt_list_changed().await?;
        }
        if changed.resources {
            peer.notify_resource_list_changed().await?;
        }
        let wanted: Vec<String> = self.lock().iter().cloned().collect();
        for uri in wanted.into_iter().filter(|uri| changed.updated.iter().any(|it| it.holds(uri))) {
            peer.notify_resource_updated(ResourceUpdatedNotificationParam::new(uri)).await?;
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
