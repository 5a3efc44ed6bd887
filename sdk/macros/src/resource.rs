//! `#[resource]`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Error, FnArg, ItemFn, Pat, Result, parse::Parser as _};

use crate::attributes;

pub(crate) fn expand(attributes: TokenStream, item: TokenStream) -> Result<TokenStream> {
    let function: ItemFn = syn::parse2(item)?;
    let description = attributes::plain(&function, "resource")?;
    let mut name = attributes::name_of(&function);
    let (mut title, mut uri, mut mime_type) = (None, None, "text/plain".to_owned());
    let mut completions = Vec::new();
    syn::meta::parser(|meta| {
        match meta.path.require_ident()?.to_string().as_str() {
            "name" => name = attributes::text(&meta)?,
            "title" => title = Some(attributes::text(&meta)?),
            "uri" => uri = Some(attributes::text(&meta)?),
            "mime_type" => mime_type = attributes::text(&meta)?,
            "complete" => completions = attributes::completions(&meta)?,
            _ => {
                return Err(meta
                    .error("a resource has `uri`, `name`, `title`, `mime_type` and `complete(variable = function)`"));
            }
        }
        Ok(())
    })
    .parse2(attributes)?;
    let title = title.unwrap_or_else(|| attributes::title_of(&name));
    let ident = &function.sig.ident;
    let uri =
        uri.ok_or_else(|| Error::new(ident.span(), "a resource needs its address: #[resource(uri = \"...\")]"))?;

    let variables = variables(&uri).map_err(|why| Error::new(ident.span(), why))?;
    let mut passed = Vec::new();
    for parameter in &function.sig.inputs {
        let FnArg::Typed(typed) = parameter else {
            return Err(Error::new_spanned(parameter, "a plain function is needed, not a method"));
        };
        let Pat::Ident(pattern) = &*typed.pat else {
            return Err(Error::new_spanned(&typed.pat, "write the variable's name here, as the uri has it"));
        };
        let variable = pattern.ident.to_string();
        let Some(place) = variables.iter().position(|known| *known == variable) else {
            return Err(Error::new_spanned(&typed.pat, format!("the uri has no {{{variable}}}")));
        };
        passed.push(quote!(::rowhouse_plugin::__private::variable(#variable, &variables[#place])?));
    }
    if passed.len() != variables.len() {
        return Err(Error::new(ident.span(), format!("the uri has {variables:?}: one parameter for each")));
    }
    let carrier = attributes::carrier(&function);
    let arms = attributes::completion_arms(&completions);
    let completed = completions.iter().map(|(what, _)| what);
    Ok(quote! {
        #carrier

        impl ::rowhouse_plugin::resource::Resource for #ident {
            fn describe() -> ::rowhouse_plugin::resource::Description {
                ::rowhouse_plugin::resource::Description {
                    uri: #uri,
                    variables: &[#(#variables),*],
                    name: #name,
                    title: #title,
                    description: #description,
                    mime_type: #mime_type,
                    completes: &[#(#completed),*],
                }
            }

            fn read(
                variables: &[::std::string::String],
            ) -> ::rowhouse_plugin::Result<::rowhouse_plugin::resource::Body> {
                let _ = variables;
                ::rowhouse_plugin::resource::IntoBody::into_body(#ident(#(#passed),*))
            }

            fn complete(
                variable: &str,
                value: &str,
                given: &::rowhouse_plugin::Given<'_>,
            ) -> ::rowhouse_plugin::Result<::std::vec::Vec<::std::string::String>> {
                let _ = (value, given);
                match variable {
                    #arms
                    _ => ::rowhouse_plugin::Result::Ok(::std::vec::Vec::new()),
                }
            }
        }
    })
}

/// The variables of a template of RFC 6570, level 1.
fn variables(uri: &str) -> std::result::Result<Vec<String>, String> {
    let mut found = Vec::new();
    for part in uri.split('{').skip(1) {
        let Some((variable, _)) = part.split_once('}') else {
            return Err(format!("`{uri}` has a `{{` without its `}}`"));
        };
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if variable.is_empty() || !variable.chars().all(plain) {
            return Err(format!("`{{{variable}}}` is no variable: letters, digits and `_`, without operators"));
        }
        found.push(variable.to_owned());
    }
    Ok(found)
}
