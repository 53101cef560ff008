//! Options in the parentheses of an attribute.

use proc_macro2::TokenTree;
use syn::ext::IdentExt;
use syn::meta::ParseNestedMeta;
use syn::parse::Parse;
use syn::{Attribute, MacroDelimiter, Meta, MetaList, Token};

use crate::errors::Errors;
use crate::suggest;

/// Calls `option` for each option of our own attribute. An error in one does not hide the next, as far as that can be told.
pub(super) fn for_each_option(
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
pub(super) fn for_each_sqlx_option(
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
        meta.input.parse::<TokenTree>()?;
    }
    Ok(())
}

/// The attribute as a list in parentheses.
pub(super) fn list_of<'a>(attr: &'a Attribute, example: &str) -> syn::Result<&'a MetaList> {
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

pub(super) fn option_name(meta: &ParseNestedMeta<'_>) -> String {
    meta.path
        .get_ident()
        .map(|ident| ident.unraw().to_string())
        .unwrap_or_default()
}

/// The value behind `=`, or an error that shows the text to type.
pub(super) fn value<T: Parse>(meta: &ParseNestedMeta<'_>, example: &str) -> syn::Result<T> {
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
pub(super) fn set<T>(
    option: &mut Option<T>,
    meta: &ParseNestedMeta<'_>,
    value: T,
    errors: &mut Errors,
) {
    if option.is_some() {
        errors.push(meta.error(format!("`{}` is written twice", option_name(meta))));
    }
    *option = Some(value);
}

pub(super) fn unknown(meta: &ParseNestedMeta<'_>, name: &str, known: &[&str]) -> syn::Error {
    meta.error(format!(
        "unknown option `{name}`\n{}",
        suggest::help(name, known)
    ))
}
