//! What the host offers: the contract's own functions in a component, the fake host's anywhere else.

#[cfg(target_arch = "wasm32")]
pub(crate) use crate::bindings::rowhouse::plugin::{call_context, embedding, log, progress, schema, sql};
#[cfg(not(target_arch = "wasm32"))]
pub(crate) use crate::testing::imports::{call_context, embedding, log, progress, schema, sql};
