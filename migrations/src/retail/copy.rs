//! Rows into tables, by COPY in its text form.

use std::fmt::Display;
use std::pin::pin;

use bytes::Bytes;
use futures_util::SinkExt as _;
use tokio_postgres::Transaction;

use crate::error::{Doing as _, Error};

/// Rows of one table, on their way. Values must hold no tab, newline or backslash; the demo's do not.
pub(super) struct Batch {
    into: &'static str,
    text: String,
    pub(super) rows: u64,
}

impl Batch {
    /// `into`: table and columns, e.g. `retail.stores (store_id, store_name)`.
    pub(super) fn new(into: &'static str) -> Self {
        Self { into, text: String::new(), rows: 0 }
    }

    pub(super) fn push(&mut self, values: &[&dyn Display]) {
        use std::fmt::Write as _;
        for (place, value) in values.iter().enumerate() {
            let separator = if place == 0 { "" } else { "\t" };
            write!(self.text, "{separator}{value}").expect("writing to a String cannot fail");
        }
        self.text.push('\n');
        self.rows += 1;
    }

    /// Sends what has been pushed and empties the batch.
    pub(super) async fn send(&mut self, tx: &Transaction<'_>) -> Result<(), Error> {
        if self.rows == 0 {
            return Ok(());
        }
        self.rows = 0;
        let doing = "copy the demo's rows";
        let sink = tx.copy_in::<_, Bytes>(&format!("COPY {} FROM STDIN", self.into)).await.doing(doing)?;
        let mut sink = pin!(sink);
        sink.send(Bytes::from(std::mem::take(&mut self.text))).await.doing(doing)?;
        sink.finish().await.doing(doing)?;
        Ok(())
    }
}
