//! Words for where a plugin is: `oci://registry.example.com/zava/sales:0.1.0`, `file:/path` or a path.

use super::digest::Digest;
use oci_client::Reference as OciReference;
use std::fmt;
use std::path::{Path, PathBuf};

/// The longest name of a plugin, in bytes: that of a tool.
const LONGEST_NAME: usize = 64;

/// Where a plugin is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A file of this machine. A signature beside it comes along.
    File(PathBuf),
    /// In a registry.
    Registry(Reference),
}

/// A repository of a registry, and which of its versions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// Host, with a port where there is one.
    pub registry: String,
    /// Which repository there.
    pub repository: String,
    /// The version's name. It may name another version tomorrow.
    pub tag: Option<String>,
    /// The version itself, whatever its name: the digest of its manifest. Counts before the tag.
    pub digest: Option<Digest>,
}

impl Place {
    /// Read one.
    ///
    /// # Errors
    /// What is wrong with it, and how it is written.
    pub fn read(text: &str) -> Result<Self, String> {
        if text.starts_with("oci:") {
            return Reference::read(text).map(Self::Registry);
        }
        if let Some(path) = text.strip_prefix("file:") {
            // `file:///path`, too, which other programs want.
            let path = path.strip_prefix("//").unwrap_or(path);
            return match path.starts_with('/') {
                true => Ok(Self::File(PathBuf::from(path))),
                false => Err(format!("{text:?}: after `file:` comes a path that begins with a slash")),
            };
        }
        match text.split_once("://") {
            Some(_) => Err(format!("{text:?}: a registry is written oci://HOST/REPOSITORY:TAG, a file file:/PATH")),
            None if text.is_empty() => Err("a place has a name".to_owned()),
            None => Ok(Self::File(PathBuf::from(text))),
        }
    }

    /// What a plugin from here is called unless somebody says otherwise: the last part of the repository, or the file.
    ///
    /// # Errors
    /// Where that is no name for a plugin.
    pub fn name(&self) -> Result<String, String> {
        let name = match self {
            Self::File(path) => path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default(),
            Self::Registry(at) => at.repository.rsplit('/').next().unwrap_or_default(),
        };
        named(name).map(str::to_owned)
    }
}

/// `name`, if a plugin can be called that. It becomes the name of a file.
///
/// # Errors
/// Where it cannot.
pub(super) fn named(name: &str) -> Result<&str, String> {
    let sound = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    match !name.is_empty() && name.len() <= LONGEST_NAME && name.chars().all(sound) {
        true => Ok(name),
        false => Err(format!("{name:?} is no name for a plugin: 1 to {LONGEST_NAME} of A-Z a-z 0-9 _ -")),
    }
}

impl Reference {
    /// Read one, `oci://` first. The registry is always named: without one, other programs mean Docker Hub.
    ///
    /// # Errors
    /// What is wrong with it, and how it is written.
    pub fn read(text: &str) -> Result<Self, String> {
        let about = |why: &str| {
            format!("{text:?}: {why}; write oci://HOST/REPOSITORY:TAG or oci://HOST/REPOSITORY@sha256:DIGEST")
        };
        let rest = text.strip_prefix("oci://").ok_or_else(|| about("not a reference to a registry"))?;
        let host = rest.split_once('/').map_or("", |(host, _)| host);
        if !(host.contains(['.', ':']) || host == "localhost") {
            return Err(about("no registry is named"));
        }
        let read: OciReference = rest.parse().map_err(|e| about(&format!("{e}")))?;
        let digest = match read.digest() {
            Some(digest) => {
                Some(Digest::read(digest).ok_or_else(|| about("only SHA-256 in small letters is a digest"))?)
            }
            None => None,
        };
        // The parser adds `latest` where there is neither; here nobody is given a version nobody named.
        let last = rest.split('@').next().unwrap_or_default().rsplit('/').next().unwrap_or_default();
        let tag = last.contains(':').then(|| read.tag().map(str::to_owned)).flatten();
        Ok(Self { registry: host.to_owned(), repository: read.repository().to_owned(), tag, digest })
    }

