//! `#[derive(FromRow)]`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Data, DeriveInput, Error, Fields, Result};

use crate::attributes;

pub(crate) fn expand(input: TokenStream) -> Result<TokenStream> {
    let input: DeriveInput = syn::parse2(input)?;
    let Data::Struct(data) = &input.data else {
        return Err(Error::new_spanned(&input.ident, "a row is a struct"));
    };
    let Fields::Named(fields) = &data.fields else {
        return Err(Error::new_spanned(&input.ident, "columns go by name: name the fields, or read into a tuple"));
    };
    let (mut columns, mut reads) = (Vec::new(), Vec::new());
    for (place, field) in fields.named.iter().enumerate() {
        let Some(ident) = &field.ident else { continue };
        let (mut column, mut default) = (ident.to_string().trim_start_matches("r#").to_owned(), false);
        for attribute in field.attrs.iter().filter(|one| one.path().is_ident("row")) {
            attribute.parse_nested_meta(|meta| {
                match meta.path.require_ident()?.to_string().as_str() {
                    "rename" => column = attributes::text(&meta)?,
                    "default" => default = true,
                    _ => return Err(meta.error("a column has `rename = \"...\"` and `default` (for null)")),
                }
                Ok(())
            })?;
        }
        let read = if default { quote!(or_default) } else { quote!(take) };
        reads.push(quote!(#ident: cells.#read(#place, #column)?));
        columns.push(column);
    }
    let (name, count) = (&input.ident, columns.len());
    let (generics, types, bounds) = input.generics.split_for_impl();
    Ok(quote! {
        impl #generics ::rowhouse_plugin::FromRow for #name #types #bounds {
            fn places(
                columns: &[::rowhouse_plugin::Column],
            ) -> ::rowhouse_plugin::Result<::std::vec::Vec<usize>> {
                const WANTED: [&str; #count] = [#(#columns),*];
                ::rowhouse_plugin::__private::by_name(columns, &WANTED)
            }

            fn from_cells(cells: &mut ::rowhouse_plugin::Cells<'_>) -> ::rowhouse_plugin::Result<Self> {
                ::rowhouse_plugin::Result::Ok(#name { #(#reads),* })
            }
        }
    })
}
