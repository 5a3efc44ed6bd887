//! Whose rows are seen: every identity, every table, every tool, as one matrix that a person can review; and every way
//! around it that anyone has thought of.

mod forging; // Statements that try to see more than they may.
mod walls; // The database alone, with nothing before it.

use crate::harness::{App, shared};
use crate::patience::soon;
use rowhouse::call::Host;
use rowhouse::policy::{SHIPPED, Subject, Tenant};
use rowhouse_migrations::retail::STORES;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

/// One store, another that shares nothing with it, a region of three stores, and everything.
const WHO: [&str; 4] = ["seattle", "spokane", "puget-sound", "head-office"];

/// All the data there is.
const ALWAYS: (&str, &str) = ("2020-01-01", "2026-12-31");

/// The store of each id; a row that says anything else is somebody's who is not there.
fn stores_by_id() -> BTreeMap<String, &'static str> {
    STORES.iter().map(|store| (store.id().to_string(), store.name)).collect()
}

/// Names, in order, each once.
fn names<'a>(values: impl IntoIterator<Item = &'a Value>) -> String {
    let names: BTreeSet<&str> = values.into_iter().map(|name| name.as_str().expect("a name")).collect();
    if names.is_empty() { "-".to_owned() } else { names.into_iter().collect::<Vec<_>>().join(", ") }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_else(|| panic!("a list: {value}"))
}

/// What one identity sees of every table of the catalog: how many rows, of which stores.
async fn tables(app: &App, who: &str, out: &mut String) {
    let stores = stores_by_id();
    for table in app.host.catalog.load().tables() {
        let name = &table.name;
        let rows = soon(app.rows(who, &format!("SELECT count(*) FROM {name}"))).await;
        let whose = match &table.tenant_key {
            None => "(shared)".to_owned(),
            Some(key) => {
                let ids = soon(app.rows(who, &format!("SELECT DISTINCT {key} FROM {name}"))).await;
                let seen = ids.iter().map(|row| json!(stores[row[0].as_str().expect("an id")])).collect::<Vec<_>>();
                names(&seen)
            }
        };
        writeln!(out, "{who:<12} {name:<38} {:>6}  {whose}", rows[0][0].to_string()).expect("a String takes all");
    }
}

/// What one identity sees through every tool.
async fn tools(app: &App, who: &str, out: &mut String) {
    let (from, to) = ALWAYS;
    let ask = async |tool, arguments| soon(app.answer(who, tool, arguments)).await;
    let whole = json!({ "from": from, "to": to });
    let rows = soon(app.rows(who, "SELECT sum(total_amount), count(*) FROM retail.orders")).await;
    let performance = ask("get_store_performance", whole.clone()).await;
    let top = ask("get_top_products", whole).await;
    let trend = ask("get_sales_trend", json!({ "granularity": "year", "from": from, "to": to })).await;
    let segments = ask("get_customer_segments", json!({})).await;
    let search = ask("search_products", json!({ "query": "hammer", "max_rows": 100 })).await;
    let hybrid = ask("hybrid_search_products", json!({ "query": "hammer", "max_rows": 100 })).await;
    let similar = ask("similar_products", json!({ "product": "HT-HAM-001", "max_rows": 50 })).await;
    let recommended = ask("recommend_products", json!({ "basket": ["HT-HAM-001"], "max_rows": 50 })).await;
    let schemas = ask("get_multiple_table_schemas", json!({ "table_names": ["retail.stores"] })).await;
    let orders: i64 = list(&trend["points"]).iter().filter_map(|point| point["orders"].as_i64()).sum();
    let columns = list(&schemas["tables"][0]["columns"]);
    let samples = columns.iter().find(|column| column["name"] == "store_name").map(|column| &column["values"]);
    let stocked = |answer: &Value| {
        let stock = list(&answer["products"]).iter().flat_map(|product| list(&product["stock"]));
        names(stock.map(|stock| &stock["store"]))
    };
    for (tool, sees) in [
        ("execute_sales_query", format!("revenue {}, {} orders", rows[0][0], rows[0][1])),
        ("get_store_performance", names(list(&performance["stores"]).iter().map(|store| &store["store"]))),
        (
            "get_store_performance",
            format!("revenue {}, {} orders", performance["total"]["revenue"], performance["total"]["orders"]),
        ),
        ("get_top_products", format!("revenue {}", top["total_revenue"])),
        ("get_sales_trend", format!("{orders} orders")),
        ("get_customer_segments", format!("revenue {}, {} customers", segments["revenue"], segments["customers"])),
        ("search_products", stocked(&search)),
        ("hybrid_search_products", stocked(&hybrid)),
        ("similar_products", stocked(&similar)),
        ("recommend_products", stocked(&recommended)),
        ("get_multiple_table_schemas", names(list(samples.expect("samples")))),
    ] {
        writeln!(out, "{who:<12} {tool:<38} {sees}").expect("a String takes all");
    }
}

