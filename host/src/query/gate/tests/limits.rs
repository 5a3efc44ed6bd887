//! Sizes, positions, messages, and statements made to exhaust the parser.

use super::super::STACK_BYTES;
use super::{Reason, accepts, gate, refuses};

#[test]
fn large_values() {
    refuses(
        Reason::Size,
        &[
            "SELECT repeat('x', 1000000000)",
            "SELECT repeat('x', 10001)",
            "SELECT repeat('x', total::int) FROM orders",
            "SELECT repeat('x', $1)",
            "SELECT repeat('x', 1e9::int)",
            "SELECT repeat('x', greatest(total::int, 5)) FROM orders",
            // Bounded by nothing that the statement shows: a join makes any count.
            "SELECT repeat('#', (count(*) / 10)::int) FROM orders",
            // LEAST passes over nulls.
            "SELECT repeat('x', least(total::int, CASE WHEN total < 0 THEN 5 END)) FROM orders",
            "SELECT repeat('x', least(total::int, id % 5)) FROM orders",
            "SELECT repeat('x', least(total::int, NULL)) FROM orders",
            "SELECT repeat('x', coalesce(total::int, 5)) FROM orders",
            "SELECT repeat('x', CASE WHEN total > 9 THEN 5 ELSE total::int END) FROM orders",
            "SELECT repeat('x', CASE WHEN total > 9 THEN 20000 END) FROM orders",
            "SELECT repeat('x', id % total::int) FROM orders",
            "SELECT repeat('x', ('1000' || '0000')::int)",
            "SELECT repeat('x', '1000000000'::int)",
            "SELECT repeat('x', round(total)::int) FROM orders",
            "SELECT repeat(repeat('x', 10000), (least(total, 10000.5))::int) FROM orders",
            "SELECT repeat('x', least(total::int, 20000)) FROM orders",
            "SELECT repeat(VARIADIC ARRAY['x'])",
            "SELECT repeat(n => 1000000000)",
            "SELECT repeat(repeat('x', 10000), 10000)",
            "WITH t AS (SELECT repeat('x', 10000) r) SELECT repeat(r, 10000) FROM t",
            "SELECT pg_catalog.repeat('x', 1000000000)",
            "SELECT lpad('x', 1000000000)",
            "SELECT rpad('x', id) FROM orders",
            "SELECT array_fill(1, ARRAY[100000000])",
            "SELECT format('%1000000000s', 'x')",
            "SELECT format('%-1000000000s', 'x')",
            "SELECT format('%1$1000000000s', 'x')",
            "SELECT format('%*s', 1000000000, 'x')",
            "SELECT format('%1$*2$s', 'x', 1000000000)",
            "SELECT format('%1$-*2$s', 'x', 1000000000)",
            "SELECT format('%99999999999999999999s', 'x')",
            "SELECT format(note, 'x') FROM orders",
            "SELECT format('%' || '1000000000s', 'x')",
            "SELECT format(VARIADIC ARRAY['%s', 'x'])",
            "SELECT 'x'::char(10000000)",
            "SELECT 'x'::varchar(4001)",
            "SELECT 'x'::bit(83886080)",
            "SELECT CAST('1' AS bit varying(83886080))",
            "SELECT 'x'::pg_catalog.bpchar(10000000)",
            "SELECT bpchar('x'::bpchar, 1000000000, true)",
            "SELECT * FROM generate_series(1, 1000000000)",
            "SELECT * FROM generate_series(1, 1e12)",
            "SELECT * FROM generate_series(1, '1000000000000'::bigint)",
            "SELECT * FROM generate_series(1::int8, CAST(1000000000000 AS numeric)::bigint)",
            "SELECT * FROM generate_series(-('1000000000000'::bigint), 1)",
            "SELECT * FROM generate_series(1000000000, 1, -1)",
            "SELECT * FROM generate_series(-2000000000, 2000000000, 2)",
            "SELECT * FROM generate_series(0, 1, 0.00000001)",
            // A text-search query takes its square in time, and listens to nobody.
            "SELECT plainto_tsquery('simple', repeat('a b c d ', 10000))",
            "SELECT to_tsquery(note) FROM orders",
            "SELECT phraseto_tsquery('english'::regconfig, note) FROM orders",
            "SELECT websearch_to_tsquery((SELECT string_agg(note, ' ') FROM orders))",
            "SELECT repeat('a & ', 9000)::tsquery",
            "SELECT CAST(note AS tsquery) FROM orders",
            "SELECT note::pg_catalog.tsquery FROM orders",
            "SELECT to_tsquery(left(note, 5000)) FROM orders",
            "SELECT to_tsquery(left(note, -1)) FROM orders",
            "SELECT to_tsquery(left(note, id)) FROM orders",
            "SELECT to_tsquery(VARIADIC ARRAY[note]) FROM orders",
            "SELECT to_tsquery(left(note, 4000) || left(note, 4000)) FROM orders",
            "SELECT to_tsquery($1 || $2 || $3 || $4 || $5)",
            "SELECT to_tsquery($1 || note) FROM orders",
            "SELECT to_tsquery(replace($1, 'a', 'bbbbbbbbbb'))",
            "SELECT JSON_VALUE(note, '$' RETURNING tsquery) FROM orders",
            "SELECT * FROM jsonb_to_record('{}') AS t (a tsquery)",
        ],
    );
    let long = format!("SELECT to_tsquery('{}')", "a".repeat(4_200));
    refuses(Reason::Size, &[&long, &long.replace("to_tsquery(", "(").replace("')", "')::tsquery")]);
    accepts(&[
        "SELECT to_tsquery('a & b'), plainto_tsquery('english', 'a b'), 'a'::tsquery, NULL::tsquery, tsquery 'a | b'",
        "SELECT websearch_to_tsquery('english'::regconfig, $1), to_tsquery('english', lower($1::text) || ':*')",
        "SELECT to_tsquery('simple', left(note, 4000)), left(note, 200)::tsquery FROM orders",
        "SELECT phraseto_tsquery(coalesce($1, 'red lamp'))",
        "SELECT to_tsvector('english'::regconfig, name), to_tsvector('pg_catalog.german'::regconfig, name) FROM products",
        "SELECT count(*) FROM orders WHERE note = 'paid'::retail.status OR 'a' = ANY ('{a}'::retail.status[])",
    ]);
    let short = |sql: &str| gate().check(sql).expect(sql).short_parameters.into_iter().collect::<Vec<_>>();
    assert_eq!(short("SELECT to_tsquery($2), $1, $3::tsquery"), [2, 3]);
    assert_eq!(short("SELECT to_tsvector($1)"), [0_u32; 0]);
    accepts(&[
        "SELECT repeat('x', 10000), lpad('x', 10000), rpad('x', 5, '-')",
        "SELECT repeat('x', greatest(1, 5)), repeat('x', 5::int), repeat('x', (2.5 + 0)::int % 3)",
        "SELECT repeat('#', least(count(*) / 10, 100)::int), rpad('', (round(least(sum(total), 50)))::int) FROM orders",
        "SELECT repeat('#', CASE WHEN total > 9 THEN 3 WHEN total > 5 THEN 2 ELSE 1 END), lpad('', mod(id, 10)) FROM orders",
        "SELECT format('%s %% %5s %-10I %2$s', 'a', 'b')",
        "SELECT 'x'::char(4000), 'x'::varchar(255), B'1'::bit(8), 'x'::char",
        "SELECT * FROM generate_series(1, 1000000), generate_series(10, 1, -1), generate_series(1, 0)",
        "SELECT * FROM generate_series('1'::int, 10::bigint), generate_series(1, '9'::text::int)",
        "SELECT * FROM generate_series(now(), now() + interval '1 day', '1 hour')",
    ]);
}

