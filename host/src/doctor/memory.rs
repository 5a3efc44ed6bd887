//! The fifth wall: a cap on the memory of PostgreSQL's backends, where one can look at it.

use super::{Finding, Level};
use anyhow::Result;
use tokio_postgres::Client;

/// Look at the very backend that answers, through the kernel of this machine. A server reached over the network, or
/// one behind another process namespace, cannot be seen.
pub(super) async fn look(admin: &Client) -> Result<Option<Finding>> {
    let row = admin.query_one("SELECT pg_catalog.pg_backend_pid(), pg_catalog.inet_client_addr() IS NULL", &[]).await?;
    let (pid, local): (i32, bool) = (row.get(0), row.get(1));
    // Its title says that it is a backend, and not some other process with this number here.
    let title = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let seen = local && title.starts_with("postgres:");
    let limits = seen.then(|| std::fs::read_to_string(format!("/proc/{pid}/limits")).ok()).flatten();
    Ok(judge(limits.as_deref()))
}

fn judge(limits: Option<&str>) -> Option<Finding> {
    let what = "the memory of a backend";
    let Some(cap) = limits.and_then(cap) else {
        return Some(Finding::new(
            Level::Note,
            "database",
            format!("{what} cannot be seen from here"),
            "PostgreSQL",
            "see to it that the server's service has a cap, such as LimitDATA=512M of systemd",
        ));
    };
    (cap == "unlimited").then(|| {
        Finding::new(
            Level::Weak,
            "database",
            format!("{what} has no cap: one statement may take gigabytes"),
            "PostgreSQL",
            "add LimitDATA=512M to the server's service (systemctl edit postgresql), and restart it",
        )
    })
}

/// The soft limit of the line `Max data size` (`RLIMIT_DATA`, see proc(5)).
fn cap(limits: &str) -> Option<&str> {
    limits.lines().find_map(|line| line.strip_prefix("Max data size"))?.split_whitespace().next()
}

#[cfg(test)]
mod tests {
    use super::{Level, judge};

    #[test]
    fn a_backend_without_a_cap_is_told() {
        let check = |limits: Option<&str>, want: Option<Level>| {
            assert_eq!(judge(limits).map(|found| found.level), want, "{limits:?}");
        };
        let head = "Limit                     Soft Limit           Hard Limit           Units     \n";
        let line =
            |cap: &str| format!("{head}Max data size             {cap}            {cap}            bytes     \n");
        check(Some(&line("536870912")), None);
        check(Some(&line("unlimited")), Some(Level::Weak));
        check(Some(head), Some(Level::Note));
        check(None, Some(Level::Note));
    }
}
