use proc_macro2::TokenStream;
use syn::DeriveInput;

use crate::errors::Errors;
use crate::expand::expand;
use crate::fallback::fallback;
use crate::model::Model;

/// The pipeline: tokens, model, expansion; after a mistake the messages, and impls that compile.
pub(crate) fn derive(input: TokenStream) -> TokenStream {
    let input: DeriveInput = match syn::parse2(input) {
        Ok(input) => input,
        Err(error) => return error.into_compile_error(),
    };
    let mut errors = Errors::default();
    let model = Model::from_input(&input, &mut errors);
    match errors.finish() {
        Ok(()) => model.as_ref().map(expand).unwrap_or_default(),
        Err(errors) => {
            let mut tokens = errors.into_compile_error();
            tokens.extend(model.as_ref().map(fallback));
            tokens
        }
    }
}
