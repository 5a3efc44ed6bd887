//! Tokens that were taken back before their end.

use super::copy::{Changes, Copy, Table};
use super::token::Token;
use super::unproven::{Reason, Unproven};
use crate::clerk::{Clerk, Topic};
use crate::config;
use sha2::{Digest, Sha256};
use std::collections::HashSet;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio_postgres::Client;

/// Revocations held at once, of tokens that have not ended. 16 bytes each and as much again for the set: 3 MB. Beyond
/// it no token is believed: an incomplete list would let somebody in who was locked out.
const MAX_REVOKED: usize = 100_000;

/// How long a row is of use after its token has ended: longer than any leeway.
const AFTERLIFE: Duration = Duration::from_secs(10 * 60);

/// A token, as far as taking it back goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// Who issued it (`iss`).
    pub issuer: String,
    /// Which of its tokens this is (`jti`, or what the settings say).
    pub id: String,
    /// When it ends by itself (`exp`).
    pub expires: SystemTime,
}

impl Named {
    /// Read a token without believing it, as the settings say of its issuer. Good enough to take it back: at worst a
    /// token that never was is revoked.
    ///
    /// # Errors
    /// [`Unproven`] for text that is not an access token with `iss`, `exp` and a name; see [`Unproven::reason`].
    pub fn read(token: &str, settings: &config::Identity) -> Result<Self, Unproven> {
        let token = Token::read(token.trim())?;
        let issuer = token.name("iss")?;
        let known = settings.issuers.iter().find(|known| known.url == issuer);
        let kinds = known.map_or_else(config::usual_types, |known| known.types.clone());
        token.is_access_token(&kinds)?;
        let id = known.map_or("jti", |known| known.claims.id.as_str());
        let expires = token.time("exp")?.and_then(|it| UNIX_EPOCH.checked_add(Duration::from_secs(it)));
        Ok(Self {
            issuer: issuer.to_owned(),
            id: token.name(id)?.to_owned(),
            expires: expires.ok_or_else(|| super::token::bad("exp", "is absent or beyond the calendar"))?,
        })
    }
}

/// Take a token back. Every host of this database refuses it within moments, also where it was seen before. `admin`
/// may write the host's own tables. Taking back twice makes it last no shorter: the later end counts, and the first
/// reason stays. Rows of tokens long over are cleared away.
///
/// # Errors
/// Where the database refuses.
pub async fn revoke(admin: &Client, token: &Named, reason: &str) -> Result<(), tokio_postgres::Error> {
    let insert = "INSERT INTO rowhouse.revocations (issuer, jti, expires_at, reason) VALUES ($1, $2, $3, $4)
                  ON CONFLICT (issuer, jti) DO UPDATE SET expires_at = excluded.expires_at
                  WHERE excluded.expires_at > revocations.expires_at";
    // Kept a day longer than needed, for whoever wonders why.
    let sweep = "DELETE FROM rowhouse.revocations WHERE expires_at < now() - interval '1 day'";
    // PostgreSQL's calendar ends before a 64-bit one; what does not fit is for ever.
    let expires = token.expires.min(UNIX_EPOCH + Duration::from_secs(LAST));
    admin.execute(insert, &[&token.issuer, &token.id, &expires, &reason]).await?;
    admin.execute(sweep, &[]).await?;
    Ok(())
}

/// The year 9999, in seconds since 1970.
const LAST: u64 = 253_370_764_800;

/// A revoked token's name, short. 128 bits of SHA-256: a chance meeting would lock out one token, and let in none.
pub(super) type Mark = u128;

/// The mark of an issuer's token.
pub(super) fn mark(issuer: &str, id: &str) -> Mark {
    // The length parts the two names: no issuer can write another's.
    let digest = Sha256::new().chain_update((issuer.len() as u64).to_be_bytes()).chain_update(issuer).chain_update(id);
    let digest: [u8; 32] = digest.finalize().into();
    u128::from_be_bytes(std::array::from_fn(|at| digest[at]))
}

/// What was taken back, or nothing where it is too much to hold.
pub(super) struct Marks(Option<HashSet<Mark>>);

impl Table for Marks {
    const TOPIC: Topic = Topic::Revocations;

    async fn read(client: &Client) -> Result<Self, tokio_postgres::Error> {
        let select = "SELECT issuer, jti FROM rowhouse.revocations
                      WHERE expires_at > now() - make_interval(secs => $1) LIMIT $2";
        let bound = i64::try_from(MAX_REVOKED + 1).unwrap_or(i64::MAX);
        let rows = client.query(select, &[&AFTERLIFE.as_secs_f64(), &bound]).await?;
        Ok(Self::new(rows.iter().map(|row| mark(row.get(0), row.get(1)))))
    }
}

impl Marks {
    pub(super) fn new(marks: impl ExactSizeIterator<Item = Mark>) -> Self {
        if marks.len() > MAX_REVOKED {
            tracing::error!(
                bound = MAX_REVOKED,
                "more tokens were revoked than this host can hold; no token is believed until some have ended"
            );
            return Self(None);
        }
        Self(Some(marks.collect()))
    }
}

/// The list, as this host knows it.
pub(super) struct Revoked(Copy<Marks>);

impl Revoked {
    pub(super) fn follow(clerk: Clerk) -> Self {
        Self(Copy::follow(clerk))
    }

    #[cfg(test)]
    pub(super) fn fixed(marks: Marks, age: Duration) -> Self {
        Self(Copy::fixed(marks, age))
    }

    #[cfg(test)]
    pub(super) fn over(copy: Copy<Marks>) -> Self {
        Self(copy)
    }

    /// Word of newer lists.
    pub(super) fn changes(&self) -> Changes<Marks> {
        self.0.changes()
    }

    /// Refuse what was taken back. Where that is not known, refuse everything.
    pub(super) async fn check(&self, mark: Mark) -> Result<(), Unproven> {
        let unknown = |what: &str| Unproven::new(Reason::RevocationsUnknown, what);
        let marks = self.0.now().await.ok_or_else(|| unknown("the host's own tables were not read lately"))?;
        let marks = marks.0.as_ref().ok_or_else(|| unknown("there are more than this host holds"))?;
        match marks.contains(&mark) {
            true => Err(Unproven::new(Reason::Revoked, "the token was taken back")),
            false => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_not_known_is_refused() {
        let check = async |marks: Marks, age: u64, id: &str| {
            let revoked = Revoked::fixed(marks, Duration::from_secs(age));
            revoked.check(mark("as", id)).await.map_err(|refused| refused.reason()).err()
        };
        let one = || Marks::new([mark("as", "1")].into_iter());
        assert_eq!(check(one(), 0, "1").await, Some(Reason::Revoked));
        assert_eq!(check(one(), 0, "2").await, None);
        assert_eq!(check(one(), 301, "2").await, Some(Reason::RevocationsUnknown), "an old list");
        let full = Marks::new(vec![0; MAX_REVOKED].into_iter());
        assert_eq!(check(full, 0, "2").await, None);
        let over = Marks::new(vec![0; MAX_REVOKED + 1].into_iter());
        assert_eq!(check(over, 0, "2").await, Some(Reason::RevocationsUnknown), "more than can be held");
        assert_ne!(mark("a", "bc"), mark("ab", "c"));
    }
}