#[test]
fn sizes() {
    let list = |count: usize| format!("SELECT 1 WHERE 1 IN ({})", vec!["1"; count].join(","));
    let padded = |bytes: usize| format!("SELECT '{}'", "x".repeat(bytes - "SELECT ''".len()));
    let union = |count: usize| vec!["SELECT 1"; count].join(" UNION ALL ");
    accepts(&[&list(2_000), &padded(super::MAX_SQL_BYTES), &union(40), "SELECT $1, $200"]);
    accepts(&[&format!("SELECT {}", vec!["'a'"; 45].join(" || "))]);
    accepts(&[&format!("SELECT 1 WHERE {}", vec!["1 = 1"; 500].join(" AND "))]);
    refuses(Reason::Size, &[&list(3_000), &padded(super::MAX_SQL_BYTES + 1)]);
    refuses(Reason::Parameter, &["SELECT $201", "SELECT $0", "SELECT $1, $65536"]);
    refuses(Reason::Syntax, &["SELECT 1\0", "SELECT $99999999999"]);
    let parameters = |sql: &str| gate().check(sql).expect(sql).parameters;
    assert_eq!(parameters("SELECT $3, $1 FROM orders WHERE id = $2"), 3);
    assert_eq!(parameters("SELECT '$9'"), 0);
}

