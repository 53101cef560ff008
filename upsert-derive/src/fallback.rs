//! After a mistake: the messages, and impls that compile, so that no code that uses the model reports anything else.

use proc_macro2::TokenStream;
use quote::quote;

use crate::expand;
use crate::model::Model;

/// The creating and updating data as they would be, and impls without bodies.
pub(crate) fn fallback(model: &Model) -> TokenStream {
    let Model { ident, .. } = model;
    let data = expand::data(model);
    let methods = expand::methods(model);
    let new_and_changes = expand::new_and_changes(model);
    let locked_upsert = expand::locked_upsert(model);
    let (new, changes) = (expand::new_ident(model), expand::changes_ident(model));
    let items = quote! {
        #methods

        #[automatically_derived]
        impl _rt::From<#new> for #changes {
            fn from(_: #new) -> Self {
                _rt::Default::default()
            }
        }

        #[automatically_derived]
        impl _rt::Contract for #ident {
            #new_and_changes
            const MODEL: &'static _rt::Model = _rt::NO_MODEL;
            fn read(_: &mut dyn _rt::Columns) -> _rt::Result<Self, _rt::SqlxError> {
                _rt::Result::Err(_rt::SqlxError::RowNotFound)
            }
            fn in_row(&self, _: _rt::usize) -> &_rt::Value {
                _rt::NO_COLUMN
            }
            fn in_new(_: &#new, _: _rt::usize) -> &_rt::Value {
                _rt::NO_COLUMN
            }
            fn in_changes(_: &#changes, _: _rt::usize) -> _rt::Option<&_rt::Value> {
                _rt::Option::None
            }
            fn differs(&self, _: &#changes, _: _rt::usize) -> _rt::bool {
                false
            }
            fn is_blank(_: &_rt::Value, _: _rt::usize) -> _rt::bool {
                true
            }
            fn normalize(_: &mut #new) {}
            fn normalize_changes(_: &mut #changes) {}
            fn normalize_key(_: &mut _rt::Value, _: _rt::usize) {}
            fn stage(_: &mut #changes, _: #changes) {}
        }

        #locked_upsert

        #[automatically_derived]
        impl<__DB: _rt::Backend> _rt::Stored<__DB> for #ident {
            const CODECS: _rt::Codecs<__DB> = &[];
        }
    };
    let items = expand::in_const(model, &items);
    quote! { #data #items }
}
