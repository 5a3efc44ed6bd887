//! A setting that is a secret: written down, or a word about where to fetch it.
//!
//! ```toml
//! url = "postgres://..."                                   # as it is; mind who reads the file
//! url = { env = "PGURL" }                                  # a variable of the environment
//! url = { file = "/run/secrets/pgurl" }                    # a file nobody else may read
//! url = { command = ["vault", "kv", "get", "-field=url", "secret/rowhouse"] }
//! ```
//!
//! It is fetched when it is needed and held nowhere else. `Debug` shows where it comes from and never what it is.

mod command;

use rustix::fs::OFlags;
use secrecy::SecretString;
use serde::de::{self, Deserialize, Deserializer, MapAccess, Visitor};
use std::fmt;
use std::fs::OpenOptions;
use std::io::Read;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The longest secret, in bytes: four times the longest private key anybody uses.
const LONGEST: usize = 64 << 10;

/// Where the machine mounts secrets for one service only: Docker and Podman, Kubernetes, systemd. Their files are
/// often readable by all, and nobody else has them before his eyes.
const MOUNTED: [&str; 3] = ["/run/secrets", "/var/run/secrets", "/run/credentials"];

/// A secret, or where to fetch it.
#[derive(Clone)]
pub enum Secret {
    /// The secret itself.
    Text(SecretString),
    /// In this variable of the environment.
    Env(String),
    /// In this file. Its last line break is cut.
    File(PathBuf),
    /// On the standard output of this program, run without a shell. Its last line break is cut.
    Command(Vec<String>),
}

/// Why a secret could not be had. No text holds any of it.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// No such variable.
    #[error("the variable {0} is not set, or is not text")]
    Env(String),
    /// The file cannot be read.
    #[error("the file {}", .path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file is no plain file.
    #[error("{} is not a plain file", .0.display())]
    NoFile(PathBuf),
    /// Others may read or change the file.
    #[error("the file {} is open to others (mode {mode:o}); run `chmod 600` on it", .path.display())]
    Open {
        /// Which.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// Somebody else may change the file.
    #[error("the file {} belongs to user {owner}, who could change it; run `chown` on it", .path.display())]
    Foreign {
        /// Which.
        path: PathBuf,
        /// Whose.
        owner: u32,
    },
    /// The program cannot be started.
    #[error("start {program}")]
    Start {
        /// Which.
        program: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The program failed. What it said of it is not repeated: it may hold the secret.
    #[error("{program} failed with {status}; run it by hand to see why")]
    Failed {
        /// Which.
        program: String,
        /// How it ended.
        status: String,
    },
    /// The program took too long.
    #[error("{0} did not end within 10 seconds")]
    Slow(String),
    /// Nothing there.
    #[error("{0} is empty")]
    Empty(String),
    /// Too much there.
    #[error("{0} has more than 64 KiB")]
    Long(String),
    /// Not text.
    #[error("{0} is not text in UTF-8")]
    NoText(String),
}

impl Secret {
    /// A database by the variables that PostgreSQL's own container and many examples use: `POSTGRES_HOST`, and `_PORT`,
    /// `_DB`, `_USER`, `_PASSWORD` beside it. Nothing where there is no host: the others alone mean somebody else.
    pub fn of_postgres_variables() -> Option<Self> {
        Self::of_parts(|name| std::env::var(format!("POSTGRES_{name}")).ok().filter(|value| !value.is_empty()))
    }

    /// As libpq's keywords and values, where nothing in a value is anything but a value.
    fn of_parts(part: impl Fn(&str) -> Option<String>) -> Option<Self> {
        let host = part("HOST")?;
        let rest = [("port", "PORT"), ("dbname", "DB"), ("user", "USER"), ("password", "PASSWORD")];
        let rest = rest.into_iter().filter_map(|(key, name)| Some((key, part(name)?)));
        let quoted =
            |(key, value): (&str, String)| format!("{key}='{}'", value.replace('\\', "\\\\").replace('\'', "\\'"));
        let words: Vec<String> = std::iter::once(("host", host)).chain(rest).map(quoted).collect();
        Some(Self::from(words.join(" ")))
    }

    /// Fetch it. May take as long as a program may run, ten seconds, and blocks the thread meanwhile.
    ///
    /// # Errors
    /// [`SecretError`]: what is missing, open to others, slow or too long.
    pub fn resolve(&self) -> Result<SecretString, SecretError> {
        let place = self.place();
        let bytes = match self {
            Self::Text(text) => return Ok(text.clone()),
            Self::Env(name) => std::env::var(name).map_err(|_| SecretError::Env(name.clone()))?.into_bytes(),
            Self::File(path) => file(path)?,
            Self::Command(words) => command::run(words, command::PATIENCE)?,
        };
        if bytes.len() > LONGEST {
            return Err(SecretError::Long(place));
        }
        let text = String::from_utf8(bytes).map_err(|_| SecretError::NoText(place.clone()))?;
        let text = text.strip_suffix('\n').map_or(text.as_str(), |cut| cut.strip_suffix('\r').unwrap_or(cut));
        if text.is_empty() {
            return Err(SecretError::Empty(place));
        }
        Ok(SecretString::from(text))
    }

    /// Where it comes from, for people.
    pub fn place(&self) -> String {
        match self {
            Self::Text(_) => "the settings".to_owned(),
            Self::Env(name) => format!("the variable {name}"),
            Self::File(path) => format!("the file {}", path.display()),
            Self::Command(words) => format!("the output of {}", words.first().map_or("", String::as_str)),
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Arguments of a program may hold a token; a name or a path may not.
        f.write_str(match self {
            Self::Text(_) => "Secret(text)",
            Self::Env(_) => "Secret(env)",
            Self::File(_) => "Secret(file)",
            Self::Command(_) => "Secret(command)",
        })
    }
}

impl From<SecretString> for Secret {
    fn from(text: SecretString) -> Self {
        Self::Text(text)
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self::Text(SecretString::from(text))
    }
}

/// By hand: what stands in the settings must not come back in an error's text.
impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Secret;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text, { env = \"NAME\" }, { file = \"/path\" } or { command = [\"program\", \"word\"] }")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Secret, E> {
                match text.is_empty() {
                    true => Err(E::custom("a secret is not empty")),
                    false => Ok(Secret::from(text.to_owned())),
                }
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Secret, M::Error> {
                let known = &["env", "file", "command"];
                let secret = match map.next_key::<String>()?.as_deref() {
                    Some("env") => Secret::Env(map.next_value()?),
                    Some("file") => Secret::File(map.next_value()?),
                    Some("command") => Secret::Command(map.next_value()?),
                    Some(other) => return Err(de::Error::unknown_field(other, known)),
                    None => return Err(de::Error::custom("one of env, file and command is needed")),
                };
                if map.next_key::<String>()?.is_some() {
                    return Err(de::Error::custom("only one of env, file and command can be meant"));
                }
                match &secret {
                    Secret::Env(name) if name.is_empty() => Err(de::Error::custom("env names no variable")),
                    Secret::Command(words) if words.is_empty() => Err(de::Error::custom("command names no program")),
                    _ => Ok(secret),
                }
            }
        }
        from.deserialize_any(Reader)
    }
}

