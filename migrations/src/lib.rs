//! The shape of the database as code.
//!
//! Everything here is an administrator's: nothing in this crate is on the path of a call. The generic part
//! (schema `rowhouse`) knows who a transaction speaks for and keeps tables apart; the demo (schema `retail`) is one
//! user of it, and [`migrate`] can leave it out.
//!
//! In the order a new database meets them: [`migrate`] gives it its shape, [`set_login`] and [`install_ticket_key`]
//! let the host in, [`harden`] closes what SQL could still reach, [`lint`] says whether it is all still so. Vectors come
//! later, and again whenever texts change: [`embeddings`].

mod error; // What can go wrong, and what to do about it.
pub mod embeddings; // Texts that are searched by what they mean.
mod harden; // Functions and catalogs taken from PUBLIC.
mod lint; // Is it all still so?
mod login; // Passwords, limits and defaults of the agent roles.
mod migrate; // Roles, extensions, migrations.
pub mod retail; // The demo: catalogue, stores, five years of orders.
mod tenants; // Who there is.
mod ticket_key; // The key the host signs tickets with.

pub use error::Error;
pub use harden::{HardenReport, harden, is_hardened};
pub use lint::{Finding, Level, digests, lint, repair};
pub use login::{AGENT_ROLES, CLERK_ROLE, set_login, set_passwords};
pub use migrate::{Domains, Report, migrate};
pub use tenants::{TenantRow, tenants};
pub use ticket_key::{
    HostKey, announce_ticket_key, host_keys, install_ticket_key, other_ticket_keys, retire_ticket_key,
    rotate_context_key,
};

/// The functions a statement may call, one list for both walls: [`harden`] keeps these for PUBLIC, the host's parser
/// admits no others. Names separated by white space; `#` starts a comment. See [`allowed_functions`].
pub const ALLOWED_FUNCTIONS: &str = include_str!("../allow/functions.txt");

/// Of these, the functions whose value follows from their arguments alone: what they made may be given again.
const SETTLED_FUNCTIONS: &str = include_str!("../allow/settled.txt");

/// The names in [`ALLOWED_FUNCTIONS`], in file order.
pub fn allowed_functions() -> impl Iterator<Item = &'static str> {
    names(ALLOWED_FUNCTIONS)
}

/// The functions of `allow/settled.txt`, in file order: those that PostgreSQL calls immutable, then those it calls stable
/// that were looked at one by one.
pub fn settled_functions() -> impl Iterator<Item = &'static str> {
    names(SETTLED_FUNCTIONS)
}

/// The second part of [`settled_functions`].
pub fn reviewed_functions() -> impl Iterator<Item = &'static str> {
    names(SETTLED_FUNCTIONS.split_once("# reviewed\n").map_or("", |(_, reviewed)| reviewed))
}

fn names(list: &'static str) -> impl Iterator<Item = &'static str> {
    list.lines().map(|line| line.split_once('#').map_or(line, |(names, _)| names)).flat_map(str::split_whitespace)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::{allowed_functions, reviewed_functions, settled_functions};

    #[test]
    fn what_is_settled_is_allowed_and_tells_no_time() {
        let allowed: HashSet<_> = allowed_functions().collect();
        let settled: Vec<_> = settled_functions().collect();
        assert_eq!(settled.iter().collect::<HashSet<_>>().len(), settled.len(), "a name is listed twice");
        assert!(settled.iter().all(|name| allowed.contains(name)));
        assert!(reviewed_functions().count() > 10);
        for name in ["now", "random", "age", "clock_timestamp", "date", "gen_random_uuid", "array_shuffle", "timetz"] {
            assert!(allowed.contains(name) && !settled.contains(&name), "{name}");
        }
    }

    #[test]
    fn the_list_allows_analysis_and_nothing_that_reaches_out() {
        let names: Vec<_> = allowed_functions().collect();
        let set: HashSet<_> = names.iter().copied().collect();
        assert_eq!(set.len(), names.len(), "a name is listed twice");
        for name in ["count", "date_trunc", "percentile_cont", "cosine_distance", "similarity", "ts_rank"] {
            assert!(set.contains(name), "{name} is missing");
        }
        for name in [
            "set_config",
            "current_setting",
            "pg_sleep",
            "pg_notify",
            "query_to_xml",
            "ts_stat",
            "lo_import",
            "setseed",
            "pg_advisory_lock",
            "pg_terminate_backend",
            "dblink",
            "nextval",
            "version",
            "pg_backend_pid",
        ] {
            assert!(!set.contains(name), "{name} must not be allowed");
        }
        assert!(
            names.iter().all(|name| name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_'))
        );
    }
}
