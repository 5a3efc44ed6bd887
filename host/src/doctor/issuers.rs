//! Those whose tokens are believed: are they there, and are they who the settings say?

use super::{Finding, Level};
use crate::config::Settings;
use crate::house;
use crate::identity::Asked;
use crate::keys::Keys;
use anyhow::Result;

/// `Date` has whole seconds, and an answer takes a moment: less than this says nothing.
const ROUGH: u64 = 2;

/// Ask every issuer for its keys, and look at the host's own one: that one is for trying things, and who can reach the
/// host from elsewhere must come with a real one.
pub(super) async fn look(settings: &Settings, keys: &Keys) -> Result<Vec<Finding>> {
    let identity = house::identity(keys, settings, None)?;
    let asked = identity.refresh().await;
    Ok(own(settings).into_iter().chain(asked.iter().filter_map(judge)).collect())
}

/// The serving path refuses the host's own issuer where others reach it, unless it was asked for by name.
fn own(settings: &Settings) -> Option<Finding> {
    if !settings.identity.trusts_own_issuer() || settings.http.is_local() {
        return None;
    }
    let level = if settings.identity.demo == Some(true) { Level::Weak } else { Level::Unsafe };
    let mend = "name an issuer ([[identity.issuers]]) or set identity.demo = false; or listen on 127.0.0.1";
    let what = "the host's own issuer is on and the door is open to others";
    Some(Finding::new(level, "issuers", what, settings.http.resource(), mend))
}

fn judge(asked: &Asked) -> Option<Finding> {
    let weak = |what: &str, mend: String| Some(Finding::new(Level::Weak, "issuers", what, &asked.issuer, mend));
    match (&asked.usable, asked.ahead) {
        (Err(why), _) => weak("an issuer cannot be asked", why.clone()),
        (Ok(0), _) => {
            let mend = "add the algorithm it signs with to its `algorithms`, or ask who runs it for its keys";
            weak("an issuer has no key for the algorithms of the settings", mend.to_owned())
        }
        (Ok(_), Some(ahead)) if ahead.unsigned_abs() > asked.leeway + ROUGH => {
            let (apart, leeway) = (ahead.unsigned_abs(), asked.leeway);
            let mend = format!("set both by NTP: {apart} s apart, and {leeway} are allowed (leeway_seconds)");
            weak("an issuer's clock disagrees", mend)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn issuers_that_cannot_be_believed_are_told() {
        let check = |usable: Result<usize, &str>, ahead: Option<i64>, expect: Option<&str>| {
            let usable = usable.map_err(str::to_owned);
            let found = judge(&Asked { issuer: "https://id.example".to_owned(), usable, ahead, leeway: 30 });
            assert_eq!(found.as_ref().map(|found| found.what.as_str()), expect);
            assert!(found.is_none_or(|found| found.level == Level::Weak));
        };
        check(Ok(1), None, None);
        check(Ok(1), Some(-31), None);
        check(Ok(1), Some(-33), Some("an issuer's clock disagrees"));
        check(Ok(1), Some(33), Some("an issuer's clock disagrees"));
        check(Ok(0), None, Some("an issuer has no key for the algorithms of the settings"));
        check(Err("connection refused"), None, Some("an issuer cannot be asked"));
    }

    #[test]
    fn our_own_is_for_this_machine() {
        let check = |listen: &str, demo: Option<bool>, expect: Option<Level>| {
            let mut settings = Settings::default();
            settings.http.listen = listen.parse().unwrap();
            settings.identity.demo = demo;
            assert_eq!(own(&settings).map(|found| found.level), expect, "{listen} {demo:?}");
        };
        check("127.0.0.1:8000", None, None);
        check("0.0.0.0:8000", None, Some(Level::Unsafe));
        check("0.0.0.0:8000", Some(true), Some(Level::Weak));
        check("0.0.0.0:8000", Some(false), None);
    }
}
