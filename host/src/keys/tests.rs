use super::*;
use std::os::unix::fs::PermissionsExt;

fn exposed(key: &Key) -> [u8; 32] {
    *key.expose_secret()
}

#[test]
fn keys_are_made_once_and_guarded() {
    let dir = tempfile::tempdir().unwrap();
    let first = Keys::open(dir.path()).unwrap();
    let again = Keys::open(dir.path()).unwrap();
    assert_eq!(exposed(&first.ticket), exposed(&again.ticket));
    assert_ne!(exposed(&first.ticket), exposed(&first.issuer));
    assert_ne!(exposed(&first.ticket), exposed(&first.audit));
    assert_ne!(first.password("a").expose_secret(), first.password("b").expose_secret());
    let path = dir.path().join("keys/ticket.key");
    let refused = || Keys::open(dir.path()).err().expect("refused").to_string();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    assert!(refused().contains("chmod 600"), "{}", refused());
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    let keys = dir.path().join("keys");
    for (mode, part) in [(0o770, "chmod 700"), (0o702, "chmod 700"), (0o750, "")] {
        std::fs::set_permissions(&keys, std::fs::Permissions::from_mode(mode)).unwrap();
        let outcome = Keys::open(dir.path()).err().map(|error| error.to_string()).unwrap_or_default();
        assert!(outcome.contains(part) && outcome.is_empty() == part.is_empty(), "{mode:o}: {outcome}");
    }
    std::fs::set_permissions(&keys, std::fs::Permissions::from_mode(0o700)).unwrap();
    for length in [31, 33] {
        std::fs::write(&path, vec![0; length]).unwrap();
        assert!(refused().contains("must be 32 bytes"), "{length}: {}", refused());
    }
}

/// A state directory from before there was a login key keeps its passwords, and keeps them when the ticket key goes.
#[test]
fn passwords_outlive_the_ticket_key() {
    let dir = tempfile::tempdir().unwrap();
    let first = Keys::open(dir.path()).unwrap();
    std::fs::remove_file(dir.path().join("keys/login.key")).unwrap();
    let before = Keys::open(dir.path()).unwrap();
    assert_eq!(before.password("r").expose_secret(), first.password("r").expose_secret());
    assert_eq!(exposed(&before.login), exposed(&before.ticket));
    replace(dir.path(), &Settings::default(), Name::Ticket, &fresh(), Duration::from_secs(60)).unwrap();
    let after = Keys::open(dir.path()).unwrap();
    assert_ne!(after.ticket_name(), before.ticket_name());
    assert_eq!(after.password("r").expose_secret(), before.password("r").expose_secret());
}

#[test]
fn the_key_before_lives_until_its_grace_ends() {
    let dir = tempfile::tempdir().unwrap();
    let settings = Settings::default();
    let rotate = |name, seconds| replace(dir.path(), &settings, name, &fresh(), Duration::from_secs(seconds)).unwrap();
    let one = Keys::open(dir.path()).unwrap();
    assert!(one.ticket_previous.is_none() && one.issuer_previous.is_none() && one.login_previous.is_none());
    for name in [Name::Ticket, Name::Issuer, Name::Login] {
        rotate(name, 600);
    }
    let two = Keys::open(dir.path()).unwrap();
    assert_eq!(two.ticket_previous.as_ref().map(exposed), Some(exposed(&one.ticket)));
    assert_eq!(two.issuer_previous.as_ref().map(exposed), Some(exposed(&one.issuer)));
    assert_eq!(two.ticket_names(), [two.ticket_name(), one.ticket_name()]);
    assert_eq!(two.previous_password("r").unwrap().expose_secret(), one.password("r").expose_secret());
    let kept = kept(dir.path(), &settings).unwrap();
    assert!(kept.iter().all(|kept| kept.previous.is_some() == (kept.name != Name::Audit)), "{kept:?}");
    // Its time is over: the file is still there, and says nothing any more.
    let files = Dir::open(dir.path()).unwrap();
    files.write_previous(Name::Ticket, &one.ticket, SystemTime::now() - Duration::from_secs(1)).unwrap();
    assert!(Keys::open(dir.path()).unwrap().ticket_previous.is_none());
    // Stopped half-way: the old key is both, and only one of them counts.
    files.write_previous(Name::Ticket, &two.ticket, SystemTime::now() + Duration::from_secs(60)).unwrap();
    assert!(Keys::open(dir.path()).unwrap().ticket_previous.is_none());
    // At once.
    rotate(Name::Issuer, 0);
    assert!(Keys::open(dir.path()).unwrap().issuer_previous.is_none());
    // No grace is for ever.
    rotate(Name::Issuer, u64::MAX / 4);
    let (_, end) = files.previous(Name::Issuer).unwrap().expect("kept");
    assert!(end <= SystemTime::now() + LONGEST_GRACE);
    let parts = std::fs::read_dir(files.path()).unwrap().flatten();
    let parts: Vec<_> = parts.map(|e| e.file_name()).filter(|n| n.to_string_lossy().ends_with(".part")).collect();
    assert!(parts.is_empty(), "{parts:?}");
}

