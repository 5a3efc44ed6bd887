//! Every setting, read once, with its reason beside it.
//!
//! Later wins: built-in defaults, `rowhouse.toml`, the environment (`ROWHOUSE_DATABASE__POOL__MAX=20` sets
//! `database.pool.max`),
//! the command line.

mod database;
mod http;
mod plugins;

pub use database::{Database, Pool};
pub use http::Http;
pub use plugins::{Grant, Limits, Plugins};

use figment::Figment;
use figment::providers::{Env, Format, Serialized, Toml};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use uuid::Uuid;

/// The whole configuration.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// The front door.
    pub http: Http,
    /// The database and the pool.
    pub database: Database,
    /// Plugins, their grants and the bounds of a call.
    pub plugins: Plugins,
    /// The demo's identity provider.
    pub identity: Identity,
    /// Who may do what: one rule a role. Empty: the rules Rowhouse ships with.
    pub policy: Vec<Rule>,
    /// Where keys, compiled code and the embedded database live. Empty: `/var/lib/rowhouse` for root,
    /// `$XDG_DATA_HOME/rowhouse` for everyone else.
    pub state: Option<PathBuf>,
}

/// The demo's identity provider.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Identity {
    /// Seconds a printed token is valid. A working day: long enough to try things, short enough to be forgotten.
    pub token_seconds: u64,
    /// People besides the demo's own.
    pub people: Vec<Person>,
}

/// Someone the issuer vouches for.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Person {
    /// The name on the command line and the token's subject.
    pub name: String,
    /// For people to read.
    pub display_name: String,
    /// Role names; what a role may do is the policy's business.
    pub roles: Vec<String>,
    /// Its own tenants.
    #[serde(default)]
    pub tenants: Vec<Uuid>,
    /// Its own regions.
    #[serde(default)]
    pub regions: Vec<String>,
}

impl Default for Identity {
    fn default() -> Self {
        Self { token_seconds: 12 * 60 * 60, people: Vec::new() }
    }
}

/// What one role may do. A principal has the widest reach of the roles whose rule names the tool.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// The role, as the issuer spells it.
    pub role: String,
    /// How far it reaches.
    pub reach: Reach,
    /// Tools it may call: exact names, or `*` for every published tool.
    pub tools: BTreeSet<String>,
}

/// How far a role reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reach {
    /// The tenants the issuer names as the principal's own.
    Own,
    /// Every tenant of the regions the issuer names as the principal's own.
    Region,
    /// Every tenant.
    All,
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
        let toml = match file {
            Some(path) => Toml::file_exact(path),
            None => Toml::file("rowhouse.toml"),
        };
        Figment::from(Serialized::defaults(Settings::default()))
            .merge(toml)
            // Two underscores part the levels, so that names with one underscore keep it. The two variables that
            // are read elsewhere would otherwise be unknown settings.
            .merge(Env::prefixed("ROWHOUSE_").ignore(&["config", "log", "pg_bin_dir"]).split("__"))
            .extract()
            .map_err(|e| Error(Box::new(e)))
    }

    /// Whether the demo's own schema is among those served.
    pub fn serves_demo(&self) -> bool {
        self.database.schemas.iter().any(|schema| schema == "retail")
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
