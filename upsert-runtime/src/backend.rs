//! What the algorithms need of a database. One file a database below; the only place that knows features.

use std::error::Error as StdError;
use std::fmt::{self, Display, Formatter};

use sqlx::error::DatabaseError;
use sqlx::{Database, Decode, Encode, SqlStr, Type};

use crate::locking::{Locking, Wait};
use crate::model::{Model, Sql};

#[cfg(feature = "mysql")]
mod mysql;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "sqlite")]
mod sqlite;

/// A database that this crate supports: `sqlx::Postgres`, `sqlx::MySql` (MariaDB too) or `sqlx::Sqlite`.
///
/// Sealed: name it in bounds, do not implement it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a database that `upsert_runtime` supports",
    note = "enable the feature of `upsert-runtime` for it: `postgres`, `mysql` (MariaDB too) or `sqlite`"
)]
pub trait Backend: Database + sealed::Sealed {
    /// What the algorithms need of it: not this trait's own items, which would meet those of traits that build on it.
    #[doc(hidden)]
    type Driver: Driver<Self>;
}

/// A database's texts, its error codes, and how it is spoken to.
#[expect(unnameable_types, reason = "only this crate names it")]
pub trait Driver<DB: Database> {
    /// What a user calls the database.
    const TITLE: &'static str;

    /// Begins a transaction in which a locking read sees what others have committed meanwhile.
    const BEGIN: &'static str;

    /// Fails if the transaction that [`Driver::BEGIN`] began has been undone or has ended; empty where
    /// [`Driver::PROBE`] tells.
    const CHECK: &'static str;

    /// Sets the savepoint of a call, and fails where no transaction is open.
    const SET_SAVEPOINT: &'static str;

    /// Succeeds, and begins a transaction, only where none is open; empty where the statements above tell.
    const PROBE: &'static str;

    /// What makes an INSERT that meets a unique index insert nothing, without an error; empty where there is no such thing
    /// that does no harm.
    const QUIET: &'static str;

    /// Gives a row where the transaction reads from a snapshot of its beginning, locking reads included; empty where none
    /// does, or a stale one is an error anyway.
    const SNAPSHOT: &'static str;

    /// What makes the planner reach a thousand rows by their keys, for the rest of the transaction; empty where it does so anyway.
    const PLAN_BY_KEYS: &'static str;

    /// Whether a row is read again after a write: there is no `RETURNING` (MySQL), or it does not see what triggers do, which
    /// can change a row only AFTER (SQLite).
    const READS_AGAIN: bool;

    /// How many times in a row a create may be refused by a unique index, though no key finds a row, before it counts as a
    /// conflict and not as a lost race.
    const REFUSALS: u32;

    /// Whether other transactions can change rows while one of ours runs, since rows are locked one by one.
    const SHARED: bool;

    /// Whether a connection can be used after a call on it was dropped in flight: the database runs in this process and
    /// finishes it.
    const SURVIVES_DROP: bool;

    /// The session's setting of how long a statement waits, where it is replaced for a call and put back after it.
    type Setting: Send + Sync + 'static;

    /// Whether a transaction that begins with a limit replaces the setting before BEGIN, which waits for a lock, and puts it back
    /// after its end.
    const LIMITS_BEGIN: bool;

    /// What begins a transaction with this limit.
    fn begin(_wait: Option<Wait>) -> SqlStr {
        SqlStr::from_static(Self::BEGIN)
    }

    /// The setting that is this limit; `None` where it stands in each statement instead.
    fn setting(wait: Wait) -> Option<Self::Setting>;

    fn read_setting(
        conn: &mut DB::Connection,
    ) -> impl Future<Output = sqlx::Result<Self::Setting>> + Send;

    /// Replaces the setting; where it can be, for the transaction only.
    fn write_setting(
        conn: &mut DB::Connection,
        setting: &Self::Setting,
    ) -> impl Future<Output = sqlx::Result<()>> + Send;

    /// Sees to it that the setting is replaced before whatever comes next on the connection; nothing where the transaction's end
    /// does so.
    fn queue_setting(_conn: &mut DB::Connection, _setting: &Self::Setting) {}

    /// The statement with this limit, where the limit stands in it.
    fn limited(sql: SqlStr, _locking: Locking) -> SqlStr {
        sql
    }

    /// What locks the rows that a SELECT finds.
    fn lock_clause(locking: Locking) -> &'static str;

