//! What is asked, and what must come of it.

use super::world::{Row, Sees, World};
use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use uuid::Uuid;

/// What must come of a call.
pub(super) enum Expect {
    /// These rows, in this order.
    Rows(Vec<Value>),
    /// So many statements at once, each with this first row.
    Each(usize, Value),
    /// One of these codes.
    Refused(&'static [&'static str]),
    /// Whatever it is, nobody else's.
    Own,
}

/// A call.
pub(super) struct Ask {
    pub(super) tool: &'static str,
    pub(super) arguments: Value,
    pub(super) expect: Expect,
}

/// Rows a list is cut to: an answer has at most a thousand.
const LIST: usize = 200;

const REJECTED: &[&str] = &["QUERY_REJECTED"];
const INVALID: &[&str] = &["QUERY_INVALID"];
pub(super) const MISTAKEN: &[&str] = &["VALIDATION_ERROR"];

/// Questions that ask for another tenant's rows by name, and what there is to see of them. `{foreign}` is a tenant the
/// caller may not see, `{row}` the key of a row of one.
const NOTHING: &[(&str, &str)] = &[
    ("SELECT account, id FROM crowd.sales WHERE account = '{foreign}'", "[]"),
    ("SELECT * FROM crowd.sales WHERE id = '{row}'", "[]"),
    ("SELECT count(*), sum(cents), max(id::text) FROM crowd.sales WHERE account = '{foreign}'", "[[0,null,null]]"),
    ("SELECT count(*) FROM crowd.sales WHERE account = '{foreign}' OR id = '{row}'", "[[0]]"),
    (
        "SELECT count(*) FROM crowd.sales s WHERE EXISTS (SELECT FROM crowd.sales t WHERE t.account = '{foreign}')",
        "[[0]]",
    ),
    ("SELECT (SELECT sum(cents) FROM crowd.sales WHERE account = '{foreign}')", "[[null]]"),
    ("SELECT count(*) FROM crowd.sales TABLESAMPLE SYSTEM (100) WHERE account = '{foreign}'", "[[0]]"),
    ("SELECT id::text::int FROM crowd.sales WHERE account = '{foreign}'", "[]"),
    ("SELECT 1 / (SELECT count(*) FROM crowd.sales WHERE id = '{row}') FROM crowd.sales WHERE id = '{row}'", "[]"),
    ("WITH crowd AS (SELECT * FROM crowd.sales WHERE account = '{foreign}') SELECT id FROM crowd", "[]"),
    (
        "WITH RECURSIVE r AS (SELECT account FROM crowd.sales WHERE account = '{foreign}' UNION SELECT s.account FROM \
      crowd.sales s JOIN r USING (account)) SELECT * FROM r",
        "[]",
    ),
    ("SELECT note FROM crowd.sales WHERE note LIKE '%{foreign}' ORDER BY note", "[]"),
    ("SELECT json_agg(s) FROM crowd.sales s WHERE s.account = '{foreign}'", "[[null]]"),
    (
        "SELECT s.id FROM crowd.kinds k JOIN LATERAL (SELECT * FROM crowd.sales x WHERE x.account = '{foreign}') s ON true",
        "[]",
    ),
    ("SELECT account FROM crowd.sales GROUP BY account HAVING account = '{foreign}'", "[]"),
    ("SELECT DISTINCT lag(account) OVER (ORDER BY id) FROM crowd.sales WHERE account = '{foreign}'", "[]"),
    (
        "(SELECT id FROM crowd.sales WHERE account = '{foreign}') UNION ALL (SELECT id FROM crowd.sales WHERE id = '{row}')",
        "[]",
    ),
    ("SELECT id FROM crowd.sales WHERE account = ANY (ARRAY['{foreign}']::uuid[]) FETCH FIRST 5 ROWS ONLY", "[]"),
];

