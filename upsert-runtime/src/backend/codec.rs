//! How the value of a column is bound, read and compared on a database, whatever its field's type.

use std::any::type_name;
use std::error::Error as StdError;
use std::fmt::{self, Debug, Display, Formatter};
use std::marker::PhantomData;

use sqlx::error::BoxDynError;
use sqlx::{Database, Decode, Encode, Type, TypeInfo};

use super::Supported;
use crate::value::Value;

/// A type that sqlx can both bind as and read from a column of `DB`.
///
/// Implemented for every such type; it needs nothing from you.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a column of `{DB}`",
    label = "sqlx cannot both bind and read `{Self}`",
    note = "sqlx may know the type behind one of its features, for example `chrono` or `uuid`, or not for this database at all; derive `sqlx::Type` for one of your own"
)]
pub trait Column<DB: Database>:
    for<'q> Encode<'q, DB> + for<'r> Decode<'r, DB> + Type<DB> + Send + Sync + 'static
{
}

#[diagnostic::do_not_recommend]
impl<DB: Database, T> Column<DB> for T where
    T: for<'q> Encode<'q, DB> + for<'r> Decode<'r, DB> + Type<DB> + Send + Sync + 'static
{
}

/// The answer of binding a value: the driver's error if it cannot be encoded.
pub(crate) type BindResult = Result<(), BoxDynError>;

/// The bytes in which a value is sent; `None` for NULL.
pub(crate) type Bytes = Option<Vec<u8>>;

/// How a database's values are bound and read, where the types must be concrete.
#[expect(unnameable_types, reason = "only this crate names it")]
pub trait Codec<DB: Database> {
    /// Reads the column at this place.
    fn get<T: Column<DB>>(row: &DB::Row, index: usize) -> sqlx::Result<T>;

    /// Binds a value or NULL behind those bound already.
    fn bind<T: Column<DB>>(value: Option<&T>, to: &mut DB::Arguments) -> BindResult;

    /// Binds an array, where there are some.
    fn bind_array<T: Column<DB>>(_: &[Option<&Value>], _: &mut DB::Arguments) -> BindResult {
        Err("this database has no arrays".into())
    }

    /// How a statement names the type of arrays of this type; `None` where only the driver knows.
    fn array_type(_element: &DB::TypeInfo) -> Option<String> {
        None
    }

    /// Binds an array of texts, where there are arrays.
    fn bind_texts(_: Vec<String>, _: &mut DB::Arguments) -> BindResult {
        Err("this database has no arrays".into())
    }

    /// Whether values of a field's type that are written into a column of this SQL type can be read from it.
    fn fits<T: Column<DB>>(sql: &DB::TypeInfo) -> bool {
        T::compatible(sql)
    }

    /// The SQL types of a row's columns.
    fn types(row: &DB::Row) -> Vec<DB::TypeInfo>;

    /// Binds a number of this crate's.
    fn bind_number(number: i64, to: &mut DB::Arguments) -> BindResult;

    /// The bytes in which a value is sent; its type is known to who compares them.
    fn bytes<T: Column<DB>>(value: &T) -> Result<Bytes, BoxDynError>;

    /// The bytes that this crate selected, at this place.
    fn selected_bytes(row: &DB::Row, index: usize) -> sqlx::Result<Bytes>;

    /// A number that this crate selected, at this place.
    fn number(row: &DB::Row, index: usize) -> sqlx::Result<Option<i64>>;

    /// How many bytes a row's values are, for those databases whose rows are kept.
    fn bytes_of(_row: &DB::Row) -> usize {
        0
    }
}

/// What can be done with a column's value on a database. There is one for each type and database, which all models share.
#[expect(unnameable_types, reason = "generated code names its table, `Codecs`")]
pub trait FieldCodec<DB: Database>: Debug + Sync {
    /// What the database calls the type.
    fn type_name(&self) -> String;

    /// How a statement names the type of arrays of it; `None` where only the driver knows.
    fn array_type(&self) -> Option<String>;

    /// Whether the field is an `Option`, so that its column may be NULL.
    fn is_optional(&self) -> bool;

    /// Why a column of this SQL type cannot be read as the field's type.
    fn misfit(&self, sql: &DB::TypeInfo) -> Option<Mismatch>;

    /// Binds a value or NULL behind those bound already.
    ///
    /// # Errors
    ///
    /// If the value cannot be encoded.
    fn bind(&self, value: Option<&Value>, to: &mut DB::Arguments) -> BindResult;

    /// Binds values as one array.
    ///
    /// # Errors
    ///
    /// If a value cannot be encoded, or the database has no arrays.
    fn bind_array(&self, values: &[Option<&Value>], to: &mut DB::Arguments) -> BindResult;

