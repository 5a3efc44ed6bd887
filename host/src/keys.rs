//! The host's own secrets: made once, kept in the state directory, readable by nobody else; or fetched from where the
//! settings say.
//!
//! A key that is replaced lives on beside the new one until its grace ends (`NAME.previous.key`), so that nothing
//! stops while hosts and callers change over. [`replace`] writes, [`watch`] tells a running host.

mod file; // Bytes on disk.
mod rotate; // A new key, and the old one for a while.
mod watch; // Word of new keys.

pub use rotate::{Kept, forget_previous, kept, ours, replace};
pub use watch::watch;

use crate::config::{Keys as Settings, Secret, SecretError};
use base64::Engine;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use file::Dir;
use hmac::{Hmac, Mac};
use secrecy::{ExposeSecret, SecretBox, SecretString};
use sha2::Sha256;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// A 256-bit key.
pub type Key = SecretBox<[u8; 32]>;

/// Which key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Name {
    /// Signs tickets.
    Ticket,
    /// Signs the demo's tokens.
    Issuer,
    /// What passwords follow from.
    Login,
    /// Chains the audit trail.
    Audit,
}

impl Name {
    /// Every key.
    pub const ALL: [Name; 4] = [Name::Ticket, Name::Issuer, Name::Login, Name::Audit];

    /// Its name in the settings and, before `.key`, in the state directory.
    pub const fn as_str(self) -> &'static str {
        match self {
            Name::Ticket => "ticket",
            Name::Issuer => "issuer",
            Name::Login => "login",
            Name::Audit => "audit",
        }
    }

    fn setting(self, settings: &Settings) -> Option<&Secret> {
        match self {
            Name::Ticket => settings.ticket.as_ref(),
            Name::Issuer => settings.issuer.as_ref(),
            Name::Login => settings.login.as_ref(),
            Name::Audit => settings.audit.as_ref(),
        }
    }

    fn previous_setting(self, settings: &Settings) -> Option<&Secret> {
        match self {
            Name::Ticket => settings.ticket_previous.as_ref(),
            Name::Issuer => settings.issuer_previous.as_ref(),
            Name::Login | Name::Audit => None,
        }
    }
}

/// Why there are no keys. No text holds any of one.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The directory cannot be used.
    #[error("{}: {source}; choose a state directory this user may write (`--state-dir DIR` or ROWHOUSE_STATE)", .dir.display())]
    Directory {
        /// Which.
        dir: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file cannot be read or written.
    #[error("the key {}: {source}", .path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Others may read or change it.
    #[error("the key {} is open to others; run `chmod 600` on it", .0.display())]
    Open(PathBuf),
    /// It is no key of ours.
    #[error("the key {} must be {want} bytes", .path.display())]
    Length {
        /// Which.
        path: PathBuf,
        /// How long it should be.
        want: usize,
    },
    /// The settings say where it is, and it is not to be had there.
    #[error("the setting keys.{name}")]
    Setting {
        /// Which.
        name: &'static str,
        /// Why.
        #[source]
        source: SecretError,
    },
    /// The settings lead to something that is no key.
    #[error("the setting keys.{0} must lead to 32 bytes in hexadecimal or base64")]
    NoKey(&'static str),
    /// Passwords would change whenever the ticket key does.
    #[error(
        "keys.ticket is set and keys.login is not: set keys.login, too. Where hosts run already, give it what \
         keys/login.key of their state directory holds (or keys/ticket.key, where there is no such file)"
    )]
    NoLogin,
    /// A key of the settings is not ours to replace.
    #[error(
        "the {name} key comes from {place}: replace it there. The ticket key and the issuer key may stay valid for a \
         while as keys.{name}_previous; a login key may not"
    )]
    Elsewhere {
        /// Which.
        name: &'static str,
        /// Where it is kept.
        place: String,
    },
    /// Others may put a key of theirs in place of one of ours.
    #[error("the directory of keys {} may be written by others; run `chmod 700` on it", .0.display())]
    OpenDirectory(PathBuf),
    /// It belongs to neither this user nor root.
    #[error("{} belongs to user {owner}, who could change it; run `chown` on it", .path.display())]
    Foreign {
        /// Which file or directory.
        path: PathBuf,
        /// Whose.
        owner: u32,
    },
    /// Nothing tells of changes in the directory.
    #[error("watch {}", .dir.display())]
    Watch {
        /// Which.
        dir: PathBuf,
        /// Why.
        #[source]
        source: notify::Error,
    },
}

