//! `#[lookup(remote_id, (site_id, slug)(unclaimed))]`

use proc_macro2::{Ident, Span};
use syn::ext::IdentExt;
use syn::meta::ParseNestedMeta;
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::{Attribute, LitStr, Token, parenthesized, token};

use super::Flag;
use super::option::list_of;
use crate::suggest;

/// Options of a key in `#[lookup(..)]`.
const KEY_OPTIONS: [&str; 1] = ["unclaimed"];
/// One key of `#[lookup(..)]`: `slug`, `(site_id, slug)`, each with `(unclaimed)` behind it or not.
pub(crate) struct KeyAttr {
    /// The fields, as written.
    pub(crate) fields: Vec<Ident>,
    /// The parentheses of a tuple.
    pub(crate) tuple: Option<Span>,
    pub(crate) unclaimed: Flag,
}

/// A key of `#[upsert(unique(site_id, position))]`.
pub(crate) struct UniqueAttr {
    /// The fields, as written.
    pub(crate) fields: Vec<Ident>,
}

/// The fields of `unique(site_id, position)`.
pub(super) fn parse_unique(meta: &ParseNestedMeta<'_>) -> syn::Result<UniqueAttr> {
    const HELP: &str = "help: write `#[upsert(unique(site_id, position))]`; a single field has `#[upsert(unique)]` above it";
    if !meta.input.peek(token::Paren) {
        return Err(meta.error(format!("expected fields in parentheses\n{HELP}")));
    }
    let inner;
    parenthesized!(inner in meta.input);
    let fields = Punctuated::<Ident, Token![,]>::parse_terminated_with(&inner, field_name)?;
    if fields.is_empty() {
        return Err(meta.error(format!("expected at least two fields\n{HELP}")));
    }
    Ok(UniqueAttr {
        fields: fields.into_iter().collect(),
    })
}

/// The keys of `#[lookup(remote_id, (site_id, slug)(unclaimed))]`.
pub(super) fn parse_lookup(attr: &Attribute) -> syn::Result<Punctuated<KeyAttr, Token![,]>> {
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
