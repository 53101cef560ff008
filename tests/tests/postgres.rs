//! The suite on PostgreSQL.

mod suite;

/// The database that the suite is compiled for.
type Sqlx = sqlx::Postgres;
type Db = upsert_tests::Database<Sqlx>;

fn main() -> std::process::ExitCode {
    upsert_tests::run(suite::tests())
}
