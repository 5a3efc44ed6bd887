//! What statements read: of each served relation the tables behind it, and whether all of them tell of changes.
//!
//! Read by the administrator, for agents may not see the catalog: when the host begins to listen, whenever it is told that
//! something other than rows changed, and once a minute, for what nobody tells of.

use super::super::gate::Gate;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Error, Row};

const READS: &str = include_str!("sources.sql");
const SHADOWS: &str = include_str!("shadows.sql");

/// Which database, beyond its address: the cluster's own number is not for everybody to read.
const CLUSTER: &str = "SELECT system_identifier::text FROM pg_catalog.pg_control_system()";
const DATABASE: &str =
    "SELECT d.oid, d.datname::text, (SELECT coalesce(max(h.version), 0)::int FROM rowhouse.core_history h)
    FROM pg_catalog.pg_database d WHERE d.datname = current_database()";

/// What is read by whom. Compared whole: anything that differs puts all kept answers out of date.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Sources {
    relations: BTreeMap<String, Relation>,
    /// Why nothing at all may be kept.
    shadow: Option<String>,
    /// Of the database: the same on every host that reaches it by the same address.
    pub(super) place: [u8; 32],
    /// Of all that was read here.
    pub(super) shape: [u8; 32],
}

/// A served relation.
#[derive(Debug, Default, PartialEq, Eq)]
struct Relation {
    oid: u32,
    /// The tables behind it.
    tables: BTreeSet<u32>,
    /// Why answers that read it are not kept.
    silent: Option<String>,
}

/// Hashes parts with their lengths.
fn part(hash: &mut Sha256, bytes: &[u8]) {
    hash.update((bytes.len() as u64).to_le_bytes());
    hash.update(bytes);
}

impl Sources {
    /// Read them. `address` is where the database is, `path` where unqualified names are looked for.
    pub(super) async fn read(
        admin: &Client,
        gate: &Gate,
        schemas: &[String],
        path: &[String],
        address: &str,
    ) -> Result<Self, Error> {
        let mut place = Sha256::new();
        part(&mut place, b"rowhouse answers of 1");
        part(&mut place, address.as_bytes());
        match admin.query_one(CLUSTER, &[]).await {
            Ok(row) => part(&mut place, row.try_get::<_, String>(0)?.as_bytes()),
            Err(error) if error.code() == Some(&SqlState::INSUFFICIENT_PRIVILEGE) => part(&mut place, b""),
            Err(error) => return Err(error),
        }
        let row = admin.query_one(DATABASE, &[]).await?;
        let (oid, name, version): (u32, String, i32) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
        part(&mut place, &oid.to_le_bytes());
        part(&mut place, name.as_bytes());
        part(&mut place, &version.to_le_bytes());
        let mut sources = Self { place: place.finalize().into(), ..Self::default() };

        let mut shape = Sha256::new();
        part(&mut shape, &sources.place);
        path.iter().for_each(|schema| part(&mut shape, schema.as_bytes()));
        for row in &admin.query(READS, &[&schemas]).await? {
            sources.add(row, gate, &mut shape)?;
        }
        let settled: Vec<&str> = rowhouse_migrations::settled_functions().collect();
        let shadow = admin.query_opt(SHADOWS, &[&path, &settled]).await?;
        sources.shadow = shadow.map(|row| row.try_get(0)).transpose()?;
        sources.shape = shape.finalize().into();
        Ok(sources)
    }

    fn add(&mut self, row: &Row, gate: &Gate, shape: &mut Sha256) -> Result<(), Error> {
        let (name, served, oid): (String, u32, u32) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
        let (kind, tells): (&str, bool) = (row.try_get(3)?, row.try_get(4)?);
        let (odd, view): (Option<String>, Option<String>) = (row.try_get(5)?, row.try_get(6)?);
        let columns: Option<String> = row.try_get(7)?;
        for text in [name.as_str(), kind, odd.as_deref().unwrap_or_default(), view.as_deref().unwrap_or_default()] {
            part(shape, text.as_bytes());
        }
        part(shape, columns.unwrap_or_default().as_bytes());
        part(shape, &[served.to_le_bytes(), oid.to_le_bytes(), u32::from(tells).to_le_bytes()].concat());
        let relation = self.relations.entry(name).or_insert_with(|| Relation { oid: served, ..Relation::default() });
        let silent = match (kind, view) {
            // Names with a dot in them may read like another's.
            _ if relation.oid != served => Some("two relations are written alike".to_owned()),
            _ if odd.is_some() => odd,
            ("v", Some(sql)) if gate.settles_view(&sql) => None,
            ("v", _) => Some("what a view shows does not follow from rows alone".to_owned()),
            _ if tells => None,
            _ => Some("it does not tell of changes".to_owned()),
        };
        if kind != "v" {
            relation.tables.insert(oid);
        }
        relation.silent = relation.silent.take().or(silent);
        Ok(())
    }

    /// The tables behind these relations. None where an answer that reads them may not be kept.
    pub(super) fn tables(&self, relations: &BTreeSet<String>) -> Option<Arc<[u32]>> {
        self.usable().ok()?;
        let mut tables = BTreeSet::new();
        for name in relations {
            let relation = self.relations.get(name).filter(|relation| relation.silent.is_none())?;
            tables.extend(&relation.tables);
        }
        Some(tables.into_iter().collect())
    }

    /// Whether any relation reads this table.
    pub(super) fn reads(&self, table: u32) -> bool {
        self.relations.values().any(|relation| relation.tables.contains(&table))
    }

    /// How many relations tell of every change.
    pub(super) fn told(&self) -> usize {
        self.relations.values().filter(|relation| relation.silent.is_none()).count()
    }

    /// Whether anything may be kept.
    pub(super) fn usable(&self) -> Result<(), &'static str> {
        match self.shadow {
            None => Ok(()),
            Some(_) => Err("statements may call functions, operators or casts of your own without naming them"),
        }
    }

    /// For the operator: why which relations' answers are not kept.
    pub(super) fn silent(&self) -> impl Iterator<Item = (&str, &str)> {
        let relations = self.relations.iter();
        let all = self.shadow.iter().map(|shadow| ("all", shadow.as_str()));
        all.chain(relations.filter_map(|(name, relation)| Some((name.as_str(), relation.silent.as_deref()?))))
    }

    #[cfg(test)]
    pub(super) fn made(relations: &[(&str, &[u32])], silent: &[&str]) -> Self {
        let relation = |(name, tables): &(&str, &[u32])| {
            let silent = silent.contains(name).then(|| "it does not tell of changes".to_owned());
            ((*name).to_owned(), Relation { oid: 0, tables: tables.iter().copied().collect(), silent })
        };
        Self { relations: relations.iter().map(relation).collect(), ..Self::default() }
    }
}
