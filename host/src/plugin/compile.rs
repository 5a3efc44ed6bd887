//! Bytes to native code, in a process of its own, kept between starts.
//!
//! Compiling is the weakest spot of a WebAssembly host: the compiler has no bounds of its own. So it runs in a child
//! process with a limit on memory and CPU, one at a time, and a component that kills it has killed only that.
//!
//! Native code is trusted code. It is only ever made here, is kept in a directory that nobody else may enter, under
//! the digest of what it was compiled from and of the compiler's settings, and carries a MAC under a key of that
//! directory: a file that was changed is compiled again, not run.

use super::engine;
use crate::config::{Plugins, pool};
use crate::disk;
use crate::error::BoxError;
use crate::worker;
use hmac::{Hmac, Mac};
use rustix::process::{Resource, Rlimit, setrlimit};
use sha2::{Digest, Sha256};
use std::fs;
use std::hash::{Hash, Hasher};
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Semaphore;
use wasmtime::Engine;
use wasmtime::component::Component;

/// The hidden command that is the compiler process.
pub const WORKER: &str = "compile-component";

/// SHA-256 of a component's bytes, in hex: its name in logs, pins and the code cache.
pub(super) fn digest(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// Compiles components and keeps the code.
pub(super) struct Compiler {
    program: PathBuf,
    cache: PathBuf,
    key: [u8; 32],
    cpu_seconds: u64,
    memory: u64,
    fuel: bool,
    one_at_a_time: Semaphore,
}

impl Compiler {
    /// `program` is the executable that knows [`WORKER`]; `cache` is made if it is not there.
    ///
    /// # Errors
    /// Where the directory cannot be made or is open to others.
    pub(super) fn new(program: PathBuf, cache: &Path, settings: &Plugins) -> Result<Self, BoxError> {
        disk::private_directory(cache).map_err(|e| unusable(cache, &e))?;
        let mode = fs::metadata(cache).map_err(|e| unusable(cache, &e))?.permissions().mode();
        if mode & 0o077 != 0 {
            return Err(format!("the code cache {} is open to others; run `chmod 700` on it", cache.display()).into());
        }
        let key = key(&cache.join("key")).map_err(|e| unusable(cache, &e))?;
        Ok(Self {
            program,
            cache: cache.to_owned(),
            key,
            cpu_seconds: settings.compile_seconds,
            memory: settings.compile_memory,
            fuel: settings.fuel,
            one_at_a_time: Semaphore::new(1),
        })
    }

    /// The component with this digest, compiled now or before.
    ///
    /// # Errors
    /// What the compiler said, or which of its bounds it met.
    pub(super) async fn component(&self, engine: &Engine, bytes: &[u8], digest: &str) -> Result<Component, BoxError> {
        let path = self.cache.join(format!("{digest}-{:016x}", settings(engine)));
        if let Some(code) = self.kept(&path) {
            return load(engine, &code);
        }
        let _turn = self.one_at_a_time.acquire().await?;
        let code = self.compile(bytes).await?;
        self.keep(&path, &code).map_err(|e| unusable(&self.cache, &e))?;
        load(engine, &code)
    }

    async fn compile(&self, bytes: &[u8]) -> Result<Vec<u8>, BoxError> {
        let mut child = worker::command(&self.program, WORKER)
            .args(["--cpu-seconds", &self.cpu_seconds.to_string(), "--memory", &self.memory.to_string()])
            .args(self.fuel.then_some("--fuel"))
            .spawn()
            .map_err(|e| format!("start the compiler process {}: {e}", self.program.display()))?;
        let (mut stdin, mut stdout, mut stderr) = match (child.stdin.take(), child.stdout.take(), child.stderr.take()) {
            (Some(stdin), Some(stdout), Some(stderr)) => (stdin, stdout, stderr),
            _ => return Err("the compiler process has no pipes".into()),
        };
        let (mut code, mut said) = (Vec::new(), Vec::new());
        let work = async {
            // A worker that dies early closes its end; what it said then tells more than the broken pipe.
            let feed = async {
                let _ = stdin.write_all(bytes).await;
                drop(stdin);
            };
            let (_, read, heard) = tokio::join!(feed, stdout.read_to_end(&mut code), stderr.read_to_end(&mut said));
            read?;
            heard?;
            child.wait().await
        };
        // CPU time is bounded in the worker; this bounds a worker that waits. Two minutes more than the CPU bound
        // leave a busy machine its time.
        let patience = Duration::from_secs(self.cpu_seconds + 120);
        let status = tokio::time::timeout(patience, work).await.map_err(|_| "the compiler process hung")??;
        if status.success() {
            return Ok(code);
        }
        let said: String = String::from_utf8_lossy(&said).trim().chars().take(500).collect();
        let memory = format!("{} bytes of memory are allowed (plugins.compile_memory)", self.memory);
        Err(match (std::os::unix::process::ExitStatusExt::signal(&status), said.is_empty()) {
            (Some(9 | 24), _) => {
                format!("compiling took more than {} s of CPU (plugins.compile_seconds)", self.cpu_seconds).into()
            }
            (Some(_), _) => format!("the compiler process died ({status}); {memory}: {said}").into(),
            (None, true) => format!("the compiler process failed ({status})").into(),
            // The system's own words for ENOMEM, whichever allocation met the bound first.
            (None, false) if said.contains("Cannot allocate memory") => {
                format!("the compiler process ran out of memory; {memory}: {said}").into()
            }
            (None, false) => said.into(),
        })
    }

    /// Code kept from before, if it is there and is what was written.
    fn kept(&self, path: &Path) -> Option<Vec<u8>> {
        let mut bytes = fs::read(path).ok()?;
        let code = bytes.len().checked_sub(32)?;
        let tag = bytes.split_off(code);
        let sound = self.mac(path, &bytes).verify_slice(&tag).is_ok();
        if !sound {
            tracing::warn!(path = %path.display(), "kept native code was changed; compiling again");
        }
        sound.then_some(bytes)
    }

    /// Write beside, then rename: a reader sees the whole file or none, and a mapped one never changes.
    fn keep(&self, path: &Path, code: &[u8]) -> std::io::Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(&self.cache)?;
        file.write_all(code)?;
        file.write_all(&self.mac(path, code).finalize().into_bytes())?;
        file.as_file().sync_all()?;
        file.persist(path)?;
        Ok(())
    }

    /// The name is part of what is signed, so that one plugin's code cannot be passed off as another's.
    fn mac(&self, path: &Path, code: &[u8]) -> Hmac<Sha256> {
        let mut mac = Hmac::new_from_slice(&self.key).expect("HMAC takes a key of any length");
        mac.update(path.file_name().map(std::ffi::OsStr::as_encoded_bytes).unwrap_or_default());
        mac.update(code);
        mac
    }
}

