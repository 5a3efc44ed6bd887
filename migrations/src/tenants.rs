//! Who there is.

use tokio_postgres::Client;
use uuid::Uuid;

use crate::error::{Doing as _, Error};

/// One line of `rowhouse.tenants_directory`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TenantRow {
    /// The value of the tenant column in every protected table.
    pub id: Uuid,
    /// For people.
    pub name: String,
    /// Policies may grant by region.
    pub region: String,
    /// A JSON object, as text: whatever else policies want to know.
    pub attributes: String,
}

/// Every tenant, by name.
///
/// # Errors
/// [`Error::Database`] when the directory is missing (run [`crate::migrate`]) or `admin` may not read it.
pub async fn tenants(admin: &Client) -> Result<Vec<TenantRow>, Error> {
    let rows = admin
        .query("SELECT id, name, region, attributes::text FROM rowhouse.tenants_directory ORDER BY name, id", &[])
        .await
        .doing("read the directory of tenants")?;
    Ok(rows
        .iter()
        .map(|row| TenantRow { id: row.get(0), name: row.get(1), region: row.get(2), attributes: row.get(3) })
        .collect())
}
