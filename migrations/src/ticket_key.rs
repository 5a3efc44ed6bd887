//! The keys of the database: the one the host signs tickets with, and the one it keeps to itself.
//!
//! The database gets the two pads of HMAC (RFC 2104), not the key: a check is then two hashes without a byte loop in
//! SQL. They are as secret as the key.

use std::time::SystemTime;

use sha2::{Digest as _, Sha256};
use tokio_postgres::{Client, Row};

use crate::error::{Doing as _, Error};
use crate::harden;

/// SHA-256 works on blocks of this many bytes.
const BLOCK: usize = 64;
/// As many bytes as the digest has; a shorter key would be the weakest part.
const SHORTEST_KEY: usize = 32;

/// A key of the database, without the key itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostKey {
    /// `ticket`, or `ctx` for the one the database keeps to itself.
    pub usage: String,
    /// What tickets, or contexts, call it by.
    pub kid: String,
    /// When it was made or installed.
    pub since: SystemTime,
    /// When it ends. None: it is in use until it is replaced.
    pub ends: Option<SystemTime>,
}

/// Makes `key` valid for tickets that name `kid`, from now on and until [`retire_ticket_key`], and deletes keys that
/// ended. Safe to repeat; the same `kid` with another key replaces it. Two may live at once, so that hosts can change
/// over one by one.
///
/// # Errors
/// [`Error::BadKeyId`], [`Error::ShortKey`] (under 32 bytes), [`Error::Database`].
pub async fn install_ticket_key(admin: &Client, kid: &str, key: &[u8]) -> Result<(), Error> {
    put(admin, kid, key, None).await?;
    sweep(admin).await
}

/// Makes `key` valid for `seconds` only: the first step of a replacement. Should the second never come, the key ends
/// by itself, and no host is told that this database belongs to another.
///
/// # Errors
/// As [`install_ticket_key`].
pub async fn announce_ticket_key(admin: &Client, kid: &str, key: &[u8], seconds: u32) -> Result<(), Error> {
    put(admin, kid, key, Some(f64::from(seconds))).await
}

async fn put(admin: &Client, kid: &str, key: &[u8], seconds: Option<f64>) -> Result<(), Error> {
    let letters = |b: u8| b.is_ascii_alphanumeric() || b"_.-".contains(&b);
    if kid.is_empty() || kid.len() > 64 || !kid.bytes().all(letters) {
        return Err(Error::BadKeyId);
    }
    if key.len() < SHORTEST_KEY {
        return Err(Error::ShortKey(key.len()));
    }
    let (ipad, opad) = pads(key);
    // Pads are parameters, and a server may log those; only a superuser can say otherwise.
    let quiet = harden::is_superuser(admin).await?;
    if quiet {
        admin
            .batch_execute("SET log_parameter_max_length = 0")
            .await
            .doing("keep the ticket key out of the server's log")?;
    }
    let installed = admin
        .execute(
            "INSERT INTO rowhouse_private.key (usage, kid, ipad, opad, not_after)
             VALUES ('ticket', $1, $2, $3, coalesce(clock_timestamp() + $4 * interval '1 second', 'infinity'))
             ON CONFLICT (usage, kid) DO UPDATE
             SET ipad = excluded.ipad, opad = excluded.opad, not_after = excluded.not_after",
            &[&kid, &ipad.as_slice(), &opad.as_slice(), &seconds],
        )
        .await;
    if quiet {
        admin.batch_execute("RESET log_parameter_max_length").await.doing("restore the server's logging")?;
    }
    installed.doing("install the ticket key")?;
    Ok(())
}

