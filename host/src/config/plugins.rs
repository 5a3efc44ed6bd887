//! Where plugins come from, what they are granted, and what one call may use.

use super::Registry;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// Where plugins come from and what they are granted.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Plugins {
    /// Every `*.wasm` of this directory is a plugin; its file name, without the ending, is its name.
    pub directory: PathBuf,
    /// Where compiled code is kept between starts. Private to the host: created with mode 0700.
    pub cache: Option<PathBuf>,
    /// The largest component accepted, in bytes. The compiler has no limits of its own, and a hostile half-megabyte
    /// module was measured to take seconds; 32 MiB holds a Python guest (18 MB) with room.
    pub max_bytes: u64,
    /// Seconds of CPU a compilation may use, in its own process. A Python guest takes 7, a JavaScript one 9.
    pub compile_seconds: u64,
    /// Bytes of memory that process may use. Four times what the largest guest measured needed.
    pub compile_memory: u64,
    /// Calls running at once, over all plugins; each may hold one slot of the pool of instances.
    pub concurrent_calls: u32,
    /// Load, replace and unload plugins when the directory changes.
    pub watch: bool,
    /// Whether a component must be signed by one of the publishers. Unset: yes, unless the database is the embedded one,
    /// where a demo or a developer's own plugins are at home.
    pub signatures: Option<Signatures>,
    /// Publishers whose signatures are believed: a name of the operator's choice, and an Ed25519 public key (PEM, or a
    /// line of OpenSSH), as text or as `{ file = "/path" }`.
    pub publishers: BTreeMap<String, PublicKeyText>,
    /// Plugins by where they come from: `oci://HOST/REPOSITORY:TAG` (or `@sha256:DIGEST`, which is held to), `file:/path`.
    /// Fetched into the directory when the host starts and by `rowhouse plugin update`, never by a timer: which version
    /// serves is decided by somebody. One that cannot be had leaves what lies there serving.
    pub sources: BTreeMap<String, String>,
    /// Registries that need a proof, or have no TLS, by their host as references name it.
    pub registries: BTreeMap<String, Registry>,
    /// What a plugin without a grant of its own may import.
    pub default_grant: Grant,
    /// Grants by plugin name. Replaces the default, whole.
    pub grants: BTreeMap<String, Grant>,
    /// What one call may use.
    pub limits: Limits,
}

impl Default for Plugins {
    fn default() -> Self {
        Self {
            directory: PathBuf::from("plugins.d"),
            cache: None,
            max_bytes: 32 << 20,
            compile_seconds: 60,
            compile_memory: 4 << 30,
            concurrent_calls: 64,
            watch: true,
            signatures: None,
            publishers: BTreeMap::new(),
            sources: BTreeMap::new(),
            registries: BTreeMap::new(),
            default_grant: Grant::default(),
            grants: BTreeMap::new(),
            limits: Limits::default(),
        }
    }
}

impl Plugins {
    /// What the plugin of this name may import.
    pub fn grant(&self, plugin: &str) -> &Grant {
        self.grants.get(plugin).unwrap_or(&self.default_grant)
    }
}

/// Whether components must be signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Signatures {
    /// What no known publisher signed is refused.
    Required,
    /// What is not signed is served, too. A signature that does not hold is refused all the same.
    Optional,
}

/// A public key, or where it is. No secret: it may be shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum PublicKeyText {
    /// The key itself.
    Text(String),
    /// In this file.
    File {
        /// Which.
        file: PathBuf,
    },
}

impl PublicKeyText {
    /// The key's text.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn read(&self) -> std::io::Result<String> {
        match self {
            Self::Text(text) => Ok(text.clone()),
            Self::File { file } => std::fs::read_to_string(file),
        }
    }
}

/// What a plugin may import, and whose it must be. Anything else is refused when it is loaded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Grant {
    /// Interfaces of `rowhouse:plugin`, by name. Types are always granted: only functions give anything.
    pub interfaces: BTreeSet<String>,
    /// The safe part of WASI (clocks, random, output into the log), for guests whose toolchain cannot do without.
    /// Files, sockets and HTTP stay denied either way.
    pub wasi: bool,
    /// Publishers one of whom must have signed it. Empty: any that is believed.
    pub publishers: BTreeSet<String>,
}

impl Default for Grant {
    fn default() -> Self {
        let interfaces = ["sql", "schema", "embedding", "call-context", "log", "progress"];
        Self { interfaces: interfaces.map(str::to_owned).into(), wasi: false, publishers: BTreeSet::new() }
    }
}

/// What one call may use. Each bound has its own error code, so that a plugin's author knows which one was met.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Milliseconds from start to answer, waiting for the database included. `PLUGIN_DEADLINE`. Five seconds more than
    /// one statement may run: a slow statement then ends as one, and the plugin is not blamed for it.
    pub wall_ms: u64,
    /// Milliseconds of the plugin's own computing, waiting not included, to within a tick (10 ms). `PLUGIN_CPU`.
    /// Two seconds sort a million rows; an answer that needs more should be a statement.
    pub cpu_ms: u64,
    /// Bytes of linear memory, over all memories of the component. `PLUGIN_MEMORY`.
    pub memory: usize,
    /// Elements in any table. `PLUGIN_MEMORY`. StarlingMonkey needs 7,702.
    pub table_elements: usize,
    /// Calls into the host. `PLUGIN_HOST_CALLS`. A guest can make 15 million a second; reading 100,000 rows one by
    /// one is the most a well-behaved one does.
    pub host_calls: u64,
    /// Statements started. `PLUGIN_STATEMENTS`.
    pub statements: u32,
    /// Row sets and pending statements held at once. `PLUGIN_HANDLES`.
    pub handles: u32,
    /// Rows kept of one statement; more are cut and said to be. Not an error.
    pub rows: u32,
    /// Bytes of rows kept of one statement. `QUERY_LIMIT`.
    pub row_bytes: usize,
    /// Bytes that cross the wall in one host call or in the answer. `PLUGIN_ANSWER`.
    pub transfer_bytes: usize,
    /// Bytes of log lines; what goes over is dropped and counted.
    pub log_bytes: usize,
    /// Progress reports; what goes over is dropped.
    pub progress_reports: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            wall_ms: 35_000,
            cpu_ms: 2_000,
            memory: 64 << 20,
            table_elements: 20_000,
            host_calls: 200_000,
            statements: 50,
            handles: 64,
            rows: 1_000,
            row_bytes: 4 << 20,
            transfer_bytes: 8 << 20,
            log_bytes: 16 << 10,
            progress_reports: 1_000,
        }
    }
}

impl Limits {
    /// The envelope of `describe`: no data, no waiting, half the memory. Naming tools takes microseconds; five seconds
    /// of wall time are for a machine that is busy with other things.
    #[must_use]
    pub fn for_describe(&self) -> Self {
        Self {
            wall_ms: self.wall_ms.min(5_000),
            cpu_ms: self.cpu_ms.min(200),
            memory: (self.memory / 2).max(16 << 20),
            host_calls: 1_000,
            statements: 0,
            handles: 0,
            transfer_bytes: self.transfer_bytes.min(1 << 20),
            log_bytes: 1 << 10,
            progress_reports: 0,
            ..self.clone()
        }
    }
}
