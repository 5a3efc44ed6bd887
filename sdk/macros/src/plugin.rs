//! `plugin!`.

use proc_macro2::{Ident, Span, TokenStream};
use quote::quote;
use syn::{
    Error, LitStr, Path, Result, Token, bracketed,
    parse::{Parse, ParseStream},
    punctuated::Punctuated,
};

#[derive(Default)]
struct Plugin {
    name: Option<String>,
    tools: Vec<Path>,
    dialogues: Vec<Path>,
    prompts: Vec<Path>,
    prompt_dialogues: Vec<Path>,
    resources: Vec<Path>,
    views: Vec<View>,
}

struct View {
    tool: Path,
    resource: Path,
}

impl Parse for View {
    fn parse(input: ParseStream<'_>) -> Result<View> {
        let tool = input.parse()?;
        input.parse::<Token![=>]>()?;
        Ok(View { tool, resource: input.parse()? })
    }
}

fn list<T: Parse>(input: ParseStream<'_>) -> Result<Vec<T>> {
    let inside;
    bracketed!(inside in input);
    Ok(Punctuated::<T, Token![,]>::parse_terminated(&inside)?.into_iter().collect())
}

impl Parse for Plugin {
    fn parse(input: ParseStream<'_>) -> Result<Plugin> {
        let mut plugin = Plugin::default();
        while !input.is_empty() {
            let key: Ident = input.parse()?;
            input.parse::<Token![:]>()?;
            match key.to_string().as_str() {
                "name" => plugin.name = Some(input.parse::<LitStr>()?.value()),
                "tools" => plugin.tools = list(input)?,
                "dialogues" => plugin.dialogues = list(input)?,
                "prompts" => plugin.prompts = list(input)?,
                "prompt_dialogues" => plugin.prompt_dialogues = list(input)?,
                "resources" => plugin.resources = list(input)?,
                "views" => plugin.views = list(input)?,
                _ => {
                    return Err(Error::new(
                        key.span(),
                        "a plugin has `name`, `tools`, `dialogues`, `prompts`, `prompt_dialogues`, `resources` and `views`",
                    ));
                }
            }
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        if plugin.tools.is_empty() && plugin.dialogues.is_empty() {
            return Err(Error::new(Span::call_site(), "a plugin has at least one tool: tools: [my_tool]"));
        }
        Ok(plugin)
    }
}

pub(crate) fn expand(input: TokenStream) -> Result<TokenStream> {
    let Plugin { name, tools, dialogues, prompts, prompt_dialogues, resources, views } = syn::parse2(input)?;
    let name = name.map_or_else(|| quote!(::core::env!("CARGO_PKG_NAME")), |name| quote!(#name));
    let views = views.iter().map(|View { tool, resource }| quote!(::rowhouse_plugin::View::of::<#tool, #resource>()));
    let shows = views.len() > 0;
    let exports = exports(&[
        ("tools", true),
        ("prompts", !prompts.is_empty() || !prompt_dialogues.is_empty()),
        ("resources", !resources.is_empty()),
        // The types of a prompt's rounds are those of a tool's.
        ("dialogue", !dialogues.is_empty() || !prompt_dialogues.is_empty()),
        ("prompt_dialogue", !prompt_dialogues.is_empty()),
        ("views", shows),
    ]);
    Ok(quote! {
        /// The plugin, as the host and the tests meet it.
        #[derive(Clone, Copy, Debug)]
        pub struct Plugin;

        impl ::rowhouse_plugin::Plugin for Plugin {
            const NAME: &'static str = #name;
            const VERSION: &'static str = ::core::env!("CARGO_PKG_VERSION");

            fn tools() -> ::std::vec::Vec<::rowhouse_plugin::tool::Tool> {
                ::std::vec![
                    #(::rowhouse_plugin::tool::Tool::plain::<#tools>(),)*
                    #(::rowhouse_plugin::tool::Tool::asking::<#dialogues>(),)*
                ]
            }

            fn prompts() -> ::std::vec::Vec<::rowhouse_plugin::prompt::Entry> {
                ::std::vec![
                    #(::rowhouse_plugin::prompt::Entry::plain::<#prompts>(),)*
                    #(::rowhouse_plugin::prompt::Entry::asking::<#prompt_dialogues>(),)*
                ]
            }

            fn resources() -> ::std::vec::Vec<::rowhouse_plugin::resource::Entry> {
                ::std::vec![#(::rowhouse_plugin::resource::Entry::of::<#resources>()),*]
            }

            fn views() -> ::std::vec::Vec<::rowhouse_plugin::View> {
                ::std::vec![#(#views),*]
            }
        }

        #exports
    })
}

/// The functions the host looks for, and what tells the linker about them. Only the interfaces that are used: a host
/// asks a plugin for prompts when it exports `prompts`.
fn exports(interfaces: &[(&str, bool)]) -> TokenStream {
    let exports = interfaces.iter().filter(|(_, used)| *used).map(|(name, _)| {
        let interface = Ident::new(name, Span::call_site());
        let export = Ident::new(&format!("__export_rowhouse_plugin_{name}_0_1_0_cabi"), Span::call_site());
        let world = Ident::new(&name.to_uppercase(), Span::call_site());
        // Sections of one name are joined by the linker: each has its own.
        let section = format!("component-type:rowhouse-plugin:{name}");
        let guest = guest(name);
        quote! {
            impl ::rowhouse_plugin::__private::bindings::exports::rowhouse::plugin::#interface::Guest for Plugin {
                #guest
            }
            ::rowhouse_plugin::__private::bindings::exports::rowhouse::plugin::#interface::#export!(
                Plugin with_types_in ::rowhouse_plugin::__private::bindings::exports::rowhouse::plugin::#interface
            );
            const _: () = {
                #[unsafe(link_section = #section)]
                #[used]
                static WORLD: [u8; ::rowhouse_plugin::__private::worlds::#world.len()] =
                    *::rowhouse_plugin::__private::worlds::#world;
            };
        }
    });
    quote! {
        #[cfg(target_arch = "wasm32")]
        #[allow(unsafe_code, missing_docs, clippy::all, reason = "the generated door to the host")]
        const _: () = {
            #(#exports)*
        };
    }
}

/// The methods of one interface, each handed to the function of the same name in `rowhouse_plugin::exports`.
fn guest(interface: &str) -> TokenStream {
    let types = quote!(::rowhouse_plugin::__private::bindings::exports::rowhouse::plugin);
    let text = quote!(::std::string::String);
    let error = quote!(#types::tools::ToolError);
    let given = quote!(::std::vec::Vec<(#text, #text)>);
    let texts = quote!(::std::vec::Vec<#text>);
    let to = quote!(::rowhouse_plugin::__private::exports);
    match interface {
        "tools" => quote! {
            fn describe() -> #types::tools::PluginInfo { #to::describe::<Plugin>() }
            fn call(name: #text, arguments: #text) -> ::core::result::Result<#types::tools::Answer, #error> {
                #to::call::<Plugin>(&name, &arguments)
            }
        },
        "prompts" => quote! {
            fn describe_prompts() -> ::std::vec::Vec<#types::prompts::Prompt> { #to::describe_prompts::<Plugin>() }
            fn get(name: #text, arguments: #given) -> ::core::result::Result<#types::prompts::Filled, #error> {
                #to::get::<Plugin>(&name, &arguments)
            }
            fn complete(
                name: #text, argument: #text, value: #text, given: #given,
            ) -> ::core::result::Result<#texts, #error> {
                #to::complete_argument::<Plugin>(&name, &argument, &value, &given)
            }
        },
        "resources" => quote! {
            fn describe_resources() -> #types::resources::Described { #to::describe_resources::<Plugin>() }
            fn read(uri: #text) -> ::core::result::Result<#types::resources::Content, #error> {
                #to::read::<Plugin>(&uri)
            }
            fn complete(
                uri_template: #text, variable: #text, value: #text, given: #given,
            ) -> ::core::result::Result<#texts, #error> {
                #to::complete_variable::<Plugin>(&uri_template, &variable, &value, &given)
            }
        },
        "dialogue" => quote! {
            fn call(
                name: #text, arguments: #text, round: #types::dialogue::Round,
            ) -> ::core::result::Result<#types::dialogue::Outcome, #error> {
                #to::round::<Plugin>(&name, &arguments, round)
            }
        },
        "prompt_dialogue" => quote! {
            fn get(
                name: #text, arguments: #given, round: #types::dialogue::Round,
            ) -> ::core::result::Result<#types::prompt_dialogue::Outcome, #error> {
                #to::prompt_round::<Plugin>(&name, &arguments, round)
            }
        },
        _ => quote! {
            fn describe_views() -> ::std::vec::Vec<#types::views::View> { #to::describe_views::<Plugin>() }
        },
    }
}
