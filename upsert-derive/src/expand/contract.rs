use proc_macro2::TokenStream;
use quote::quote;

use super::rules::rules;
use super::{changes_ident, is_blank, is_blank_value, new_and_changes, new_ident};
use crate::column::Column;
use crate::model::{Lookup, Model};
use crate::sql::{Dialect, Sql};

/// ```text
/// impl Contract for Taxonomy {
///     type New = NewTaxonomy;
///     type Changes = TaxonomyChanges;
///     const MODEL: &'static Model = &Model { … };
///     fn read(columns: &mut dyn Columns) -> Result<Self, sqlx::Error> { … }
///     fn in_row(&self, column: usize) -> &Value { … }
///     …
/// }
/// ```
///
/// It knows no database, so that each of its functions is there once.
pub(super) fn contract(model: &Model) -> TokenStream {
    let ident = &model.ident;
    let (new, changes) = (new_ident(model), changes_ident(model));
    let (new_and_changes, data) = (new_and_changes(model), data(model));
    let (read, rules) = (read(model), rules(model));
    let (row, created) = (quote! { self }, quote! { __new });
    let in_row = values(model.columns.iter().enumerate(), &row);
    let in_new = values(model.created(), &created);
    let in_changes = model.updated().map(|(place, column)| {
        let name = &column.name.ident;
        quote! { #place => __changes.#name.closed() }
    });
    let differs = model.updated().map(|(place, column)| {
        let name = &column.name.ident;
        quote! { #place => __changes.#name.differs(&self.#name) }
    });
    let is_blank = model.keys().map(|(place, column)| {
        let ty = &column.ty;
        let is_blank = is_blank_value(column, &quote! { __value });
        quote! { #place => _rt::is_blank_value::<#ty>(__value, |__value| #is_blank) }
    });
    let normalize = model.created().map(|(_, column)| normalize(column));
    let trimmed = model.updated().filter(|(_, column)| column.trim);
    let normalize_changes = trimmed.map(|(_, column)| {
        let (name, ty) = (&column.name.ident, &column.ty);
        quote! { _rt::trim_change::<#ty>(&mut __changes.#name); }
    });
    // Rows are also found by the id, whether it is a look-up or not.
    let columns = model.columns.iter().enumerate();
    let trimmed =
        columns.filter(|(place, column)| column.trim && (column.is_key || *place == model.id));
    let normalize_key = trimmed.map(|(place, column)| {
        let ty = &column.ty;
        quote! { #place => _rt::trim_value::<#ty>(__value) }
    });
    let stage = model.updated().map(|(_, column)| {
        let name = &column.name.ident;
        quote! { __staged.#name.stage(__changes.#name); }
    });
    quote! {
        #[automatically_derived]
        #[allow(unused_variables)] // a model may have nothing to trim
        impl _rt::Contract for #ident {
            #new_and_changes

            const MODEL: &'static _rt::Model = #data;

            fn read(__columns: &mut dyn _rt::Columns) -> _rt::Result<Self, _rt::SqlxError> {
                #read
            }

            fn in_row(&self, __column: _rt::usize) -> &_rt::Value {
                match __column {
                    #(#in_row,)*
                    _ => _rt::NO_COLUMN,
                }
            }

            fn in_new(__new: &#new, __column: _rt::usize) -> &_rt::Value {
                match __column {
                    #(#in_new,)*
                    _ => _rt::NO_COLUMN,
                }
            }

            fn in_changes(__changes: &#changes, __column: _rt::usize) -> _rt::Option<&_rt::Value> {
                match __column {
                    #(#in_changes,)*
                    _ => _rt::Option::None,
                }
            }

            fn differs(&self, __changes: &#changes, __column: _rt::usize) -> _rt::bool {
                match __column {
                    #(#differs,)*
                    _ => false,
                }
            }

            fn is_blank(__value: &_rt::Value, __column: _rt::usize) -> _rt::bool {
                match __column {
                    #(#is_blank,)*
                    _ => false,
                }
            }

            fn normalize(__new: &mut #new) {
                #(#normalize)*
            }

            fn normalize_changes(__changes: &mut #changes) {
                #(#normalize_changes)*
            }

            fn normalize_key(__value: &mut _rt::Value, __column: _rt::usize) {
                match __column {
                    #(#normalize_key,)*
                    _ => {}
                }
            }

            fn stage(__staged: &mut #changes, __changes: #changes) {
                #(#stage)*
            }

            #rules
        }
    }
}

/// Makes the row of its columns.
fn read(model: &Model) -> TokenStream {
    let read = model.columns.iter().enumerate().map(|(place, column)| {
        let (name, ty) = (&column.name.ident, &column.ty);
        quote! { #name: _rt::read::<#ty>(__columns, #place)? }
    });
    let skipped = model.skipped.iter().map(|name| {
        let name = &name.ident;
        quote! { #name: _rt::Default::default() }
    });
    quote! {
        _rt::Result::Ok(Self {
            #(#read,)*
            #(#skipped,)*
        })
    }
}

/// For each of these columns, where its value is in `of`.
fn values<'m>(
    columns: impl Iterator<Item = (usize, &'m Column)>,
    of: &TokenStream,
) -> impl Iterator<Item = TokenStream> {
    columns.map(move |(place, column)| {
        let name = &column.name.ident;
        quote! { #place => &#of.#name }
    })
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
    let (returning, write_lock) = (option(returning), option(write_lock));
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

/// A text that may be missing.
fn option(text: Option<String>) -> TokenStream {
    text.map_or_else(
        || quote! { _rt::Option::None },
        |text| quote! { _rt::Option::Some(#text) },
    )
}
