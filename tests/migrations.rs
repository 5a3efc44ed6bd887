//! Migrations: onto data that is there, again, twice at once; and a table of an operator's own.

use crate::harness::{App, Shared, Silent, root, settings, shared};
use crate::patience::soon;
use pg_query::NodeEnum;
use pg_query::protobuf::{AlterTableCmd, AlterTableType, ConstrType};
use refinery::{Migration, Runner, Target};
use rowhouse::config;
use rowhouse::house::Ground;
use rowhouse::keys::Keys;
use rowhouse_migrations::{self as shape, Domains};
use serde_json::json;
use std::collections::BTreeSet;
use std::fs;
use tokio_postgres::Client;
use uuid::Uuid;

/// A migration as its file has it, and the data of its own time.
struct Step {
    domain: &'static str,
    name: String,
    sql: String,
    data: String,
}

/// Every migration in the order it is applied.
fn steps() -> Vec<Step> {
    let mut steps = Vec::new();
    for domain in ["core", "retail"] {
        let dir = root().join("migrations").join(domain);
        let mut names: Vec<String> = fs::read_dir(&dir)
            .expect("the migrations")
            .filter_map(|entry| entry.expect("an entry").file_name().to_str()?.strip_suffix(".sql").map(str::to_owned))
            .filter(|name| name.starts_with('V'))
            .collect();
        // V10 comes after V9.
        names.sort_by_key(|name| name[1..].split("__").next().and_then(|version| version.parse::<u32>().ok()));
        for name in names {
            let sql = fs::read_to_string(dir.join(format!("{name}.sql"))).expect("a migration");
            let data = root().join("tests/data").join(domain).join(format!("{name}.sql"));
            let data = fs::read_to_string(&data).unwrap_or_else(|e| panic!("{}: {e}", data.display()));
            steps.push(Step { domain, name, sql, data });
        }
    }
    assert!(steps.len() >= 4);
    steps
}

/// An empty database on the shared server.
async fn database(shared: &Shared, name: &str) -> Client {
    let admin = shared.admin("postgres").await;
    admin.batch_execute(&format!("CREATE DATABASE {name}")).await.expect("a new database");
    shared.admin(name).await
}

/// Apply `steps` one by one, each followed by the data of its time. The last of a domain is the one to stop at.
async fn apply(admin: &mut Client, steps: &[Step]) {
    for (i, step) in steps.iter().enumerate() {
        let roles = root().join("migrations").join(step.domain).join("roles.sql");
        let roles = fs::read_to_string(roles).expect("the roles");
        let extensions = match step.domain {
            "retail" => ["vector", "pg_trgm", "unaccent"]
                .map(|e| format!("CREATE EXTENSION IF NOT EXISTS {e} SCHEMA ext;"))
                .concat(),
            _ => String::new(),
        };
        admin.batch_execute(&format!("{roles}; {extensions} SET search_path = ext")).await.expect("the roles");
        let mine = steps[..=i].iter().filter(|other| other.domain == step.domain);
        let migrations: Vec<Migration> =
            mine.map(|step| Migration::unapplied(&step.name, &step.sql).expect("a migration")).collect();
        let version = migrations.last().map(Migration::version).expect("this one at least");
        let mut runner = Runner::new(&migrations).set_target(Target::Version(version));
        runner.set_migration_table_name(format!("rowhouse.{}_history", step.domain));
        runner.run_async(admin).await.unwrap_or_else(|e| panic!("{} {}: {e}", step.domain, step.name));
        admin.batch_execute(&step.data).await.unwrap_or_else(|e| panic!("the data of {}: {e:?}", step.name));
    }
}