fn unusable(path: &Path, error: &std::io::Error) -> BoxError {
    format!("the code cache {}: {error}; set plugins.cache to a directory this user may write", path.display()).into()
}

/// The directory's own key, made on first use.
fn key(path: &Path) -> std::io::Result<[u8; 32]> {
    let mut key = [0; 32];
    if !path.exists() {
        rand::fill(&mut key);
        // Whole or not there at all: two hosts that start at once agree on the first one's key.
        let mut fresh = tempfile::NamedTempFile::new_in(disk::above(path))?;
        fresh.write_all(&key)?;
        match fresh.persist_noclobber(path) {
            Ok(_) => return Ok(key),
            Err(lost) if lost.error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(lost) => return Err(lost.error),
        }
    }
    fs::File::open(path)?.read_exact(&mut key)?;
    Ok(key)
}

/// A fingerprint of everything that decides what compiled code looks like.
fn settings(engine: &Engine) -> u64 {
    let mut hasher = std::hash::DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut hasher);
    hasher.finish()
}

fn load(engine: &Engine, code: &[u8]) -> Result<Component, BoxError> {
    // SAFETY: the bytes came from our own compiler, either just now through a pipe or from a file whose MAC, under a
    // key in a directory only we may enter, was checked on these very bytes.
    #[expect(unsafe_code, reason = "native code is mapped as it is; see the module's documentation for why it is ours")]
    let component = unsafe { Component::deserialize(engine, code) }.map_err(|e| worded(&format!("{e:#}")))?;
    // Otherwise the first call would pay for it.
    component.initialize_copy_on_write_image()?;
    Ok(component)
}

/// Why code that our own compiler made is not taken: it has more inside than its place in the pool.
fn worded(said: &str) -> String {
    let (instances, memories, tables) = (pool::INSTANCES, pool::MEMORIES, pool::TABLES);
    let most = format!("{instances} instances, {memories} memories of {} MiB", pool::MEMORY >> 20);
    format!("a component may have {most}, {tables} tables of {} elements inside: {said}", pool::TABLE_ELEMENTS)
}

/// What the compiler process does: bound itself, read a component from standard input, write native code to
/// standard output.
///
/// # Errors
/// What is wrong with the component.
pub fn work(cpu_seconds: u64, memory: u64, fuel: bool) -> Result<(), BoxError> {
    setrlimit(Resource::Cpu, Rlimit { current: Some(cpu_seconds), maximum: Some(cpu_seconds) })?;
    worker::bound(memory)?;
    let mut bytes = Vec::new();
    std::io::stdin().lock().read_to_end(&mut bytes)?;
    // One slot: nothing runs here, and the settings of the compiled code do not depend on it.
    let engine = Engine::new(&engine::config(1, fuel))?;
    let code = engine.precompile_component(&bytes).map_err(|e| format!("{e:#}"))?;
    std::io::stdout().lock().write_all(&code)?;
    Ok(())
}
