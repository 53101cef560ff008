//! The derive macro of `upsert-runtime`, which re-exports it under its trait's name. Documentation is there, at the trait
//! `LockedUpsert`.

mod attr;
mod check;
mod column;
mod derive;
mod errors;
mod expand;
mod fallback;
mod model;
mod name;
mod rename;
mod sql;
mod suggest;

/// Implements `LockedUpsert` and makes the model's creating and updating data.
///
/// The attributes `#[lookup(..)]`, `#[upsert(..)]` and the few of `#[sqlx(..)]` are explained at the trait of the same name in
/// `upsert-runtime`.
#[proc_macro_derive(LockedUpsert, attributes(upsert, lookup, sqlx, serde))]
pub fn locked_upsert(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    derive::derive(input.into()).into()
}
