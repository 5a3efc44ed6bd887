//! Who and what ended a guest.

use super::meter::Breach;
use crate::error::{CallError, Code};
use std::time::Duration;
use wasmtime::Trap;

/// The plugin broke a bound.
pub(super) fn broken(plugin: &str, breach: &Breach) -> CallError {
    CallError::new(breach.code, format!("the plugin `{plugin}` {}", breach.what))
}

/// What a call that wasmtime ended means, in the host's own terms.
pub(super) fn blame(plugin: &str, error: &wasmtime::Error) -> CallError {
    if let Some(breach) = error.chain().find_map(|cause| cause.downcast_ref::<Breach>()) {
        return broken(plugin, breach);
    }
    if error.downcast_ref::<wasmtime::PoolConcurrencyLimitError>().is_some() {
        return CallError::new(Code::Overloaded, "the host has as many calls as it can hold; try again in a moment")
            .retry_after(Duration::from_secs(1))
            .because(format!("{error:#}"));
    }
    // These two come from wasmtime as plain texts; a test holds their wording.
    let root = error.root_cause().to_string();
    let (code, what) = if root.contains("too much data is being copied") {
        (Code::PluginAnswer, "moved more data across the wall than a call may")
    } else if root.contains("handle limit exceeded") {
        (Code::PluginHandles, "held more handles than a call may")
    } else {
        match error.downcast_ref::<Trap>() {
            Some(Trap::StackOverflow) => (Code::PluginStack, "recursed too deep"),
            Some(Trap::MemoryOutOfBounds) => {
                (Code::PluginTrapped, "reached outside its own memory (recursion that is too deep does that, too)")
            }
            Some(Trap::UnreachableCodeReached) => (Code::PluginTrapped, "panicked"),
            _ => (Code::PluginTrapped, "trapped"),
        }
    };
    CallError::new(code, format!("the plugin `{plugin}` {what}")).because(root)
}
