use super::*;
use crate::config::Settings;
use std::fs::File;

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

fn board(state: &std::path::Path) -> Board {
    Board::new(&Settings { state: Some(state.to_owned()), ..Settings::default() })
}

#[test]
fn the_worst_problem_is_the_status() {
    use Severity::{Critical, Info, Warning};
    for (problems, status) in
        [(vec![], "ok"), (vec![Info], "ok"), (vec![Info, Warning], "degraded"), (vec![Warning, Critical, Info], "down")]
    {
        let component = problems.iter().fold(Component::new("disk", json!({ "free": 1 })), |it, severity| {
            it.with(true, *severity, "disk.low", "little is left").with(false, Critical, "disk.gone", "")
        });
        assert_eq!((component.status(), component.problems.len()), (status, problems.len()));
        let told = component.to_json();
        assert_eq!((&told["status"], &told["free"]), (&json!(status), &json!(1)), "{told}");
        assert_eq!(worst(&[Component::new("memory", json!({})), component]), status);
    }
}

#[test]
fn since_when_is_remembered_and_the_last_error_stays() {
    let state = tempfile::tempdir().unwrap();
    let board = board(state.path());
    let ok = || Component::new("plugins", json!({}));
    let bad = |name: &str| ok().of(Some(name), Severity::Warning, "plugins.refused", "it is refused");
    let look = |seconds: u64, component: Component| {
        let mut components = [component];
        board.note(at(seconds), &mut components);
        let [component] = components;
        (component.problems.first().and_then(|it| it.since), component.last)
    };
    let last = |seconds| Some(("plugins.refused".to_owned(), at(seconds)));
    assert_eq!(look(5, ok()), (None, None));
    assert_eq!(look(10, bad("sales")), (Some(at(10)), last(10)));
    assert_eq!(look(20, bad("sales")), (Some(at(10)), last(20)));
    // Another plugin is another problem.
    assert_eq!(look(30, bad("search")), (Some(at(30)), last(30)));
    assert_eq!(look(40, ok()), (None, last(30)));
    assert_eq!(look(50, bad("sales")), (Some(at(50)), last(50)));
}

#[test]
fn keys_that_are_due_are_named_and_the_trails_never_is() {
    let state = tempfile::tempdir().unwrap();
    keys::Keys::open(state.path()).unwrap();
    let board = board(state.path());
    let now = SystemTime::now();
    let days = |days: u64| Duration::from_secs(days * 86_400);
    let told = |now| -> Vec<Option<String>> { board.key_ages(now).problems.into_iter().map(|it| it.subject).collect() };
    assert_eq!(told(now), []);
    for name in ["ticket", "audit"] {
        let file = File::options().write(true).open(state.path().join(format!("keys/{name}.key"))).unwrap();
        file.set_modified(now - days(729)).unwrap();
    }
    assert_eq!(told(now), []);
    assert_eq!(told(now + days(2)), [Some("ticket".to_owned())]);
}

#[test]
fn a_trail_that_does_not_move_is_late() {
    let state = tempfile::tempdir().unwrap();
    let (board, start) = (board(state.path()), Instant::now());
    let found = |spooled, shipped| audit::Status {
        node: uuid::Uuid::from_u128(1),
        spooled,
        spool_bytes: 0,
        shipped,
        lost: 0,
        conflicts: 0,
        stuck: false,
    };
    let codes = |seconds, spooled, shipped| -> Vec<&'static str> {
        let told = board.trail(start + Duration::from_secs(seconds), Some(found(spooled, shipped)));
        told.problems.iter().map(|problem| problem.code).collect()
    };
    assert_eq!(codes(0, 3, 10), [""; 0]);
    assert_eq!(codes(59, 9, 10), [""; 0]);
    assert_eq!(codes(60, 9, 10), ["audit.lag"]);
    assert_eq!(codes(61, 2, 17), [""; 0]);
    let stuck = audit::Status { stuck: true, lost: 2, ..found(0, 17) };
    let told = board.trail(start + Duration::from_secs(62), Some(stuck));
    assert_eq!(told.problems.iter().map(|it| it.code).collect::<Vec<_>>(), ["audit.stuck", "audit.lost"]);
    assert_eq!(told.status(), "down");
    assert_eq!(board.trail(start, None).status(), "ok");
}
