//! Making, listing and taking back API keys. For the operator: `admin` is a connection that may write the host's own
//! tables.

use super::super::Error;
use super::super::token::is_name;
use super::{ID, MAX_KEYS, PREFIX, SECRET, hash};
use crate::error::BoxError;
use rand::distr::{Alphanumeric, SampleString};
use secrecy::SecretString;
use std::time::SystemTime;
use tokio_postgres::Client;
use uuid::Uuid;

/// A key to be made.
#[derive(Clone, Debug)]
pub struct New {
    /// What the operator calls it, 1 to 256 bytes.
    pub name: String,
    /// What the principal is called; the name where empty.
    pub display_name: String,
    /// Role names.
    pub roles: Vec<String>,
    /// Its own tenants.
    pub tenants: Vec<Uuid>,
    /// Its own regions.
    pub regions: Vec<String>,
    /// What it may be used for.
    pub scopes: Vec<String>,
    /// When it ends; never by itself where unset.
    pub expires: Option<SystemTime>,
}

/// A key that was made.
#[derive(Debug)]
pub struct Created {
    /// Its name in `list` and `revoke`.
    pub id: String,
    /// The key itself. It is kept nowhere: show it once.
    pub token: SecretString,
}

/// A key as the operator sees it.
#[derive(Clone, Debug)]
pub struct Listed {
    /// Its id, the middle part of the key.
    pub id: String,
    /// What the operator calls it.
    pub name: String,
    /// What the principal is called.
    pub display_name: String,
    /// Role names.
    pub roles: Vec<String>,
    /// Its own tenants.
    pub tenants: Vec<Uuid>,
    /// Its own regions.
    pub regions: Vec<String>,
    /// What it may be used for.
    pub scopes: Vec<String>,
    /// When it was made.
    pub created: SystemTime,
    /// When it ends by itself.
    pub expires: Option<SystemTime>,
    /// When it was taken back.
    pub revoked: Option<SystemTime>,
}

/// Make a key. Every host of this database believes it within moments.
///
/// # Errors
/// A name that cannot be one, an end that has passed, more keys than a host holds, or where the database refuses.
pub async fn create(admin: &Client, new: New) -> Result<Created, BoxError> {
    let New { name, display_name, roles, tenants, regions, scopes, expires } = new;
    let display_name = if display_name.is_empty() { name.clone() } else { display_name };
    let lists = [&roles, &regions, &scopes];
    let names = [&name, &display_name].into_iter().chain(lists.into_iter().flatten());
    if let Some(bad) = names.into_iter().find(|it| !is_name(it)) {
        let what = format!("{bad:?} cannot be a name; use 1 to 256 bytes without control characters");
        return Err(Error(what).into());
    }
    if expires.is_some_and(|it| it <= SystemTime::now()) {
        return Err(Error("the key would have ended already; choose a later end".to_owned()).into());
    }
    let in_force = "SELECT count(*) FROM rowhouse.api_keys
                    WHERE revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())";
    let in_force: i64 = admin.query_one(in_force, &[]).await?.get(0);
    if usize::try_from(in_force).is_ok_and(|it| it >= MAX_KEYS) {
        return Err(Error(format!("{MAX_KEYS} keys are in force, as many as a host holds; revoke some")).into());
    }
    let (id, secret) = {
        // Cryptographically secure, seeded by the operating system.
        let mut random = rand::rng();
        (Alphanumeric.sample_string(&mut random, ID), Alphanumeric.sample_string(&mut random, SECRET))
    };
    let token = SecretString::from(format!("{PREFIX}{id}_{secret}"));
    let hash = tokio::task::spawn_blocking(move || hash(&secret)).await??;
    let insert = "INSERT INTO rowhouse.api_keys
                    (id, name, hash, display_name, roles, tenants, regions, scopes, expires_at)
                  VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
    admin.execute(insert, &[&id, &name, &hash, &display_name, &roles, &tenants, &regions, &scopes, &expires]).await?;
    Ok(Created { id, token })
}

/// The keys there are and were, the newest first, at most ten thousand.
///
/// # Errors
/// Where the database refuses.
pub async fn list(admin: &Client) -> Result<Vec<Listed>, tokio_postgres::Error> {
    let select = "SELECT id, name, display_name, roles, tenants, regions, scopes, created_at, expires_at, revoked_at
                  FROM rowhouse.api_keys ORDER BY created_at DESC, id LIMIT $1";
    let rows = admin.query(select, &[&i64::try_from(MAX_KEYS).unwrap_or(i64::MAX)]).await?;
    let listed = |row: &tokio_postgres::Row| {
        Ok(Listed {
            id: row.try_get(0)?,
            name: row.try_get(1)?,
            display_name: row.try_get(2)?,
            roles: row.try_get(3)?,
            tenants: row.try_get(4)?,
            regions: row.try_get(5)?,
            scopes: row.try_get(6)?,
            created: row.try_get(7)?,
            expires: row.try_get(8)?,
            revoked: row.try_get(9)?,
        })
    };
    rows.iter().map(listed).collect()
}

/// Take a key back. Every host of this database refuses it within moments, also where it was seen before. Says whether
/// there was such a key in force.
///
/// # Errors
/// Where the database refuses.
pub async fn revoke(admin: &Client, id: &str) -> Result<bool, tokio_postgres::Error> {
    let update = "UPDATE rowhouse.api_keys SET revoked_at = now() WHERE id = $1 AND revoked_at IS NULL";
    Ok(admin.execute(update, &[&id]).await? > 0)
}
