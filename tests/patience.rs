//! How long a test waits for what must come: a fault then fails the test instead of holding up the run.

use std::time::Duration;

/// Far more than anything takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// What must come, in time.
///
/// # Panics
/// Where it does not.
#[track_caller]
pub fn soon<F: Future>(what: F) -> impl Future<Output = F::Output> {
    let place = std::panic::Location::caller();
    async move {
        match tokio::time::timeout(PATIENCE, what).await {
            Ok(came) => came,
            Err(_) => panic!("nothing came within {PATIENCE:?} of {place}"),
        }
    }
}
