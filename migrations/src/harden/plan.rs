//! What hardening still has to do, as statements.

use tokio_postgres::{Client, Row};

use super::HardenReport;
use crate::error::{Doing as _, Error};
use crate::login::AGENT_ROLES;

pub(super) struct Plan {
    /// One transaction's worth of GRANT and REVOKE.
    pub(super) rights: Vec<String>,
    /// On shared catalogs, so each on its own.
    pub(super) settings: Vec<String>,
    pub(super) report: HardenReport,
}

/// Settings only a superuser may give a role.
const SETTINGS: [(&str, &str); 5] = [
    ("temp_file_limit", "64MB"), // Bounds sorts, recursion and, through the cursor, the size of an answer.
    ("track_activities", "off"), // Statements of one tenant are nobody's to read in pg_stat_activity.
    ("pg_stat_statements.track", "none"), // Nor there; only where that extension is loaded.
    ("log_parameter_max_length", "0"), // Tickets are parameters.
    ("log_parameter_max_length_on_error", "0"),
];

/// Whether `admin` is a superuser.
pub(crate) async fn is_superuser(admin: &Client) -> Result<bool, Error> {
    let row = admin
        .query_one("SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user", &[])
        .await
        .doing("ask whether this is a superuser")?;
    Ok(row.get(0))
}

pub(super) async fn read(admin: &Client, kept: &[String]) -> Result<Plan, Error> {
    let allowed: Vec<&str> = crate::allowed_functions().collect();
    let (names, values): (Vec<&str>, Vec<&str>) = SETTINGS.into_iter().unzip();
    let (returned, functions): (Vec<Row>, Vec<Row>) = admin
        .query(include_str!("functions.sql"), &[&allowed, &kept])
        .await
        .doing("list the functions PUBLIC may call")?
        .into_iter()
        .partition(|row| row.get(1));
    let relations = admin.query(include_str!("relations.sql"), &[]).await.doing("list the catalogs PUBLIC may read")?;
    let languages = admin
        .query("SELECT quote_ident(lanname) FROM pg_catalog.pg_language WHERE lanpltrusted AND has_language_privilege('public', oid, 'USAGE')", &[])
        .await
        .doing("list the languages PUBLIC may use")?;
    let settings = admin
        .query(include_str!("settings.sql"), &[&AGENT_ROLES.as_slice(), &names, &values])
        .await
        .doing("read the settings of the agent roles")?;

    let mut rights = transfer(&functions, "EXECUTE ON ROUTINE", "EXECUTE ON ROUTINE");
    if !returned.is_empty() {
        rights.push(format!("GRANT EXECUTE ON ROUTINE {} TO PUBLIC", listed(&returned)));
    }
    rights.extend(transfer(&relations, "SELECT ON TABLE", "ALL ON TABLE"));
    rights.extend(transfer(&languages, "USAGE ON LANGUAGE", "USAGE ON LANGUAGE"));
    Ok(Plan {
        rights,
        report: HardenReport {
            functions: functions.len(),
            returned: returned.len(),
            relations: relations.len(),
            languages: languages.len(),
            settings: settings.len(),
        },
        settings: settings.iter().map(|row| row.get(0)).collect(),
    })
}

fn listed(objects: &[Row]) -> String {
    objects.iter().map(|row| row.get::<_, String>(0)).collect::<Vec<_>>().join(", ")
}

/// Given to the trusted role first, so that nobody who needs it is without it in between.
fn transfer(objects: &[Row], granted: &str, revoked: &str) -> Vec<String> {
    if objects.is_empty() {
        return Vec::new();
    }
    let names = listed(objects);
    vec![format!("GRANT {granted} {names} TO rowhouse_trusted"), format!("REVOKE {revoked} {names} FROM PUBLIC")]
}
