//! The commands, and what they say while they work.

mod admin;
mod api_key;
mod audit;
mod backup;
mod banner;
mod config;
mod doctor;
mod embed;
mod health;
mod keys;
mod log;
mod manager;
mod plugin;
mod policy;
mod progress;
mod reload;
mod run;
mod serve;
mod signals;
mod slow;
mod token;
mod top;
mod trail;
mod usage;

pub use run::run;
use trail::tell;

use clap::{Args, Parser, Subcommand};
use std::net::SocketAddr;
use std::path::PathBuf;

/// One MCP endpoint, many tenants, tools in a sandbox.
#[derive(Parser)]
#[command(name = "rowhouse", version, after_help = "A first look:  rowhouse demo")]
pub struct Cli {
    #[command(flatten)]
    pub(crate) common: Common,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command takes.
#[derive(Args)]
pub(crate) struct Common {
    /// The settings file. Unset: `rowhouse.toml` here, if there is one.
    #[arg(long, global = true, env = "ROWHOUSE_CONFIG", value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Where keys, compiled plugins and the embedded database live.
    #[arg(long = "state-dir", global = true, value_name = "DIR")]
    pub(crate) state: Option<PathBuf>,
    /// `embedded`, or the URL of your own PostgreSQL (15 to 18) as a role that may create roles and schemas.
    #[arg(long, global = true, env = "DATABASE_URL", hide_env_values = true, value_name = "embedded|URL")]
    pub(crate) database: Option<String>,
    /// An archive of the embedded PostgreSQL on disk, for machines without a package client.
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) postgres_archive: Option<PathBuf>,
    /// A setting, over the file and the environment; may be given several times: `--set http.listen=127.0.0.1:9000`.
    #[arg(long = "set", global = true, value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,
    /// The directory of plugins.
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) plugins: Option<PathBuf>,
    /// What goes to the log (standard error): `info`, `debug`, or a filter such as `rowhouse=debug,warn`. Unset: as the
    /// settings say, else `warn`.
    #[arg(long, global = true, env = "ROWHOUSE_LOG", value_name = "FILTER")]
    pub(crate) log: Option<String>,
    /// Log as JSON lines.
    #[arg(long, global = true, env = "ROWHOUSE_LOG_JSON")]
    pub(crate) log_json: bool,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Everything in one go: database, schema, five years of sales, plugins, tokens, and the server.
    #[command(after_help = "Example:  rowhouse demo --scale 0.1 --listen 127.0.0.1:9000")]
    Demo {
        /// How much data: 1 is 50,000 customers and 200,000 orders.
        #[arg(long, default_value_t = 1.0)]
        scale: f64,
        /// Address of the endpoint.
        #[arg(long, value_name = "ADDRESS")]
        listen: Option<SocketAddr>,
        /// Set up and seed, print the tokens, and do not serve.
        #[arg(long)]
        no_serve: bool,
    },
    /// Serve MCP over HTTP.
    #[command(after_help = "Example:  rowhouse serve --plugins plugins.d --listen 127.0.0.1:8000")]
    Serve {
        /// Address of the endpoint.
        #[arg(long, value_name = "ADDRESS")]
        listen: Option<SocketAddr>,
    },
    /// Serve MCP over standard input and output, as one identity.
    #[command(after_help = "Example:  rowhouse stdio --as seattle")]
    Stdio {
        /// Who is asking; `rowhouse token` lists the names.
        #[arg(long = "as", value_name = "NAME")]
        identity: String,
    },
    /// Print a bearer token for one of the demo's identities, list them, or take a token back.
    #[command(
        args_conflicts_with_subcommands = true,
        after_help = "Example:  curl -H \"Authorization: Bearer $(rowhouse token --as seattle)\" ..."
    )]
    Token {
        #[command(flatten)]
        print: token::Print,
        #[command(subcommand)]
        command: Option<token::TokenCommand>,
    },
    /// API keys, for callers without an identity provider.
    #[command(subcommand)]
    ApiKey(api_key::ApiKeyCommand),
    /// Policies: check a text, explain a decision, try cases.
    #[command(subcommand)]
    Policy(policy::PolicyCommand),
    /// The audit trail: read it, verify it, take it along.
    #[command(subcommand)]
    Audit(audit::AuditCommand),
    /// Plugins: what would be served and what is refused, what one wants, signing.
    #[command(subcommand)]
    Plugin(plugin::PluginCommand),
    /// Vectors of texts: models, what is searched by meaning, how far it is.
    #[command(subcommand)]
    Embed(embed::EmbedCommand),
    /// The database: shape, walls, data.
    #[command(subcommand)]
    Db(DbCommand),
    /// The settings: what they come to, what is wrong with them.
    #[command(subcommand)]
    Config(config::ConfigCommand),
    /// Whether the host of these settings answers calls, by its own word; exit code 1: it does not.
    ///
    /// For container engines and service managers. It asks `/health/ready` where `http.listen` says; with `--whole` the admin
    /// socket (`http.admin`) how each component is doing, and exit code 1 says that one is down.
    #[command(args_conflicts_with_subcommands = true, after_help = "Example:  rowhouse health --whole")]
    Health {
        /// Each component, with what is wrong and since when.
        #[arg(long)]
        whole: bool,
        /// The same as JSON.
        #[arg(long)]
        json: bool,
        #[command(subcommand)]
        command: Option<health::HealthCommand>,
    },
    /// What tenants used of plugins, and what it costs.
    #[command(subcommand)]
    Usage(usage::UsageCommand),
    /// What a host is doing: calls, times, failures, places, slow statements. `q` leaves.
    ///
    /// It asks the host at its admin socket (`http.admin`).
    #[command(after_help = "Example:  rowhouse top --once")]
    Top(top::Top),
    /// The host's keys: list them, replace them.
    #[command(subcommand)]
    Keys(keys::KeysCommand),
    /// Check a whole deployment and say what to run to mend it.
    ///
    /// Exit code 0: nothing to mend. 1: something is unsafe or weak. 2: something could not be looked at.
    #[command(after_help = "Example:  rowhouse doctor --strict --json")]
    Doctor {
        /// As JSON.
        #[arg(long)]
        json: bool,
        /// Notes count, too.
        #[arg(long)]
        strict: bool,
    },
    /// The compiler process. Started by the host.
    #[command(name = crate::plugin::WORKER, hide = true)]
    Compile {
        #[arg(long)]
        cpu_seconds: u64,
        #[arg(long)]
        memory: u64,
        #[arg(long)]
        fuel: bool,
    },
    /// The fetching process. Started by the host.
    #[command(name = crate::distribution::WORKER, hide = true)]
    Fetch,
}

