//! The fields of a model as a database sees them: what the derive shows, column by column, and what is done with each.

use crate::backend::{Backend, BindResult, Column, Driver as _, bind};
use crate::change::Change;
use crate::model::{Stored, no_column};

/// What is done with a field of an `S`, whose type only the derive knows.
pub trait OnColumn<DB: Backend, S>: Sized {
    /// What comes of it.
    type Output;

    /// Does it.
    fn on<T: Column<DB>>(self, field: fn(&S) -> &T) -> Self::Output;

    /// The answer where there is no such column.
    fn no_column(self, column: usize) -> Self::Output;
}

/// The same for a field of updating data.
pub trait OnChange<DB: Backend, S>: Sized {
    /// What comes of it.
    type Output;

    /// Does it.
    fn on<T: Column<DB>>(self, field: fn(&S) -> &Change<T>) -> Self::Output;

    /// The answer where there is no such column.
    fn no_column(self, column: usize) -> Self::Output;
}

/// Binds the row's id.
pub(crate) fn bind_id<DB: Backend, M: Stored<DB>>(
    row: &M,
    to: &mut DB::Arguments,
) -> sqlx::Result<()> {
    M::row_column(M::MODEL.id, One { of: row, to }).map_err(sqlx::Error::Encode)
}

/// Binds a column of creating data.
pub(crate) fn bind_new<DB: Backend, M: Stored<DB>>(
    new: &M::New,
    column: usize,
    to: &mut DB::Arguments,
) -> sqlx::Result<()> {
    M::new_column(column, One { of: new, to }).map_err(sqlx::Error::Encode)
}

/// Binds a column that is set, or NULL for one that keeps its value.
pub(crate) fn bind_change<DB: Backend, M: Stored<DB>>(
    changes: &M::Changes,
    column: usize,
    to: &mut DB::Arguments,
) -> sqlx::Result<()> {
    M::change_column(column, One { of: changes, to }).map_err(sqlx::Error::Encode)
}

/// Binds one value.
struct One<'a, S, A> {
    of: &'a S,
    to: &'a mut A,
}

impl<DB: Backend, S> OnColumn<DB, S> for One<'_, S, DB::Arguments> {
    type Output = BindResult;

    fn on<T: Column<DB>>(self, field: fn(&S) -> &T) -> BindResult {
        bind::<DB, T>(field(self.of), self.to)
    }

    fn no_column(self, column: usize) -> BindResult {
        no_column(column)
    }
}

impl<DB: Backend, S> OnChange<DB, S> for One<'_, S, DB::Arguments> {
    type Output = BindResult;

    fn on<T: Column<DB>>(self, field: fn(&S) -> &Change<T>) -> BindResult {
        DB::Driver::bind_optional(field(self.of).value(), self.to)
    }

    fn no_column(self, column: usize) -> BindResult {
        no_column(column)
    }
}

/// Binds the values of many as one array.
pub(crate) struct All<'a, S, A> {
    pub(crate) of: &'a [&'a S],
    pub(crate) to: &'a mut A,
}

impl<DB: Backend, S> OnColumn<DB, S> for All<'_, S, DB::Arguments> {
    type Output = BindResult;

    fn on<T: Column<DB>>(self, field: fn(&S) -> &T) -> BindResult {
        let values = self.of.iter().map(|of| Some(field(of))).collect();
        DB::Driver::bind_array(values, self.to)
    }

    fn no_column(self, column: usize) -> BindResult {
        no_column(column)
    }
}

impl<DB: Backend, S> OnChange<DB, S> for All<'_, S, DB::Arguments> {
    type Output = BindResult;

    fn on<T: Column<DB>>(self, field: fn(&S) -> &Change<T>) -> BindResult {
        let values = self.of.iter().map(|of| field(of).value()).collect();
        DB::Driver::bind_array(values, self.to)
    }

    fn no_column(self, column: usize) -> BindResult {
        no_column(column)
    }
}

/// The value as the bytes in which the driver sends it: what is equal byte for byte.
pub(crate) struct Bytes<'a, S>(pub(crate) &'a S);

impl<DB: Backend, S> OnColumn<DB, S> for Bytes<'_, S> {
    type Output = Result<Option<Vec<u8>>, Box<dyn std::error::Error + Send + Sync>>;

    fn on<T: Column<DB>>(self, field: fn(&S) -> &T) -> Self::Output {
        DB::Driver::bytes(field(self.0))
    }

    fn no_column(self, column: usize) -> Self::Output {
        no_column(column).map(|()| None)
    }
}

/// What the database calls the field's type.
pub(crate) struct TypeName;

impl<DB: Backend, S> OnColumn<DB, S> for TypeName {
    type Output = String;

    fn on<T: Column<DB>>(self, _: fn(&S) -> &T) -> String {
        use sqlx::TypeInfo;
        T::type_info().name().to_owned()
    }

    fn no_column(self, _: usize) -> String {
        String::new()
    }
}

/// Whether the field is an `Option`, so that its column may be NULL.
pub(crate) struct IsOptional;

impl<DB: Backend, S> OnColumn<DB, S> for IsOptional {
    type Output = bool;

    fn on<T: Column<DB>>(self, _: fn(&S) -> &T) -> bool {
        // Names of types are meant for people, but this one knows aliases.
        std::any::type_name::<T>().starts_with("core::option::Option<")
    }

    fn no_column(self, _: usize) -> bool {
        false
    }
}
