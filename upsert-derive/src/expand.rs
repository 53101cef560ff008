//! The model to tokens: data and calls. One generated thing a file.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::Type;
use syn::spanned::Spanned;

use crate::column::{Column, is_text};
use crate::model::Model;

mod changes;
mod contract;
mod key_path;
mod lock;
mod locked;
mod modify;
mod new;
mod rules;
mod serde;
mod stored;

#[cfg(test)]
mod tests;

/// Everything that the derive makes.
pub(crate) fn expand(model: &Model) -> TokenStream {
    let data = data(model);
    let from_new = changes::from_new(model);
    let contract = contract::contract(model);
    let locked_upsert = locked_upsert(model);
    let stored = stored::stored(model);
    let methods = methods(model);
    let items = in_const(
        model,
        &quote! { #from_new #contract #locked_upsert #stored #methods },
    );
    quote! { #data #items }
}

/// The structs that users name: creating data, updating data, a locked row, and what makes them.
pub(crate) fn data(model: &Model) -> TokenStream {
    let new = new::new(model);
    let changes = changes::changes(model);
    let locked = locked::locked(model);
    let lock = lock::lock(model);
    let modify = modify::modify(model);
    quote! {
        #new
        #changes
        #locked
        #lock
        #modify
    }
}

/// What those structs can do, which is calls alone.
pub(crate) fn methods(model: &Model) -> TokenStream {
    let locked = locked::methods(model);
    let lock = lock::methods(model);
    let modify = modify::methods(model);
    quote! {
        #locked
        #lock
        #modify
    }
}

/// The associated types of `Contract`.
pub(crate) fn new_and_changes(model: &Model) -> TokenStream {
    let (new, changes) = (new_ident(model), changes_ident(model));
    quote! {
        type New = #new;
        type Changes = #changes;
    }
}

/// ```text
/// impl LockedUpsert for Taxonomy {
///     type Locked<'t, __DB: Backend> = LockedTaxonomy<'t, __DB>;
///     …
/// }
/// ```
pub(crate) fn locked_upsert(model: &Model) -> TokenStream {
    let ident = &model.ident;
    let (locked, lock, modify) = (locked_ident(model), lock_ident(model), modify_ident(model));
    quote! {
        #[automatically_derived]
        impl _rt::LockedUpsert for #ident {
            type Locked<'t, __DB: _rt::Backend> = #locked<'t, __DB>;
            type Lock = #lock;
            type Modify = #modify;

            fn locked<'t, __DB: _rt::Backend>(__row: _rt::LockedRow<'t, Self, __DB>) -> #locked<'t, __DB> {
                #locked(__row)
            }
        }
    }
}

/// Where `_rt` is this crate, and nothing meets the user's names.
pub(crate) fn in_const(model: &Model, items: &TokenStream) -> TokenStream {
    let krate = &model.krate;
    quote! {
        const _: () = {
            use #krate::__private as _rt;
            #[allow(unused_imports)] // which one is needed depends on the keys' types
            use _rt::{CopyProbe as _, KeyProbe as _, OptionProbe as _, OtherProbe as _};

            #items
        };
    }
}

/// `NewTaxonomy`
pub(crate) fn new_ident(model: &Model) -> Ident {
    format_ident!("New{}", model.ident)
}

/// `TaxonomyChanges`
pub(crate) fn changes_ident(model: &Model) -> Ident {
    format_ident!("{}Changes", model.ident)
}

/// `LockedTaxonomy`
pub(crate) fn locked_ident(model: &Model) -> Ident {
    format_ident!("Locked{}", model.ident)
}

/// `TaxonomyLock`
pub(crate) fn lock_ident(model: &Model) -> Ident {
    format_ident!("{}Lock", model.ident)
}

/// `TaxonomyModify`
pub(crate) fn modify_ident(model: &Model) -> Ident {
    format_ident!("{}Modify", model.ident)
}

/// Whether the key's value in `of` is blank.
fn is_blank(column: &Column, of: &TokenStream) -> TokenStream {
    let name = &column.name.ident;
    is_blank_value(column, &quote! { &#of.#name })
}

/// Whether the key's value, of which this is a reference, is blank. A type of which that is not known is blamed at the field.
fn is_blank_value(column: &Column, value: &TokenStream) -> TokenStream {
    quote_spanned! { span_of(column) => (&&&&_rt::Probe(#value)).is_blank_key() }
}

/// `impl Into<String>` where that spares the caller a `.into()`, and how the argument becomes the value.
fn argument(ty: &Type, name: &Ident) -> (TokenStream, TokenStream) {
    if is_text(ty) {
        (
            quote! { impl _rt::Into<#ty> },
            quote! { _rt::Into::into(#name) },
        )
    } else {
        (quote! { #ty }, quote! { #name })
    }
}

/// The place of the field's type, with the names of generated code: a type may come out of another macro.
fn span_of(column: &Column) -> Span {
    Span::call_site().located_at(column.ty.span())
}