/// Every way to nest that fits in the longest statement, on the smallest stack the gate promises to do with. The parser
/// goes by what it finds, so more is another case.
#[test]
fn depth_is_refused_and_never_overflows() {
    let most = super::MAX_SQL_BYTES - 200;
    let chain = |head: &str, link: &str, tail: &str| format!("{head}{}{tail}", link.repeat(most / link.len()));
    let nest = |open: &str, close: &str| {
        let count = most / (open.len() + close.len());
        format!("SELECT {}1{}", open.repeat(count), close.repeat(count))
    };
    let statements = vec![
        chain("SELECT 1", "+1", ""),
        chain("SELECT 'a'", "||'a'", ""),
        chain("SELECT ", "- ", "1"),
        chain("SELECT ", "NOT ", "true"),
        chain("SELECT 1", "::int", ""),
        chain("SELECT 1", " IS NULL", ""),
        chain("SELECT 1", " ISNULL", ""),
        chain("SELECT 'a'", " COLLATE a", ""),
        chain("SELECT now()", " AT LOCAL", ""),
        chain("SELECT 1", " UNION SELECT 1", ""),
        chain("SELECT 1", " EXCEPT SELECT 1", ""),
        chain("TABLE a", " UNION TABLE a", ""),
        chain("SELECT 1 FROM a", " NATURAL JOIN a", ""),
        chain("SELECT 1 FROM a", ",a", ""),
        chain("SELECT a", "[1]", ""),
        chain("SELECT (a)", ".a", ""),
        chain("SELECT 1", "OR 1", ""),
        nest("(", ")"),
        nest("(SELECT ", ")"),
        nest("ARRAY[", "]"),
        nest("[", "]"),
        nest("abs(", ")"),
        nest("ROW(", ")"),
        nest("coalesce(", ")"),
        nest("CASE WHEN true THEN ", " END"),
        nest("(WITH a AS (SELECT 1) SELECT ", ")"),
        nest("EXISTS(SELECT ", ")"),
        format!("SELECT 1 FROM {}a{}", "(".repeat(most / 2), ")".repeat(most / 2)),
        format!("SELECT 1 FROM {}SELECT 1{}", "(SELECT 1 FROM (".repeat(most / 20), ") a) a".repeat(most / 20)),
        format!("SELECT 1 GROUP BY {}1{}", "GROUPING SETS(".repeat(most / 15), ")".repeat(most / 15)),
        format!("{}SELECT 1{}", "WITH a AS (".repeat(most / 22), ") SELECT 1".repeat(most / 22)),
    ];
    let run = |sql: &str| {
        let refusal = gate().check(sql).expect_err(&sql[..60]);
        assert!(
            matches!(refusal.reason, Reason::Size | Reason::Syntax | Reason::Relation | Reason::Column),
            "{refusal:?}"
        );
    };
    let statements = std::sync::Arc::new(statements);
    for stack in [STACK_BYTES, 2 * STACK_BYTES] {
        let statements = std::sync::Arc::clone(&statements);
        let thread =
            std::thread::Builder::new().stack_size(stack).spawn(move || statements.iter().for_each(|it| run(it)));
        thread.expect("a thread starts").join().expect("no statement was let through");
    }
}

/// The walker's own limit, for a tree the decoder would not hand over.
#[test]
fn walker_stops_at_its_own_depth() {
    use pg_query::protobuf::{AExpr, Node, node::Node as Kind};
    let mut tree = pg_query::parse("SELECT 1", 0).expect("it parses").protobuf;
    let mut node = Node { node: None };
    for _ in 0..super::super::walker::MAX_DEPTH {
        let outer = AExpr { lexpr: Some(Box::new(node)), ..AExpr::default() };
        node = Node { node: Some(Kind::AExpr(Box::new(outer))) };
    }
    let statement = tree.stmts[0].stmt.as_mut().and_then(|node| node.node.as_mut());
    let Some(Kind::SelectStmt(select)) = statement else { panic!("a SELECT is parsed as one") };
    select.where_clause = Some(Box::new(node));
    let stop = gate().walk(&tree, &|_, _| true).expect_err("too deep");
    assert_eq!(stop.reason, Reason::Size);
}

