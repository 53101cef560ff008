use proc_macro2::TokenStream;
use quote::quote;

use super::{new_ident, serde};
use crate::column::{Column, Role};
use crate::model::Model;
use crate::sql::{Dialect, Sql};

/// ```text
/// /// Creating data …
/// #[derive(Clone, Debug, PartialEq)]
/// pub struct NewTaxonomy {
///     /// The key `remote_id`, …
///     pub remote_id: Option<String>,
/// }
/// ```
pub(super) fn new(model: &Model) -> TokenStream {
    let new = new_ident(model);
    let vis = &model.vis;
    let doc = doc(model);
    let fields = model.created().map(|(place, column)| {
        let (doc, name, ty) = (
            field_doc(column, &model.table.columns[place]),
            &column.name.ident,
            &column.ty,
        );
        let serde = serde::on_new_field(model, column);
        quote! {
            #[doc = #doc]
            #serde
            #vis #name: #ty
        }
    });
    let attributes = serde::on_new(model);
    quote! {
        #[doc = #doc]
        #[derive(::core::clone::Clone, ::core::fmt::Debug, ::core::cmp::PartialEq)]
        #attributes
        #vis struct #new {
            #(#fields,)*
        }
    }
}

fn doc(model: &Model) -> String {
    let sql = Sql::of(&model.table, Dialect::Postgres);
    let locked = |find: &String| format!("{find} FOR NO KEY UPDATE");
    let finds = sql.find.iter().map(locked).collect::<Vec<_>>().join("\n");
    format!(
        "Creating data of a `{}`: a value for each column that is written when the row is created.\n\n\
         `{}::upsert` looks the row up by its keys in this order; a key with a NULL or blank column is left out. On PostgreSQL:\n\n\
         ```sql\n{finds}\n```\n\nIf there is none, it is created:\n\n```sql\n{} ON CONFLICT DO NOTHING{}\n```",
        model.ident,
        model.ident,
        sql.insert,
        sql.returning.unwrap_or_default()
    )
}

fn field_doc(column: &Column, name: &str) -> String {
    let mut doc = match (column.is_key, column.role) {
        (_, Role::AssignedId) => format!("The primary key `{name}`."),
        (true, _) if column.is_optional() || column.is_text() => {
            format!("The key `{name}`; blank, it identifies no record.")
        }
        (true, _) => format!("The key `{name}`."),
        (false, _) => format!("The column `{name}`."),
    };
    if column.trim {
        doc += " Trimmed before it is looked up or stored.";
    }
    if matches!(column.role, Role::CreateOnly | Role::AssignedId) {
        doc += " Never updated.";
    }
    if column.keep_none {
        doc += " `None` leaves what is stored alone.";
    }
    if column.newer {
        doc += " A record in which it is less than in the row is stale, and writes nothing.";
    }
    if column.uncompared {
        doc += " Written along with other changes; alone it is none.";
    }
    doc
}
