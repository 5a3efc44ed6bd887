//! Who and what ended a guest.

use super::meter::Breach;
use crate::error::{CallError, Code};
use std::time::Duration;
use wasmtime::Trap;

/// A plugin by name and, where it said so already, version.
pub(super) fn named(plugin: &str, version: Option<&str>) -> String {
    match version {
        Some(version) => format!("the plugin `{plugin}` {version}"),
        None => format!("the plugin `{plugin}`"),
    }
}

/// The plugin broke a bound.
pub(super) fn broken(plugin: &str, version: Option<&str>, breach: &Breach) -> CallError {
    CallError::new(breach.code, format!("{} {}", named(plugin, version), breach.what))
}

/// What a call that wasmtime ended means, in the host's own terms.
pub(super) fn blame(plugin: &str, version: Option<&str>, error: &wasmtime::Error) -> CallError {
    if let Some(breach) = error.chain().find_map(|cause| cause.downcast_ref::<Breach>()) {
        return broken(plugin, version, breach);
    }
    if error.downcast_ref::<wasmtime::PoolConcurrencyLimitError>().is_some() {
        return CallError::new(Code::Overloaded, "the host has as many calls as it can hold; try again in a moment")
            .retry_after(Duration::from_secs(1))
            .because(format!("{error:#}"));
    }
    // These come from wasmtime as plain texts; a test holds their wording.
    let root = error.root_cause().to_string();
    let (code, what) = if root.contains("too much data is being copied") {
        (Code::PluginAnswer, "moved more data across the wall than a call may")
    } else if root.contains("handle limit exceeded") {
        (Code::PluginHandles, "held more handles than a call may")
    } else if root.contains("resource limit exceeded") {
        (Code::PluginInstances, "has more instances, memories or tables inside than a component may")
    } else if root.contains("utf-8") || root.contains("utf8") {
        (Code::PluginContract, "sent a text that is not UTF-8")
    } else {
        match error.downcast_ref::<Trap>() {
            Some(Trap::OutOfFuel) => (Code::PluginFuel, "used more fuel than a call may"),
            Some(Trap::StackOverflow) => (Code::PluginStack, "recursed too deep"),
            Some(Trap::MemoryOutOfBounds) => {
                (Code::PluginTrapped, "reached outside its own memory (recursion that is too deep does that, too)")
            }
            Some(Trap::UnreachableCodeReached) => (Code::PluginTrapped, "panicked"),
            _ => (Code::PluginTrapped, "trapped"),
        }
    };
    CallError::new(code, format!("{} {what}", named(plugin, version))).because(root)
}
