//! Fetching, in a process of its own.
//!
//! A registry may answer with a manifest, a token or headers of any size, and the client holds each in memory before
//! anybody can look. So what a registry says is read in a child with a bound on memory, as components are compiled in
//! one: a registry that lies about sizes ends that process, and not the host with its keys and its database.

use super::access::Access;
use super::client::Remote;
use super::digest::Digest;
use super::failure::Failure;
use super::place::Reference;
use super::store::{Record, Store};
use crate::error::BoxError;
use crate::worker;
use serde::{Deserialize, Serialize};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};

/// The hidden command that is the fetching process.
pub const WORKER: &str = "fetch-component";

/// Bytes of memory it may use. A component is written to disk piece by piece, a manifest has some kilobytes, and the
/// protocol expects none over 4 MiB.
const MEMORY: u64 = 256 << 20;

/// What it may say in all: progress of a large component on a slow line is some kilobytes, a signature 90.
const MOST_SAID: u64 = 4 << 20;

/// Between two words about progress.
const EVERY: Duration = Duration::from_millis(100);

/// Variables it is given: where proxies and certificates are.
const VARIABLES: [&str; 10] = [
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "all_proxy",
    "no_proxy",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
];

/// What is asked of it, on its standard input.
#[derive(Serialize, Deserialize)]
struct Job {
    reference: String,
    access: Access,
    most: u64,
    store: PathBuf,
}

/// What it says, a line each.
#[derive(Serialize, Deserialize)]
enum Said {
    Progress { done: u64, total: u64 },
    Done { record: Record, transferred: u64 },
    Failed(Failure),
}

/// Have one reference fetched into the store: what it is, and how many bytes of the component were transferred.
///
/// # Errors
/// Why it was not. After `patience` at the latest.
pub(super) async fn fetch(
    program: &Path,
    store: &Store,
    at: &Reference,
    access: &Access,
    most: u64,
    patience: Duration,
    progress: &mut (dyn FnMut(u64, u64) + Send),
) -> Result<(Record, u64), Failure> {
    let job = Job { reference: at.to_string(), access: access.clone(), most, store: store.directory().to_owned() };
    let job = serde_json::to_vec(&job).map_err(|e| Failure::here("the fetching process", e))?;
    let mut child = worker::command(program, WORKER)
        .envs(VARIABLES.iter().filter_map(|name| Some((name, std::env::var_os(name)?))))
        .spawn()
        .map_err(|e| Failure::here(format!("start the fetching process {}", program.display()), e))?;
    let (Some(mut stdin), Some(stdout), Some(stderr)) = (child.stdin.take(), child.stdout.take(), child.stderr.take())
    else {
        return Err(Failure::Here("the fetching process has no pipes".to_owned()));
    };
    let work = async {
        // One that ends early closes its end; what it said then tells more than the broken pipe.
        let _ = stdin.write_all(&job).await;
        drop(stdin);
        let mut lines = BufReader::new(stdout.take(MOST_SAID)).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            match serde_json::from_str(&line) {
                Ok(Said::Progress { done, total }) => progress(done, total),
                Ok(Said::Done { record, transferred }) => return Ok((record, transferred)),
                Ok(Said::Failed(why)) => return Err(why),
                Err(_) => break,
            }
        }
        let mut words = String::new();
        let _ = stderr.take(500).read_to_string(&mut words).await;
        let ended = child.wait().await.map_or_else(|e| e.to_string(), |status| status.to_string());
        let why = format!("{} sent more than the fetching process has memory for, or broke it ({ended})", at.registry);
        Err(Failure::Here(if words.contains("memory") { why } else { format!("{why}: {}", words.trim()) }))
    };
    let slow = |_| Failure::Slow { registry: at.registry.clone(), seconds: patience.as_secs() };
    tokio::time::timeout(patience, work).await.map_err(slow)?
}

/// What the fetching process does: bound itself, read what to fetch, fetch it into the store, say how it went.
///
/// # Errors
/// Where it cannot even begin. A fetch that fails is said on standard output.
pub fn work() -> Result<(), BoxError> {
    worker::bound(MEMORY)?;
    let mut text = Vec::new();
    std::io::stdin().lock().read_to_end(&mut text)?;
    let job: Job = serde_json::from_slice(&text).map_err(|_| "started by hand? the host starts it")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let outcome = runtime.block_on(transfer(&job));
    say(&match outcome {
        Ok((record, transferred)) => Said::Done { record, transferred },
        Err(why) => Said::Failed(why),
    });
    Ok(())
}

fn say(what: &Said) {
    let line = serde_json::to_string(what).unwrap_or_default();
    // Nobody there to hear it: the host ended, and so does this.
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}

async fn transfer(job: &Job) -> Result<(Record, u64), Failure> {
    let at = Reference::read(&job.reference).map_err(Failure::Here)?;
    let remote = Remote::with(&at, &job.access)?;
    let (manifest, described) = remote.describe(job.most).await?;
    let store = Store::at(job.store.clone());
    let mut transferred = 0;
    if !store.holds(&described.component, job.most) {
        let about = |e: std::io::Error| Failure::here("the directory of pulled plugins", e);
        let fresh = tempfile::NamedTempFile::new_in(store.directory()).map_err(about)?;
        let mut file = tokio::fs::File::from_std(fresh.reopen().map_err(about)?);
        let (total, mut said) = (described.size, Instant::now());
        let progress = |done| {
            if said.elapsed() >= EVERY {
                said = Instant::now();
                say(&Said::Progress { done, total });
            }
        };
        remote.transfer(&described, &mut file, progress).await?;
        file.sync_all().await.map_err(about)?;
        fresh.persist(store.place(&described.component)).map_err(|e| about(e.error))?;
        transferred = total;
    }
    let record = Record {
        reference: at.to_string(),
        manifest,
        component: Digest::clone(&described.component),
        signature: described.signature,
        version: described.version,
    };
    Ok((record, transferred))
}
