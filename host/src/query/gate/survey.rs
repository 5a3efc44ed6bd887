//! SQL that stands somewhere in a text, as in a component's data: what an author may be told before anybody runs it.
//!
//! Best effort, and no wall: literals of a program stand side by side without a gap, and a statement that is put together
//! while the program runs stands nowhere whole. What cannot be told is passed over.

use super::{Gate, Reason, Refusal, Relations};
use pg_query::{NodeEnum, protobuf::SelectStmt, protobuf::SetOperation};
use rowhouse_migrations as shape;
use serde_json::Value;
use std::collections::BTreeSet;

/// The longest statement that is looked for, in bytes. Each end that it may have costs a run of the parser.
const LONGEST: usize = 4 << 10;

/// Ends that are tried, from the last one back.
const ENDS: usize = 600;

/// Bytes at the end of a statement that may belong to the literal after it.
const TAIL: usize = 48;

/// What makes one row of many.
const AGGREGATES: [&str; 30] = [
    "any_value",
    "array_agg",
    "avg",
    "bit_and",
    "bit_or",
    "bit_xor",
    "bool_and",
    "bool_or",
    "corr",
    "count",
    "covar_pop",
    "covar_samp",
    "every",
    "json_agg",
    "json_object_agg",
    "jsonb_agg",
    "jsonb_object_agg",
    "max",
    "min",
    "mode",
    "percentile_cont",
    "percentile_disc",
    "range_agg",
    "regr_slope",
    "stddev",
    "stddev_samp",
    "string_agg",
    "sum",
    "var_samp",
    "variance",
];

/// What a statement goes on with: one that is followed by such a word is half of one.
const GOES_ON: [&str; 31] = [
    "AND",
    "AS",
    "ASC",
    "BETWEEN",
    "CROSS",
    "DESC",
    "EXCEPT",
    "FETCH",
    "FOR",
    "FROM",
    "FULL",
    "GROUP",
    "HAVING",
    "ILIKE",
    "IN",
    "INNER",
    "INTERSECT",
    "IS",
    "JOIN",
    "LEFT",
    "LIKE",
    "LIMIT",
    "NOT",
    "OFFSET",
    "ON",
    "OR",
    "ORDER",
    "RIGHT",
    "UNION",
    "USING",
    "WHERE",
];

/// What an inner SELECT follows.
const INSIDE: [&str; 6] = ["ALL", "AS", "EXCEPT", "EXISTS", "INTERSECT", "UNION"];

/// A statement that was found.
#[derive(Debug)]
pub struct Found {
    /// As it stands.
    pub text: String,
    /// Whether it gives as many rows as it says and no more: by LIMIT, or because it aggregates.
    pub bounded: bool,
    /// Why the gate would refuse it, whatever tables and columns there are.
    pub refusal: Option<Refusal>,
}

/// The statements in a text that read a relation. `functions` are those of the operator's own.
pub fn statements(text: &[u8], functions: &[String]) -> Vec<Found> {
    let (mut found, mut seen, mut at) = (Vec::new(), BTreeSet::new(), 0);
    while let Some(start) = next(text, at) {
        at = start + 4;
        let Some(statement) = longest(text, start) else { continue };
        at = start + statement.len();
        if !seen.insert(statement) {
            continue;
        }
        match judge(statement, functions) {
            // A literal may begin where one ends: what is refused at its very end may be the next one's.
            Some(refused) if refused.refusal.is_some() => {
                let from = statement.floor_char_boundary(statement.len().saturating_sub(TAIL));
                let shorter = ends(statement).into_iter().filter(|end| (from..statement.len()).contains(end));
                let whole = shorter.filter(|end| !goes_on(&statement[*end..]));
                let whole = whole.filter(|end| pg_query::parse(&statement[..*end], 0).is_ok());
                let mut judged = whole.filter_map(|end| judge(statement[..end].trim_end(), functions));
                found.push(judged.find(|it| it.refusal.is_none()).unwrap_or(refused));
            }
            judged => found.extend(judged),
        }
    }
    found
}

/// CPython carries SQLite, whose own statements are none of the plugin's; and where code is taken for SQL, quotes hold more
/// than a name.
fn is_foreign(statement: &str, relations: &[String]) -> bool {
    let name = |c: char| c.is_alphanumeric() || c == '_' || c == ' ';
    let mut quoted = statement.split('"').skip(1).step_by(2);
    quoted.any(|text| !text.chars().all(name)) || relations.iter().any(|relation| relation.contains("sqlite_"))
}

/// What there is to say of a statement. `None`: it reads nothing, or is none of the plugin's.
fn judge(statement: &str, functions: &[String]) -> Option<Found> {
    let tree = pg_query::parse(statement, 0).ok()?;
    let relations = tree.select_tables();
    let NodeEnum::SelectStmt(select) = tree.protobuf.stmts.first()?.stmt.as_ref()?.node.as_ref()? else { return None };
    if relations.is_empty() || is_foreign(statement, &relations) {
        return None;
    }
    let refusal = refusal(statement, relations, functions);
    Some(Found { text: statement.to_owned(), bounded: bounded(select), refusal })
}

