//! What was pulled, by digest: a second pull transfers nothing, and a registry that is away is done without.
//!
//! `<state>/plugins/pulled` holds components under their digests, and for each reference what it was when it was last
//! asked for. Nothing in it is believed: a component counts only if its bytes have the digest it is called by, and goes
//! through signature and grant like any other. The directory may be deleted at any time.

use super::digest::Digest;
use super::failure::Failure;
use super::place::Reference;
use crate::disk;
use serde::{Deserialize, Serialize};
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// References remembered, those asked for last: more than a host has plugins, and at 32 MiB each a disk still holds them.
const NOTES: usize = 64;

/// How long a component may lie here without a reference that names it: longer than a pull takes, which writes the
/// component first.
const UNNAMED: Duration = Duration::from_secs(3_600);

/// What a reference was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    /// The reference, in its own words.
    pub(super) reference: String,
    /// The manifest it named.
    pub(super) manifest: Digest,
    /// The component of that.
    pub(super) component: Digest,
    /// The signature beside it.
    pub(super) signature: Option<Vec<u8>>,
    /// What its author called this version.
    pub(super) version: Option<String>,
}

/// The directory.
#[derive(Clone, Debug)]
pub(super) struct Store {
    directory: PathBuf,
}

impl Store {
    /// The one of this state directory; made where it is not there.
    ///
    /// # Errors
    /// Where it cannot be made.
    pub(super) fn open(state: &Path) -> Result<Self, Failure> {
        let above = state.join("plugins");
        let directory = above.join("pulled");
        let about = |e| Failure::here(format!("the directory of pulled plugins {}", directory.display()), e);
        fs::create_dir_all(&above).map_err(about)?;
        disk::private_directory(&directory).map_err(about)?;
        Ok(Self { directory })
    }

    /// As another process names it.
    pub(super) fn at(directory: PathBuf) -> Self {
        Self { directory }
    }

    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    /// A component, if it is here, whole, and not larger than `most` bytes.
    pub(super) fn component(&self, digest: &Digest, most: u64) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        let file = fs::File::open(self.place(digest)).ok()?;
        file.take(most.saturating_add(1)).read_to_end(&mut bytes).ok()?;
        (bytes.len() as u64 <= most && Digest::of(&bytes) == *digest).then_some(bytes)
    }

    /// Whether a component is here and whole, read piece by piece: who asks has little memory.
    pub(super) fn holds(&self, digest: &Digest, most: u64) -> bool {
        let found =
            fs::File::open(self.place(digest)).and_then(|file| Digest::of_all(file.take(most.saturating_add(1))));
        found.is_ok_and(|(found, size)| size <= most && found == *digest)
    }

    /// Where a component lies, or would.
    pub(super) fn place(&self, digest: &Digest) -> PathBuf {
        self.directory.join(format!("{}.wasm", digest.hex()))
    }

    /// What a reference was when it was last asked for.
    pub(super) fn record(&self, of: &Reference) -> Option<Record> {
        let text = fs::read_to_string(self.note(of)).ok()?;
        // A name is a digest of the reference: what is written in it says whether it is this one's.
        serde_json::from_str(&text).ok().filter(|record: &Record| record.reference == of.to_string())
    }

    /// Remember it.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub(super) fn remember(&self, of: &Reference, record: &Record) -> Result<(), Failure> {
        let path = self.note(of);
        let text = serde_json::to_vec(record).map_err(|e| Failure::here(path.display(), e))?;
        disk::write(&path, &text, 0o600).map_err(|e| Failure::here(path.display(), e))?;
        self.tidy();
        Ok(())
    }

    /// Forget what was asked for longest ago, and components that no reference names any more. What cannot be removed now
    /// is the next pull's to remove.
    fn tidy(&self) {
        let files = fs::read_dir(&self.directory).into_iter().flatten().flatten();
        let (mut notes, mut components) = (Vec::new(), Vec::new());
        for (path, written) in files.filter_map(|file| Some((file.path(), file.metadata().ok()?.modified().ok()?))) {
            match path.extension().and_then(|ending| ending.to_str()) {
                Some("json") => notes.push((written, path)),
                Some("wasm") => components.push((written, path)),
                _ => {}
            }
        }
        notes.sort_by(|a, b| b.cmp(a));
        notes.drain(NOTES.min(notes.len())..).for_each(|(_, path)| drop(fs::remove_file(path)));
        let read = |path: &PathBuf| serde_json::from_str::<Record>(&fs::read_to_string(path).ok()?).ok();
        let named: Vec<_> = notes.iter().filter_map(|(_, path)| Some(self.place(&read(path)?.component))).collect();
        let over = |written: &SystemTime| written.elapsed().is_ok_and(|age| age >= UNNAMED);
        let gone = components.into_iter().filter(|(written, path)| over(written) && !named.contains(path));
        gone.for_each(|(_, path)| drop(fs::remove_file(path)));
    }

    fn note(&self, of: &Reference) -> PathBuf {
        self.directory.join(format!("{}.json", Digest::of(of.to_string().as_bytes()).hex()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_reference_names_any_more_is_removed_in_time() {
        let state = tempfile::tempdir().expect("a directory");
        let store = Store::open(state.path()).expect("made");
        let lay = |bytes: &[u8], age: Duration| {
            let place = store.place(&Digest::of(bytes));
            fs::write(&place, bytes).expect("written");
            let file = fs::File::options().write(true).open(&place).expect("opened");
            file.set_modified(SystemTime::now() - age).expect("aged");
            place
        };
        let remember = |tag: &str, bytes: &[u8]| {
            let reference =
                Reference::read(&format!("oci://registry.example.com/tools/sales:{tag}")).expect("a reference");
            let record = Record {
                reference: reference.to_string(),
                manifest: Digest::of(b"manifest"),
                component: Digest::of(bytes),
                signature: None,
                version: None,
            };
            store.remember(&reference, &record).expect("remembered");
            store.record(&reference)
        };
        let old = lay(b"old", 2 * UNNAMED);
        assert!(remember("v1", b"old").is_some());
        let (fresh, lost, coming) =
            (lay(b"fresh", 2 * UNNAMED), lay(b"lost", 2 * UNNAMED), lay(b"coming", UNNAMED / 2));
        assert!(remember("v2", b"fresh").is_some());
        assert!(old.exists() && fresh.exists(), "each is named by a reference");
        assert!(!lost.exists(), "nobody names it");
        assert!(coming.exists(), "somebody may be about to");
        // The same tag, moved: what it was is named no more.
        assert!(remember("v1", b"fresh").is_some());
        assert!(!old.exists() && fresh.exists());
        for n in 0..NOTES + 5 {
            remember(&format!("n{n}"), b"fresh");
        }
        let notes = fs::read_dir(store.directory()).expect("listed").flatten();
        let notes = notes.filter(|file| file.path().extension().is_some_and(|ending| ending == "json")).count();
        assert_eq!(notes, NOTES);
    }
}
