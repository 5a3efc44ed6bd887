//! What a backup is, as it says itself. Written last: a backup without a manifest was interrupted and is none.
//!
//! It lies open beside what is encrypted, and so holds no row and nothing that tells of one: names of tables, counts, and
//! checksums under a salt that is encrypted.

use super::Error;
use chrono::{DateTime, NaiveDateTime, SecondsFormat, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

/// The form written by this version. A reader refuses what is newer.
pub(super) const FORMAT: u32 = 1;

/// The manifest's name beside the objects.
pub(super) const NAME: &str = "manifest.json";

/// A whole backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The form of this text.
    pub format: u32,
    /// Its name, which sorts by time.
    pub id: String,
    /// What it is.
    pub kind: Kind,
    /// The backup it stands on, where it is incremental.
    pub parent: Option<String>,
    /// When it was begun, RFC 3339, UTC.
    pub time: String,
    /// Seconds it took.
    pub seconds: u64,
    /// The host's version.
    pub rowhouse: String,
    /// The server's version, as "18.6".
    pub server: String,
    /// The cluster, where PostgreSQL names it: only backups of one cluster make a chain.
    pub system: Option<String>,
    /// The database that was counted; a physical backup has the others of the cluster, too.
    pub database: String,
    /// The version of schema `rowhouse`; none where it is not there.
    pub schema: Option<i32>,
    /// Public keys it can be opened with; none: it is not encrypted.
    pub recipients: Vec<String>,
    /// What it consists of.
    pub objects: Vec<Object>,
    /// What was in the tables.
    pub tables: Vec<Table>,
    /// Roles a dump speaks of, without passwords. A physical backup has them itself.
    pub roles: Vec<Role>,
    /// SHA-256 of PostgreSQL's own list of a physical backup's files. An incremental one is made against that list, which
    /// the host keeps, since the copy in the backup is encrypted.
    pub base: Option<String>,
}

/// How a backup was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Every file of the cluster.
    Full,
    /// The blocks that changed since the parent.
    Incremental,
    /// Statements and rows, by `pg_dump`.
    Dump,
}

impl Kind {
    /// Its word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Incremental => "incremental",
            Self::Dump => "dump",
        }
    }
}

/// One object of a backup, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Object {
    /// Its name below the backup's.
    pub name: String,
    /// Bytes.
    pub size: u64,
    /// SHA-256, hexadecimal.
    pub sha256: String,
}

/// What was in one table, in one snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    /// As `schema.name`, quoted where PostgreSQL would.
    pub name: String,
    /// Rows.
    pub rows: i64,
    /// Sum of a salted 64-bit hash of each row's text: the same rows in any order have the same.
    pub checksum: String,
    /// It was written to while a physical backup ran: its rows are then those of some moment in between, and are not
    /// compared.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub moving: bool,
}

/// A role that owns something or was granted something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Role {
    /// Its name.
    pub name: String,
    /// Whether it may log in, once it has a password again.
    pub login: bool,
    /// Whether it has the rights of roles it is a member of.
    pub inherit: bool,
    /// Roles of this list it is a member of.
    pub member_of: Vec<String>,
}

/// How names begin: a time in UTC, to the second.
const NAMED: &str = "%Y%m%dT%H%M%SZ";

/// A fresh name: the time, so that names sort, and some chance, so that two hosts do not take the same one. It is at
/// least a second later than the newest name there is: two backups of one second, or a clock that was set back, do not
/// change which stands on which.
pub(super) fn fresh_id(now: DateTime<Utc>, newest: Option<&str>) -> String {
    let time = newest.and_then(|id| id.split('-').next());
    let time = time.and_then(|text| NaiveDateTime::parse_from_str(text, NAMED).ok()).map(|time| time.and_utc());
    let after = time.map_or(now, |time| now.max(time + TimeDelta::seconds(1)));
    let chance: [u8; 3] = rand::random();
    format!("{}-{}", after.format(NAMED), hex::encode(chance))
}

