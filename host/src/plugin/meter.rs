//! What a call has used, and what happens when it has used enough.

use crate::config::Limits;
use crate::error::Code;
use std::sync::OnceLock;
use tokio_util::sync::CancellationToken;
use wasmtime::ResourceLimiter;

/// A bound that a call broke. Travels through wasmtime as the trap's cause and is found again when the call ends.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{what}")]
pub(super) struct Breach {
    pub(super) code: Code,
    /// Continues "the plugin `x` ...".
    pub(super) what: String,
}

impl Breach {
    pub(super) fn new(code: Code, what: impl Into<String>) -> Self {
        Self { code, what: what.into() }
    }
}

/// The order to stop, with its reason. A guest that computes meets it at the next tick, one that waits for the host
/// meets it at once; its future is not dropped half-way.
#[derive(Debug, Default)]
pub struct Stop {
    reason: OnceLock<Breach>,
    token: CancellationToken,
}

impl Stop {
    /// Give the order. The first reason stays.
    pub(super) fn order(&self, reason: Breach) {
        if self.reason.set(reason).is_ok() {
            self.token.cancel();
        }
    }

    /// The reason, once the order is given.
    pub(super) fn reason(&self) -> Option<Breach> {
        self.reason.get().cloned()
    }

    /// Fires when the order is given.
    pub fn token(&self) -> &CancellationToken {
        &self.token
    }
}

/// Counts what a call uses besides memory and time.
#[derive(Debug)]
pub(super) struct Meter {
    limits: Limits,
    pub(super) host_calls: u64,
    pub(super) statements: u32,
    pub(super) handles: u32,
    pub(super) log_bytes: usize,
    log_lines: u32,
    pub(super) log_dropped: u64,
    pub(super) progress_reports: u32,
}

impl Meter {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            limits: limits.clone(),
            host_calls: 0,
            statements: 0,
            handles: 0,
            log_bytes: 0,
            log_lines: 0,
            log_dropped: 0,
            progress_reports: 0,
        }
    }

    /// One more call into the host.
    pub(super) fn host_call(&mut self) -> Result<(), Breach> {
        self.host_calls += 1;
        let most = self.limits.host_calls;
        if self.host_calls > most {
            return Err(Breach::new(Code::PluginHostCalls, format!("called the host more than {most} times")));
        }
        Ok(())
    }

    /// One more statement.
    pub(super) fn statement(&mut self) -> Result<(), Breach> {
        self.statements += 1;
        let most = self.limits.statements;
        if self.statements > most {
            return Err(Breach::new(Code::PluginStatements, format!("ran more than {most} statements")));
        }
        Ok(())
    }

    /// One more handle held; [`Meter::release`] when it is let go.
    pub(super) fn hold(&mut self) -> Result<(), Breach> {
        self.handles += 1;
        let most = self.limits.handles;
        if self.handles > most {
            return Err(Breach::new(Code::PluginHandles, format!("held more than {most} row sets at once")));
        }
        Ok(())
    }

    pub(super) fn release(&mut self) {
        self.handles = self.handles.saturating_sub(1);
    }

    /// Whether a log line of this length still fits.
    pub(super) fn log(&mut self, bytes: usize) -> bool {
        let fits =
            self.log_bytes.saturating_add(bytes) <= self.limits.log_bytes && self.log_lines < self.limits.log_lines;
        if fits {
            self.log_bytes += bytes;
            self.log_lines += 1;
        } else {
            self.log_dropped += 1;
        }
        fits
    }

    /// Whether one more progress report still fits.
    pub(super) fn progress(&mut self) -> bool {
        let fits = self.progress_reports < self.limits.progress_reports;
        self.progress_reports += u32::from(fits);
        fits
    }
}

/// Bounds memory, tables and instances. Growing past a bound ends the call with its own code: a guest that was told
/// "no" would mostly abort, and the author would see a trap instead of the reason.
#[derive(Debug)]
pub(super) struct Bounds {
    memory: usize,
    used: usize,
    table_elements: usize,
    instances: u32,
    memories: u32,
    tables: u32,
}

impl Bounds {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            memory: limits.memory,
            used: 0,
            table_elements: limits.table_elements,
            instances: limits.instances,
            memories: limits.memories,
            tables: limits.tables,
        }
    }

    /// Bytes of linear memory the call has asked for, over all memories.
    pub(super) fn used(&self) -> usize {
        self.used
    }
}

impl ResourceLimiter for Bounds {
    fn memory_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        let used = self.used.saturating_add(desired.saturating_sub(current));
        if used > self.memory {
            let (asked, most) = (used >> 20, self.memory >> 20);
            return Err(Breach::new(
                Code::PluginMemory,
                format!("asked for {asked} MiB of memory; a call may use {most}"),
            )
            .into());
        }
        self.used = used;
        Ok(true)
    }

    fn table_growing(&mut self, _current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        if desired > self.table_elements {
            let most = self.table_elements;
            return Err(Breach::new(
                Code::PluginTables,
                format!("asked for a table of {desired} elements; a call may use {most}"),
            )
            .into());
        }
        Ok(true)
    }

    // What is inside one component. Met while it is made ready, so a component that has more is refused when it is
    // loaded; wasmtime words it, and `blame` knows the words.
    fn instances(&self) -> usize {
        self.instances as usize
    }
    fn memories(&self) -> usize {
        self.memories as usize
    }
    fn tables(&self) -> usize {
        self.tables as usize
    }
}
