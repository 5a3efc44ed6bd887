//! The walls of an open house. A database that was safe at the start can be made unsafe at any time, by one statement of
//! its administrator: it is looked at again and again, and nothing is served while it has a hole.

use super::ground::REACHING;
use crate::audit::{Audit, Event};
use crate::call::Host;
use crate::config::Settings;
use crate::hosts;
use crate::keys::Keys;
use anyhow::{Context, Result};
use rowhouse_migrations as shape;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};
use tokio_postgres::{Client, Config};

/// How long one look may take. It takes a fraction of a second; a server that needs longer is no better known than one
/// that is away.
const PATIENCE: Duration = Duration::from_secs(20);

/// A database that must not be served from: every finding that says so.
#[derive(Debug, thiserror::Error)]
#[error("the database is not safe to serve from:{}", lines(.0))]
pub struct Unsafe(pub Vec<shape::Finding>);

fn lines(findings: &[shape::Finding]) -> String {
    let line =
        |found: &shape::Finding| format!("\n  {}: {}\n    mend it with: {}", found.rule, found.object, found.mend);
    findings.iter().map(line).collect()
}

/// Note in the trail why a house did not open, if it is for its walls. There is no house and so no trail yet: the records
/// stay on disk, and the next start ships them.
///
/// # Errors
/// A spool that cannot be written.
pub async fn note_refusal(refused: &anyhow::Error, settings: &Settings, keys: &Keys) -> Result<()> {
    let Some(Unsafe(findings)) = refused.downcast_ref::<Unsafe>() else { return Ok(()) };
    let audit = Audit::open(&settings.audit, &settings.state_dir(), &keys.audit, None)?;
    for found in findings {
        audit.event(event(found));
    }
    audit.close().await;
    Ok(())
}

fn event(found: &shape::Finding) -> Event {
    Event::UnsafeDatabase { rule: found.rule.as_str().into(), object: found.object.as_str().into() }
}

/// Stop at a database whose walls have a hole, and warn of what is weak.
pub(super) async fn refuse_unsafe(admin: &Client, kept: &[String]) -> Result<()> {
    let findings = shape::lint(admin, kept).await?;
    let (fatal, rest): (Vec<_>, Vec<_>) =
        findings.into_iter().partition(|finding| finding.level == shape::Level::Unsafe);
    for finding in rest.into_iter().filter(|finding| finding.level == shape::Level::Weak) {
        // Some name hundreds of functions; `rowhouse db check` tells them all, with what to run.
        let object: String = finding.object.chars().take(80).collect();
        tracing::warn!(rule = %finding.rule, object = %object, "the database could be safer; see `rowhouse db check`");
    }
    if fatal.is_empty() { Ok(()) } else { Err(Unsafe(fatal).into()) }
}

/// Look every `period`, as the administrator, and serve or refuse by what is seen. Where nothing can be seen, what was
/// seen last holds.
pub(super) async fn watch(host: Arc<Host>, admin: Config, kept: Vec<String>, period: Duration) {
    // Looked at just before the house opened.
    let mut round = interval_at(Instant::now() + period, period);
    round.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut known = BTreeSet::new();
    loop {
        round.tick().await;
        match timeout(PATIENCE, look(&admin, &kept)).await.context("the database took too long").flatten() {
            Ok(fatal) => known = judge(&host, &known, &fatal),
            Err(error) => {
                tracing::warn!(error = %format!("{error:#}"), "the walls could not be looked at; the last verdict holds");
            }
        }
    }
}

/// What makes the database unsafe at the moment. A connection for each look: one a minute costs nothing, and none is
/// held by somebody who may do everything.
async fn look(admin: &Config, kept: &[String]) -> Result<Vec<shape::Finding>> {
    let (client, connection) = hosts::connect(admin, REACHING).await?;
    let driver = tokio::spawn(connection);
    let findings = shape::lint(&client, kept).await;
    // Also where the statement hangs: the socket goes with its driver.
    driver.abort();
    Ok(findings?.into_iter().filter(|found| found.level == shape::Level::Unsafe).collect())
}

/// Refuse or serve, and say what is new. Returns what is known now.
fn judge(host: &Host, known: &BTreeSet<(String, String)>, fatal: &[shape::Finding]) -> BTreeSet<(String, String)> {
    host.database.refuse(!fatal.is_empty());
    let name = |found: &shape::Finding| (found.rule.clone(), found.object.clone());
    for found in fatal.iter().filter(|found| !known.contains(&name(found))) {
        host.audit.event(event(found));
        tracing::error!(
            rule = %found.rule, object = %found.object, mend = %found.mend,
            "the database became unsafe: no call is served until it is mended"
        );
    }
    if fatal.is_empty() && !known.is_empty() {
        host.audit.event(Event::DatabaseMended {});
        tracing::warn!("the database is safe again: calls are served");
    }
    fatal.iter().map(name).collect()
}
