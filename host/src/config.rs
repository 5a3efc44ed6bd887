//! Every setting, read once, with its reason beside it.
//!
//! Later wins: built-in defaults, `rowhouse.toml`, the environment (`ROWHOUSE_DATABASE__POOL__MAX=20` sets
//! `database.pool.max`), the command line (`--set database.pool.max=20`).

mod alerts;
mod audit;
mod backup;
mod cache;
mod database;
mod doctor;
mod embedding;
mod health;
mod http;
mod identity;
mod keys;
mod limits;
mod plugins;
mod policy;
mod production;
mod registries;
mod secret;
mod sources;
mod telemetry;
mod traffic;
mod usage;

pub use alerts::{Alerts, Least, Webhook};
pub use audit::Audit;
pub use backup::{Backup, Every, Keep};
pub use cache::Cache;
pub use database::{Database, Pool};
pub use doctor::Doctor;
pub use embedding::{Embedding, Model, Provider, USUAL_MODEL};
pub use health::{Bounds, Health};
pub use http::{Http, Network};
pub(crate) use identity::usual_types;
pub use identity::{Algorithm, Claims, Identity, Issuer, Person};
pub use keys::Keys;
pub use limits::{Limits, LimitsPart, pool};
pub use plugins::{Approval, Grant, Plugins, Probation, PublicKeyText, Rollback, Signatures};
pub use policy::Policy;
pub use production::{Gap, Profile};
pub use registries::Registry;
pub use secret::{Secret, SecretError};
pub use sources::{Problem, Shown, Sources};
pub use telemetry::{Otlp, Telemetry};
pub use traffic::{Quota, Rate, Traffic};
pub use usage::{Price, Prices, Usage};

use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// The whole configuration.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// What the host is run for.
    pub profile: Profile,
    /// What goes to the log, as `--log` and `ROWHOUSE_LOG` take it, which come before it: `info`, `rowhouse=debug,warn`.
    /// Unset: `warn`.
    pub log: Option<String>,
    /// The front door.
    pub http: Http,
    /// The database and the pool.
    pub database: Database,
    /// Plugins, their grants and the bounds of a call.
    pub plugins: Plugins,
    /// Who is believed.
    pub identity: Identity,
    /// Who may do what.
    pub policy: Policy,
    /// How much, how often, how many at once.
    pub traffic: Traffic,
    /// The record of what was done.
    pub audit: Audit,
    /// Answers of statements that are kept for a while.
    pub cache: Cache,
    /// The models that make vectors of texts.
    pub embedding: Embedding,
    /// Backups of the database.
    pub backup: Backup,
    /// What usage costs.
    pub usage: Usage,
    /// From when on something is wrong.
    pub health: Health,
    /// Who is told of it.
    pub alerts: Alerts,
    /// What the host tells of itself: metrics, traces, slow statements.
    pub telemetry: Telemetry,
    /// What the doctor may leave aside.
    pub doctor: Doctor,
    /// The host's keys, where they are not files of the state directory.
    pub keys: Keys,
    /// Where keys, compiled code and the embedded database live. Empty: `/var/lib/rowhouse` for root,
    /// `$XDG_DATA_HOME/rowhouse` for everyone else.
    pub state: Option<PathBuf>,
}

/// Why the settings cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the configuration cannot be used")]
pub struct Error(#[from] Box<figment::Error>);

impl Settings {
    /// Read the settings: `file` if given (it must be there), else `rowhouse.toml` of the working directory if there
    /// is one, then the environment.
    ///
    /// # Errors
    /// A setting that is unknown or of the wrong type, with where it came from.
    pub fn read(file: Option<&Path>) -> Result<Self, Error> {
        Sources { file: file.map(Path::to_owned), set: Vec::new() }.settings()
    }

    /// Values that cannot work, a line each.
    pub fn faults(&self) -> Vec<String> {
        let mut found = self.plugins.faults();
        found.extend(self.embedding.faults());
        found.extend(self.backup.faults());
        found.extend(self.cache.faults());
        found.extend(self.database.fault());
        found.extend(self.database.pool.fault().map(|what| format!("database.pool: {what}")));
        found.extend(self.audit.fault().map(|what| format!("audit: {what}")));
        found.extend(self.health.faults());
        found.extend(self.alerts.faults());
        found.extend(self.telemetry.faults());
        found
    }

    /// Whether the demo's own schema is among those served.
    pub fn serves_demo(&self) -> bool {
        self.database.schemas.iter().any(|schema| schema == "retail")
    }

    /// The functions statements may call besides those of the allow-list: the operator's, and the demo's own.
    pub fn functions(&self) -> Vec<String> {
        let demo = self.serves_demo().then_some(rowhouse_migrations::retail::FUNCTIONS).into_iter().flatten();
        self.database.functions.iter().cloned().chain(demo.map(str::to_owned)).collect()
    }

    /// Whether plugins must be signed by a publisher that is believed: as the settings say, and where they say nothing,
    /// unless the database is the embedded one.
    pub fn requires_signatures(&self) -> bool {
        match self.plugins.signatures {
            Some(signatures) => signatures == Signatures::Required,
            None => self.database.url.is_some(),
        }
    }

    /// The directory for everything the host keeps.
    pub fn state_dir(&self) -> PathBuf {
        if let Some(dir) = &self.state {
            return dir.clone();
        }
        // PostgreSQL cannot run as root, and what it runs as cannot look into /root: root keeps its state elsewhere.
        if rustix::process::geteuid().is_root() {
            return PathBuf::from("/var/lib/rowhouse");
        }
        let data = std::env::var_os("XDG_DATA_HOME").map(PathBuf::from);
        let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/share"));
        data.or_else(home).unwrap_or_else(std::env::temp_dir).join("rowhouse")
    }
}
