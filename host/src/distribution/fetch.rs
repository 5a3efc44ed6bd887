//! From a place to bytes whose digest holds.

use super::access::Access;
use super::digest::Digest;
use super::failure::Failure;
use super::place::{Place, Reference};
use super::store::{Record, Store};
use super::worker;
use crate::config::{self, Plugins};
use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The longest signature beside a file that is read, in bytes; as where it is verified.
const LONGEST_SIGNATURE: u64 = 64 << 10;

/// A component that was had.
#[derive(Clone, Debug)]
pub struct Had {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// The signature beside it.
    pub signature: Option<Vec<u8>>,
    /// Its digest.
    pub digest: Digest,
    /// The digest to pin it by; of a registry only.
    pub manifest: Option<Digest>,
    /// What its author called this version; of a registry only, and not proved.
    pub version: Option<String>,
    /// Bytes that came over the network.
    pub transferred: u64,
}

/// Fetches components.
pub struct Fetcher {
    program: PathBuf,
    store: Store,
    registries: BTreeMap<String, config::Registry>,
    most: u64,
}

impl Fetcher {
    /// `program` is the executable that knows [`super::WORKER`]; what is pulled is kept below `state`.
    ///
    /// # Errors
    /// Where it cannot be kept.
    pub fn new(program: PathBuf, settings: &Plugins, state: &Path) -> Result<Self, Failure> {
        let (registries, most) = (settings.registries.clone(), settings.max_bytes);
        Ok(Self { program, store: Store::open(state)?, registries, most })
    }

    /// What is at a place, within `patience`.
    ///
    /// A reference with a digest that was had before is not asked for again: what it names cannot change.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn fetch(
        &self,
        place: &Place,
        patience: Duration,
        progress: &mut (dyn FnMut(u64, u64) + Send),
    ) -> Result<Had, Failure> {
        let at = match place {
            Place::File(path) => return self.file(path),
            Place::Registry(at) => at,
        };
        if at.digest.is_some()
            && let Some(had) = self.kept(at)
        {
            return Ok(had);
        }
        let access = Access::find(at, &self.registries).await?;
        let (record, transferred) =
            worker::fetch(&self.program, &self.store, at, &access, self.most, patience, progress).await?;
        // Not believed either: the process that wrote it read what a registry said.
        if at.digest.as_ref().is_some_and(|pinned| *pinned != record.manifest) {
            return Err(Failure::Digest(at.to_string()));
        }
        let had = self.had(&record, transferred).ok_or_else(|| Failure::Digest(at.to_string()))?;
        self.store.remember(at, &record)?;
        Ok(had)
    }

    /// What a reference was when it was last had, without asking anybody.
    pub fn kept(&self, at: &Reference) -> Option<Had> {
        let record = self.store.record(at)?;
        let sound = at.digest.as_ref().is_none_or(|pinned| *pinned == record.manifest);
        sound.then(|| self.had(&record, 0)).flatten()
    }

    fn had(&self, record: &Record, transferred: u64) -> Option<Had> {
        let bytes = self.store.component(&record.component, self.most)?;
        Some(Had {
            bytes,
            signature: record.signature.clone(),
            digest: record.component.clone(),
            manifest: Some(record.manifest.clone()),
            version: record.version.clone(),
            transferred,
        })
    }

    fn file(&self, path: &Path) -> Result<Had, Failure> {
        let read = |path: &Path, most: u64| -> std::io::Result<Vec<u8>> {
            let mut bytes = Vec::new();
            std::fs::File::open(path)?.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        let bytes = read(path, self.most).map_err(|e| Failure::here(path.display(), e))?;
        if bytes.len() as u64 > self.most {
            let size = std::fs::metadata(path).map_or(bytes.len() as u64, |it| it.len());
            return Err(Failure::TooLarge { reference: path.display().to_string(), size, most: self.most });
        }
        let beside = path.with_added_extension(super::put::BESIDE);
        let signature = match read(&beside, LONGEST_SIGNATURE) {
            Ok(signature) => Some(signature),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(Failure::here(beside.display(), error)),
        };
        let digest = Digest::of(&bytes);
        Ok(Had { bytes, signature, digest, manifest: None, version: None, transferred: 0 })
    }
}
