//! Rules over more than one attribute, one function each.

use proc_macro2::Ident;

use crate::attr::{FieldAttrs, KeyAttr, StructAttrs, UniqueAttr};
use crate::column::{Column, Fields, Role};
use crate::errors::Errors;
use crate::model::{Lookup, Unique};
use crate::name::Name;
use crate::suggest;

mod rules;

pub(crate) use self::rules::{rules, serde};

/// A column is written by one of them: the program, once or always; the database; nobody. `trim` is for what the program
/// writes.
pub(crate) fn role(attrs: &FieldAttrs, errors: &mut Errors) -> Role {
    let options = [
        (
            attrs.id,
            "id",
            if attrs.assigned.is_some() {
                Role::AssignedId
            } else {
                Role::Id
            },
        ),
        (attrs.readonly, "readonly", Role::ReadOnly),
        (attrs.touch, "touch", Role::Touch),
        (attrs.create_only, "create_only", Role::CreateOnly),
        (attrs.deleted, "deleted", Role::Deleted),
    ];
    let mut written = options
        .into_iter()
        .filter_map(|(flag, name, role)| Some((flag?, name, role)));
    let first = written.next();
    for (span, name, _) in written {
        let Some((_, other, _)) = first else { break };
        let why = match other {
            "id" => "an id is never updated anyway",
            "readonly" => "a `readonly` column is never written",
            "create_only" => "a `deleted` column is written by `mark_deleted` and `restore` alone",
            _ => "a `touch` column is set by the database",
        };
        errors.at_span(
            span,
            format!("`{name}` has no meaning beside `{other}`: {why}\nhelp: remove one of them"),
        );
    }
    if let (Some(span), None) = (attrs.assigned, attrs.id) {
        errors.at_span(
            span,
            "`assigned` belongs to `id`\nhelp: write `#[upsert(id, assigned)]`",
        );
    }
    let role = first.map_or(Role::Plain, |(_, _, role)| role);
    if let Some(span) = attrs.trim
        && matches!(
            role,
            Role::Id | Role::ReadOnly | Role::Touch | Role::Deleted
        )
    {
        errors.at_span(
            span,
            "`trim` has no meaning here: the database makes this column's value\nhelp: remove it",
        );
    }
    role
}

/// A field that is no column can have no option of a column.
pub(crate) fn skipped(attrs: &FieldAttrs, errors: &mut Errors) {
    let options = [
        attrs.id,
        attrs.assigned,
        attrs.trim,
        attrs.create_only,
        attrs.readonly,
        attrs.touch,
        attrs.keep_none,
        attrs.newer,
        attrs.uncompared,
        attrs.unique,
        attrs.deleted,
    ];
    for span in options.into_iter().flatten() {
        errors.at_span(
            span,
            "this field is no column: it is marked `#[sqlx(skip)]`\nhelp: remove one of them",
        );
    }
}

/// One column is the primary key: the one marked `id`, else the field named `id`. Returns its place.
pub(crate) fn id(
    model: &Ident,
    columns: &mut [Column],
    attrs: &[FieldAttrs],
    errors: &mut Errors,
) -> usize {
    let mut marked = attrs
        .iter()
        .enumerate()
        .filter_map(|(place, attrs)| Some((place, attrs.id?)));
    if let Some((place, _)) = marked.next() {
        for (_, span) in marked {
            errors.at_span(span, "a model has one `id`\nhelp: a primary key of several columns is not supported; mark a single one");
        }
        return place;
    }
    let named = columns.iter().position(|column| column.name.text == "id");
    let Some(place) = named else {
        errors.at(model, format!("no field `id` on `{model}`\nhelp: add one, or mark the primary key with `#[upsert(id)]`"));
        return 0;
    };
    if columns[place].role == Role::Plain {
        columns[place].role = Role::Id;
    } else {
        errors.at(
            &columns[place].name.ident,
            "the field `id` is the primary key, which no other option fits\nhelp: write `#[upsert(id)]`, or mark another field so",
        );
    }
    place
}

/// A model says how its records are found. A `lookup` in the wrong place has been reported there.
pub(crate) fn has_lookups(
    model: &Ident,
    attrs: &StructAttrs,
    fields: &Fields,
    errors: &mut Errors,
) {
    if attrs.lookups.is_none() && !fields.attrs.iter().any(|field| field.has_lookup) {
        errors.at(
            model,
            format!("no look-up on `{model}`\nhelp: say by which fields a record is found, in order: `#[lookup(remote_id, slug)]`"),
        );
    }
}

