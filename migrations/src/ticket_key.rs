//! The key the host signs tickets with, as the database keeps it.
//!
//! The database gets the two pads of HMAC (RFC 2104), not the key: a check is then two hashes without a byte loop in
//! SQL. They are as secret as the key.

use sha2::{Digest as _, Sha256};
use tokio_postgres::Client;

use crate::error::{Doing as _, Error};
use crate::harden;

/// SHA-256 works on blocks of this many bytes.
const BLOCK: usize = 64;
/// As many bytes as the digest has; a shorter key would be the weakest part.
const SHORTEST_KEY: usize = 32;

/// Makes `key` valid for tickets that name `kid`, from now on and until [`retire_ticket_key`]. Safe to repeat; the
/// same `kid` with another key replaces it. Two may live at once, so that hosts can change over one by one.
///
/// # Errors
/// [`Error::BadKeyId`], [`Error::ShortKey`] (under 32 bytes), [`Error::Database`].
pub async fn install_ticket_key(admin: &Client, kid: &str, key: &[u8]) -> Result<(), Error> {
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
            "INSERT INTO rowhouse_private.key (usage, kid, ipad, opad) VALUES ('ticket', $1, $2, $3)
             ON CONFLICT (usage, kid) DO UPDATE SET ipad = excluded.ipad, opad = excluded.opad, not_after = 'infinity'",
            &[&kid, &ipad.as_slice(), &opad.as_slice()],
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
    admin
        .execute("DELETE FROM rowhouse_private.key WHERE usage = 'ticket' AND not_after <= clock_timestamp()", &[])
        .await
        .doing("delete ended ticket keys")?;
    Ok(())
}

/// The other live ticket keys: those of hosts that do not share `kid`.
///
/// # Errors
/// [`Error::Database`].
pub async fn other_ticket_keys(admin: &Client, kid: &str) -> Result<Vec<String>, Error> {
    let rows = admin
        .query(
            "SELECT kid FROM rowhouse_private.key WHERE usage = 'ticket' AND kid <> $1 AND not_after > now() ORDER BY kid",
            &[&kid],
        )
        .await
        .doing("look for the keys of other hosts")?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
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