    /// The model's statements in this dialect.
    fn sql(model: &'static Model) -> &'static Sql;

    /// What an error means.
    fn cause(error: &dyn DatabaseError) -> Cause;

    /// The unique constraint, index or columns that a write met.
    fn constraint(error: &dyn DatabaseError) -> Option<String>;

    /// Whether the error's text names tables, columns and types only, and never a value.
    fn is_safe_to_show(error: &dyn DatabaseError) -> bool;

    fn get<T: Column<DB>>(row: &DB::Row, index: usize) -> sqlx::Result<T>;

    /// Whether many values can be sent as one: an array for each column, whatever their number.
    const ARRAYS: bool;

    /// The most values that one statement takes.
    const MOST_VALUES: usize;

    /// What selects all that a list of rows in parentheses holds.
    const VALUES: &'static str;

    /// For a text type, the expression that is equal byte for byte where the database calls two texts equal; `None` where
    /// equal is equal byte for byte.
    fn folded(_type_name: &str, _expression: &str) -> Option<String> {
        None
    }

    /// Selects a row if one of these columns calls texts equal in a way that [`Driver::folded`] does not know; `None` where that
    /// cannot be asked.
    fn unfoldable(_from: &str, _columns: &[&str]) -> Option<String> {
        None
    }

    /// A value of this type that is no other row's, for a row that gives its key away and gets another one in the same
    /// transaction; `None` where the type has none. `id` is an expression.
    fn parked(type_name: &str, id: &str) -> Option<String>;

    /// The column as one of the two answers of a CASE whose other one is a value of this type.
    fn kept(_type_name: &str, column: &str) -> String {
        column.to_owned()
    }

    /// What stands before, between and after lists of values that are to be rows; `{typed}` is a SELECT of no rows whose
    /// columns have the types that the values are to have.
    fn row_list() -> (&'static str, &'static str, &'static str) {
        ("VALUES (", "), (", ")")
    }

    /// Updates each row whose id is the `upsert_id` of one of these rows.
    fn update_many(sql: &Sql, id: &str, names: &str, rows: &str, set: &str) -> String {
        let update = sql.update;
        format!(
            "WITH upsert_new ({names}) AS ({rows}) {update}{set} FROM upsert_new WHERE {id} = upsert_id"
        )
    }

    /// Binds a value or NULL.
    fn bind_optional<T: Column<DB>>(value: Option<&T>, to: &mut DB::Arguments) -> BindResult;

    /// Binds an array, where there are some.
    fn bind_array<T: Column<DB>>(_: Vec<Option<&T>>, _: &mut DB::Arguments) -> BindResult {
        Err("this database has no arrays".into())
    }

    /// Binds an array of flags, where there are arrays.
    fn bind_flags(_: Vec<bool>, _: &mut DB::Arguments) -> BindResult {
        Err("this database has no arrays".into())
    }

    /// The bytes in which a value is sent, `None` for NULL; its type is known to who compares them.
    fn bytes<T: Column<DB>>(value: &T) -> Result<Option<Vec<u8>>, Box<dyn StdError + Send + Sync>>;

    /// The bytes that this crate selected, at this place.
    fn selected_bytes(row: &DB::Row, index: usize) -> sqlx::Result<Option<Vec<u8>>>;

    /// Runs a text without parameters, which may hold several statements.
    fn run(
        conn: &mut DB::Connection,
        sql: &'static str,
    ) -> impl Future<Output = sqlx::Result<()>> + Send;

    fn fetch(
        conn: &mut DB::Connection,
        sql: SqlStr,
        arguments: DB::Arguments,
        keep_prepared: bool,
    ) -> impl Future<Output = sqlx::Result<Vec<DB::Row>>> + Send;

    fn execute(
        conn: &mut DB::Connection,
        sql: SqlStr,
        arguments: DB::Arguments,
        keep_prepared: bool,
    ) -> impl Future<Output = sqlx::Result<DB::QueryResult>> + Send;

    /// How many rows a statement changed.
    fn affected(done: &DB::QueryResult) -> u64;

    /// A number that this crate selected, at this place.
    fn number(row: &DB::Row, index: usize) -> sqlx::Result<Option<i64>>;

    /// The number that the database gave an inserted row, as arguments of a statement; `None` where it does not say.
    fn inserted_id(done: &DB::QueryResult) -> Option<DB::Arguments>;
}

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

/// What a database's error means for what to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    unnameable_types,
    reason = "the methods that name it are this crate's own"
)]
pub enum Cause {
    /// A unique constraint refused a write.
    Unique,
    /// The database cannot tell beforehand whether a write meets a constraint: `ON CONFLICT` and a deferrable constraint.
    NotQuiet,
    Deadlock,
    Serialization,
    LockTimeout,
    /// The transaction is no more, or refuses every further statement.
    TransactionGone,
    /// The connection is gone, and its transaction with it.
    ConnectionLost,
    /// A COMMIT of which nobody can know whether it took effect.
    CommitUnknown,
    /// The server does not know the words in which a limit is said.
    NotUnderstood,
    /// The server does not have the statement that was sent to it just before.
    StatementLost,
    /// A value, or the row as a whole, was refused: another record may fare better.
    Record,
    Other,
}

