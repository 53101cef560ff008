use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};

use super::{changes_ident, new_ident, span_of};
use crate::column::{Column, Role};
use crate::model::{Model, Unique};
use crate::sql::{DeletedSql, Dialect};

/// The fields of the runtime's `Rules`.
const FIELDS: usize = 5;

/// ```text
///     const RULES: &'static Rules = &Rules { newer: Some(4), ..Rules::NONE };
///     fn is_stale(&self, changes: &TaxonomyChanges) -> bool { … }
///     …
/// ```
///
/// Nothing for a model that declares none.
pub(super) fn rules(model: &Model) -> TokenStream {
    let newer = model.updated().find(|(_, column)| column.newer);
    let deleted = model
        .columns
        .iter()
        .find(|column| column.role == Role::Deleted);
    let fields: [_; FIELDS] = [
        uniques(model),
        columns(model, "keep_none", |column| column.keep_none),
        columns(model, "uncompared", |column| column.uncompared),
        newer.map(|(place, _)| quote! { newer: _rt::Option::Some(#place) }),
        deleted_rows(model),
    ];
    let fields: Vec<_> = fields.into_iter().flatten().collect();
    if fields.is_empty() {
        return TokenStream::new();
    }
    // Clippy calls a rest that is nothing needless, in the user's crate.
    let rest = (fields.len() < FIELDS).then(|| quote! { .._rt::Rules::NONE });
    let versions = newer.map(|(_, column)| versions(model, column));
    let is_deleted = deleted.map(|column| {
        let name = &column.name.ident;
        quote! {
            fn is_deleted(&self) -> _rt::bool {
                _rt::Option::is_some(&self.#name)
            }
        }
    });
    quote! {
        const RULES: &'static _rt::Rules = &_rt::Rules {
            #(#fields,)*
            #rest
        };

        #versions
        #is_deleted
    }
}

fn uniques(model: &Model) -> Option<TokenStream> {
    let uniques = model.uniques.iter().map(|Unique { name, columns }| {
        quote! { _rt::UniqueKey { name: #name, columns: &[#(#columns),*] } }
    });
    (!model.uniques.is_empty()).then(|| quote! { uniques: &[#(#uniques),*] })
}

/// The places of the columns that are so.
fn columns(model: &Model, name: &str, is: impl Fn(&Column) -> bool) -> Option<TokenStream> {
    let places: Vec<usize> = model
        .updated()
        .filter(|(_, column)| is(column))
        .map(|(place, _)| place)
        .collect();
    let name = proc_macro2::Ident::new(name, proc_macro2::Span::call_site());
    (!places.is_empty()).then(|| quote! { #name: &[#(#places),*] })
}

/// Versions are compared in the field's own type.
fn versions(model: &Model, column: &Column) -> TokenStream {
    let (new, changes) = (new_ident(model), changes_ident(model));
    let (name, ty) = (&column.name.ident, &column.ty);
    let keys = model.lookups.iter().map(|key| &key.columns);
    let keys = keys.chain(model.uniques.iter().map(|key| &key.columns));
    let mut places: Vec<usize> = keys.flatten().copied().collect();
    places.sort_unstable();
    places.dedup();
    let keys = places.iter().map(|&place| {
        let name = &model.columns[place].name.ident;
        quote! { _rt::Clone::clone_from(&mut __new.#name, &__owner.#name); }
    });
    let is_less = quote_spanned! { span_of(column) => _rt::is_less::<#ty>(__one, __other) };
    quote! {
        fn is_stale(&self, __changes: &#changes) -> _rt::bool {
            __changes.#name.is_less_than(&self.#name)
        }

        fn version(__new: &#new) -> _rt::Option<_rt::Box<_rt::Value>> {
            _rt::Option::Some(_rt::Box::new(_rt::Clone::clone(&__new.#name)))
        }

        fn is_older(__one: &_rt::Value, __other: &_rt::Value) -> _rt::bool {
            #is_less
        }

        fn take_keys(__new: &mut #new, __owner: &#new) {
            #(#keys)*
        }
    }
}

fn deleted_rows(model: &Model) -> Option<TokenStream> {
    let column = model.table.deleted?;
    let sql = |dialect| {
        let DeletedSql {
            live,
            marked,
            last,
            mark,
            restore,
        } = DeletedSql::of(&model.table, dialect)?;
        Some(quote! {
            _rt::DeletedSql {
                live: #live,
                marked: #marked,
                last: #last,
                mark: #mark,
                restore: #restore,
            }
        })
    };
    let postgres = sql(Dialect::Postgres)?;
    let mysql = sql(Dialect::MySql)?;
    let sqlite = sql(Dialect::Sqlite)?;
    Some(quote! {
        deleted: _rt::Option::Some(_rt::Deleted {
            column: #column,
            postgres: #postgres,
            mysql: #mysql,
            sqlite: #sqlite,
        })
    })
}
