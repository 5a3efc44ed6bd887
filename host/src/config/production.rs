//! What a host in production does not start without, and does not start with.

use super::{Approval, Settings, Signatures};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};

/// What the host is run for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// Trying things out and writing plugins: what is missing is made up, on this machine.
    #[default]
    Development,
    /// Other people's data: what is missing, or is the demo's, stops the start.
    Production,
}

/// Something production asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// The setting.
    pub key: &'static str,
    /// Why it stops the start.
    pub what: &'static str,
    /// A line that would do.
    pub example: &'static str,
}

impl Settings {
    /// What is between these settings and production, all of it.
    pub fn gaps(&self) -> Vec<Gap> {
        let mut found = Vec::new();
        let mut gap = |there: bool, key, what, example| {
            if there {
                found.push(Gap { key, what, example });
            }
        };
        let (http, database, plugins, keys) = (&self.http, &self.database, &self.plugins, &self.keys);
        let public = http.public_url.as_deref();
        gap(
            database.url.is_none(),
            "database.url",
            "the embedded database is one process of this machine: nobody takes over from it",
            "url = { file = \"/run/secrets/rowhouse/database-url\" }",
        );
        gap(
            superuser(self),
            "database.url",
            "it logs in as `postgres`, the server's superuser: make a role of its own with CREATEROLE that owns the database",
            "url = \"postgres://rowhouse_admin@db/shop\"",
        );
        gap(
            self.serves_demo(),
            "database.schemas",
            "`retail` is the demo's data: name the schemas that are yours",
            "schemas = [\"shop\"]",
        );
        gap(
            self.identity.issuers.is_empty() && !self.identity.api_keys,
            "identity.issuers",
            "nobody is believed: name the authorization server, or allow API keys",
            "issuers = [{ url = \"https://login.example\" }]",
        );
        gap(
            self.identity.trusts_own_issuer(),
            "identity.demo",
            "whoever can read the state directory prints tokens: name an issuer, or turn these off and use API keys",
            "demo = false",
        );
        gap(
            public.is_none_or(|url| !url.starts_with("https://")),
            "http.public_url",
            "callers' tokens and rows must travel by TLS, and tokens name this address: put a proxy with TLS in front and say how it is called",
            "public_url = \"https://tools.example/mcp\"",
        );
        gap(
            http.allowed_hosts.is_empty(),
            "http.allowed_hosts",
            "only loopback names are served: add the public one",
            "allowed_hosts = [\"tools.example\"]",
        );
        gap(
            http.trusted_proxies.is_empty(),
            "http.trusted_proxies",
            "the trail cannot tell where refused tokens came from: name the networks of the proxy in front",
            "trusted_proxies = [\"10.0.0.0/8\"]",
        );
        gap(
            plugins.signatures == Some(Signatures::Optional),
            "plugins.signatures",
            "whatever lies in the plugin directory is served: require signatures",
            "signatures = \"required\"",
        );
        gap(
            plugins.publishers.is_empty(),
            "plugins.publishers",
            "nobody's plugins are believed: name whose keys sign them",
            "publishers = { ours = { file = \"/etc/rowhouse/ours.pub\" } }",
        );
        gap(
            plugins.approval == Approval::None,
            "plugins.approval",
            "a version that reaches further is served unseen",
            "approval = \"changed\"",
        );
        let made_here = keys.ticket.is_none() || keys.login.is_none() || keys.audit.is_none();
        gap(
            made_here,
            "keys",
            "keys this host makes for itself go with its disk: name `ticket`, `login` and `audit`, and keep them",
            "ticket = { file = \"/run/secrets/rowhouse/ticket-key\" }",
        );
        found
    }
}

/// Whether the database is reached as the role every server has. A URL that cannot be had is said elsewhere.
fn superuser(settings: &Settings) -> bool {
    let url = settings.database.url.as_ref().and_then(|url| url.resolve().ok());
    let config = url.and_then(|url| url.expose_secret().parse::<tokio_postgres::Config>().ok());
    config.is_some_and(|config| config.get_user() == Some("postgres"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Secret, Sources};

    #[test]
    fn an_empty_configuration_lists_everything_at_once() {
        let keys: Vec<&str> = Settings::default().gaps().iter().map(|gap| gap.key).collect();
        assert_eq!(
            keys,
            [
                "database.url",
                "database.schemas",
                "identity.demo",
                "http.public_url",
                "http.allowed_hosts",
                "http.trusted_proxies",
                "plugins.publishers",
                "keys"
            ]
        );
    }

    /// What it says would do, does.
    #[test]
    fn the_examples_close_the_gaps() {
        let mut set = vec!["identity.issuers=[{ url = 'https://login.example' }]".to_owned()];
        for gap in Settings::default().gaps() {
            let (name, value) = gap.example.split_once(" = ").unwrap();
            let place = if gap.key == "keys" { "keys" } else { gap.key.rsplit_once('.').unwrap().0 };
            set.push(format!("{place}.{name}={value}"));
        }
        set.extend(["login", "audit"].map(|key| format!("keys.{key}={{ file = '/run/secrets/{key}' }}")));
        let settings = Sources { file: None, set }.settings().unwrap();
        assert_eq!(settings.gaps(), []);
    }

    #[test]
    fn the_servers_superuser_is_no_role_of_ones_own() {
        let mut settings = Settings::default();
        let mut told = |url: &str| {
            settings.database.url = Some(Secret::from(url.to_owned()));
            settings.gaps().iter().any(|gap| gap.what.contains("superuser"))
        };
        assert!(told("postgres://postgres@db/shop") && !told("postgres://rowhouse_admin@db/shop"));
    }
}
