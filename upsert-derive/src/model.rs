//! The validated model. What cannot be written down here cannot be expanded.

use proc_macro2::{Ident, Span};
use syn::{
    Data, DeriveInput, Fields, FieldsNamed, GenericArgument, LitStr, Path, PathArguments, Type,
    Visibility, parse_quote,
};

use crate::attr::{FieldAttrs, KeyAttr, StructAttrs};
use crate::check;
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
    /// The primary key's place in `columns`.
    pub(crate) id: usize,
    /// The same as the database sees it.
    pub(crate) table: Table,
}

/// A field that is a column.
pub(crate) struct Column {
    pub(crate) name: Name,
    pub(crate) ty: Type,
    pub(crate) role: Role,
    pub(crate) trim: bool,
    /// Whether a look-up uses it.
    pub(crate) is_key: bool,
}

/// Who writes a column, and when.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Role {
    /// The primary key, made by the database.
    Id,
    /// The primary key, made by the program.
    AssignedId,
    /// Written on create and on update.
    Plain,
    /// Written on create.
    CreateOnly,
    /// Never written.
    ReadOnly,
    /// Set by the database's clock on create and on every real change.
    Touch,
}

/// A key by which a record may be found.
pub(crate) struct Lookup {
    /// `slug`, or `(site_id, slug)`.
    pub(crate) name: String,
    /// Places in the model's columns.
    pub(crate) columns: Vec<usize>,
    pub(crate) unclaimed: bool,
}

impl Model {
    /// The model of `input`. After a mistake it is what can be made of the rest, so that nothing else is reported.
    pub(crate) fn from_input(input: &DeriveInput, errors: &mut Errors) -> Option<Self> {
        let Data::Struct(data) = &input.data else {
            errors.at(&input.ident, "a model is a struct with named fields");
            return None;
        };
        let Fields::Named(fields) = &data.fields else {
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
        let attrs = StructAttrs::parse(&input.attrs, errors);
        let rename_all = attrs
            .rename_all
            .as_ref()
            .and_then(|rule| Rule::parse(rule, errors));
        let mut fields = ModelFields::parse(fields, rename_all, errors);
        let id = check::id(&input.ident, &mut fields.columns, &fields.attrs, errors);
        let lookups = lookups(input, attrs.lookups, &fields, errors);
        let ModelFields {
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
        let path = attrs.table.map_or_else(
            || vec![Rule::Snake.apply(&Name::new(&input.ident).text)],
            |table| table_path(&table, errors),
        );
        let created = places(&columns, |role| {
            matches!(role, Role::AssignedId | Role::Plain | Role::CreateOnly)
        });
        Some(Self {
            table: Table {
                path,
                id,
                touched: places(&columns, |role| role == Role::Touch),
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
            columns,
            skipped,
            lookups,
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

/// The fields of the struct, sorted into columns and others.
pub(crate) struct ModelFields {
    pub(crate) columns: Vec<Column>,
    /// For each column its name in the database.
    names: Vec<String>,
    /// For each column what was written above it.
    attrs: Vec<FieldAttrs>,
    pub(crate) skipped: Vec<Name>,
}

impl ModelFields {
    fn parse(fields: &FieldsNamed, rename_all: Option<Rule>, errors: &mut Errors) -> Self {
        let mut this = Self {
            columns: Vec::new(),
            names: Vec::new(),
            attrs: Vec::new(),
            skipped: Vec::new(),
        };
        for field in &fields.named {
            let Some(ident) = &field.ident else { continue };
            let name = Name::new(ident);
            let attrs = FieldAttrs::parse(&field.attrs, errors);
            if let Some((_, value)) = &field.default {
                errors.at(value, "a default value has no meaning here\nhelp: creating data has a field for each column; remove it");
            }
            if attrs.skip.is_some() {
                check::skipped(&attrs, errors);
                this.skipped.push(name);
                continue;
            }
            this.names.push(match (&attrs.rename, rename_all) {
                (Some(column), _) => column.value(),
                (None, Some(rule)) => rule.apply(&name.text),
                (None, None) => name.text.clone(),
            });
            this.columns.push(Column {
                name,
                ty: field.ty.clone(),
                role: check::role(&attrs, errors),
                trim: attrs.trim.is_some(),
                is_key: false,
            });
            this.attrs.push(attrs);
        }
        this
    }
}

impl Column {
    /// Whether the field's type is written as an `Option`.
    pub(crate) fn is_optional(&self) -> bool {
        last_segment(&self.ty)
            .is_some_and(|(name, argument)| name == "Option" && argument.is_some())
    }

    /// Whether the field's type is owned text, which setters take as `impl Into<..>`.
    pub(crate) fn is_text(&self) -> bool {
        last_segment(&self.ty).is_some_and(|(name, argument)| {
            name == "String"
                || (matches!(&*name, "Box" | "Arc" | "Rc" | "Cow")
                    && argument
                        .and_then(last_segment)
                        .is_some_and(|(name, _)| name == "str"))
        })
    }
}

/// The last name of a type's path and the type behind it in angle brackets. Macros wrap types in invisible groups.
fn last_segment(ty: &Type) -> Option<(String, Option<&Type>)> {
    match ty {
        Type::Group(group) => last_segment(&group.elem),
        Type::Paren(paren) => last_segment(&paren.elem),
        Type::Path(path) => {
            let segment = path.path.segments.last()?;
            let argument = match &segment.arguments {
                PathArguments::AngleBracketed(arguments) => {
                    arguments.args.iter().find_map(|argument| match argument {
                        GenericArgument::Type(ty) => Some(ty),
                        _ => None,
                    })
                }
                _ => None,
            };
            Some((segment.ident.to_string(), argument))
        }
        _ => None,
    }
}

fn places(columns: &[Column], is: impl Fn(Role) -> bool) -> Vec<usize> {
    (0..columns.len())
        .filter(|&place| is(columns[place].role))
        .collect()
}

fn lookups(
    input: &DeriveInput,
    keys: Option<Vec<KeyAttr>>,
    fields: &ModelFields,
    errors: &mut Errors,
) -> Vec<Lookup> {
    let Some(keys) = keys else {
        errors.at(
            &input.ident,
            format!(
                "no look-up on `{}`\nhelp: say by which fields a record is found, in order: `#[lookup(remote_id, slug)]`",
                input.ident
            ),
        );
        return Vec::new();
    };
    let mut lookups: Vec<Lookup> = Vec::new();
    for key in keys {
        let mut places = Vec::new();
        for field in &key.fields {
            if let Some(place) = check::key_field(&input.ident, field, fields, errors) {
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
        check::key(&key, &places, &lookups, errors);
        lookups.push(Lookup {
            name,
            columns: places,
            unclaimed: key.unclaimed.is_some(),
        });
    }
    lookups
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

/// The place to blame for an option: where it was written.
pub(crate) fn blame(span: Span, message: impl std::fmt::Display, errors: &mut Errors) {
    errors.push(syn::Error::new(span, message));
}
