//! The edge: MCP on one side, [`crate::call`] on the other.
//!
//! Only this room names rmcp and axum. Bytes become a [`Request`](crate::call::Request), an
//! [`Answer`](crate::plugin::Answer) or a [`CallError`](crate::error::CallError) becomes bytes; nothing is decided
//! here but who may speak at all.
//!
//! One endpoint serves two eras of the protocol at once. From 2026-07-28 every request stands alone; before, a client
//! shakes hands and holds a session. A handler and its sessions belong to one principal and are never shared, so a
//! session id is worth nothing in another caller's hands.

pub mod admin;
mod answer;
mod dialogue;
mod handler;
pub(crate) mod health;
pub mod http;
mod listener;
pub mod metrics;
mod news;
mod offers;
pub mod stdio;
mod tracing_context;

use rmcp::model::ProtocolVersion;
use std::time::Duration;

/// The revisions spoken here. Older ones that rmcp knows are left out: 2025-03-26 lets clients send batches, which
/// are refused here, and 2024-11-05 belongs to a transport (HTTP+SSE) that is not served. A client that asks for one
/// of them is offered 2025-11-25 in the handshake and may go on with that.
const VERSIONS: &[ProtocolVersion] =
    &[ProtocolVersion::V_2025_06_18, ProtocolVersion::V_2025_11_25, ProtocolVersion::V_2026_07_28];

/// How tools, prompts and documents are listed.
#[derive(Clone, Copy, Debug)]
struct Listing {
    /// How long a client may take a list for fresh.
    ttl: Duration,
    /// Tools, prompts or documents on one page.
    page: usize,
}

impl Default for Listing {
    fn default() -> Self {
        // Five seconds: a client that does not listen for changes still notices a new plugin at once. Fifty tools
        // with their schemas stay well under the answer sizes clients are known to take.
        Self { ttl: Duration::from_secs(5), page: 50 }
    }
}
