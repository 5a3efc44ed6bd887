//! Tickets end by the host's clock and are held against the database's: the two must agree.

use std::time::{Duration, SystemTime};

use tokio_postgres::Client;

use super::{Finding, Level};
use crate::error::{Doing as _, Error};

/// Beyond this something keeps the clocks badly. Two that are kept by NTP differ by milliseconds.
const WEAK: Duration = Duration::from_secs(5);

/// A ticket is good for 30 seconds: a host this far behind hands out tickets that have all but ended, and one this far
/// ahead tickets that live far longer than they should.
const UNSAFE: Duration = Duration::from_secs(25);

/// How far apart the two clocks are.
pub(super) async fn look(admin: &Client) -> Result<Option<Finding>, Error> {
    let before = SystemTime::now();
    let row = admin.query_one("SELECT clock_timestamp()", &[]).await.doing("ask for the server's time")?;
    let trip = before.elapsed().unwrap_or_default();
    Ok(judge(before + trip / 2, row.get(0), trip))
}

/// The server wrote its time somewhere on the way there and back: only what the way cannot explain counts.
fn judge(host: SystemTime, database: SystemTime, trip: Duration) -> Option<Finding> {
    let (apart, which) = match database.duration_since(host) {
        Ok(ahead) => (ahead, "behind"),
        Err(behind) => (behind.duration(), "ahead of"),
    };
    let apart = apart.saturating_sub(trip / 2);
    let level = match apart {
        apart if apart > UNSAFE => Level::Unsafe,
        apart if apart > WEAK => Level::Weak,
        _ => return None,
    };
    Some(Finding {
        level,
        rule: "clocks disagree".to_owned(),
        object: format!("this machine is {:.1} s {which} the database", apart.as_secs_f64()),
        mend: "-- set both by NTP: tickets are good for seconds".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::{Level, judge};

    #[track_caller]
    fn check(millis: i64, trip_millis: u64, want: Option<(Level, &str)>) {
        let host = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let by = Duration::from_millis(millis.unsigned_abs());
        let database = if millis < 0 { host - by } else { host + by };
        let found = judge(host, database, Duration::from_millis(trip_millis));
        assert_eq!(found.as_ref().map(|f| (f.level, f.object.as_str())), want, "{millis} ms");
    }

    #[test]
    fn clocks_that_disagree_are_told() {
        check(0, 0, None);
        check(4_999, 0, None);
        check(-4_999, 0, None);
        check(5_100, 0, Some((Level::Weak, "this machine is 5.1 s behind the database")));
        check(-6_000, 0, Some((Level::Weak, "this machine is 6.0 s ahead of the database")));
        check(26_000, 0, Some((Level::Unsafe, "this machine is 26.0 s behind the database")));
        check(-3_600_000, 0, Some((Level::Unsafe, "this machine is 3600.0 s ahead of the database")));
        // A slow answer is no slow clock.
        check(5_100, 1_000, None);
    }
}
