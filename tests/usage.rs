//! What was used, counted by hosts and told by the report, over a database of a test's own.

mod once; // A write whose answer is lost.

use crate::harness::{App, Shared, Silent, binary, settings, shared};
use crate::patience::soon;
use rowhouse::config::{Person, Settings};
use rowhouse::house::Ground;
use rowhouse::keys::Keys;
use serde_json::{Value, json};
use std::process::Stdio;
use tokio::process::Command;
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;
use uuid::Uuid;

const NORTH: Uuid = Uuid::from_u128(0x0a);
const SOUTH: Uuid = Uuid::from_u128(0x0b);

fn person(name: &str, role: &str, tenants: &[Uuid]) -> Person {
    Person {
        name: name.to_owned(),
        display_name: name.to_owned(),
        roles: vec![role.to_owned()],
        tenants: tenants.to_vec(),
        regions: Vec::new(),
        scopes: vec!["mcp:tools".to_owned()],
    }
}

/// Settings of hosts on a database of their own: three items of the North's and one of the South's.
async fn place(shared: &Shared, name: &str) -> (Settings, Client) {
    shared.admin("postgres").await.batch_execute(&format!("CREATE DATABASE {name}")).await.expect("a database");
    let admin = shared.admin(name).await;
    let mut settings = settings(shared);
    settings.identity.people = vec![
        person("ann", "store_manager", &[NORTH]),
        person("bob", "store_manager", &[SOUTH]),
        person("dora", "super_admin", &[]),
    ];
    settings.database.url = Some(shared.url_of(name).into());
    settings.database.schemas = vec!["mine".to_owned()];
    let keys = Keys::open(&shared.state).expect("keys");
    let ground = Ground::find(&settings, false, &mut Silent).await.expect("the database");
    soon(ground.prepare(&settings, &keys, &mut Silent)).await.expect("a migrated database");
    let tables = format!(
        "CREATE SCHEMA mine;
         CREATE TABLE mine.items (account uuid NOT NULL, number int NOT NULL, PRIMARY KEY (account, number));
         INSERT INTO mine.items VALUES ('{NORTH}', 1), ('{NORTH}', 2), ('{NORTH}', 3), ('{SOUTH}', 1);
         INSERT INTO rowhouse.tenants_directory (id, name, region) VALUES
           ('{NORTH}', 'North', 'Here'), ('{SOUTH}', 'South', 'There');
         CALL rowhouse.protect('mine.items', 'account');"
    );
    admin.batch_execute(&tables).await.expect("tables of one's own");
    (settings, admin)
}

async fn house(settings: &Settings) -> App {
    soon(App::plan(|plan| {
        plan.settings = settings.clone();
        plan.guests = vec!["sales", "echo"];
    }))
    .await
}

/// `rowhouse` on this database, with prices; its exit code and what it printed.
async fn run(settings: &Settings, arguments: &[&str]) -> (Option<i32>, String) {
    let dir = tempfile::tempdir().expect("a directory");
    let prices = "[usage.prices]\ncurrency = 'CHF'\ncall = 0.1\nthousand_rows = '0.5'\n";
    std::fs::write(dir.path().join("rowhouse.toml"), prices).expect("settings");
    let url = settings.database.url.as_ref().expect("a URL").resolve().expect("a URL");
    let mut command = Command::new(binary());
    command.args(arguments).env_clear().env("DATABASE_URL", secrecy::ExposeSecret::expose_secret(&url));
    command.env("ROWHOUSE_STATE", settings.state_dir()).current_dir(dir.path()).stdin(Stdio::null()).kill_on_drop(true);
    let output = soon(command.output()).await.expect("the host runs");
    let text = |bytes| String::from_utf8(bytes).expect("words in UTF-8");
    let (out, err) = (text(output.stdout), text(output.stderr));
    (output.status.code(), if output.status.code() == Some(0) { out } else { out + &err })
}

async fn report(settings: &Settings, arguments: &[&str]) -> Value {
    let (code, out) = run(settings, &[&["usage", "report", "--format", "json"], arguments].concat()).await;
    assert_eq!(code, Some(0), "{arguments:?}: {out}");
    serde_json::from_str(&out).unwrap_or_else(|e| panic!("{arguments:?}: {e}: {out}"))
}

