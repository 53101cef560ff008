use proc_macro2::TokenStream;
use quote::quote;

use super::{changes_ident, is_blank, new_ident, serde};
use crate::column::Column;
use crate::model::Model;
use crate::sql::{Dialect, Sql};

/// ```text
/// /// Updating data …
/// #[derive(Clone, Debug, PartialEq, Default)]
/// pub struct TaxonomyChanges { remote_id: Change<Option<String>>, … }
///
/// impl TaxonomyChanges {
///     pub fn new() -> Self { … }
///     pub fn remote_id(mut self, value: Option<String>) -> Self { … }
/// }
/// ```
pub(super) fn changes(model: &Model) -> TokenStream {
    let changes = changes_ident(model);
    let (vis, krate) = (&model.vis, &model.krate);
    let doc = doc(model);
    let fields = model.updated().map(|(_, column)| {
        let (name, ty) = (&column.name.ident, &column.ty);
        let serde = serde::on_changes_field(model, column);
        quote! { #serde #name: #krate::__private::Change<#ty> }
    });
    let attributes = serde::on_changes(model);
    // A field named `new` has been reported; its setter would be reported again.
    let setters = model
        .updated()
        .filter(|(_, column)| column.name.text != "new")
        .map(|(place, column)| setter(model, column, &model.table.columns[place]));
    quote! {
        #[doc = #doc]
        #[derive(::core::clone::Clone, ::core::fmt::Debug, ::core::cmp::PartialEq, ::core::default::Default)]
        #attributes
        #[must_use = "changes do nothing until they are given to an update"]
        #vis struct #changes {
            #(#fields,)*
        }

        #[allow(dead_code)] // nobody needs every setter
        impl #changes {
            /// No changes: every column keeps its value.
            #vis fn new() -> Self {
                <Self as ::core::default::Default>::default()
            }

            #(#setters)*
        }
    }
}

fn setter(model: &Model, column: &Column, column_name: &str) -> TokenStream {
    let (vis, krate) = (&model.vis, &model.krate);
    let (name, ty) = (&column.name.ident, &column.ty);
    let mut doc = format!("Sets the column `{column_name}`");
    doc += match (column.is_optional(), column.trim) {
        (true, false) => "; `None` stores NULL.",
        (true, true) => ", trimmed; `None` stores NULL.",
        (false, true) => ", trimmed.",
        (false, false) => ".",
    };
    let (argument, value) = if column.is_text() {
        (
            quote! { impl ::core::convert::Into<#ty> },
            quote! { ::core::convert::Into::into(value) },
        )
    } else {
        (quote! { #ty }, quote! { value })
    };
    quote! {
        #[doc = #doc]
        #vis fn #name(mut self, value: #argument) -> Self {
            self.#name = #krate::__private::Change::Set(#value);
            self
        }
    }
}

/// ```text
/// impl From<NewTaxonomy> for TaxonomyChanges { … }
/// ```
///
/// All columns but blank keys: a record that lacks a key must not erase the stored one.
pub(super) fn from_new(model: &Model) -> TokenStream {
    let (new, changes) = (new_ident(model), changes_ident(model));
    let fields = model.updated().map(|(_, column)| {
        let name = &column.name.ident;
        if column.is_key {
            let is_blank = is_blank(column, &quote! { __new });
            quote! { #name: _rt::Change::set_unless(#is_blank, __new.#name) }
        } else if column.keep_none {
            quote! { #name: _rt::Change::set_unless(_rt::Option::is_none(&__new.#name), __new.#name) }
        } else {
            quote! { #name: _rt::Change::Set(__new.#name) }
        }
    });
    quote! {
        #[automatically_derived]
        #[allow(unused_variables)] // a model may have no column to update
        impl _rt::From<#new> for #changes {
            fn from(__new: #new) -> Self {
                Self {
                    #(#fields,)*
                }
            }
        }
    }
}

fn doc(model: &Model) -> String {
    let sql = Sql::of(&model.table, Dialect::Postgres);
    let all = model.updated().map(|(place, _)| place).zip(1..);
    let set: Vec<_> = all
        .map(|(place, n)| format!("{} = ${n}", sql.names[place]))
        .collect();
    let statement = if set.is_empty() {
        String::new()
    } else {
        format!(
            " With all of them, on PostgreSQL:\n\n```sql\n{}{}{}{}${}{}\n```",
            sql.update,
            set.join(", "),
            sql.touch,
            sql.where_id,
            set.len() + 1,
            sql.returning.unwrap_or_default()
        )
    };
    format!(
        "Updating data of a `{0}`: each updatable column is set or left alone.\n\n\
         Only columns that are set and differ from the row are written.{statement}\n\n\
         From a `New{0}` all columns are set but blank keys, so that a missing key never erases a stored one.",
        model.ident
    )
}
