use proc_macro2::{Ident, Span, TokenStream};
use quote::quote;

use super::key_path::{KeyPath, key_paths};
use super::{lock_ident, locked_ident, new_ident};
use crate::model::Model;

const ERRORS: &str = "# Errors\n\n\
    `Locked` under `Wait::NoWait` and `LockTimeout` under another limit, if another transaction has the lock; `Ambiguous` if \
    several rows match; `Unsupported` if the database lacks an option; `Deadlock`, `Serialization`, `TransactionLost`: begin \
    anew; `Database` for anything else.";

/// ```text
/// /// Locks rows …
/// pub struct TaxonomyLock(Lock<Taxonomy>);
/// ```
pub(super) fn lock(model: &Model) -> TokenStream {
    let (vis, krate, ident) = (&model.vis, &model.krate, &model.ident);
    let lock = lock_ident(model);
    let doc = format!(
        "Locks rows of `{ident}` in a transaction of the caller's; made by `{ident}::lock()`.\n\n\
         A row stays locked until the transaction ends. Each call runs in a savepoint: after an error the transaction is as before \
         it and can go on, unless the error is `TransactionLost`.",
    );
    quote! {
        #[doc = #doc]
        #[must_use = "nothing is locked before one of its methods is awaited"]
        #[derive(::core::fmt::Debug, ::core::default::Default)]
        #vis struct #lock(#krate::__private::Lock<#ident>);
    }
}

/// ```text
/// impl TaxonomyLock {
///     pub fn by_slug<'t, __T: InTransaction>(self, tx: &'t mut __T, slug: impl Into<String>)
///         -> impl Future<Output = Result<Option<LockedTaxonomy<'t, __T::Database>>, Error>> + Send { … }
/// }
/// ```
pub(super) fn methods(model: &Model) -> TokenStream {
    let (vis, lock) = (&model.vis, lock_ident(model));
    let options = options(model);
    let by = key_paths(model).into_iter().map(|path| {
        let (one, many) = (by(model, &path), many_by(model, &path));
        quote! { #one #many }
    });
    let (find, deleted) = (find(model), deleted(model));
    quote! {
        #[allow(dead_code)] // nobody needs every method
        impl #lock {
            #options

            /// A row that another transaction has locked is as if it were not there: it is neither waited for nor found.
            ///
            /// `SKIP LOCKED`; on SQLite, which locks no single rows, it is `Unsupported`. A limit of `wait` holds for what else may
            /// be waited for.
            #vis fn skip_locked(self) -> Self {
                Self(self.0.skip_locked())
            }

            #deleted
            #(#by)*

            #find
        }
    }
}

/// `wait` and `mode`, which all that locks has.
pub(super) fn options(model: &Model) -> TokenStream {
    let vis = &model.vis;
    quote! {
        /// How long each statement may wait for a lock. Without it the session's own setting holds, in a transaction of `begin`
        /// the limit of that one. On SQLite `begin` is what waits for the lock: give it the limit.
        #vis fn wait(self, wait: _rt::Wait) -> Self {
            Self(self.0.wait(wait))
        }

        /// How strongly the row is locked, at least; without it `Mode::NoKeyUpdate`.
        #vis fn mode(self, mode: _rt::Mode) -> Self {
            Self(self.0.mode(mode))
        }
    }
}

/// `deleted`, where rows are marked.
fn deleted(model: &Model) -> Option<TokenStream> {
    let column = &model.table.columns[model.table.deleted?];
    let (vis, locked) = (&model.vis, locked_ident(model));
    let doc = format!(
        "Finds rows that are marked as deleted, and no others: to `{locked}::restore` one of them. Of several with the same key it \
         is the one that was marked last; of `many_by_…` it is `Ambiguous`.\n\n```sql\n… AND \"{column}\" IS NOT NULL ORDER BY \"{column}\" DESC, … LIMIT 1\n```"
    );
    Some(quote! {
        #[doc = #doc]
        #vis fn deleted(self) -> Self {
            Self(self.0.deleted())
        }
    })
}

