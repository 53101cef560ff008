//! The suite on SQLite.

mod suite;

/// The database that the suite is compiled for.
type Sqlx = sqlx::Sqlite;
type Db = upsert_tests::Database<Sqlx>;

fn main() -> std::process::ExitCode {
    upsert_tests::run(suite::tests())
}
