use super::*;

fn key(byte: u8) -> LessSafeKey {
    LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &[byte; 32]).expect("32 bytes"))
}

fn seal(keys: &[u8]) -> Seal {
    Seal(ArcSwap::from_pointee(keys.iter().copied().map(key).collect()))
}

#[test]
fn a_state_opens_for_its_own_call_only_and_cannot_be_read() {
    let kept = Kept { rounds: 3, state: Some("secret".to_owned()) };
    let sealed = seal(&[1]).seal(&kept, b"call").expect("sealed");
    assert_eq!(seal(&[1]).open(&sealed, b"call").expect("its own"), kept);
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(&sealed[FORM.len()..]).expect("base64");
    assert!(!bytes.windows(6).any(|six| six == b"secret"));
    let with = |place: usize| {
        let mut changed = bytes.clone();
        changed[place] ^= 1;
        format!("{FORM}{}", BASE64_URL_SAFE_NO_PAD.encode(changed))
    };
    let refused = |keys: &[u8], sealed: &str, binding: &[u8]| {
        let error = seal(keys).open(sealed, binding).expect_err("not its own");
        assert_eq!(error.code, Code::RequestState, "{sealed}");
    };
    refused(&[1], &sealed, b"another call");
    refused(&[2], &sealed, b"call");
    for place in 0..bytes.len() {
        refused(&[1], &with(place), b"call");
    }
    for text in ["", FORM, "rh1.!", "rh2.AAAA", &sealed[..20], &format!("{sealed}-TAMPERED"), &format!("{sealed}AAAA")]
    {
        refused(&[1], text, b"call");
    }
    // A key that was replaced opens what it sealed while its grace lasts; new states are sealed with the new one.
    assert_eq!(seal(&[2, 1]).open(&sealed, b"call").expect("the key before"), kept);
    let newer = seal(&[2, 1]).seal(&kept, b"call").expect("sealed");
    refused(&[1], &newer, b"call");
}

#[test]
fn nothing_and_an_empty_state_are_two_things() {
    for state in [None, Some(String::new())] {
        let kept = Kept { rounds: 0, state };
        let sealed = seal(&[1]).seal(&kept, b"").expect("sealed");
        assert_eq!(seal(&[1]).open(&sealed, b"").expect("its own"), kept);
    }
}

#[test]
fn keys_of_one_ticket_key_are_the_same_on_every_host() {
    let (ours, theirs) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
    let of = |dir: &tempfile::TempDir| Seal::new(&Keys::open(dir.path()).expect("keys")).expect("a cipher");
    let sealed = of(&ours).seal(&Kept::default(), b"").expect("sealed");
    of(&ours).open(&sealed, b"").expect("the other host of the same database");
    of(&theirs).open(&sealed, b"").expect_err("another database");
}