#[test]
fn keys_come_from_the_settings_too() {
    let dir = tempfile::tempdir().unwrap();
    let text = |text: &str| Some(Secret::from(text.to_owned()));
    let url_safe = "-_-_-_-_-_-_-_-_-_-_-_-_-_-_-_-_-_-_-_-_-_8";
    let with = |ticket: &str| {
        let settings = Settings { ticket: text(ticket), login: text(&"07".repeat(32)), ..Settings::default() };
        Keys::with(dir.path(), &settings).map(|keys| exposed(&keys.ticket))
    };
    assert_eq!(with(&"07".repeat(32)).unwrap(), [7; 32]);
    assert_eq!(with("BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=\n").unwrap(), [7; 32]);
    assert_eq!(with(url_safe).unwrap()[..3], [0xfb, 0xff, 0xbf]);
    for wrong in ["swordfish", &"07".repeat(31), &"0x".repeat(32), "BwcHBwc="] {
        let refused = with(wrong).expect_err(wrong).to_string();
        assert!(refused.contains("keys.ticket") && !refused.contains(wrong), "{wrong}: {refused}");
    }
    assert!(!dir.path().join("keys/ticket.key").exists(), "a key of the settings is not written down");

    let alone = Settings { ticket: text(&"07".repeat(32)), ..Settings::default() };
    assert!(matches!(Keys::with(dir.path(), &alone), Err(Error::NoLogin)));
    let login = Settings { login: text(&"08".repeat(32)), ..Settings::default() };
    let refused = replace(dir.path(), &login, Name::Login, &fresh(), Duration::ZERO).unwrap_err();
    assert!(refused.to_string().contains("replace it there"), "{refused}");
    let rolling = Settings { issuer_previous: text(&"09".repeat(32)), ..Settings::default() };
    assert_eq!(Keys::with(dir.path(), &rolling).unwrap().issuer_previous.as_ref().map(exposed), Some([9; 32]));
}

/// A ticket key of the settings has an end, too; what starts with it later does not say a later one.
#[test]
fn the_ticket_key_before_one_of_the_settings_ends() {
    let dir = tempfile::tempdir().unwrap();
    let text = |text: &str| Some(Secret::from(text.repeat(32)));
    let with = |seconds, previous: &str| {
        let (ticket, ticket_previous, login) = (text("07"), text(previous), text("08"));
        let settings = Settings { ticket, ticket_previous, login, ..Settings::default() };
        Keys::with(dir.path(), &Settings { previous_grace_seconds: seconds, ..settings }).unwrap()
    };
    let day = Settings::default().previous_grace_seconds;
    assert_eq!(day, 24 * 60 * 60);
    for (seconds, most) in [(day, day), (600, 600), (u64::MAX, LONGEST_GRACE.as_secs())] {
        let (name, left) = with(seconds, "09").retiring().expect("an end");
        assert_eq!(name, ticket_name(&SecretBox::new(Box::new([9; 32]))));
        assert!(u64::from(left) <= most && u64::from(left) + 60 >= most, "{seconds}: {left}");
    }
    assert!(with(0, "09").ticket_previous.is_none(), "over at once");
    assert!(with(day, "07").retiring().is_none(), "the key in use does not end");
}

#[tokio::test]
async fn a_running_host_hears_of_new_keys() {
    let dir = tempfile::tempdir().unwrap();
    let settings = Settings::default();
    let mut keys = watch(dir.path(), &settings, tokio_util::sync::CancellationToken::new()).unwrap();
    let first = keys.borrow_and_update().ticket_name();
    replace(dir.path(), &settings, Name::Ticket, &fresh(), Duration::from_secs(2)).unwrap();
    let soon = Duration::from_secs(60);
    tokio::time::timeout(soon, keys.changed()).await.expect("word of it").unwrap();
    assert_eq!(keys.borrow_and_update().ticket_names()[1..], [first]);
    // And of the end of the old one, with nobody writing anything.
    tokio::time::timeout(soon, keys.changed()).await.expect("word of the end").unwrap();
    assert_eq!(keys.borrow_and_update().ticket_names().len(), 1);
    // A file that is gone or no key changes nothing, and nothing is made in its place.
    let name = keys.borrow().ticket_name();
    let ticket = dir.path().join("keys/ticket.key");
    let before = std::fs::read(&ticket).unwrap();
    std::fs::remove_file(&ticket).unwrap();
    std::fs::write(dir.path().join("keys/issuer.key"), "short").unwrap();
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert!(!ticket.exists() && keys.borrow().ticket_name() == name);
    assert!(!keys.has_changed().unwrap());
    // What comes after is heard all the same.
    std::fs::write(&ticket, before).unwrap();
    std::fs::set_permissions(&ticket, std::fs::Permissions::from_mode(0o600)).unwrap();
    std::fs::remove_file(dir.path().join("keys/issuer.key")).unwrap();
    Keys::open(dir.path()).unwrap();
    tokio::time::timeout(soon, keys.changed()).await.expect("word of the new issuer key").unwrap();
    assert_eq!(keys.borrow().ticket_name(), name);
}
