//! The macros of `rowhouse-plugin`, which documents them where it hands them on. Nothing here is called by hand.

mod attributes;
mod plugin;
mod prompt;
mod resource;
mod row;
mod sql;
mod tool;

use proc_macro::TokenStream;

fn tokens(made: syn::Result<proc_macro2::TokenStream>) -> TokenStream {
    made.unwrap_or_else(|error| error.to_compile_error()).into()
}

/// Makes a function a tool. See `rowhouse_plugin::tool`.
#[proc_macro_attribute]
pub fn tool(attributes: TokenStream, item: TokenStream) -> TokenStream {
    tokens(tool::expand(attributes.into(), item.into()))
}

/// Makes a function a prompt. See `rowhouse_plugin::prompt`.
#[proc_macro_attribute]
pub fn prompt(attributes: TokenStream, item: TokenStream) -> TokenStream {
    tokens(prompt::expand(attributes.into(), item.into()))
}

/// Makes a function a resource, or many by a template. See `rowhouse_plugin::resource`.
#[proc_macro_attribute]
pub fn resource(attributes: TokenStream, item: TokenStream) -> TokenStream {
    tokens(resource::expand(attributes.into(), item.into()))
}

/// Puts a plugin together. See `rowhouse_plugin::plugin!`.
#[proc_macro]
pub fn plugin(input: TokenStream) -> TokenStream {
    tokens(plugin::expand(input.into()))
}

/// Makes a statement. See `rowhouse_plugin::sql!`.
#[proc_macro]
pub fn sql(input: TokenStream) -> TokenStream {
    tokens(sql::expand(input.into()))
}

/// Reads a row by the names of its columns. See `rowhouse_plugin::FromRow`.
#[proc_macro_derive(FromRow, attributes(row))]
pub fn from_row(input: TokenStream) -> TokenStream {
    tokens(row::expand(input.into()))
}
