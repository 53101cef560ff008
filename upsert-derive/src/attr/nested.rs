//! `new(derive(Deserialize), serde(rename_all = "camelCase"))`: attributes for a generated struct.

use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::meta::ParseNestedMeta;
use syn::punctuated::Punctuated;
use syn::{Meta, Token, parenthesized, token};

use crate::errors::Errors;

/// Attributes that are put on a generated struct, as they were written.
#[derive(Default)]
pub(crate) struct Nested {
    pub(crate) attributes: Vec<Meta>,
    /// Where it was written.
    pub(crate) span: Option<Span>,
}

impl Nested {
    /// Takes what is in the parentheses.
    pub(super) fn parse(
        &mut self,
        meta: &ParseNestedMeta<'_>,
        errors: &mut Errors,
    ) -> syn::Result<()> {
        if !meta.input.peek(token::Paren) {
            return Err(meta.error(
                "expected attributes in parentheses\nhelp: write `#[upsert(new(derive(serde::Deserialize)))]`",
            ));
        }
        let inner;
        let parens = parenthesized!(inner in meta.input);
        self.span.get_or_insert_with(|| parens.span.join());
        for attribute in Punctuated::<Meta, Token![,]>::parse_terminated(&inner)? {
            if attribute.path().is_ident("upsert") || attribute.path().is_ident("sqlx") {
                errors.at(&attribute, "this belongs on the model itself, not on what is made of it\nhelp: write it above the struct");
            } else {
                self.attributes.push(attribute);
            }
        }
        Ok(())
    }

    /// Those of serde.
    pub(crate) fn serde(&self) -> impl Iterator<Item = &Meta> {
        let attributes = self.attributes.iter();
        attributes.filter(|attribute| attribute.path().is_ident("serde"))
    }

    /// Whether serde's derives are among them, whose attributes of fields have a meaning then.
    pub(crate) fn derives_serde(&self) -> bool {
        let derives = self
            .attributes
            .iter()
            .filter(|attribute| attribute.path().is_ident("derive"));
        derives
            .filter_map(|derive| match derive {
                Meta::List(list) => Some(list.tokens.clone()),
                _ => None,
            })
            .flatten()
            .any(|token| matches!(&*token.to_string(), "Serialize" | "Deserialize"))
    }

    /// `#[derive(..)] #[serde(..)]`
    pub(crate) fn tokens(&self) -> TokenStream {
        let attributes = &self.attributes;
        quote! { #(#[#attributes])* }
    }
}

/// Those of serde's options that are called so.
pub(crate) fn serde_options<'m>(
    attributes: impl Iterator<Item = &'m Meta>,
    names: &[&str],
) -> Vec<Meta> {
    let mut options = Vec::new();
    for attribute in attributes {
        if let Meta::List(list) = attribute
            && let Ok(found) = list.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated)
        {
            let is_one = |option: &Meta| names.iter().any(|name| option.path().is_ident(name));
            options.extend(found.into_iter().filter(is_one));
        }
    }
    options
}
