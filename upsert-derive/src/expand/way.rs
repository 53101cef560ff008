use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote};

use crate::column::Column;
use crate::model::Model;
use crate::sql::{Dialect, Sql};

/// A way to find a row: by the id or by a look-up. Each is a `by_…` method and a variant of the key.
pub(super) struct Way<'m> {
    /// `id`, `slug`, `site_id_and_slug`
    name: String,
    /// Its place among the look-ups; the id has none.
    lookup: Option<usize>,
    pub(super) columns: Vec<&'m Column>,
}

/// The id, and each look-up that is not the id.
pub(super) fn ways(model: &Model) -> Vec<Way<'_>> {
    let mut ways = vec![Way {
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
        if ways.iter().all(|way| way.name != name) {
            ways.push(Way {
                name,
                lookup: Some(place),
                columns,
            });
        }
    }
    ways
}

impl Way<'_> {
    /// `by_slug`, `many_by_slug`, `try_by_slug`
    pub(super) fn method(&self, prefix: &str) -> Ident {
        format_ident!("{prefix}by_{}", self.name)
    }

    /// The variant of the key.
    pub(super) fn variant(&self) -> Ident {
        match self.lookup {
            None => format_ident!("Id"),
            Some(place) => format_ident!("Lookup{place}"),
        }
    }

    /// Which look-up it is, for the runtime.
    pub(super) fn by(&self) -> TokenStream {
        match self.lookup {
            None => quote! { _rt::By::Id },
            Some(place) => quote! { _rt::By::Lookup(#place) },
        }
    }

    /// Names for the parts of the key in a pattern.
    pub(super) fn parts(&self) -> Vec<Ident> {
        (0..self.columns.len())
            .map(|part| format_ident!("__part_{part}"))
            .collect()
    }

    /// For each part of the key the argument's name, its type, and how it becomes the field's value.
    pub(super) fn arguments(&self) -> Vec<(&Ident, TokenStream, TokenStream)> {
        self.columns
            .iter()
            .map(|column| {
                let name = &column.name.ident;
                let (ty, value) = super::argument(column.value_type(), name);
                let value = if column.is_optional() {
                    quote! { _rt::Option::Some(#value) }
                } else {
                    value
                };
                (name, ty, value)
            })
            .collect()
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
        self.columns
            .iter()
            .any(|column| crate::column::is_text(column.value_type()))
    }

    /// The SELECT, on PostgreSQL.
    pub(super) fn select(&self, model: &Model) -> String {
        let sql = Sql::of(&model.table, Dialect::Postgres);
        let select = match self.lookup {
            None => &sql.by_id,
            Some(place) => &sql.find[place],
        };
        format!("{select} FOR NO KEY UPDATE")
    }
}
