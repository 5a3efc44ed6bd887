//! The host's own secrets: made once, kept in the state directory, readable by nobody else.

use crate::error::BoxError;
use hmac::{Hmac, Mac};
use secrecy::{ExposeSecret, SecretBox, SecretString};
use sha2::Sha256;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// A 256-bit key.
pub type Key = SecretBox<[u8; 32]>;

/// The secrets of one state directory.
pub struct Keys {
    /// Signs the tickets that open a tenant's context in the database.
    pub ticket: Key,
    /// Signs the demo's tokens.
    pub issuer: Key,
}

impl Keys {
    /// Read the keys, or make them on first use.
    ///
    /// # Errors
    /// Names the file and what is wrong with it: not writable, open to others, of the wrong length.
    pub fn open(state: &Path) -> Result<Self, BoxError> {
        let dir = state.join("keys");
        let unusable = |e: std::io::Error| {
            format!(
                "{}: {e}; choose a state directory this user may write (`--state-dir DIR` or ROWHOUSE_STATE)",
                dir.display()
            )
        };
        // The state directory itself stays open to others: PostgreSQL runs as another user when the host is root.
        std::fs::create_dir_all(state).map_err(unusable)?;
        DirBuilder::new().recursive(true).mode(0o700).create(&dir).map_err(unusable)?;
        Ok(Self { ticket: key(&dir.join("ticket.key"))?, issuer: key(&dir.join("issuer.key"))? })
    }

    /// The name the ticket key goes by in the database. A digest, so that the same key has the same name everywhere.
    pub fn ticket_name(&self) -> String {
        format!("k{}", hex::encode(&self.derive("name")[..6]))
    }

    /// The password of a login role. Derived from the ticket key, so that every host that shares the key knows it and
    /// nothing has to be stored.
    pub fn password(&self, role: &str) -> SecretString {
        SecretString::from(hex::encode(self.derive(&format!("login:{role}"))))
    }

    fn derive(&self, purpose: &str) -> [u8; 32] {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(self.ticket.expose_secret()).expect("HMAC takes a key of any length");
        mac.update(purpose.as_bytes());
        mac.finalize().into_bytes().into()
    }
}

fn key(path: &Path) -> Result<Key, BoxError> {
    let about = |e: &dyn std::fmt::Display| format!("the key {}: {e}", path.display());
    let mut bytes = [0u8; 32];
    match File::open(path) {
        Ok(mut file) => {
            let mode = file.metadata().map_err(|e| about(&e))?.permissions().mode();
            if mode & 0o077 != 0 {
                return Err(about(&"is open to others; run `chmod 600` on it").into());
            }
            file.read_exact(&mut bytes).map_err(|_| about(&"must be 32 bytes"))?;
        }
        Err(e) if e.kind() == ErrorKind::NotFound => {
            rand::fill(&mut bytes);
            // Beside, then linked into place: two hosts that start at once agree on the first one's key.
            let fresh = path.with_extension(format!("{}.part", std::process::id()));
            let write = || {
                OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh)?.write_all(&bytes)?;
                let linked = std::fs::hard_link(&fresh, path);
                std::fs::remove_file(&fresh)?;
                linked
            };
            match write() {
                Ok(()) => {}
                Err(e) if e.kind() == ErrorKind::AlreadyExists => return key(path),
                Err(e) => return Err(about(&e).into()),
            }
        }
        Err(e) => return Err(about(&e).into()),
    }
    Ok(SecretBox::new(Box::new(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_made_once_and_guarded() {
        let dir = tempfile::tempdir().unwrap();
        let first = Keys::open(dir.path()).unwrap();
        let again = Keys::open(dir.path()).unwrap();
        assert_eq!(first.ticket.expose_secret(), again.ticket.expose_secret());
        assert_ne!(first.ticket.expose_secret(), first.issuer.expose_secret());
        assert_ne!(first.password("a").expose_secret(), first.password("b").expose_secret());
        let path = dir.path().join("keys/ticket.key");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(Keys::open(dir.path()).err().expect("an open key is refused").to_string().contains("chmod 600"));
    }
}
