//! The model to tokens: data and calls. One generated thing a file.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::spanned::Spanned;

use crate::column::Column;
use crate::model::Model;

mod changes;
mod model;
mod new;
mod stored;

#[cfg(test)]
mod tests;

/// Everything that the derive makes.
pub(crate) fn expand(model: &Model) -> TokenStream {
    let krate = &model.krate;
    let data = data(model);
    let from_new = changes::from_new(model);
    let locked_upsert = model::locked_upsert(model);
    let stored = stored::stored(model);
    quote! {
        #data

        const _: () = {
            use #krate::__private as _rt;
            #[allow(unused_imports)] // which one is needed depends on the keys' types
            use _rt::{CopyProbe as _, KeyProbe as _, OptionProbe as _, OtherProbe as _};

            #from_new
            #locked_upsert
            #stored
        };
    }
}

/// The structs that users fill: creating data and updating data.
pub(crate) fn data(model: &Model) -> TokenStream {
    let new = new::new(model);
    let changes = changes::changes(model);
    quote! {
        #new
        #changes
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

/// Whether the key's value in `of` is blank. A type of which that is not known is blamed at the field.
fn is_blank(column: &Column, of: &TokenStream) -> TokenStream {
    let name = &column.name.ident;
    quote_spanned! { span_of(column) => (&&&&_rt::Probe(&#of.#name)).is_blank_key() }
}

/// The place of the field's type, with the names of generated code: a type may come out of another macro.
fn span_of(column: &Column) -> Span {
    Span::call_site().located_at(column.ty.span())
}
