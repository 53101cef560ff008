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
    let types = expand::types(model);
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
        impl _rt::LockedUpsert for #ident {
            #types
            const MODEL: &'static _rt::Model = _rt::NO_MODEL;
            fn normalize(_: &mut #new) {}
            fn normalize_changes(_: &mut #changes) {}
            fn normalize_key(_: &mut __Key) {}
            fn key_is_blank(_: &__Key) -> _rt::bool {
                true
            }
            fn stage(_: &mut #changes, _: #changes) {}
            fn is_same_row(&self, _: &Self) -> _rt::bool {
                false
            }
            fn new_is_blank(_: &#new, _: _rt::usize) -> _rt::bool {
                true
            }
            fn is_blank(&self, _: _rt::usize) -> _rt::bool {
                true
            }
            fn differs(&self, _: &#changes, _: _rt::usize) -> _rt::bool {
                false
            }
        }

        #[automatically_derived]
        impl<__DB: _rt::Backend> _rt::Stored<__DB> for #ident {
            fn decode(_: &<__DB as _rt::Database>::Row) -> _rt::Result<Self, _rt::SqlxError> {
                _rt::Result::Err(_rt::SqlxError::RowNotFound)
            }
            fn bind_key(_: &__Key, _: _rt::usize, _: &mut <__DB as _rt::Database>::Arguments) -> _rt::BindResult {
                _rt::no_column(0)
            }
            fn row_column<__V: _rt::OnColumn<__DB, Self>>(__column: _rt::usize, __on: __V) -> __V::Output {
                __on.no_column(__column)
            }
            fn new_column<__V: _rt::OnColumn<__DB, #new>>(__column: _rt::usize, __on: __V) -> __V::Output {
                __on.no_column(__column)
            }
            fn change_column<__V: _rt::OnChange<__DB, #changes>>(__column: _rt::usize, __on: __V) -> __V::Output {
                __on.no_column(__column)
            }
        }
    };
    let items = expand::in_const(model, &items);
    quote! { #data #items }
}
