//! API keys, for callers without an identity provider.

use crate::audit::Event;
use crate::config::Settings;
use crate::house::Ground;
use crate::identity::api_key::{self, New};
use crate::policy::{Tenant, tenant_named};
use anyhow::{Result, bail};
use chrono::{DateTime, SecondsFormat, Utc};
use clap::Subcommand;
use secrecy::ExposeSecret;
use serde_json::json;
use std::process::ExitCode;
use std::time::{Duration, SystemTime};
use tokio_postgres::Client;

const DAY: u64 = 24 * 60 * 60;

#[derive(Subcommand)]
pub(crate) enum ApiKeyCommand {
    /// Make a key and print it, once: it is kept nowhere.
    #[command(after_help = "Example:  rowhouse api-key create --name nightly --role store_manager --tenant Seattle")]
    Create {
        /// What you call it.
        #[arg(long)]
        name: String,
        /// What callers see of it. Unset: the name.
        #[arg(long, default_value = "")]
        display_name: String,
        /// A role. May be given several times, like the next three.
        #[arg(long = "role", required = true)]
        roles: Vec<String>,
        /// A tenant of its own, by id or by its name in the directory.
        #[arg(long = "tenant", value_name = "ID|NAME")]
        tenants: Vec<String>,
        /// A region of its own.
        #[arg(long = "region")]
        regions: Vec<String>,
        /// What it may be used for. Unset: the scopes every call needs.
        #[arg(long = "scope")]
        scopes: Vec<String>,
        /// Days until it ends; 0: never by itself. A year: long enough for a job nobody looks at, short enough that a
        /// forgotten one dies.
        #[arg(long, default_value_t = 365)]
        days: u64,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// List the keys; never the secrets.
    List {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Take a key back: every host of this database refuses it within moments.
    #[command(after_help = "Example:  rowhouse api-key revoke Ab12Cd34Ef56")]
    Revoke {
        /// Its id, as `list` shows it.
        id: String,
    },
}

/// Do what the command says, over these tenants.
pub(super) async fn run(
    command: ApiKeyCommand,
    settings: &Settings,
    ground: &Ground,
    admin: &Client,
    directory: &[Tenant],
) -> Result<ExitCode> {
    match command {
        ApiKeyCommand::Create { name, display_name, roles, tenants, regions, scopes, days, json } => {
            let tenants = tenants.iter().map(|name| Ok(tenant_named(directory, name)?)).collect::<Result<Vec<_>>>()?;
            let scopes = if scopes.is_empty() { settings.identity.scopes.clone() } else { scopes };
            let expires =
                (days > 0).then(|| SystemTime::now().checked_add(Duration::from_secs(days.saturating_mul(DAY))));
            let Some(expires) = expires.map_or(Some(None), |end| end.map(Some)) else {
                bail!("--days {days}: the calendar ends before that; 0 is for ever");
            };
            let new = New { name, display_name, roles, tenants, regions, scopes, expires };
            let made = api_key::create(admin, new).await.map_err(|e| anyhow::anyhow!(e))?;
            let token = made.token.expose_secret();
            if json {
                println!("{}", json!({ "id": made.id, "key": token, "expires": expires.map(moment) }));
            } else {
                eprintln!("the key {} is shown this once; send it as `Authorization: Bearer KEY`", made.id);
                println!("{token}");
            }
            // Shown first: it is kept nowhere, and a record may take a while.
            super::tell(settings, ground, Event::ApiKeyMade { key: made.id.into() }).await;
            if !settings.identity.api_keys {
                eprintln!("note: this host does not believe API keys (identity.api_keys = false)");
            }
        }
        ApiKeyCommand::List { json } => {
            for key in api_key::list(admin).await.map_err(|e| anyhow::anyhow!(e))? {
                let (ends, gone) = (key.expires.map(moment), key.revoked.map(moment));
                if json {
                    println!(
                        "{}",
                        json!({
                            "id": key.id, "name": key.name, "display_name": key.display_name, "roles": key.roles,
                            "tenants": key.tenants, "regions": key.regions, "scopes": key.scopes,
                            "created": moment(key.created), "expires": ends, "revoked": gone,
                        })
                    );
                    continue;
                }
                let state = match (&gone, &ends) {
                    (Some(gone), _) => format!("taken back {gone}"),
                    (None, Some(ends)) => format!("ends {ends}"),
                    (None, None) => "never ends".to_owned(),
                };
                println!("{}  {:<24} {:<24} {state}", key.id, key.name, key.roles.join(", "));
            }
        }
        ApiKeyCommand::Revoke { id } => {
            if !api_key::revoke(admin, &id).await.map_err(|e| anyhow::anyhow!(e))? {
                bail!("there is no key {id:?}, or it was taken back before; `rowhouse api-key list` shows them");
            }
            super::tell(settings, ground, Event::ApiKeyRevoked { key: id.as_str().into() }).await;
            println!("taken back: {id}");
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn moment(time: SystemTime) -> String {
    DateTime::<Utc>::from(time).to_rfc3339_opts(SecondsFormat::Secs, true)
}
