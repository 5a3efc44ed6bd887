//! Everything a fresh machine needs: what the commands of `xtask` are made of.

mod debian;
pub mod faketime;
pub mod guests;
pub mod machine;
pub mod node;
pub mod pip;
pub mod polyglot;
pub mod promtool;
pub mod redis;
pub mod registry;
pub mod setup;
pub mod wit;
