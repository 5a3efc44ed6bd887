//! Programs for a server that is not ours: `pg_dump` must be as new as the server it reads.

use std::fs;
use std::path::PathBuf;

use super::Options;
use super::archive;
use super::binaries::{parse_version, say};

/// The directory with a `program` for servers of this major version: the operator's own, what is unpacked for the embedded
/// server, PATH, where distributions put them. Nothing is fetched. Of several the nearest version. Blocks.
///
/// # Errors
/// What was found, and which version is needed.
pub fn client(options: &Options, program: &str, major: u32) -> Result<PathBuf, String> {
    let mut fitting: Vec<(u32, PathBuf)> = Vec::new();
    let mut old = Vec::new();
    for dir in dirs(options) {
        let path = dir.join(program);
        if !path.is_file() {
            continue;
        }
        match say(&path, "--version").ok().and_then(|said| parse_version(&said)) {
            Some((_, found)) if found >= major => fitting.push((found, dir)),
            Some((version, _)) => old.push(format!("{} is {version}", path.display())),
            None => old.push(format!("{} does not run", path.display())),
        }
    }
    // The first of equals: the order of the places.
    fitting.sort_by_key(|(found, _)| *found);
    fitting.into_iter().next().map(|(_, dir)| dir).ok_or_else(|| {
        let found = if old.is_empty() { "none was found".to_owned() } else { old.join(", ") };
        format!(
            "the server is PostgreSQL {major} and needs a {program} of version {major} or later; {found}. Install the \
             client programs (Debian: apt-get install postgresql-client-{major}), or name their directory in \
             ROWHOUSE_PG_BIN_DIR"
        )
    })
}

fn dirs(options: &Options) -> Vec<PathBuf> {
    let mut dirs: Vec<PathBuf> = options.bin_dir.iter().cloned().collect();
    if let Some(programs) = options.programs.clone().or_else(|| options.state_dir().ok()) {
        dirs.extend(archive::pins().into_iter().map(|pin| programs.join(pin.name()).join(pin.bin)));
    }
    dirs.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
    for root in ["/usr/lib/postgresql", "/opt/homebrew/opt", "/usr/local/opt"] {
        dirs.extend(fs::read_dir(root).into_iter().flatten().flatten().map(|entry| entry.path().join("bin")));
    }
    dirs
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn the_nearest_version_that_will_do_is_taken() {
        let top = tempfile::tempdir().expect("a temporary directory");
        for version in ["900.2", "902.1"] {
            let file = top.path().join(version).join("pg_dump");
            fs::create_dir(top.path().join(version)).expect("a directory");
            fs::write(&file, format!("#!/bin/sh\necho 'pg_dump (PostgreSQL) {version}'\n")).expect("a file");
            fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).expect("chmod");
        }
        // Versions nobody has, so that what is installed here is no part of it.
        let check = |dir: &str, major, want: Result<&str, &str>| {
            let options = Options {
                bin_dir: Some(top.path().join(dir)),
                state_dir: Some(top.path().to_owned()),
                ..Options::default()
            };
            match (client(&options, "pg_dump", major), want) {
                (Ok(found), Ok(dir)) => assert_eq!(found, top.path().join(dir)),
                (Err(said), Err(part)) => assert!(said.contains(part), "{said}"),
                (got, want) => panic!("{got:?}, wanted {want:?}"),
            }
        };
        check("900.2", 900, Ok("900.2"));
        check("902.1", 901, Ok("902.1"));
        check("900.2", 901, Err("pg_dump of version 901 or later"));
        check("900.2", 901, Err("is 900.2"));
    }
}
