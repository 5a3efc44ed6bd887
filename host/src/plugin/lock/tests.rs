use super::*;
use std::os::unix::fs::PermissionsExt;

fn digest(n: u32) -> String {
    format!("{n:064x}")
}

fn pin(n: u32) -> Pin {
    Pin {
        digest: digest(n),
        version: format!("0.{n}.0"),
        approved_at: now(),
        approved_by: "ann".into(),
        taken_back: None,
        surface: Surface {
            publisher: Some("zava".into()),
            imports: ["rowhouse:plugin/sql".into()].into(),
            items: [("tool/x".into(), digest(n))].into(),
        },
    }
}

fn pins(here: &Path) -> Pins {
    Pins::new(here.join("rowhouse.lock"), here.join("kept"))
}

#[test]
fn the_way_back_skips_what_was_taken_back() {
    let mut entry = Entry::default();
    let previous = |entry: &Entry| entry.previous().map(|pin| pin.version.clone());
    for (n, expected) in [(1, None), (2, Some("0.1.0")), (3, Some("0.2.0"))] {
        entry.serve(pin(n));
        assert_eq!(previous(&entry).as_deref(), expected);
    }
    entry.go_back(&digest(2), "rowhouse", "3 failed").expect("it is kept");
    assert_eq!((entry.serving.as_str(), previous(&entry).as_deref()), (digest(2).as_str(), Some("0.1.0")));
    assert_eq!(entry.hold.as_ref().map(|hold| hold.by.as_str()), Some("rowhouse"));
    // What comes next goes back to what was good, not to what failed.
    entry.serve(pin(4));
    assert_eq!(previous(&entry).as_deref(), Some("0.2.0"));
    entry.go_back(&digest(2), "ann", "4 is slow").expect("it is kept");
    entry.go_back(&digest(1), "ann", "2 is slow").expect("it is kept");
    assert_eq!(previous(&entry), None);
    for (to, why) in [(digest(1), "serves already"), (digest(9), "no such version")] {
        let error = entry.go_back(&to, "ann", "").expect_err("nothing to go back to").to_string();
        assert!(error.contains(why), "{error}");
    }
    // Served again, it is as good as any.
    entry.serve(pin(4));
    assert_eq!(entry.current().and_then(|pin| pin.taken_back.clone()), None);
}

#[test]
fn five_versions_are_kept_and_never_fewer_than_are_needed() {
    let mut entry = Entry::default();
    entry.serve(pin(0));
    let canary = Canary { digest: digest(1), since: now(), by: "ann".into(), share: Share::Percent(10) };
    entry.serve(pin(1));
    entry.canary = Some(canary);
    (2..9).for_each(|n| entry.serve(pin(n)));
    let kept: Vec<&str> = entry.versions.iter().map(|pin| pin.version.as_str()).collect();
    assert_eq!(kept, ["0.1.0", "0.5.0", "0.6.0", "0.7.0", "0.8.0"]);
}

#[test]
fn what_is_written_is_read_back_and_nothing_else_is_believed() {
    let desk = tempfile::tempdir().expect("a directory");
    let pins = pins(desk.path());
    assert_eq!(pins.read().expect("no file is no decision"), Lock::default());
    let write = |lock: &mut Lock, _: &Shelf| -> Result<(), BoxError> {
        let entry = lock.plugins.entry("my sales.v2".to_owned()).or_default();
        entry.serve(pin(1));
        entry.serve(pin(2));
        entry.go_back(&digest(1), "Ann \"the\" operator\n", "it\tfailed")?;
        let share = Share::Tenants(["Seattle".to_owned()].into());
        entry.canary = Some(Canary { digest: digest(7), since: now(), by: "ann".into(), share });
        Ok(())
    };
    pins.change(write).expect("written");
    let lock = pins.read().expect("our own file");
    let entry = &lock.plugins["my sales.v2"];
    assert_eq!(entry.versions.len(), 2);
    assert_eq!(entry.hold.as_ref().map(|hold| hold.why.as_str()), Some("it\tfailed"));
    assert_eq!(entry.canary.as_ref().map(|canary| canary.share.to_string()).as_deref(), Some("Seattle"));
    let path = desk.path().join("rowhouse.lock");
    assert_eq!(fs::metadata(&path).expect("the lock").permissions().mode() & 0o777, 0o600);

    // A change that fails leaves everything.
    let fails = |lock: &mut Lock, _: &Shelf| -> Result<(), BoxError> {
        lock.plugins.clear();
        Err("no".into())
    };
    pins.change(fails).expect_err("it says no");
    assert_eq!(pins.read().expect("our own file"), lock);

    let good = fs::read_to_string(&path).expect("the lock");
    for (what, text, why) in [
        ("half of it", good[..good.len() / 2].to_owned(), "TOML"),
        ("a word nobody knows", good.replace("form = 1", "form = 1\nelse = 1"), "unknown field"),
        ("a later form", good.replace("form = 1", "form = 2"), "its form is 2"),
        ("a path for a digest", good.replace(&digest(7), "../../etc/passwd"), "is no SHA-256"),
    ] {
        fs::write(&path, text).expect("written");
        let error = pins.read().expect_err(what).to_string();
        assert!(error.contains(why), "{what}: {error}");
        pins.change(|_, _| Ok(())).expect_err("what is not understood is not written over");
    }
    fs::write(&path, good).expect("written");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o620)).expect("ours");
    let error = pins.read().expect_err("others may write it").to_string();
    assert!(error.contains("chmod go-w"), "{error}");
}

#[test]
fn writers_do_not_lose_each_others_changes_and_what_is_dropped_is_removed() {
    let desk = tempfile::tempdir().expect("a directory");
    let pins = pins(desk.path());
    let candidate = |n: u32| super::super::loader::Candidate::new(n.to_le_bytes().to_vec(), Some(vec![1]));
    let real = |n: u32| candidate(n).digest;
    std::thread::scope(|scope| {
        for n in 0..8 {
            let pins = pins.clone();
            scope.spawn(move || {
                for round in 0..5 {
                    let change = |lock: &mut Lock, shelf: &Shelf| -> Result<(), BoxError> {
                        shelf.keep(&candidate(n * 10 + round))?;
                        let pin = Pin { digest: real(n * 10 + round), ..pin(1) };
                        lock.plugins.entry(format!("plugin{n}")).or_default().serve(pin);
                        Ok(())
                    };
                    pins.change(change).expect("written");
                }
            });
        }
    });
    let lock = pins.read().expect("our own file");
    assert_eq!(lock.plugins.values().map(|entry| entry.versions.len()).collect::<Vec<_>>(), [5; 8]);
    let kept = || fs::read_dir(desk.path().join("kept")).expect("the shelf").count();
    assert_eq!(kept(), 2 * 8 * 5, "components and signatures");
    let forget = |lock: &mut Lock, _: &Shelf| {
        lock.plugins.remove("plugin0");
        Ok(())
    };
    pins.change(forget).expect("written");
    assert_eq!(kept(), 2 * 7 * 5);
}
