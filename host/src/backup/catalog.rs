//! The backups there are: which stand on which, which one is meant, which may go.

use super::Error;
use super::manifest::{Kind, Manifest};
use crate::config::Keep;
use chrono::{DateTime, Datelike, Utc};
use std::collections::BTreeSet;

/// Everything a place has, oldest first.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    /// Where, for people.
    pub place: String,
    /// Backups with a manifest.
    pub entries: Vec<Entry>,
    /// Names under which something lies that is no backup, and when it was last written to: an upload that was
    /// interrupted, or one under way.
    pub partial: Vec<(String, DateTime<Utc>)>,
    /// Manifests that cannot be read, and why.
    pub unreadable: Vec<(String, String)>,
}

/// One backup.
#[derive(Clone, Debug)]
pub struct Entry {
    /// What it says.
    pub manifest: Manifest,
    /// Objects that are not there, or have another size.
    pub missing: Vec<String>,
}

impl Catalog {
    /// The backup of this name, or the newest that is whole for `latest`.
    ///
    /// # Errors
    /// [`Error::Unknown`], [`Error::Nothing`], [`Error::Manifest`].
    pub fn find(&self, name: &str) -> Result<&Manifest, Error> {
        if name == "latest" {
            return self.latest().ok_or_else(|| Error::Nothing(self.place.clone()));
        }
        if let Some((id, why)) = self.unreadable.iter().find(|(id, _)| id == name) {
            return Err(Error::Manifest(id.clone(), why.clone()));
        }
        self.get(name).map(|entry| &entry.manifest).ok_or_else(|| Error::Unknown(name.to_owned()))
    }

    fn get(&self, id: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.manifest.id == id)
    }

    /// The newest that can be restored.
    pub fn latest(&self) -> Option<&Manifest> {
        self.entries.iter().rev().map(|entry| &entry.manifest).find(|manifest| self.chain(manifest).is_ok())
    }

    /// All that is needed to restore a backup, the full one first.
    ///
    /// # Errors
    /// [`Error::Hole`] and [`Error::Missing`], naming what is not there.
    pub fn chain<'a>(&'a self, of: &'a Manifest) -> Result<Vec<&'a Manifest>, Error> {
        let mut chain = Vec::new();
        let mut at = of;
        loop {
            let missing = self.get(&at.id).and_then(|entry| entry.missing.first());
            if let Some(name) = missing {
                return Err(Error::Missing(format!("{}/{name}", at.id)));
            }
            chain.push(at);
            let Some(parent) = &at.parent else { break };
            let hole = || Error::Hole { id: at.id.clone(), parent: parent.clone() };
            let next = self.get(parent).map(|entry| &entry.manifest).ok_or_else(hole)?;
            // Names sort by time: one that stands on a later one, or on itself, was made up.
            if next.id >= at.id || next.kind == Kind::Dump || next.system != of.system {
                return Err(hole());
            }
            at = next;
        }
        chain.reverse();
        Ok(chain)
    }

    /// What no rule keeps, newest first, so that a removal that is interrupted leaves no hole. What cannot be restored is
    /// left for a person to look at.
    pub fn expired(&self, keep: &Keep) -> Vec<&Manifest> {
        if !keep.is_set() {
            return Vec::new();
        }
        let whole: Vec<&Manifest> = self.entries.iter().rev().map(|entry| &entry.manifest).collect();
        let whole: Vec<&Manifest> = whole.into_iter().filter(|manifest| self.chain(manifest).is_ok()).collect();
        let mut kept: BTreeSet<&str> = whole.iter().take(1).map(|manifest| manifest.id.as_str()).collect();
        kept.extend(whole.iter().take(keep.last as usize).map(|manifest| manifest.id.as_str()));
        let day = |manifest: &Manifest| manifest.at().date_naive().num_days_from_ce();
        let week = |manifest: &Manifest| {
            let week = manifest.at().iso_week();
            week.year() * 100 + i32::try_from(week.week()).unwrap_or_default()
        };
        kept.extend(newest_of_each(&whole, keep.daily, day));
        kept.extend(newest_of_each(&whole, keep.weekly, week));
        let mut needed = BTreeSet::new();
        // What cannot be restored now may be when its missing part comes back: what it stands on stays.
        let broken = self.entries.iter().map(|entry| &entry.manifest).filter(|it| self.chain(it).is_err());
        for manifest in whole.iter().copied().filter(|it| kept.contains(it.id.as_str())).chain(broken) {
            let mut at = Some(manifest);
            while let Some(it) = at.filter(|it| needed.insert(it.id.as_str())) {
                at = it.parent.as_ref().and_then(|id| self.get(id)).map(|entry| &entry.manifest);
            }
        }
        whole.into_iter().filter(|manifest| !needed.contains(manifest.id.as_str())).collect()
    }
}

