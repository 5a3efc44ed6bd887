//! Whom a host tells when something is wrong with it.

use super::Secret;
use http::HeaderName;
use serde::{Deserialize, Serialize};

/// Who is told when something is wrong.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Alerts {
    /// Seconds between two looks at the host's components. Each asks the database once, over the pool; four a minute is
    /// what it notices nothing of.
    pub check_seconds: u64,
    /// Seconds something must be wrong before anybody is told, and well before it counts as over. Two looks: a single one
    /// that failed is no news.
    pub hold_seconds: u64,
    /// Seconds after which something that is still wrong is told again: four hours, as Alertmanager does it.
    pub repeat_seconds: u64,
    /// What this host is called in messages. Unset: the machine's name.
    pub host: Option<String>,
    /// Where messages go. None: nobody is told, and `/health` and the log say what there is to say.
    pub webhook: Vec<Webhook>,
}

impl Default for Alerts {
    fn default() -> Self {
        Self { check_seconds: 15, hold_seconds: 30, repeat_seconds: 14_400, host: None, webhook: Vec::new() }
    }
}

/// One receiver of messages.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Webhook {
    /// Where messages are posted. A secret, since many services put a token into it.
    #[serde(skip_serializing)]
    pub url: Secret,
    /// The header `secret` goes into.
    #[serde(default = "authorization")]
    pub header: String,
    /// What proves to the receiver who is posting, as the header's whole value: `Bearer …`. Unset: no such header.
    #[serde(default, skip_serializing)]
    pub secret: Option<Secret>,
    /// The least that is told.
    #[serde(default)]
    pub severity: Least,
    /// Post over plain HTTP, to a receiver inside one's own network.
    #[serde(default)]
    pub plaintext: bool,
}

/// The least bad thing a receiver is told of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the words are those of a problem's severity")]
pub enum Least {
    Info,
    #[default]
    Warning,
    Critical,
}

fn authorization() -> String {
    "authorization".to_owned()
}

impl Alerts {
    /// What cannot work, a line each.
    pub fn faults(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut fault = |wrong: bool, what: String| found.extend(wrong.then(|| format!("alerts.{what}")));
        fault(self.check_seconds == 0, "check_seconds: at least 1".to_owned());
        fault(self.repeat_seconds < self.check_seconds, "repeat_seconds: no less than check_seconds".to_owned());
        for (at, webhook) in self.webhook.iter().enumerate() {
            let wrong = webhook.header.parse::<HeaderName>().is_err();
            fault(wrong, format!("webhook[{at}].header: {:?} is not the name of a header", webhook.header));
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_work_is_named_and_nothing_secret_is_written() {
        let check = |toml: &str, faults: &[&str]| {
            let read: Alerts = toml::from_str(toml).expect("settings");
            assert_eq!(read.faults(), faults, "{toml}");
            let written = serde_json::to_string(&read).expect("settings are JSON");
            assert!(!format!("{read:?}{written}").contains("hunter2"), "{toml}");
        };
        check("", &[]);
        check("[[webhook]]\nurl = 'https://hooks.example/hunter2'\nsecret = 'Bearer hunter2'\nseverity = 'info'", &[]);
        check("check_seconds = 0", &["alerts.check_seconds: at least 1"]);
        check("repeat_seconds = 1", &["alerts.repeat_seconds: no less than check_seconds"]);
        check(
            "[[webhook]]\nurl = 'https://hooks.example'\nheader = 'not a header'",
            &["alerts.webhook[0].header: \"not a header\" is not the name of a header"],
        );
        assert!(toml::from_str::<Alerts>("[[webhook]]\nurl = 'x'\nseverity = 'loud'").is_err());
    }
}
