use proc_macro2::TokenStream;
use quote::quote;

use super::is_blank_value;
use super::way::{Way, ways};
use crate::column::Column;
use crate::model::Model;

/// ```text
/// pub enum __Key { Id(i64), Lookup0(Option<String>), Lookup1(i64, String) }
/// ```
///
/// The value of a key, in the types of its fields: whether `Option<T>` fits a database says nothing of `T`.
pub(super) fn key(model: &Model) -> TokenStream {
    let variants = ways(model).into_iter().map(|way| {
        let variant = way.variant();
        let types = way.columns.iter().map(|column| &column.ty);
        quote! { #variant(#(#types),*) }
    });
    quote! {
        pub enum __Key {
            #(#variants,)*
        }
    }
}

/// Trims the parts that are to be trimmed.
pub(super) fn normalize(model: &Model) -> TokenStream {
    match_key(model, |_, parts| {
        let trimmed = parts.iter().filter(|(column, _)| column.trim);
        let trim = trimmed.map(|(column, part)| {
            let ty = &column.ty;
            quote! { _rt::trim::<#ty>(#part); }
        });
        quote! { { #(#trim)* } }
    })
}

/// Whether a part is blank.
pub(super) fn is_blank(model: &Model) -> TokenStream {
    match_key(model, |_, parts| {
        // An id that is no look-up may be of any type.
        let keys = parts.iter().filter(|(column, _)| column.is_key);
        let blank = keys.map(|(column, part)| is_blank_value(column, part));
        quote! { false #(|| #blank)* }
    })
}

/// Binds the part `__part`.
pub(super) fn bind(model: &Model) -> TokenStream {
    match_key(model, |_, parts| {
        let arms = parts.iter().enumerate().map(|(place, (_, part))| {
            quote! { #place => _rt::bind::<__DB, _>(#part, __to) }
        });
        quote! { match __part { #(#arms,)* _ => _rt::no_column(__part) } }
    })
}

/// A `match` over the variants, with each column of the key and the name it is bound to.
fn match_key(
    model: &Model,
    arm: impl Fn(&Way<'_>, &[(&Column, TokenStream)]) -> TokenStream,
) -> TokenStream {
    let arms = ways(model).into_iter().map(|way| {
        let (variant, names) = (way.variant(), way.parts());
        let columns = way.columns.iter().copied();
        let parts: Vec<_> = columns
            .zip(names.iter().map(|name| quote! { #name }))
            .collect();
        let body = arm(&way, &parts);
        quote! { __Key::#variant(#(#names),*) => #body }
    });
    quote! {
        match __key {
            #(#arms,)*
        }
    }
}
