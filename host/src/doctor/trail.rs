//! The audit trail: is it kept, and does it reach the database?

use super::{Finding, Level};
use crate::audit;
use crate::config::Settings;
use anyhow::Result;
use std::time::Duration;

/// Records that may wait before it is worth a word: a minute of a busy host.
const BACKLOG: u64 = 10_000;

/// How long a record may wait: a restart of the database and more.
const AGE: Duration = Duration::from_secs(15 * 60);

pub(super) fn look(settings: &Settings) -> Result<Vec<Finding>> {
    let finding = |level, what: &str, object: String, mend: &str| Finding::new(level, "audit", what, object, mend);
    if !settings.audit.enabled {
        let mend = "set audit.enabled = true; without it nobody can say who saw what";
        return Ok(vec![finding(Level::Weak, "calls leave no record", "audit.enabled".to_owned(), mend)]);
    }
    let spool = settings.audit.directory(&settings.state_dir());
    let waiting = audit::backlog(&spool)?;
    let mut found = Vec::new();
    let age = waiting.oldest.and_then(|oldest| oldest.elapsed().ok()).unwrap_or_default();
    if waiting.records > BACKLOG || age > AGE {
        let mend = "see that a host runs on this state directory and reaches the database; it ships what waits";
        let object = format!(
            "{} records in {}, the oldest for {} minutes",
            waiting.records,
            spool.display(),
            age.as_secs() / 60
        );
        found.push(finding(Level::Weak, "records wait on disk", object, mend));
    }
    if waiting.conflicts > 0 {
        let mend = "somebody wrote rows under this host's numbers: run `rowhouse audit verify`";
        let object = format!("{} in {}", waiting.conflicts, spool.display());
        found.push(finding(Level::Weak, "records that the database has otherwise", object, mend));
    }
    Ok(found)
}