    /// The bytes in which a value is sent; `None` for NULL.
    ///
    /// # Errors
    ///
    /// If the value cannot be encoded.
    fn bytes(&self, value: &Value) -> Result<Option<Vec<u8>>, BoxDynError>;

    /// Reads the column at this place into an `Option` of the type.
    ///
    /// # Errors
    ///
    /// If the column's SQL type and the field's type do not fit, or the value cannot be decoded.
    fn read(&self, row: &DB::Row, index: usize, into: &mut Value) -> sqlx::Result<()>;

    /// Whether the column at this place can be read.
    fn can_read(&self, row: &DB::Row, index: usize) -> bool;
}

/// The codec of the type `T`.
pub struct Of<T>(PhantomData<fn() -> T>);

impl<T> Of<T> {
    /// The codec itself; it holds nothing.
    pub const CODEC: Self = Self(PhantomData);
}

impl<T> Debug for Of<T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(type_name::<T>())
    }
}

impl<DB: Supported, T: Column<DB>> FieldCodec<DB> for Of<T> {
    fn type_name(&self) -> String {
        // sqlx calls this type by a name that only people understand.
        T::type_info().name().replace("\"CHAR\"", "\"char\"")
    }

    fn array_type(&self) -> Option<String> {
        DB::Driver::array_type(&T::type_info())
    }

    fn is_optional(&self) -> bool {
        // Names of types are meant for people, but this one knows aliases.
        type_name::<T>().starts_with("core::option::Option<")
    }

    fn misfit(&self, sql: &DB::TypeInfo) -> Option<Mismatch> {
        // A column of which the driver knows no type is read by its values.
        let fits = sql.is_null() || DB::Driver::fits::<T>(sql);
        (!fits).then(|| Mismatch {
            rust: type_name::<T>(),
            sql: sql.name().to_owned(),
            is_of_column: true,
        })
    }

    fn bind(&self, value: Option<&Value>, to: &mut DB::Arguments) -> BindResult {
        let value = match value {
            Some(value) => Some(typed::<T>(value)?),
            None => None,
        };
        DB::Driver::bind(value, to)
    }

    fn bind_array(&self, values: &[Option<&Value>], to: &mut DB::Arguments) -> BindResult {
        DB::Driver::bind_array::<T>(values, to)
    }

    fn bytes(&self, value: &Value) -> Result<Bytes, BoxDynError> {
        DB::Driver::bytes::<T>(typed(value)?)
    }

    fn read(&self, row: &DB::Row, index: usize, into: &mut Value) -> sqlx::Result<()> {
        let Some(into) = into.downcast_mut::<Option<T>>() else {
            return Err(sqlx::Error::Decode(NOT_THIS_TYPE.into()));
        };
        *into = Some(DB::Driver::get(row, index)?);
        Ok(())
    }

    fn can_read(&self, row: &DB::Row, index: usize) -> bool {
        DB::Driver::get::<T>(row, index).is_ok()
    }
}

const NOT_THIS_TYPE: &str = "the model has no column of this type here";

/// The value in its type.
pub(super) fn typed<T: 'static>(value: &Value) -> Result<&T, BoxDynError> {
    match value.downcast_ref() {
        Some(value) => Ok(value),
        None => Err(NOT_THIS_TYPE.into()),
    }
}

/// The column's SQL type and the field's type do not fit.
#[derive(Debug)]
#[expect(unnameable_types, reason = "only this crate names it")]
pub struct Mismatch {
    pub(crate) rust: &'static str,
    pub(crate) sql: String,
    /// Whether no value of the column would fit; else it is that of this row.
    pub(crate) is_of_column: bool,
}

impl Display for Mismatch {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "SQL type `{}` cannot be read as `{}`",
            self.sql,
            without_paths(self.rust)
        )
    }
}

/// A type's name as it is mostly written: `Option<String>` for `core::option::Option<alloc::string::String>`.
fn without_paths(name: &str) -> String {
    let is_of_path = |c: char| c == ':' || c == '_' || c.is_alphanumeric();
    let mut short = String::with_capacity(name.len());
    for piece in name.split_inclusive(|c| !is_of_path(c)) {
        short.push_str(piece.rsplit("::").next().unwrap_or(piece));
    }
    short
}

impl StdError for Mismatch {}

/// The bytes of a text, a number or `None`, which is what most keys are; `None` for a value of any other type.
#[cfg(feature = "sqlite")]
pub(super) fn bytes_of_plain(value: &dyn std::any::Any) -> Option<Bytes> {
    let bytes = |text: &String| text.as_bytes().to_vec();
    if let Some(text) = value.downcast_ref::<String>() {
        return Some(Some(bytes(text)));
    }
    if let Some(text) = value.downcast_ref::<Option<String>>() {
        return Some(text.as_ref().map(bytes));
    }
    let number = value.downcast_ref::<i64>()?;
    Some(Some(number.to_le_bytes().to_vec()))
}

