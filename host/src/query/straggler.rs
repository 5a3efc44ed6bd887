//! Statements that outlive their end.
//!
//! A few of PostgreSQL's functions run to their end whatever they are told, a time-out, a cancel or a closed socket. Whoever
//! waited for such a statement has been answered; its place among those in use is kept until its backend is gone, for
//! until then it takes a processor and memory from everybody.

use crate::error::BoxError;
use crate::hosts::Place;
use std::time::Duration;
use tokio::time::{sleep, timeout};
use tokio_postgres::{Config, NoTls};

/// The first wait before a backend is looked for, and the longest. What goes on after it was stopped mostly ends within
/// seconds; looking is a connection each time.
const FIRST_LOOK: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(15);

/// How long one look may take.
const LOOKING: Duration = Duration::from_secs(5);

/// Since when this backend of a login role runs; no row once it is gone. To an administrator who may not look at other
/// roles' backends the time is null.
const STARTED: &str =
    "SELECT backend_start::text FROM pg_catalog.pg_stat_activity WHERE pid = $1 AND usename = $2::text";

/// Looks after backends that go on when they should have ended, as the administrator: a login role sees none but its own,
/// and in a hardened database not even that.
#[derive(Clone)]
pub(super) struct Warden(Config);

impl Warden {
    /// With the administrator's login.
    pub(super) fn new(mut administrator: Config) -> Self {
        administrator.application_name("rowhouse-warden");
        Self(administrator)
    }

    /// Waits until the backend is gone, and tells it to go at every look. Numbers of backends are a host's own: it is
    /// looked for where it was.
    pub(super) async fn see_off(&self, backend: i32, role: &'static str, place: &Place) {
        tracing::warn!(
            backend,
            role,
            "a statement goes on after it was stopped; its place is kept until its backend ends"
        );
        let (mut wait, mut first) = (FIRST_LOOK, None);
        loop {
            sleep(wait).await;
            wait = (wait * 2).min(LONGEST_WAIT);
            match timeout(LOOKING, self.look(backend, role, place)).await {
                Ok(Ok(None)) => return,
                Ok(Ok(Some(started))) => {
                    // Another backend has got its number.
                    if *first.get_or_insert_with(|| started.clone()) != started {
                        return;
                    }
                }
                // Nothing is known of it: the place stays taken.
                Ok(Err(error)) => tracing::debug!(backend, error = %error, "the backend could not be looked for"),
                Err(_) => tracing::debug!(backend, "the backend could not be looked for in time"),
            }
        }
    }

    /// When the backend began, if it is there; it is told to end.
    async fn look(&self, backend: i32, role: &str, place: &Place) -> Result<Option<Option<String>>, BoxError> {
        let (client, connection) = place.alone(&self.0).connect(NoTls).await?;
        // Ends with the client.
        tokio::spawn(connection);
        let Some(row) = client.query_opt(STARTED, &[&backend, &role]).await? else { return Ok(None) };
        let started = row.try_get(0)?;
        // An administrator who may not end it can still see it go.
        let _ = client.execute("SELECT pg_catalog.pg_terminate_backend($1)", &[&backend]).await;
        Ok(Some(started))
    }
}
