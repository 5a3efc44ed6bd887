//! A SHA-256, as registries write it.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::fmt;

/// `sha256:` and 64 hexadecimal digits. It becomes the name of a file, so nothing else is one: registries may use other
/// algorithms, and none does.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest(String);

impl Digest {
    /// The digest of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(hex::encode(Sha256::digest(bytes)))
    }

    /// The digest of all a reader gives, and how many bytes that was.
    pub(super) fn of_all(mut reader: impl std::io::Read) -> std::io::Result<(Self, u64)> {
        let mut hash = Sha256::new();
        let size = std::io::copy(&mut reader, &mut hash)?;
        Ok((Self(hex::encode(hash.finalize())), size))
    }

    /// Read one. None: it is no SHA-256 in small letters.
    pub fn read(text: &str) -> Option<Self> {
        let hex = text.strip_prefix("sha256:")?;
        let sound = hex.len() == 64 && hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        sound.then(|| Self(hex.to_owned()))
    }

    /// Its 64 digits.
    pub fn hex(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", self.0)
    }
}

impl TryFrom<String> for Digest {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::read(&text).ok_or("not a SHA-256 digest")
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_else_is_a_digest() {
        let good = Digest::of(b"x").to_string();
        assert_eq!(Digest::read(&good).expect("its own words").to_string(), good);
        for bad in [
            "",
            "sha256:",
            &good[7..],
            &good.to_uppercase(),
            &good.replace("sha256", "sha512"),
            &good[..70],
            &format!("{good}0"),
            "sha256:../../../../../../../../../../../../../../../../../../../../../etc/pass",
        ] {
            assert_eq!(Digest::read(bad), None, "{bad}");
        }
    }
}
