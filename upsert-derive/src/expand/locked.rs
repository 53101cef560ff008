use proc_macro2::TokenStream;
use quote::{format_ident, quote};

use super::{argument, changes_ident, locked_ident};
use crate::column::Column;
use crate::model::Model;
use crate::sql::{DeletedSql, Dialect, Sql};

/// ```text
/// /// A `Taxonomy` whose row is locked …
/// pub struct LockedTaxonomy<'t, __DB: Backend>(LockedRow<'t, Taxonomy, __DB>);
/// ```
pub(super) fn locked(model: &Model) -> TokenStream {
    let (vis, krate, ident) = (&model.vis, &model.krate, &model.ident);
    let locked = locked_ident(model);
    let doc = format!(
        "A `{ident}` whose row is locked in the transaction that this borrows; made by `{ident}::lock()`. Derefs to the row.\n\n\
         What is in memory is what the database stored, after each write. Each call that writes runs in a savepoint: after an error \
         the transaction and the row are as before it, unless the error is `TransactionLost`. The limit of `wait` holds for \
         its statements too.\n\nDropped, it keeps the row locked, and loses changes that are staged and not saved."
    );
    quote! {
        #[doc = #doc]
        #[must_use = "the row stays locked until the transaction ends, used or not"]
        #[derive(::core::fmt::Debug)]
        #vis struct #locked<'t, __DB: #krate::Backend>(#krate::__private::LockedRow<'t, #ident, __DB>);
    }
}

/// ```text
/// impl<'t, __DB: Backend> LockedTaxonomy<'t, __DB> {
///     pub fn set_name(&mut self, value: impl Into<String>) -> &mut Self { … }
///     pub fn update_name(&mut self, value: impl Into<String>) -> impl Future<Output = Result<bool, Error>> + Send { … }
///     pub fn save(&mut self) -> impl Future<Output = Result<Vec<&'static str>, Error>> + Send { … }
///     …
/// }
/// ```
pub(super) fn methods(model: &Model) -> TokenStream {
    let (ident, locked) = (&model.ident, locked_ident(model));
    let set = model
        .updated()
        .map(|(place, column)| set(model, column, &model.table.columns[place]));
    // A field named `new` has been reported, and has no setter.
    let update = model
        .updated()
        .filter(|(_, column)| column.name.text != "new")
        .map(|(place, column)| update(model, column, place));
    let (memory, database) = (in_memory(model), in_database(model));
    let deletion = soft_deletion(model);
    quote! {
        #[allow(dead_code)] // nobody needs every method
        impl<'t, __DB: _rt::Backend> #locked<'t, __DB> {
            #memory
            #(#set)*
        }

        #[allow(dead_code)] // nobody needs every method
        impl<'t, __DB: _rt::Backend> #locked<'t, __DB>
        where
            #ident: _rt::Stored<__DB>,
        {
            #database
            #deletion
            #(#update)*
        }

        #[automatically_derived]
        impl<__DB: _rt::Backend> _rt::Deref for #locked<'_, __DB> {
            type Target = #ident;

            fn deref(&self) -> &#ident {
                self.0.row()
            }
        }
    }
}

/// What sends nothing.
fn in_memory(model: &Model) -> TokenStream {
    let (vis, ident, changes) = (&model.vis, &model.ident, changes_ident(model));
    let into_row = format!("The `{ident}`, which stays locked until the transaction ends.");
    quote! {
        /// Stages what `changes` set, for `save`.
        #vis fn apply(&mut self, changes: impl _rt::Into<#changes>) -> &mut Self {
            self.0.apply(_rt::Into::into(changes));
            self
        }

        #[doc = #into_row]
        #[must_use = "the row is lost otherwise; it stays locked without this"]
        #vis fn into_row(self) -> #ident {
            self.0.into_row()
        }

        /// The connection, for other statements while the row stays locked.
        ///
        /// What is in memory does not see what they write; the next `update_…` or `save` reads the row again first.
        ///
        /// Do not end the transaction on it (`COMMIT`, `ROLLBACK`; on MySQL also what commits implicitly, `CREATE TABLE`):
        /// the row would be locked no more, and nothing could tell.
        #vis fn connection(&mut self) -> &mut <__DB as _rt::Database>::Connection {
            self.0.connection()
        }

        /// The transaction, for further locks and upserts while the row stays locked.
        ///
        /// What is in memory does not see what they write; the next `update_…` or `save` reads the row again first.
        #vis fn transaction(&mut self) -> &mut (dyn _rt::InTransaction<Database = __DB> + 't) {
            self.0.transaction()
        }
    }
}

