//! URI templates, read backwards: which URIs fit one. RFC 6570, level 1: `{name}` stands for one stretch of characters
//! that an expansion can give, which are the unreserved ones and percent-encoded octets.
//!
//! The crates for RFC 6570 expand templates; none that is kept matches them, and level 1 is little.

use crate::error::BoxError;
use std::collections::BTreeSet;

/// A template, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pattern {
    /// What stands before the first variable.
    head: String,
    /// Each variable with what stands between it and the next, or the end.
    tail: Vec<(String, String)>,
}

impl Pattern {
    /// Take a template apart.
    ///
    /// # Errors
    /// Braces that do not pair, a level above 1, a variable twice, none at all, or two that touch: nothing would say
    /// where the first one ends.
    pub(super) fn new(template: &str) -> Result<Self, BoxError> {
        let wrong = |what: &str| -> BoxError { format!("URI template {template:?}: {what}").into() };
        let mut parts = template.split('{');
        let head = parts.next().unwrap_or_default().to_owned();
        let (mut tail, mut names) = (Vec::new(), BTreeSet::new());
        for part in parts {
            let (name, text) = part.split_once('}').ok_or_else(|| wrong("a `{` has no `}`"))?;
            let named = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
            if name.is_empty() || name.len() > 64 || !name.bytes().all(named) {
                return Err(wrong("a variable is `{name}`, of letters, digits and _ (RFC 6570, level 1)"));
            }
            if !names.insert(name) {
                return Err(wrong("a variable is there twice"));
            }
            tail.push((name.to_owned(), text.to_owned()));
        }
        if tail.is_empty() {
            return Err(wrong("it has no variable: declare it as a resource"));
        }
        if head.contains('}') || tail.iter().any(|(_, text)| text.contains('}')) {
            return Err(wrong("a `}` has no `{`"));
        }
        if tail.iter().rev().skip(1).any(|(_, text)| text.is_empty()) {
            return Err(wrong("two variables touch: nothing says where the first one ends"));
        }
        Ok(Self { head, tail })
    }

    /// The names of its variables.
    pub(super) fn variables(&self) -> impl Iterator<Item = &str> {
        self.tail.iter().map(|(name, _)| name.as_str())
    }

    /// Whether a URI fits. A variable ends where the text after it first stands.
    pub(super) fn matches(&self, uri: &str) -> bool {
        let Some(mut rest) = uri.strip_prefix(&self.head) else { return false };
        for (place, (_, text)) in self.tail.iter().enumerate() {
            let last = place + 1 == self.tail.len();
            let end = match text.as_str() {
                "" => rest.len(),
                text if last => match rest.strip_suffix(text) {
                    Some(value) => value.len(),
                    None => return false,
                },
                text => match rest.find(text) {
                    Some(at) => at,
                    None => return false,
                },
            };
            let (value, after) = rest.split_at(end);
            if !is_expansion(value) {
                return false;
            }
            rest = &after[text.len()..];
        }
        rest.is_empty()
    }
}

/// Whether an expansion of a variable can be this: at least one unreserved character or percent-encoded octet (RFC 3986,
/// sections 2.1 and 2.3).
fn is_expansion(text: &str) -> bool {
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let fits = match byte {
            b'%' => [bytes.next(), bytes.next()].iter().all(|hex| hex.is_some_and(|hex| hex.is_ascii_hexdigit())),
            byte => byte.is_ascii_alphanumeric() || b"-._~".contains(&byte),
        };
        if !fits {
            return false;
        }
    }
    !text.is_empty()
}

#[cfg(test)]
mod tests {
    use super::Pattern;

    #[test]
    fn what_fits_a_template() {
        for (template, uri, fits) in [
            ("report://store/{name}", "report://store/seattle", true),
            ("report://store/{name}", "report://store/", false),
            ("report://store/{name}", "report://store/a/b", false),
            ("report://store/{name}", "report://store/a%20b", true),
            ("report://store/{name}", "report://store/a%2", false),
            ("report://store/{name}", "report://store/a b", false),
            ("report://store/{name}", "report://shop/a", false),
            ("test://template/{id}/data", "test://template/123/data", true),
            ("test://template/{id}/data", "test://template/123/data/", false),
            ("test://template/{id}/data", "test://template//data", false),
            ("a://{x}/{y}", "a://1/2", true),
            ("a://{x}/{y}", "a://1/2/3", false),
            ("a://{x}.{y}", "a://1.2.3", true),
            ("a://{x}/z{y}z", "a://1/zz", false),
        ] {
            assert_eq!(Pattern::new(template).expect(template).matches(uri), fits, "{template} {uri}");
        }
    }

    #[test]
    fn what_is_no_template() {
        for template in ["a://b", "a://{b", "a://b}", "a://{}", "a://{+b}", "a://{b}{c}", "a://{b}/{b}", "a://{b*}"] {
            Pattern::new(template).expect_err(template);
        }
    }
}
