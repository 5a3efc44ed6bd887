//! Backups: where they go, who can read them, how often, how long they are kept.

use super::Secret;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// Backups of the database.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Backup {
    /// Where they lie: `file:///path`, `s3://bucket/path`, `az://container/path`, `gs://bucket/path`; one place for each
    /// database. Unset: each command says so with `--to` or `--from`.
    pub to: Option<String>,
    /// What the place wants to know besides, credentials and an endpoint among them, by the names of object_store's
    /// configuration keys: `aws_access_key_id`, `aws_endpoint`, `azure_storage_account_key`. Whatever is not here comes
    /// from the environment (`AWS_…`, `AZURE_…`, `GOOGLE_…`) or from the machine's own identity.
    #[serde(skip_serializing)]
    pub options: BTreeMap<String, Secret>,
    /// Who can open backups: public keys of age (`age1…`). Each backup can be opened with any one of the private ones,
    /// which this host does not need to have.
    pub recipients: Vec<String>,
    /// Whether backups must be encrypted. True: without a recipient none is made, but of the embedded database while it
    /// serves the demo's data, which anybody can make again.
    pub encrypt: bool,
    /// The private keys, as an identity file of age has them. Only `restore` and `verify` need it; keep it elsewhere and
    /// name it then (`--identity`).
    #[serde(skip_serializing)]
    pub identity: Option<Secret>,
    /// Time between two backups that a running host makes by itself, as `"24h"`. Unset: it makes none.
    pub every: Option<Every>,
    /// What is kept; what no rule keeps is removed after each backup. Unset: everything.
    pub keep: Keep,
    /// Backups in one chain, the full one included, before a full one is made again. Restoring reads all of them, and
    /// none can go before the last: a week of daily ones.
    pub chain: u32,
    /// Another way into the operator's database for dumps: a role that may read every row (superuser or BYPASSRLS), where
    /// that of `database.url` is neither.
    #[serde(skip_serializing)]
    pub url: Option<Secret>,
}

impl Default for Backup {
    fn default() -> Self {
        Self {
            to: None,
            options: BTreeMap::new(),
            recipients: Vec::new(),
            encrypt: true,
            identity: None,
            every: None,
            keep: Keep::default(),
            chain: 7,
            url: None,
        }
    }
}

/// What is kept. A backup stays if any rule keeps it; so does everything a kept one stands on, and always the newest
/// that is whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Keep {
    /// The newest so many.
    pub last: u32,
    /// The newest of each of the last so many days (UTC) that have one.
    pub daily: u32,
    /// The newest of each of the last so many weeks (ISO 8601) that have one.
    pub weekly: u32,
}

impl Keep {
    /// Whether there is any rule; without one everything is kept.
    pub fn is_set(&self) -> bool {
        self.last > 0 || self.daily > 0 || self.weekly > 0
    }
}

/// A time written as a number and a unit: `"30m"`, `"24h"`, `"7d"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Every(pub Duration);

/// Seconds of each unit.
const UNITS: [(&str, u64); 4] = [("s", 1), ("m", 60), ("h", 3_600), ("d", 86_400)];

impl TryFrom<String> for Every {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let wrong = || format!("{text:?} is no time; write a number and one of s, m, h, d, as \"24h\"");
        let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?);
        let (_, seconds) = UNITS.into_iter().find(|(name, _)| *name == unit).ok_or_else(wrong)?;
        let number: u64 = number.parse().map_err(|_| wrong())?;
        number.checked_mul(seconds).map(|seconds| Self(Duration::from_secs(seconds))).ok_or_else(wrong)
    }
}

impl From<Every> for String {
    fn from(every: Every) -> Self {
        let seconds = every.0.as_secs();
        let largest = UNITS.into_iter().rev().find(|(_, unit)| seconds.is_multiple_of(*unit) && seconds >= *unit);
        let (name, unit) = largest.unwrap_or(UNITS[0]);
        format!("{}{name}", seconds / unit)
    }
}

/// The shortest time between two backups: each reads every row twice and forces a checkpoint.
const SHORTEST: Duration = Duration::from_secs(60);

impl Backup {
    /// What cannot work, a line each.
    pub fn faults(&self) -> Vec<String> {
        let mut found = Vec::new();
        if self.every.is_some() && self.to.is_none() {
            found.push("backup.every: say where backups go, as backup.to = \"file:///srv/backups\"".to_owned());
        }
        if self.every.is_some_and(|every| every.0 < SHORTEST) {
            found.push("backup.every: at least \"1m\"".to_owned());
        }
        if self.chain == 0 {
            found.push("backup.chain: at least 1, which makes every backup a full one".to_owned());
        }
        if !self.encrypt && !self.recipients.is_empty() {
            found.push("backup.encrypt is false and there are recipients: leave one of them out".to_owned());
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(toml: &str, faults: &[&str]) {
        let read: Backup = toml::from_str(toml).expect("settings");
        assert_eq!(read.faults(), faults, "{toml}");
    }

    #[test]
    fn every_setting_that_cannot_work_is_named() {
        check("", &[]);
        check("to = 's3://zava/rowhouse'\nevery = '24h'\nkeep = { daily = 7, weekly = 4 }", &[]);
        check("every = '24h'", &["backup.every: say where backups go, as backup.to = \"file:///srv/backups\""]);
        check("to = 'file:///b'\nevery = '59s'", &["backup.every: at least \"1m\""]);
        check("chain = 0", &["backup.chain: at least 1, which makes every backup a full one"]);
        check(
            "encrypt = false\nrecipients = ['age1x']",
            &["backup.encrypt is false and there are recipients: leave one of them out"],
        );
    }

    #[test]
    fn times_are_a_number_and_a_unit() {
        for (text, seconds, back) in
            [("90s", 90, "90s"), ("30m", 1_800, "30m"), ("24h", 86_400, "1d"), ("7d", 604_800, "7d")]
        {
            let read = Every::try_from(text.to_owned()).unwrap();
            assert_eq!((read.0.as_secs(), String::from(read).as_str()), (seconds, back), "{text}");
        }
        for text in ["", "24", "h", "1w", "-1h", "1.5h", "99999999999999999999d", "18446744073709551615d"] {
            assert!(Every::try_from(text.to_owned()).is_err_and(|why| why.contains("24h")), "{text}");
        }
    }

    #[test]
    fn no_secret_is_written_back() {
        let text = "url = 'postgres://u:swordfish@h/d'\nidentity = 'swordfish'\n[options]\nkey = 'swordfish'";
        let read: Backup = toml::from_str(text).unwrap();
        assert!(!format!("{read:?}").contains("swordfish"));
        assert!(!serde_json::to_string(&read).unwrap().contains("swordfish"));
    }
}
