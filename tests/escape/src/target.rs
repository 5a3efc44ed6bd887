//! What a run attacks, and as whom.

use clap::ValueEnum;

/// Which of the demo's people attack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum As {
    /// The manager of one store.
    Store,
    /// The manager of a region of three.
    Region,
    /// Both, one after the other.
    All,
}

/// Somebody who attacks.
#[derive(Clone, Debug)]
pub(crate) struct Attacker {
    /// For people to read.
    pub(crate) name: String,
    /// The bearer token.
    pub(crate) token: Option<String>,
    /// Stores it may see. A server that shows it another number is not one to prove anything with.
    pub(crate) stores: usize,
}

/// A server that is up.
#[derive(Debug)]
pub(crate) struct Target {
    /// The MCP endpoint.
    pub(crate) url: String,
    /// The token of who sees everything.
    pub(crate) oracle: Option<String>,
    /// A superuser's way into the database.
    pub(crate) admin_url: Option<String>,
    /// Processes whose memory is watched, besides the database's.
    pub(crate) processes: Vec<u32>,
    /// Who attacks it, in turn.
    pub(crate) attackers: Vec<Attacker>,
}

impl As {
    /// The demo's identities, and how many stores each has.
    pub(crate) fn people(self) -> &'static [(&'static str, usize)] {
        match self {
            As::Store => &[("seattle", 1)],
            As::Region => &[("puget-sound", 3)],
            As::All => &[("seattle", 1), ("puget-sound", 3)],
        }
    }
}
