//! Into a directory of plugins, whole or not at all.

use super::failure::Failure;
use super::fetch::Had;
use super::place;
use crate::disk;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// The ending of a signature beside its component, after the component's own name.
pub const BESIDE: &str = "sig";

/// A plugin is no secret, and the host may run as somebody else than who puts it there.
const MODE: u32 = 0o644;

/// What became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Put {
    /// Where it lies.
    pub path: PathBuf,
    /// Whether anything differs from before.
    pub changed: bool,
}

/// Put a component, and its signature, where a host looks: see [`lay`].
///
/// # Errors
/// A name that is none, a directory that cannot be written.
pub fn put(had: &Had, name: &str, directory: &Path) -> Result<Put, Failure> {
    let name = place::named(name).map_err(Failure::Here)?;
    let path = directory.join(format!("{name}.wasm"));
    let changed = lay(&path, &had.bytes, had.signature.as_deref())?;
    Ok(Put { path, changed })
}

/// Lay a component, and its signature or none, where a host looks: each by rename, so that a host that watches never sees
/// half a file. Between the two it may see a component beside a signature that is not its own: such a one is refused, the
/// version before serves on, and the second rename is another reason to look. Whether anything differs from before.
///
/// # Errors
/// A directory that cannot be written.
pub fn lay(path: &Path, bytes: &[u8], signature: Option<&[u8]>) -> Result<bool, Failure> {
    let beside = path.with_added_extension(BESIDE);
    let about = |path: &Path, e: std::io::Error| Failure::here(path.display(), e);
    let mut changed = false;
    // A new signature first, an old one last: the version before is refused for a moment, and not replaced.
    if let Some(signature) = signature {
        changed |= disk::write(&beside, signature, MODE).map_err(|e| about(&beside, e))?;
    }
    changed |= disk::write(path, bytes, MODE).map_err(|e| about(path, e))?;
    if signature.is_none() {
        match fs::remove_file(&beside) {
            Ok(()) => changed = true,
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(about(&beside, error)),
        }
    }
    Ok(changed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::distribution::Digest;

    fn had(bytes: &[u8], signature: Option<&[u8]>) -> Had {
        Had {
            bytes: bytes.to_vec(),
            signature: signature.map(<[u8]>::to_vec),
            digest: Digest::of(bytes),
            manifest: None,
            version: None,
            transferred: 0,
        }
    }

    #[test]
    fn what_is_put_is_what_was_had_with_its_own_signature_or_none() {
        let place = tempfile::tempdir().expect("a directory");
        let signature = || fs::read(place.path().join("sales.wasm.sig")).ok();
        for (bytes, given, changed) in [
            (&b"one"[..], Some(&b"signed"[..]), true),
            (b"one", Some(b"signed"), false),
            (b"two", Some(b"signed again"), true),
            (b"two", None, true),
            (b"two", None, false),
            (b"three", None, true),
        ] {
            let put = put(&had(bytes, given), "sales", place.path()).expect("put");
            assert_eq!(put.changed, changed, "{bytes:?} {given:?}");
            assert_eq!(fs::read(&put.path).expect("there"), bytes);
            assert_eq!(signature().as_deref(), given);
        }
        assert_eq!(fs::read_dir(place.path()).expect("a directory").count(), 1, "nothing half-written is left");
        for name in ["", "../sales", "a/b", ".sales", "sales.wasm"] {
            assert!(put(&had(b"one", None), name, place.path()).is_err(), "{name}");
        }
    }
}
