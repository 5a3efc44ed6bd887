//! What is read: a policy, and the cases it must decide.

use super::super::{Faults, SHIPPED, config};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// The longest file read, in bytes. A policy has some 300 bytes, and a thousand of them are more than anybody reviews.
const MAX_FILE: u64 = 1 << 20;

/// Why there is no text.
#[derive(Debug, thiserror::Error)]
pub enum Unread {
    /// It could not be looked at.
    #[error("read {}", file.display())]
    Io {
        /// Which file.
        file: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It was looked at, and cannot be served whatever policies say.
    #[error(transparent)]
    Refused(Faults),
}

impl From<Unread> for Faults {
    fn from(unread: Unread) -> Self {
        match unread {
            Unread::Io { file, source } => Faults::whole(format!("read {}: {source}", file.display())),
            Unread::Refused(faults) => faults,
        }
    }
}

/// Everything that decides whether a policy is served, but the directory.
#[derive(PartialEq, Eq)]
pub(super) struct Texts {
    pub(super) policy: String,
    pub(super) cases: Option<String>,
}

impl Texts {
    /// Read what the settings name.
    pub(super) fn read(settings: &config::Policy) -> Result<Self, Unread> {
        let policy = read(settings.file.as_deref())?;
        Ok(Self { policy, cases: settings.cases.as_deref().map(bounded).transpose()? })
    }
}

/// The text of a policy file as a host reads it; without a file, of the policy Rowhouse ships with.
///
/// # Errors
/// A file that cannot be read, is too long, is no text, or holds nothing: an editor or a copy may empty a file for a
/// moment, and that must not take everybody's rights away.
pub fn read(file: Option<&Path>) -> Result<String, Unread> {
    let Some(file) = file else {
        return Ok(SHIPPED.to_owned());
    };
    let text = bounded(file)?;
    if text.trim().is_empty() {
        let message =
            "the file is empty; to deny everything, write `@id(\"nobody\") forbid (principal, action, resource);`";
        return Err(Unread::Refused(Faults::whole(message)));
    }
    Ok(text)
}

/// A file, up to a bound.
fn bounded(path: &Path) -> Result<String, Unread> {
    let failed = |source: io::Error| Unread::Io { file: path.to_owned(), source };
    let mut bytes = Vec::new();
    File::open(path).map_err(failed)?.take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(failed)?;
    let refused = |what: &str| Unread::Refused(Faults::whole(format!("{} {what}", path.display())));
    if bytes.len() as u64 > MAX_FILE {
        return Err(refused(&format!("has more than {MAX_FILE} bytes")));
    }
    String::from_utf8(bytes).map_err(|_| refused("is no text in UTF-8"))
}
