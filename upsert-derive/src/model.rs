//! The validated model. What cannot be written down here cannot be expanded.

use std::mem;

use proc_macro2::Ident;
use syn::{Data, DeriveInput, LitStr, Path, Visibility, parse_quote};

use crate::attr::{Nested, StructAttrs};
use crate::check;
use crate::column::{Column, Fields, Role};
use crate::errors::Errors;
use crate::name::Name;
use crate::rename::Rule;
use crate::sql::Table;

/// A struct that is a model.
pub(crate) struct Model {
    pub(crate) ident: Ident,
    pub(crate) vis: Visibility,
    /// Where the runtime crate is found.
    pub(crate) krate: Path,
    /// The fields that are columns, in the struct's order.
    pub(crate) columns: Vec<Column>,
    /// The fields that are not.
    pub(crate) skipped: Vec<Name>,
    pub(crate) lookups: Vec<Lookup>,
    /// The unique keys that are no look-ups.
    pub(crate) uniques: Vec<Unique>,
    /// What is put on the creating data.
    pub(crate) on_new: Nested,
    /// What is put on the updating data.
    pub(crate) on_changes: Nested,
    /// The primary key's place in `columns`.
    pub(crate) id: usize,
    /// The same as the database sees it.
    pub(crate) table: Table,
}

/// A key by which a record may be found.
pub(crate) struct Lookup {
    /// `slug`, or `(site_id, slug)`.
    pub(crate) name: String,
    /// Places in the model's columns.
    pub(crate) columns: Vec<usize>,
    pub(crate) unclaimed: bool,
}

/// A unique key by which no record is found.
pub(crate) struct Unique {
    /// `position`, or `(site_id, position)`.
    pub(crate) name: String,
    /// Places in the model's columns.
    pub(crate) columns: Vec<usize>,
}

impl Lookup {
    /// What its methods end with: `slug`, `site_id_and_slug`.
    pub(crate) fn method(&self, columns: &[Column]) -> String {
        let names = self.columns.iter().map(|&place| &*columns[place].name.text);
        names.collect::<Vec<_>>().join("_and_")
    }
}

impl Model {
    /// The model of `input`. After a mistake it is what can be made of the rest, so that nothing else is reported.
    pub(crate) fn from_input(input: &DeriveInput, errors: &mut Errors) -> Option<Self> {
        let Data::Struct(data) = &input.data else {
            errors.at(&input.ident, "a model is a struct with named fields");
            return None;
        };
        let syn::Fields::Named(fields) = &data.fields else {
            errors.at(
                &input.ident,
                "a model is a struct with named fields\nhelp: the names are the columns",
            );
            return None;
        };
        if !input.generics.params.is_empty() {
            errors.at(
                &input.generics,
                "a model cannot be generic\nhelp: its columns and statements are fixed at compile time; derive it on a struct with concrete types",
            );
            return None;
        }
        let mut attrs = StructAttrs::parse(&input.attrs, errors);
        let rename_all = attrs
            .rename_all
            .as_ref()
            .and_then(|rule| Rule::parse(rule, errors));
        let mut fields = Fields::parse(fields, rename_all, errors);
        let id = check::id(&input.ident, &mut fields.columns, &fields.attrs, errors);
        let lookups = lookups(&input.ident, &attrs, &fields, id, errors);
        let uniques = uniques(&input.ident, &attrs, &fields, &lookups, errors);
        let keys: Vec<usize> = lookups
            .iter()
            .flat_map(|lookup| lookup.columns.iter().copied())
            .collect();
        let unique_columns: Vec<usize> = uniques
            .iter()
            .flat_map(|unique| unique.columns.iter().copied())
            .collect();
        check::rules(&fields, (&keys, &unique_columns), errors);
        check::serde(&attrs, &fields.columns, errors);
        let Fields {
            mut columns,
            names,
            skipped,
            ..
        } = fields;
        for lookup in &lookups {
            lookup
                .columns
                .iter()
                .for_each(|&column| columns[column].is_key = true);
        }
        check::columns(&columns, &names, errors);
        let path = attrs.table.as_ref().map_or_else(
            || vec![Rule::Snake.apply(&Name::new(&input.ident).text)],
            |table| table_path(table, errors),
        );
        let created = places(&columns, |role| {
            matches!(role, Role::AssignedId | Role::Plain | Role::CreateOnly)
        });
        Some(Self {
            table: Table {
                path,
                id,
                touched: places(&columns, |role| role == Role::Touch),
                deleted: places(&columns, |role| role == Role::Deleted).pop(),
                created,
                lookups: lookups
                    .iter()
                    .map(|lookup| lookup.columns.clone())
                    .collect(),
                columns: names,
            },
            ident: input.ident.clone(),
            vis: input.vis.clone(),
            krate: attrs
                .krate
                .unwrap_or_else(|| parse_quote!(::upsert_runtime)),
            on_new: mem::take(&mut attrs.on_new),
            on_changes: mem::take(&mut attrs.on_changes),
            columns,
            skipped,
            lookups,
            uniques,
            id,
        })
    }

