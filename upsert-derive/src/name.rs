use proc_macro2::Ident;
use syn::ext::IdentExt;

/// A field's name: as the user wrote it, and without `r#`.
#[derive(Clone)]
pub(crate) struct Name {
    /// As written, with its span: `r#order`.
    pub(crate) ident: Ident,
    /// As a user reads it: `order`.
    pub(crate) text: String,
}

impl Name {
    pub(crate) fn new(ident: &Ident) -> Self {
        Self {
            ident: ident.clone(),
            text: ident.unraw().to_string(),
        }
    }
}
