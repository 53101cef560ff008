//! Options that contradict each other, or the place where they stand.

use proc_macro2::Span;

use crate::attr::{FieldAttrs, StructAttrs, serde_options};
use crate::column::{Column, Fields, Role};
use crate::errors::Errors;

/// An option, and what it is called.
type Named = (Span, &'static str);

/// What an option about updates says of a column that no update writes.
fn written_otherwise(role: Role) -> Option<(&'static str, &'static str)> {
    Some(match role {
        Role::Plain => return None,
        Role::Id | Role::AssignedId => ("id", "an id is never updated anyway"),
        Role::CreateOnly => ("create_only", "a `create_only` column is never updated"),
        Role::ReadOnly => ("readonly", "a `readonly` column is never written"),
        Role::Touch => ("touch", "a `touch` column is set by the database"),
        Role::Deleted => (
            "deleted",
            "a `deleted` column is written by `mark_deleted` and `restore` alone",
        ),
    })
}

/// Looks at the options of all columns, once it is known which of them are keys.
pub(crate) fn rules(fields: &Fields, (keys, uniques): (&[usize], &[usize]), errors: &mut Errors) {
    for (place, (column, attrs)) in fields.columns.iter().zip(&fields.attrs).enumerate() {
        of_updates(column, attrs, errors);
        of_uniques(uniques.contains(&place), attrs, errors);
        of_keys(keys.contains(&place), attrs, errors);
        of_types(column, attrs, errors);
    }
    once(
        fields.attrs.iter().map(|attrs| attrs.newer),
        "newer",
        errors,
    );
    once(
        fields.attrs.iter().map(|attrs| attrs.deleted),
        "deleted",
        errors,
    );
}

/// `keep_none`, `newer` and `uncompared` are about what an update writes; `unique` about what is written at all.
fn of_updates(column: &Column, attrs: &FieldAttrs, errors: &mut Errors) {
    if let Some((other, why)) = written_otherwise(column.role) {
        let mut refuse = |(span, name): Named| {
            errors.at_span(
                span,
                format!(
                    "`{name}` has no meaning beside `{other}`: {why}\nhelp: remove one of them"
                ),
            );
        };
        for named in about_updates(attrs) {
            refuse(named);
        }
        if let Some(span) = attrs.unique
            && column.role != Role::CreateOnly
        {
            refuse((span, "unique"));
        }
    }
    if let (Some(span), true) = (attrs.uncompared, attrs.newer.is_some()) {
        errors.at_span(
            span,
            "`uncompared` contradicts `newer`: a version that is not written would let an older one in later\nhelp: remove one of them",
        );
    }
}

/// A column of a unique key has rules of its own.
fn of_uniques(is_unique: bool, attrs: &FieldAttrs, errors: &mut Errors) {
    if !is_unique {
        return;
    }
    if let Some(span) = attrs.uncompared {
        errors.at_span(
            span,
            "`uncompared` contradicts `unique`: a key that is to be another one is a change\nhelp: remove one of them",
        );
    }
    if let Some(span) = attrs.newer {
        errors.at_span(
            span,
            "`newer` contradicts `unique`: a record's newer data may be stored with the keys of another one\nhelp: remove one of them",
        );
    }
}

/// A look-up's column has rules of its own.
fn of_keys(is_key: bool, attrs: &FieldAttrs, errors: &mut Errors) {
    if !is_key {
        return;
    }
    let whys = [
        (
            attrs.keep_none,
            "keep_none",
            "a blank key leaves what is stored alone anyway",
        ),
        (attrs.newer, "newer", "a key that was found is the row's"),
        (
            attrs.uncompared,
            "uncompared",
            "a key that is to be another one is a change",
        ),
    ];
    for (flag, name, why) in whys {
        if let Some(span) = flag {
            errors.at_span(
                span,
                format!("`{name}` has no meaning on a look-up: {why}\nhelp: remove it"),
            );
        }
    }
}

/// `keep_none` and `deleted` are about NULL.
fn of_types(column: &Column, attrs: &FieldAttrs, errors: &mut Errors) {
    if column.is_optional() {
        return;
    }
    if let Some(span) = attrs.keep_none {
        errors.at_span(
            span,
            "`keep_none` needs an `Option`: this field has a value in each record\nhelp: remove it",
        );
    }
    if let Some(span) = attrs.deleted {
        errors.at_span(
            span,
            "`deleted` needs an `Option` of a time stamp: a row that is not marked has none\nhelp: write `Option<DateTime<Utc>>`",
        );
    }
}

/// A model has one such field.
fn once(flags: impl Iterator<Item = Option<Span>>, name: &str, errors: &mut Errors) {
    for span in flags.flatten().skip(1) {
        errors.at_span(
            span,
            format!("a model has one `{name}` field\nhelp: remove one of them"),
        );
    }
}

fn about_updates(attrs: &FieldAttrs) -> impl Iterator<Item = Named> {
    let flags = [
        (attrs.keep_none, "keep_none"),
        (attrs.newer, "newer"),
        (attrs.uncompared, "uncompared"),
    ];
    flags
        .into_iter()
        .filter_map(|(flag, name)| Some((flag?, name)))
}

/// What serde leaves out of a field, or puts into another one, the structs that are made of the model cannot have.
pub(crate) fn serde(attrs: &StructAttrs, columns: &[Column], errors: &mut Errors) {
    const REFUSED: [&str; 4] = ["skip", "skip_serializing", "skip_deserializing", "flatten"];
    if !attrs.on_new.derives_serde() && !attrs.on_changes.derives_serde() {
        return;
    }
    let written = columns.iter().filter(|column| {
        matches!(
            column.role,
            Role::Plain | Role::CreateOnly | Role::AssignedId
        )
    });
    for column in written {
        let options = column.serde.iter().map(|attribute| &attribute.meta);
        for option in serde_options(options, &REFUSED) {
            errors.at(
                &option,
                "this does not work on what `new(..)` and `changes(..)` make: each column is a member there\nhelp: remove it, or write the struct that is sent by hand, with `From` for the creating data",
            );
        }
    }
}