/// Where the next statement may begin.
fn next(text: &[u8], from: usize) -> Option<usize> {
    (from..text.len()).find(|&at| {
        let word = ["SELECT", "WITH"].into_iter().find(|word| {
            let is = text.get(at..at + word.len()).is_some_and(|here| here.eq_ignore_ascii_case(word.as_bytes()));
            is && text.get(at + word.len()).is_some_and(u8::is_ascii_whitespace)
        });
        word.is_some_and(|word| {
            let before = text[at.saturating_sub(32)..at].trim_ascii_end();
            let inner = before.ends_with(b"(")
                || before.ends_with(b")")
                || INSIDE.iter().any(|word| before.ends_with(word.as_bytes()));
            // Prose says "select" and "with", too, and says them small: there, only the name of a schema tells.
            let large = text[at..].starts_with(word.as_bytes());
            let alone = at == 0 || !text[at - 1].is_ascii_alphanumeric();
            !inner && (large || alone && names_a_schema(&text[at..]))
        })
    })
}

/// Whether `from schema.table` follows soon.
fn names_a_schema(text: &[u8]) -> bool {
    let text = String::from_utf8_lossy(&text[..text.len().min(600)]).to_ascii_lowercase();
    let Some((_, rest)) = text.split_once("from ") else { return false };
    let name =
        rest.trim_start().split(|c: char| !c.is_alphanumeric() && c != '_' && c != '.').next().unwrap_or_default();
    name.split_once('.').is_some_and(|(schema, table)| !schema.is_empty() && table.len() > 1)
}

/// Where a statement may end, the last place first: where letters, digits and spaces change over.
fn ends(text: &str) -> Vec<usize> {
    let kind = |c: char| match c {
        c if c.is_alphabetic() || c == '_' => 0,
        c if c.is_numeric() => 1,
        c if c.is_whitespace() => 2,
        _ => 3,
    };
    let letters: Vec<(usize, char)> = text.char_indices().collect();
    let changes = letters.windows(2).rev().filter(|two| kind(two[0].1) != kind(two[1].1) || kind(two[1].1) == 3);
    std::iter::once(text.len()).chain(changes.map(|two| two[1].0)).take(ENDS).collect()
}

/// The longest statement that begins here. `None`: there is none, or half of one.
fn longest(text: &[u8], start: usize) -> Option<&str> {
    let here = &text[start..text.len().min(start + LONGEST)];
    let printable = here.iter().position(|b| *b == 0x7f || *b < 0x20 && !b.is_ascii_whitespace());
    let here = &here[..printable.unwrap_or(here.len())];
    let here = match std::str::from_utf8(here) {
        Ok(all) => all,
        Err(error) => std::str::from_utf8(&here[..error.valid_up_to()]).ok()?,
    };
    // Without it, nothing is read.
    here.to_ascii_uppercase().find("FROM")?;
    let end = ends(here).into_iter().find(|end| pg_query::parse(&here[..*end], 0).is_ok())?;
    (!goes_on(&here[end..])).then(|| here[..end].trim_end())
}

/// Whether this is more of a statement, and not of something else.
fn goes_on(rest: &str) -> bool {
    let rest = rest.trim_start();
    let word: String = rest.chars().take_while(|c| c.is_ascii_alphabetic()).collect();
    GOES_ON.contains(&word.to_ascii_uppercase().as_str())
        || rest.starts_with(['=', '<', '>', '+', '-', '*', '/', ',', '(', ')', '.', '$', '|', '~', '{'])
}

/// Whether a SELECT bounds its own rows.
fn bounded(select: &SelectStmt) -> bool {
    if select.limit_count.is_some() || select.from_clause.is_empty() && select.op() == SetOperation::SetopNone {
        return true;
    }
    if let (Some(left), Some(right)) = (&select.larg, &select.rarg) {
        return bounded(left) && bounded(right);
    }
    !select.group_clause.is_empty()
        || serde_json::to_value(&select.target_list).is_ok_and(|targets| aggregates(&targets))
}

/// Whether an aggregate is called, other than over a window or in a SELECT of its own.
fn aggregates(tree: &Value) -> bool {
    match tree {
        Value::Array(items) => items.iter().any(aggregates),
        Value::Object(fields) => fields.iter().any(|(key, value)| match key.as_str() {
            "SubLink" => false,
            "FuncCall" if value["over"].is_null() => {
                let named = value["funcname"].as_array().and_then(|words| words.last()).map(Value::to_string);
                named.is_some_and(|name| AGGREGATES.iter().any(|known| name.contains(&format!("\"{known}\""))))
                    || aggregates(value)
            }
            _ => aggregates(value),
        }),
        _ => false,
    }
}

