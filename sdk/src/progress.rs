//! Word to a caller who waits.

/// Say how far the call has come. `done` grows from call to call; `total`, where known, is what it grows to. Nothing
/// happens where the caller did not ask to be told.
pub fn report(done: f64, total: Option<f64>, message: Option<&str>) {
    crate::imports::progress::report(done, total, message);
}
