//! Tools, as sandboxed WebAssembly components.
//!
//! Three lifetimes, never mixed: the process (engine, compiler, registry), a plugin's version ([`Loaded`]: compiled
//! code, its description, its grant), and a call (a store, an instance, a meter).

mod bindings;
mod blame;
mod compile;
mod engine;
mod imports;
mod inspect;
mod listener;
mod loader;
mod lock;
mod meter;
mod operate;
mod published;
mod record;
mod registry;
mod run;
mod shelf;
mod standing;
mod state;
mod surface;
mod tool;
mod trial;
mod trust;
mod verdict;
mod wasi;
mod watch;

pub use compile::{WORKER, work};
pub use inspect::{Import, Inspected, inspect};
pub use listener::{Listener, LogLevel};
pub use loader::{Loaded, Refused};
pub use lock::{Canary, Entry, Hold, Lock, Pin, Share};
pub use meter::Stop;
pub use operate::{HOST, Waiting};
pub use published::{Parked, Published, Tried};
pub use registry::Registry;
pub use standing::{describe, refusal, standing};
pub use state::CallFacts;
pub use surface::{Change, Surface, changes, printable};
pub use tool::{Annotations, Answer, Part, Tool};
pub use trust::{BESIDE, is_signed, keygen, sign};

use crate::config::Plugins;
use crate::error::BoxError;
use registry::Pinning;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

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
    let engine = engine::start(settings.concurrent_calls)?;
    // Before the cache, which is private: the state directory itself stays open to the database's own account.
    std::fs::create_dir_all(state).map_err(|e| format!("the state directory {}: {e}", state.display()))?;
    let cache = settings.cache.clone().unwrap_or_else(|| state.join("code"));
    let compiler = compile::Compiler::new(compiler, &cache, settings.compile_seconds, settings.compile_memory)?;
    let loader = loader::Loader::new(engine, compiler, trust::Trust::new(settings, signed)?, settings.clone())?;
    let registry = Arc::new(Registry::new(loader, settings.directory.clone(), settings.approval, pinning));
    registry.look().await?;
    Ok(registry)
}
