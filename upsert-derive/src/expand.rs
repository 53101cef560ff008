//! The model to tokens: data and calls. One generated thing a file.

use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote};

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
