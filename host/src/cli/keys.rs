//! `rowhouse keys`: what there is, and new keys in place of old ones.

use super::progress::Progress;
use crate::audit::Event;
use crate::config::Settings;
use crate::house::Ground;
use crate::keys::{self, Keys, Name};
use anyhow::{Context, Result, bail};
use chrono::{DateTime, SecondsFormat, Utc};
use clap::{Subcommand, ValueEnum};
use rowhouse_migrations as shape;
use secrecy::ExposeSecret;
use std::process::ExitCode;
use std::time::{Duration, SystemTime};
use tokio_postgres::Client;

/// Seconds a new ticket key has, before its file is in place, to get there. Writing two files takes none; a machine
/// that is told to sleep in between gets ten minutes.
const ANNOUNCED: u32 = 600;

#[derive(Subcommand)]
pub(crate) enum KeysCommand {
    /// Every key: where it is, since when, and until when the one before it is good.
    #[command(after_help = "Example:  rowhouse keys list --json")]
    List {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Put a new key in the place of one, while hosts go on serving.
    ///
    /// A host that runs on this state directory takes the new key within a second. Other hosts need a copy of its
    /// file: of the ticket key before the grace ends, of the login key at once.
    #[command(after_help = "Example:  rowhouse keys rotate ticket --grace-seconds 3600")]
    Rotate {
        /// ticket: signs tickets. context: the database's own, which nobody holds; it keeps its old one ten minutes.
        /// issuer: signs the demo's tokens. login: what the passwords of the login roles follow from.
        which: Which,
        /// Seconds the old one stays good; 0 ends it at once. Tokens of the old issuer key end with it: give it as
        /// long as a token lives.
        #[arg(long, default_value_t = 3600, value_parser = clap::value_parser!(u32).range(..=30 * 24 * 3600))]
        grace_seconds: u32,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// End a ticket key of the database at once: one that was replaced and was stolen while it was still good.
    #[command(after_help = "Example:  rowhouse keys retire k0123456789ab")]
    Retire {
        /// Its name, as `list` shows it.
        name: String,
    },
}

/// A key that can be replaced. Not the audit trail's: what it chained could not be verified any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Which {
    Ticket,
    Context,
    Issuer,
    Login,
}

/// Do what the command says.
///
/// # Errors
/// What stopped it, and what to do.
pub(super) async fn run(settings: &Settings, command: KeysCommand) -> Result<ExitCode> {
    match command {
        KeysCommand::List { json } => list(settings, json).await?,
        KeysCommand::Rotate { which, grace_seconds, json } => {
            // A key of the settings is refused before anything is changed, or any database started.
            let name = match which {
                Which::Ticket => Some(Name::Ticket),
                Which::Issuer => Some(Name::Issuer),
                Which::Login => Some(Name::Login),
                Which::Context => None,
            };
            if let Some(name) = name {
                keys::ours(&settings.keys, name)?;
            }
            let said = match which {
                Which::Issuer => issuer(settings, grace_seconds)?,
                other => {
                    let ground = Ground::find(settings, true, &mut Progress::new(json)).await?;
                    let said = with(settings, &ground, other, grace_seconds).await;
                    ground.leave().await?;
                    said?
                }
            };
            if json {
                println!("{}", said.json);
            } else {
                println!("{}", said.text);
            }
        }
        KeysCommand::Retire { name } => {
            let ground = Ground::find(settings, true, &mut Progress::new(false)).await?;
            let done = retire(settings, &ground, &name).await;
            ground.leave().await?;
            done?;
            println!("ticket key {name}: ended");
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// What was done, for people and for scripts.
struct Said {
    text: String,
    json: serde_json::Value,
}

async fn with(settings: &Settings, ground: &Ground, which: Which, grace: u32) -> Result<Said> {
    let admin = ground.admin().await?;
    match which {
        Which::Ticket => ticket(settings, ground, &admin, grace).await,
        Which::Login => login(settings, ground, &admin, grace).await,
        Which::Issuer => issuer(settings, grace),
        Which::Context => {
            let kid = shape::rotate_context_key(&admin).await?;
            super::tell(settings, ground, Event::KeyRotated { key: format!("context {kid}").into() }).await;
            Ok(Said {
                text: format!("context key {kid}: in use; the one before it ends in ten minutes"),
                json: serde_json::json!({ "rotated": "context", "name": kid, "grace_seconds": 600 }),
            })
        }
    }
}

/// The ticket key of this host and all that the database knows, where the one is among the others.
async fn known(settings: &Settings, admin: &Client) -> Result<(Keys, Vec<String>)> {
    let state = settings.state_dir();
    let ours = Keys::with(&state, &settings.keys)?;
    let live: Vec<_> = shape::host_keys(admin).await?.into_iter().filter(|key| key.usage == "ticket").collect();
    if !live.iter().any(|key| key.kid == ours.ticket_name() && key.ends.is_none()) {
        bail!(
            "the ticket key of {} is not the one this database knows; run this where its host runs, or run \
             `rowhouse db migrate` first",
            state.display()
        );
    }
    Ok((ours, live.into_iter().map(|key| key.kid).collect()))
}

/// Announced to the database, written, confirmed: whichever step is the last, some host's key and the database's agree.
/// With no grace every other ticket key ends, not only the last one: an older one may be what was stolen.
async fn ticket(settings: &Settings, ground: &Ground, admin: &Client, grace: u32) -> Result<Said> {
    let state = settings.state_dir();
    let (old, live) = known(settings, admin).await?;
    let new = keys::fresh();
    let (kid, before) = (keys::ticket_name(&new), old.ticket_name());
    shape::announce_ticket_key(admin, &kid, new.expose_secret(), ANNOUNCED).await?;
    // Never without any grace yet: whoever stops here must know the old key for its own, which the database still has.
    let meanwhile = if grace == 0 { ANNOUNCED } else { grace };
    keys::replace(&state, &settings.keys, Name::Ticket, &new, seconds(meanwhile))?;
    let confirmed = async {
        shape::install_ticket_key(admin, &kid, new.expose_secret()).await?;
        match grace {
            0 => {
                for other in &live {
                    shape::retire_ticket_key(admin, other, 0).await?;
                }
                Ok(())
            }
            grace => shape::retire_ticket_key(admin, &before, grace).await,
        }
    };
    confirmed.await.with_context(|| {
        format!(
            "the new ticket key {kid} is in place here and not confirmed in the database: run `rowhouse db migrate` \
             within ten minutes, or it ends there; then end the one before with `rowhouse keys retire {before}`"
        )
    })?;
    if grace == 0 {
        keys::forget_previous(&state, Name::Ticket)?;
    }
    super::tell(settings, ground, Event::KeyRotated { key: format!("ticket {kid}").into() }).await;
    Ok(Said {
        text: format!(
            "ticket key {kid}: in use; {before} {}\nother hosts of this database: copy {} there until then",
            ends(grace),
            state.join("keys/ticket.key").display()
        ),
        json: serde_json::json!({ "rotated": "ticket", "name": kid, "previous": before, "grace_seconds": grace }),
    })
}

/// End one ticket key now.
async fn retire(settings: &Settings, ground: &Ground, name: &str) -> Result<()> {
    let admin = ground.admin().await?;
    let (ours, live) = known(settings, &admin).await?;
    if name == ours.ticket_name() {
        bail!(
            "{name} is the ticket key in use: put another in its place, and end it with all others, with \
             `rowhouse keys rotate ticket --grace-seconds 0`"
        );
    }
    if !live.iter().any(|kid| kid == name) {
        bail!("the database has no ticket key {name:?}; `rowhouse keys list` shows them");
    }
    shape::retire_ticket_key(&admin, name, 0).await?;
    let file = ours.ticket_names().get(1).is_some_and(|before| before == name);
    if file && settings.keys.ticket_previous.is_none() {
        keys::forget_previous(&settings.state_dir(), Name::Ticket)?;
    }
    super::tell(settings, ground, Event::KeyRetired { key: format!("ticket {name}").into() }).await;
    Ok(())
}

/// The file first, with the old one beside it: should the passwords not come to be changed, the next start knows both.
async fn login(settings: &Settings, ground: &Ground, admin: &Client, grace: u32) -> Result<Said> {
    let state = settings.state_dir();
    let old = Keys::with(&state, &settings.keys)?;
    for role in shape::AGENT_ROLES {
        let mut ours = [Some(old.password(role)), old.previous_password(role)].into_iter().flatten();
        if !ground.admits(role, &ours.next().context("a password")?).await
            && !match ours.next() {
                Some(before) => ground.admits(role, &before).await,
                None => false,
            }
        {
            bail!(
                "the login key of {} is not the one this server's passwords follow from; run this where its host runs, \
                 or run `rowhouse db migrate` first",
                state.display()
            );
        }
    }
    let new = keys::fresh();
    keys::replace(&state, &settings.keys, Name::Login, &new, seconds(grace))?;
    let roles: Vec<&str> = shape::AGENT_ROLES.into_iter().chain([shape::CLERK_ROLE]).collect();
    let passwords: Vec<_> = roles.iter().map(|role| keys::password(&new, role)).collect();
    let pairs: Vec<(&str, &str)> =
        roles.iter().zip(&passwords).map(|(role, password)| (*role, password.expose_secret())).collect();
    shape::set_passwords(admin, &pairs).await.context(
        "the new login key is in place and the passwords are not: run `rowhouse db migrate` once the database answers",
    )?;
    Ok(Said {
        text: format!(
            "login key: in use, and the passwords of {} follow from it\nother hosts of this server: copy {} there at \
             once; they keep the connections they have and can open no more",
            roles.join(", "),
            state.join("keys/login.key").display()
        ),
        json: serde_json::json!({ "rotated": "login", "roles": roles }),
    })
}

fn issuer(settings: &Settings, grace: u32) -> Result<Said> {
    let state = settings.state_dir();
    // Made now, if there is none yet.
    Keys::with(&state, &settings.keys)?;
    keys::replace(&state, &settings.keys, Name::Issuer, &keys::fresh(), seconds(grace))?;
    Ok(Said {
        text: format!("issuer key: in use; tokens of the one before {}", ends(grace).replace("ends", "end")),
        json: serde_json::json!({ "rotated": "issuer", "grace_seconds": grace }),
    })
}

fn seconds(grace: u32) -> Duration {
    Duration::from_secs(grace.into())
}

fn ends(grace: u32) -> String {
    match grace {
        0 => "ends now".to_owned(),
        grace => format!("ends at {}", time(SystemTime::now() + seconds(grace))),
    }
}

fn time(at: SystemTime) -> String {
    DateTime::<Utc>::from(at).to_rfc3339_opts(SecondsFormat::Secs, true)
}

async fn list(settings: &Settings, json: bool) -> Result<()> {
    let state = settings.state_dir();
    // Opened, so that a file that is no key is told here and not at the next start.
    let ours = Keys::with(&state, &settings.keys)?;
    let kept = keys::kept(&state, &settings.keys)?;
    let ground = Ground::find(settings, true, &mut Progress::new(json)).await?;
    let live = shape::host_keys(&ground.admin().await?).await;
    ground.leave().await?;
    let live = live?;
    if json {
        let files: Vec<_> = kept
            .iter()
            .map(|kept| {
                let previous = kept.previous.as_ref().map(|(path, end)| serde_json::json!({ "file": path, "ends": time(*end) }));
                serde_json::json!({ "key": kept.name.as_str(), "place": kept.place, "since": kept.since.map(time), "previous": previous })
            })
            .collect();
        let database: Vec<_> = live
            .iter()
            .map(|key| {
                let (mine, ends) = (ours.ticket_names().contains(&key.kid), key.ends.map(time));
                serde_json::json!({ "usage": key.usage, "name": key.kid, "since": time(key.since), "ends": ends, "ours": mine })
            })
            .collect();
        println!("{}", serde_json::json!({ "keys": files, "database": database }));
        return Ok(());
    }
    for kept in &kept {
        let since = kept.since.map(|at| format!("  since {}", time(at))).unwrap_or_default();
        println!("{:<8} {}{since}", kept.name.as_str(), kept.place);
        if let Some((path, end)) = &kept.previous {
            println!("{:<8} {}  ends {}", "", path.display(), time(*end));
        }
    }
    println!("in the database:");
    for key in &live {
        let ends = key.ends.map(|at| format!("  ends {}", time(at))).unwrap_or_default();
        let whose = match key.usage.as_str() {
            "ticket" if ours.ticket_names().contains(&key.kid) => "  this host's",
            "ticket" => "  another host's",
            _ => "",
        };
        println!("{:<8} {}  since {}{ends}{whose}", key.usage, key.kid, time(key.since));
    }
    Ok(())
}
