//! Which bounds and which reach hold for which call: defaults, settings, plugin, tenant.

use super::neighbour_answers;
use crate::harness::{App, Plan, binary, shared};
use crate::patience::soon;
use rowhouse::call::Request;
use rowhouse::config::{Grant, LimitsPart, Plugins};
use rowhouse::error::Code;
use rowhouse::plugin::{Accounts, Part};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

const SERIES: &str = "SELECT g FROM generate_series(1, 400) g";

fn rows(most: u32) -> LimitsPart {
    LimitsPart { rows: Some(most), ..LimitsPart::default() }
}

fn words<const N: usize>(words: [&str; N]) -> Option<std::collections::BTreeSet<String>> {
    Some(words.map(str::to_owned).into())
}

/// A house where the plugins were granted this.
async fn app(grants: impl FnOnce(&mut Plugins)) -> App {
    let plan = |plan: &mut Plan| {
        plan.guests = vec!["sales", "echo"];
        grants(&mut plan.settings.plugins);
    };
    soon(App::plan(plan)).await
}

/// The tenant of this store.
fn store(app: &App, name: &str) -> Uuid {
    let policy = app.host.policy.current();
    policy.directory().iter().find(|it| it.name.contains(name)).expect("a store").id
}

/// Call a tool over these stores, or over all that are the caller's.
async fn ask(
    app: &App,
    who: &str,
    tool: &str,
    stores: Option<&[&str]>,
    arguments: Value,
) -> Result<Value, (Code, String)> {
    let request = Request {
        id: "envelope".to_owned(),
        tool: tool.to_owned(),
        arguments: arguments.as_object().expect("an object").clone(),
        tenants: stores.map(|names| names.iter().map(|name| store(app, name)).collect()),
        listener: None,
        cancelled: CancellationToken::new(),
    };
    let answer = soon(app.host.call(&app.principal(who), request)).await.map_err(|e| (e.code, e.to_string()))?;
    Ok(answer.structured.unwrap_or_else(|| match answer.parts.into_iter().next() {
        Some(Part::Text(text)) => json!(text),
        other => panic!("{other:?}"),
    }))
}

#[tokio::test]
async fn a_plugin_may_have_more_and_a_tenant_only_less() {
    let shared = shared().await;
    let admin = shared.admin(rowhouse::embedded::DATABASE).await;
    let row = admin.query_one("SELECT id::text FROM rowhouse.tenants_directory WHERE name LIKE '%Tacoma'", &[]).await;
    let tacoma: String = row.expect("a store").get(0);
    let app = app(|plugins| {
        plugins.limits.rows = 100;
        plugins.grants.insert("echo".to_owned(), Grant { limits: rows(200), ..Grant::default() });
        plugins.tenant_limits.insert("Seattle".to_owned(), rows(10));
        plugins.tenant_limits.insert(tacoma, rows(20));
        plugins.tenant_limits.insert("Spokane".to_owned(), rows(300));
    })
    .await;
    for (who, stores, tool, count) in [
        // By name, and by id; of two bounds the smaller.
        ("seattle", None, "echo_rows", 10),
        ("tacoma", None, "echo_rows", 20),
        ("spokane", None, "echo_rows", 200),
        ("spokane", None, "execute_sales_query", 100),
        ("seattle", None, "execute_sales_query", 10),
        // Over several tenants it is no tenant's; narrowed to one by the caller it is.
        ("head-office", None, "echo_rows", 200),
        ("head-office", Some(&["Seattle"][..]), "echo_rows", 10),
        ("head-office", Some(&["Seattle", "Tacoma"]), "echo_rows", 200),
    ] {
        let arguments = if tool == "echo_rows" { json!({ "statement": SERIES }) } else { json!({ "query": SERIES }) };
        let answer = ask(&app, who, tool, stores, arguments).await.expect("rows");
        assert_eq!(answer["n"], count, "{who} {stores:?} {tool}");
    }
}