/// Why the gate would refuse it. Which tables and columns there are is the database's to say.
fn refusal(statement: &str, names: Vec<String>, functions: &[String]) -> Option<Refusal> {
    const HERE: &str = "here";
    let mut relations = Relations { search_path: vec![HERE.to_owned()], ..Relations::default() };
    for name in names {
        let (schema, name) = name.split_once('.').unwrap_or((HERE, name.as_str()));
        relations.readable.entry(schema.to_owned()).or_default().insert(name.to_owned());
    }
    let gate = Gate::new(shape::ALLOWED_FUNCTIONS, relations).with_functions(functions);
    gate.check(statement).err().filter(|it| !matches!(it.reason, Reason::Relation | Reason::Column | Reason::Syntax))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each statement with `bounded`, `loose` or the rule it breaks.
    fn survey(text: &str) -> Vec<(String, String)> {
        let word = |found: &Found| match &found.refusal {
            Some(refusal) => refusal.reason.as_str().to_owned(),
            None => if found.bounded { "bounded" } else { "loose" }.to_owned(),
        };
        statements(text.as_bytes(), &[]).iter().map(|found| (found.text.clone(), word(found))).collect()
    }

    #[test]
    fn a_statement_is_found_among_other_texts_and_judged() {
        for (text, want) in [
            ("SELECT a FROM s.t LIMIT 10", Some(("SELECT a FROM s.t LIMIT 10", "bounded"))),
            ("SELECT a FROM s.t", Some(("SELECT a FROM s.t", "loose"))),
            // A literal ends where the next one begins.
            (
                "src/lib.rsSELECT a FROM s.t LIMIT 10called `Option::unwrap()`",
                Some(("SELECT a FROM s.t LIMIT 10", "bounded")),
            ),
            ("SELECT a FROM s.t\nORDER BY a\0low_stock", Some(("SELECT a FROM s.t\nORDER BY a", "loose"))),
            (
                "const S = `\nSELECT a FROM t WHERE b <= $1 LIMIT 10`;",
                Some(("SELECT a FROM t WHERE b <= $1 LIMIT 10", "bounded")),
            ),
            ("SELECT a FROM s.t ORDER BY namesales::products", Some(("SELECT a FROM s.t ORDER BY namesales", "loose"))),
            // Aggregates.
            ("SELECT count(*) FROM s.t", Some(("SELECT count(*) FROM s.t", "bounded"))),
            ("SELECT round(sum(a), 2) FROM s.t", Some(("SELECT round(sum(a), 2) FROM s.t", "bounded"))),
            ("SELECT sum(a) OVER () FROM s.t", Some(("SELECT sum(a) OVER () FROM s.t", "loose"))),
            (
                "SELECT a, (SELECT max(b) FROM s.u) FROM s.t",
                Some(("SELECT a, (SELECT max(b) FROM s.u) FROM s.t", "loose")),
            ),
            ("SELECT b, a FROM s.t GROUP BY 1, 2", Some(("SELECT b, a FROM s.t GROUP BY 1, 2", "bounded"))),
            (
                "WITH x AS (SELECT a FROM s.t) SELECT count(*) FROM x",
                Some(("WITH x AS (SELECT a FROM s.t) SELECT count(*) FROM x", "bounded")),
            ),
            (
                "SELECT a FROM s.t UNION SELECT a FROM s.u LIMIT 3",
                Some(("SELECT a FROM s.t UNION SELECT a FROM s.u LIMIT 3", "bounded")),
            ),
            (
                "SELECT count(*) FROM s.t UNION ALL SELECT a FROM s.u",
                Some(("SELECT count(*) FROM s.t UNION ALL SELECT a FROM s.u", "loose")),
            ),
            // The gate.
            ("SELECT pg_sleep(a) FROM s.t LIMIT 1", Some(("SELECT pg_sleep(a) FROM s.t LIMIT 1", "function"))),
            ("SELECT a FROM s.t LIMIT 1 FOR UPDATE", Some(("SELECT a FROM s.t LIMIT 1 FOR UPDATE", "construct"))),
            // Small letters: only with a schema, since prose selects, too.
            ("select a from s.tt limit 1", Some(("select a from s.tt limit 1", "bounded"))),
            ("select an item from the list", None),
            // Half a statement, an inner one, none.
            ("SELECT a FROM s.t WHERE b <= ", None),
            ("SELECT a FROM s.t WHERE b IN (", None),
            ("WHERE EXISTS (SELECT 1 FROM s.t) AND ", None),
            ("WITH x AS (SELECT {}) SELECT a FROM x", None),
            ("SELECT * FROM a\") # OK\n run(\"SELECT * FROM \" + b)", None),
            ("SELECT 1", None),
            ("SELECT sql FROM \"%w\".sqlite_schema WHERE type='index'", None),
            ("SELECT what you like FROM", None),
        ] {
            let want: Vec<_> = want.into_iter().map(|(text, word)| (text.to_owned(), word.to_owned())).collect();
            assert_eq!(survey(text), want, "{text}");
        }
    }

    #[test]
    fn the_same_statement_is_told_once() {
        let twice = "SELECT a FROM s.t\0SELECT a FROM s.t\0SELECT b FROM s.t";
        assert_eq!(survey(twice).len(), 2);
    }
}
