//! The suite on MariaDB.

mod suite;

/// The database that the suite is compiled for.
type Sqlx = sqlx::MySql;
type Db = upsert_tests::Database<Sqlx>;

fn main() -> std::process::ExitCode {
    upsert_tests::run(suite::tests())
}
