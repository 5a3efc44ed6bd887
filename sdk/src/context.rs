//! What a plugin may know about the call it serves. None of it is a right.

use std::time::Duration;

pub use crate::bindings::rowhouse::plugin::call_context::{Principal, Scope};
use crate::{imports::call_context as host, value::Timestamp};

/// Names this call in the operator's logs. Safe to show to the caller.
#[must_use]
pub fn request_id() -> String {
    host::request_id()
}

/// Until the host ends this call, waiting for the database included.
#[must_use]
pub fn deadline_left() -> Duration {
    Duration::from_millis(host::deadline_left())
}

/// The host's clock. The same for the whole call.
#[must_use]
pub fn now() -> Timestamp {
    // Only a clock set a quarter of a million years off is out of range.
    Timestamp::from_timestamp_micros(host::now()).unwrap_or_default()
}

/// Who is calling, as far as a plugin may know.
#[must_use]
pub fn caller() -> Principal {
    host::caller()
}