/// As manifests write a time.
pub(super) fn stamp(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// Whether a text can be a backup's name: it becomes part of a path.
pub(super) fn is_id(text: &str) -> bool {
    !text.is_empty() && text.len() <= 64 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

impl Manifest {
    /// Read one that was found under the name `id`.
    ///
    /// # Errors
    /// [`Error::Manifest`]: no manifest, another one's, or one of a newer version.
    pub fn read(id: &str, bytes: &[u8]) -> Result<Self, Error> {
        let wrong = |why: String| Error::Manifest(id.to_owned(), why);
        let read: Self = serde_json::from_slice(bytes).map_err(|error| wrong(error.to_string()))?;
        if read.format > FORMAT {
            return Err(wrong(format!(
                "it was written by Rowhouse {}; use that version or a newer one",
                read.rowhouse
            )));
        }
        let names = read.parent.iter().chain([&read.id]);
        if read.id != id || !names.into_iter().all(|name| is_id(name)) {
            return Err(wrong("it is the manifest of another backup".to_owned()));
        }
        if (read.kind == Kind::Incremental) != read.parent.is_some() {
            return Err(wrong("only an incremental backup stands on another one".to_owned()));
        }
        if read.objects.iter().any(|object| object.name.contains('/') || object.name.starts_with('.')) {
            return Err(wrong("an object lies elsewhere".to_owned()));
        }
        if DateTime::parse_from_rfc3339(&read.time).is_err() {
            return Err(wrong("its time is none".to_owned()));
        }
        Ok(read)
    }

    /// When it was begun.
    pub fn at(&self) -> DateTime<Utc> {
        DateTime::parse_from_rfc3339(&self.time).map_or(DateTime::UNIX_EPOCH, |time| time.to_utc())
    }

    /// Bytes in all.
    pub fn size(&self) -> u64 {
        self.objects.iter().map(|object| object.size).sum()
    }

    /// Whether it is encrypted.
    pub fn is_sealed(&self) -> bool {
        !self.recipients.is_empty()
    }

    /// The object whose name begins so.
    ///
    /// # Errors
    /// [`Error::Missing`].
    pub fn object(&self, start: &str) -> Result<&Object, Error> {
        let found = self.objects.iter().find(|object| object.name.starts_with(start));
        found.ok_or_else(|| Error::Missing(format!("{}/{start}", self.id)))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A manifest for tests of this room.
    pub(in crate::backup) fn example(id: &str, kind: Kind, parent: Option<&str>, time: &str) -> Manifest {
        Manifest {
            format: FORMAT,
            id: id.to_owned(),
            kind,
            parent: parent.map(str::to_owned),
            time: time.to_owned(),
            seconds: 1,
            rowhouse: "0.1.0".to_owned(),
            server: "18.6".to_owned(),
            system: Some("7".to_owned()),
            database: "rowhouse".to_owned(),
            schema: Some(7),
            recipients: Vec::new(),
            objects: vec![Object { name: "base.tar".to_owned(), size: 3, sha256: "00".to_owned() }],
            tables: Vec::new(),
            roles: Vec::new(),
            base: None,
        }
    }

    #[test]
    fn what_is_written_is_read_and_nothing_else() {
        let time = "2026-11-27T22:00:00Z";
        let good = example("a-1", Kind::Incremental, Some("a-0"), time);
        let text = serde_json::to_string(&good).unwrap();
        assert_eq!(Manifest::read("a-1", text.as_bytes()).unwrap(), good);
        let check = |change: &dyn Fn(&mut Manifest), said: &str| {
            let mut other = good.clone();
            change(&mut other);
            let error = Manifest::read("a-1", &serde_json::to_vec(&other).unwrap()).unwrap_err().to_string();
            assert!(error.contains(said) && error.contains("a-1"), "{error}");
        };
        check(&|it| it.format = 2, "a newer one");
        check(&|it| it.id = "a-2".to_owned(), "another backup");
        check(&|it| it.parent = Some("../x".to_owned()), "another backup");
        check(&|it| it.parent = None, "only an incremental");
        check(&|it| it.kind = Kind::Full, "only an incremental");
        check(&|it| it.objects[0].name = "../base".to_owned(), "lies elsewhere");
        check(&|it| it.time = "yesterday".to_owned(), "its time");
        assert!(Manifest::read("a-1", &text.as_bytes()[..40]).is_err());
    }

    #[test]
    fn names_sort_by_time_and_stay_one_word() {
        let now = "2026-11-27T22:00:00Z".parse().unwrap();
        let check = |newest: Option<&str>, begins: &str| {
            let id = fresh_id(now, newest);
            assert!(id.starts_with(begins) && is_id(&id) && newest.is_none_or(|it| it < id.as_str()), "{id}");
        };
        check(None, "20261127T220000Z-");
        check(Some("20261127T215959Z-ffffff"), "20261127T220000Z-");
        check(Some("20261127T220000Z-ffffff"), "20261127T220001Z-");
        check(Some("20261231T235959Z-000000"), "20270101T000000Z-");
        check(Some("1-by-hand"), "20261127T220000Z-");
        for text in ["", "a/b", "..", "a b", "latest/", &"x".repeat(65)] {
            assert!(!is_id(text), "{text}");
        }
    }
}