/// A text where the tree has none today must not slip by should a later grammar put one there.
#[test]
fn text_in_an_unknown_place_is_refused() {
    use pg_query::protobuf::node::Node as Kind;
    let mut tree = pg_query::parse("SELECT a FROM jsonb_to_record('{}') AS t (a int)", 0).expect("it parses").protobuf;
    assert!(gate().walk(&tree, &|_, _| true).is_ok());
    let statement = tree.stmts[0].stmt.as_mut().and_then(|node| node.node.as_mut());
    let Some(Kind::SelectStmt(select)) = statement else { panic!("a SELECT is parsed as one") };
    let Some(Kind::RangeFunction(item)) = &mut select.from_clause[0].node else { panic!("a function in FROM") };
    let Some(Kind::ColumnDef(column)) = &mut item.coldeflist[0].node else { panic!("a column of it") };
    column.storage_name = "external".to_owned();
    let stop = gate().walk(&tree, &|_, _| true).expect_err("a storage name");
    assert!(stop.message.contains("ColumnDef.storage_name"), "{stop}");
}

#[test]
fn positions_and_messages() {
    let gate = gate();
    let check = |sql: &str, position: Option<u32>, part: &str| {
        let refusal = gate.check(sql).expect_err(sql);
        assert_eq!(refusal.position, position, "{sql}: {refusal}");
        assert!(refusal.message.contains(part), "{sql}: {refusal}");
    };
    check("SELEC 1", Some(1), "syntax error at or near \"SELEC\"");
    check("SELECT 1 FROM", Some(14), "syntax error at end of input");
    check("SELECT a FROM orders WHERE WHERE a", Some(28), "at or near \"WHERE\"");
    check("SELECT 'é', 'ü' FROM FROM orders", Some(22), "at or near \"FROM\"");
    check("SELECT (1,) , (2,3)", Some(11), "at or near \")\"");
    check("SELECT 'it", Some(8), "unterminated quoted string");
    check("SELECT 12abc", Some(8), "trailing junk");
    check("SELECT 1 /* open", Some(10), "unterminated /* comment");
    check("SELECT 1 FROM orders ORDER BY NULLS LAST", Some(31), "at or near \"NULLS\"");
    check("SELECT 1 FROM orders WHERE WHERE 'open", Some(28), "at or near \"WHERE\"");
    check("SELECT `a`", Some(11), "at end of input");
    check("SELECT 1, pg_sleep(1)", Some(11), "function pg_sleep is not on the list");
    check("SELECT 'é', set_config('a', 'b', true)", Some(13), "set_config");
    check(
        "SELECT 1 FROM orders, secrets",
        Some(23),
        "readable: archive.orders, archive.orders_2024, retail.categories",
    );
    check("SELECT 1 FROM orders, retail.secrets", Some(23), "retail.secrets");
    check("SELECT nvl(1, 2)", Some(8), "use coalesce(a, b)");
    check("SELECT 1, CURRENT_USER", Some(11), "CURRENT_USER");
    check("SELECT '1'::regclass", Some(13), "type regclass");
    check("SELECT o.ctid FROM orders o", Some(8), "`ctid` is a system column");
    check("SELECT s.f FROM unnest(ARRAY[1]) AS s", Some(8), "unnest(…) AS s(item)");
    check("SELECT $201", Some(8), "$201");
    check("EXPLAIN SELECT 1", None, "this is EXPLAIN");
    check("SELECT 1; SELECT 2", None, "there are 2 statements");
    check("SELECT 1 FROM orders FOR UPDATE", None, "FOR UPDATE");
    let long = format!("SELECT '{}", "x".repeat(5_000));
    assert!(gate.check(&long).expect_err("an open string").message.chars().count() <= 201);
    assert!(gate.check("SELEC 1").expect_err("a typing error").syntax);
    assert!(!gate.check("SELECT version()").expect_err("a forbidden function").syntax);
}

#[test]
fn fingerprints() {
    let gate = gate();
    let of = |sql: &str| gate.check(sql).expect(sql).fingerprint;
    let one = of("SELECT total FROM orders o WHERE id = 7");
    assert_eq!(one.len(), 16);
    assert_eq!(one, of("select  total from orders AS o where id = 8 -- other"));
    assert_ne!(one, of("SELECT total FROM archive.orders o WHERE id = 7"), "the schema counts");
    assert_ne!(one, of("SELECT total FROM stores o WHERE id = 7"), "the relation counts, not its alias");
}

#[test]
fn the_list_of_nodes_is_sorted() {
    assert!(super::super::words::NODES.is_sorted(), "it is searched by halves");
}
