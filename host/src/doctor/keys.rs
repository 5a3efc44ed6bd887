//! The files of keys: who else may read them, and which should be gone.

use super::{Finding, Level};
use crate::config::Keys as Settings;
use crate::keys::{Error, kept};
use anyhow::Result;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::SystemTime;

pub(super) fn look(state: &Path, settings: &Settings) -> Result<Vec<Finding>> {
    let dir = state.join("keys");
    // Not there yet: then nothing of it can be wrong.
    if !dir.exists() {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    let mode = std::fs::metadata(&dir)?.permissions().mode() & 0o7777;
    if mode & 0o077 != 0 {
        // Who may write here may put a key of his own in place of one of ours.
        let level = if mode & 0o022 != 0 { Level::Unsafe } else { Level::Weak };
        let (object, mend) = (dir.display().to_string(), format!("chmod 700 {}", dir.display()));
        found.push(Finding::new(
            level,
            "keys",
            format!("the directory of keys is open to others ({mode:o})"),
            object,
            mend,
        ));
    }
    for entry in std::fs::read_dir(&dir)? {
        let entry = entry?;
        let path = entry.path();
        if path.extension().is_none_or(|ending| ending != "key") {
            continue;
        }
        let mode = entry.metadata()?.permissions().mode() & 0o7777;
        if mode & 0o077 != 0 {
            let mend = format!("chmod 600 {}", path.display());
            let what = format!("a key is open to others ({mode:o})");
            found.push(Finding::new(Level::Unsafe, "keys", what, path.display().to_string(), mend));
        }
    }
    match kept(state, settings) {
        Ok(all) => {
            let ended = all.into_iter().filter_map(|kept| kept.previous).filter(|(_, end)| *end <= SystemTime::now());
            found.extend(ended.map(|(path, _)| {
                let mend = format!("rm {}", path.display());
                Finding::new(Level::Note, "keys", "a key that was replaced has ended", path.display().to_string(), mend)
            }));
        }
        // Said above.
        Err(Error::Open(_) | Error::OpenDirectory(_)) => {}
        Err(error) => return Err(error.into()),
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::{Keys, Name, fresh, replace};
    use std::time::Duration;

    #[test]
    fn open_files_and_ended_keys_are_told() {
        let state = tempfile::tempdir().unwrap();
        let settings = Settings::default();
        let set = |name: &str, mode| {
            let path = state.path().join("keys").join(name);
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        };
        let check = |want: &[(Level, &str)]| {
            let found = look(state.path(), &settings).unwrap();
            let said: Vec<_> = found.iter().map(|f| (f.level, f.mend.split(' ').next().unwrap())).collect();
            assert_eq!(said, want, "{found:?}");
        };
        check(&[]);
        Keys::open(state.path()).unwrap();
        check(&[]);
        set("", 0o750);
        check(&[(Level::Weak, "chmod")]);
        set("", 0o770);
        check(&[(Level::Unsafe, "chmod")]);
        set("", 0o700);
        set("audit.key", 0o640);
        check(&[(Level::Unsafe, "chmod")]);
        set("audit.key", 0o600);
        replace(state.path(), &settings, Name::Issuer, &fresh(), Duration::from_secs(600)).unwrap();
        check(&[]);
        let previous = state.path().join("keys/issuer.previous.key");
        std::fs::write(&previous, [0; 40]).unwrap();
        check(&[(Level::Note, "rm")]);
    }
}
