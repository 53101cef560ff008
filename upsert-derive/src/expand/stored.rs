use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};

use super::{changes_ident, key, new_ident, span_of};
use crate::model::Model;

/// ```text
/// impl<__DB: Backend> Stored<__DB> for Taxonomy where i64: Column<__DB>, … {
///     fn decode(row: &__DB::Row) -> Result<Self, sqlx::Error> { … }
///     fn bind_new(new: &NewTaxonomy, column: usize, to: &mut __DB::Arguments) -> BindResult { … }
///     …
/// }
/// ```
///
/// Generic over the database, with a bound for each field: a backend that some other crate of the build enables cannot break
/// a model that only fits PostgreSQL.
pub(super) fn stored(model: &Model) -> TokenStream {
    let ident = &model.ident;
    let (new, changes) = (new_ident(model), changes_ident(model));
    let bounds = model.columns.iter().map(|column| {
        let ty = &column.ty;
        quote_spanned! { span_of(column) => #ty: _rt::Column<__DB> }
    });
    let decoded = model.columns.iter().enumerate().map(|(place, column)| {
        let (name, ty) = (&column.name.ident, &column.ty);
        quote! { #name: _rt::get::<__DB, #ty>(__row, #place)? }
    });
    let skipped = model.skipped.iter().map(|name| {
        let name = &name.ident;
        quote! { #name: _rt::Default::default() }
    });
    let id = &model.columns[model.id].name.ident;
    let bind_key = key::bind(model);
    let bind_new = model.created().map(|(place, column)| {
        let name = &column.name.ident;
        quote! { #place => _rt::bind::<__DB, _>(&__new.#name, __to) }
    });
    let bind_change = model.updated().map(|(place, column)| {
        let name = &column.name.ident;
        quote! { #place => __changes.#name.bind::<__DB>(__to) }
    });
    quote! {
        #[automatically_derived]
        impl<__DB: _rt::Backend> _rt::Stored<__DB> for #ident
        where
            #(#bounds,)*
        {
            fn decode(__row: &<__DB as _rt::Database>::Row) -> _rt::Result<Self, _rt::SqlxError> {
                _rt::Result::Ok(Self {
                    #(#decoded,)*
                    #(#skipped,)*
                })
            }

            fn bind_id(&self, __to: &mut <__DB as _rt::Database>::Arguments) -> _rt::BindResult {
                _rt::bind::<__DB, _>(&self.#id, __to)
            }

            fn bind_key(
                __key: &__Key,
                __part: _rt::usize,
                __to: &mut <__DB as _rt::Database>::Arguments,
            ) -> _rt::BindResult {
                #bind_key
            }

            fn bind_new(
                __new: &#new,
                __column: _rt::usize,
                __to: &mut <__DB as _rt::Database>::Arguments,
            ) -> _rt::BindResult {
                match __column {
                    #(#bind_new,)*
                    _ => _rt::no_column(__column),
                }
            }

            #[allow(unused_variables)] // a model may have no column to update
            fn bind_change(
                __changes: &#changes,
                __column: _rt::usize,
                __to: &mut <__DB as _rt::Database>::Arguments,
            ) -> _rt::BindResult {
                match __column {
                    #(#bind_change,)*
                    _ => _rt::no_column(__column),
                }
            }
        }
    }
}
