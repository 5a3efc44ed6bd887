//! Everything a fresh machine needs: what the commands of `xtask` are made of.

pub mod faketime;
pub mod guests;
pub mod machine;
pub mod node;
pub mod pip;
pub mod polyglot;
pub mod redis;
pub mod registry;
pub mod setup;
pub mod wit;
