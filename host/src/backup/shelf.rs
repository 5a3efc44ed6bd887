//! Where backups lie: a directory, or a bucket of an object store. The only room that names the library for both.
//!
//! ```text
//! PLACE/ID/base.tar.gz.age     one or several objects
//! PLACE/ID/manifest.json       last
//! ```

use super::catalog::{Catalog, Entry};
use super::manifest::{self, Manifest, Object, is_id};
use super::{Error, Meter};
use crate::config::Secret;
use crate::disk;
use crate::web;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures_util::{StreamExt, TryStreamExt};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, WriteMultipart, parse_url_opts};
use secrecy::ExposeSecret;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::mpsc;

/// Bytes of one part of an upload, at the least: 10,000 of them, as many as S3 takes, are 160 GiB.
const PART: u64 = 16 << 20;

/// Parts S3 takes of one object, less some room for an estimate that was too low.
const MOST_PARTS: u64 = 8_000;

/// Parts under way at once. With the one being filled they are all of a backup that is ever in memory.
const PARTS_AT_ONCE: usize = 2;

/// Bytes handed from thread to thread, and how many such pieces may wait.
const PIECE: usize = 1 << 20;
const WAITING: usize = 4;

/// A manifest is read whole; one with a million tables would be larger.
const LONGEST_MANIFEST: u64 = 256 << 20;

/// Names of variables an object store reads.
const ENVIRONMENT: [&str; 3] = ["aws_", "azure_", "google_"];

/// A place for backups.
#[derive(Clone, Debug)]
pub struct Shelf {
    store: Arc<dyn ObjectStore>,
    prefix: Path,
    place: String,
    /// The directory, where it is one.
    directory: Option<PathBuf>,
}

impl Shelf {
    /// A place by its address: a URL as the settings have it, or a directory. `make`: one of this machine is made where
    /// there is none.
    ///
    /// # Errors
    /// An address nobody knows, a secret that cannot be had.
    pub fn open(address: &str, options: &BTreeMap<String, Secret>, make: bool) -> Result<Self, Error> {
        let wrong = |why: String| Error::Setting(format!("no backups can lie in {address}: {why}"));
        let local = match address.strip_prefix("file://") {
            Some(path) if !path.starts_with('/') => {
                return Err(wrong("write file:///path, with three slashes".to_owned()));
            }
            Some(path) => Some(path),
            None => (!address.contains("://")).then_some(address),
        };
        if let Some(path) = local {
            let path = std::path::absolute(path).map_err(|error| wrong(error.to_string()))?;
            if make {
                disk::private_directory(&path).map_err(Error::io(format!("make {}", path.display())))?;
            }
            let store = LocalFileSystem::new_with_prefix(&path).map_err(|error| wrong(error.to_string()))?;
            // What is said to be stored is on disk then. Directories that become empty go.
            let store = store.with_fsync(true).with_automatic_cleanup(true);
            return Ok(Self {
                store: Arc::new(store),
                prefix: Path::default(),
                place: address.to_owned(),
                directory: Some(path),
            });
        }
        let environment = std::env::vars().map(|(name, value)| (name.to_lowercase(), value));
        let mut given: BTreeMap<String, String> =
            environment.filter(|(name, _)| ENVIRONMENT.iter().any(|start| name.starts_with(start))).collect();
        for (name, secret) in options {
            let value = secret.resolve().map_err(|error| wrong(format!("backup.options.{name}: {error}")))?;
            given.insert(name.to_lowercase(), value.expose_secret().to_owned());
        }
        let url = address.parse().map_err(|_| wrong("it is no URL".to_owned()))?;
        web::provide_tls();
        let (store, prefix) = parse_url_opts(&url, given).map_err(|error| wrong(error.to_string()))?;
        Ok(Self { store: Arc::from(store), prefix, place: address.to_owned(), directory: None })
    }

    /// Its address.
    pub fn place(&self) -> &str {
        &self.place
    }

    fn path(&self, id: &str, name: &str) -> Path {
        self.prefix.clone().join(id).join(name)
    }

    fn failed(&self, action: &'static str, object: impl Into<String>) -> impl FnOnce(object_store::Error) -> Error {
        let (object, place) = (object.into(), self.place.clone());
        move |source| Error::Store { action, object, place, source: Box::new(source) }
    }

