//! Keys and indexes, taken away for the load and built again after it.
//!
//! Building an index from all rows is several times faster than growing it row by row, and one join proves a foreign
//! key for all rows at once. Definitions are read from the catalogs, so migrations stay the only place that has them.

use tokio_postgres::Transaction;

use crate::error::{Doing as _, Error};

/// What it takes to bring the keys and indexes back, in order.
pub(super) struct Removed(Vec<String>);

/// Drops keys, indexes and FORCE of the large tables. Owners may then load them: with FORCE not even they could. All
/// inside the caller's transaction, so nobody ever sees the tables without.
pub(super) async fn remove(tx: &Transaction<'_>) -> Result<Removed, Error> {
    let rows = tx.query(include_str!("indexes.sql"), &[]).await.doing("read the demo's indexes")?;
    let (drop, create): (Vec<String>, Vec<String>) =
        rows.iter().map(|row| (row.get::<_, String>(0), row.get::<_, String>(1))).unzip();
    // The list is in the order to bring back; what rests on something else goes before it.
    for statement in drop.iter().rev() {
        tx.batch_execute(statement).await.doing("take the demo's indexes away for the load")?;
    }
    Ok(Removed(create))
}

impl Removed {
    /// How many statements [`Self::restore`] will run.
    pub(super) fn len(&self) -> u64 {
        self.0.len() as u64
    }

    /// Brings them all back, saying after each how many are done.
    pub(super) async fn restore(self, tx: &Transaction<'_>, mut done: impl FnMut(u64)) -> Result<(), Error> {
        for (number, statement) in (1..).zip(&self.0) {
            tx.batch_execute(statement).await.doing("build the demo's indexes")?;
            done(number);
        }
        Ok(())
    }
}
