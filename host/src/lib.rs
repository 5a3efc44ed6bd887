//! Rowhouse: a native MCP server host whose tools are sandboxed WebAssembly components, and whose tenants share one
//! PostgreSQL without seeing each other.
//!
//! The modules stand in the order a call meets them, and each may use only the ones above it:
//!
//! ```text
//! bytes ─ mcp ─► Request ─ identity ─► Principal ─ policy ─► Permit ─ plugin ─► (statement, values) ─ query ─► Rows
//!    ◄──────────────────────────────── Answer ◄──────────────────────────────────────────────────────────────┘
//! ```

pub mod config; // Every setting, read once.
pub mod error; // What can go wrong, sorted by who can act.
pub mod disk; // Files, whole or not at all.
pub mod web; // HTTP to elsewhere.
pub mod commons; // A Redis that hosts share and none depends on.
pub mod telemetry; // Numbers, spans, log lines, slow statements.
pub mod cores; // Who gets a core first.
pub mod worker; // Processes of our own, bounded.
pub mod wheel; // Archives from a package index.
pub mod keys; // The host's own secrets.
pub mod embedded; // A PostgreSQL of our own.
pub mod hosts; // Where the database is: one host, or several.
pub mod clerk; // The host's own tables.
pub mod backup; // Copies of the database, elsewhere.
pub mod identity; // Who is asking: a proof becomes a Principal.
pub mod policy; // What they may: a Principal becomes a Permit.
pub mod traffic; // How much, how often, how many at once.
pub mod usage; // What was used, and what it costs.
pub mod audit; // Who did what.
pub mod query; // The door to the rows: a Permit opens a TenantTx.
pub mod embedding; // Texts become vectors.
pub mod distribution; // Where plugins come from: files, registries.
pub mod plugin; // The tools, in their sandbox.
pub mod health; // How it is doing, component by component.
pub mod call; // The street, as one function.
pub mod mcp; // The protocol, at the front door.
pub mod alerts; // Whom it tells when something is wrong.
pub mod house; // Opening and closing.
pub mod doctor; // Is it all as it should be?
pub mod cli; // The commands.
