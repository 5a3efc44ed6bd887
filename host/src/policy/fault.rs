//! What is wrong with a policy, where, in plain text.

use cedar_policy::ffi::DetailedError;
use std::fmt;

/// One thing that is wrong with a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Line and column of the text, from 1; columns count characters. `None`: it is about the whole.
    pub at: Option<(usize, usize)>,
    /// What is wrong, and what to do where that is known.
    pub message: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((line, column)) = self.at {
            write!(f, "line {line}, column {column}: ")?;
        }
        f.write_str(&self.message)
    }
}

/// Why a policy is not served: at least one fault, in the order of the text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", list(.0))]
pub struct Faults(Vec<Fault>);

impl Faults {
    /// These faults, in the order of the text.
    pub(super) fn new(mut faults: Vec<Fault>) -> Self {
        faults.sort_by_key(|fault| fault.at);
        Self(faults)
    }

    /// One fault of the whole.
    pub(super) fn whole(message: impl Into<String>) -> Self {
        Self(vec![Fault { at: None, message: message.into() }])
    }

    /// Each of them, in the order of the text.
    pub fn iter(&self) -> impl Iterator<Item = &Fault> {
        self.0.iter()
    }
}

fn list(faults: &[Fault]) -> String {
    faults.iter().map(Fault::to_string).collect::<Vec<_>>().join("\n")
}

/// Line and column of a byte of the text.
pub(super) fn place(text: &str, byte: usize) -> (usize, usize) {
    let before = &text[..text.floor_char_boundary(byte)];
    let start = before.rfind('\n').map_or(0, |newline| newline + 1);
    (before.matches('\n').count() + 1, before[start..].chars().count() + 1)
}

/// What Cedar found, with everything related to it.
pub(super) fn from_cedar(text: &str, error: &DetailedError) -> Vec<Fault> {
    let mut message = error.message.clone();
    let label = error.source_locations.first().and_then(|at| at.label.as_deref());
    for more in label.into_iter().chain(error.help.as_deref()) {
        if !message.contains(more) {
            message.push_str("; ");
            message.push_str(more);
        }
    }
    let at = error.source_locations.first().map(|at| place(text, at.loc.start));
    let mut faults = vec![Fault { at, message }];
    faults.extend(error.related.iter().flat_map(|error| from_cedar(text, error)));
    faults
}
