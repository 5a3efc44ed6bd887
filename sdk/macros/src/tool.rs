//! `#[tool]`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Error, ItemFn, Result, ReturnType, Type, parse::Parser as _};

use crate::attributes::{self, Parameters};

pub(crate) fn expand(attributes: TokenStream, item: TokenStream) -> Result<TokenStream> {
    let function: ItemFn = syn::parse2(item)?;
    let description = attributes::plain(&function, "tool")?;
    let mut name = attributes::name_of(&function);
    let mut title = None;
    // A plugin can only read, and only its host's database: other hints are for tools that say so.
    let (mut read_only, mut destructive, mut idempotent, mut open_world) = (true, false, true, false);
    syn::meta::parser(|meta| {
        match meta.path.require_ident()?.to_string().as_str() {
            "name" => name = attributes::text(&meta)?,
            "title" => title = Some(attributes::text(&meta)?),
            "read_only" => read_only = attributes::switch(&meta)?,
            "destructive" => destructive = attributes::switch(&meta)?,
            "idempotent" => idempotent = attributes::switch(&meta)?,
            "open_world" => open_world = attributes::switch(&meta)?,
            _ => {
                return Err(meta.error(
                    "a tool has `name`, `title`, and the hints `read_only`, `destructive`, `idempotent`, `open_world`",
                ));
            }
        }
        Ok(())
    })
    .parse2(attributes)?;
    let title = title.unwrap_or_else(|| attributes::title_of(&name));

    let Parameters { arguments, asks, passed } = attributes::parameters(
        &function,
        &quote!(arguments),
        "a tool takes one struct of arguments, and `&mut Dialogue` where it asks the user back",
    )?;
    let none = syn::parse_quote!(::rowhouse_plugin::tool::NoArguments);
    let arguments = arguments.unwrap_or(&none);
    let answer: Type = match &function.sig.output {
        ReturnType::Type(_, ty) => (**ty).clone(),
        ReturnType::Default => {
            return Err(Error::new_spanned(&function.sig, "a tool answers: `-> Result<Rows>`, `Result<Json<T>>`, ..."));
        }
    };

    let (carrier, ident) = (attributes::carrier(&function), &function.sig.ident);
    let (kind, dialogue) = if asks {
        (quote!(AskingTool), quote!(, dialogue: &mut ::rowhouse_plugin::dialogue::Dialogue))
    } else {
        (quote!(PlainTool), quote!())
    };
    Ok(quote! {
        #carrier

        impl ::rowhouse_plugin::tool::Described for #ident {
            fn tool() -> ::rowhouse_plugin::tool::Description {
                ::rowhouse_plugin::tool::Description {
                    name: #name,
                    title: #title,
                    description: #description,
                    input_schema: ::rowhouse_plugin::schemas::input::<#arguments>,
                    output_schema: <#answer as ::rowhouse_plugin::answer::IntoAnswer>::output_schema,
                    read_only: #read_only,
                    destructive: #destructive,
                    idempotent: #idempotent,
                    open_world: #open_world,
                }
            }
        }

        impl ::rowhouse_plugin::tool::#kind for #ident {
            fn call(arguments: &str #dialogue) -> ::rowhouse_plugin::Result<::rowhouse_plugin::answer::Answer> {
                let _ = arguments;
                ::rowhouse_plugin::answer::IntoAnswer::into_answer(#ident(#(#passed),*))
            }
        }
    })
}
