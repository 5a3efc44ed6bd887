//! What the three attributes have in common: the doc comment, the name, what stands in brackets.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens as _, quote};
use syn::{
    Attribute, Error, Expr, ExprLit, FnArg, Ident, ItemFn, Lit, LitStr, Path, Result, Type, meta::ParseNestedMeta,
};

/// The doc comment as one text: lines of a paragraph joined, paragraphs and list items kept apart. It ends at the first
/// heading, so `# Errors` and the like are for readers of the source only.
pub(crate) fn documentation(attributes: &[Attribute]) -> String {
    let mut text = String::new();
    let mut fresh = true;
    for line in attributes.iter().filter_map(doc_line) {
        let line = line.trim().to_owned();
        if line.starts_with("# ") {
            break;
        }
        if line.is_empty() {
            fresh = true;
            continue;
        }
        let item = ["- ", "* ", "|"].iter().any(|start| line.starts_with(start));
        if !text.is_empty() {
            text.push_str(if fresh {
                "\n\n"
            } else if item {
                "\n"
            } else {
                " "
            });
        }
        text.push_str(&line);
        fresh = false;
    }
    text
}

fn doc_line(attribute: &Attribute) -> Option<String> {
    let syn::Meta::NameValue(pair) = &attribute.meta else { return None };
    match &pair.value {
        Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) if pair.path.is_ident("doc") => Some(text.value()),
        _ => None,
    }
}

/// `low_stock` for people: `Low stock`.
pub(crate) fn title_of(name: &str) -> String {
    let words = name.replace('_', " ");
    let mut letters = words.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// The name of a function as callers write it.
pub(crate) fn name_of(function: &ItemFn) -> String {
    function.sig.ident.to_string().trim_start_matches("r#").to_owned()
}

/// The string of `key = "..."`.
pub(crate) fn text(meta: &ParseNestedMeta<'_>) -> Result<String> {
    Ok(meta.value()?.parse::<LitStr>()?.value())
}

/// The switch of `key`, or of `key = false`.
pub(crate) fn switch(meta: &ParseNestedMeta<'_>) -> Result<bool> {
    if meta.input.peek(syn::Token![=]) { Ok(meta.value()?.parse::<syn::LitBool>()?.value) } else { Ok(true) }
}

/// The pairs of `complete(store = stores, region = regions)`: what is completed, and by which function.
pub(crate) fn completions(meta: &ParseNestedMeta<'_>) -> Result<Vec<(String, Path)>> {
    let mut pairs = Vec::new();
    meta.parse_nested_meta(|pair| {
        let what = pair.path.require_ident()?.to_string();
        pairs.push((what, pair.value()?.parse()?));
        Ok(())
    })?;
    Ok(pairs)
}

/// The arms of a `match` from what is completed to what completes it.
pub(crate) fn completion_arms(pairs: &[(String, Path)]) -> TokenStream {
    let arms = pairs.iter().map(|(what, by)| quote!(#what => #by(value, given),));
    quote!(#(#arms)*)
}

/// The functions the attributes take: plain ones, whose text says what they are for.
pub(crate) fn plain(function: &ItemFn, what: &str) -> Result<String> {
    let signature = &function.sig;
    let wrong = |span: Span, why: &str| Err(Error::new(span, format!("a {what} {why}")));
    if let Some(word) = &signature.asyncness {
        return wrong(word.span, "is not async: run statements side by side with `submit` or `join!`");
    }
    if !signature.generics.params.is_empty() {
        return wrong(signature.ident.span(), "has no generics: its arguments are of one type");
    }
    let description = documentation(&function.attrs);
    if description.is_empty() {
        return wrong(
            signature.ident.span(),
            "needs a doc comment: it is what a model or a person reads before choosing it",
        );
    }
    Ok(description)
}

/// What a function takes: its struct of arguments, and whether it asks.
pub(crate) struct Parameters<'a> {
    pub(crate) arguments: Option<&'a Type>,
    pub(crate) asks: bool,
    /// What it is called with, in its own order.
    pub(crate) passed: Vec<TokenStream>,
}

/// Read the parameters of a tool or prompt. `reader` makes the struct of what the host sends; `rule` is what is said of
/// anything else.
pub(crate) fn parameters<'a>(function: &'a ItemFn, reader: &TokenStream, rule: &str) -> Result<Parameters<'a>> {
    let mut found = Parameters { arguments: None, asks: false, passed: Vec::new() };
    for one in &function.sig.inputs {
        match parameter(one)? {
            Type::Reference(_) if !found.asks => {
                found.asks = true;
                found.passed.push(quote!(dialogue));
            }
            ty if found.arguments.is_none() && !matches!(ty, Type::Reference(_)) => {
                found.arguments = Some(ty);
                found.passed.push(quote!(::rowhouse_plugin::__private::#reader::<#ty>(arguments)?));
            }
            _ => return Err(Error::new_spanned(one, rule)),
        }
    }
    Ok(found)
}

/// The type of a parameter.
pub(crate) fn parameter(argument: &FnArg) -> Result<&Type> {
    match argument {
        FnArg::Typed(typed) => Ok(&typed.ty),
        FnArg::Receiver(this) => Err(Error::new_spanned(this, "a plain function is needed, not a method")),
    }
}

/// A type in the namespace of types that has the function's name, so that one path means both. It carries what the
/// attribute made.
pub(crate) fn carrier(function: &ItemFn) -> TokenStream {
    let (visibility, name): (_, &Ident) = (&function.vis, &function.sig.ident);
    let about = format!("What `plugin!` reads of the function `{name}`.");
    let function = function.to_token_stream();
    quote! {
        #function

        #[doc = #about]
        #[allow(non_camel_case_types, reason = "it has the function's name")]
        #visibility struct #name {}
    }
}