/// The secrets of one host.
pub struct Keys {
    /// Signs the tickets that open a tenant's context in the database.
    pub ticket: Key,
    /// The ticket key before this one, while its grace lasts.
    pub ticket_previous: Option<Key>,
    /// Signs the demo's tokens.
    pub issuer: Key,
    /// The issuer key before this one, while its grace lasts: tokens it signed are still good.
    pub issuer_previous: Option<Key>,
    /// Chains the audit trail.
    pub audit: Key,
    /// What the passwords of the login roles follow from. Not the ticket key, so that one can be replaced without the
    /// other.
    pub login: Key,
    /// The login key before this one, while its grace lasts.
    pub login_previous: Option<Key>,
    /// When the first of the previous ones ends.
    ends: Option<SystemTime>,
    /// When the previous ticket key ends.
    ticket_ends: Option<SystemTime>,
}

impl Keys {
    /// Read the keys of a state directory, or make them on first use.
    ///
    /// # Errors
    /// Names the file and what is wrong with it: not writable, open to others, of the wrong length.
    pub fn open(state: &Path) -> Result<Self, Error> {
        Self::with(state, &Settings::default())
    }

    /// The same, with those of the settings in place of those of the directory. Runs the programs the settings name,
    /// and blocks meanwhile.
    ///
    /// # Errors
    /// As [`Keys::open`], and what is wrong with a setting.
    pub fn with(state: &Path, settings: &Settings) -> Result<Self, Error> {
        Given::fetch(settings)?.complete(&Dir::open(state)?, true)
    }

    /// The name the ticket key goes by in the database. A digest, so that the same key has the same name everywhere.
    pub fn ticket_name(&self) -> String {
        ticket_name(&self.ticket)
    }

    /// The names of this host's own ticket keys: the one it signs with, then the one before, while its grace lasts.
    pub fn ticket_names(&self) -> Vec<String> {
        [Some(&self.ticket), self.ticket_previous.as_ref()].into_iter().flatten().map(ticket_name).collect()
    }

    /// Which keys are others than in `before`.
    pub fn replaced_since(&self, before: &Self) -> Vec<Name> {
        let pairs = [
            (Name::Ticket, &self.ticket, &before.ticket),
            (Name::Issuer, &self.issuer, &before.issuer),
            (Name::Login, &self.login, &before.login),
            (Name::Audit, &self.audit, &before.audit),
        ];
        pairs.into_iter().filter(|(_, now, then)| !same(now, then)).map(|(name, ..)| name).collect()
    }

    /// The ticket key on its way out, by its name in the database, and the seconds it has left.
    pub fn retiring(&self) -> Option<(String, u32)> {
        let left = self.ticket_ends?.duration_since(SystemTime::now()).unwrap_or_default().as_secs();
        Some((ticket_name(self.ticket_previous.as_ref()?), u32::try_from(left).unwrap_or(u32::MAX)))
    }

    /// The password of a login role. Derived, so that every host that shares the login key knows it and nothing has
    /// to be stored.
    pub fn password(&self, role: &str) -> SecretString {
        password(&self.login, role)
    }

    /// The password the role had before the login key was replaced, while the grace of that lasts.
    pub fn previous_password(&self, role: &str) -> Option<SecretString> {
        self.login_previous.as_ref().map(|key| password(key, role))
    }
}

/// The name a ticket key goes by in the database.
pub fn ticket_name(key: &Key) -> String {
    format!("k{}", hex::encode(&derive(key, "name")[..6]))
}

/// The password a login role has by this login key.
pub fn password(login: &Key, role: &str) -> SecretString {
    SecretString::from(hex::encode(derive(login, &format!("login:{role}"))))
}

/// A new key, from the system's source of chance.
pub fn fresh() -> Key {
    let mut bytes = Box::new([0u8; 32]);
    rand::fill(&mut bytes[..]);
    SecretBox::new(bytes)
}

fn derive(key: &Key, purpose: &str) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.expose_secret()).expect("HMAC takes a key of any length");
    mac.update(purpose.as_bytes());
    mac.finalize().into_bytes().into()
}

