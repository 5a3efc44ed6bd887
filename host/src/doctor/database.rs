//! The walls inside the database, and whether this host's keys open its doors.

use super::{Finding, Level, connections, memory};
use crate::config::Settings;
use crate::house::Ground;
use crate::keys::{Keys, LONGEST_GRACE};
use anyhow::Result;
use rowhouse_migrations as shape;
use shape::HostKey;
use std::time::{Duration, SystemTime};

/// What an ended key may lie about before it is worth a word: it is deleted at the next start or replacement, and
/// opens nothing meanwhile.
const LITTER: Duration = Duration::from_secs(24 * 60 * 60);

/// `keys` is none where this host has no usable keys, which somebody else says.
pub(super) async fn look(ground: &Ground, keys: Option<&Keys>, settings: &Settings) -> Result<Vec<Finding>> {
    let admin = ground.admin().await?;
    let kept = settings.functions();
    let mut found: Vec<Finding> = shape::lint(&admin, &kept).await?.into_iter().map(Finding::from).collect();
    found.extend(memory::look(&admin).await?);
    found.extend(connections::look(&admin, &settings.database.pool).await?);
    let live = shape::host_keys(&admin).await?;
    found.extend(judge(&live, keys.map(Keys::ticket_names).as_deref(), SystemTime::now()));
    let Some(keys) = keys else { return Ok(found) };
    for role in shape::AGENT_ROLES.into_iter().chain([shape::CLERK_ROLE]) {
        if !ground.admits(role, &keys.password(role)).await {
            found.push(Finding::new(
                Level::Weak,
                "database",
                "this host's login key does not open the database",
                role,
                "copy `keys/login.key` from the state directory of a host that is served, or run `rowhouse db migrate`",
            ));
        }
    }
    Ok(found)
}

/// Keys that belong to another host, that are missing, and that should have ended.
fn judge(live: &[HostKey], ours: Option<&[String]>, now: SystemTime) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut add = |level, what: &str, object: String, mend: &str| {
        found.push(Finding::new(level, "database", what, object, mend));
    };
    for key in live {
        let object = format!("{} key {}", key.usage, key.kid);
        match key.ends {
            None if key.usage == "ticket" && ours.is_some_and(|ours| !ours.contains(&key.kid)) => add(
                Level::Unsafe,
                "another host signs for this database",
                object,
                "copy `keys/ticket.key` and `keys/login.key` from that host's state directory into this one's; to lock \
                 that host out: rowhouse db migrate --adopt",
            ),
            Some(end) if end > now + LONGEST_GRACE + LITTER => {
                add(Level::Weak, "a key that was replaced ends too late", object, "rowhouse db migrate --adopt");
            }
            Some(end) if end + LITTER < now => {
                add(Level::Note, "a key that ended is still listed", object, "rowhouse db migrate");
            }
            _ => {}
        }
    }
    if let Some(name) = ours.and_then(<[String]>::first)
        && !live.iter().any(|key| key.usage == "ticket" && key.kid == *name && key.ends.is_none())
    {
        add(
            Level::Weak,
            "this host's ticket key is not known to the database",
            format!("ticket key {name}"),
            "rowhouse db migrate",
        );
    }
    found
}

#[cfg(test)]
mod tests {
    use super::{HostKey, judge};
    use std::time::{Duration, SystemTime};

    const NOW: SystemTime = SystemTime::UNIX_EPOCH;
    const DAY: i64 = 24 * 60 * 60;

    /// Keys by usage, name and the seconds they have left, and what is said of them.
    #[track_caller]
    fn check(live: &[(&str, &str, Option<i64>)], want: &[&str]) {
        let now = NOW + Duration::from_secs(1_800_000_000);
        let at = |left: i64| {
            let by = Duration::from_secs(left.unsigned_abs());
            if left < 0 { now - by } else { now + by }
        };
        let key = |(usage, kid, left): &(&str, &str, Option<i64>)| HostKey {
            usage: (*usage).to_owned(),
            kid: (*kid).to_owned(),
            since: now,
            ends: left.map(at),
        };
        let live: Vec<HostKey> = live.iter().map(key).collect();
        let ours = ["mine".to_owned(), "before".to_owned()];
        let said: Vec<String> =
            judge(&live, Some(&ours), now).iter().map(|f| format!("{} {}: {}", f.level, f.object, f.what)).collect();
        assert_eq!(said, want);
    }

    #[test]
    fn keys_that_should_not_be_there_are_told() {
        let mine = ("ticket", "mine", None);
        check(&[mine, ("ctx", "c1", None)], &[]);
        check(&[mine, ("ticket", "before", None)], &[]);
        check(&[mine, ("ticket", "old", Some(600)), ("ctx", "c1", Some(600))], &[]);
        check(&[mine, ("ticket", "old", Some(-600))], &[]);
        check(&[mine, ("ticket", "old", Some(-2 * DAY))], &["note ticket key old: a key that ended is still listed"]);
        check(
            &[mine, ("ticket", "old", Some(90 * DAY))],
            &["weak ticket key old: a key that was replaced ends too late"],
        );
        check(&[mine, ("ticket", "theirs", None)], &["unsafe ticket key theirs: another host signs for this database"]);
        check(
            &[("ticket", "mine", Some(600))],
            &["weak ticket key mine: this host's ticket key is not known to the database"],
        );
    }
}
