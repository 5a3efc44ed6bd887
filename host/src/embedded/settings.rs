//! The server's settings, as arguments: they outrank the files in the data directory and `ALTER SYSTEM`.

use std::path::Path;

use super::{Options, process};

/// `/dev/shm` below this is a container's default (64 MB), too little for a parallel index build.
const SHARED_MEMORY_NEEDED: u64 = 256 << 20;

/// The first version that can summarise its log.
const SUMMARIES: u32 = 17;

/// Arguments for `postgres` of this major version.
pub(super) fn arguments(options: &Options, major: u32, data: &Path, socket_dir: &Path) -> Vec<String> {
    let mut all = vec!["-D".to_owned(), data.display().to_string(), "-k".to_owned(), socket_dir.display().to_string()];
    let mut set = |name: &str, value: &str| all.extend(["-c".to_owned(), format!("{name}={value}")]);
    // One door: a socket in a directory that only this account and root can enter.
    set("listen_addresses", "");
    set("unix_socket_permissions", "0700");
    set("port", "5432");
    set("max_connections", &options.max_connections.to_string());
    // Modest: a laptop runs this beside everything else, and the system caches files as well.
    set("shared_buffers", "128MB");
    // Bounds the directory; a bulk load of the demonstration still fits between two checkpoints.
    set("max_wal_size", "512MB");
    // What a base backup needs, and from 17 on what an incremental one does: a note of which blocks changed.
    set("wal_level", "replica");
    if major >= SUMMARIES {
        set("summarize_wal", "on");
    }
    // Compiling a query costs more than it saves on answers of a thousand rows.
    set("jit", "off");
    set("timezone", "UTC");
    set("log_timezone", "UTC");
    // The log never holds a statement, a parameter or a value: `log` is above `error` in the server's own order, so
    // errors, which quote values, stay out, while starts, recoveries, crashes and refused logins stay in. Terse drops
    // the detail line of a crash, which quotes the statement that was running.
    set("log_min_messages", "log");
    set("log_error_verbosity", "terse");
    set("log_statement", "none");
    set("log_min_error_statement", "panic");
    set("log_min_duration_statement", "-1");
    set("log_parameter_max_length", "0");
    set("log_parameter_max_length_on_error", "0");
    set("log_checkpoints", "off");
    set("log_autovacuum_min_duration", "-1");
    set("logging_collector", "off");
    set("log_destination", "stderr");
    set("log_line_prefix", &format!("{}%m [%p] ", process::MARK));
    if shared_memory_is_small() {
        set("dynamic_shared_memory_type", "mmap");
    }
    if !options.durable {
        set("fsync", "off");
        set("synchronous_commit", "off");
        set("full_page_writes", "off");
    }
    all
}

/// Whether the system's shared memory is missing or too small for parallel workers.
fn shared_memory_is_small() -> bool {
    if !cfg!(target_os = "linux") {
        return false;
    }
    let found = rustix::fs::statvfs("/dev/shm");
    found.map_or(true, |found| found.f_blocks.saturating_mul(found.f_frsize) < SHARED_MEMORY_NEEDED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(options: &Options, major: u32, want: &[&str], absent: &[&str]) {
        let given = arguments(options, major, Path::new("/d"), Path::new("/s"));
        for one in want {
            assert!(given.iter().any(|argument| argument == one), "{one} is missing from {given:?}");
        }
        for one in absent {
            assert!(!given.iter().any(|argument| argument.starts_with(one)), "{one} is in {given:?}");
        }
    }

    #[test]
    fn server_is_private_quiet_and_durable_unless_told() {
        let options = Options::default();
        let quiet = ["/d", "/s", "listen_addresses=", "log_statement=none", "log_min_messages=log"];
        check(&options, 18, &quiet, &["fsync"]);
        check(&Options { durable: false, ..options.clone() }, 18, &["fsync=off", "full_page_writes=off"], &[]);
        check(&Options { max_connections: 7, ..options.clone() }, 18, &["max_connections=7"], &[]);
        check(&options, 17, &["summarize_wal=on", "wal_level=replica"], &[]);
        check(&options, 16, &["wal_level=replica"], &["summarize_wal"]);
    }
}