fn copy(key: &Key) -> Key {
    SecretBox::new(Box::new(*key.expose_secret()))
}

/// What the settings give, fetched once: a change in the directory is no reason to run a program again.
struct Given {
    current: [Option<Key>; Name::ALL.len()],
    previous: [Option<Key>; Name::ALL.len()],
    /// When a ticket key before this one ends, counted from the fetching. The database keeps the earliest of all starts.
    ticket_ends: SystemTime,
}

impl Given {
    fn fetch(settings: &Settings) -> Result<Self, Error> {
        if settings.ticket.is_some() && settings.login.is_none() {
            return Err(Error::NoLogin);
        }
        let grace = Duration::from_secs(settings.previous_grace_seconds).min(LONGEST_GRACE);
        let ticket_ends = SystemTime::now() + grace;
        let mut given = Self { current: Default::default(), previous: Default::default(), ticket_ends };
        for name in Name::ALL {
            given.current[name as usize] = name.setting(settings).map(|it| fetch(name, it)).transpose()?;
            given.previous[name as usize] = name.previous_setting(settings).map(|it| fetch(name, it)).transpose()?;
        }
        Ok(given)
    }

    /// With the keys of the directory, which are made where there are none only if `make` says so.
    fn complete(&self, dir: &Dir, make: bool) -> Result<Keys, Error> {
        let current = |name: Name, first: &dyn Fn() -> Key| match &self.current[name as usize] {
            Some(given) => Ok(copy(given)),
            None => dir.current(name, make.then_some(first)),
        };
        let previous = |name: Name, current: &Key| -> Result<(Option<Key>, Option<SystemTime>), Error> {
            let now = SystemTime::now();
            if let Some(given) = &self.previous[name as usize] {
                return Ok(match name {
                    // The database has it, and would have it for ever.
                    Name::Ticket if same(given, current) || self.ticket_ends <= now => (None, None),
                    Name::Ticket => (Some(copy(given)), Some(self.ticket_ends)),
                    _ => (Some(copy(given)), None),
                });
            }
            if self.current[name as usize].is_some() {
                return Ok((None, None));
            }
            // The same key twice: the host that was replacing it stopped half-way, before the new one was in place.
            let kept = dir.previous(name)?.filter(|(old, end)| *end > now && !same(old, current));
            Ok(kept.unzip())
        };
        let ticket = current(Name::Ticket, &fresh)?;
        let issuer = current(Name::Issuer, &fresh)?;
        let audit = current(Name::Audit, &fresh)?;
        // Before there was a login key, passwords followed from the ticket key: hosts that share that one agree.
        let login = current(Name::Login, &|| copy(&ticket))?;
        let (ticket_previous, ticket_ends) = previous(Name::Ticket, &ticket)?;
        let (issuer_previous, issuer_ends) = previous(Name::Issuer, &issuer)?;
        let (login_previous, login_ends) = previous(Name::Login, &login)?;
        let ends = [ticket_ends, issuer_ends, login_ends].into_iter().flatten().min();
        Ok(Keys { ticket, ticket_previous, issuer, issuer_previous, audit, login, login_previous, ends, ticket_ends })
    }
}

fn same(a: &Key, b: &Key) -> bool {
    a.expose_secret() == b.expose_secret()
}

fn fetch(name: Name, secret: &Secret) -> Result<Key, Error> {
    let text = secret.resolve().map_err(|source| Error::Setting { name: name.as_str(), source })?;
    let text = text.expose_secret().trim();
    // Of either alphabet, with padding or without: what wrote it is not ours to choose.
    let loose = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let decoded = match text.len() {
        64 => hex::decode(text).ok(),
        _ => [STANDARD, URL_SAFE].iter().find_map(|it| GeneralPurpose::new(it, loose).decode(text).ok()),
    };
    let bytes: Option<[u8; 32]> = decoded.and_then(|bytes| bytes.try_into().ok());
    bytes.map(|bytes| SecretBox::new(Box::new(bytes))).ok_or(Error::NoKey(name.as_str()))
}

/// The longest a key that was replaced may stay valid: a month. Longer is not a rotation.
pub const LONGEST_GRACE: Duration = Duration::from_secs(30 * 24 * 60 * 60);

#[cfg(test)]
mod tests;
