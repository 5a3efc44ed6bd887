//! What is in a database, so that a copy can be held against it: rows and a checksum of each table, all in one snapshot.

use super::Error;
use super::manifest::{Role, Table};
use std::collections::BTreeMap;
use tokio_postgres::{Client, Row};

/// Tables that are counted: every one that keeps its rows itself and over a crash, but for those of extensions.
const TABLES: &str = "
    SELECT pg_catalog.format('%I.%I', n.nspname, c.relname)
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind = 'r' AND c.relpersistence = 'p' AND n.nspname <> 'information_schema'
      AND n.nspname NOT LIKE 'pg\\_%'
      AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_class'::regclass
                      AND d.objid = c.oid AND d.deptype = 'e')
    ORDER BY 1";

/// One snapshot; every text of a row is the same wherever it is read; a row that a policy hides is an error. Somebody
/// else's writes do not wait, and nobody's patience ends it.
const BEGIN: &str = "
    BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
    SET LOCAL search_path = pg_catalog; SET LOCAL datestyle = 'ISO, YMD'; SET LOCAL intervalstyle = 'postgres';
    SET LOCAL timezone = 'UTC'; SET LOCAL extra_float_digits = 1; SET LOCAL bytea_output = 'hex';
    SET LOCAL row_security = off; SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0;";

/// Keys are no part of a dump: a restored database makes its own, and the host installs its ticket key again.
pub(super) const KEYS: &str = "rowhouse_private.key";

/// Begin to look: what follows on this connection sees one moment, until [`end`]. Returns the snapshot's name for others,
/// and what it sees of transactions: the same words mean that nothing was written in between.
pub(super) async fn begin(client: &Client) -> Result<(String, String), Error> {
    client.batch_execute(BEGIN).await?;
    let row = client.query_one("SELECT pg_export_snapshot(), pg_current_snapshot()::text", &[]).await?;
    Ok((row.get(0), row.get(1)))
}

/// Look no more.
pub(super) async fn end(client: &Client) -> Result<(), Error> {
    Ok(client.batch_execute("ROLLBACK").await?)
}

/// Count every table. `on` is told which one of how many.
pub(super) async fn tables(client: &Client, salt: i64, mut on: impl FnMut(u64, u64)) -> Result<Vec<Table>, Error> {
    let names: Vec<String> = client.query(TABLES, &[]).await?.iter().map(|row| row.get(0)).collect();
    let mut found = Vec::with_capacity(names.len());
    for (at, name) in names.iter().enumerate() {
        on(at as u64, names.len() as u64);
        // The name is quoted by the server. The alias is nobody's column.
        let statement = format!(
            "SELECT count(*), coalesce(sum(hashtextextended(\"rowhouse row\"::text, $1)), 0)::text
             FROM ONLY {name} AS \"rowhouse row\""
        );
        let row = client.query_one(&statement, &[&salt]).await?;
        found.push(Table { name: name.clone(), rows: row.get(0), checksum: row.get(1), moving: false });
    }
    Ok(found)
}

/// The same tables at two moments: what is not the same in both was written to.
pub(super) fn between(before: &[Table], after: Vec<Table>) -> Vec<Table> {
    let before: BTreeMap<&str, &Table> = before.iter().map(|table| (table.name.as_str(), table)).collect();
    let mark = |mut table: Table| {
        table.moving = before.get(table.name.as_str()).is_none_or(|it| **it != table);
        table
    };
    after.into_iter().map(mark).collect()
}

/// What differs between what should be there and what is, a line each, beginning with the table's name.
pub(super) fn differences(wanted: &[Table], found: &[Table]) -> Vec<String> {
    let there: BTreeMap<&str, &Table> = found.iter().map(|table| (table.name.as_str(), table)).collect();
    let known: BTreeMap<&str, &Table> = wanted.iter().map(|table| (table.name.as_str(), table)).collect();
    let judge = |want: &Table| match there.get(want.name.as_str()) {
        None => Some(format!("{}: the table is not there", want.name)),
        Some(_) if want.moving => None,
        Some(got) if got.rows != want.rows => Some(format!("{}: {} rows, not {}", want.name, got.rows, want.rows)),
        Some(got) if got.checksum != want.checksum => Some(format!("{}: other rows, as many", want.name)),
        Some(_) => None,
    };
    let more = found.iter().filter(|table| !known.contains_key(table.name.as_str()));
    wanted.iter().filter_map(judge).chain(more.map(|table| format!("{}: a table more", table.name))).collect()
}