/// What is recommended to a customer tells what that customer bought.
#[tokio::test]
async fn another_stores_customer_is_nobody() {
    let app = soon(App::start()).await;
    let buyer = "SELECT c.email FROM retail.customers c JOIN retail.orders o USING (store_id, customer_id)
                 WHERE o.order_date > date '2026-06-01' ORDER BY 1 LIMIT 1";
    let theirs = app.rows("spokane", buyer).await[0][0].as_str().expect("an address").to_owned();
    let mine = app.rows("seattle", buyer).await[0][0].as_str().expect("an address").to_owned();
    app.answer("seattle", "recommend_products", json!({ "customer": mine })).await;
    let refused = async |who: &str| {
        let (code, text) = app.failure("seattle", "recommend_products", json!({ "customer": who })).await;
        (code, text.replace(who, "X"))
    };
    assert_eq!(refused(&theirs).await, refused("nobody@example.com").await);
    app.answer("spokane", "recommend_products", json!({ "customer": theirs })).await;
    app.answer("head-office", "recommend_products", json!({ "customer": theirs })).await;
}

#[tokio::test]
async fn everyone_sees_their_own() {
    let app = soon(App::start()).await;
    let mut matrix = String::new();
    for who in WHO {
        tables(&app, who, &mut matrix).await;
        tools(&app, who, &mut matrix).await;
        matrix.push('\n');
    }
    insta::with_settings!({ snapshot_path => crate::harness::root().join("tests/snapshots"), prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!("isolation", matrix);
    });
}

#[tokio::test]
async fn figures_agree() {
    let app = soon(App::start()).await;
    let (from, to) = ALWAYS;
    let ask = async |who: &str| {
        let answer = soon(app.answer(who, "get_store_performance", json!({ "from": from, "to": to }))).await;
        list(&answer["stores"]).to_vec()
    };
    let whole = ask("head-office").await;
    assert_eq!(whole.len(), STORES.len());
    for store in &STORES {
        let own = ask(store.key).await;
        let all: Vec<_> = whole.iter().filter(|line| line["store"] == store.name).cloned().collect();
        assert_eq!(own, all, "{}: the same line, and no other", store.key);
        // And the same as the rows themselves say, to whoever is above row security.
        let sum = "SELECT sum(total_amount)::float8 FROM retail.orders WHERE store_id = $1";
        let admin = shared().await.admin(rowhouse::embedded::DATABASE).await;
        let truth: f64 = soon(admin.query_one(sum, &[&store.id()])).await.expect("a sum").get(0);
        assert_eq!(own[0]["revenue"].as_f64(), Some(truth), "{}", store.key);
    }
    for region in ["puget-sound", "eastside", "east-and-online"] {
        for line in ask(region).await {
            assert!(whole.contains(&line), "{region}: {line} is not what head office sees");
        }
    }
}

/// The directory, less the tenants named.
pub fn directory_without(gone: &[&str]) -> Vec<Tenant> {
    let stores = STORES.iter().filter(|store| !gone.contains(&store.key));
    stores.map(|s| Tenant { id: s.id(), name: s.name.to_owned(), region: s.region.to_owned() }).collect()
}

fn no_tool(host: &Host, app: &App, who: &str) -> bool {
    host.tools(&app.principal(who)).is_empty() && host.tool(&app.principal(who), "echo").is_none()
}

/// A house under this policy and directory, in place of the shipped ones.
pub async fn under(policy: &str, directory: Option<Vec<Tenant>>) -> (App, tempfile::NamedTempFile) {
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), policy).expect("a policy");
    let path = file.path().to_owned();
    let app = soon(App::plan(|plan| plan.settings.policy.file = Some(path))).await;
    if let Some(directory) = directory {
        app.host.policy.set_directory(directory).expect("a directory");
    }
    (app, file)
}

