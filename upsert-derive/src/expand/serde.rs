//! `#[serde(..)]` of the model's fields, on the structs that are made of it.

use proc_macro2::TokenStream;
use quote::quote;

use crate::attr::serde_options as options;
use crate::column::Column;
use crate::model::Model;

/// What is put on the creating data.
pub(super) fn on_new(model: &Model) -> TokenStream {
    model.on_new.tokens()
}

/// What is put on a field of the creating data: all that the model's field has.
pub(super) fn on_new_field(model: &Model, column: &Column) -> TokenStream {
    if !model.on_new.derives_serde() {
        return TokenStream::new();
    }
    let attributes = &column.serde;
    quote! { #(#attributes)* }
}

/// What is put on the updating data. They are called as the creating data are, unless they say otherwise.
pub(super) fn on_changes(model: &Model) -> TokenStream {
    let own = model.on_changes.tokens();
    if !model.on_changes.derives_serde() || model.on_changes.serde().next().is_some() {
        return own;
    }
    let inherited = options(model.on_new.serde(), &["rename_all"]);
    let inherited = inherited.iter().map(|option| quote! { #[serde(#option)] });
    quote! { #own #(#inherited)* }
}

/// What is put on a field of the updating data: its names, and that it may be absent. What else the model's field has is about
/// another type.
pub(super) fn on_changes_field(model: &Model, column: &Column) -> TokenStream {
    if !model.on_changes.derives_serde() {
        return TokenStream::new();
    }
    let names = column.serde.iter().map(|attribute| &attribute.meta);
    let names = options(names, &["rename", "alias"]);
    let krate = &model.krate;
    let is_keep = quote! { #krate::__private::Change::is_keep }.to_string();
    quote! { #[serde(default, skip_serializing_if = #is_keep #(, #names)*)] }
}
