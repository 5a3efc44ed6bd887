//! What a command did to a deployment, in the audit trail: a host that runs sees a key go, not who took it.

use crate::audit::{Audit, Event};
use crate::clerk::Clerk;
use crate::config::Settings;
use crate::house::Ground;
use crate::keys::Keys;
use tokio_util::sync::CancellationToken;

/// Leave a record. The deed is done by now: where the record cannot be kept, that is said, and the command succeeds.
/// A record that does not reach the database within ten seconds waits in the spool for the next host or command.
pub(super) async fn tell(settings: &Settings, ground: &Ground, event: Event) {
    let stop = CancellationToken::new();
    let open = || -> anyhow::Result<Audit> {
        // Read again: what was done may have been done to the keys.
        let keys = Keys::with(&settings.state_dir(), &settings.keys)?;
        let clerk = Clerk::start(ground.clerk(&keys), stop.clone());
        Ok(Audit::open(&settings.audit, &settings.state_dir(), &keys.audit, Some(clerk))?)
    };
    match open() {
        Ok(audit) => {
            audit.event(event);
            audit.close().await;
        }
        Err(error) => tracing::error!(error = %format!("{error:#}"), "this command left no record in the audit trail"),
    }
    stop.cancel();
}