/// Whether this is one of the plain types, none of which has a value for NULL.
pub(super) fn has_no_null<T: 'static>() -> bool {
    use std::any::TypeId;

    let numbers = [
        TypeId::of::<i8>(),
        TypeId::of::<i16>(),
        TypeId::of::<i32>(),
        TypeId::of::<i64>(),
    ];
    let unsigned = [
        TypeId::of::<u8>(),
        TypeId::of::<u16>(),
        TypeId::of::<u32>(),
        TypeId::of::<u64>(),
    ];
    let others = [
        TypeId::of::<f32>(),
        TypeId::of::<f64>(),
        TypeId::of::<bool>(),
    ];
    let owned = [
        TypeId::of::<String>(),
        TypeId::of::<Box<str>>(),
        TypeId::of::<Vec<u8>>(),
    ];
    let this = TypeId::of::<T>();
    numbers.contains(&this)
        || unsigned.contains(&this)
        || others.contains(&this)
        || owned.contains(&this)
}

/// The methods of [`Codec`] whose text is the same for every database but whose types must be concrete.
macro_rules! codec {
    ($database:ty) => {
        fn get<T: Column<$database>>(
            row: &<$database as Database>::Row,
            index: usize,
        ) -> sqlx::Result<T> {
            use sqlx::{Column as _, Row as _, TypeInfo as _, ValueRef as _};

            let value = row.try_get_raw(index)?;
            let decode_error = |source| sqlx::Error::ColumnDecode {
                index: row.column(index).name().to_owned(),
                source,
            };
            // sqlx reads NULL as 0 or as empty text on SQLite.
            if value.is_null() && $crate::backend::codec::has_no_null::<T>() {
                return Err(decode_error(Box::new(sqlx::error::UnexpectedNullError)));
            }
            let sql_type = value.type_info();
            if !value.is_null() && !sql_type.is_null() && !T::compatible(&sql_type) {
                return Err(decode_error(Box::new($crate::backend::codec::Mismatch {
                    rust: std::any::type_name::<T>(),
                    sql: sql_type.name().to_owned(),
                    is_of_column: !<$database as Codec<$database>>::fits::<T>(
                        row.column(index).type_info(),
                    ),
                })));
            }
            // chrono adds PostgreSQL's `infinity` to a date, and panics: no reason to end a program for a row.
            let decode = std::panic::AssertUnwindSafe(|| T::decode(value));
            std::panic::catch_unwind(decode)
                .unwrap_or_else(|_| Err("reading the value panicked".into()))
                .map_err(decode_error)
        }

        fn bind<T: Column<$database>>(
            value: Option<&T>,
            to: &mut <$database as Database>::Arguments,
        ) -> $crate::backend::codec::BindResult {
            use sqlx::Arguments as _;
            to.add(value)
        }

        fn bind_number(
            number: i64,
            to: &mut <$database as Database>::Arguments,
        ) -> $crate::backend::codec::BindResult {
            use sqlx::Arguments as _;
            to.add(number)
        }

        fn types(row: &<$database as Database>::Row) -> Vec<<$database as Database>::TypeInfo> {
            use sqlx::{Column as _, Row as _};

            let columns = row.columns().iter();
            columns.map(|column| column.type_info().clone()).collect()
        }

        fn selected_bytes(
            row: &<$database as Database>::Row,
            index: usize,
        ) -> sqlx::Result<$crate::backend::codec::Bytes> {
            use sqlx::Row as _;
            row.try_get_unchecked(index)
        }

        fn number(row: &<$database as Database>::Row, index: usize) -> sqlx::Result<Option<i64>> {
            use sqlx::Row as _;

            // What a CASE of small numbers is called differs.
            row.try_get_unchecked(index)
        }
    };
}
pub(super) use codec;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_types_are_as_they_are_written() {
        assert_eq!(without_paths("i64"), "i64");
        assert_eq!(without_paths(type_name::<String>()), "String");
        assert_eq!(
            without_paths(type_name::<Option<Vec<Box<str>>>>()),
            "Option<Vec<Box<str>>>"
        );
        assert_eq!(
            without_paths("chrono::datetime::DateTime<chrono::offset::utc::Utc>"),
            "DateTime<Utc>"
        );
        assert_eq!(
            without_paths("(alloc::string::String, [u8; 4])"),
            "(String, [u8; 4])"
        );
        assert_eq!(without_paths("&'static my_crate::Näme"), "&'static Näme");
    }
}