/// Statements that must be refused, whoever sends them.
const FORBIDDEN: &[(&str, &[&str])] = &[
    ("SELECT set_config('rowhouse.ctx', 'c1|one:{foreign}|0|1|1|', true)", REJECTED),
    ("SELECT account FROM crowd.sales, set_config('rowhouse.ctx', 'c1|all|0|1|1|', true)", REJECTED),
    ("SELECT current_setting('rowhouse.ctx')", REJECTED),
    ("SELECT rowhouse.enter('v1|t1|one:{foreign}|0|9999999999|0|n|m')", REJECTED),
    ("SELECT rowhouse.tenant()", REJECTED),
    ("SELECT * FROM rowhouse.tenants_directory", REJECTED),
    ("SELECT * FROM rowhouse_private.key", REJECTED),
    ("SELECT * FROM pg_class", REJECTED),
    ("SELECT * FROM pg_stats WHERE tablename = 'sales'", REJECTED),
    ("SELECT pg_sleep(1), account FROM crowd.sales", REJECTED),
    ("SELECT query_to_xml('SELECT * FROM crowd.sales', true, true, '')", REJECTED),
    ("SELECT (note).current_setting FROM crowd.sales", REJECTED),
    ("SELECT ctid, xmin FROM crowd.sales", REJECTED),
    ("SELECT * FROM crowd.sales FOR UPDATE", REJECTED),
    ("SELECT * INTO crowd.mine FROM crowd.sales", REJECTED),
    ("DELETE FROM crowd.sales WHERE account = '{foreign}'", REJECTED),
    ("UPDATE crowd.sales SET account = '{foreign}'", REJECTED),
    ("INSERT INTO crowd.sales SELECT * FROM crowd.sales", REJECTED),
    ("WITH d AS (DELETE FROM crowd.sales RETURNING *) SELECT * FROM d", REJECTED),
    ("SELECT 1; SELECT * FROM crowd.sales", REJECTED),
    ("COMMIT; SELECT * FROM crowd.sales", REJECTED),
    ("SET ROLE rowhouse_all", REJECTED),
    ("COPY crowd.sales TO STDOUT", REJECTED),
    ("EXPLAIN SELECT * FROM crowd.sales WHERE account = '{foreign}'", REJECTED),
    ("SELEC account FROM crowd.sales", INVALID),
    ("SELECT account FROM crowd.sales WHERE account = '{foreign}", INVALID),
    ("SELECT price FROM crowd.sales", INVALID),
    ("SELECT account::text::int FROM crowd.sales", INVALID),
];

