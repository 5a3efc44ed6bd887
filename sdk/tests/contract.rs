//! The contract that this crate carries is the repository's own.
//!
//! A copy and no link: a crate outside of the repository must find it, and a link is a file of text where a checkout
//! knows no links.

use std::{collections::BTreeMap, fs, path::Path};

fn contract(directory: &str) -> BTreeMap<String, String> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join(directory);
    let files = fs::read_dir(&directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    files
        .map(|file| {
            let path = file.expect("a file of the contract").path();
            let name = path.file_name().expect("its name").to_string_lossy().into_owned();
            (name, fs::read_to_string(&path).expect("its text"))
        })
        .collect()
}

#[test]
fn the_copy_of_the_contract_is_the_contract() {
    let (own, copy) = (contract("../wit"), contract("wit"));
    assert!(own.contains_key("world.wit"));
    for (name, text) in &own {
        assert!(copy.get(name) == Some(text), "sdk/wit/{name} is not wit/{name}: cp wit/*.wit sdk/wit/");
    }
    assert_eq!(copy.len(), own.len(), "sdk/wit/ has files that wit/ has not");
}
