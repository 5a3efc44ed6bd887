//! A small grammar of what the gate lets pass, and every sentence of it with one hole.

/// The hole an expression fits, and the one only a constant fits.
pub(super) const HOLES: [&str; 2] = ["?", "§"];

/// What each symbol may be. The first is what stands for it where the hole is elsewhere.
#[rustfmt::skip]
const SYMBOLS: &[(&str, &[&str])] = &[
    ("query", &[
        "SELECT 1", "SELECT <expr> AS a", "SELECT DISTINCT ON (<expr>) 1 FROM orders", "SELECT 1 FROM orders, <from>",
        "SELECT 1 FROM orders WHERE <expr> IS NOT NULL", "SELECT 1 FROM orders GROUP BY <group>",
        "SELECT count(*) FROM orders HAVING <expr> IS NULL", "SELECT 1 FROM orders ORDER BY <sort>",
        "SELECT 1 FROM orders LIMIT <expr> OFFSET <expr>", "SELECT 1 FROM orders ORDER BY 1 FETCH FIRST (<expr>) ROWS WITH TIES",
        "SELECT sum(1) OVER w FROM orders WINDOW w AS (<window>)", "VALUES (1), (<expr>)",
        "(<query>) UNION ALL (<query>)", "(<query>) EXCEPT (<query>)", "WITH t AS (<query>) TABLE t",
        "WITH t AS NOT MATERIALIZED (<query>) SELECT (<query>)",
        "WITH RECURSIVE t (n) AS (SELECT 1 UNION ALL SELECT n + <expr> FROM t) TABLE t",
        "WITH RECURSIVE t (n) AS (SELECT 1 UNION ALL SELECT n FROM t) SEARCH DEPTH FIRST BY n SET s SELECT (<query>)",
        "WITH RECURSIVE t (n) AS (SELECT 1 UNION ALL SELECT n FROM t) CYCLE n SET c TO <const> DEFAULT <const> USING p TABLE t",
    ]),
    ("from", &[
        "stores", "(<query>) AS q", "LATERAL (<query>) AS q", "generate_series(1, <expr>) AS g",
        "ROWS FROM (unnest(ARRAY[<expr>]), generate_series(1, <expr>)) AS r", "coalesce(<expr>, 1) AS c",
        "jsonb_to_recordset(<expr>) AS x (a numeric(<expr>), b text)", "unnest(ARRAY[<expr>]) WITH ORDINALITY AS u (a, b)",
        "stores AS s TABLESAMPLE BERNOULLI (<expr>)", "stores AS s TABLESAMPLE SYSTEM (1) REPEATABLE (<expr>)",
        "<side> AS a JOIN <side> AS b ON <expr> IS NULL", "<side> AS a LEFT JOIN <side> AS b USING (id)",
        "JSON_TABLE(<expr>, '$' PASSING <expr> AS x COLUMNS (a int PATH '$')) AS j",
        "JSON_TABLE('1', '$' COLUMNS (n FOR ORDINALITY, <column>)) AS j",
        "JSON_TABLE('1', '$' COLUMNS (NESTED '$' COLUMNS (<column>)) DEFAULT <expr> ON ERROR) AS j",
    ]),
    ("side", &["stores", "(<query>)"]),
    ("column", &[
        "a int PATH '$'", "a int PATH '$' DEFAULT <expr> ON EMPTY", "a int PATH '$' DEFAULT <expr> ON ERROR",
        "a numeric(<expr>) PATH '$'", "a jsonb FORMAT JSON PATH '$' DEFAULT <expr> ON EMPTY",
    ]),
    ("group", &["1", "<expr>", "GROUPING SETS ((<expr>), ())", "ROLLUP (1, <expr>)", "CUBE (<expr>, 1)"]),
    ("sort", &["1", "<expr>", "<expr> DESC NULLS LAST", "<expr> USING <"]),
    ("window", &[
        "", "PARTITION BY <expr>", "ORDER BY <sort>", "ORDER BY id ROWS <expr> PRECEDING",
        "ORDER BY id RANGE BETWEEN <expr> PRECEDING AND <expr> FOLLOWING EXCLUDE TIES",
        "ORDER BY id GROUPS BETWEEN CURRENT ROW AND <expr> FOLLOWING",
    ]),
    ("returning", &["text", "jsonb", "numeric(<expr>)"]),
    ("expr", &[
        "1", "abs(<expr>)", "concat(VARIADIC ARRAY[<expr>])", "make_interval(days => <expr>)", "count(DISTINCT <expr>)",
        "array_agg(id ORDER BY <sort>)", "count(*) FILTER (WHERE <expr>)", "mode() WITHIN GROUP (ORDER BY <sort>)",
        "percentile_cont(<expr>) WITHIN GROUP (ORDER BY total)", "sum(1) OVER (<window>)", "grouping(<expr>)",
        "CASE <expr> WHEN <expr> THEN <expr> ELSE <expr> END", "CASE WHEN <expr> THEN <expr> ELSE <expr> END",
        "coalesce(<expr>, <expr>)", "nullif(<expr>, <expr>)", "greatest(<expr>, 1)", "least(1, <expr>)",
        "ROW(<expr>, 1)", "ARRAY[<expr>]", "ARRAY[[1], [<expr>]]", "ARRAY(<query>)", "(ARRAY[1, 2])[<expr>:<expr>]",
        "(ARRAY[<expr>])[<expr>]", "(<expr>).f1", "(ARRAY[<expr>]).*", "<expr>::text", "1::numeric(<expr>)", "'{}'::int[]",
        "<expr> COLLATE \"C\"", "<expr> AT TIME ZONE <expr>", "<expr> + <expr>", "- <expr>", "NOT <expr>",
        "<expr> AND <expr>", "<expr> OR <expr>", "<expr> IS DISTINCT FROM <expr>", "<expr> IS TRUE", "<expr> ISNULL",
        "<expr> BETWEEN <expr> AND <expr>", "<expr> NOT BETWEEN SYMMETRIC <expr> AND <expr>", "<expr> IN (1, <expr>)",
        "<expr> = ANY (ARRAY[<expr>])", "<expr> <> ALL (<expr>)", "<expr> LIKE <expr> ESCAPE <expr>",
        "<expr> NOT ILIKE <expr>", "<expr> SIMILAR TO <expr> ESCAPE <expr>", "<expr> LIKE ANY (ARRAY[<expr>])",
        "<expr> ILIKE ALL (<query>)", "(<query>)", "EXISTS (<query>)", "<expr> IN (<query>)", "<expr> > ALL (<query>)",
        "(1, <expr>) = (<expr>, 2)", "(now(), <expr>) OVERLAPS (now(), <expr>)", "1 OPERATOR(pg_catalog.+) <expr>",
        "extract(year FROM <expr>)", "position(<expr> IN <expr>)", "substring(<expr> FROM <expr> FOR <expr>)",
        "substring(<expr> SIMILAR <expr> ESCAPE <expr>)", "overlay(<expr> PLACING <expr> FROM <expr>)",
        "trim(BOTH <expr> FROM <expr>)", "normalize(<expr>, NFC)", "<expr> IS NFC NORMALIZED",
        "JSON_OBJECT(<expr>: <expr> ABSENT ON NULL RETURNING <returning>)", "JSON_ARRAY(<expr> FORMAT JSON, <expr> RETURNING <returning>)",
        "JSON_ARRAY(<query>)", "JSON_ARRAY(<query> RETURNING <returning>)", "JSON_ARRAYAGG(<expr> ORDER BY <sort>)",
        "JSON_ARRAYAGG(id RETURNING <returning>) FILTER (WHERE <expr>)", "JSON_ARRAYAGG(id) OVER (<window>)",
        "JSON_OBJECTAGG(<expr>: <expr> RETURNING <returning>) FILTER (WHERE <expr>)", "JSON_OBJECTAGG(id: 1) OVER (<window>)",
        "JSON(<expr>)", "JSON_SCALAR(<expr>)", "JSON_SERIALIZE(<expr> RETURNING <returning>)", "<expr> IS JSON OBJECT",
        "JSON_VALUE(<expr>, <expr> PASSING <expr> AS x RETURNING <returning> DEFAULT <expr> ON EMPTY DEFAULT <expr> ON ERROR)",
        "JSON_QUERY(<expr>, <expr> PASSING <expr> AS x RETURNING <returning> DEFAULT <expr> ON EMPTY DEFAULT <expr> ON ERROR)",
        "JSON_EXISTS(<expr>, <expr> PASSING <expr> AS x)",
    ]),
    ("const", &["'a'"]),
];

