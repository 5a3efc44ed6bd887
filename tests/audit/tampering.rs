//! Every way to tamper with the trail, done by a superuser who can switch the table's own guard off.

use super::*;

/// A trail of ten calls, all in the database.
async fn ten(trail: &Trail) -> Uuid {
    let (audit, _clerk) = trail.open().await;
    record(&audit, 0..10).await;
    audit.close().await;
    status(&audit).node
}

/// Do this to the rows of `node`, written `$node`.
async fn tamper(admin: &Client, node: Uuid, sql: &str) {
    let sql = sql.replace("$node", &format!("'{node}'"));
    let all = format!("BEGIN; SET LOCAL session_replication_role = replica; {sql}; COMMIT");
    admin.batch_execute(&all).await.unwrap_or_else(|e| panic!("{sql}: {e:?}"));
}

#[tokio::test]
async fn each_way_is_named() {
    let (trail, admin) = (Trail::new().await, admin().await);
    // Each case takes the chain on from where the one before left it whole: the rows are put back.
    let node = ten(&trail).await;
    let keep = format!("CREATE TEMPORARY TABLE original AS SELECT * FROM rowhouse.audit WHERE node = '{node}'");
    admin.batch_execute(&keep).await.expect("a copy");
    let check = async |sql: &str, broken: Option<(u64, Fault)>| {
        tamper(&admin, node, sql).await;
        assert_eq!(verdict(&admin, &trail.spool(), &key(7), node).await.broken, broken, "{sql}");
        let restore =
            "DELETE FROM rowhouse.audit WHERE node = $node; INSERT INTO rowhouse.audit SELECT * FROM original";
        tamper(&admin, node, restore).await;
    };
    let edit = |seq: u32| {
        format!("UPDATE rowhouse.audit SET record = replace(record, 'ann', 'bob') WHERE node = $node AND seq = {seq}")
    };
    check("SELECT", None).await;
    check(&edit(1), Some((1, Fault::Edited))).await;
    check(&edit(5), Some((5, Fault::Edited))).await;
    check(&edit(10), Some((10, Fault::Edited))).await;
    check("DELETE FROM rowhouse.audit WHERE node = $node AND seq = 1", Some((1, Fault::Missing))).await;
    check("DELETE FROM rowhouse.audit WHERE node = $node AND seq IN (4, 5)", Some((4, Fault::Missing))).await;
    check("DELETE FROM rowhouse.audit WHERE node = $node AND seq > 7", Some((8, Fault::Truncated))).await;
    check("DELETE FROM rowhouse.audit WHERE node = $node", Some((1, Fault::Truncated))).await;
    let swap = "UPDATE rowhouse.audit SET seq = -seq WHERE node = $node AND seq IN (4, 5);
        UPDATE rowhouse.audit SET seq = 9 + seq WHERE node = $node AND seq < 0";
    let unchecked = |sql: &str| {
        format!(
            "ALTER TABLE rowhouse.audit DROP CONSTRAINT audit_seq_check; {sql};
            ALTER TABLE rowhouse.audit ADD CONSTRAINT audit_seq_check CHECK (seq > 0)"
        )
    };
    check(&unchecked(swap), Some((4, Fault::Foreign))).await;
    // One left out, and the numbers closed up behind it.
    let close_up = "DELETE FROM rowhouse.audit WHERE node = $node AND seq = 4;
        UPDATE rowhouse.audit SET seq = -seq WHERE node = $node AND seq > 4;
        UPDATE rowhouse.audit SET seq = -seq - 1 WHERE node = $node AND seq < 0";
    check(&unchecked(close_up), Some((4, Fault::Foreign))).await;
    let made_up = "INSERT INTO rowhouse.audit (node, seq, at, event, record, mac)
        SELECT node, 11, at, event, record, sha256('x') FROM rowhouse.audit WHERE node = $node AND seq = 10";
    check(made_up, Some((11, Fault::Foreign))).await;
    check("UPDATE rowhouse.audit SET mac = sha256('x') WHERE node = $node AND seq = 6", Some((6, Fault::Foreign)))
        .await;
    check("UPDATE rowhouse.audit SET at = now() WHERE node = $node AND seq = 3", Some((3, Fault::Relabelled))).await;
    check("UPDATE rowhouse.audit SET event = 'other' WHERE node = $node AND seq = 3", Some((3, Fault::Relabelled)))
        .await;
    check("UPDATE rowhouse.audit SET record = 'no JSON' WHERE node = $node AND seq = 3", Some((3, Fault::Edited)))
        .await;
    let wrong = verdict(&admin, &trail.spool(), &key(8), node).await;
    assert_eq!(wrong.broken, Some((1, Fault::Key)));
}

#[tokio::test]
async fn a_record_of_another_node_does_not_pass() {
    let (one, two, admin) = (Trail::new().await, Trail::new().await, admin().await);
    let (from, to) = (ten(&one).await, ten(&two).await);
    let replace = format!(
        "DELETE FROM rowhouse.audit WHERE node = $node;
         INSERT INTO rowhouse.audit SELECT '{to}', seq, at, event, record, mac FROM rowhouse.audit WHERE node = '{from}'"
    );
    tamper(&admin, to, &replace).await;
    assert_eq!(verdict(&admin, &two.spool(), &key(7), to).await.broken, Some((1, Fault::Foreign)));
    assert_eq!(verdict(&admin, &one.spool(), &key(7), from).await.broken, None);
}

#[tokio::test]
async fn an_archived_beginning_can_be_stepped_over() {
    let (trail, admin) = (Trail::new().await, admin().await);
    let node = ten(&trail).await;
    tamper(&admin, node, "DELETE FROM rowhouse.audit WHERE node = $node AND seq < 4").await;
    assert_eq!(verdict(&admin, &trail.spool(), &key(7), node).await.broken, Some((1, Fault::Missing)));
    let check = async |after, sound, broken| {
        let which = Which { node: Some(node), after: Some(after) };
        let verdicts = verify(&admin, &key(7), &trail.spool(), which, &mut |_, _| {}).await.expect("a walk");
        assert_eq!((verdicts[0].sound, verdicts[0].broken), (sound, broken), "after {after}");
    };
    check(4, 6, None).await;
    check(9, 1, None).await;
    check(2, 0, Some((2, Fault::Missing))).await;
}

#[tokio::test]
async fn rows_made_up_ahead_do_not_swallow_records() {
    let (trail, admin) = (Trail::new().await, admin().await);
    let node = ten(&trail).await;
    let ahead = "INSERT INTO rowhouse.audit (node, seq, at, event, record, mac)
        SELECT node, seq + 10, at, event, record, mac FROM rowhouse.audit WHERE node = $node AND seq <= 3";
    tamper(&admin, node, ahead).await;
    let (audit, _clerk) = trail.open().await;
    record(&audit, 10..15).await;
    audit.close().await;
    assert_eq!((status(&audit).conflicts, status(&audit).shipped), (3, 2));
    let kept = std::fs::read_to_string(trail.spool().join(node.to_string()).join("conflict")).expect("kept beside");
    assert_eq!(kept.lines().count(), 3);
    assert_eq!(verdict(&admin, &trail.spool(), &key(7), node).await.broken, Some((11, Fault::Foreign)));
    // This chain is never written to again.
    let (audit, _clerk) = trail.open().await;
    assert_ne!(status(&audit).node, node);
    audit.close().await;
}
