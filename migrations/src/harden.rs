//! Functions and catalogs taken from PUBLIC, by allow-list.
//!
//! The parser gate of the host reads the same list. Either wall alone keeps a statement from cancelling its
//! neighbours, writing to the log, reading other people's queries or locking the server up; this one also holds when
//! the other has a hole. What PUBLIC loses goes to `rowhouse_trusted`: make a role its member when it needs `\d`,
//! sequences or monitoring views in this database.
//!
//! Rights are kept per database and per function: run it again after `CREATE EXTENSION` and after an upgrade.

mod plan; // Which statements are still missing.

use tokio_postgres::Client;

use crate::error::{Doing as _, Error};
use crate::login;

pub(crate) use plan::is_superuser;

/// What a run of [`harden`] did. All zero: nothing was left to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HardenReport {
    /// Functions and procedures taken from PUBLIC.
    pub functions: usize,
    /// Given back to PUBLIC, because the allow-list has grown since.
    pub returned: usize,
    /// Tables and views of the system taken from PUBLIC.
    pub relations: usize,
    /// Languages taken from PUBLIC.
    pub languages: usize,
    /// Settings of agent roles that only a superuser may give.
    pub settings: usize,
}

impl HardenReport {
    /// Whether the database was hardened already.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Takes from PUBLIC what agents must not reach, and sets the limits only a superuser can set. All or nothing, and
/// under a second when nothing is left to do.
///
/// `kept` are functions that stay PUBLIC's besides those of the allow-list, each as `schema.name`.
///
/// # Errors
/// [`Error::NeedsSuperuser`]: a managed server would accept each `REVOKE`, warn, and change nothing.
pub async fn harden(admin: &Client, kept: &[String]) -> Result<HardenReport, Error> {
    if !is_superuser(admin).await? {
        return Err(Error::NeedsSuperuser);
    }
    let plan = plan::read(admin, kept).await?;
    if !plan.rights.is_empty() {
        // One simple query is one transaction.
        admin.batch_execute(&plan.rights.join(";\n")).await.doing("take functions and catalogs from PUBLIC")?;
    }
    for setting in &plan.settings {
        login::alter_shared(admin, setting).await.doing("set the limits of the agent roles")?;
    }
    Ok(plan.report)
}

/// Whether [`harden`], keeping these, would find nothing left to do.
///
/// # Errors
/// [`Error::Database`], e.g. when `admin` may not read the catalogs (make it a member of `rowhouse_trusted`).
pub async fn is_hardened(admin: &Client, kept: &[String]) -> Result<bool, Error> {
    Ok(plan::read(admin, kept).await?.report.is_empty())
}