    /// Store what `work` writes, on a thread that may block, as it is written; `expected` bytes or so. What is not
    /// finished is taken back.
    pub(super) async fn put<T: Send + 'static>(
        &self,
        id: &str,
        name: &str,
        expected: u64,
        work: impl FnOnce(Pipe) -> Result<T, Error> + Send + 'static,
    ) -> Result<(Object, T), Error> {
        let (sender, mut pieces) = mpsc::channel(WAITING);
        let job = tokio::task::spawn_blocking(move || work(Pipe { sender, piece: Vec::new() }));
        let stored = self.upload(id, name, expected, &mut pieces).await;
        // A writer that still writes finds nobody there, and ends.
        drop(pieces);
        let done = job.await.map_err(|_| Error::Abandoned)?;
        match (stored, done) {
            // Where the place failed, the writer only noticed.
            (Err(error @ Error::Store { .. }), _) | (Err(error), Ok(_)) => Err(error),
            (Ok(object), Ok(done)) => Ok((object, done)),
            (_, Err(error)) => Err(error),
        }
    }

    async fn upload(
        &self,
        id: &str,
        name: &str,
        expected: u64,
        pieces: &mut mpsc::Receiver<Option<Bytes>>,
    ) -> Result<Object, Error> {
        let (path, object) = (self.path(id, name), format!("{id}/{name}"));
        let upload = self.store.put_multipart(&path).await.map_err(self.failed("store", &object))?;
        let part = PART.max(expected.div_ceil(MOST_PARTS).next_multiple_of(1 << 20));
        let mut write = WriteMultipart::new_with_chunk_size(upload, usize::try_from(part).unwrap_or(usize::MAX));
        let (mut digest, mut size) = (Sha256::new(), 0);
        loop {
            match pieces.recv().await {
                Some(Some(piece)) => {
                    digest.update(&piece);
                    size += piece.len() as u64;
                    if let Err(error) = write.wait_for_capacity(PARTS_AT_ONCE).await {
                        // Whatever this says, the first failure is the one to tell.
                        let _ = write.abort().await;
                        return Err(self.failed("store", object)(error));
                    }
                    write.put(piece);
                }
                Some(None) => break,
                None => {
                    let _ = write.abort().await;
                    return Err(Error::Abandoned);
                }
            }
        }
        write.finish().await.map_err(self.failed("store", object))?;
        Ok(Object { name: name.to_owned(), size, sha256: hex::encode(digest.finalize()) })
    }

    /// Have `work` read an object, on a thread that may block, as it arrives. What was read counts only if it is what the
    /// manifest says.
    pub(super) async fn get<T: Send + 'static>(
        &self,
        id: &str,
        object: &Object,
        meter: &Meter,
        work: impl FnOnce(Source) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let name = format!("{id}/{}", object.name);
        let found = match self.store.get(&self.path(id, &object.name)).await {
            Err(object_store::Error::NotFound { .. }) => return Err(Error::Missing(name)),
            other => other.map_err(self.failed("read", &name))?,
        };
        let (sender, pieces) = mpsc::channel(WAITING);
        let job = tokio::task::spawn_blocking(move || work(Source { pieces, piece: Bytes::new(), ended: false }));
        let (mut stream, mut digest, mut size) = (found.into_stream(), Sha256::new(), 0);
        let mut broke = None;
        while let Some(piece) = stream.next().await {
            let piece = match piece {
                Ok(piece) => piece,
                Err(error) => {
                    broke = Some(self.failed("read", &name)(error));
                    break;
                }
            };
            digest.update(&piece);
            size += piece.len() as u64;
            meter.add(piece.len());
            // Also where the reader gave up: whether it is the stored one decides what is said.
            let _ = sender.send(Some(piece)).await;
        }
        if broke.is_none() {
            let _ = sender.send(None).await;
        }
        drop(sender);
        // In any case: what it works on may be removed after this.
        let done = job.await.map_err(|_| Error::Abandoned)?;
        if let Some(error) = broke {
            return Err(error);
        }
        let found = hex::encode(digest.finalize());
        if found != object.sha256 || size != object.size {
            return Err(Error::Damaged { object: name, found, wanted: object.sha256.clone() });
        }
        done
    }

    /// Say that a backup is whole.
    pub(super) async fn publish(&self, manifest: &Manifest) -> Result<(), Error> {
        let text = serde_json::to_vec_pretty(manifest).unwrap_or_default();
        let path = self.path(&manifest.id, manifest::NAME);
        let name = format!("{}/{}", manifest.id, manifest::NAME);
        self.store.put(&path, text.into()).await.map_err(self.failed("store", name)).map(|_| ())
    }

    /// Remove all there is of one backup, its manifest first: what is half gone is no backup.
    pub(super) async fn remove(&self, id: &str) -> Result<(), Error> {
        let path = self.path(id, manifest::NAME);
        match self.store.delete(&path).await {
            Err(object_store::Error::NotFound { .. }) | Ok(()) => {}
            Err(error) => return Err(self.failed("remove", format!("{id}/{}", manifest::NAME))(error)),
        }
        let below = self.prefix.clone().join(id);
        let found: Vec<Path> = self
            .store
            .list(Some(&below))
            .map_ok(|meta| meta.location)
            .try_collect()
            .await
            .map_err(self.failed("list", id))?;
        for path in found {
            match self.store.delete(&path).await {
                Err(object_store::Error::NotFound { .. }) | Ok(()) => {}
                Err(error) => return Err(self.failed("remove", path.to_string())(error)),
            }
        }
        if let Some(directory) = &self.directory {
            // With what an upload leaves there whose host was killed. As a rule it went with its last file.
            let _ = std::fs::remove_dir_all(directory.join(id));
        }
        Ok(())
    }

    /// Everything there is.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn catalog(&self) -> Result<Catalog, Error> {
        let mut found: BTreeMap<String, BTreeMap<String, (u64, DateTime<Utc>)>> = BTreeMap::new();
        let prefix = Some(&self.prefix).filter(|prefix| !prefix.is_root());
        let mut all = self.store.list(prefix);
        while let Some(meta) = all.next().await {
            let meta = meta.map_err(self.failed("list", "backups"))?;
            let Some(parts) = meta.location.prefix_match(&self.prefix) else { continue };
            let parts: Vec<String> = parts.map(|part| part.as_ref().to_owned()).collect();
            // What lies there besides is somebody else's.
            if let [id, name] = &parts[..]
                && is_id(id)
            {
                found.entry(id.clone()).or_default().insert(name.clone(), (meta.size, meta.last_modified));
            }
        }
        let mut catalog = Catalog { place: self.place.clone(), ..Catalog::default() };
        let unfinished = self.unfinished().into_iter();
        catalog.partial.extend(unfinished.filter(|(id, _)| !found.contains_key(id)));
        for (id, objects) in found {
            match objects.get(manifest::NAME) {
                None => {
                    let last = objects.values().map(|(_, at)| *at).max().unwrap_or_default();
                    catalog.partial.push((id, last));
                }
                Some((size, _)) if *size > LONGEST_MANIFEST => {
                    catalog.unreadable.push((id, "it is too long".to_owned()));
                }
                Some(_) => match self.manifest(&id).await? {
                    Err(why) => catalog.unreadable.push((id, why)),
                    Ok(manifest) => {
                        let gone = |it: &&Object| objects.get(&it.name).is_none_or(|(size, _)| *size != it.size);
                        let missing = manifest.objects.iter().filter(gone).map(|it| it.name.clone()).collect();
                        catalog.entries.push(Entry { manifest, missing });
                    }
                },
            }
        }
        Ok(catalog)
    }

    /// Directories of this machine in which an upload began; the store does not show what is not complete.
    fn unfinished(&self) -> Vec<(String, DateTime<Utc>)> {
        let entries = |dir: PathBuf| std::fs::read_dir(dir).into_iter().flatten().flatten();
        let written = |entry: std::fs::DirEntry| Some(DateTime::from(entry.metadata().ok()?.modified().ok()?));
        let directories = self.directory.iter().flat_map(|dir| entries(dir.clone()));
        let begun = directories.filter_map(|entry| {
            let id = entry.file_name().into_string().ok().filter(|name| is_id(name))?;
            Some((id, entries(entry.path()).filter_map(written).max()?))
        });
        begun.collect()
    }

    async fn manifest(&self, id: &str) -> Result<Result<Manifest, String>, Error> {
        let name = || format!("{id}/{}", manifest::NAME);
        let found = self.store.get(&self.path(id, manifest::NAME)).await.map_err(self.failed("read", name()))?;
        let bytes = found.bytes().await.map_err(self.failed("read", name()))?;
        Ok(match Manifest::read(id, &bytes) {
            Ok(manifest) => Ok(manifest),
            Err(Error::Manifest(_, why)) => Err(why),
            Err(other) => Err(other.to_string()),
        })
    }
}