/// Roles that own something in this database or were granted something, but for the server's own. The one the server was made
/// with is in no list of these; it owns the rest. A superuser is made again as a role that may nothing.
const ROLES: &str = "
    WITH named AS (
      SELECT r.oid, r.rolname::text AS name, r.rolcanlogin AND NOT r.rolsuper AS login, r.rolinherit
      FROM pg_catalog.pg_roles r
      WHERE r.rolname NOT LIKE 'pg\\_%' AND (r.oid = 10 OR EXISTS (
        SELECT FROM pg_catalog.pg_shdepend d JOIN pg_catalog.pg_database b ON b.datname = current_database()
        WHERE d.refclassid = 'pg_catalog.pg_authid'::regclass AND d.refobjid = r.oid
          AND (d.dbid = b.oid OR (d.dbid = 0 AND d.classid = 'pg_catalog.pg_database'::regclass AND d.objid = b.oid)))))
    SELECT n.name, n.login, n.rolinherit, ARRAY(
      SELECT g.name FROM pg_catalog.pg_auth_members m JOIN named g ON g.oid = m.roleid
      WHERE m.member = n.oid ORDER BY 1)
    FROM named n ORDER BY 1";

/// The roles a dump of this database speaks of.
pub(super) async fn roles(client: &Client) -> Result<Vec<Role>, Error> {
    let role = |row: &Row| Role { name: row.get(0), login: row.get(1), inherit: row.get(2), member_of: row.get(3) };
    Ok(client.query(ROLES, &[]).await?.iter().map(role).collect())
}

/// Make the roles that are not there yet, without passwords. Returns their names.
pub(super) async fn make_roles(client: &Client, roles: &[Role]) -> Result<Vec<String>, Error> {
    let mut made = Vec::new();
    for role in roles {
        let known = client.query_opt("SELECT FROM pg_catalog.pg_roles WHERE rolname = $1", &[&role.name]).await?;
        if known.is_none() {
            let (login, inherit) = (["NOLOGIN", "LOGIN"], ["NOINHERIT", "INHERIT"]);
            let words = [login[usize::from(role.login)], inherit[usize::from(role.inherit)]].join(" ");
            client.batch_execute(&format!("CREATE ROLE {} {words}", quoted(&role.name))).await?;
            made.push(role.name.clone());
        }
    }
    // Only of roles made here: who is whose member elsewhere is that server's business.
    for role in roles.iter().filter(|role| made.contains(&role.name)) {
        for group in &role.member_of {
            client.batch_execute(&format!("GRANT {} TO {}", quoted(group), quoted(&role.name))).await?;
        }
    }
    Ok(made)
}

/// A name as SQL has it.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(name: &str, rows: i64, checksum: &str, moving: bool) -> Table {
        Table { name: name.to_owned(), rows, checksum: checksum.to_owned(), moving }
    }

    #[test]
    fn what_differs_is_named() {
        let wanted = [table("a.same", 2, "7", false), table("a.moving", 2, "7", true), table("a.other", 2, "7", false)];
        let check = |found: &[Table], want: &[&str]| assert_eq!(differences(&wanted, found), want);
        let moved = table("a.moving", 9, "1", false);
        let same = [wanted[0].clone(), moved.clone(), wanted[2].clone()];
        check(&same, &[]);
        check(&[wanted[0].clone(), wanted[2].clone()], &["a.moving: the table is not there"]);
        check(&[wanted[0].clone(), moved.clone(), table("a.other", 3, "7", false)], &["a.other: 3 rows, not 2"]);
        check(&[wanted[0].clone(), moved, table("a.other", 2, "8", false)], &["a.other: other rows, as many"]);
        let mut more = same.to_vec();
        more.push(table("b.new", 0, "0", false));
        check(&more, &["b.new: a table more"]);
    }

    #[test]
    fn what_was_written_to_is_marked() {
        let before = [table("a", 1, "1", false), table("b", 1, "1", false)];
        let after = vec![table("a", 1, "1", false), table("b", 1, "2", false), table("c", 0, "0", false)];
        let moving: Vec<bool> = between(&before, after).iter().map(|table| table.moving).collect();
        assert_eq!(moving, [false, true, true]);
    }
}