    /// The columns that creating data holds, with their places.
    pub(crate) fn created(&self) -> impl Iterator<Item = (usize, &Column)> {
        self.table
            .created
            .iter()
            .map(|&place| (place, &self.columns[place]))
    }

    /// The columns that updating data may set, with their places.
    pub(crate) fn updated(&self) -> impl Iterator<Item = (usize, &Column)> {
        self.columns
            .iter()
            .enumerate()
            .filter(|(_, column)| column.role == Role::Plain)
    }

    /// The columns that look-ups use, with their places.
    pub(crate) fn keys(&self) -> impl Iterator<Item = (usize, &Column)> {
        self.columns
            .iter()
            .enumerate()
            .filter(|(_, column)| column.is_key)
    }
}

fn places(columns: &[Column], is: impl Fn(Role) -> bool) -> Vec<usize> {
    (0..columns.len())
        .filter(|&place| is(columns[place].role))
        .collect()
}

fn lookups(
    model: &Ident,
    attrs: &StructAttrs,
    fields: &Fields,
    id: usize,
    errors: &mut Errors,
) -> Vec<Lookup> {
    check::has_lookups(model, attrs, fields, errors);
    let mut lookups: Vec<Lookup> = Vec::new();
    for key in attrs.lookups.iter().flatten() {
        let mut places = Vec::new();
        for field in &key.fields {
            if let Some(place) = check::key_field(model, field, fields, errors) {
                if places.contains(&place) {
                    errors.at(field, format!("`{field}` is in this key twice"));
                } else {
                    places.push(place);
                }
            }
        }
        if places.len() < key.fields.len() {
            continue;
        }
        let names: Vec<_> = places
            .iter()
            .map(|&place| &*fields.columns[place].name.text)
            .collect();
        let name = match &names[..] {
            [name] => (*name).to_owned(),
            _ => format!("({})", names.join(", ")),
        };
        check::key(key, &places, &lookups, errors);
        let lookup = Lookup {
            name,
            columns: places,
            unclaimed: key.unclaimed.is_some(),
        };
        check::method(key, &lookup, &lookups, id, &fields.columns, errors);
        lookups.push(lookup);
    }
    lookups
}

fn uniques(
    model: &Ident,
    attrs: &StructAttrs,
    fields: &Fields,
    lookups: &[Lookup],
    errors: &mut Errors,
) -> Vec<Unique> {
    let name = |place: &usize| &*fields.columns[*place].name.text;
    let mut uniques: Vec<Unique> = Vec::new();
    for (place, attrs) in fields.attrs.iter().enumerate() {
        if attrs.unique.is_some() {
            let ident = &fields.columns[place].name.ident;
            check::is_new_key(model, ident, &[place], lookups, &uniques, errors);
            uniques.push(Unique {
                name: name(&place).to_owned(),
                columns: vec![place],
            });
        }
    }
    for key in &attrs.uniques {
        let found = key
            .fields
            .iter()
            .map(|field| check::key_field(model, field, fields, errors));
        let Some(places) = found.collect::<Option<Vec<usize>>>() else {
            continue;
        };
        check::unique(model, key, &places, lookups, &uniques, errors);
        let names: Vec<_> = places.iter().map(name).collect();
        uniques.push(Unique {
            name: format!("({})", names.join(", ")),
            columns: places,
        });
    }
    uniques
}

/// The parts of `schema.table`.
fn table_path(table: &LitStr, errors: &mut Errors) -> Vec<String> {
    let path: Vec<_> = table.value().split('.').map(str::to_owned).collect();
    if path.len() > 2
        || path
            .iter()
            .any(|part| part.trim().is_empty() || part.contains('\0'))
    {
        errors.at(table, "not a table's name\nhelp: write `table = \"taxonomy\"` or `table = \"schema.taxonomy\"`");
    }
    path
}
