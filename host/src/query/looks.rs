//! What a call may know of the tables: as far as it may read them.

use super::catalog::Catalog;
use super::{SqlError, TenantTx};
use std::sync::Arc;

impl TenantTx {
    /// The part of the catalog this call may read.
    pub fn sees(&self, catalog: &Catalog) -> Catalog {
        catalog.seen_by(&|schema, relation| self.readable.contains(schema, relation))
    }

    /// Distinct values of a column of a listed table, in order, as text, nulls left out; at most `max`, which is held
    /// to 1 to [`super::catalog::MAX_SAMPLES`].
    ///
    /// # Errors
    /// [`super::SqlCode::Invalid`] for a table or column the catalog does not list, else as [`TenantTx::run`].
    pub async fn samples(
        self: &Arc<Self>,
        catalog: &Catalog,
        table: &str,
        column: &str,
        max: u32,
    ) -> Result<Vec<String>, SqlError> {
        let statement = self.sees(catalog).samples(table, column, max)?;
        let rows = self.run(&statement, &[]).await?;
        Ok((0..rows.len()).filter_map(|row| rows.cell(row, 0)).map(str::to_owned).collect())
    }
}
