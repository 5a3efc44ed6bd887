//! What is wrong with a text that PostgreSQL's grammar does not accept, and where.

use pg_query::Error;

use super::refusal::{Reason, Stop};
use super::walker::too_deep;

/// Longest message; an unterminated string would otherwise bring the rest of the statement along.
const MAX_MESSAGE: usize = 200;

/// What the parser said, for whoever wrote `sql`.
pub(super) fn explain(sql: &str, error: Error) -> Stop {
    let message = match error {
        Error::Parse(message) => message,
        Error::Decode(_) => return nested(),
        other => return Stop { reason: Reason::Syntax, message: other.to_string(), at: None },
    };
    if message.starts_with("stack depth limit exceeded") || message.starts_with("memory exhausted") {
        return nested();
    }
    let at = locate(sql, &message);
    Stop { reason: Reason::Syntax, message: shorten(message), at }
}

fn nested() -> Stop {
    too_deep::<()>().expect_err("it always refuses")
}

fn shorten(message: String) -> String {
    match message.char_indices().nth(MAX_MESSAGE) {
        Some((end, _)) => format!("{}…", &message[..end]),
        None => message,
    }
}

/// Byte offset of the token a grammar message names. The parser knows it and the crate drops it, so it is found
/// again. A text cut off before the offending token is merely incomplete, and one cut off anywhere after it fails in
/// the same way: so the token is the first of its spelling at whose end the text, cut off, fails like the whole.
fn locate(sql: &str, message: &str) -> Option<usize> {
    if message.ends_with("at end of input") {
        return Some(sql.len());
    }
    let (_, token) = message.split_once(" at or near \"")?;
    let token = token.strip_suffix('"').filter(|token| !token.is_empty())?;
    let starts = match pg_query::scan_tokens(sql) {
        Ok(tokens) => {
            let bounds = tokens.iter().filter_map(|token| Some((to_offset(token.start)?, to_offset(token.end)?)));
            bounds.filter(|&(start, end)| sql.get(start..end) == Some(token)).map(|(start, _)| start).collect()
        }
        // Something further on is no token at all; any place of that spelling will have to do.
        Err(_) => sql.match_indices(token).map(|(start, _)| start).collect::<Vec<_>>(),
    };
    let is_before = |start: &usize| {
        let cut = &sql[..start + token.len()];
        !matches!(pg_query::parse(cut, 0), Err(Error::Parse(said)) if said == message)
    };
    // The last one may need the token after it to fail (NULLS LAST), and is then the one.
    starts.get(starts.partition_point(is_before)).or(starts.last()).copied()
}

fn to_offset(offset: i32) -> Option<usize> {
    usize::try_from(offset).ok()
}
