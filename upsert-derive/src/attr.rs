//! `#[upsert(..)]`, `#[lookup(..)]` and the few options of `#[sqlx(..)]` that say what a column is, as typed values with
//! their spans. Other attributes are not looked at.

use proc_macro2::{Ident, Span};
use syn::meta::ParseNestedMeta;
use syn::{Attribute, LitStr, Path, Token};

use self::lookup::{parse_lookup, parse_unique};
use self::option::{for_each_option, for_each_sqlx_option, option_name, set, unknown, value};
use crate::errors::Errors;

pub(crate) use self::lookup::{KeyAttr, UniqueAttr};
pub(crate) use self::nested::{Nested, serde_options};

mod lookup;
mod nested;
mod option;

/// Options of `#[upsert(..)]` on the struct.
const STRUCT_OPTIONS: [&str; 5] = ["table", "crate", "unique", "new", "changes"];
/// Options of `#[upsert(..)]` on a field.
const FIELD_OPTIONS: [&str; 11] = [
    "id",
    "assigned",
    "trim",
    "create_only",
    "readonly",
    "touch",
    "keep_none",
    "newer",
    "uncompared",
    "unique",
    "deleted",
];
/// Options of `#[sqlx(..)]` on a field under which a column is not one value of the field's type.
const REFUSED_SQLX: [(&str, &str); 4] = [
    (
        "json",
        "give the field the type `sqlx::types::Json<..>` instead, which can be bound and read",
    ),
    (
        "try_from",
        "the way back, from the field to the column, is not known; implement `sqlx::Type`, `Encode` and `Decode` instead",
    ),
    (
        "flatten",
        "the columns behind it are not known to this derive; write the fields into this struct",
    ),
    (
        "default",
        "a column that may be missing cannot be written; remove it, or use `#[sqlx(skip)]`",
    ),
];

/// An option that is there, with the place where it was written.
pub(crate) type Flag = Option<Span>;

/// The attributes of the struct.
#[derive(Default)]
pub(crate) struct StructAttrs {
    /// The table, `schema.table` too.
    pub(crate) table: Option<LitStr>,
    /// Where the runtime crate is found.
    pub(crate) krate: Option<Path>,
    /// The rule by which sqlx names columns.
    pub(crate) rename_all: Option<LitStr>,
    /// The keys of all `#[lookup(..)]`, in order; `None` if there is no such attribute.
    pub(crate) lookups: Option<Vec<KeyAttr>>,
    /// The keys of all `unique(..)`, in order.
    pub(crate) uniques: Vec<UniqueAttr>,
    /// What is put on the creating data.
    pub(crate) on_new: Nested,
    /// What is put on the updating data.
    pub(crate) on_changes: Nested,
}

/// The attributes of a field.
#[derive(Default)]
pub(crate) struct FieldAttrs {
    pub(crate) id: Flag,
    pub(crate) assigned: Flag,
    pub(crate) trim: Flag,
    pub(crate) create_only: Flag,
    pub(crate) readonly: Flag,
    pub(crate) touch: Flag,
    pub(crate) keep_none: Flag,
    pub(crate) newer: Flag,
    pub(crate) uncompared: Flag,
    pub(crate) unique: Flag,
    pub(crate) deleted: Flag,
    /// The `#[serde(..)]` of the field, which are passed on.
    pub(crate) serde: Vec<Attribute>,
    /// A `#[lookup(..)]`, which does not belong here.
    pub(crate) has_lookup: bool,
    /// `#[sqlx(skip)]`: no column.
    pub(crate) skip: Flag,
    /// `#[sqlx(rename = "…")]`.
    pub(crate) rename: Option<LitStr>,
}

impl StructAttrs {
    pub(crate) fn parse(attrs: &[Attribute], errors: &mut Errors) -> Self {
        let mut this = Self::default();
        for attr in attrs {
            if attr.path().is_ident("upsert") {
                for_each_option(
                    attr,
                    "#[upsert(table = \"taxonomy\")]",
                    errors,
                    |meta, errors| this.option(meta, errors),
                );
            } else if attr.path().is_ident("lookup") {
                let keys = this.lookups.get_or_insert_default();
                keys.extend(errors.ok(parse_lookup(attr)).into_iter().flatten());
            } else if attr.path().is_ident("sqlx") {
                for_each_sqlx_option(attr, |meta| {
                    if meta.path.is_ident("rename_all") {
                        this.rename_all = Some(meta.value()?.parse()?);
                        Ok(true)
                    } else if meta.path.is_ident("default") {
                        errors.push(refused_sqlx(&meta.path, "default", REFUSED_SQLX[3].1));
                        Ok(true)
                    } else {
                        Ok(false)
                    }
                });
            }
        }
        this
    }