/// Ends the validity of the ticket key `kid` after `grace_seconds` (0: at once), and deletes keys that ended before.
///
/// # Errors
/// [`Error::Database`]. An unknown `kid` is not an error: it is already as the caller wishes.
pub async fn retire_ticket_key(admin: &Client, kid: &str, grace_seconds: u32) -> Result<(), Error> {
    admin
        .execute(
            "UPDATE rowhouse_private.key SET not_after = least(not_after, clock_timestamp() + $2 * interval '1 second')
             WHERE usage = 'ticket' AND kid = $1",
            &[&kid, &f64::from(grace_seconds)],
        )
        .await
        .doing("retire the ticket key")?;
    sweep(admin).await
}

/// Puts a new context key in the place of the one policies verify with. It is made in the database and never leaves
/// it; the old one is good for ten minutes more, far longer than any transaction that began with it. Returns the new
/// one's name.
///
/// # Errors
/// [`Error::Database`], e.g. when `admin` may not act as `rowhouse_keeper`.
pub async fn rotate_context_key(admin: &Client) -> Result<String, Error> {
    let row = admin
        .query_one("SELECT rowhouse_private.rotate_context()", &[])
        .await
        .doing("replace the context key (run `rowhouse db migrate` first)")?;
    Ok(row.get(0))
}

/// The ticket keys of hosts that do not share one of `ours`. One that is on its way out is nobody's any more.
///
/// # Errors
/// [`Error::Database`].
pub async fn other_ticket_keys(admin: &Client, ours: &[String]) -> Result<Vec<String>, Error> {
    let rows = admin
        .query(
            "SELECT kid FROM rowhouse_private.key
             WHERE usage = 'ticket' AND kid <> ALL ($1) AND not_after = 'infinity' ORDER BY kid",
            &[&ours],
        )
        .await
        .doing("look for the keys of other hosts")?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// Every key the database has, those that ended and were not deleted yet among them.
///
/// # Errors
/// [`Error::Database`].
pub async fn host_keys(admin: &Client) -> Result<Vec<HostKey>, Error> {
    let rows = admin
        .query(
            "SELECT usage, kid, created_at, nullif(not_after, 'infinity') FROM rowhouse_private.key
             ORDER BY usage DESC, created_at, kid",
            &[],
        )
        .await
        .doing("list the keys")?;
    let key = |row: &Row| HostKey { usage: row.get(0), kid: row.get(1), since: row.get(2), ends: row.get(3) };
    Ok(rows.iter().map(key).collect())
}

async fn sweep(admin: &Client) -> Result<(), Error> {
    admin
        .execute("DELETE FROM rowhouse_private.key WHERE not_after <= clock_timestamp()", &[])
        .await
        .doing("delete ended keys")?;
    Ok(())
}

/// The key laid over HMAC's inner and outer pad. A key longer than a block is hashed first, as the standard says.
fn pads(key: &[u8]) -> ([u8; BLOCK], [u8; BLOCK]) {
    let mut block = [0; BLOCK];
    if key.len() > BLOCK {
        block[..32].copy_from_slice(&Sha256::digest(key));
    } else {
        block[..key.len()].copy_from_slice(key);
    }
    (block.map(|b| b ^ 0x36), block.map(|b| b ^ 0x5c))
}

#[cfg(test)]
mod tests {
    use sha2::{Digest as _, Sha256};

    use super::pads;

    #[track_caller]
    fn check(key: &[u8], message: &[u8], expect: &str) {
        let (ipad, opad) = pads(key);
        let inner = Sha256::new().chain_update(ipad).chain_update(message).finalize();
        let mac = Sha256::new().chain_update(opad).chain_update(inner).finalize();
        assert_eq!(hex::encode(mac), expect);
    }

    // Test cases 1, 2, 3 and 6 of RFC 4231; the last has a key longer than a block.
    #[test]
    fn pads_make_the_hmac_of_the_standard() {
        check(&[0x0b; 20], b"Hi There", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
        check(
            b"Jefe",
            b"what do ya want for nothing?",
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
        );
        check(&[0xaa; 20], &[0xdd; 50], "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe");
        check(
            &[0xaa; 131],
            b"Test Using Larger Than Block-Size Key - Hash Key First",
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
        );
    }
}