/// Bytes of what a call was answered with.
async fn asks(app: &App, who: &str, tool: &str, arguments: Value) -> u64 {
    let reply = soon(app.post(who, tool, arguments)).await;
    if reply["error"].is_object() || reply["result"]["isError"] == true {
        return 0;
    }
    let parts = reply["result"]["content"].as_array().unwrap_or_else(|| panic!("{who}, {tool}: {reply}"));
    parts.iter().map(|part| part["text"].as_str().expect("a text").len() as u64).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_two_hosts_answered_is_in_the_report_to_the_row() {
    let shared = soon(shared()).await;
    let (settings, admin) = place(shared, "usage_exact").await;
    let (one, other) = (house(&settings).await, house(&settings).await);
    let all = || json!({ "query": "SELECT number FROM mine.items ORDER BY number" });
    let rows = || json!({ "statement": "SELECT number FROM mine.items ORDER BY number" });
    let mut bytes = [0; 3];
    for app in [&one, &one, &other] {
        bytes[0] += asks(app, "ann", "execute_sales_query", all()).await;
    }
    // A mistake of the caller's is a call all the same, and an error.
    assert_eq!(asks(&one, "ann", "execute_sales_query", json!({ "query": "SELECT nothing" })).await, 0);
    assert_eq!(asks(&other, "ann", "execute_sales_query", json!({ "nonsense": 1 })).await, 0);
    // Who is not let in has used nothing.
    asks(&other, "ann", "no_such_tool", json!({})).await;
    soon(one.post("ann", "echo_rows", rows())).await;
    bytes[1] += asks(&other, "bob", "execute_sales_query", all()).await;
    bytes[2] += asks(&one, "dora", "execute_sales_query", all()).await;
    bytes[2] += asks(&other, "dora", "execute_sales_query", all()).await;
    // A graceful end writes what the last seconds brought.
    one.stop().await;
    other.stop().await;

    let told = report(&settings, &["--by", "tenant,plugin"]).await;
    let counts = |line: &Value| ["calls", "errors", "rows"].map(|name| line[name].as_u64().expect("a count"));
    let lines: Vec<_> = told["lines"].as_array().expect("lines").iter().collect();
    let found: Vec<_> = lines
        .iter()
        .map(|line| {
            let name = line["tenant"].as_str().expect("a name");
            let name = name.split(" (").next().expect("a word");
            (name, line["plugin"].as_str().expect("a plugin"), counts(line), line["cost"].as_str().expect("a cost"))
        })
        .collect();
    assert_eq!(
        found,
        [
            ("North", "echo", [1, 0, 3], "0.101500"),
            ("North", "sales", [5, 2, 9], "0.504500"),
            ("South", "sales", [1, 0, 1], "0.100500"),
            ("several tenants", "sales", [2, 0, 8], "0.204000"),
        ],
        "{told:#}"
    );
    assert_eq!((&told["currency"], &told["total"]["cost"]), (&json!("CHF"), &json!("0.910500")));
    assert_eq!(counts(&told["total"]), [9, 2, 21]);
    let answered = |line: &Value| line["bytes_out"].as_u64().expect("bytes");
    assert_eq!([answered(lines[1]), answered(lines[2]), answered(lines[3])], bytes);
    for line in &lines {
        assert!(line["database_us"].as_u64() > Some(0) && line["cpu_us"].as_u64() > Some(0), "{line}");
        assert_eq!((&line["fuel"], &line["embedding_tokens"]), (&json!(0), &json!(0)));
    }
    // However it is grouped, it comes to the same.
    for by in ["tenant", "plugin", "day", "day,tenant,plugin"] {
        assert_eq!(report(&settings, &["--by", by]).await["total"], told["total"], "{by}");
    }
    // What quotas are held against is the sum over plugins.
    let same = "SELECT bool_and(u.calls = d.calls AND u.rows = d.rows) AND count(*) >= 3
                  FROM rowhouse.usage AS u FULL JOIN
                       (SELECT day, account, sum(calls) AS calls, sum(rows) AS rows FROM rowhouse.usage_by_plugin
                         GROUP BY day, account) AS d USING (day, account)";
    assert_eq!(admin.query_one(same, &[]).await.expect("the books").get::<_, Option<bool>>(0), Some(true));

    let south = report(&settings, &["--tenant", "South"]).await;
    assert_eq!((south["lines"].as_array().map(Vec::len), &south["total"]["calls"]), (Some(1), &json!(1)));
    assert_eq!(report(&settings, &["--tenant", &SOUTH.to_string()]).await["total"], south["total"]);
    let before = report(&settings, &["--from", "2020-01-01", "--to", "2020-12-31"]).await;
    assert_eq!((&before["lines"], &before["total"]["calls"]), (&json!([]), &json!(0)));
    for (arguments, said) in [
        (["--tenant", "Nowhere"].as_slice(), "there is no tenant \"Nowhere\""),
        (&["--from", "2026-02-02", "--to", "2026-02-01"], "comes after"),
        (&["--from", "yesterday"], "invalid value"),
    ] {
        let (code, out) = run(&settings, &[&["usage", "report"], arguments].concat()).await;
        assert!(code != Some(0) && out.contains(said), "{arguments:?}: {out}");
    }
    let (code, table) = run(&settings, &["usage", "report"]).await;
    assert!(code == Some(0) && table.starts_with("tenant") && table.contains("\ntotal"), "{table}");
    let (_, csv) = run(&settings, &["usage", "report", "--by", "plugin", "--format", "csv"]).await;
    let lines: Vec<&str> = csv.lines().collect();
    assert!(
        lines.len() == 3 && lines[0].starts_with("plugin,calls,errors,rows,") && lines[1].starts_with("echo,1,0,3,")
    );
}

/// Fuel, where it is counted: the same call costs the same, whoever makes it and on whichever host.
#[tokio::test(flavor = "multi_thread")]
async fn fuel_and_time_of_the_processor_are_counted() {
    let shared = soon(shared()).await;
    let (mut settings, admin) = place(shared, "usage_fuel").await;
    settings.plugins.fuel = true;
    settings.plugins.limits.fuel = 5_000_000;
    let app = soon(App::plan(|plan| {
        plan.settings = settings.clone();
        plan.guests = vec!["sales", "endless_loop"];
    }))
    .await;
    let spin = soon(app.failure("ann", "endless_loop", json!({}))).await;
    assert_eq!(spin.0, "PLUGIN_FUEL", "{}", spin.1);
    for who in ["ann", "bob"] {
        asks(&app, who, "execute_sales_query", json!({ "query": "SELECT 1 AS one" })).await;
    }
    app.stop().await;
    let text = "SELECT account, plugin, fuel, cpu_us, errors FROM rowhouse.usage_by_plugin ORDER BY plugin, account";
    let rows = admin.query(text, &[]).await.expect("the books");
    let fuel: Vec<i64> = rows.iter().map(|row| row.get(2)).collect();
    assert_eq!((rows.len(), fuel[0], rows[0].get::<_, i64>(4)), (3, 5_000_000, 1));
    assert!(fuel[1] > 0 && fuel[1] == fuel[2], "{fuel:?}");
    assert!(rows.iter().all(|row| row.get::<_, i64>(3) > 0), "{rows:?}");
}

/// No caller reads what others use: not by a tool, and not with a login role of statements.
#[tokio::test(flavor = "multi_thread")]
async fn usage_is_not_for_tenants_to_read() {
    let shared = soon(shared()).await;
    let (settings, admin) = place(shared, "usage_hidden").await;
    let app = house(&settings).await;
    for table in ["usage", "usage_by_plugin", "usage_writers"] {
        for who in ["ann", "dora"] {
            let query = json!({ "query": format!("SELECT count(*) FROM rowhouse.{table}") });
            let (code, text) = soon(app.failure(who, "execute_sales_query", query)).await;
            assert_eq!(code, "QUERY_REJECTED", "{who} {table}: {text}");
        }
        for role in rowhouse_migrations::AGENT_ROLES {
            admin.batch_execute(&format!("SET ROLE {role}")).await.expect("a role");
            for statement in [
                format!("SELECT FROM rowhouse.{table}"),
                format!("DELETE FROM rowhouse.{table}"),
                format!("INSERT INTO rowhouse.{table} DEFAULT VALUES"),
            ] {
                let refused = admin.batch_execute(&statement).await.expect_err(&statement);
                assert_eq!(refused.code(), Some(&SqlState::INSUFFICIENT_PRIVILEGE), "{role}: {statement}");
            }
            admin.batch_execute("RESET ROLE").await.expect("oneself again");
        }
    }
    app.stop().await;
}
