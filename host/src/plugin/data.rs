//! A component's data, as it lies in its bytes: texts of its own among it.

use crate::error::BoxError;
use wasmparser::{Parser, Payload};

/// The data segments of every module in a component, in order.
///
/// # Errors
/// Where the bytes are no component.
pub fn data(bytes: &[u8]) -> Result<Vec<Vec<u8>>, BoxError> {
    let mut found = Vec::new();
    for part in Parser::new(0).parse_all(bytes) {
        if let Payload::DataSection(section) = part? {
            for segment in section {
                found.push(segment?.data.to_vec());
            }
        }
    }
    Ok(found)
}
