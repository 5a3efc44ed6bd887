//! The trail for people and programs: its end, as it grows, or a part of it by time.

use super::Error;
use super::books;
use futures_util::{Stream, TryStreamExt};
use serde::Serialize;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::time::SystemTime;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Row};
use uuid::Uuid;

/// A record as it is exported: with its place in the chain, so that the chain can be verified outside.
#[derive(Clone, Debug, Serialize)]
pub struct Exported {
    /// Whose chain.
    pub node: Uuid,
    /// Its place there.
    pub seq: i64,
    /// Its seal, in hexadecimal.
    pub mac: String,
    /// The record, letter for letter as it was sealed.
    pub record: Box<RawValue>,
}

impl Exported {
    fn of(row: &Row) -> Result<Self, Error> {
        let record: String = row.try_get("record")?;
        Ok(Self {
            node: row.try_get("node")?,
            seq: row.try_get("seq")?,
            mac: hex::encode(row.try_get::<_, &[u8]>("mac")?),
            // A row somebody made up may hold any text; it is shown as one.
            record: RawValue::from_string(record.clone())
                .or_else(|_| serde_json::value::to_raw_value(&record))
                .map_err(Error::Encode)?,
        })
    }
}

/// Which records to export.
#[derive(Clone, Debug, Default)]
pub struct Part {
    /// From this moment on.
    pub since: Option<SystemTime>,
    /// Until right before this moment.
    pub until: Option<SystemTime>,
    /// Of this kind only: `call`, or an event's name.
    pub event: Option<String>,
}

/// The records of a part, by time, as one snapshot. Rows come as they are asked for: memory holds a few at a time.
///
/// # Errors
/// What the database says, here or in the stream.
pub async fn export<'a>(
    client: &'a Client,
    part: &'a Part,
) -> Result<impl Stream<Item = Result<Exported, Error>> + 'a, Error> {
    const PART: &str = "SELECT node, seq, mac, record FROM rowhouse.audit
        WHERE ($1::timestamptz IS NULL OR at >= $1) AND ($2::timestamptz IS NULL OR at < $2)
          AND ($3::text IS NULL OR event = $3)
        ORDER BY at, node, seq";
    let parameters: [&(dyn ToSql + Sync); 3] = [&part.since, &part.until, &part.event];
    let rows = client.query_raw(PART, parameters).await?;
    Ok(rows.map_err(Error::Database).and_then(|row| std::future::ready(Exported::of(&row))))
}

/// The end of the trail, and what is added to it.
pub struct Tail<'a> {
    client: &'a Client,
    /// The last number shown, or to be skipped, of each node.
    shown: BTreeMap<Uuid, u64>,
}

impl<'a> Tail<'a> {
    /// The last `count` records by time, oldest first, and the place to go on from.
    ///
    /// # Errors
    /// What the database says.
    pub async fn open(client: &'a Client, count: u32) -> Result<(Self, Vec<Exported>), Error> {
        const LAST: &str =
            "SELECT node, seq, mac, record FROM rowhouse.audit ORDER BY at DESC, node, seq DESC LIMIT $1";
        // Before the query: what comes in between is shown by both rather than by neither.
        let mut shown: BTreeMap<_, _> = books::nodes(client).await?.into_iter().collect();
        let rows = client.query(LAST, &[&i64::from(count)]).await?;
        let last = rows.iter().rev().map(Exported::of).collect::<Result<Vec<_>, _>>()?;
        for one in &last {
            let seq = u64::try_from(one.seq).unwrap_or_default();
            shown.entry(one.node).and_modify(|known| *known = (*known).max(seq)).or_insert(seq);
        }
        Ok((Self { client, shown }, last))
    }

    /// What was added since, a thousand records of each node at most.
    ///
    /// # Errors
    /// What the database says.
    pub async fn more(&mut self) -> Result<Vec<Exported>, Error> {
        const MORE: &str = "SELECT node, seq, mac, record FROM rowhouse.audit
            WHERE node = $1 AND seq > $2 ORDER BY seq LIMIT 1000";
        let mut fresh = Vec::new();
        for (node, last) in books::nodes(self.client).await? {
            let known = self.shown.entry(node).or_default();
            if *known >= last {
                continue;
            }
            for row in self.client.query(MORE, &[&node, &i64::try_from(*known).unwrap_or(i64::MAX)]).await? {
                let one = Exported::of(&row)?;
                *known = u64::try_from(one.seq).unwrap_or(*known);
                fresh.push(one);
            }
        }
        Ok(fresh)
    }
}