    fn option(&mut self, meta: &ParseNestedMeta<'_>, errors: &mut Errors) -> syn::Result<()> {
        match option_name(meta).as_str() {
            "table" => set(
                &mut self.table,
                meta,
                value(meta, "table = \"taxonomy\"")?,
                errors,
            ),
            "crate" => set(
                &mut self.krate,
                meta,
                value(meta, "crate = my_crate::upsert")?,
                errors,
            ),
            "unique" => self.uniques.push(parse_unique(meta)?),
            "new" => self.on_new.parse(meta, errors)?,
            "changes" => self.on_changes.parse(meta, errors)?,
            name if FIELD_OPTIONS.contains(&name) => {
                return Err(meta.error(format!(
                    "`{name}` belongs on a field\nhelp: write `#[upsert({name})]` above the field"
                )));
            }
            "lookup" => {
                self.lookups.get_or_insert_default();
                return Err(meta.error(
                    "`lookup` is an attribute of its own\nhelp: write `#[lookup(remote_id, slug)]`",
                ));
            }
            name => return Err(unknown(meta, name, &STRUCT_OPTIONS)),
        }
        Ok(())
    }
}

impl FieldAttrs {
    pub(crate) fn parse(attrs: &[Attribute], errors: &mut Errors) -> Self {
        let mut this = Self::default();
        for attr in attrs {
            if attr.path().is_ident("upsert") {
                for_each_option(attr, "#[upsert(trim)]", errors, |meta, errors| {
                    this.option(meta, errors)
                });
            } else if attr.path().is_ident("lookup") {
                this.has_lookup = true;
                errors.at(
                    attr.path(),
                    "`lookup` belongs on the struct\nhelp: write `#[lookup(remote_id, slug)]` above the struct, naming its fields; here write `#[upsert(..)]`",
                );
            } else if attr.path().is_ident("sqlx") {
                for_each_sqlx_option(attr, |meta| this.sqlx_option(meta, errors));
            } else if attr.path().is_ident("serde") {
                this.serde.push(attr.clone());
            }
        }
        this
    }

    fn option(&mut self, meta: &ParseNestedMeta<'_>, errors: &mut Errors) -> syn::Result<()> {
        let name = option_name(meta);
        let flag = match name.as_str() {
            "id" => &mut self.id,
            "assigned" => &mut self.assigned,
            "trim" => &mut self.trim,
            "create_only" => &mut self.create_only,
            "readonly" => &mut self.readonly,
            "touch" => &mut self.touch,
            "keep_none" => &mut self.keep_none,
            "newer" => &mut self.newer,
            "uncompared" => &mut self.uncompared,
            "unique" => &mut self.unique,
            "deleted" => &mut self.deleted,
            name if STRUCT_OPTIONS.contains(&name) => {
                let example = if matches!(name, "new" | "changes") {
                    format!("{name}(derive(..))")
                } else {
                    format!("{name} = ..")
                };
                return Err(meta.error(format!("`{name}` belongs on the struct\nhelp: write `#[upsert({example})]` above the struct")));
            }
            "rename" => {
                return Err(meta.error("unknown option `rename`\nhelp: column names are sqlx's: write `#[sqlx(rename = \"..\")]`"));
            }
            "skip" => {
                return Err(meta.error("unknown option `skip`\nhelp: a field that is no column is sqlx's too: write `#[sqlx(skip)]`"));
            }
            name => return Err(unknown(meta, name, &FIELD_OPTIONS)),
        };
        if !meta.input.is_empty() && !meta.input.peek(Token![,]) {
            return Err(meta.input.error(format!(
                "`{name}` takes no value\nhelp: write `#[upsert({name})]`"
            )));
        }
        set(
            flag,
            meta,
            meta.path
                .get_ident()
                .map_or_else(Span::call_site, Ident::span),
            errors,
        );
        Ok(())
    }

    fn sqlx_option(
        &mut self,
        meta: &ParseNestedMeta<'_>,
        errors: &mut Errors,
    ) -> syn::Result<bool> {
        if meta.path.is_ident("rename") {
            self.rename = Some(meta.value()?.parse()?);
            return Ok(true);
        }
        if meta.path.is_ident("skip") {
            self.skip = meta.path.get_ident().map(Ident::span);
            return Ok(true);
        }
        let Some((name, why)) = REFUSED_SQLX
            .iter()
            .find(|(name, _)| meta.path.is_ident(name))
        else {
            return Ok(false);
        };
        errors.push(refused_sqlx(&meta.path, name, why));
        Ok(false)
    }
}

fn refused_sqlx(path: &Path, name: &str, why: &str) -> syn::Error {
    syn::Error::new_spanned(
        path,
        format!("`#[sqlx({name})]` does not work with `LockedUpsert`\nhelp: {why}"),
    )
}
