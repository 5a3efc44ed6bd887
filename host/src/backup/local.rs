//! What this host keeps of the backups it made, in `backup` of the state directory: PostgreSQL's list of the files of each
//! physical one, against which the next is made. It has names, sizes and checksums of files, nothing of what is in them.

use super::manifest::{Kind, Manifest};
use super::{Catalog, Error};
use crate::disk;
use sha2::{Digest, Sha256};
use std::fs;
use std::path::{Path, PathBuf};

/// The lists of one state directory.
pub(super) struct Lists(PathBuf);

impl Lists {
    pub(super) fn of(state: &Path) -> Self {
        Self(state.join("backup"))
    }

    fn path(&self, id: &str) -> PathBuf {
        self.0.join(format!("{id}.manifest"))
    }

    /// Keep the list of a backup. Returns its SHA-256.
    pub(super) fn keep(&self, id: &str, list: &[u8]) -> Result<String, Error> {
        disk::private_directory(&self.0).map_err(Error::io(format!("make {}", self.0.display())))?;
        let path = self.path(id);
        disk::write(&path, list, 0o600).map_err(Error::io(format!("write {}", path.display())))?;
        Ok(hex::encode(Sha256::digest(list)))
    }

    /// Forget one.
    pub(super) fn forget(&self, id: &str) {
        // One that stays is forgotten after the next backup.
        let _ = fs::remove_file(self.path(id));
    }

    /// Forget those of backups that are not there any more.
    pub(super) fn forget_others(&self, catalog: &Catalog) {
        for entry in fs::read_dir(&self.0).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let known = |id: &str| catalog.entries.iter().any(|entry| entry.manifest.id == id);
            if let Some(id) = name.strip_suffix(".manifest").filter(|id| !known(id)) {
                self.forget(id);
            }
        }
    }

    /// The backup the next incremental one of this cluster is to stand on, and the file with its list.
    ///
    /// # Errors
    /// A clause that says why there is none.
    pub(super) fn parent<'a>(
        &self,
        catalog: &'a Catalog,
        system: &str,
        longest: u32,
    ) -> Result<(&'a Manifest, PathBuf), String> {
        let ours = |it: &&Manifest| it.kind != Kind::Dump && it.system.as_deref() == Some(system);
        let newest = catalog.entries.iter().rev().map(|entry| &entry.manifest).find(ours);
        let newest = newest.ok_or("there is no full one of this cluster")?;
        let chain = catalog.chain(newest).map_err(|error| error.to_string())?;
        if chain.len() >= longest as usize {
            return Err(format!("the chain has {} backups, as many as backup.chain allows", chain.len()));
        }
        let path = self.path(&newest.id);
        let list = fs::read(&path).map_err(|_| format!("this host did not make the newest one, {}", newest.id))?;
        if newest.base.as_deref() != Some(&hex::encode(Sha256::digest(&list))) {
            return Err(format!("{} is not the list of {}", path.display(), newest.id));
        }
        Ok((newest, path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backup::Entry;
    use crate::backup::manifest::tests::example;

    #[test]
    fn an_incremental_one_stands_on_the_newest_of_its_own_cluster() {
        let state = tempfile::tempdir().unwrap();
        let lists = Lists::of(state.path());
        let base = lists.keep("b", b"list").unwrap();
        let place = |lines: &[(&str, &str, Option<&str>)]| {
            let mut before: Option<&str> = None;
            let mut catalog = Catalog::default();
            for (id, system, base) in lines {
                let kind = if before.is_some() { Kind::Incremental } else { Kind::Full };
                let mut manifest = example(id, kind, before, "2026-11-01T00:00:00Z");
                (manifest.system, manifest.base) = (Some((*system).to_owned()), base.map(str::to_owned));
                catalog.entries.push(Entry { manifest, missing: Vec::new() });
                before = Some(id);
            }
            catalog
        };
        let check = |catalog: &Catalog, longest, want: Result<&str, &str>| {
            let got = lists.parent(catalog, "7", longest).map(|(manifest, _)| manifest.id.clone());
            match want {
                Ok(id) => assert_eq!(got.as_deref(), Ok(id)),
                Err(part) => assert!(got.as_ref().is_err_and(|why| why.contains(part)), "{got:?}"),
            }
        };
        let two = place(&[("a", "7", None), ("b", "7", Some(&base))]);
        check(&two, 7, Ok("b"));
        check(&two, 2, Err("as many as backup.chain allows"));
        check(&place(&[]), 7, Err("no full one"));
        check(&place(&[("a", "8", None)]), 7, Err("no full one"));
        check(&place(&[("b", "7", Some("other"))]), 7, Err("not the list"));
        check(&place(&[("a", "7", Some(&base))]), 7, Err("did not make"));
        let mut broken = two.clone();
        broken.entries[0].missing.push("base.tar".to_owned());
        check(&broken, 7, Err("a/base.tar"));
        lists.forget_others(&two);
        check(&two, 7, Ok("b"));
        lists.forget_others(&place(&[("a", "7", None)]));
        check(&two, 7, Err("did not make"));
    }
}
