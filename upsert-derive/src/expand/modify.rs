use proc_macro2::{Ident, Span, TokenStream};
use quote::quote;

use super::key_path::{KeyPath, key_paths};
use super::{changes_ident, lock, modify_ident};
use crate::model::Model;

/// ```text
/// /// Reads a row, makes changes of it and writes them …
/// pub struct TaxonomyModify(Modify<Taxonomy>);
/// ```
pub(super) fn modify(model: &Model) -> TokenStream {
    let (vis, krate, ident) = (&model.vis, &model.krate, &model.ident);
    let modify = modify_ident(model);
    let doc = format!(
        "Reads a row, makes changes of it and writes them, in a transaction of its own; made by `{ident}::modify()`.\n\n\
         The row is locked meanwhile. After a deadlock, a serialization failure or a connection lost before COMMIT the whole is \
         done again, so the closure may run more than once."
    );
    quote! {
        #[doc = #doc]
        #[must_use = "nothing is modified before one of its methods is awaited"]
        #[derive(::core::fmt::Debug, ::core::default::Default)]
        #vis struct #modify(#krate::__private::Modify<#ident>);
    }
}

/// ```text
/// impl TaxonomyModify {
///     pub fn by_slug<__C: OnConnection>(
///         self, on: __C, slug: impl Into<String>, changes: impl FnMut(&Taxonomy) -> TaxonomyChanges + Send,
///     ) -> impl Future<Output = Result<Option<Upserted<Taxonomy>>, Error>> + Send { … }
/// }
/// ```
pub(super) fn methods(model: &Model) -> TokenStream {
    let (vis, modify) = (&model.vis, modify_ident(model));
    let options = lock::options(model);
    let by = key_paths(model).into_iter().map(|path| {
        let (by, try_by) = (by(model, &path), try_by(model, &path));
        quote! { #by #try_by }
    });
    quote! {
        #[allow(dead_code)] // nobody needs every method
        impl #modify {
            #options

            /// How often the whole is tried; the default is ten times within 30 seconds.
            #vis fn retry(self, retry: _rt::Retry) -> Self {
                Self(self.0.retry(retry))
            }

            #(#by)*
        }
    }
}

fn by(model: &Model, path: &KeyPath<'_>) -> TokenStream {
    let (vis, ident, new_changes) = (&model.vis, &model.ident, changes_ident(model));
    let (method, tokens, key) = (path.method(""), path.tokens(), path.key());
    let (on, changes) = (hygienic("on"), hygienic("changes"));
    let arguments = path.arguments();
    let parameters = arguments.iter().map(|(name, ty)| quote! { #name: #ty });
    let doc = format!(
        "Finds the row whose {}, locks it, writes what `changes` makes of it and commits; `None` if there is no such row. It \
         is done on `&pool` or on `&mut connection`, a connection of a pool that you hold.\n\n\
         `changes` may run more than once. Only columns that differ are written; if none does, nothing is. The row is found on \
         PostgreSQL by:\n\n```sql\n{}\n```\n\n# Errors\n\n\
         `Locked` under `Wait::NoWait` and `LockTimeout` under another limit; `Ambiguous`; `Conflict` if another row holds a \
         unique key that is written; `Exhausted` after the last retry; `CommitUnknown`; `Database` for anything else. On a connection that is held also \
         `TransactionLost`, as there is no other one, and `Unsupported` within a transaction.",
        path.said(),
        path.select(model)
    );
    quote! {
        #[doc = #doc]
        #vis fn #method<__C: _rt::OnConnection>(
            self,
            #on: __C,
            #(#parameters,)*
            #changes: impl _rt::FnMut(&#ident) -> #new_changes + _rt::Send,
        ) -> impl _rt::Future<Output = _rt::Result<_rt::Option<_rt::Upserted<#ident>>, _rt::Error>> + _rt::Send
        where
            #ident: _rt::Stored<__C::Database>,
        {
            self.0.by(#on, #tokens, #key, #changes)
        }
    }
}

fn try_by(model: &Model, path: &KeyPath<'_>) -> TokenStream {
    let (vis, ident, new_changes) = (&model.vis, &model.ident, changes_ident(model));
    let (method, tokens, key) = (path.method("try_"), path.tokens(), path.key());
    let (on, changes) = (hygienic("on"), hygienic("changes"));
    let arguments = path.arguments();
    let parameters = arguments.iter().map(|(name, ty)| quote! { #name: #ty });
    let doc = format!(
        "As `{}`, with a closure that may refuse: its error rolls back, is not tried again, and is what is returned.\n\n\
         # Errors\n\nThat of the closure, or one of this crate, made into one of its type.",
        path.method("")
    );
    quote! {
        #[doc = #doc]
        #vis fn #method<__C: _rt::OnConnection, __E: _rt::From<_rt::Error> + _rt::Send>(
            self,
            #on: __C,
            #(#parameters,)*
            #changes: impl _rt::FnMut(&#ident) -> _rt::Result<#new_changes, __E> + _rt::Send,
        ) -> impl _rt::Future<Output = _rt::Result<_rt::Option<_rt::Upserted<#ident>>, __E>> + _rt::Send
        where
            #ident: _rt::Stored<__C::Database>,
        {
            self.0.try_by(#on, #tokens, #key, #changes)
        }
    }
}

/// A parameter that a field of the same name does not meet.
fn hygienic(name: &str) -> Ident {
    Ident::new(name, Span::mixed_site())
}
