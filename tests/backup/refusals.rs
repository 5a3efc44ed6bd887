//! What is wrong with a backup is named, and nothing half is left behind.

use super::{Site, files_below, restore, words};
use crate::patience::soon;
use rowhouse::backup::{self, Error, Kind, Want};
use rowhouse::config::{Secret, Settings};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

fn copy(from: &Path, to: &Path) {
    for file in files_below(from) {
        let target = to.join(file.strip_prefix(from).expect("below it"));
        fs::create_dir_all(target.parent().expect("a directory")).expect("a directory");
        fs::copy(&file, target).expect("a copy");
    }
}

/// The one file of a backup whose name begins so.
fn object(place: &Path, id: &str, start: &str) -> PathBuf {
    let found = files_below(&place.join(id)).into_iter();
    let mut found = found.filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(start)));
    found.next().unwrap_or_else(|| panic!("{id} has no {start}"))
}

fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).expect("a file");
    bytes[at] ^= 1;
    fs::write(path, bytes).expect("a file");
}

type Break = fn(&Path, &mut Settings, &str, &str);

/// What is done to a place or to the settings, which of the two backups is asked for, and what must be said.
const BROKEN: &[(Break, bool, &[&str])] = &[
    (|_, _, _, _| {}, true, &[]),
    (
        |place, settings, _, _| {
            let other = place.join("other.key");
            backup::make_key(&other).expect("a key");
            settings.backup.identity = Some(Secret::File(other));
        },
        true,
        &["base.tar", "is encrypted to age1", "no private key given belongs"],
    ),
    (|_, settings, _, _| settings.backup.identity = None, true, &["base.tar", "--identity FILE"]),
    (
        |place, _, full, _| fs::remove_file(object(place, full, "base")).expect("a file"),
        true,
        &["base.tar", "is missing", "FULL"],
    ),
    (
        |place, _, full, _| {
            let path = object(place, full, "base");
            flip(&path, 1_000_000);
        },
        true,
        &["base.tar", "is not what was stored", "FULL"],
    ),
    // In the header, where age finds the key: not taken for a wrong key.
    (|place, _, full, _| flip(&object(place, full, "base"), 60), true, &["base.tar", "is not what was stored", "FULL"]),
    (
        |place, _, _, second| {
            let path = object(place, second, "base");
            let size = fs::metadata(&path).expect("a file").len();
            flip(&path, usize::try_from(size - 1).expect("a size"));
        },
        true,
        &["base.tar", "is not what was stored", "SECOND"],
    ),
    (
        |place, _, full, _| {
            let path = object(place, full, "base");
            let bytes = fs::read(&path).expect("a file");
            fs::write(&path, &bytes[..bytes.len() / 2]).expect("a file");
        },
        true,
        &["base.tar", "is missing", "FULL"],
    ),
    (
        |place, _, full, _| fs::remove_dir_all(place.join(full)).expect("a directory"),
        true,
        &["SECOND stands on FULL, which is not there"],
    ),
    (
        |place, _, _, second| fs::remove_file(object(place, second, "manifest")).expect("a file"),
        true,
        &["there is no backup SECOND"],
    ),
    (
        |place, _, _, second| fs::write(object(place, second, "manifest"), "{").expect("a file"),
        true,
        &["the manifest of backup SECOND cannot be read"],
    ),
    // What a chain's end lacks is no matter to its beginning.
    (|place, _, _, second| fs::remove_dir_all(place.join(second)).expect("a directory"), false, &[]),
];

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_named_and_nothing_half_is_left() {
    let site = Site::new().await;
    let ground = site.open(false).await;
    let full = site.take(&ground, Want::Full).await.expect("a backup").manifest.id;
    let second = site.take(&ground, Want::Incremental).await.expect("a backup").manifest.id;
    ground.leave().await.expect("an end");
    for (case, (break_it, of_second, said)) in BROKEN.iter().enumerate() {
        let place = site.path(&format!("place-{case}"));
        copy(&site.path("place"), &place);
        let mut settings = site.settings.clone();
        settings.backup.to = Some(place.display().to_string());
        break_it(&place, &mut settings, &full, &second);
        let (id, to) = (if *of_second { &second } else { &full }, site.path(&format!("to-{case}")));
        let got = restore(&settings, id, &to).await;
        if said.is_empty() {
            got.unwrap_or_else(|error| panic!("{case}: {}", words(error)));
            assert!(to.join("cluster/data/PG_VERSION").exists() && !to.join("cluster/restore.part").exists(), "{case}");
            // Once more into the same place: never over what is there.
            let again = restore(&settings, id, &to).await.map(|_| ()).map_err(words);
            assert!(again.as_ref().is_err_and(|said| said.contains("is not empty")), "{case}: {again:?}");
            assert!(to.join("cluster/data/PG_VERSION").exists(), "{case}");
            continue;
        }
        let error = words(got.map(|_| ()).expect_err("it is broken"));
        for part in *said {
            let part = part.replace("FULL", &full).replace("SECOND", &second);
            assert!(error.contains(&part), "{case}: no {part:?} in {error}");
        }
        assert!(!to.exists(), "{case}: {:?}", files_below(&to));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_interrupted_is_no_backup() {
    let site = Site::new().await;
    let ground = site.open(false).await;
    let first = site.take(&ground, Want::Full).await.expect("a backup").manifest.id;
    // Dropped as soon as there is anything in its place; where it was quicker, once more.
    let mut interrupted = false;
    for _ in 0..10 {
        let before = names_in(&site.path("place"));
        let begun = async {
            while names_in(&site.path("place")) == before {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::select! {
            taken = site.take(&ground, Want::Full) => drop(taken.expect("a backup")),
            () = begun => {
                interrupted = true;
                break;
            }
        }
    }
    assert!(interrupted, "it was quicker ten times");
    let latest = |catalog: &backup::Catalog| catalog.latest().map(|it| it.id.clone());
    let catalog = site.catalog().await;
    assert!(catalog.entries.iter().all(|entry| entry.missing.is_empty()) && catalog.unreadable.is_empty());
    assert!(latest(&catalog) >= Some(first));
    // The lock goes with its connection, and the next one stands on the last good one.
    let next = soon(async {
        loop {
            match site.take(&ground, Want::Any).await {
                Err(Error::Busy) => tokio::time::sleep(Duration::from_millis(50)).await,
                other => break other.expect("a backup").manifest,
            }
        }
    })
    .await;
    assert_eq!((next.kind, next.parent), (Kind::Incremental, latest(&catalog)));
    ground.leave().await.expect("an end");
}

fn names_in(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(dir)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

#[tokio::test(flavor = "multi_thread")]
async fn one_host_at_a_time_and_none_that_lies_open_unasked() {
    let mut site = Site::new().await;
    let ground = site.open(false).await;
    let admin = ground.admin().await.expect("the administrator");
    let lock = "SELECT pg_advisory_lock(x'726f77686f62616b'::bit(64)::bigint)";
    admin.batch_execute(lock).await.expect("a lock");
    assert!(matches!(site.take(&ground, Want::Any).await, Err(Error::Busy)));
    drop(admin);
    // The demo's data may lie open; another schema's may not, unless the settings say so.
    site.settings.backup.recipients.clear();
    site.settings.database.schemas = vec!["shop".to_owned()];
    assert!(matches!(site.take(&ground, Want::Any).await, Err(Error::Open)));
    let keys = super::Wanted { state: true, ..super::Wanted::default() };
    site.settings.backup.encrypt = false;
    let refused = super::take(&site.settings, &ground, &keys).await.map(|_| ()).map_err(words);
    assert!(refused.as_ref().is_err_and(|said| said.contains("--with-state")), "{refused:?}");
    let taken = soon(async {
        loop {
            match site.take(&ground, Want::Any).await {
                Err(Error::Busy) => tokio::time::sleep(Duration::from_millis(50)).await,
                other => break other.expect("a backup"),
            }
        }
    })
    .await;
    assert!(taken.open && !taken.manifest.is_sealed());
    let report = backup::verify(&site.settings, "latest", None, None, &backup::meter()).await.expect("a trial");
    assert_eq!(report.differences, Vec::<String>::new());
    ground.leave().await.expect("an end");
}
