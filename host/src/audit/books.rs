//! The trail in the database: rows are added and read, never changed.

use super::Error;
use super::chain::{Head, Link, Seal};
use chrono::DateTime;
use serde::Deserialize;
use std::time::SystemTime;
use tokio_postgres::{Client, Row};
use uuid::Uuid;

/// What a record says of itself that has a column of its own.
#[derive(Deserialize)]
struct Tag {
    at: String,
    event: String,
    node: Uuid,
}

impl Tag {
    /// The tag of a record; none for a text that is no record.
    fn of(record: &str) -> Option<(SystemTime, String)> {
        let tag: Tag = serde_json::from_str(record).ok()?;
        Some((DateTime::parse_from_rfc3339(&tag.at).ok()?.into(), tag.event))
    }
}

/// A row as it stands in the table.
pub(super) struct Kept {
    pub(super) link: Link,
    pub(super) at: SystemTime,
    pub(super) event: String,
}

impl Kept {
    fn of(row: &Row) -> Result<Self, Error> {
        let seq: i64 = row.try_get("seq")?;
        let mac: &[u8] = row.try_get("mac")?;
        Ok(Self {
            // The table holds 32 bytes and numbers above zero; a table without these checks fits no chain.
            link: Link {
                seq: seq.try_into().unwrap_or_default(),
                mac: Seal::try_from(mac).unwrap_or_default(),
                record: row.try_get("record")?,
            },
            at: row.try_get("at")?,
            event: row.try_get("event")?,
        })
    }

    /// A record that is not in the table yet.
    pub(super) fn labelled(link: Link) -> Self {
        let (at, event) = Tag::of(&link.record).unwrap_or((SystemTime::UNIX_EPOCH, String::new()));
        Self { link, at, event }
    }

    /// Whether the record says that another node wrote it.
    pub(super) fn is_of_another_than(&self, node: Uuid) -> bool {
        serde_json::from_str::<Tag>(&self.link.record).is_ok_and(|tag| tag.node != node)
    }

    /// Whether the columns say what the record says: they are what people search by.
    pub(super) fn is_labelled_truly(&self) -> bool {
        Tag::of(&self.link.record).is_some_and(|(at, event)| at == self.at && event == self.event)
    }
}

fn number(seq: u64) -> i64 {
    i64::try_from(seq).unwrap_or(i64::MAX)
}

/// Add records. Sending some again does no harm. Returns those whose number is taken by another record: not ours, or
/// ours from a life this disk does not remember.
pub(super) async fn add(client: &Client, node: Uuid, links: &[Link]) -> Result<Vec<u64>, Error> {
    const ADD: &str = "INSERT INTO rowhouse.audit (node, seq, at, event, record, mac)
        SELECT $1, * FROM unnest($2::int8[], $3::timestamptz[], $4::text[], $5::text[], $6::bytea[])
        ON CONFLICT (node, seq) DO NOTHING";
    let seqs: Vec<i64> = links.iter().map(|link| number(link.seq)).collect();
    // Text that is no record cannot come from a chain of ours; it would be shipped as it is, and stand out there.
    let tags = links.iter().map(|link| Tag::of(&link.record).unwrap_or((SystemTime::UNIX_EPOCH, "damaged".to_owned())));
    let (ats, events): (Vec<SystemTime>, Vec<String>) = tags.unzip();
    let records: Vec<&str> = links.iter().map(|link| link.record.as_str()).collect();
    let macs: Vec<&[u8]> = links.iter().map(|link| link.mac.as_slice()).collect();
    let added = client.execute(ADD, &[&node, &seqs, &ats, &events, &records, &macs]).await?;
    if added == links.len() as u64 {
        return Ok(Vec::new());
    }
    let there = client
        .query("SELECT seq, mac FROM rowhouse.audit WHERE node = $1 AND seq = ANY ($2::int8[])", &[&node, &seqs])
        .await?;
    let same = |link: &Link| {
        there.iter().any(|row| row.get::<_, i64>(0) == number(link.seq) && row.get::<_, &[u8]>(1) == link.mac)
    };
    Ok(links.iter().filter(|link| !same(link)).map(|link| link.seq).collect())
}

/// Rows read at once: half a megabyte in memory as a rule, and 50 MB if every record were as large as one can be.
const PAGE: i64 = 500;

/// The rows of a node after one, in order; none at the end.
pub(super) async fn page(client: &Client, node: Uuid, after: u64) -> Result<Vec<Kept>, Error> {
    const PAGES: &str = "SELECT seq, at, event, record, mac FROM rowhouse.audit
        WHERE node = $1 AND seq > $2 ORDER BY seq LIMIT $3";
    client.query(PAGES, &[&node, &number(after), &PAGE]).await?.iter().map(Kept::of).collect()
}

/// The seal of one row.
pub(super) async fn seal(client: &Client, node: Uuid, seq: u64) -> Result<Option<Head>, Error> {
    let row =
        client.query_opt("SELECT mac FROM rowhouse.audit WHERE node = $1 AND seq = $2", &[&node, &number(seq)]).await?;
    Ok(row.map(|row| Head { seq, mac: Seal::try_from(row.get::<_, &[u8]>(0)).unwrap_or_default() }))
}

/// The nodes of the trail and the last number of each. Hops along the primary key: one step a node, however many
/// rows each has.
pub(super) async fn nodes(client: &Client) -> Result<Vec<(Uuid, u64)>, Error> {
    const NODES: &str = "WITH RECURSIVE hop AS (
          (SELECT node FROM rowhouse.audit ORDER BY node LIMIT 1)
          UNION ALL
          SELECT (SELECT a.node FROM rowhouse.audit a WHERE a.node > hop.node ORDER BY a.node LIMIT 1)
          FROM hop WHERE hop.node IS NOT NULL)
        SELECT node, (SELECT a.seq FROM rowhouse.audit a WHERE a.node = hop.node ORDER BY a.seq DESC LIMIT 1)
        FROM hop WHERE node IS NOT NULL";
    let rows = client.query(NODES, &[]).await?;
    Ok(rows.iter().map(|row| (row.get(0), row.get::<_, i64>(1).try_into().unwrap_or_default())).collect())
}
