//! Tools, as sandboxed WebAssembly components.
//!
//! Three lifetimes, never mixed: the process (engine, compiler, registry), a plugin's version ([`Loaded`]: compiled
//! code, its description, its grant), and a call (a store, an instance, a meter).

mod bindings;
mod blame;
mod clock;
mod compile;
mod data;
mod describe;
mod dialogue;
mod engine;
mod errand;
mod exports;
mod imports;
mod inspect;
mod listener;
mod loader;
mod lock;
mod measure;
mod meter;
mod nesting;
mod offer;
mod operate;
mod place;
mod probation;
mod published;
mod record;
mod registry;
mod run;
mod schema;
mod shelf;
mod standing;
mod state;
mod surface;
mod template;
mod text;
mod tool;
mod trial;
mod trust;
mod usage;
mod verdict;
mod wasi;
mod watch;

pub use compile::{WORKER, work};
pub use data::data;
pub use dialogue::{Ask, Ended, Kind, Question, Round};
pub use errand::{Body, Call, Complete, Completed, Content, Fill, Filled, MAX_VALUES, Read, Speaker, Values};
pub use inspect::{Import, Inspected, Wanted, inspect};
pub use listener::{Listener, LogLevel};
pub use loader::{Loaded, Refused};
pub use lock::{Canary, Entry, Hold, Lock, Pin, Share};
pub use measure::Measured;
pub use meter::Stop;
pub use offer::{Prompt, PromptArgument, Resource, VIEW, is_name};
pub use operate::{HOST, Waiting};
pub use published::{Parked, Published, Tried};
pub use registry::Registry;
pub use run::{Errand, Held, Spent};
pub use standing::{describe, refusal, standing};
pub use state::{CallFacts, Vectors};
pub use surface::{Change, Surface, changes};
pub use text::printable;
pub use tool::{Annotations, Answer, Part, Tool};
pub use trust::{BESIDE, is_signed, keygen, sign};
pub use usage::{Account, Accounts, Taken};

use crate::config::Plugins;
use crate::error::BoxError;
use registry::Pinning;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// Write what the plugins use into the state directory, now and then, until told to stop.
pub async fn keep_accounts(registry: Arc<Registry>, state: PathBuf, stop: CancellationToken) {
    let mut before = Vec::new();
    loop {
        let stopped = tokio::time::timeout(usage::PERIOD, stop.cancelled()).await.is_ok();
        let accounts = registry.published().accounts();
        // A host that serves nobody writes nothing.
        if accounts.plugins != before {
            let (state, written) = (state.clone(), accounts.clone());
            let done = tokio::task::spawn_blocking(move || written.write(&state)).await;
            if let Ok(Err(error)) = done {
                tracing::warn!(%error, "what plugins use could not be written");
            }
            before = accounts.plugins;
        }
        if stopped {
            return;
        }
    }
}

/// Start the engine, look at the plugin directory and the lock file, and keep looking if the settings say so.
///
/// `compiler` is the executable that knows [`WORKER`]; `state` is where compiled code, the lock file and kept versions are
/// unless the settings say elsewhere; `signed` refuses components that no publisher of the settings signed.
///
/// # Errors
/// Where the engine cannot start or the directories or the lock cannot be used. A plugin that is refused is no error here.
pub async fn open(
    settings: &Plugins,
    signed: bool,
    compiler: PathBuf,
    state: &Path,
    stop: CancellationToken,
) -> Result<Arc<Registry>, BoxError> {
    let pins = pins(settings, state);
    let registry = registry(settings, signed, compiler, state, Pinning::Host(pins.clone())).await?;
    watch::judge(Arc::clone(&registry), stop.clone());
    if settings.watch {
        // Where it is not to be written, it is there.
        let _ = pins.prepare();
        watch::start(Arc::clone(&registry), stop)?;
    }
    Ok(registry)
}

/// What a host with these settings would serve, looked at once. Nothing is decided by looking; what an operator orders of
/// it is.
///
/// # Errors
/// As [`open`].
pub async fn view(
    settings: &Plugins,
    signed: bool,
    compiler: PathBuf,
    state: &Path,
) -> Result<Arc<Registry>, BoxError> {
    registry(settings, signed, compiler, state, Pinning::View(pins(settings, state))).await
}

/// What is in a directory and holds, looked at once, whatever the lock file says.
///
/// # Errors
/// As [`open`].
pub async fn alone(
    settings: &Plugins,
    signed: bool,
    compiler: PathBuf,
    state: &Path,
) -> Result<Arc<Registry>, BoxError> {
    registry(settings, signed, compiler, state, Pinning::Alone).await
}

fn pins(settings: &Plugins, state: &Path) -> lock::Pins {
    let own = state.join("plugins");
    let lock = settings.lock.clone().unwrap_or_else(|| own.join("rowhouse.lock"));
    lock::Pins::new(lock, settings.kept.clone().unwrap_or_else(|| own.join("kept")))
}

async fn registry(
    settings: &Plugins,
    signed: bool,
    compiler: PathBuf,
    state: &Path,
    pinning: Pinning,
) -> Result<Arc<Registry>, BoxError> {
    let faults = settings.faults();
    if !faults.is_empty() {
        return Err(format!("these settings cannot work:\n  {}", faults.join("\n  ")).into());
    }
    let engine = engine::start(settings.concurrent_calls, settings.fuel)?;
    // Before the cache, which is private: the state directory itself stays open to the database's own account.
    std::fs::create_dir_all(state).map_err(|e| format!("the state directory {}: {e}", state.display()))?;
    let cache = settings.cache.clone().unwrap_or_else(|| state.join("code"));
    let compiler = compile::Compiler::new(compiler, &cache, settings)?;
    let loader = loader::Loader::new(engine, compiler, trust::Trust::new(settings, signed)?, settings.clone())?;
    let registry = Arc::new(Registry::new(loader, settings.directory.clone(), settings.approval, pinning));
    registry.look().await?;
    Ok(registry)
}
