//! `sql!`.

use proc_macro2::TokenStream;
use quote::{ToTokens as _, quote};
use syn::{Error, Expr, LitStr, Result};

/// A stretch of a statement.
enum Piece {
    /// As it stands.
    Text(String),
    /// A piece of SQL that the plugin itself wrote.
    Fragment(Expr),
}

pub(crate) fn expand(input: TokenStream) -> Result<TokenStream> {
    let literal: LitStr = syn::parse2(input)?;
    let fail = |why: String| Error::new(literal.span(), why);
    let (mut pieces, mut parameters) = (Vec::new(), Vec::<(String, Expr)>::new());
    let (text, mut open) = (literal.value(), String::new());
    let mut rest = text.as_str();
    while let Some(at) = rest.find(['{', '}']) {
        open.push_str(&rest[..at]);
        let bracket = &rest[at..=at];
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix(bracket) {
            open.push_str(bracket); // doubled: the bracket itself
            rest = after;
            continue;
        }
        let end = rest.find('}').filter(|_| bracket == "{");
        let Some(end) = end else {
            return Err(fail(format!("a `{bracket}` alone: write {bracket}{bracket} for the bracket itself")));
        };
        let inside = rest[..end].trim();
        rest = &rest[end + 1..];
        let (expression, fragment) = match inside.strip_suffix(":sql") {
            Some(expression) => (expression, true),
            None => (inside, false),
        };
        let expression: Expr = LitStr::new(expression, literal.span())
            .parse()
            .map_err(|_| fail(format!("`{inside}` is no Rust expression")))?;
        if fragment {
            pieces.push(Piece::Text(std::mem::take(&mut open)));
            pieces.push(Piece::Fragment(expression));
            continue;
        }
        // The same variable or field twice is one parameter; whatever runs code is run each time it is written.
        let key = expression.to_token_stream().to_string();
        let known = matches!(expression, Expr::Path(_) | Expr::Field(_))
            .then(|| parameters.iter().position(|(known, _)| *known == key))
            .flatten();
        let number = known.unwrap_or_else(|| {
            parameters.push((key, expression));
            parameters.len() - 1
        });
        open.push_str(&format!("${}", number + 1));
    }
    open.push_str(rest);
    pieces.push(Piece::Text(open));

    let statement = match pieces.as_slice() {
        [Piece::Text(text)] => quote!(#text),
        pieces => {
            let parts = pieces.iter().map(|piece| match piece {
                Piece::Text(text) => quote!(#text),
                Piece::Fragment(expression) => quote!(::rowhouse_plugin::__private::fragment(#expression)),
            });
            quote!([#(#parts),*].concat())
        }
    };
    let binds = parameters.iter().map(|(_, expression)| quote!(.bind(&(#expression))));
    Ok(quote!(::rowhouse_plugin::Statement::new(#statement) #(#binds)*))
}
