//! The demo: Zava DIY, a home-improvement retailer in Washington State with seven shops and one online store.
//!
//! Everything is derived from one number, so every installation has the same rows and the same answers.

mod catalogue; // What is sold.
mod chance; // The one source of it.
mod copy; // Rows into tables.
mod customers; // Who buys.
mod identities; // Who asks.
mod indexes; // Taken away for the load, built again after.
mod orders; // What was bought, when, for how much.
mod seed; // All of it, in one transaction.
mod stores; // Where.

pub use identities::{DemoIdentity, demo_identities};
pub use seed::{Progress, SeedReport, is_seeded, seed};
pub use stores::{STORES, Store};

use uuid::Uuid;

/// The demo's own functions that statements may call besides those of [`crate::ALLOWED_FUNCTIONS`].
pub const FUNCTIONS: [&str; 1] = ["retail.search_products_by_description"];

/// Keys are made from names: the same row has the same key everywhere, and a key tells nothing of how many there are.
fn key(name: &str) -> Uuid {
    const RETAIL: Uuid = Uuid::from_u128(0x7a61_7661_0d19_4b0e_9e2b_5f1f_0c0a_51e5);
    Uuid::new_v5(&RETAIL, name.as_bytes())
}

/// Dollars and cents, as PostgreSQL reads a numeric.
fn dollars(cents: i64) -> String {
    format!("{}.{:02}", cents / 100, cents % 100)
}
