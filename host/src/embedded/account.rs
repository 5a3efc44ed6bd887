//! Who PostgreSQL runs as. It refuses root, so a host started by root lends it an account of the machine; no
//! account is ever created.

use std::fs;
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::Error;

/// An account other than root. `initdb` looks itself up by number, so it must be listed in the account file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Account {
    name: String,
    uid: u32,
    gid: u32,
}

impl Account {
    /// The account to step down to; `None` when the host is not root and stays who it is. Data that exist already
    /// decide: they belong to whoever wrote them, even if a better account has appeared since.
    ///
    /// # Errors
    /// [`Error::NoAccount`] for root on a machine with none to lend.
    pub(super) fn choose(data: &Path) -> Result<Option<Self>, Error> {
        if !rustix::process::geteuid().is_root() {
            return Ok(None);
        }
        let owner = fs::metadata(data).ok().map(|found| found.uid());
        let list = fs::read_to_string("/etc/passwd").unwrap_or_default();
        pick(&list, owner).ok_or(Error::NoAccount).map(Some)
    }

    /// Makes `command` run as this account; the supplementary groups of root are dropped with it.
    pub(super) fn lend(&self, command: &mut Command) {
        command.gid(self.gid).uid(self.uid);
    }

    /// Gives a file or directory to this account.
    pub(super) fn give(&self, path: &Path) -> Result<(), Error> {
        chown(path, Some(self.uid), Some(self.gid)).map_err(Error::state("hand over", path))
    }

    /// Checks that every directory down to `path` lets this account through.
    ///
    /// # Errors
    /// [`Error::Unreachable`] naming the first that does not.
    pub(super) fn must_reach(&self, path: &Path) -> Result<(), Error> {
        let mut way: Vec<PathBuf> = path.ancestors().map(Path::to_owned).collect();
        way.reverse();
        for step in way {
            let Ok(found) = fs::metadata(&step) else {
                continue;
            };
            let bit = match () {
                () if found.uid() == self.uid => 0o100,
                () if found.gid() == self.gid => 0o010,
                () => 0o001,
            };
            if found.is_dir() && found.mode() & bit == 0 {
                return Err(Error::Unreachable { path: step, account: self.name.clone() });
            }
        }
        Ok(())
    }
}

/// The owner of the data if there is one, otherwise `postgres`, otherwise `nobody`.
fn pick(list: &str, owner: Option<u32>) -> Option<Account> {
    let accounts: Vec<Account> = list.lines().filter_map(parse).filter(|account| account.uid != 0).collect();
    let of_data = owner.and_then(|uid| accounts.iter().find(|account| account.uid == uid));
    let named = || ["postgres", "nobody"].iter().find_map(|name| accounts.iter().find(|a| a.name == *name));
    of_data.or_else(named).cloned()
}

/// One line of the account file: name, password, uid, gid, and what does not matter here.
fn parse(line: &str) -> Option<Account> {
    let mut fields = line.split(':');
    let name = fields.next()?.to_owned();
    let uid = fields.nth(1)?.parse().ok()?;
    let gid = fields.next()?.parse().ok()?;
    Some(Account { name, uid, gid })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = "root:x:0:0::/root:/bin/sh\nnobody:x:65534:65534::/:\nann:x:7:8::/:\npostgres:x:101:104:,,,:/:";

    #[track_caller]
    fn check(list: &str, owner: Option<u32>, want: Option<(&str, u32, u32)>) {
        let got = pick(list, owner);
        assert_eq!(got.as_ref().map(|a| (a.name.as_str(), a.uid, a.gid)), want);
    }

    #[test]
    fn account_is_the_owner_then_postgres_then_nobody() {
        check(LIST, None, Some(("postgres", 101, 104)));
        check(LIST, Some(7), Some(("ann", 7, 8)));
        check(LIST, Some(65534), Some(("nobody", 65534, 65534)));
        check(LIST, Some(0), Some(("postgres", 101, 104)));
        check(LIST, Some(4242), Some(("postgres", 101, 104)));
        check("nobody:x:99:99::/:", None, Some(("nobody", 99, 99)));
        check("postgres:x:0:0::/:\nbroken line\n:::", None, None);
        check("", None, None);
    }

    #[test]
    fn closed_directory_is_named() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().expect("a temporary directory");
        let closed = dir.path().join("closed");
        fs::create_dir(&closed).expect("a directory");
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).expect("chmod");
        fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).expect("chmod");
        // Nobody's number: it owns nothing here, whoever runs the test.
        let account = Account { name: "nobody".to_owned(), uid: 4_000_000_000, gid: 4_000_000_000 };
        let inner = closed.join("bin");
        let Err(Error::Unreachable { path, .. }) = account.must_reach(&inner) else { panic!("was let through") };
        assert_eq!(path, closed);
        fs::set_permissions(&closed, fs::Permissions::from_mode(0o711)).expect("chmod");
        account.must_reach(&inner).expect("open now");
    }
}
