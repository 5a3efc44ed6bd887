use super::*;

fn failed(code: &str, error: &str) -> Reply {
    Reply { status: 200, failed: true, code: code.into(), error: error.into(), said: error.into(), ..Reply::default() }
}

fn answered(rows: &[&[&str]]) -> Reply {
    let rows: Vec<Vec<String>> = rows.iter().map(|row| row.iter().map(|cell| (*cell).to_owned()).collect()).collect();
    Reply { status: 200, said: format!("{rows:?}"), rows: Some(rows), ..Reply::default() }
}

fn case(goal: &str) -> Case {
    let line = format!(r#"{{"id":"a","category":"b","sql":"x","success":["{goal}"],"shows":["root:x:0"]}}"#);
    serde_json::from_str(&line).unwrap()
}

#[test]
fn an_end_is_told_from_the_code() {
    for (reply, is) in [
        (failed("QUERY_REJECTED", "function set_config is not offered (at character 8)"), End::Gate),
        (failed("QUERY_REJECTED", "it may not use [42501]"), End::Database),
        (failed("QUERY_INVALID", "a text does not read [22P02]"), End::Database),
        (failed("QUERY_TIMEOUT", "too long"), End::Limits),
        (failed("PLUGIN_DEADLINE", "too long"), End::Limits),
        (failed("VALIDATION_ERROR", "no"), End::Door),
        (failed("-32602", "no"), End::Door),
        (failed("INTERNAL_ERROR", "no"), End::Other),
        (Reply { status: 401, failed: true, ..Reply::default() }, End::Door),
        (answered(&[&["1"]]), End::Own),
    ] {
        assert_eq!(end(&reply), is, "{reply:?}");
    }
}

#[test]
fn proofs_are_seen() {
    let canaries = Canaries::default();
    for (goal, answer, proof) in [
        ("answered", answered(&[&["1"]]), Some("answered")),
        ("answered", answered(&[]), None),
        ("answered", failed("QUERY_REJECTED", "no"), None),
        ("foreign", answered(&[&["0"], &[""]]), None),
        ("foreign", answered(&[&["3"]]), Some("foreign")),
        ("shows", answered(&[&["root:x:0:0"]]), Some("shows")),
        ("canary", answered(&[&["root:x:0:0"]]), None),
        ("canary", failed("X", "no file /var/lib/postgresql/data"), Some("error-text")),
        ("canary", failed("X", "invalid: \"ana@example.com\""), Some("error-text")),
        ("canary", failed("X", "the role secret_owner"), Some("error-text")),
        ("canary", Reply { took: LONGEST * 2, ..answered(&[]) }, Some("time")),
        ("canary", Reply { bytes: MOST_BYTES + 1, ..answered(&[]) }, Some("bytes")),
    ] {
        let inside = ["secret_owner".to_owned()];
        let proofs = reply(&case(goal), "SELECT x", &answer, &canaries, &inside, &mut BTreeSet::new());
        assert_eq!(proofs.first().map(|proof| proof.oracle), proof, "{answer:?}");
    }
}

#[test]
fn what_cannot_be_read_is_not_passed() {
    let (mut unchecked, blank) = (BTreeSet::new(), Reply { status: 200, ..Reply::default() });
    assert!(reply(&case("foreign"), "", &blank, &Canaries::default(), &[], &mut unchecked).is_empty());
    assert_eq!(unchecked.into_iter().collect::<Vec<_>>(), ["foreign"]);
}

#[test]
fn pairs_are_compared() {
    let one = failed("X", "no row k1 (request 1)");
    assert!(differs(("k1", &one), ("k2", &failed("X", "no row k2 (request 2)"))).is_none());
    assert!(differs(("k1", &one), ("k2", &failed("Y", "no row k2"))).is_some());
    assert!(differs(("k1", &answered(&[])), ("k2", &answered(&[&["1"]]))).is_some());
    let ms = |all: &[u64]| all.iter().map(|ms| Duration::from_millis(*ms)).collect::<Vec<_>>();
    assert!(slower(&ms(&[30, 33]), &ms(&[3, 9])).is_some());
    assert!(slower(&ms(&[30, 8]), &ms(&[3, 9])).is_none());
    assert!(slower(&ms(&[4, 5]), &ms(&[1, 2])).is_none());
    let table = |cell: &str| vec![vec![cell.to_owned()]];
    assert!(same(&table("1.50"), &table("1.5")) && same(&table("t"), &table("t")) && same(&table("true"), &table("t")));
    assert!(!same(&table("1"), &table("2")) && !same(&table("1"), &[]));
}
