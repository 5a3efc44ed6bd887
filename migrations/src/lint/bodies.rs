//! The functions every wall rests on: are they still the ones the migrations made?
//!
//! Who may replace one, by `CREATE OR REPLACE` or by one careless `ALTER`, makes every forged context good, and no right
//! or policy looks any different for it. So each is held against its digest.

use std::collections::BTreeMap;

use tokio_postgres::Client;

use super::{Finding, Level};
use crate::error::{Doing as _, Error};
use crate::migrate;

/// Signature and digest of each function of the schemas `rowhouse` and `rowhouse_private`, as the migrations leave them.
/// `tests/migrations.rs::the_functions_are_the_ones_that_are_checked` says what to write here when one changed.
const KNOWN: &str = include_str!("bodies.txt");

/// What brings a function back.
const REPAIR: &str = "-- run `rowhouse db migrate --repair`";

/// What a database has: signature and digest.
async fn read(admin: &Client) -> Result<BTreeMap<String, String>, Error> {
    let rows = admin.query(include_str!("bodies.sql"), &[]).await.doing("look at the host's own functions")?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

/// What it should have.
fn known() -> impl Iterator<Item = (&'static str, &'static str)> {
    KNOWN.lines().filter_map(|line| line.split_once(' ')).map(|(digest, signature)| (signature, digest))
}

/// The list this file holds functions against, as it would have to be for the database at hand. For a test.
///
/// # Errors
/// [`Error::Database`].
pub async fn digests(admin: &Client) -> Result<(String, &'static str), Error> {
    let lines = read_quietly(admin).await?.into_iter().map(|(signature, digest)| format!("{digest} {signature}\n"));
    Ok((lines.collect(), KNOWN))
}

/// Functions that differ, that are missing and that nobody here made. A database of another version of this program is
/// not judged by the digests of this one: a host that is still served while a newer one migrates must not go down.
pub(super) async fn look(admin: &Client) -> Result<Vec<Finding>, Error> {
    let version = admin
        .query_one("SELECT coalesce(max(version), 0)::int FROM rowhouse.core_history", &[])
        .await
        .doing("ask for the version of the schema")?;
    let (theirs, ours): (i32, i32) = (version.get(0), migrate::newest_core());
    if theirs != ours {
        let mend =
            if theirs < ours { "-- run `rowhouse db migrate`" } else { "-- install the newer program here, too" };
        return Ok(vec![Finding {
            level: Level::Weak,
            rule: "schema of another version".to_owned(),
            object: format!("the database is at core V{theirs}, this program at V{ours}: functions are not compared"),
            mend: mend.to_owned(),
        }]);
    }
    Ok(judge(read(admin).await?))
}

fn judge(mut there: BTreeMap<String, String>) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut add = |rule: &str, object: &str, mend: String| {
        found.push(Finding { level: Level::Unsafe, rule: rule.to_owned(), object: object.to_owned(), mend });
    };
    for (signature, digest) in known() {
        match there.remove(signature) {
            Some(found) if found == digest => {}
            Some(_) => add("function is not the one that was made", signature, REPAIR.to_owned()),
            None => add("function is missing", signature, REPAIR.to_owned()),
        }
    }
    for signature in there.keys() {
        add("function that nobody here made", signature, format!("DROP ROUTINE {signature}"));
    }
    found
}

/// Puts back every function that differs from the one the migrations made or is missing, all or nothing, and says which.
///
/// # Errors
/// [`Error::Database`], e.g. when somebody else owns one: then a superuser has to do it.
pub async fn repair(admin: &Client) -> Result<Vec<String>, Error> {
    let there = read_quietly(admin).await?;
    let mut script = String::from("BEGIN; GRANT CREATE ON SCHEMA rowhouse TO rowhouse_keeper;\n");
    let mut repaired = Vec::new();
    for (signature, digest) in known() {
        let found = there.get(signature);
        if found.is_some_and(|found| found == digest) {
            continue;
        }
        let Some((owner, text)) = migrate::made(signature) else { continue };
        if found.is_some() {
            script.push_str(&format!("ALTER ROUTINE {signature} OWNER TO {owner};\n"));
        }
        script.push_str(&format!("SET LOCAL ROLE {owner};\n{text}\nRESET ROLE;\n"));
        if found.is_none() && super::VERIFIERS.contains(&signature) {
            let agents = crate::login::AGENT_ROLES.join(", ");
            script.push_str(&format!("GRANT EXECUTE ON FUNCTION {signature} TO {agents};\n"));
        }
        repaired.push(signature.to_owned());
    }
    if repaired.is_empty() {
        return Ok(repaired);
    }
    script.push_str("REVOKE CREATE ON SCHEMA rowhouse FROM rowhouse_keeper; COMMIT;");
    let done = admin.batch_execute(&script).await;
    if done.is_err() {
        admin.batch_execute("ROLLBACK").await.doing("leave the functions as they are")?;
    }
    done.doing("put the host's own functions back (as a superuser it can always be done)")?;
    Ok(repaired)
}

/// With nothing but `pg_catalog` in the path, so that signatures are printed in full.
async fn read_quietly(admin: &Client) -> Result<BTreeMap<String, String>, Error> {
    admin.batch_execute("BEGIN READ ONLY; SET LOCAL search_path = pg_catalog").await.doing("begin to look")?;
    let there = read(admin).await;
    admin.batch_execute("ROLLBACK").await.doing("finish looking")?;
    there
}

#[cfg(test)]
mod tests {
    use super::{known, migrate};
    use crate::lint::VERIFIERS;

    #[test]
    fn every_function_can_be_made_again() {
        for (signature, _) in known() {
            let (owner, text) = migrate::made(signature).unwrap_or_else(|| panic!("{signature} is in no migration"));
            assert!(matches!(owner, "rowhouse_keeper" | "rowhouse_owner"), "{signature}: {owner}");
            assert!(text.starts_with("CREATE OR REPLACE ") && text.ends_with("$$;"), "{signature}: {text}");
        }
        for verifier in VERIFIERS {
            assert!(known().any(|(signature, _)| signature == verifier), "{verifier}");
        }
    }
}
