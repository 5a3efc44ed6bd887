//! Where plugins come from, what they are granted, and what one call may use.

use super::Registry;
use super::limits::{Limits, LimitsPart};
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
    /// Which new versions wait for `rowhouse plugin approve`.
    pub approval: Approval,
    /// The lock file: which version of each plugin serves, and who approved it. Unset: `plugins/rowhouse.lock` in the
    /// state directory. Another path lets it be kept under version control; where it cannot be written, no version is
    /// taken up that is not in it.
    pub lock: Option<PathBuf>,
    /// Where the bytes of versions that served are kept, to serve again. Unset: `plugins/kept` in the state directory.
    pub kept: Option<PathBuf>,
    /// When a new version that fails is taken back.
    pub rollback: Rollback,
    /// When calls that break bounds again and again step behind all others.
    pub probation: Probation,
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
    /// Bounds of calls over one tenant's rows, by the tenant's name or id. They only narrow: of two bounds the smaller
    /// counts. A call over several tenants is no tenant's.
    pub tenant_limits: BTreeMap<String, LimitsPart>,
    /// Count fuel, too. Off, because it costs a quarter of a guest's speed on top of the clock's sixth; on, the same call
    /// ends at the same instruction on any machine. Changes what compiled code looks like: everything is compiled anew.
    pub fuel: bool,
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
            approval: Approval::default(),
            lock: None,
            kept: None,
            rollback: Rollback::default(),
            probation: Probation::default(),
            signatures: None,
            publishers: BTreeMap::new(),
            sources: BTreeMap::new(),
            registries: BTreeMap::new(),
            default_grant: Grant::default(),
            grants: BTreeMap::new(),
            limits: Limits::default(),
            tenant_limits: BTreeMap::new(),
            fuel: false,
        }
    }
}

impl Plugins {
    /// What the plugin of this name may import.
    pub fn grant(&self, plugin: &str) -> &Grant {
        self.grants.get(plugin).unwrap_or(&self.default_grant)
    }

    /// What one call of this plugin may use, whoever's rows it is over.
    pub fn limits(&self, plugin: &str) -> Limits {
        self.limits.with(&self.grant(plugin).limits)
    }

    /// Bounds and grants that cannot work, a line each.
    pub fn faults(&self) -> Vec<String> {
        let mut found = self.limits.faults("plugins.limits");
        found.extend(self.default_grant.faults("plugins.default_grant"));
        for (plugin, grant) in &self.grants {
            found.extend(grant.faults(&format!("plugins.grants.{plugin}")));
        }
        for (tenant, part) in &self.tenant_limits {
            found.extend(part.faults(&format!("plugins.tenant_limits.{tenant:?}")));
        }
        found
    }
}

/// Which new versions of a plugin wait for an operator.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Approval {
    /// Every one, plugins that were never seen included.
    All,
    /// Those that reach further or read otherwise to callers: a wider import, another publisher, a tool that is new, gone
    /// or described otherwise. A rebuild or a mended bug is served at once: waiting for somebody to nod at what nobody
    /// can see keeps old bugs serving. A plugin that was never seen is served.
    #[default]
    Changed,
    /// None, for developers: whatever is in the directory and holds is served.
    None,
}

/// When a new version that fails is taken back: the version before serves again, and is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rollback {
    /// Seconds a version is watched after it began to serve. Five minutes: what a swap broke shows in the first calls;
    /// what fails a day later has another reason, and an older version would not mend it.
    pub window_seconds: u64,
    /// Calls before anything is concluded. Twenty: two failures of three calls say little.
    pub calls: u32,
    /// More than this share of the calls, in percent, must end in an error that is the plugin's fault, and so must most
    /// callers' own: one caller alone never takes a version from the others. 100: never taken back.
    pub errors_percent: u8,
}

impl Default for Rollback {
    fn default() -> Self {
        Self { window_seconds: 300, calls: 20, errors_percent: 50 }
    }
}

/// When an account's calls of a plugin step behind all others: they go on, on threads that get a core when nobody else
/// wants it, with one statement at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Probation {
    /// Calls that broke a bound, each within `seconds` of the one before. Three: one may be a mistake, and whoever tries
    /// again with half of it has made two. 0: never.
    pub breaches: u32,
    /// How long after the last breach it ends. A minute: longer than a model needs to think of something else.
    pub seconds: u64,
}

impl Default for Probation {
    fn default() -> Self {
        Self { breaches: 3, seconds: 60 }
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

/// What a plugin may import, read and use, for whom, and whose it must be. What it imports beyond that is refused when it
/// is loaded; tables and tenants outside it are not there for its calls.
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
    /// Tables its statements may read and `schema` tells of, as `schema.table` or `schema.*`, written as PostgreSQL stores
    /// the names. Unset: all that the policy allows. Never more than that.
    pub tables: Option<BTreeSet<String>>,
    /// Tenants it is for, by name or id. Unset: all. A caller who names no tenant is narrowed to them; to whom none is
    /// left, its tools do not exist.
    pub tenants: Option<BTreeSet<String>>,
    /// Whether answers of its statements may come out of the cache, where there is one (`cache.enabled`). True; false
    /// for a plugin whose users must see each change at once.
    pub cache: bool,
    /// Bounds of its calls that differ from `plugins.limits`, wider or narrower.
    pub limits: LimitsPart,
}

impl Grant {
    fn faults(&self, place: &str) -> Vec<String> {
        let mut found = self.limits.faults(&format!("{place}.limits"));
        let halves =
            |table: &str| table.split_once('.').is_some_and(|(schema, name)| !schema.is_empty() && !name.is_empty());
        for table in self.tables.iter().flatten().filter(|table| !halves(table)) {
            found.push(format!("{place}.tables: {table:?} is no table; write \"schema.table\" or \"schema.*\""));
        }
        found
    }
}

impl Default for Grant {
    fn default() -> Self {
        let interfaces = ["sql", "schema", "embedding", "call-context", "log", "progress"];
        Self {
            interfaces: interfaces.map(str::to_owned).into(),
            wasi: false,
            publishers: BTreeSet::new(),
            tables: None,
            tenants: None,
            cache: true,
            limits: LimitsPart::default(),
        }
    }
}