    /// The same repository, by a tag.
    #[must_use]
    pub fn with_tag(&self, tag: &str) -> Self {
        Self { tag: Some(tag.to_owned()), digest: None, ..self.clone() }
    }

    /// As the client takes it.
    pub(super) fn to_oci(&self) -> OciReference {
        let (registry, repository) = (self.registry.clone(), self.repository.clone());
        match (&self.digest, &self.tag) {
            (Some(digest), _) => OciReference::with_digest(registry, repository, digest.to_string()),
            (None, tag) => OciReference::with_tag(registry, repository, tag.clone().unwrap_or_default()),
        }
    }

    /// Whether the registry is on this machine.
    pub(super) fn is_loopback(&self) -> bool {
        let host = self.registry.rsplit_once(':').map_or(self.registry.as_str(), |(host, _)| host);
        host == "localhost" || host.parse::<std::net::Ipv4Addr>().is_ok_and(|address| address.is_loopback())
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "oci://{}/{}", self.registry, self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", Path::display(path)),
            Self::Registry(at) => at.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn a_reference_is_what_it_says() {
        let check = |text: &str, repository: &str, tag: Option<&str>, digest: bool, loopback: bool| {
            let read = Reference::read(text).expect(text);
            let found = (read.repository.as_str(), read.tag.as_deref(), read.digest.is_some(), read.is_loopback());
            assert_eq!(found, (repository, tag, digest, loopback), "{text}");
            assert_eq!(read.to_string(), text);
        };
        check("oci://registry.example.com/zava/sales:0.1.0", "zava/sales", Some("0.1.0"), false, false);
        check("oci://registry.example.com/sales", "sales", None, false, false);
        check("oci://127.0.0.1:5000/zava/sales:0.1.0", "zava/sales", Some("0.1.0"), false, true);
        check("oci://localhost:5000/sales", "sales", None, false, true);
        check("oci://localhost.example.com/sales", "sales", None, false, false);
        check(&format!("oci://registry.example.com/zava/sales@{DIGEST}"), "zava/sales", None, true, false);
        check(&format!("oci://registry.example.com:443/zava/sales:1@{DIGEST}"), "zava/sales", Some("1"), true, false);
    }

    #[test]
    fn what_is_none_is_said() {
        for (text, why) in [
            ("oci:registry.example.com/sales:1", "not a reference"),
            ("oci://sales:1", "no registry is named"),
            ("oci://zava/sales:1", "no registry is named"),
            ("oci://registry.example.com/Sales:1", "oci://HOST/REPOSITORY:TAG"),
            ("oci://registry.example.com/../sales:1", "oci://HOST/REPOSITORY:TAG"),
            ("oci://user:secret@registry.example.com/sales:1", "oci://HOST/REPOSITORY:TAG"),
            ("oci://registry.example.com/sales@sha256:12", "oci://HOST/REPOSITORY:TAG"),
            (&format!("oci://registry.example.com/sales@{}", DIGEST.to_uppercase()), "oci://HOST/REPOSITORY:TAG"),
            ("https://registry.example.com/sales:1", "a registry is written oci://"),
            ("file:sales.wasm", "begins with a slash"),
            ("", "has a name"),
        ] {
            let said = Place::read(text).expect_err(text);
            assert!(said.contains(why), "{text}: {said}");
        }
    }

    #[test]
    fn names_come_from_places() {
        for (text, name) in [
            ("oci://registry.example.com/zava/sales:0.1.0", Some("sales")),
            ("oci://registry.example.com/zava/sales.plugin:0.1.0", None),
            ("file:/srv/plugins/sales.wasm", Some("sales")),
            ("file:///srv/plugins/sales.wasm", Some("sales")),
            ("./sales.wasm", Some("sales")),
            ("..", None),
        ] {
            assert_eq!(Place::read(text).expect(text).name().ok().as_deref(), name, "{text}");
        }
    }
}