/// What speaks to the database. The futures are boxed, since an `impl Future` here makes rustc explain what Rust 2024 captures
/// whenever a row is used after its transaction's end.
fn in_database(model: &Model) -> TokenStream {
    let (vis, ident) = (&model.vis, &model.ident);
    let sql = Sql::of(&model.table, Dialect::Postgres);
    let refresh = format!(
        "Reads the row again, after statements of your own through `connection`.\n\n```sql\n{} FOR NO KEY UPDATE\n```\n\n\
         What is staged stays so.\n\n# Errors\n\n`Database` if the row is there no more; `TransactionLost`.",
        sql.by_id
    );
    let delete = format!(
        "Deletes the row and returns it.\n\n```sql\nDELETE{}{}$1\n```\n\nAfter an error it is still there, and still locked.\n\n# Errors\n\n`Database` if the database keeps it (a foreign \
         key, a trigger); `TransactionLost`.",
        sql.from, sql.where_id
    );
    let save = future(&quote! { '_ }, &quote! { _rt::Vec<&'static _rt::str> });
    let refresh_future = future(&quote! { '_ }, &quote! { () });
    let delete_future = future(&quote! { 't }, &quote! { #ident });
    quote! {
        /// Writes what is staged and differs from the row, in one UPDATE, and returns the names of the fields that were
        /// written, `touch` columns not among them.
        ///
        /// If nothing differs, nothing is sent. After `connection` or `transaction` was lent, and after a write that was dropped
        /// in flight, the row is read again under its lock first, once: what differs from that is written. After an error
        /// the changes are still staged.
        ///
        /// # Errors
        ///
        /// `Conflict` if another row holds a unique key that is written; `Locked` or `LockTimeout` if a transaction that has
        /// written such a key has not ended within the limit; `TransactionLost`; `Database` for anything else, also if the row
        /// is there no more.
        #vis fn save(&mut self) -> #save {
            self.0.save()
        }

        #[doc = #refresh]
        #vis fn refresh(&mut self) -> #refresh_future {
            self.0.refresh()
        }

        #[doc = #delete]
        #vis fn delete(self) -> #delete_future {
            self.0.delete()
        }
    }
}

/// `mark_deleted` and `restore`, where rows are marked.
fn soft_deletion(model: &Model) -> Option<TokenStream> {
    let vis = &model.vis;
    let (sql, deleted) = (
        Sql::of(&model.table, Dialect::Postgres),
        DeletedSql::of(&model.table, Dialect::Postgres)?,
    );
    let statement = |set: &str| {
        format!(
            "```sql\n{}{set}{}{}$1{}\n```",
            sql.update,
            sql.touch,
            sql.where_id,
            sql.returning.as_deref().unwrap_or_default()
        )
    };
    let errors = "What is staged stays so. After `connection` or `transaction` was lent the row is read again first, as by \
                  `save`.\n\n# Errors\n\nAs for `save`.";
    let mark = format!(
        "Marks the row as deleted, by the database's clock: from then on no look-up finds it but those of `lock().deleted()`. \
         `false` if it was marked already.\n\n{}\n\n{errors}",
        statement(&deleted.mark)
    );
    let restore = format!(
        "Takes the mark away, so that look-ups find the row again; `false` if it was not marked.\n\n{}\n\n{errors}",
        statement(&deleted.restore)
    );
    let future = future(&quote! { '_ }, &quote! { _rt::bool });
    Some(quote! {
        #[doc = #mark]
        #vis fn mark_deleted(&mut self) -> #future {
            self.0.mark(true)
        }

        #[doc = #restore]
        #vis fn restore(&mut self) -> #future {
            self.0.mark(false)
        }
    })
}

fn set(model: &Model, column: &Column, column_name: &str) -> TokenStream {
    let (vis, name) = (&model.vis, &column.name.ident);
    let method = format_ident!("set_{}", column.name.text);
    let (ty, value) = argument(&column.ty, &format_ident!("value"));
    let trimmed = if column.trim { ", trimmed," } else { "" };
    let null = if column.is_optional() {
        " `None` stores NULL."
    } else {
        ""
    };
    let doc = format!(
        "Stages a value for the column `{column_name}`,{trimmed} which `save` writes.{null}"
    );
    quote! {
        #[doc = #doc]
        #vis fn #method(&mut self, value: #ty) -> &mut Self {
            self.0.staged().#name = _rt::Change::Set(#value);
            self
        }
    }
}

fn update(model: &Model, column: &Column, place: usize) -> TokenStream {
    let (vis, changes, name) = (&model.vis, changes_ident(model), &column.name.ident);
    let method = format_ident!("update_{}", column.name.text);
    let (ty, _) = argument(&column.ty, name);
    let sql = Sql::of(&model.table, Dialect::Postgres);
    let null = if column.is_optional() {
        " `None` stores NULL."
    } else {
        ""
    };
    let doc = format!(
        "Writes the column `{}` now, if it differs; returns whether it did.{null}\n\n```sql\n{}{} = $1{}{}$2{}\n```\n\n\
         What `{}` staged is dropped; other changes stay staged. After `connection` or `transaction` was lent the row is read \
         again first, as by `save`.\n\n# Errors\n\nAs for `save`.",
        model.table.columns[place],
        sql.update,
        sql.names[place],
        sql.touch,
        sql.where_id,
        sql.returning.unwrap_or_default(),
        format_ident!("set_{}", column.name.text),
    );
    let future = future(&quote! { '_ }, &quote! { _rt::bool });
    quote! {
        #[doc = #doc]
        #vis fn #method(&mut self, value: #ty) -> #future {
            self.0.staged().#name = _rt::Change::Keep;
            self.0.update(#changes::new().#name(value))
        }
    }
}

/// A boxed future of this `Result`.
fn future(lifetime: &TokenStream, output: &TokenStream) -> TokenStream {
    quote! {
        _rt::Pin<_rt::Box<dyn _rt::Future<Output = _rt::Result<#output, _rt::Error>> + _rt::Send + #lifetime>>
    }
}