/// Arguments no tool takes.
const MISTAKES: &[(&str, &str)] = &[
    ("execute_sales_query", r#"{}"#),
    ("execute_sales_query", r#"{"query":7}"#),
    ("execute_sales_query", r#"{"query":"SELECT 1","tenant":"{foreign}"}"#),
    ("echo_rows", r#"{"statement":"SELECT 1","how":"guess"}"#),
    ("echo_many", r#"{"statement":"SELECT 1","count":0}"#),
];

/// A condition, in SQL and in words this program reads.
struct Filter {
    sql: String,
    holds: Box<dyn Fn(&Row) -> bool>,
}

impl Filter {
    fn draw(chance: &mut StdRng, world: &World, sees: &Sees) -> Self {
        let (kind, cents) = (chance.random_range(0..8), chance.random_range(0..1_000_000));
        let own = *sees.iter().nth(chance.random_range(0..sees.len())).expect("somebody sees somebody");
        let foreign = world.foreign(chance, sees);
        let filter = |sql: String, holds: Box<dyn Fn(&Row) -> bool>| Filter { sql, holds };
        match chance.random_range(0..9) {
            0 => filter("true".to_owned(), Box::new(|_| true)),
            1 => filter(format!("kind = {kind}"), Box::new(move |row| row.kind == kind)),
            2 => filter(format!("cents > {cents}"), Box::new(move |row| row.cents > cents)),
            3 => filter(format!("account = '{own}'"), Box::new(move |row| row.account == own)),
            4 => filter(format!("account IN ('{own}', '{foreign}')"), Box::new(move |row| row.account == own)),
            // The oldest trick.
            5 => filter(format!("(account = '{foreign}' OR 1 = 1)"), Box::new(|_| true)),
            6 => filter(format!("account <> '{foreign}'"), Box::new(|_| true)),
            7 => filter(
                format!("kind IN (SELECT k.kind FROM crowd.kinds k WHERE k.label = 'kind {kind}')"),
                Box::new(move |row| row.kind == kind),
            ),
            _ => filter(
                format!("cents BETWEEN {cents} AND {} AND kind <> {kind}", cents + 300_000),
                Box::new(move |row| (cents..=cents + 300_000).contains(&row.cents) && row.kind != kind),
            ),
        }
    }
}

/// Any call.
pub(super) fn draw(chance: &mut StdRng, world: &World, sees: &Sees) -> Ask {
    match chance.random_range(0..20) {
        0..=9 => honest(chance, world, sees),
        10..=12 => {
            let (sql, rows) = NOTHING.choose(chance).expect("one");
            let sql = name(sql, chance, world, sees);
            let rows: Vec<Value> = serde_json::from_str(rows).expect("rows in JSON");
            statement(chance, &sql, Expect::Rows(rows))
        }
        13..=15 => {
            let (sql, codes) = FORBIDDEN.choose(chance).expect("one");
            let sql = name(sql, chance, world, sees);
            Ask { tool: "execute_sales_query", arguments: json!({ "query": sql }), expect: Expect::Refused(codes) }
        }
        16 => {
            let (tool, arguments) = MISTAKES.choose(chance).expect("one");
            let arguments = name(arguments, chance, world, sees);
            let arguments = serde_json::from_str(&arguments).expect("arguments in JSON");
            Ask { tool, arguments, expect: Expect::Refused(MISTAKEN) }
        }
        _ => Ask { expect: Expect::Own, ..mangled(chance, world, sees) },
    }
}

fn name(text: &str, chance: &mut StdRng, world: &World, sees: &Sees) -> String {
    let (foreign, row) = (world.foreign(chance, sees), world.foreign_row(chance, sees));
    text.replace("{foreign}", &foreign.to_string()).replace("{row}", &row.to_string())
}

/// A statement, by one of the ways there are to send one.
fn statement(chance: &mut StdRng, sql: &str, expect: Expect) -> Ask {
    let how = ["pass", "pass", "next", "batch"].choose(chance).expect("one");
    match chance.random_bool(0.6) {
        true => Ask { tool: "execute_sales_query", arguments: json!({ "query": sql }), expect },
        false => {
            let page = chance.random_range(1..100);
            Ask { tool: "echo_rows", arguments: json!({ "statement": sql, "how": how, "page": page }), expect }
        }
    }
}

/// A question whose answer is known to the last row.
fn honest(chance: &mut StdRng, world: &World, sees: &Sees) -> Ask {
    let Filter { sql: filter, holds } = Filter::draw(chance, world, sees);
    let rows: Vec<&Row> = world.rows.iter().filter(|row| sees.contains(&row.account) && holds(row)).collect();
    let sum = |rows: &[&Row]| match rows {
        [] => Value::Null,
        rows => json!(rows.iter().map(|row| row.cents).sum::<i64>()),
    };
    let mut by_account: BTreeMap<Uuid, Vec<&Row>> = BTreeMap::new();
    let mut by_kind: BTreeMap<i64, Vec<&Row>> = BTreeMap::new();
    for row in &rows {
        by_account.entry(row.account).or_default().push(row);
        by_kind.entry(row.kind).or_default().push(row);
    }
    let (sql, answer): (String, Vec<Value>) = match chance.random_range(0..8) {
        0 => (
            format!("SELECT account, id, cents, kind FROM crowd.sales WHERE {filter} ORDER BY id LIMIT {LIST}"),
            rows.iter().take(LIST).map(|row| json!([row.account, row.id, row.cents, row.kind])).collect(),
        ),
        1 => (
            format!("SELECT count(*), sum(cents)::bigint FROM crowd.sales WHERE {filter}"),
            vec![json!([rows.len(), sum(&rows)])],
        ),
        2 => (
            format!(
                "SELECT account, count(*), sum(cents)::bigint FROM crowd.sales WHERE {filter} GROUP BY 1 ORDER BY 1"
            ),
            by_account.iter().map(|(account, rows)| json!([account, rows.len(), sum(rows)])).collect(),
        ),
        3 => (
            format!(
                "WITH s AS (SELECT account, cents, row_number() OVER (PARTITION BY account ORDER BY cents DESC, id) AS n \
                 FROM crowd.sales WHERE {filter}) SELECT account, cents FROM s WHERE n = 1 ORDER BY account"
            ),
            by_account.iter().map(|(account, rows)| json!([account, rows.iter().map(|row| row.cents).max()])).collect(),
        ),
        4 => (
            format!(
                "SELECT kind, count(*), count(DISTINCT account) FROM crowd.sales WHERE {filter} GROUP BY ROLLUP (kind) \
                 ORDER BY kind NULLS LAST"
            ),
            by_kind
                .iter()
                .map(|(kind, rows)| json!([kind, rows.len(), accounts(rows)]))
                .chain([json!([null, rows.len(), accounts(&rows)])])
                .collect(),
        ),
        5 => (
            format!(
                "SELECT k.label, t.n FROM crowd.kinds k CROSS JOIN LATERAL (SELECT count(*) AS n FROM (SELECT * FROM \
                 crowd.sales WHERE {filter}) s WHERE s.kind = k.kind) t WHERE t.n > 0 ORDER BY k.label"
            ),
            by_kind.iter().map(|(kind, rows)| json!([format!("kind {kind}"), rows.len()])).collect(),
        ),
        6 => (
            format!(
                "SELECT array_length(array_agg(DISTINCT account), 1), count(*) FILTER (WHERE note <> 'sold by ' || account) \
                 FROM crowd.sales WHERE {filter}"
            ),
            vec![match accounts(&rows) {
                0 => json!([null, 0]),
                some => json!([some, 0]),
            }],
        ),
        // Several at once, on connections of their own.
        _ => {
            let (count, first) = (chance.random_range(2..6), json!([rows.len()]));
            let sql = format!("SELECT count(*) FROM crowd.sales WHERE {filter}");
            let arguments = json!({ "statement": sql, "count": count });
            return Ask { tool: "echo_many", arguments, expect: Expect::Each(count, first) };
        }
    };
    statement(chance, &sql, Expect::Rows(answer))
}

fn accounts(rows: &[&Row]) -> usize {
    rows.iter().map(|row| row.account).collect::<std::collections::BTreeSet<_>>().len()
}

/// Some statement with a piece taken out, doubled, or put where it does not belong.
fn mangled(chance: &mut StdRng, world: &World, sees: &Sees) -> Ask {
    let sql = match chance.random_bool(0.5) {
        true => {
            let ask = honest(chance, world, sees);
            ask.arguments
                .get("query")
                .or_else(|| ask.arguments.get("statement"))
                .and_then(Value::as_str)
                .map(str::to_owned)
        }
        false => NOTHING.choose(chance).map(|(sql, _)| (*sql).to_owned()),
    };
    let sql = name(&sql.unwrap_or_default(), chance, world, sees);
    let mut words: Vec<String> = sql.split(' ').map(str::to_owned).collect();
    for _ in 0..chance.random_range(1..4) {
        let at = chance.random_range(0..words.len());
        match chance.random_range(0..4) {
            0 if words.len() > 1 => drop(words.remove(at)),
            1 => words.insert(at, words[at].clone()),
            2 => {
                let other = chance.random_range(0..words.len());
                words.swap(at, other);
            }
            _ => {
                let odd =
                    ["OR true", "--", "/*", "'", "UNION ALL SELECT * FROM crowd.sales", "NOT", "LIMIT ALL", ";", "*"];
                words.insert(at, (*odd.choose(chance).expect("one")).to_owned());
            }
        }
    }
    Ask { tool: "execute_sales_query", arguments: json!({ "query": words.join(" ") }), expect: Expect::Own }
}
