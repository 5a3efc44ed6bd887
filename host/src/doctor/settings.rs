//! Settings that are each allowed and do not go together.

use super::{Finding, Level};
use crate::config::Settings;
use anyhow::{Context, Result};
use secrecy::ExposeSecret;
use tokio_postgres::Config;
use tokio_postgres::config::Host;

pub(super) fn look(settings: &Settings) -> Result<Vec<Finding>> {
    let mut found = Vec::new();
    if let Some(url) = &settings.database.url {
        let url = url.resolve().context("the setting database.url")?;
        // The parser's own error would quote the password.
        let config = url.expose_secret().parse::<Config>().map_err(|_| {
            anyhow::anyhow!("database.url is not a PostgreSQL URL; write postgres://user:password@host:5432/database")
        })?;
        found.extend(far(&config));
    }
    let quota = &settings.traffic.quota;
    if quota.embedding_tokens.is_some() && settings.embedding.first().is_none() {
        found.push(Finding::new(
            Level::Note,
            "settings",
            "a quota that nothing can use up: embedding.model is \"none\"",
            "traffic.quota.embedding_tokens",
            "leave it out, or name a model in embedding.model",
        ));
    }
    let limited = quota.calls.or(quota.rows).or(quota.database_seconds).or(quota.embedding_tokens).is_some();
    if limited && settings.traffic.redis.is_none() {
        found.push(Finding::new(
            Level::Note,
            "settings",
            "quotas hold over several hosts only after a while",
            "traffic.quota",
            "set traffic.redis where more than one host serves this database",
        ));
    }
    Ok(found)
}

/// A database behind a network: passwords are proved and not sent (SCRAM), rows and tickets travel as they are.
fn far(config: &Config) -> Option<Finding> {
    let far = |host: &Host| match host {
        Host::Tcp(name) if !near(name) => Some(name.clone()),
        _ => None,
    };
    let hosts: Vec<String> = config.get_hosts().iter().filter_map(far).collect();
    (!hosts.is_empty()).then(|| {
        Finding::new(
            Level::Weak,
            "settings",
            "the database is reached over the network without encryption",
            hosts.join(", "),
            "go through a Unix socket, the loopback address or a tunnel (ssh -L, stunnel, WireGuard)",
        )
    })
}

fn near(name: &str) -> bool {
    name == "localhost" || name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::look;
    use crate::config::{Secret, Settings};

    #[test]
    fn a_database_far_away_is_told() {
        let check = |url: &str, far: Option<&str>| {
            let mut settings = Settings::default();
            settings.database.url = Some(Secret::from(url.to_owned()));
            let found = look(&settings).unwrap();
            let object = found.first().map(|found| found.object.as_str());
            assert_eq!(object, far, "{url}");
        };
        check("postgres://u:p@localhost/d", None);
        check("postgres://u:p@127.0.0.1:5433/d", None);
        check("postgres://u:p@[::1]/d", None);
        check("postgres://u:p@%2Frun%2Fpostgresql/d", None);
        check("postgres://u:p@db.example/d", Some("db.example"));
        check("postgres://u:p@127.0.0.1,10.0.0.7/d", Some("10.0.0.7"));
        let mut settings = Settings::default();
        settings.database.url = Some(Secret::from("postgres//u:swordfish@h".to_owned()));
        assert!(!format!("{:#}", look(&settings).unwrap_err()).contains("swordfish"));
        settings.database.url = None;
        assert!(look(&settings).unwrap().is_empty());
    }

    #[test]
    fn a_quota_nothing_can_use_up_is_told() {
        let mut settings = Settings::default();
        settings.traffic.quota.rows = Some(1);
        let objects = |settings: &Settings| -> Vec<String> {
            look(settings).unwrap().into_iter().map(|found| found.object).collect()
        };
        assert_eq!(objects(&settings), ["traffic.quota"]);
        settings.traffic.quota.embedding_tokens = Some(1);
        assert_eq!(objects(&settings), ["traffic.quota"]);
        settings.embedding.model = "none".to_owned();
        assert_eq!(objects(&settings), ["traffic.quota.embedding_tokens", "traffic.quota"]);
    }
}