fn by(model: &Model, path: &KeyPath<'_>) -> TokenStream {
    let (vis, ident, locked) = (&model.vis, &model.ident, locked_ident(model));
    let (method, tokens, key) = (path.method(""), path.tokens(), path.key());
    let tx = tx();
    let arguments = path.arguments();
    let parameters = arguments.iter().map(|(name, ty)| quote! { #name: #ty });
    let blank = if path.may_be_blank() {
        "\n\nBlank text identifies no row: nothing is sent then."
    } else {
        ""
    };
    let doc = format!(
        "Finds the row whose {} and locks it until the transaction ends; `None` if there is none.\n\nOn PostgreSQL:\n\n\
         ```sql\n{}\n```{blank}\n\n{ERRORS}",
        path.said(),
        path.select(model)
    );
    quote! {
        #[doc = #doc]
        #vis fn #method<'t, __T: _rt::InTransaction + ?_rt::Sized>(
            self,
            #tx: &'t mut __T,
            #(#parameters,)*
        ) -> impl _rt::Future<Output = _rt::Result<_rt::Option<#locked<'t, __T::Database>>, _rt::Error>> + _rt::Send
        where
            #ident: _rt::Stored<__T::Database>,
        {
            self.0.by(#tx, #tokens, #key)
        }
    }
}

fn many_by(model: &Model, path: &KeyPath<'_>) -> TokenStream {
    let (vis, ident) = (&model.vis, &model.ident);
    let (method, tokens, key) = (path.method("many_"), path.tokens(), path.key());
    let arguments = path.arguments();
    let types = arguments.iter().map(|(_, ty)| ty);
    let names = arguments.iter().map(|(name, _)| name);
    let (item, pattern) = if arguments.len() == 1 {
        (quote! { #(#types)* }, quote! { #(#names)* })
    } else {
        (quote! { (#(#types),*) }, quote! { (#(#names),*) })
    };
    let doc = format!(
        "Locks the rows whose {}, in the order of the primary key: two callers with the same keys do not deadlock.\n\n\
         They come in the order of the keys, each once; keys of which there is no row are left out. At most 500 keys, blank ones included.\n\n\
         Two statements, and on servers one or two more for each key that these find no row for: a SELECT that tells which \
         rows there are, and one that locks them `ORDER BY` the id.\n\n{ERRORS}",
        path.said()
    );
    let tx = tx();
    quote! {
        #[doc = #doc]
        #vis fn #method<'t, __T: _rt::InTransaction + ?_rt::Sized>(
            self,
            #tx: &'t mut __T,
            keys: impl _rt::IntoIterator<Item = #item>,
        ) -> impl _rt::Future<Output = _rt::Result<_rt::LockedRows<'t, #ident, __T::Database>, _rt::Error>> + _rt::Send
        where
            #ident: _rt::Stored<__T::Database>,
        {
            let keys = _rt::IntoIterator::into_iter(keys);
            self.0.many_by(#tx, #tokens, _rt::Iterator::map(keys, |#pattern| #key))
        }
    }
}

fn find(model: &Model) -> TokenStream {
    let (vis, ident, locked, new) = (
        &model.vis,
        &model.ident,
        locked_ident(model),
        new_ident(model),
    );
    let doc = format!(
        "Finds the row of `new` as `{ident}::upsert` does and locks it, and says which look-up found it: the field's name, for a \
         composite key `(site_id, slug)`.\n\nThe look-ups are tried in their order; one with a NULL or blank column in `new` is \
         left out.\n\n{ERRORS} Without a usable key it is `NoUsableKey`; a row that is another record by an earlier key is an \
         `IdentityConflict` where the look-up is `unclaimed`.",
    );
    let tx = tx();
    quote! {
        #[doc = #doc]
        #vis fn find<'t, __T: _rt::InTransaction + ?_rt::Sized>(
            self,
            #tx: &'t mut __T,
            new: &#new,
        ) -> impl _rt::Future<
            Output = _rt::Result<_rt::Option<(#locked<'t, __T::Database>, &'static _rt::str)>, _rt::Error>,
        > + _rt::Send
        where
            #ident: _rt::Stored<__T::Database>,
        {
            self.0.find(#tx, new)
        }
    }
}

/// `tx`, which a field of that name does not meet.
fn tx() -> Ident {
    Ident::new("tx", Span::mixed_site())
}
