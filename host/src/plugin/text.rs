//! Texts of a plugin: what a person or a model reads must be what is there.

/// The longest log line, progress message or reason of a refusal kept, in bytes. A screenful.
pub(super) const MAX_LINE: usize = 2_000;

/// A character that a text must not have: one that moves a terminal's cursor, turns the direction of what follows, or is
/// seen by a model and by nobody else (Unicode's tags).
fn hides(c: char) -> bool {
    c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{e0000}'..='\u{e007f}')
}

/// What is wrong with a text that callers will see. Several `lines` may have breaks and tabs.
pub(super) fn fault(text: &str, lines: bool, most: usize) -> Option<String> {
    if text.len() > most {
        return Some(format!("has {} bytes; at most {most} are accepted", text.len()));
    }
    let bad = text.chars().find(|&c| hides(c) && !(lines && matches!(c, '\n' | '\r' | '\t')))?;
    Some(format!("has the character U+{:04X}, which nobody sees", bad as u32))
}

/// One line for the log: at most `most` bytes of the text, cut between characters, with what hides written out.
pub(super) fn line(text: &str, most: usize) -> String {
    let mut shown = String::with_capacity(text.len().min(most));
    for c in text.chars() {
        let before = shown.len();
        match hides(c) {
            true => shown.extend(c.escape_default()),
            false => shown.push(c),
        }
        if shown.len() > most {
            shown.truncate(before);
            break;
        }
    }
    shown
}

/// Several lines for the log, each after the first with a bar before it: none can pass for a line of the host's own.
pub(super) fn block(text: &str, most: usize) -> String {
    let lines: Vec<String> = text.trim_end().lines().map(|it| line(it, MAX_LINE)).collect();
    let mut shown = lines.join("\n  | ");
    shown.truncate(shown.floor_char_boundary(most));
    shown
}

/// A plugin's text, as a terminal may show it to whoever decides about it: what moves the cursor, turns the direction of
/// writing or is not seen at all is spelled out, so that no line can hide another. More than [`fault`] refuses: marks that
/// join letters are honest in a text, and show nothing.
pub fn printable(text: &str) -> String {
    let unseen = |c: char| {
        matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}' | '\u{2029}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
            | '\u{1d173}'..='\u{1d17a}' | '\u{e0080}'..='\u{e0fff}')
    };
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if (hides(c) && c != '\n' && c != '\t') || unseen(c) {
            out.extend(c.escape_unicode());
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_cannot_hide_from_whoever_approves_them() {
        let check = |text: &str, shown: &str| assert_eq!(printable(text), shown);
        check("Zażółć gęślą\n\tjaźń 円", "Zażółć gęślą\n\tjaźń 円");
        check("a\u{1b}[1A\u{1b}[2Kb", "a\\u{1b}[1A\\u{1b}[2Kb");
        check("a\rb", "a\\u{d}b");
        check("a\u{202e}b\u{2066}", "a\\u{202e}b\\u{2066}");
        check("a\u{200b}\u{e0041}", "a\\u{200b}\\u{e0041}");
        check("\u{9b}2J", "\\u{9b}2J");
    }

    #[test]
    fn what_nobody_sees_is_found() {
        for (text, lines, bad) in [
            ("Sales by store, é 日本 🏪", false, None),
            ("one\ntwo\tthree", true, None),
            ("one\ntwo", false, Some("U+000A")),
            ("red \u{1b}[31m", true, Some("U+001B")),
            ("nul\0", true, Some("U+0000")),
            ("csi \u{9b}2J", true, Some("U+009B")),
            ("evil \u{202e}txt", true, Some("U+202E")),
            ("tag \u{e0041}", true, Some("U+E0041")),
            ("much too long", false, Some("at most 12")),
        ] {
            let most = if text.starts_with("much") { 12 } else { 100 };
            let found = fault(text, lines, most);
            assert_eq!(found.is_some(), bad.is_some(), "{text:?}: {found:?}");
            assert!(found.unwrap_or_default().contains(bad.unwrap_or_default()), "{text:?}");
        }
    }

    #[test]
    fn a_line_stays_one() {
        assert_eq!(line("a\nERROR forged \u{1b}[2J", 100), "a\\nERROR forged \\u{1b}[2J");
        assert_eq!(line("ééé", 5), "éé");
        assert_eq!(line("ab\0", 5), "ab");
        assert_eq!(block("panic\nERROR forged\r\n", 100), "panic\n  | ERROR forged");
    }
}
