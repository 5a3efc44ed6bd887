//! The queries analysts' databases are measured by, TPC-H and TPC-DS: 121 statements by people who knew nothing of
//! this gate. Where they come from is said in `tests/data/tpc/NOTICE.md`.

use pg_query::NodeEnum;

use super::*;

/// Queries the gate refuses on purpose: which, and the reason it gives. Empty, and meant to stay so.
const REFUSED: [(&str, Reason); 0] = [];

fn read(file: &str) -> String {
    let path = format!("{}/../tests/data/tpc/{file}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The relations of a script of CREATE TABLE, all of them readable.
fn gate_over(script: &str) -> Gate {
    let mut readable = BTreeMap::<String, BTreeSet<String>>::new();
    for statement in pg_query::parse(&read(script), 0).expect("a script").protobuf.stmts {
        match statement.stmt.and_then(|node| node.node) {
            Some(NodeEnum::CreateStmt(table)) => {
                let table = table.relation.expect("a table has a name");
                readable.entry(table.schemaname).or_default().insert(table.relname);
            }
            other => panic!("{script} is for tables only: {other:?}"),
        }
    }
    let search_path = readable.keys().cloned().chain(["ext".to_owned(), "pg_catalog".to_owned()]).collect();
    Gate::new(FUNCTIONS, Relations { search_path, readable })
}

#[track_caller]
fn check(benchmark: &str, queries: u32) {
    let gate = gate_over(&format!("{benchmark}/tables.sql"));
    let mut wrong = vec![];
    for number in 1..=queries {
        let file = format!("{benchmark}/{number:02}.sql");
        let expected = REFUSED.iter().find(|(name, _)| *name == file).map(|(_, reason)| *reason);
        match gate.check(&read(&file)) {
            Ok(checked) if checked.relations.is_empty() => wrong.push(format!("{file}: reads nothing")),
            Ok(_) if expected.is_none() => {}
            Err(refusal) if expected == Some(refusal.reason) => {}
            other => wrong.push(format!("{file}: {other:?}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_query_of_tpc_h_passes() {
    check("h", 22);
}

#[test]
fn every_query_of_tpc_ds_passes() {
    check("ds", 99);
}