/// The bytes of a file nobody else may read or change.
fn file(path: &Path) -> Result<Vec<u8>, SecretError> {
    let about = |source| SecretError::File { path: path.to_owned(), source };
    // Without waiting: a pipe nobody writes to would hold the start up for ever.
    let flags = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or_default();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path).map_err(about)?;
    let found = file.metadata().map_err(about)?;
    if !found.is_file() {
        return Err(SecretError::NoFile(path.to_owned()));
    }
    let place = std::fs::canonicalize(path).map_err(about)?;
    let (mode, owner) = (found.mode(), found.uid());
    if !owned(&place, owner) {
        return Err(SecretError::Foreign { path: path.to_owned(), owner });
    }
    if !guarded(&place, mode, owner, found.gid()) {
        return Err(SecretError::Open { path: path.to_owned(), mode: mode & 0o7777 });
    }
    let mut bytes = Vec::new();
    file.take(LONGEST as u64 + 1).read_to_end(&mut bytes).map_err(about)?;
    Ok(bytes)
}

/// Whether only the host's user and root can read a file, and only its owner can change it. Two exceptions, both
/// common and both safe: root lends a file to the group the host runs in (`root:rowhouse 0640`), and a place where a
/// service's secrets are mounted before its eyes only. A file that every account may read is refused whoever owns it:
/// that root wrote it does not hide it.
fn guarded(place: &Path, mode: u32, owner: u32, group: u32) -> bool {
    let lent = owner == 0 && group == rustix::process::getegid().as_raw();
    let others = match (is_mounted(place), lent) {
        (true, _) => 0o022,
        (false, true) => 0o037,
        (false, false) => 0o077,
    };
    mode & others == 0
}

/// Whether a file belongs to root or to the host's user: whatever its mode says, its owner can change it. What was
/// mounted for this service is its owner's word, whoever the machine says that is.
fn owned(place: &Path, owner: u32) -> bool {
    owner == 0 || owner == rustix::process::geteuid().as_raw() || is_mounted(place)
}

fn is_mounted(place: &Path) -> bool {
    MOUNTED.iter().any(|root| place.starts_with(root))
}

#[cfg(test)]
mod tests;
