//! `#[prompt]`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{ItemFn, Result, parse::Parser as _};

use crate::attributes::{self, Parameters};

pub(crate) fn expand(attributes: TokenStream, item: TokenStream) -> Result<TokenStream> {
    let function: ItemFn = syn::parse2(item)?;
    let description = attributes::plain(&function, "prompt")?;
    let mut name = attributes::name_of(&function);
    let (mut title, mut completions) = (None, Vec::new());
    syn::meta::parser(|meta| {
        match meta.path.require_ident()?.to_string().as_str() {
            "name" => name = attributes::text(&meta)?,
            "title" => title = Some(attributes::text(&meta)?),
            "complete" => completions = attributes::completions(&meta)?,
            _ => return Err(meta.error("a prompt has `name`, `title` and `complete(argument = function)`")),
        }
        Ok(())
    })
    .parse2(attributes)?;
    let title = title.unwrap_or_else(|| attributes::title_of(&name));

    let Parameters { arguments, asks, passed } = attributes::parameters(
        &function,
        &quote!(texts),
        "a prompt takes one struct of arguments, and `&mut Dialogue` where it asks the user back",
    )?;
    let none = syn::parse_quote!(::rowhouse_plugin::tool::NoArguments);
    let arguments = arguments.unwrap_or(&none);
    let (kind, dialogue) = if asks {
        (quote!(AskingPrompt), quote!(, dialogue: &mut ::rowhouse_plugin::dialogue::Dialogue))
    } else {
        (quote!(PlainPrompt), quote!())
    };
    let (carrier, ident) = (attributes::carrier(&function), &function.sig.ident);
    let arms = attributes::completion_arms(&completions);
    let completed = completions.iter().map(|(what, _)| what);
    Ok(quote! {
        #carrier

        impl ::rowhouse_plugin::prompt::Prompt for #ident {
            fn describe() -> ::rowhouse_plugin::prompt::Description {
                ::rowhouse_plugin::prompt::Description {
                    name: #name,
                    title: #title,
                    description: #description,
                    arguments: ::rowhouse_plugin::schemas::input::<#arguments>,
                    completes: &[#(#completed),*],
                }
            }

            fn complete(
                argument: &str,
                value: &str,
                given: &::rowhouse_plugin::Given<'_>,
            ) -> ::rowhouse_plugin::Result<::std::vec::Vec<::std::string::String>> {
                let _ = (value, given);
                match argument {
                    #arms
                    _ => ::rowhouse_plugin::Result::Ok(::std::vec::Vec::new()),
                }
            }
        }

        impl ::rowhouse_plugin::prompt::#kind for #ident {
            fn get(
                arguments: &[(::std::string::String, ::std::string::String)] #dialogue
            ) -> ::rowhouse_plugin::Result<::rowhouse_plugin::prompt::Filled> {
                let _ = arguments;
                ::rowhouse_plugin::prompt::IntoPrompt::into_prompt(#ident(#(#passed),*))
            }
        }
    })
}