#[tokio::test]
async fn who_may_nothing_is_told_nothing() {
    let role = |role: &str, condition: &str| {
        format!(
            "@id(\"tools\") permit (principal in Rowhouse::Role::\"{role}\", \
             action in [Rowhouse::Action::\"list\", Rowhouse::Action::\"call\"], resource);
             @id(\"rows\") permit (principal in Rowhouse::Role::\"{role}\", action == Rowhouse::Action::\"assume\", \
             resource is Rowhouse::Tenant) when {{ {condition} }};"
        )
    };
    let own = "principal.tenants.contains(resource)";
    let nobody = "@id(\"nobody\") forbid (principal, action, resource);".to_owned();
    for (what, policy, directory, who) in [
        ("nothing is permitted", nobody, None, "head-office"),
        ("nothing for the role", role("super_admin", "true"), None, "seattle"),
        ("a role's name is no pattern", role("*", "true"), None, "seattle"),
        ("a tenant nobody knows", SHIPPED.to_owned(), Some(directory_without(&["seattle"])), "seattle"),
        (
            "a region of no store",
            SHIPPED.to_owned(),
            Some(directory_without(&["seattle", "tacoma", "everett"])),
            "puget-sound",
        ),
        ("tools without tenants", role("regional_manager", own), None, "puget-sound"),
    ] {
        let (app, _file) = under(&policy, directory).await;
        assert!(no_tool(&app.host, &app, who), "{what}");
        let told = soon(app.post(who, "echo", json!({}))).await.to_string();
        let absent = soon(app.post(who, "ocho", json!({}))).await.to_string();
        assert_eq!(told.replace("echo", "ocho"), absent, "{what}: forbidden and absent look alike");
        assert!(told.contains("unknown tool: echo"), "{what}: {told}");
    }
    // One tool and no other, one table and no other.
    let one = "@id(\"tool\") permit (principal in Rowhouse::Role::\"store_manager\",
          action in [Rowhouse::Action::\"list\", Rowhouse::Action::\"call\"], resource == Rowhouse::Tool::\"sales/execute_sales_query\");
        @id(\"own\") permit (principal, action == Rowhouse::Action::\"assume\", resource is Rowhouse::Tenant)
          when { principal.tenants.contains(resource) };
        @id(\"table\") permit (principal, action == Rowhouse::Action::\"read\", resource == Rowhouse::Table::\"retail.stores\");";
    let (app, _file) = under(one, None).await;
    let allowed: Vec<_> = app.host.tools(&app.principal("seattle")).iter().map(|tool| tool.name.clone()).collect();
    assert_eq!(allowed, ["execute_sales_query"]);
    let told = soon(app.post("seattle", "echo", json!({}))).await;
    assert_eq!(told["error"]["message"], "unknown tool: echo");
    assert_eq!(soon(app.rows("seattle", "SELECT store_name FROM stores")).await, [json!(["Seattle"])]);
    let refused = async |table: &str| {
        let query = json!({ "query": format!("SELECT count(*) FROM {table}") });
        let (code, text) = soon(app.failure("seattle", "execute_sales_query", query)).await;
        assert_eq!(code, "QUERY_REJECTED", "{text}");
        text.replace(table, "TABLE")
    };
    assert_eq!(refused("retail.orders").await, refused("retail.orbers").await, "forbidden and absent look alike");
}

/// Who may do what under the shipped policy: role by tool, prompt, document, table and tenant. Reviewed as a whole.
#[tokio::test]
async fn the_shipped_policy_as_a_matrix() {
    let app = soon(App::plan(|plan| plan.guests = vec!["sales", "search"])).await;
    let (published, catalog) = (app.host.plugins.published(), app.host.catalog.load());
    // Prompts and documents, too.
    let items: Vec<(&str, String)> =
        published.plugins.values().flat_map(|plugin| plugin.items().map(|item| (&*plugin.name, item))).collect();
    let tools: Vec<(&str, &str)> = items.iter().map(|(plugin, item)| (*plugin, &**item)).collect();
    let tables: Vec<(&str, &str)> = catalog.tables().iter().map(|table| (&*table.schema, &*table.relation)).collect();
    // Everybody of the matrix of rows, and two of whom an issuer says much that is worth nothing without a role.
    let known = WHO.iter().map(|who| (*who, Subject::from(&*app.principal(who))));
    let issued = |roles: &[&str]| Subject {
        roles: roles.iter().map(ToString::to_string).collect(),
        tenants: app.principal("seattle").tenants().to_vec(),
        regions: app.principal("puget-sound").regions().to_vec(),
        scopes: app.principal("seattle").scopes().to_vec(),
        ..Subject::default()
    };
    let people: Vec<(&str, Subject)> =
        known.chain([("no-role", issued(&[])), ("stranger", issued(&["customer"]))]).collect();
    let matrix = app.host.policy.current().matrix(&people, &tools, &tables);
    // The whole of it: every role the policy names, over every tool, table and tenant there is.
    for role in ["store_manager", "regional_manager", "super_admin"] {
        assert!(people.iter().any(|(_, who)| who.roles.iter().any(|it| it == role)), "nobody is {role}");
    }
    assert!(tools.iter().any(|(_, item)| item.starts_with("prompt:")), "{tools:?}");
    assert!(tools.iter().any(|(_, item)| item.starts_with("resource:")), "{tools:?}");
    let questions = 3 * tools.len() + tables.len() + 1 + STORES.len();
    assert_eq!(matrix.lines().count(), 1 + questions + 1 + people.len(), "{matrix}");
    insta::with_settings!({ snapshot_path => crate::harness::root().join("tests/snapshots"), prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!("policy", matrix);
    });
}
