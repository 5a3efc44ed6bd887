use super::*;
use crate::backup::manifest::Kind;
use crate::backup::manifest::tests::example;
use object_store::memory::InMemory;

/// More than one part of an upload.
const LARGE: usize = 40 << 20;

fn places() -> (tempfile::TempDir, [Shelf; 2]) {
    let dir = tempfile::tempdir().unwrap();
    let local = Shelf::open(dir.path().to_str().unwrap(), &BTreeMap::new(), true).unwrap();
    let memory = Shelf {
        store: Arc::new(InMemory::new()),
        prefix: Path::from("deep/er"),
        place: "memory".to_owned(),
        directory: None,
    };
    (dir, [local, memory])
}

async fn put(shelf: &Shelf, id: &str, name: &str, bytes: Vec<u8>) -> Result<Object, Error> {
    let write = move |mut pipe: Pipe| pipe.write_all(&bytes).and_then(|()| pipe.end()).map_err(Error::io("write"));
    shelf.put(id, name, 0, write).await.map(|(object, ())| object)
}

async fn get(shelf: &Shelf, id: &str, object: &Object) -> Result<Vec<u8>, Error> {
    let read = |mut from: Source| {
        let mut bytes = Vec::new();
        from.read_to_end(&mut bytes).map_err(Error::io("read")).map(|_| bytes)
    };
    shelf.get(id, object, &Meter::default(), read).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_stored_comes_back_and_is_a_backup_once_it_says_so() {
    let (_dir, places) = places();
    for shelf in places {
        let bytes: Vec<u8> = (0..LARGE).map(|at| (at % 251) as u8).collect();
        let object = put(&shelf, "a-1", "base.tar", bytes.clone()).await.unwrap();
        assert_eq!((object.size, object.sha256.clone()), (LARGE as u64, hex::encode(Sha256::digest(&bytes))));
        assert_eq!(get(&shelf, "a-1", &object).await.unwrap(), bytes);
        let catalog = shelf.catalog().await.unwrap();
        assert!(catalog.entries.is_empty() && catalog.partial[0].0 == "a-1", "{catalog:?}");
        let mut manifest = example("a-1", Kind::Full, None, "2026-11-01T00:00:00Z");
        manifest.objects = vec![object];
        shelf.publish(&manifest).await.unwrap();
        let catalog = shelf.catalog().await.unwrap();
        assert!(catalog.partial.is_empty() && catalog.latest() == Some(&manifest), "{catalog:?}");
        shelf.remove("a-1").await.unwrap();
        let catalog = shelf.catalog().await.unwrap();
        assert!(catalog.entries.is_empty() && catalog.partial.is_empty(), "{catalog:?}");
        shelf.remove("a-1").await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_breaks_off_leaves_nothing() {
    let (dir, places) = places();
    for shelf in places {
        let write = |mut pipe: Pipe| -> Result<(), Error> {
            pipe.write_all(&vec![1; LARGE]).map_err(Error::io("write"))?;
            Err(Error::Tools("it broke".to_owned()))
        };
        let broken = shelf.put("a-1", "base.tar", 0, write).await.unwrap_err();
        assert_eq!(broken.to_string(), "it broke");
        // A writer that never says it is at its end.
        let silent = shelf.put("a-1", "base.tar", 0, |mut pipe: Pipe| pipe.write_all(b"x").map_err(Error::io("write")));
        assert!(matches!(silent.await, Err(Error::Abandoned)));
        let catalog = shelf.catalog().await.unwrap();
        assert!(catalog.entries.is_empty() && catalog.partial.is_empty(), "{catalog:?}");
    }
    let files = walk(dir.path());
    assert!(files.is_empty(), "{files:?}");
}

fn walk(dir: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(dir).unwrap().flatten().map(|entry| entry.path());
    entries.flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] }).collect()
}

/// A host that was killed: its upload is there, and the store does not show it.
#[tokio::test]
async fn what_a_killed_host_left_is_seen_and_can_be_removed() {
    let (dir, [local, _]) = places();
    std::fs::create_dir(dir.path().join("a-1")).unwrap();
    std::fs::write(dir.path().join("a-1/base.tar#1"), "half").unwrap();
    std::fs::create_dir(dir.path().join("empty")).unwrap();
    let catalog = local.catalog().await.unwrap();
    assert_eq!(catalog.partial.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>(), ["a-1"]);
    local.remove("a-1").await.unwrap();
    assert!(local.catalog().await.unwrap().partial.is_empty() && walk(dir.path()).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_what_was_stored_is_not_read() {
    let (dir, [local, _]) = places();
    let object = put(&local, "a-1", "base.tar", vec![7; 100_000]).await.unwrap();
    let file = dir.path().join("a-1/base.tar");
    let mut bytes = std::fs::read(&file).unwrap();
    bytes[50_000] ^= 1;
    std::fs::write(&file, &bytes).unwrap();
    let said = get(&local, "a-1", &object).await.unwrap_err();
    assert!(matches!(&said, Error::Damaged { object, .. } if object == "a-1/base.tar"), "{said}");
    // Also where the reader gave up for a reason of its own.
    let gave_up = |_: Source| -> Result<(), Error> { Err(Error::Tools("no".to_owned())) };
    let said = local.get("a-1", &object, &Meter::default(), gave_up).await.unwrap_err();
    assert!(matches!(said, Error::Damaged { .. }), "{said}");
    std::fs::write(&file, &bytes[..70_000]).unwrap();
    assert!(matches!(get(&local, "a-1", &object).await, Err(Error::Damaged { .. })));
    std::fs::remove_file(&file).unwrap();
    let said = get(&local, "a-1", &object).await.unwrap_err();
    assert!(matches!(&said, Error::Missing(name) if name == "a-1/base.tar"), "{said}");
}

#[test]
fn places_are_told_apart_and_wrong_ones_named() {
    let dir = tempfile::tempdir().unwrap();
    let here = dir.path().join("b").display().to_string();
    let check = |place: &str, options: &[(&str, &str)], said: Option<&str>| {
        let options = options.iter().map(|(name, value)| ((*name).to_owned(), Secret::from((*value).to_owned())));
        let opened = Shelf::open(place, &options.collect(), true).map(|_| ());
        match said {
            None => assert!(opened.is_ok(), "{place}: {opened:?}"),
            Some(part) => {
                let text = opened.expect_err(place).to_string();
                assert!(text.contains(part) && !text.contains("swordfish"), "{text}");
            }
        }
    };
    check(&here, &[], None);
    check(&format!("file://{here}"), &[], None);
    let key = [("aws_region", "eu-north-1"), ("aws_access_key_id", "zava"), ("AWS_SECRET_ACCESS_KEY", "swordfish")];
    check("s3://bucket/deep", &key, None);
    check("az://container/deep", &[("azure_storage_account_name", "zava")], None);
    check("file://relative", &[], Some("three slashes"));
    check("ftp://host/x", &[], Some("ftp://host/x"));
    check("s3://", &[], Some("s3://"));
    let missing = Shelf::open(&dir.path().join("none").display().to_string(), &BTreeMap::new(), false);
    assert!(missing.is_err_and(|error| error.to_string().contains("none")));
}
