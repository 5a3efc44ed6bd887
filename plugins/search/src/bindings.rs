//! What `wit-bindgen` makes of `wit/`, and nothing else.

#![allow(missing_docs, unsafe_code, unreachable_pub, clippy::all, reason = "generated")]

wit_bindgen::generate!({ path: "../../wit", world: "plugin" });

// Here, since the exports are as generated as the rest.
#[cfg(target_arch = "wasm32")]
use super::Search;
#[cfg(target_arch = "wasm32")]
export!(Search with_types_in self);