/// The answer of binding a value: the driver's error if it cannot be encoded.
pub type BindResult = Result<(), Box<dyn StdError + Send + Sync>>;

/// Binds a value behind those bound already.
///
/// # Errors
///
/// If the value cannot be encoded.
pub fn bind<DB: Backend, T: Column<DB>>(value: &T, to: &mut DB::Arguments) -> BindResult {
    use sqlx::Arguments;
    to.add(value)
}

/// Reads the column at this place.
///
/// # Errors
///
/// If its SQL type and the field's type do not fit, or the value cannot be decoded.
pub fn get<DB: Backend, T: Column<DB>>(row: &DB::Row, index: usize) -> sqlx::Result<T> {
    DB::Driver::get(row, index)
}

/// Whether this is one of the plain types, none of which has a value for NULL.
#[cfg(any(feature = "postgres", feature = "mysql", feature = "sqlite"))]
fn has_no_null<T: 'static>() -> bool {
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

/// The column's SQL type and the field's type do not fit.
#[derive(Debug)]
pub(crate) struct Mismatch {
    rust: &'static str,
    sql: String,
}

impl Display for Mismatch {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "SQL type `{}` cannot be read as `{}`",
            self.sql, self.rust
        )
    }
}

impl StdError for Mismatch {}

mod sealed {
    #[expect(unnameable_types, reason = "that is what seals")]
    pub trait Sealed {}
}

/// The methods of [`Backend`] whose text is the same for every database but whose types must be concrete: generic code would
/// have to spell `for<'c> &'c mut DB::Connection: Executor<'c>` in every signature up to the user's.
#[cfg(any(feature = "postgres", feature = "mysql", feature = "sqlite"))]
macro_rules! concrete {
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
            if value.is_null() && $crate::backend::has_no_null::<T>() {
                return Err(decode_error(Box::new(sqlx::error::UnexpectedNullError)));
            }
            let sql_type = value.type_info();
            if !value.is_null() && !sql_type.is_null() && !T::compatible(&sql_type) {
                return Err(decode_error(Box::new($crate::backend::Mismatch {
                    rust: std::any::type_name::<T>(),
                    sql: sql_type.name().to_owned(),
                })));
            }
            T::decode(value).map_err(decode_error)
        }

        fn bind_optional<T: Column<$database>>(
            value: Option<&T>,
            to: &mut <$database as Database>::Arguments,
        ) -> $crate::backend::BindResult {
            use sqlx::Arguments as _;
            to.add(value)
        }

        fn selected_bytes(
            row: &<$database as Database>::Row,
            index: usize,
        ) -> sqlx::Result<Option<Vec<u8>>> {
            use sqlx::Row as _;

            row.try_get_unchecked(index)
        }

        async fn run(
            conn: &mut <$database as Database>::Connection,
            sql: &'static str,
        ) -> sqlx::Result<()> {
            sqlx::raw_sql(sql).execute(conn).await.map(drop)
        }

        async fn fetch(
            conn: &mut <$database as Database>::Connection,
            sql: sqlx::SqlStr,
            arguments: <$database as Database>::Arguments,
            keep_prepared: bool,
        ) -> sqlx::Result<Vec<<$database as Database>::Row>> {
            sqlx::query_with(sql, arguments)
                .persistent(keep_prepared)
                .fetch_all(conn)
                .await
        }

        async fn execute(
            conn: &mut <$database as Database>::Connection,
            sql: sqlx::SqlStr,
            arguments: <$database as Database>::Arguments,
            keep_prepared: bool,
        ) -> sqlx::Result<<$database as Database>::QueryResult> {
            sqlx::query_with(sql, arguments)
                .persistent(keep_prepared)
                .execute(conn)
                .await
        }

        fn affected(done: &<$database as Database>::QueryResult) -> u64 {
            done.rows_affected()
        }

        fn number(row: &<$database as Database>::Row, index: usize) -> sqlx::Result<Option<i64>> {
            use sqlx::Row as _;

            // What a CASE of small numbers is called differs.
            row.try_get_unchecked(index)
        }
    };
}
#[cfg(any(feature = "postgres", feature = "mysql", feature = "sqlite"))]
use concrete;
