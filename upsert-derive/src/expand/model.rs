use proc_macro2::TokenStream;
use quote::quote;

use super::{changes_ident, is_blank, key, new_ident, types};
use crate::column::Column;
use crate::model::{Lookup, Model};
use crate::sql::{Dialect, Sql};

/// ```text
/// impl LockedUpsert for Taxonomy {
///     type New = NewTaxonomy;
///     type Changes = TaxonomyChanges;
///     const MODEL: &'static Model = &Model { … };
///     …
/// }
/// ```
pub(super) fn locked_upsert(model: &Model) -> TokenStream {
    let ident = &model.ident;
    let (new, changes) = (new_ident(model), changes_ident(model));
    let (types, data) = (types(model), data(model));
    let normalize = model.created().map(|(_, column)| normalize(column));
    let trimmed = model.updated().filter(|(_, column)| column.trim);
    let normalize_changes = trimmed.map(|(_, column)| {
        let (name, ty) = (&column.name.ident, &column.ty);
        quote! { _rt::trim_change::<#ty>(&mut __changes.#name); }
    });
    let new_is_blank = match_blank(model, &quote! { __new });
    let is_blank = match_blank(model, &quote! { self });
    let differs = model.updated().map(|(place, column)| {
        let name = &column.name.ident;
        quote! { #place => __changes.#name.differs(&self.#name) }
    });
    let stage = model.updated().map(|(_, column)| {
        let name = &column.name.ident;
        quote! { __staged.#name.stage(__changes.#name); }
    });
    let normalize_key = key::normalize(model);
    let key_is_blank = key::is_blank(model);
    let id = &model.columns[model.id].name.ident;
    quote! {
        #[automatically_derived]
        #[allow(unused_variables)] // a model may have nothing to trim
        impl _rt::LockedUpsert for #ident {
            #types

            const MODEL: &'static _rt::Model = #data;

            fn normalize(__new: &mut #new) {
                #(#normalize)*
            }

            fn normalize_changes(__changes: &mut #changes) {
                #(#normalize_changes)*
            }

            fn normalize_key(__key: &mut __Key) {
                #normalize_key
            }

            fn key_is_blank(__key: &__Key) -> _rt::bool {
                #key_is_blank
            }

            fn stage(__staged: &mut #changes, __changes: #changes) {
                #(#stage)*
            }

            fn is_same_row(&self, __other: &Self) -> _rt::bool {
                self.#id == __other.#id
            }

            fn new_is_blank(__new: &#new, __column: _rt::usize) -> _rt::bool {
                #new_is_blank
            }

            fn is_blank(&self, __column: _rt::usize) -> _rt::bool {
                #is_blank
            }

            fn differs(&self, __changes: &#changes, __column: _rt::usize) -> _rt::bool {
                match __column {
                    #(#differs,)*
                    _ => false,
                }
            }
        }
    }
}

/// What is done to a field of creating data before it is looked up or stored.
fn normalize(column: &Column) -> TokenStream {
    let name = &column.name.ident;
    let new = quote! { __new };
    let ty = &column.ty;
    let trim = column
        .trim
        .then(|| quote! { _rt::trim::<#ty>(&mut __new.#name); });
    let null = (column.is_key && column.is_optional()).then(|| {
        let is_blank = is_blank(column, &new);
        quote! {
            let __is_blank = #is_blank;
            _rt::null_if_blank(&mut __new.#name, __is_blank);
        }
    });
    quote! { #trim #null }
}

fn match_blank(model: &Model, of: &TokenStream) -> TokenStream {
    let arms = model.keys().map(|(place, column)| {
        let is_blank = is_blank(column, of);
        quote! { #place => #is_blank }
    });
    quote! {
        match __column {
            #(#arms,)*
            _ => true,
        }
    }
}

fn data(model: &Model) -> TokenStream {
    let name = model.ident.to_string();
    let columns = model.columns.iter().map(|column| {
        let field = &column.name.text;
        quote! { _rt::ModelColumn { field: #field } }
    });
    let lookups = model.lookups.iter().map(
        |Lookup {
             name,
             columns,
             unclaimed,
         }| {
            quote! { _rt::Lookup { name: #name, columns: &[#(#columns),*], unclaimed: #unclaimed } }
        },
    );
    let id = model.id;
    let created = &model.table.created;
    let updated = model.updated().map(|(place, _)| place);
    let postgres = sql(model, Dialect::Postgres);
    let mysql = sql(model, Dialect::MySql);
    let sqlite = sql(model, Dialect::Sqlite);
    quote! {
        &_rt::Model {
            name: #name,
            columns: &[#(#columns),*],
            lookups: &[#(#lookups),*],
            id: #id,
            created: &[#(#created),*],
            updated: &[#(#updated),*],
            postgres: #postgres,
            mysql: #mysql,
            sqlite: #sqlite,
        }
    }
}

fn sql(model: &Model, dialect: Dialect) -> TokenStream {
    let Sql {
        select,
        from,
        find,
        by_id,
        insert,
        insert_touch,
        update,
        names,
        touch,
        where_id,
        returning,
        write_lock,
    } = Sql::of(&model.table, dialect);
    quote! {
        _rt::Sql {
            select: #select,
            from: #from,
            find: &[#(#find),*],
            by_id: #by_id,
            insert: #insert,
            insert_touch: #insert_touch,
            update: #update,
            names: &[#(#names),*],
            touch: #touch,
            where_id: #where_id,
            returning: #returning,
            write_lock: #write_lock,
        }
    }
}