/// The newest of each of the last so many groups. `whole` has the newest first.
fn newest_of_each<'a>(whole: &[&'a Manifest], groups: u32, of: impl Fn(&Manifest) -> i32) -> Vec<&'a str> {
    let mut seen = BTreeSet::new();
    let first = whole.iter().filter(|manifest| seen.insert(of(manifest)));
    first.take(groups as usize).map(|manifest| manifest.id.as_str()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backup::manifest::tests::example;

    /// A place with backups, each as `name kind parent day`; `!` behind the name: an object is missing.
    fn place(lines: &[&str]) -> Catalog {
        let entry = |line: &&str| {
            let words: Vec<&str> = line.split(' ').collect();
            let (name, missing) = words[0].strip_suffix('!').map_or((words[0], false), |name| (name, true));
            let kind = match words[1] {
                "full" => Kind::Full,
                "inc" => Kind::Incremental,
                _ => Kind::Dump,
            };
            let parent = Some(words[2]).filter(|it| *it != "-");
            let time = format!("2026-{}T03:00:00Z", words[3]);
            let missing = if missing { vec!["base.tar".to_owned()] } else { Vec::new() };
            Entry { manifest: example(name, kind, parent, &time), missing }
        };
        Catalog { place: "here".to_owned(), entries: lines.iter().map(entry).collect(), ..Catalog::default() }
    }

    #[track_caller]
    fn check_chain(lines: &[&str], name: &str, want: Result<&[&str], &str>) {
        let place = place(lines);
        let got = place.find(name).and_then(|it| place.chain(it));
        match want {
            Ok(ids) => assert_eq!(got.unwrap().iter().map(|it| it.id.as_str()).collect::<Vec<_>>(), ids),
            Err(part) => {
                let said = got.unwrap_err().to_string();
                assert!(said.contains(part), "{said}");
            }
        }
    }

    #[test]
    fn a_chain_is_whole_or_says_what_is_missing() {
        let three = ["a full - 11-01", "b inc a 11-02", "c inc b 11-03"];
        check_chain(&three, "c", Ok(&["a", "b", "c"]));
        check_chain(&three, "a", Ok(&["a"]));
        check_chain(&three, "latest", Ok(&["a", "b", "c"]));
        check_chain(&three, "d", Err("no backup d"));
        check_chain(&[], "latest", Err("no whole backup in here"));
        let hole = ["a full - 11-01", "c inc b 11-03"];
        check_chain(&hole, "c", Err("c stands on b, which is not there"));
        check_chain(&hole, "latest", Ok(&["a"]));
        check_chain(&["a! full - 11-01", "b inc a 11-02"], "b", Err("a/base.tar is missing"));
        check_chain(&["a! full - 11-01"], "latest", Err("no whole backup"));
        check_chain(&["a inc a 11-01"], "a", Err("stands on a"));
        check_chain(&["a inc b 11-01", "b inc a 11-02"], "b", Err("stands on b"));
        check_chain(&["a dump - 11-01", "b inc a 11-02"], "b", Err("stands on a"));
    }

    #[track_caller]
    fn check_keep(lines: &[&str], keep: Keep, gone: &[&str]) {
        let place = place(lines);
        let expired: Vec<&str> = place.expired(&keep).iter().map(|it| it.id.as_str()).collect();
        assert_eq!(expired, gone, "{keep:?}");
    }

    #[test]
    fn nothing_goes_that_a_kept_one_stands_on_nor_the_last_good_one() {
        let week = [
            "a full - 11-01",
            "b inc a 11-02",
            "c inc b 11-03",
            "d full - 11-08",
            "e inc d 11-09",
            "f inc e 11-09",
            "g full - 11-15",
        ];
        let (last, daily, weekly) = (
            |last| Keep { last, ..Keep::default() },
            |daily| Keep { daily, ..Keep::default() },
            |weekly| Keep { weekly, ..Keep::default() },
        );
        check_keep(&week, Keep::default(), &[]);
        check_keep(&week, last(1), &["f", "e", "d", "c", "b", "a"]);
        check_keep(&week, last(2), &["c", "b", "a"]);
        check_keep(&week, last(9), &[]);
        // The newest of the 9th is `f`, which stands on `e` and `d`.
        check_keep(&week, daily(2), &["c", "b", "a"]);
        // Weeks begin on Mondays: the 1st, 8th and 15th of that November are Sundays, each the end of one.
        check_keep(&week, weekly(1), &["f", "e", "d", "c", "b", "a"]);
        check_keep(&week, weekly(2), &["f", "e", "c", "b", "a"]);
        check_keep(&week, weekly(3), &["f", "e", "c", "b"]);
        // The newest is broken: the last good one stays, and so does what the broken one stands on.
        check_keep(&["a full - 11-01", "b full - 11-02", "c! inc b 11-03"], last(1), &["a"]);
        check_keep(&["a full - 11-01", "b full - 11-02", "d inc c 11-04"], last(1), &["a"]);
        check_keep(&["a full - 11-01", "b! full - 11-02"], last(1), &[]);
    }
}