/// What the data files of `steps` say must be true.
async fn holds(admin: &Client, steps: &[Step]) {
    for step in steps {
        let conditions: Vec<&str> = step.data.lines().filter_map(|line| line.strip_prefix("-- holds: ")).collect();
        assert!(!conditions.is_empty(), "the data of {} promise nothing", step.name);
        for condition in conditions {
            let row = admin.query_one(&format!("SELECT {condition}"), &[]).await;
            let holds: Option<bool> = row.unwrap_or_else(|e| panic!("{condition}: {e:?}")).get(0);
            assert_eq!(holds, Some(true), "{}: {condition}", step.name);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_runs_onto_the_data_of_the_one_before() {
    let (shared, steps) = (shared().await, steps());
    for there in 0..=steps.len() {
        let (old, new) = steps.split_at(there);
        let mut admin = database(shared, &format!("old_{there}")).await;
        soon(apply(&mut admin, old)).await;
        let report = soon(shape::migrate(&mut admin, Domains::CoreAndRetail)).await.expect("the rest");
        let expected: Vec<String> =
            new.iter().map(|step| format!("{} {}", step.domain, step.name.replacen("__", " ", 1))).collect();
        assert_eq!((report.applied, report.total), (expected, steps.len()));
        holds(&admin, old).await;
        let again = soon(shape::migrate(&mut admin, Domains::CoreAndRetail)).await.expect("nothing left to do");
        assert_eq!((again.applied, again.total), (Vec::new(), steps.len()));
        holds(&admin, old).await;
        let findings = shape::lint(&admin, &[]).await.expect("a look at the walls");
        let fatal: Vec<_> = findings.into_iter().filter(|finding| finding.level == shape::Level::Unsafe).collect();
        assert!(fatal.is_empty(), "after {there}: {fatal:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_functions_are_the_ones_that_are_checked() {
    let mut admin = database(shared().await, "digests").await;
    soon(shape::migrate(&mut admin, Domains::Core)).await.expect("a new database");
    let (there, known) = shape::digests(&admin).await.expect("a list");
    assert!(there == known, "a migration changed a function; migrations/src/lint/bodies.txt must be:\n{there}");
    // Each way of making forged contexts good is found, and mended by what is printed.
    for hole in [
        "CREATE OR REPLACE FUNCTION rowhouse_private.same(a text, b text) RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE
         AS $$ SELECT true $$",
        "ALTER FUNCTION rowhouse.tenant() SET search_path = public",
        "ALTER FUNCTION rowhouse.tenants() VOLATILE",
        "ALTER FUNCTION rowhouse.every_tenant() SECURITY INVOKER",
        "ALTER FUNCTION rowhouse.enter(text) OWNER TO postgres",
        "DROP FUNCTION rowhouse.hello()",
    ] {
        admin.batch_execute(hole).await.expect(hole);
        let found = shape::lint(&admin, &[]).await.expect("a look");
        let told = found.iter().find(|it| it.mend.contains("--repair")).unwrap_or_else(|| panic!("{hole}: {found:?}"));
        assert_eq!(told.level, shape::Level::Unsafe, "{hole}");
        assert_eq!(shape::repair(&admin).await.expect(hole).len(), 1, "{hole}");
        let left = shape::lint(&admin, &[]).await.expect("a look");
        assert!(left.iter().all(|it| it.level != shape::Level::Unsafe), "{hole}: {left:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_at_once_share_the_work() {
    let (shared, steps) = (shared().await, steps());
    let mut one = database(shared, "at_once").await;
    let mut two = shared.admin("at_once").await;
    let mut elsewhere = database(shared, "at_once_elsewhere").await;
    let (one, two, elsewhere) = soon(async {
        tokio::join!(
            shape::migrate(&mut one, Domains::CoreAndRetail),
            shape::migrate(&mut two, Domains::CoreAndRetail),
            shape::migrate(&mut elsewhere, Domains::Core),
        )
    })
    .await;
    let (one, two, elsewhere) = (one.expect("one"), two.expect("the other"), elsewhere.expect("elsewhere"));
    assert_eq!(one.applied.len() + two.applied.len(), steps.len(), "{one:?} {two:?}");
    assert_eq!(elsewhere.applied.len(), steps.iter().filter(|step| step.domain == "core").count());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_applied_one_that_was_edited_is_refused() {
    let shared = shared().await;
    for (i, edited) in steps().iter().enumerate() {
        let mut admin = database(shared, &format!("edited_{i}")).await;
        let mut before = steps();
        before.truncate(i + 1);
        before[i].sql.push_str("\n-- edited after it was applied\n");
        soon(apply(&mut admin, &before)).await;
        let error = soon(shape::migrate(&mut admin, Domains::CoreAndRetail)).await.expect_err("a refusal");
        let chain = format!("{:#}", anyhow::Error::from(error));
        let (version, name) = edited.name.split_once("__").expect("a version and a name");
        assert!(chain.contains(edited.domain) && chain.contains(name) && chain.contains(version), "{chain}");
        // And nothing that came after it was applied.
        let history = format!("SELECT count(*) FROM rowhouse.{}_history", edited.domain);
        let applied: i64 = admin.query_one(&history, &[]).await.expect("a history").get(0);
        assert_eq!(applied, before.iter().filter(|step| step.domain == edited.domain).count() as i64);
    }
}

/// What of a migration cannot run on rows that are there: a column they have no value for.
fn breaks_on_rows(sql: &str) -> Vec<String> {
    let parsed = pg_query::parse(sql, 0).unwrap_or_else(|e| panic!("{e}"));
    let mut filled = BTreeSet::new();
    let mut found = Vec::new();
    for statement in parsed.protobuf.stmts.iter().filter_map(|raw| raw.stmt.as_ref()?.node.as_ref()) {
        match statement {
            NodeEnum::UpdateStmt(update) => {
                filled.extend(update.relation.as_ref().map(|r| format!("{}.{}", r.schemaname, r.relname)));
            }
            NodeEnum::AlterTableStmt(alter) => {
                let table =
                    alter.relation.as_ref().map(|r| format!("{}.{}", r.schemaname, r.relname)).unwrap_or_default();
                let commands = alter.cmds.iter().filter_map(|cmd| match &cmd.node {
                    Some(NodeEnum::AlterTableCmd(cmd)) => Some(&**cmd),
                    _ => None,
                });
                let empty = |cmd: &&AlterTableCmd| match cmd.subtype() {
                    AlterTableType::AtAddColumn => demands_a_value(cmd),
                    // Rows that are there have been given one in the same file.
                    AlterTableType::AtSetNotNull => !filled.contains(&table),
                    _ => false,
                };
                found.extend(commands.filter(empty).map(|cmd| format!("{table}.{}", column(cmd))));
            }
            _ => {}
        }
    }
    found
}

fn column(cmd: &AlterTableCmd) -> &str {
    match cmd.def.as_ref().and_then(|def| def.node.as_ref()) {
        Some(NodeEnum::ColumnDef(def)) => &def.colname,
        _ => &cmd.name,
    }
}

fn demands_a_value(cmd: &AlterTableCmd) -> bool {
    let Some(NodeEnum::ColumnDef(def)) = cmd.def.as_ref().and_then(|def| def.node.as_ref()) else { return false };
    let has = |kinds: &[ConstrType]| {
        def.constraints.iter().any(|c| matches!(&c.node, Some(NodeEnum::Constraint(c)) if kinds.contains(&c.contype())))
    };
    let demands = has(&[ConstrType::ConstrNotnull, ConstrType::ConstrPrimary]);
    demands && !has(&[ConstrType::ConstrDefault, ConstrType::ConstrIdentity, ConstrType::ConstrGenerated])
}

#[test]
fn no_new_column_is_without_a_value_for_old_rows() {
    let check = |sql: &str, found: &[&str]| assert_eq!(breaks_on_rows(sql), found, "{sql}");
    check("ALTER TABLE a.t ADD COLUMN c int NOT NULL", &["a.t.c"]);
    check("ALTER TABLE a.t ADD c int PRIMARY KEY", &["a.t.c"]);
    check("ALTER TABLE a.t ADD COLUMN b int, ADD COLUMN c text NOT NULL CHECK (c <> '')", &["a.t.c"]);
    check("ALTER TABLE a.t ADD COLUMN c int NOT NULL DEFAULT 0", &[]);
    check("ALTER TABLE a.t ADD COLUMN c int GENERATED ALWAYS AS IDENTITY NOT NULL", &[]);
    check("ALTER TABLE a.t ADD COLUMN c int NOT NULL GENERATED ALWAYS AS (b + 1) STORED", &[]);
    check("ALTER TABLE a.t ADD COLUMN c int", &[]);
    check("ALTER TABLE a.t ALTER COLUMN c SET NOT NULL", &["a.t.c"]);
    check("UPDATE a.t SET c = 0 WHERE c IS NULL; ALTER TABLE a.t ALTER COLUMN c SET NOT NULL", &[]);
    check("UPDATE a.u SET c = 0; ALTER TABLE a.t ALTER COLUMN c SET NOT NULL", &["a.t.c"]);
    check("CREATE TABLE a.t (c int NOT NULL)", &[]);
    for step in steps() {
        check(&step.sql, &[]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_line_keeps_a_foreign_table_apart() {
    let shared = shared().await;
    let admin = database(shared, "foreign_schema").await;
    let (north, south, nowhere) = (Uuid::from_u128(1), Uuid::from_u128(2), Uuid::from_u128(3));
    let person = |name: &str, role: &str, tenants: &[Uuid]| config::Person {
        name: name.to_owned(),
        display_name: name.to_owned(),
        roles: vec![role.to_owned()],
        tenants: tenants.to_vec(),
        regions: Vec::new(),
        scopes: vec!["mcp:tools".to_owned()],
    };
    let mut mine = settings(shared);
    mine.identity.people = vec![
        person("ann", "store_manager", &[north]),
        person("bob", "store_manager", &[south]),
        person("carol", "store_manager", &[north, south]),
        person("dora", "super_admin", &[]),
        person("eve", "store_manager", &[nowhere]),
    ];
    mine.database.url = Some(shared.url_of("foreign_schema").into());
    mine.database.schemas = vec!["mine".to_owned()];
    let keys = Keys::open(&shared.state).expect("keys");
    let ground = Ground::find(&mine, false, &mut Silent).await.expect("a database");
    soon(ground.prepare(&mine, &keys, &mut Silent)).await.expect("the core alone");
    assert!(admin.query_one("SELECT to_regnamespace('retail') IS NULL", &[]).await.expect("a row").get::<_, bool>(0));
    // The operator's own: a schema, tables, rows, tenants. One line each.
    let own = format!(
        "CREATE SCHEMA mine;
         CREATE TABLE mine.invoices (account uuid NOT NULL, number int NOT NULL, amount numeric(9,2) NOT NULL,
                                     PRIMARY KEY (account, number));
         INSERT INTO mine.invoices VALUES ('{north}', 1, 10.10), ('{north}', 2, 20.20), ('{south}', 1, 99.90);
         CREATE TABLE mine.countries (code text PRIMARY KEY);
         INSERT INTO mine.countries VALUES ('NO');
         INSERT INTO rowhouse.tenants_directory (id, name, region) VALUES
           ('{north}', 'North', 'Here'), ('{south}', 'South', 'There');
         CALL rowhouse.protect('mine.invoices', 'account');
         CALL rowhouse.share('mine.countries');"
    );
    admin.batch_execute(&own).await.expect("tables of one's own");
    soon(ground.prepare(&mine, &keys, &mut Silent)).await.expect("safe to serve");
    let app = App::plan(|plan| {
        plan.settings = mine.clone();
        plan.guests = vec!["sales"];
    })
    .await;
    for (who, rows) in [
        ("ann", json!([[1, 10.10], [2, 20.20]])),
        ("bob", json!([[1, 99.90]])),
        ("carol", json!([[1, 10.10], [1, 99.90], [2, 20.20]])),
        ("dora", json!([[1, 10.10], [1, 99.90], [2, 20.20]])),
    ] {
        let statement = "SELECT number, amount FROM mine.invoices ORDER BY number, amount";
        assert_eq!(json!(soon(app.rows(who, statement)).await), rows, "{who}");
        assert_eq!(json!(soon(app.rows(who, "SELECT code FROM mine.countries")).await), json!([["NO"]]), "{who}");
        let filtered = format!("SELECT count(*) FROM mine.invoices WHERE account <> '{north}'");
        let foreign = if who == "ann" { 0 } else { 1 };
        assert_eq!(json!(soon(app.rows(who, &filtered)).await), json!([[foreign]]), "{who}");
    }
    // Who owns no tenant here sees no tool.
    let reply = soon(app.post("eve", "execute_sales_query", json!({ "query": "SELECT 1" }))).await;
    assert!(reply.to_string().contains("unknown tool"), "{reply}");
    // A table nobody protected is not there to ask about, and does not stop the start: no agent can read it.
    admin.batch_execute("CREATE TABLE mine.secrets (x int)").await.expect("a table");
    let refused = app.failure("ann", "execute_sales_query", json!({ "query": "SELECT x FROM mine.secrets" }));
    assert_eq!(soon(refused).await.0, "QUERY_REJECTED");
    soon(ground.prepare(&mine, &keys, &mut Silent)).await.expect("still safe");
    // One that agents can read and nobody protected does.
    admin.batch_execute("GRANT SELECT ON mine.secrets TO rowhouse_one").await.expect("a mistake");
    let refused = soon(ground.prepare(&mine, &keys, &mut Silent)).await.expect_err("a refusal");
    assert!(format!("{refused:#}").contains("mine.secrets"), "{refused:#}");
}
