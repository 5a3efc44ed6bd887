use super::*;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;
use uuid::Uuid;

const NOBODY: &str = "@id(\"nobody\") forbid (principal, action, resource);";
const ANYBODY: &str = "@id(\"anybody\") permit (principal, action, resource);";
const CASES: &str = "[[case]]\nwho = {}\naction = \"call\"\nresource = \"a/b\"\nexpect = \"deny\"\n";

fn tenant(n: u128) -> Tenant {
    Tenant { id: Uuid::from_u128(n), name: format!("t{n}"), region: "r".to_owned() }
}

struct Place {
    dir: TempDir,
    settings: config::Policy,
}

impl Place {
    fn new(text: &str) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("my.cedar");
        fs::write(&file, text).expect("a file");
        Self { dir, settings: config::Policy { file: Some(file), ..config::Policy::default() } }
    }

    fn file(&self) -> &Path {
        self.settings.file.as_deref().expect("a file")
    }

    fn beside(&self, name: &str, text: &str) -> PathBuf {
        let path = self.dir.path().join(name);
        fs::write(&path, text).expect("a file");
        path
    }
}

/// The names of the policies in force, by what they decide of a call.
fn in_force(keeper: &Keeper) -> String {
    let question = super::super::Question::Call("a".to_owned(), "b".to_owned());
    keeper.current().decide(&super::super::Subject::default(), &question).because.join(",")
}

#[test]
fn a_text_that_cannot_be_served_leaves_the_last_good_one() {
    let mut place = Place::new(ANYBODY);
    place.settings.cases = Some(place.beside("cases.toml", &CASES.replace("deny", "allow")));
    let keeper = Keeper::open(&place.settings, vec![tenant(1)]).expect("a keeper");
    let (generation, mut refusals) = (keeper.generation(), keeper.refusals());
    for (text, words) in [
        ("permit", "unexpected end"),
        (" \n", "empty"),
        ("permit (principal, action, resource);", "no name"),
        ("@id(\"a\") permit (principal, action, resource) when { principal.age > 1 };", "age"),
        (NOBODY, "MISSED"),
        (&"/".repeat(1 << 20 | 1), "bytes"),
        ("@id(\"b\") permit", "unexpected end"),
        // The same words about another text are news.
        ("@id(\"c\") permit", "unexpected end"),
    ] {
        fs::write(place.file(), text).expect("a file");
        let faults = keeper.reload().expect_err(words);
        assert!(faults.to_string().contains(words), "{faults}");
        assert_eq!(keeper.fault(), Some(faults));
        // Said once, with the digest of what was refused; the same text again is no news.
        assert!(refusals.has_changed().expect("the keeper"), "{words}");
        let digest = if text.trim().is_empty() || text.len() > 1 << 20 { String::new() } else { digest(text) };
        assert_eq!(*refusals.borrow_and_update(), Refused { digest }, "{words}");
        keeper.reload().expect_err(words);
        assert!(!refusals.has_changed().expect("the keeper"), "{words}");
        assert_eq!(in_force(&keeper), "anybody");
        // A directory may change meanwhile; the rules stay the good ones.
        keeper.set_directory(vec![tenant(1)]).expect("the same directory");
    }
    fs::remove_file(place.file()).expect("a file");
    assert!(keeper.reload().expect_err("no file").to_string().contains("my.cedar"));
    assert_eq!((in_force(&keeper).as_str(), *generation.borrow()), ("anybody", 0));
    place.beside("my.cedar", ANYBODY);
    keeper.reload().expect("the good one");
    assert_eq!((keeper.fault(), *generation.borrow()), (None, 0), "the same text is no change");
}

#[test]
fn changes_tick_and_both_parts_count() {
    let place = Place::new(ANYBODY);
    let keeper = Keeper::open(&place.settings, vec![tenant(2), tenant(1)]).expect("a keeper");
    let generation = keeper.generation();
    let before = keeper.current();
    let directory = || keeper.current().directory().iter().map(|tenant| tenant.id.as_u128()).collect::<Vec<_>>();
    for (what, change, ticks, rules, tenants) in [
        ("the same directory", Err(vec![tenant(1), tenant(2)]), 0, "anybody", vec![1, 2]),
        ("another directory", Err(vec![tenant(3)]), 1, "anybody", vec![3]),
        ("another text", Ok(NOBODY), 2, "nobody", vec![3]),
        ("no directory", Err(vec![]), 3, "nobody", vec![]),
        ("the old text", Ok(ANYBODY), 4, "anybody", vec![]),
    ] {
        match change {
            Ok(text) => {
                fs::write(place.file(), text).expect("a file");
                keeper.reload().expect(what);
            }
            Err(directory) => keeper.set_directory(directory).expect(what),
        }
        assert_eq!((*generation.borrow(), in_force(&keeper).as_str(), directory()), (ticks, rules, tenants), "{what}");
    }
    assert!(keeper.set_directory(vec![tenant(1), tenant(1)]).is_err());
    assert_eq!(directory(), Vec::<u128>::new());
    assert_eq!(before.directory().len(), 2, "a snapshot never changes");
}

