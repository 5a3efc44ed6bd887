//! Where plugins come from: files, and registries that speak the OCI distribution protocol.
//!
//! What comes from here is bytes with a digest, and gives nobody a right: it is put into the plugin directory, and goes
//! through signature, grant and proof there as any file does. A registry is not trusted. What it says is read in a
//! process of its own with bounds (see [`work`]), what it sends counts only if its digest holds, and where it cannot be
//! had, what is there already serves on.
//!
//! The form of an artifact is the CNCF's for WebAssembly (one layer, `application/wasm`), which `wkg` and others read.

mod access;
mod artifact;
mod client;
mod digest;
mod failure;
mod fetch;
mod place;
mod put;
mod sources;
mod store;
mod worker;

pub use artifact::Artifact;
pub use client::{Pushed, Remote};
pub use digest::Digest;
pub use failure::Failure;
pub use fetch::{Fetcher, Had};
pub use place::{Place, Reference};
pub use put::{BESIDE, Put, lay, put};
pub use sources::{Outcome, Source, Sources};
pub use worker::{WORKER, work};