/// What is written here is stored; [`Pipe::end`] says that it is all.
pub(super) struct Pipe {
    sender: mpsc::Sender<Option<Bytes>>,
    piece: Vec<u8>,
}

impl Pipe {
    /// That was all of it.
    pub(super) fn end(mut self) -> io::Result<()> {
        self.flush()?;
        self.sender.blocking_send(None).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.piece.extend_from_slice(bytes);
        if self.piece.len() >= PIECE {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.piece.is_empty() {
            return Ok(());
        }
        let piece = std::mem::replace(&mut self.piece, Vec::with_capacity(PIECE + PIECE / 8));
        self.sender.blocking_send(Some(piece.into())).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

/// An object as it arrives.
pub(super) struct Source {
    pieces: mpsc::Receiver<Option<Bytes>>,
    piece: Bytes,
    ended: bool,
}

impl Read for Source {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() && !self.ended {
            match self.pieces.blocking_recv() {
                Some(Some(piece)) => self.piece = piece,
                Some(None) => self.ended = true,
                // Broken off: not the same as its end.
                None => return Err(io::ErrorKind::UnexpectedEof.into()),
            }
        }
        let size = self.piece.len().min(into.len());
        into[..size].copy_from_slice(&self.piece.split_to(size));
        Ok(size)
    }
}

#[cfg(test)]
mod tests;
