//! `#[upsert(..)]`, `#[lookup(..)]` and the few options of `#[sqlx(..)]` that say what a column is, as typed values with
//! their spans. Other attributes are not looked at.

use proc_macro2::{Ident, Span};
use syn::ext::IdentExt;
use syn::meta::ParseNestedMeta;
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::{Attribute, LitStr, MacroDelimiter, Meta, Path, Token, parenthesized, token};

use crate::errors::Errors;
use crate::suggest;

/// Options of `#[upsert(..)]` on the struct.
const STRUCT_OPTIONS: [&str; 2] = ["table", "crate"];
/// Options of `#[upsert(..)]` on a field.
const FIELD_OPTIONS: [&str; 6] = ["id", "assigned", "trim", "create_only", "readonly", "touch"];
/// Options of a key in `#[lookup(..)]`.
const KEY_OPTIONS: [&str; 1] = ["unclaimed"];
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
    /// `#[sqlx(skip)]`: no column.
    pub(crate) skip: Flag,
    /// `#[sqlx(rename = "…")]`.
    pub(crate) rename: Option<LitStr>,
}

/// One key of `#[lookup(..)]`: `slug`, `(site_id, slug)`, each with `(unclaimed)` behind it or not.
pub(crate) struct KeyAttr {
    /// The fields, as written.
    pub(crate) fields: Vec<Ident>,
    /// The parentheses of a tuple.
    pub(crate) tuple: Option<Span>,
    pub(crate) unclaimed: Flag,
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
            name if FIELD_OPTIONS.contains(&name) => {
                return Err(meta.error(format!(
                    "`{name}` belongs on a field\nhelp: write `#[upsert({name})]` above the field"
                )));
            }
            "lookup" => {
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
                errors.at(
                    attr.path(),
                    "`lookup` belongs on the struct\nhelp: write `#[lookup(remote_id, slug)]` above the struct, naming its fields; here write `#[upsert(..)]`",
                );
            } else if attr.path().is_ident("sqlx") {
                for_each_sqlx_option(attr, |meta| this.sqlx_option(meta, errors));
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
            name if STRUCT_OPTIONS.contains(&name) => {
                return Err(meta.error(format!("`{name}` belongs on the struct\nhelp: write `#[upsert({name} = ..)]` above the struct")));
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

/// The keys of `#[lookup(remote_id, (site_id, slug)(unclaimed))]`.
fn parse_lookup(attr: &Attribute) -> syn::Result<Punctuated<KeyAttr, Token![,]>> {
    const EXAMPLE: &str = "#[lookup(remote_id, slug)]";
    let list = list_of(attr, EXAMPLE)?;
    if list.tokens.is_empty() {
        return Err(syn::Error::new_spanned(
            attr,
            format!("expected at least one field\nhelp: write `{EXAMPLE}`"),
        ));
    }
    list.parse_args_with(Punctuated::parse_terminated)
}

impl Parse for KeyAttr {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let (fields, tuple): (Vec<_>, _) = if input.peek(token::Paren) {
            let inner;
            let parens = parenthesized!(inner in input);
            let fields = Punctuated::<Ident, Token![,]>::parse_terminated_with(&inner, field_name)?;
            (fields.into_iter().collect(), Some(parens.span.join()))
        } else if input.peek(LitStr) {
            let literal: LitStr = input.parse()?;
            return Err(syn::Error::new_spanned(
                &literal,
                format!(
                    "expected a field's name, not a text\nhelp: write `{}`",
                    literal.value()
                ),
            ));
        } else {
            (vec![field_name(input)?], None)
        };
        if fields.is_empty() {
            return Err(syn::Error::new(
                tuple.unwrap_or_else(|| input.span()),
                "expected at least one field\nhelp: write `(site_id, slug)`",
            ));
        }
        let mut unclaimed = None;
        if input.peek(token::Paren) {
            let inner;
            parenthesized!(inner in input);
            let option = inner.call(Ident::parse_any)?;
            if option != KEY_OPTIONS[0] {
                return Err(syn::Error::new_spanned(
                    &option,
                    format!(
                        "unknown option `{option}` of a look-up\nhelp: expected {}",
                        suggest::list(KEY_OPTIONS)
                    ),
                ));
            }
            if !inner.is_empty() {
                return Err(inner.error("expected `)`"));
            }
            unclaimed = Some(option.span());
        }
        if !input.is_empty() && !input.peek(Token![,]) {
            return Err(input.error(
                "expected `,` between two look-ups\nhelp: write `#[lookup(remote_id, slug)]`",
            ));
        }
        Ok(Self {
            fields,
            tuple,
            unclaimed,
        })
    }
}

fn field_name(input: ParseStream<'_>) -> syn::Result<Ident> {
    input.call(Ident::parse_any).map_err(|error| {
        syn::Error::new(
            error.span(),
            "expected a field's name\nhelp: write `#[lookup(remote_id, slug)]`",
        )
    })
}

/// Calls `option` for each option of our own attribute. An error in one does not hide the next, as far as that can be told.
fn for_each_option(
    attr: &Attribute,
    example: &str,
    errors: &mut Errors,
    mut option: impl FnMut(&ParseNestedMeta<'_>, &mut Errors) -> syn::Result<()>,
) {
    let Some(list) = errors.ok(list_of(attr, example)) else {
        return;
    };
    if list.tokens.is_empty() {
        errors.at(attr, format!("expected an option\nhelp: write `{example}`"));
        return;
    }
    let parsed = list.parse_args_with(syn::meta::parser(|meta| {
        if let Err(error) = option(&meta, errors) {
            errors.push(error);
            skip_value(&meta)?;
        }
        Ok(())
    }));
    errors.ok(parsed);
}

/// Calls `option` for each option of sqlx's attribute. What is not ours to read is skipped, and sqlx reports what is wrong.
fn for_each_sqlx_option(
    attr: &Attribute,
    mut option: impl FnMut(&ParseNestedMeta<'_>) -> syn::Result<bool>,
) {
    let _ = attr.parse_nested_meta(|meta| {
        if !option(&meta)? {
            skip_value(&meta)?;
        }
        Ok(())
    });
}

/// Leaves out what follows an option that was not understood, up to the next comma.
fn skip_value(meta: &ParseNestedMeta<'_>) -> syn::Result<()> {
    while !meta.input.is_empty() && !meta.input.peek(Token![,]) {
        meta.input.parse::<proc_macro2::TokenTree>()?;
    }
    Ok(())
}

/// The attribute as a list in parentheses.
fn list_of<'a>(attr: &'a Attribute, example: &str) -> syn::Result<&'a syn::MetaList> {
    let name = attr
        .path()
        .get_ident()
        .map(ToString::to_string)
        .unwrap_or_default();
    match &attr.meta {
        Meta::List(list) if matches!(list.delimiter, MacroDelimiter::Paren(_)) => Ok(list),
        Meta::List(list) => Err(syn::Error::new_spanned(
            list,
            format!("wrong delimiter, expected parentheses: `{name}(..)`\nhelp: write `{example}`"),
        )),
        Meta::NameValue(pair) => Err(syn::Error::new_spanned(
            pair,
            format!("expected parentheses, not `=`\nhelp: write `{example}`"),
        )),
        Meta::Path(path) => Err(syn::Error::new_spanned(
            path,
            format!("expected parentheses\nhelp: write `{example}`"),
        )),
    }
}

fn option_name(meta: &ParseNestedMeta<'_>) -> String {
    meta.path
        .get_ident()
        .map(|ident| ident.unraw().to_string())
        .unwrap_or_default()
}

/// The value behind `=`, or an error that shows the text to type.
fn value<T: Parse>(meta: &ParseNestedMeta<'_>, example: &str) -> syn::Result<T> {
    let help = format!("help: write `#[upsert({example})]`");
    if !meta.input.peek(Token![=]) {
        return Err(meta.error(format!("expected `=` and a value\n{help}")));
    }
    let stream = meta.value()?;
    stream
        .parse()
        .map_err(|error| syn::Error::new(error.span(), format!("{error}\n{help}")))
}

/// Sets an option once.
fn set<T>(option: &mut Option<T>, meta: &ParseNestedMeta<'_>, value: T, errors: &mut Errors) {
    if option.is_some() {
        errors.push(meta.error(format!("`{}` is written twice", option_name(meta))));
    }
    *option = Some(value);
}

fn unknown(meta: &ParseNestedMeta<'_>, name: &str, known: &[&str]) -> syn::Error {
    meta.error(format!(
        "unknown option `{name}`\n{}",
        suggest::help(name, known)
    ))
}

fn refused_sqlx(path: &Path, name: &str, why: &str) -> syn::Error {
    syn::Error::new_spanned(
        path,
        format!("`#[sqlx({name})]` does not work with `LockedUpsert`\nhelp: {why}"),
    )
}
