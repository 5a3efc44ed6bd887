use super::*;

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).expect("short");
    [&[kind][..], &length.to_be_bytes(), body].concat()
}

fn description(columns: &[(&str, u32)]) -> Vec<u8> {
    let mut body = u16::try_from(columns.len()).expect("few").to_be_bytes().to_vec();
    for (name, oid) in columns {
        body.extend_from_slice(name.as_bytes());
        body.extend_from_slice(&[0; 7]);
        body.extend_from_slice(&oid.to_be_bytes());
        body.extend_from_slice(&[0; 8]);
    }
    body
}

/// Feed `bytes` in pieces of each size: a message may be cut anywhere.
#[track_caller]
fn check(bytes: &[u8], max_message: usize, answer: usize, breach: Option<Breach>, columns: Option<&[(&str, u32)]>) {
    for size in [1, 2, 5, 7, bytes.len()] {
        let tap = Tap::new();
        tap.begin(answer);
        let mut frames = Frames::new((), max_message, Arc::clone(&tap));
        let seen = bytes.chunks(size).try_for_each(|piece| frames.watch.see(piece));
        assert_eq!(seen.is_err(), breach.is_some(), "pieces of {size}");
        assert_eq!(tap.breach(), breach, "pieces of {size}");
        let expected = columns.map(|c| c.iter().map(|(n, o)| ((*n).to_owned(), *o)).collect::<Vec<_>>());
        if breach.is_none() {
            assert_eq!(tap.columns(), expected, "pieces of {size}");
        }
    }
}

#[test]
fn messages_and_answers_are_bounded_wherever_they_are_cut() {
    let columns = [("a", 23), ("größe", 1700)];
    let answer = [message(b'T', &description(&columns)), message(b'D', &[7; 40]), message(b'C', b"FETCH 1\0")].concat();
    check(&answer, 1000, 1000, None, Some(&columns));
    check(&answer, 1000, usize::MAX, None, Some(&columns));
    check(&answer, 1000, answer.len(), None, Some(&columns));
    check(&answer, 1000, answer.len() - 1, Some(Breach::Answer), None);
    check(&answer, 56, 1000, None, Some(&columns));
    check(&message(b'D', &[7; 60]), 63, 1000, Some(Breach::Message), None);
    check(&message(b'C', b"BEGIN\0"), 1000, 1000, None, None);
    check(&message(b'T', &[0, 2, 0]), 1000, 1000, None, None);
}
