use super::*;
use crate::config::{Plugins, PublicKeyText};
use std::collections::BTreeSet;

/// The smallest component there is, with something to change in it.
fn component() -> Vec<u8> {
    wat::parse_str(r#"(component (core module (func (export "f") (result i32) i32.const 7)))"#).expect("a component")
}

fn trust(publishers: &[(&str, &str)], required: bool) -> Trust {
    let publishers =
        publishers.iter().map(|(name, key)| ((*name).to_owned(), PublicKeyText::Text((*key).to_owned()))).collect();
    Trust::new(&Plugins { publishers, ..Plugins::default() }, required).expect("keys")
}

#[test]
fn who_signed_decides() {
    let (secret, public) = keygen();
    let (stranger, other) = keygen();
    let (whole, alone) = sign(&component(), &secret).expect("signed");
    let (strange, _) = sign(&component(), &stranger).expect("signed");
    let mut changed = whole.clone();
    *changed.last_mut().expect("bytes") ^= 1;
    let mut appended = whole.clone();
    // An empty custom section named "x": valid WebAssembly, and not what was signed.
    appended.extend([0, 2, 1, b'x']);
    let plain = component();
    let zava: BTreeSet<String> = ["zava".to_owned()].into();
    let nobody = BTreeSet::new();
    let known = [("zava", public.as_str())];
    let two = [("acme", other.as_str()), ("zava", public.as_str())];
    type Case<'a> = (
        &'a str,
        &'a [(&'a str, &'a str)],
        bool,
        &'a [u8],
        Option<&'a [u8]>,
        &'a BTreeSet<String>,
        Result<Option<&'a str>, &'a str>,
    );
    let cases: &[Case<'_>] = &[
        ("signed inside", &known, true, &whole, None, &nobody, Ok(Some("zava"))),
        ("signed beside", &known, true, &plain, Some(&alone), &nobody, Ok(Some("zava"))),
        ("the second of two publishers", &two, true, &whole, None, &nobody, Ok(Some("zava"))),
        ("one byte changed", &known, true, &changed, None, &nobody, Err("no publisher")),
        ("a section added", &known, true, &appended, None, &nobody, Err("no publisher")),
        ("changed, where none is required", &known, false, &changed, None, &nobody, Err("does not hold")),
        ("of a stranger", &known, true, &strange, None, &nobody, Err("no publisher")),
        ("of a stranger, nobody is known, none required", &[], false, &strange, None, &nobody, Ok(None)),
        ("of a publisher another plugin is bound to", &two, true, &strange, None, &zava, Err("believed are: zava")),
        ("of the one it is bound to, none required", &two, false, &whole, None, &zava, Ok(Some("zava"))),
        ("unsigned, bound to a publisher, none required", &two, false, &plain, None, &zava, Err("not signed")),
        ("unsigned", &known, true, &plain, None, &nobody, Err("not signed")),
        ("unsigned, nobody is known", &[], true, &plain, None, &nobody, Err("believed are: none")),
        ("unsigned, none required", &known, false, &plain, None, &nobody, Ok(None)),
        ("junk beside", &known, true, &plain, Some(b"junk"), &nobody, Err("no publisher")),
        ("a signature of other bytes beside", &known, true, &strange, Some(&alone), &nobody, Err("no publisher")),
    ];
    for (what, publishers, required, bytes, beside, among, expected) in cases {
        let found = trust(publishers, *required).check(bytes, *beside, among).map_err(|e| e.to_string());
        match (found, expected) {
            (Ok(found), Ok(expected)) => assert_eq!(found.as_deref(), *expected, "{what}"),
            (Err(found), Err(expected)) => assert!(found.contains(expected), "{what}: {found}"),
            (found, _) => panic!("{what}: {found:?}"),
        }
    }
}

#[test]
fn a_signed_component_is_one_still_and_signing_again_replaces() {
    let (secret, public) = keygen();
    let (once, _) = sign(&component(), &secret).expect("signed");
    let (twice, _) = sign(&once, &secret).expect("signed again");
    for bytes in [&once, &twice] {
        assert!(is_signed(bytes));
        wasmparser::Validator::new().validate_all(bytes).expect("a valid component");
    }
    assert_eq!(once.len(), twice.len());
    assert!(trust(&[("zava", &public)], true).check(&twice, None, &BTreeSet::new()).is_ok());
}

#[test]
fn keys_that_are_none_are_named() {
    let settings = Plugins {
        publishers: [("zava".to_owned(), PublicKeyText::Text("hello".to_owned()))].into(),
        ..Plugins::default()
    };
    let error = Trust::new(&settings, true).err().expect("no key").to_string();
    assert!(error.contains("plugins.publishers.zava"), "{error}");
    assert!(sign(&component(), "hello").is_err());
    assert!(sign(b"hello", &keygen().0).is_err());
}
