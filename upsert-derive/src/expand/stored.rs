use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};

use super::span_of;
use crate::model::Model;

/// ```text
/// impl<__DB: Backend> Stored<__DB> for Taxonomy where i64: Column<__DB>, … {
///     const CODECS: Codecs<__DB> = &[&Of::<i64>::CODEC, …];
/// }
/// ```
///
/// Generic over the database, with a bound for each field: a backend that some other crate of the build enables cannot break
/// a model that only fits PostgreSQL.
pub(super) fn stored(model: &Model) -> TokenStream {
    let ident = &model.ident;
    let bounds = model.columns.iter().map(|column| {
        let ty = &column.ty;
        quote_spanned! { span_of(column) => #ty: _rt::Column<__DB> }
    });
    let codecs = model.columns.iter().map(|column| {
        let ty = &column.ty;
        quote! { &_rt::Of::<#ty>::CODEC }
    });
    quote! {
        #[automatically_derived]
        impl<__DB: _rt::Backend> _rt::Stored<__DB> for #ident
        where
            #(#bounds,)*
        {
            const CODECS: _rt::Codecs<__DB> = &[#(#codecs),*];
        }
    }
}