/// A key's field is a column that the program writes: only such a value is known before the row is. Returns its place.
pub(crate) fn key_field(
    model: &Ident,
    field: &Ident,
    fields: &Fields,
    errors: &mut Errors,
) -> Option<usize> {
    let Fields {
        columns, skipped, ..
    } = fields;
    let Name { text, .. } = Name::new(field);
    if skipped.iter().any(|name| name.text == text) {
        errors.at(
            field,
            format!("`{text}` is no column: it is marked `#[sqlx(skip)]`"),
        );
        return None;
    }
    let Some(place) = columns.iter().position(|column| column.name.text == text) else {
        let usable = columns.iter().filter(|column| {
            matches!(
                column.role,
                Role::Plain | Role::CreateOnly | Role::AssignedId
            )
        });
        let names: Vec<_> = usable.map(|column| &*column.name.text).collect();
        let help = match suggest::nearest(&text, names.iter().copied()) {
            Some(near) => format!("help: a field with a similar name exists: `{near}`\n"),
            None => String::new(),
        };
        errors.at(
            field,
            format!(
                "no field `{text}` on `{model}`\n{help}note: available fields are {}",
                suggest::list(names)
            ),
        );
        return None;
    };
    let why = match columns[place].role {
        Role::Plain | Role::CreateOnly | Role::AssignedId => return Some(place),
        Role::Id => {
            "the database makes it, so no record knows it beforehand\nhelp: where the program makes it, write `#[upsert(id, assigned)]`"
        }
        Role::ReadOnly => "it is `readonly`, so no record knows it beforehand",
        Role::Touch => "it is `touch`: the database's clock sets it",
        Role::Deleted => "it is `deleted`: a row that is not marked has no value in it",
    };
    errors.at(field, format!("`{text}` cannot be a key: {why}"));
    None
}

/// A tuple has more than one field, a key is asked once, and `unclaimed` needs an earlier key that could claim.
pub(crate) fn key(key: &KeyAttr, places: &[usize], earlier: &[Lookup], errors: &mut Errors) {
    if let (Some(field), true) = (
        key.fields.first(),
        earlier.iter().any(|lookup| lookup.columns == places),
    ) {
        errors.at(
            field,
            format!("the look-up by `{field}` is written twice\nhelp: remove one of them"),
        );
    }
    if let (Some(span), [field]) = (key.tuple, &key.fields[..]) {
        errors.at_span(
            span,
            format!("a tuple of one field is that field\nhelp: write `{field}`"),
        );
    }
    if let (Some(span), true) = (key.unclaimed, earlier.is_empty()) {
        errors.at_span(span, "`unclaimed` has no meaning on the first look-up: no earlier key can claim the row\nhelp: remove it");
    }
}

/// Each look-up has methods of its own, and `by_id` is the primary key's.
pub(crate) fn method(
    key: &KeyAttr,
    lookup: &Lookup,
    earlier: &[Lookup],
    id: usize,
    columns: &[Column],
    errors: &mut Errors,
) {
    let method = lookup.method(columns);
    let taken = earlier
        .iter()
        .find(|other| other.method(columns) == method && other.columns != lookup.columns);
    let other = match taken {
        Some(other) => format!("the look-up by `{}`", other.name),
        None if method == "id" && lookup.columns != [id] => "the primary key".to_owned(),
        None => return,
    };
    errors.at(
        &key.fields[0],
        format!("the method `by_{method}` is that of {other}\nhelp: rename a field, and keep its column with `#[sqlx(rename = \"..\")]`"),
    );
}

/// Each column has a name of its own, and each setter too.
pub(crate) fn columns(columns: &[Column], names: &[String], errors: &mut Errors) {
    for (place, column) in columns.iter().enumerate() {
        let ident = &column.name.ident;
        if names[place].is_empty() || names[place].contains('\0') {
            errors.at(ident, "not a column's name");
        }
        if names[..place].contains(&names[place]) {
            errors.at(
                ident,
                format!("the column `{}` is another field's already", names[place]),
            );
        }
        if column.name.text == "new" && column.role == Role::Plain {
            errors.at(
                ident,
                "a field named `new` would clash with `new()` of the updating data\nhelp: rename the field, and keep the column with `#[sqlx(rename = \"new\")]`",
            );
        }
    }
}

/// A unique key has fields that the program writes, more than one, and is no look-up already.
pub(crate) fn unique(
    model: &Ident,
    key: &UniqueAttr,
    places: &[usize],
    lookups: &[Lookup],
    earlier: &[Unique],
    errors: &mut Errors,
) {
    let Some(field) = key.fields.first() else {
        return;
    };
    if let [field] = &key.fields[..] {
        errors.at(
            field,
            format!("a unique key of one field is written above the field\nhelp: write `#[upsert(unique)]` above `{field}`"),
        );
    }
    is_new_key(model, field, places, lookups, earlier, errors);
}

/// A unique key is not declared twice.
pub(crate) fn is_new_key(
    model: &Ident,
    at: &Ident,
    places: &[usize],
    lookups: &[Lookup],
    earlier: &[Unique],
    errors: &mut Errors,
) {
    if lookups.iter().any(|lookup| lookup.columns == places) {
        errors.at(
            at,
            format!("this is a look-up of `{model}` already, which is a unique key\nhelp: remove `unique`"),
        );
    }
    if earlier.iter().any(|unique| unique.columns == places) {
        errors.at(
            at,
            "this unique key is written twice\nhelp: remove one of them",
        );
    }
}