#[derive(Subcommand)]
pub(crate) enum DbCommand {
    /// Bring the schema up to date (forward only) and raise the walls.
    ///
    /// The demo's own schema is part of it as long as `database.schemas` names `retail`.
    Migrate {
        /// Take dangerous functions and catalogs from PUBLIC, in this database. Needs a superuser.
        #[arg(long)]
        harden: bool,
        /// Take the database over from a host with another ticket key, and lock that host out.
        #[arg(long)]
        adopt: bool,
        /// Put back functions of schema `rowhouse` that are not the ones the migrations made.
        #[arg(long)]
        repair: bool,
    },
    /// Fill the demo's tables.
    Seed {
        /// How much data: 1 is 50,000 customers and 200,000 orders.
        #[arg(long, default_value_t = 1.0)]
        scale: f64,
    },
    /// Copies of it, elsewhere.
    #[command(flatten)]
    Kept(backup::BackupCommand),
    /// Statements that were slow (`telemetry.slow_ms`), as the host that runs remembers them, the costliest first.
    ///
    /// It asks the host at its admin socket (`http.admin`). Texts are without their values.
    #[command(after_help = "Examples:\n  rowhouse db slow --json\n  rowhouse db slow --plan 7a2c6e1f0d9b4c11")]
    Slow {
        /// The database's plan of one of them, whatever its constants are. Nothing is run.
        #[arg(long, value_name = "FINGERPRINT")]
        plan: Option<String>,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Check roles, policies and grants; say what to run to mend each. Exit code 1 when something must be mended.
    Check {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
}