#[test]
fn what_cannot_be_proved_is_not_opened() {
    let refused = |settings: &config::Policy, words: &str| {
        let Err(faults) = Keeper::open(settings, Vec::new()) else { panic!("opened: {words}") };
        assert!(faults.to_string().contains(words), "{faults}");
    };
    let place = Place::new("");
    refused(&place.settings, "empty");
    let with = |file: Option<PathBuf>, cases: &str| {
        let cases = Some(place.beside("cases.toml", cases));
        config::Policy { file, cases, watch: false }
    };
    refused(
        &with(Some(place.beside("any.cedar", ANYBODY)), CASES),
        "cases.toml: MISSED  1  []  call  a/b  allow  anybody",
    );
    refused(&with(None, "case"), "cases.toml");
    refused(&config::Policy { file: Some(place.dir.path().join("absent")), ..config::Policy::default() }, "absent");
    refused(&config::Policy { cases: Some(place.dir.path().join("absent")), ..config::Policy::default() }, "absent");
    Keeper::open(&with(None, CASES), Vec::new()).expect("the shipped policy denies it");
    // Cases may bring a directory of their own.
    let own = "[[directory]]\nid = \"00000000-0000-0000-0000-000000000007\"\nname = \"x\"\nregion = \"r\"\n";
    let case =
        "[[case]]\nwho = { roles = [\"store_manager\"], tenants = [\"x\"] }\naction = \"assume\"\nresource = \"x\"\n";
    Keeper::open(&with(None, &format!("{own}{case}expect = \"allow\"")), vec![tenant(1)]).expect("a keeper");
}

#[test]
fn cases_of_another_directory_are_tried_again() {
    let mut place = Place::new(NOBODY);
    let case = "[[case]]\nwho = {}\naction = \"assume\"\nresource = \"t1\"\nexpect = \"deny\"\n";
    place.settings.cases = Some(place.beside("cases.toml", case));
    let keeper = Keeper::open(&place.settings, vec![tenant(1)]).expect("a keeper");
    keeper.reload().expect("the same text");
    for (directory, words) in [(vec![tenant(2)], Some("no tenant is called")), (vec![tenant(1), tenant(2)], None)] {
        keeper.set_directory(directory).expect("a directory");
        let said = keeper.reload().err().map(|faults| faults.to_string());
        assert_eq!(said.is_some(), words.is_some(), "{said:?}");
        assert!(words.is_none_or(|words| said.is_some_and(|said| said.contains(words))));
    }
}

/// A watch that stands until this is dropped.
fn watched(keeper: &Arc<Keeper>, file: &Path, round: Duration) -> tokio_util::sync::DropGuard {
    let stop = CancellationToken::new();
    watch::start(Arc::clone(keeper), file, round, stop.clone()).expect("a watch");
    stop.drop_guard()
}

#[tokio::test]
async fn a_link_is_followed_wherever_it_leads() {
    let elsewhere = tempfile::tempdir().expect("a directory");
    let target = elsewhere.path().join("policy.cedar");
    fs::write(&target, ANYBODY).expect("a file");
    let place = Place::new(ANYBODY);
    fs::remove_file(place.file()).expect("a file");
    std::os::unix::fs::symlink(&target, place.file()).expect("a link");
    let keeper = Arc::new(Keeper::open(&place.settings, vec![tenant(1)]).expect("a keeper"));
    // Nothing happens in the watched directory: only a round finds it.
    let _watch = watched(&keeper, place.file(), Duration::from_millis(50));
    let mut generation = keeper.generation();
    for (text, name) in [(NOBODY, "nobody"), (ANYBODY, "anybody")] {
        fs::write(&target, text).expect("a file");
        soon(generation.changed()).await.expect("a change");
        assert_eq!(in_force(&keeper), name);
    }
}

#[tokio::test]
async fn a_mounted_directory_of_settings_is_noticed_when_its_link_turns() {
    // As Kubernetes mounts a ConfigMap: the file is a link through `..data`, and `..data` is what turns.
    let dir = tempfile::tempdir().expect("a directory");
    let at = |name: &str| dir.path().join(name);
    let version = |name: &str, text: &str| {
        fs::create_dir(at(name)).expect("a directory");
        fs::write(at(name).join("my.cedar"), text).expect("a file");
        std::os::unix::fs::symlink(name, at("..data_tmp")).expect("a link");
        fs::rename(at("..data_tmp"), at("..data")).expect("a rename");
    };
    version("..1", ANYBODY);
    std::os::unix::fs::symlink("..data/my.cedar", at("my.cedar")).expect("a link");
    let settings = config::Policy { file: Some(at("my.cedar")), ..config::Policy::default() };
    let keeper = Arc::new(Keeper::open(&settings, vec![tenant(1)]).expect("a keeper"));
    // Without a round: the turn itself must be heard.
    let _watch = watched(&keeper, &at("my.cedar"), Duration::MAX);
    let mut generation = keeper.generation();
    for (name, text, in_it) in [("..2", NOBODY, "nobody"), ("..3", ANYBODY, "anybody")] {
        version(name, text);
        soon(generation.changed()).await.expect("a change");
        assert_eq!(in_force(&keeper), in_it);
    }
}

#[tokio::test]
async fn a_file_that_is_replaced_is_noticed() {
    let place = Place::new(ANYBODY);
    let keeper = Arc::new(Keeper::open(&place.settings, vec![tenant(1)]).expect("a keeper"));
    let stop = CancellationToken::new();
    keeper.watch(stop.clone()).expect("a watch");
    let mut generation = keeper.generation();
    // In place, and as editors do it.
    fs::write(place.file(), NOBODY).expect("a file");
    soon(generation.changed()).await.expect("a change");
    assert_eq!(in_force(&keeper), "nobody");
    let other = place.beside("my.cedar.new", ANYBODY);
    fs::rename(other, place.file()).expect("a rename");
    soon(generation.changed()).await.expect("a change");
    assert_eq!(in_force(&keeper), "anybody");
    stop.cancel();
}

/// A guard against waiting for ever, not a bound.
async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), future).await.expect("within a minute")
}