#[tokio::test]
async fn fuel_ends_a_call_at_the_same_place() {
    let plan = |plan: &mut Plan| {
        plan.guests = vec!["echo", "endless_loop"];
        plan.settings.plugins.fuel = true;
        plan.settings.plugins.limits.fuel = 5_000_000;
    };
    let app = soon(App::plan(plan)).await;
    let (code, text) = soon(app.failure("seattle", "endless_loop", json!({}))).await;
    assert_eq!(code, "PLUGIN_FUEL", "{text}");
    assert!(text.contains("the plugin `endless_loop` 0.1.0 used more fuel"), "{text}");
    for _ in 0..5 {
        neighbour_answers(&app).await;
    }
    let accounts = app.host.plugins.published().accounts();
    let fuel = |name: &str| accounts.plugins.iter().find(|it| it.plugin == name).expect("an account").used["fuel"];
    assert_eq!(fuel("endless_loop").max, 5_000_000);
    // The same call, the same fuel: the least of five is the most of five.
    assert!(fuel("echo").max > 0 && fuel("echo").p95 == fuel("echo").max, "{:?}", fuel("echo"));
}

#[tokio::test]
async fn a_table_outside_the_grant_is_not_there() {
    let app = app(|plugins| {
        let grant = |tables| Grant { tables, ..Grant::default() };
        plugins.grants.insert("echo".to_owned(), grant(words(["retail.stores", "retail.products"])));
        plugins.grants.insert("sales".to_owned(), grant(words(["retail.*", "nowhere.orders"])));
    })
    .await;
    let count = |table: &str| json!({ "statement": format!("SELECT count(*) FROM {table}") });
    for who in ["seattle", "head-office"] {
        for table in ["retail.stores", "stores", "retail.products"] {
            ask(&app, who, "echo_rows", None, count(table)).await.expect(table);
        }
        let refusal = |table: &'static str| {
            let app = &app;
            async move { ask(app, who, "echo_rows", None, count(table)).await.expect_err(table) }
        };
        // Word for word what is said of a table that does not exist.
        let (code, absent) = refusal("retail.nothings").await;
        for table in ["retail.orders", "retail.customers"] {
            let (got, text) = refusal(table).await;
            assert_eq!((got, text), (code, absent.replace("retail.nothings", table)), "{who}");
        }
        // Another plugin's grant is another's: what was decided for one is not remembered for the other.
        let query = json!({ "query": "SELECT count(*) FROM retail.orders" });
        ask(&app, who, "execute_sales_query", None, query).await.expect("orders");
    }
}

#[tokio::test]
async fn what_may_be_read_is_what_is_told_of() {
    let app = app(|plugins| {
        plugins.grants.insert(
            "sales".to_owned(),
            Grant { tables: words(["retail.stores", "retail.orders"]), ..Grant::default() },
        );
    })
    .await;
    let told = |table: &str| json!({ "table_names": [table] });
    let known = ask(&app, "seattle", "get_multiple_table_schemas", None, told("retail.stores")).await.expect("a table");
    assert!(known.to_string().contains("store_name"), "{known}");
    assert!(!known.to_string().contains("retail.customers"), "{known}");
    let outside = ask(&app, "seattle", "get_multiple_table_schemas", None, told("retail.customers")).await;
    let absent = ask(&app, "seattle", "get_multiple_table_schemas", None, told("retail.nothing")).await;
    let text = |it: Result<Value, (Code, String)>| it.map_or_else(|e| e.1, |it| it.to_string());
    assert_eq!(text(outside).replace("retail.customers", "retail.nothing"), text(absent));
}

