use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};

use super::{changes_ident, key, new_ident, span_of};
use crate::column::Column;
use crate::model::Model;

/// ```text
/// impl<__DB: Backend> Stored<__DB> for Taxonomy where i64: Column<__DB>, … {
///     fn decode(row: &__DB::Row) -> Result<Self, sqlx::Error> { … }
///     fn new_column<V: OnColumn<__DB, NewTaxonomy>>(column: usize, on: V) -> V::Output { … }
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
    let bind_key = key::bind(model);
    let row_columns = fields(model.columns.iter().enumerate());
    let new_columns = fields(model.created());
    let change_columns = fields(model.updated());
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

            fn bind_key(
                __key: &__Key,
                __part: _rt::usize,
                __to: &mut <__DB as _rt::Database>::Arguments,
            ) -> _rt::BindResult {
                #bind_key
            }

            fn row_column<__V: _rt::OnColumn<__DB, Self>>(
                __column: _rt::usize,
                __on: __V,
            ) -> __V::Output {
                match __column {
                    #(#row_columns,)*
                    _ => __on.no_column(__column),
                }
            }

            fn new_column<__V: _rt::OnColumn<__DB, #new>>(
                __column: _rt::usize,
                __on: __V,
            ) -> __V::Output {
                match __column {
                    #(#new_columns,)*
                    _ => __on.no_column(__column),
                }
            }

            fn change_column<__V: _rt::OnChange<__DB, #changes>>(
                __column: _rt::usize,
                __on: __V,
            ) -> __V::Output {
                match __column {
                    #(#change_columns,)*
                    _ => __on.no_column(__column),
                }
            }
        }
    }
}

/// For each of these columns, where its field is.
fn fields<'m>(
    columns: impl Iterator<Item = (usize, &'m Column)>,
) -> impl Iterator<Item = TokenStream> {
    columns.map(|(place, column)| {
        let name = &column.name.ident;
        quote! { #place => __on.on(|__of| &__of.#name) }
    })
}
