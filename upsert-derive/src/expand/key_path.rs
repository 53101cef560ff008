use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote};

use crate::column::Column;
use crate::model::Model;
use crate::sql::{DeletedSql, Dialect, Sql};

/// The key by which a row is reached: the primary key or a look-up. Each has its `by_…` methods.
pub(super) struct KeyPath<'m> {
    /// `id`, `slug`, `site_id_and_slug`
    name: String,
    /// Its place among the look-ups; the id has none.
    lookup: Option<usize>,
    pub(super) columns: Vec<&'m Column>,
}

/// The id, and each look-up that is not the id.
pub(super) fn key_paths(model: &Model) -> Vec<KeyPath<'_>> {
    let mut paths = vec![KeyPath {
        name: "id".to_owned(),
        lookup: None,
        columns: vec![&model.columns[model.id]],
    }];
    for (place, lookup) in model.lookups.iter().enumerate() {
        let columns: Vec<_> = lookup
            .columns
            .iter()
            .map(|&column| &model.columns[column])
            .collect();
        let name = lookup.method(&model.columns);
        // One that is there twice has been reported.
        if paths.iter().all(|path| path.name != name) {
            paths.push(KeyPath {
                name,
                lookup: Some(place),
                columns,
            });
        }
    }
    paths
}

impl KeyPath<'_> {
    /// `by_slug`, `many_by_slug`, `try_by_slug`
    pub(super) fn method(&self, prefix: &str) -> Ident {
        format_ident!("{prefix}by_{}", self.name)
    }

    /// The same for the runtime.
    pub(super) fn tokens(&self) -> TokenStream {
        match self.lookup {
            None => quote! { _rt::KeyPath::Id },
            Some(place) => quote! { _rt::KeyPath::Lookup(#place) },
        }
    }

    /// For each part of the key the argument's name and its type.
    pub(super) fn arguments(&self) -> Vec<(&Ident, TokenStream)> {
        let arguments = self.columns.iter().map(|column| {
            let name = &column.name.ident;
            let (ty, _) = super::argument(column.value_type(), name);
            (name, ty)
        });
        arguments.collect()
    }

    /// The arguments as the parts of a key, each in its field's type: whether `Option<T>` fits a database says nothing of `T`.
    pub(super) fn key(&self) -> TokenStream {
        let parts = self.columns.iter().map(|column| {
            let (name, ty) = (&column.name.ident, &column.ty);
            let (_, value) = super::argument(column.value_type(), name);
            let value = if column.is_optional() {
                quote! { _rt::Option::Some(#value) }
            } else {
                value
            };
            quote! { .with::<#ty>(#value) }
        });
        quote! { <_rt::KeyParts as _rt::Default>::default()#(#parts)* }
    }

    /// "`site_id` and `slug` are these"
    pub(super) fn said(&self) -> String {
        let names: Vec<_> = self
            .columns
            .iter()
            .map(|column| format!("`{}`", column.name.text))
            .collect();
        let verb = if names.len() > 1 {
            "are these"
        } else {
            "is this"
        };
        format!("{} {verb}", names.join(" and "))
    }

    /// Whether a value can be given that identifies no row.
    pub(super) fn may_be_blank(&self) -> bool {
        // An id that is no look-up is never blank.
        let mut keys = self.columns.iter().filter(|column| column.is_key);
        keys.any(|column| crate::column::is_text(column.value_type()))
    }

    /// The SELECT, on PostgreSQL.
    pub(super) fn select(&self, model: &Model) -> String {
        let sql = Sql::of(&model.table, Dialect::Postgres);
        let live = DeletedSql::of(&model.table, Dialect::Postgres).map(|sql| sql.live);
        let (select, live) = match self.lookup {
            None => (&sql.by_id, live.as_deref().unwrap_or_default()),
            Some(place) => (&sql.find[place], ""),
        };
        format!("{select}{live} FOR NO KEY UPDATE")
    }
}