/// Every sentence with one hole at most `depth` expressions or queries below its beginning.
pub(super) fn sentences(depth: usize) -> Vec<String> {
    with_hole("query", depth)
}

fn alternatives(symbol: &str) -> &'static [&'static str] {
    SYMBOLS.iter().find(|(name, _)| *name == symbol).unwrap_or_else(|| panic!("no symbol {symbol}")).1
}

/// Every text of a symbol with one hole.
fn with_hole(symbol: &str, depth: usize) -> Vec<String> {
    let inside = match (symbol, depth) {
        ("const", _) => return vec![HOLES[1].to_owned()],
        ("expr", 0) => return vec![HOLES[0].to_owned()],
        ("query", 0) => return vec![format!("SELECT {}", HOLES[0])],
        // The others lead to one of these before they lead to themselves.
        ("expr" | "query", _) => depth - 1,
        _ => depth,
    };
    let mut texts = Vec::new();
    if symbol == "expr" {
        texts.push(HOLES[0].to_owned());
    }
    for alternative in alternatives(symbol) {
        for (at, inner) in markers(alternative) {
            for text in with_hole(inner, inside) {
                let (before, after) = (&alternative[..at], &alternative[at + inner.len() + 2..]);
                let text = format!("{}{text}{}", plain(before), plain(after));
                // In brackets it fits every slot.
                texts.push(if symbol == "expr" { format!("({text})") } else { text });
            }
        }
    }
    texts
}

/// The symbols in a text, and where each begins.
fn markers(text: &str) -> Vec<(usize, &str)> {
    text.match_indices('<')
        .filter_map(|(at, _)| {
            let (name, _) = text[at + 1..].split_once('>')?;
            (!name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase())).then_some((at, name))
        })
        .collect()
}

/// The text with what stands for each symbol where there is no hole.
fn plain(text: &str) -> String {
    let mut plain = text.to_owned();
    for (_, name) in markers(text) {
        plain = plain.replacen(&format!("<{name}>"), alternatives(name)[0], 1);
    }
    plain
}
