//! What of WASI a guest gets whose toolchain cannot do without: clocks, random numbers, output into the log. Files,
//! sockets and HTTP are there in name only; every function of theirs answers that the capability is denied.
//!
//! Nothing is stubbed by "trap on unknown import": that matches exact versions, and then wins over the real
//! implementation of a compatible one.

use super::meter::Breach;
use super::state::CallState;
use crate::error::Code;
use wasmtime::component::types::{ComponentInstance, ComponentItem};
use wasmtime::component::{Component, Linker, ResourceType, Val};
use wasmtime::{Engine, Result};
use wasmtime_wasi::WasiView as _;
use wasmtime_wasi::cli::{WasiCli, WasiCliView as _};
use wasmtime_wasi::p2::{self, bindings};
use wasmtime_wasi::random::WasiRandom;

/// Packages whose every function is denied.
const DENIED: [&str; 3] = ["wasi:filesystem/", "wasi:sockets/", "wasi:http/"];

/// Add the subset to a linker.
pub(super) fn add(linker: &mut Linker<CallState>, engine: &Engine, component: &Component) -> Result<()> {
    p2::add_to_linker_proxy_interfaces_async(linker)?;
    bindings::random::insecure::add_to_linker::<_, WasiRandom>(linker, |state| state.ctx().ctx.random())?;
    bindings::random::insecure_seed::add_to_linker::<_, WasiRandom>(linker, |state| state.ctx().ctx.random())?;
    bindings::cli::environment::add_to_linker::<_, WasiCli>(linker, CallState::cli)?;
    bindings::cli::exit::add_to_linker::<_, WasiCli>(linker, CallState::cli)?;
    bindings::cli::terminal_input::add_to_linker::<_, WasiCli>(linker, CallState::cli)?;
    bindings::cli::terminal_output::add_to_linker::<_, WasiCli>(linker, CallState::cli)?;
    bindings::cli::terminal_stdin::add_to_linker::<_, WasiCli>(linker, CallState::cli)?;
    bindings::cli::terminal_stdout::add_to_linker::<_, WasiCli>(linker, CallState::cli)?;
    bindings::cli::terminal_stderr::add_to_linker::<_, WasiCli>(linker, CallState::cli)?;
    for (name, item) in component.component_type().imports(engine) {
        if let ComponentItem::ComponentInstance(interface) = &item.ty
            && DENIED.iter().any(|package| name.starts_with(package))
        {
            deny(linker, engine, name, interface)?;
        }
    }
    Ok(())
}

/// Satisfy one interface, under the very name the component asks for, with functions that say no.
fn deny(linker: &mut Linker<CallState>, engine: &Engine, name: &str, interface: &ComponentInstance) -> Result<()> {
    /// Stands for every resource of a denied interface: none is ever made.
    struct Denied;
    let mut instance = linker.instance(name)?;
    for (item, kind) in interface.exports(engine) {
        match &kind.ty {
            // Asked at start by every guest with a libc; "none" keeps those guests alive.
            ComponentItem::ComponentFunc(_) if item == "get-directories" => {
                instance.func_new(item, |_, _, _, results| {
                    results[0] = Val::List(Vec::new());
                    Ok(())
                })?;
            }
            ComponentItem::ComponentFunc(_) => {
                let what = format!("reached for a denied capability: {name}#{item}");
                instance.func_new(item, move |_, _, _, _| Err(Breach::new(Code::PluginDenied, what.clone()).into()))?;
            }
            ComponentItem::Resource(_) => {
                let kind = match item {
                    "pollable" => ResourceType::host::<p2::DynPollable>(),
                    "input-stream" => ResourceType::host::<p2::DynInputStream>(),
                    "output-stream" => ResourceType::host::<p2::DynOutputStream>(),
                    "error" | "io-error" => ResourceType::host::<p2::IoError>(),
                    _ => ResourceType::host::<Denied>(),
                };
                instance.resource(item, kind, |_, _| Ok(()))?;
            }
            _ => {}
        }
    }
    Ok(())
}
