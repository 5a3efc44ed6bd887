//! Bearer tokens of the host's own issuer, and tokens of any issuer taken back.

use crate::audit::Event;
use crate::config::Settings;
use crate::house::{self, Ground};
use crate::identity::revoked::{self, Named};
use crate::keys::Keys;
use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use std::io::Read;
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

/// The longest token read from standard input, in bytes. More than the host itself would look at.
const LONGEST: u64 = 64 << 10;

#[derive(Args)]
pub(crate) struct Print {
    /// Whose. Unset: list the names.
    #[arg(long = "as", value_name = "NAME")]
    identity: Option<String>,
    /// Seconds until it expires. Unset: what the settings say (12 hours).
    #[arg(long)]
    seconds: Option<u64>,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Subcommand)]
pub(crate) enum TokenCommand {
    /// Take a token back: every host of this database refuses it within moments.
    #[command(after_help = "Example:  rowhouse token revoke - < token.txt")]
    Revoke {
        /// `-`: the token is read from standard input, where no process listing shows it. Or the token itself.
        token: Option<String>,
        /// In place of the token: who issued it (`iss`).
        #[arg(long, requires = "id", conflicts_with = "token", value_name = "URL")]
        issuer: Option<String>,
        /// In place of the token: which one it is (`jti`).
        #[arg(long, requires = "issuer", value_name = "JTI")]
        id: Option<String>,
        /// Why; kept beside it.
        #[arg(long, default_value = "")]
        reason: String,
    },
}

/// Print a token, or the names there are tokens for.
pub(super) fn print(settings: &Settings, wanted: Print) -> Result<ExitCode> {
    let Print { identity: name, seconds, json } = wanted;
    let keys = Keys::with(&settings.state_dir(), &settings.keys)?;
    let identity = house::identity(&keys, settings, None)?;
    let Some(name) = name else {
        let names = identity.names();
        if json {
            println!("{}", serde_json::json!({ "identities": names }));
        } else {
            println!("{}", names.join("\n"));
        }
        return Ok(ExitCode::SUCCESS);
    };
    if !identity.trusts_own_issuer() {
        bail!("this host does not believe tokens of its own: it has another issuer, or `identity.demo` is false");
    }
    let seconds = seconds.unwrap_or(settings.identity.token_seconds);
    let token = identity
        .issue(&name, Duration::from_secs(seconds))
        .map_err(|_| anyhow::anyhow!("no identity named {name:?}; known: {}", identity.names().join(", ")))?;
    if json {
        println!("{}", serde_json::json!({ "identity": name, "token": token, "expires_in": seconds }));
    } else {
        println!("{token}");
    }
    Ok(ExitCode::SUCCESS)
}

/// Do what the command says.
pub(super) async fn run(command: TokenCommand, settings: &Settings, ground: &Ground) -> Result<ExitCode> {
    let TokenCommand::Revoke { token, issuer, id, reason } = command;
    let named = match (token, issuer, id) {
        (_, Some(issuer), Some(id)) => {
            // Without the token nobody knows when it ends: the row stays as long as any token could.
            Named { issuer, id, expires: SystemTime::now() + Duration::from_secs(10 * 365 * 24 * 60 * 60) }
        }
        (Some(token), ..) => {
            let token = if token == "-" { read()? } else { token };
            Named::read(&token, &settings.identity).map_err(|_| {
                anyhow::anyhow!("this is no access token with `iss`, `jti` and `exp`; name it with --issuer and --id")
            })?
        }
        _ => bail!("which token? `-` and the token on standard input, or --issuer and --id"),
    };
    revoked::revoke(&ground.admin().await?, &named, &reason).await.context("take the token back")?;
    let (issuer, token) = (named.issuer.clone(), named.id.clone());
    super::tell(settings, ground, Event::TokenRevoked { issuer: issuer.into(), token: token.into() }).await;
    println!("taken back: {} of {}", named.id, named.issuer);
    Ok(ExitCode::SUCCESS)
}

/// A token from standard input.
pub(super) fn read() -> Result<String> {
    let mut text = String::new();
    std::io::stdin().take(LONGEST).read_to_string(&mut text).context("read the token from standard input")?;
    Ok(text)
}