#[tokio::test]
async fn a_plugin_is_there_for_its_tenants_only() {
    let app = app(|plugins| {
        let tenants = words(["Seattle", "Tacoma", "Nobody's"]);
        plugins.grants.insert("echo".to_owned(), Grant { tenants, ..Grant::default() });
    })
    .await;
    let stores = json!({ "statement": "SELECT store_name FROM retail.stores" });
    for (who, named, count) in [
        ("seattle", None, Ok(1)),
        ("seattle", Some(&["Seattle"][..]), Ok(1)),
        ("spokane", None, Err(Code::UnknownTool)),
        // Named, it is refused as any tenant that is not the caller's.
        ("spokane", Some(&["Spokane"]), Err(Code::Authorization)),
        ("seattle", Some(&["Spokane"]), Err(Code::Authorization)),
        // Whoever sees more and names none is narrowed; what is named is not made smaller in silence.
        ("head-office", None, Ok(2)),
        ("head-office", Some(&["Seattle", "Tacoma"]), Ok(2)),
        ("head-office", Some(&["Seattle", "Spokane"]), Err(Code::Authorization)),
    ] {
        let answer = ask(&app, who, "echo_rows", named, stores.clone()).await;
        let got = answer.map(|it| it["n"].as_u64().expect("a number")).map_err(|(code, _)| code);
        assert_eq!(got, count, "{who} {named:?}");
    }
    for (who, listed) in [("seattle", true), ("tacoma", true), ("spokane", false), ("head-office", true)] {
        let principal = app.principal(who);
        let tools = app.host.tools(&principal);
        assert_eq!(tools.iter().any(|tool| tool.name == "echo_rows"), listed, "{who}");
        assert_eq!(app.host.tool(&principal, "echo_rows").is_some(), listed, "{who}");
        assert!(tools.iter().any(|tool| tool.name == "execute_sales_query"), "{who}: other plugins are as before");
    }
}

#[tokio::test]
async fn what_cannot_work_is_refused_at_once_with_every_reason() {
    let mut plugins = Plugins::default();
    plugins.limits.memory = 1 << 30;
    plugins.limits.wall_ms = 0;
    plugins.tenant_limits.insert("Seattle".to_owned(), rows(0));
    let limits = LimitsPart { instances: Some(65), ..LimitsPart::default() };
    plugins.grants.insert("sales".to_owned(), Grant { limits, tables: words(["orders"]), ..Grant::default() });
    let state = tempfile::tempdir().expect("a directory");
    let opened = rowhouse::plugin::open(&plugins, false, binary(), state.path(), CancellationToken::new()).await;
    let fault = opened.err().expect("refused").to_string();
    for part in [
        "plugins.limits.memory = 1073741824: it can be 65536 to 268435456",
        "plugins.limits.wall_ms = 0: it can be 1 to",
        "plugins.tenant_limits.\"Seattle\".rows = 0",
        "plugins.grants.sales.limits.instances = 65: it can be 1 to 64",
        "plugins.grants.sales.tables: \"orders\" is no table",
    ] {
        assert!(fault.contains(part), "{fault} does not say {part:?}");
    }
}

#[tokio::test]
async fn what_calls_used_is_shown_beside_the_bounds() {
    let app = app(|_| {}).await;
    for _ in 0..3 {
        neighbour_answers(&app).await;
    }
    let state = tempfile::tempdir().expect("a directory");
    app.host.plugins.published().accounts().write(state.path()).expect("written");
    let inspect = |form: &[&str]| {
        let mut command = std::process::Command::new(binary());
        command.env_remove("DATABASE_URL").env("ROWHOUSE_STATE", state.path()).args(["plugin", "inspect", "echo"]);
        let output = command.args(form).arg("--plugins").arg(app.plugins.path()).output().expect("the program runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("text")
    };
    let told: Value = serde_json::from_str(&inspect(&["--json"])).expect("JSON");
    let envelope = &told["envelope"];
    assert_eq!((&envelope["usage"]["calls"], &envelope["limits"]["cpu_ms"]), (&json!(3), &json!(2_000)), "{told}");
    assert!(envelope["usage"]["used"]["memory"]["max"].as_u64().is_some_and(|bytes| bytes > 0), "{told}");
    assert_eq!((&told["wants"]["sql"], &told["wants"]["embedding"]), (&json!("granted"), &json!("idle")), "{told}");
    let text = inspect(&[]);
    for part in ["granted, not wanted", "every table the policy allows", "95 % used", "calls      3 since host"] {
        assert!(text.contains(part), "{text}");
    }
    // Sizes and codes, and nothing of a call.
    let file = std::fs::read_to_string(Accounts::path(state.path())).expect("the file");
    assert!(["pokane", "still here", "text"].iter().all(|word| !file.contains(word)), "{file}");
}
