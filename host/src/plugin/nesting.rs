//! How deep JSON nests, before anything is built of it.

/// Whether brackets nest deeper than `most` levels. Reads the text once and keeps nothing; of text that is no JSON it says
/// something that does not matter, as the reader of JSON refuses it.
pub(super) fn deeper_than(text: &str, most: usize) -> bool {
    let (mut depth, mut quoted, mut escaped) = (0usize, false, false);
    for byte in text.bytes() {
        match (quoted, byte) {
            (true, _) if escaped => escaped = false,
            (true, b'\\') => escaped = true,
            (_, b'"') => quoted = !quoted,
            (false, b'[' | b'{') => {
                depth += 1;
                if depth > most {
                    return true;
                }
            }
            (false, b']' | b'}') => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_brackets_outside_of_texts_nest() {
        for (text, depth) in
            [("7", 0), ("[]", 1), (r#"{"a":[{"b":1}]}"#, 3), (r#"["[[[[", "\"[[", "\\"]"#, 1), ("[[],[[]],[]]", 3)]
        {
            assert!(!deeper_than(text, depth), "{text}");
            assert!(depth == 0 || deeper_than(text, depth - 1), "{text}");
        }
    }
}
