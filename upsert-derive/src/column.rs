//! The fields of a model, and which of them are columns.

use syn::{Attribute, FieldsNamed, GenericArgument, PathArguments, Type};

use crate::attr::FieldAttrs;
use crate::check;
use crate::errors::Errors;
use crate::name::Name;
use crate::rename::Rule;

/// The fields of the struct, sorted into columns and others.
pub(crate) struct Fields {
    pub(crate) columns: Vec<Column>,
    /// For each column its name in the database.
    pub(crate) names: Vec<String>,
    /// For each column what was written above it.
    pub(crate) attrs: Vec<FieldAttrs>,
    pub(crate) skipped: Vec<Name>,
}

impl Fields {
    pub(crate) fn parse(
        fields: &FieldsNamed,
        rename_all: Option<Rule>,
        errors: &mut Errors,
    ) -> Self {
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
                keep_none: attrs.keep_none.is_some(),
                newer: attrs.newer.is_some(),
                uncompared: attrs.uncompared.is_some(),
                serde: attrs.serde.clone(),
            });
            this.attrs.push(attrs);
        }
        this
    }
}

/// A field that is a column.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is an option of its own"
)]
pub(crate) struct Column {
    pub(crate) name: Name,
    pub(crate) ty: Type,
    pub(crate) role: Role,
    pub(crate) trim: bool,
    /// Whether a look-up uses it.
    pub(crate) is_key: bool,
    /// Whether creating data that have no value leave it alone.
    pub(crate) keep_none: bool,
    /// Whether it tells which version is the newer one.
    pub(crate) newer: bool,
    /// Whether it is written along, and never the reason for a write.
    pub(crate) uncompared: bool,
    /// The `#[serde(..)]` above it.
    pub(crate) serde: Vec<Attribute>,
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
    /// Set by the database's clock where a row is marked as deleted, else NULL.
    Deleted,
}

impl Column {
    /// Whether the field's type is written as an `Option`.
    pub(crate) fn is_optional(&self) -> bool {
        behind_option(&self.ty).is_some()
    }

    /// The type of a value that is there: the field's, without its `Option`.
    pub(crate) fn value_type(&self) -> &Type {
        behind_option(&self.ty).unwrap_or(&self.ty)
    }

    /// Whether the field's type is owned text, which setters take as `impl Into<..>`.
    pub(crate) fn is_text(&self) -> bool {
        is_text(&self.ty)
    }
}

/// The type in the `Option`, if that is what this type is written as.
fn behind_option(ty: &Type) -> Option<&Type> {
    last_segment(ty)
        .filter(|(name, _)| name == "Option")
        .and_then(|(_, argument)| argument)
}

/// Whether this is owned text.
pub(crate) fn is_text(ty: &Type) -> bool {
    last_segment(ty).is_some_and(|(name, argument)| {
        name == "String"
            || (matches!(&*name, "Box" | "Arc" | "Rc" | "Cow")
                && argument
                    .and_then(last_segment)
                    .is_some_and(|(name, _)| name == "str"))
    })
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
