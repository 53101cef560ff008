//! What differs from database to database, the contenders apart.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use sqlx::mysql::MySqlConnectOptions;
use sqlx::pool::PoolOptions;
use sqlx::postgres::PgConnectOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{MySql, Pool, Postgres, QueryBuilder, Sqlite};
use upsert_tests::Target;

use crate::contender::chain::Chain;
use crate::contender::copy_merge::CopyMerge;
use crate::contender::held::Held;
use crate::contender::on_conflict::{InOneTransaction, OnConflict, OnConflictHeld};
use crate::contender::rows::Rows;
use crate::contender::unnest::Unnest;
use crate::contender::{Contender, Failure, ours, sea_orm};
use crate::record::Record;
use crate::scale::Scale;
use crate::setting::Address;
use crate::wire::Protocol;

/// A database on which contenders meet.
pub(crate) trait Engine: Target {
    /// Empties the table.
    const EMPTY: &'static str;

    /// Brings the table into the state in which it is found after a while.
    const SETTLE: &'static str;

    /// Where the server's Unix socket is.
    const SOCKET: Option<&'static str>;

    /// How many bytes the server has written to its log, ever.
    const LOG_BYTES: &'static str;

    /// What its server speaks.
    const PROTOCOL: Option<Protocol>;

    /// Has a commit of every session wait for the disk, or not, where that is a matter of the server. `Err` says why it is
    /// left out.
    async fn set_flush(pool: &Pool<Self>, flush: bool, is_private: bool) -> Result<(), String>;

    /// A pool that connects once it is asked.
    fn pool(address: &Address, connections: u32) -> Result<Pool<Self>, Failure>;

    /// Writes rows into a table that has the columns.
    async fn fill(pool: &Pool<Self>, table: &str, rows: &[Record]) -> sqlx::Result<()>;

    /// The rows of a source, by slug.
    async fn rows(pool: &Pool<Self>, source: &str) -> sqlx::Result<Vec<Record>>;

    /// Who upserts one record a call; each with a pool of its own.
    fn singles(pool: &dyn Fn() -> Pool<Self>) -> Vec<Box<dyn Contender>>;

    /// Who does so on a connection that is held.
    fn held(pool: &dyn Fn() -> Pool<Self>) -> Vec<Box<dyn Contender>>;

    /// Who upserts many at once.
    fn bulks(pool: &dyn Fn() -> Pool<Self>) -> Vec<Box<dyn Contender>>;

    /// Who does what is done at this scale, ours first.
    fn contenders(scale: Scale, pool: &dyn Fn() -> Pool<Self>) -> Vec<Box<dyn Contender>> {
        match scale {
            Scale::One | Scale::Hot(_) => Self::singles(pool),
            Scale::Held => Self::held(pool),
            Scale::Import(_) => Self::bulks(pool),
        }
    }
}

macro_rules! statements {
    ($rows:literal) => {
        async fn fill(pool: &Pool<Self>, table: &str, rows: &[Record]) -> sqlx::Result<()> {
            for chunk in rows.chunks(1_000) {
                let insert = format!(
                    "INSERT INTO {table} (remote_id, slug, name, description, uses, source) "
                );
                let mut query: QueryBuilder<Self> = QueryBuilder::new(insert);
                query.push_values(chunk, |mut row, record| {
                    row.push_bind(&record.remote_id)
                        .push_bind(&record.slug)
                        .push_bind(&record.name)
                        .push_bind(&record.description)
                        .push_bind(record.uses)
                        .push_bind(&record.source);
                });
                query.build().persistent(false).execute(pool).await?;
            }
            Ok(())
        }

        async fn rows(pool: &Pool<Self>, source: &str) -> sqlx::Result<Vec<Record>> {
            sqlx::query_as($rows).bind(source).fetch_all(pool).await
        }
    };
}

impl Engine for Postgres {
    const EMPTY: &'static str = "TRUNCATE taxonomy RESTART IDENTITY";
    const SETTLE: &'static str = "VACUUM ANALYZE taxonomy";
    const SOCKET: Option<&'static str> = Some("SHOW unix_socket_directories");
    const PROTOCOL: Option<Protocol> = Some(Protocol::Postgres);
    const LOG_BYTES: &'static str =
        "SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::text";

    async fn set_flush(pool: &Pool<Self>, flush: bool, is_private: bool) -> Result<(), String> {
        if is_private {
            // The tests' server does not flush.
            Self::run_text(pool, "ALTER SYSTEM SET fsync = on".to_owned()).await;
            Self::run_text(pool, "SELECT pg_reload_conf()".to_owned()).await;
        }
        if !flush {
            return Ok(());
        }
        // A server takes a moment to read its settings anew.
        for _ in 0..50 {
            if Self::texts(pool, "SHOW fsync".to_owned()).await == ["on"] {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Err("the server does not flush: fsync is off".to_owned())
    }

    fn pool(address: &Address, connections: u32) -> Result<Pool<Self>, Failure> {
        let commit = if address.flush { "on" } else { "off" };
        let mut options =
            PgConnectOptions::from_str(&address.url)?.options([("synchronous_commit", commit)]);
        if let Some(socket) = &address.socket {
            options = options.socket(socket);
        }
        Ok(PoolOptions::new()
            .max_connections(connections)
            .connect_lazy_with(options))
    }

    statements!(
        "SELECT remote_id, slug, name, description, uses, source FROM taxonomy WHERE source = $1 ORDER BY slug"
    );

    fn singles(pool: &dyn Fn() -> Pool<Self>) -> Vec<Box<dyn Contender>> {
        vec![
            Box::new(ours::One(pool())),
            Box::new(Chain(pool())),
            Box::new(OnConflict(pool())),
            Box::new(sea_orm::One(pool().into())),
        ]
    }

    fn held(pool: &dyn Fn() -> Pool<Self>) -> Vec<Box<dyn Contender>> {
        vec![
            Box::new(ours::OneHeld(Held::new(pool()))),
            Box::new(OnConflictHeld(Held::new(pool()))),
        ]
    }

    fn bulks(pool: &dyn Fn() -> Pool<Self>) -> Vec<Box<dyn Contender>> {
        vec![
            Box::new(ours::Import(pool())),
            Box::new(Unnest(pool())),
            Box::new(CopyMerge {
                pool: pool(),
                chunk: Some(1_000),
            }),
            Box::new(CopyMerge {
                pool: pool(),
                chunk: None,
            }),
            Box::new(sea_orm::Many(pool().into())),
        ]
    }
}

impl Engine for MySql {
    const EMPTY: &'static str = "TRUNCATE taxonomy";
    const SETTLE: &'static str = "ANALYZE TABLE taxonomy";
    const SOCKET: Option<&'static str> = Some("SELECT @@socket");
    const PROTOCOL: Option<Protocol> = Some(Protocol::MySql);
    const LOG_BYTES: &'static str = "SELECT variable_value FROM information_schema.global_status \
        WHERE variable_name = 'INNODB_LSN_CURRENT'";

    async fn set_flush(pool: &Pool<Self>, flush: bool, is_private: bool) -> Result<(), String> {
        let wanted = if flush { "1" } else { "0" };
        if is_private {
            let sql = format!("SET GLOBAL innodb_flush_log_at_trx_commit = {wanted}");
            Self::run_text(pool, sql).await;
            return Ok(());
        }
        let sql = "SELECT CAST(@@innodb_flush_log_at_trx_commit AS CHAR)".to_owned();
        let found = Self::texts(pool, sql).await;
        if found != [wanted] {
            return Err(format!(
                "innodb_flush_log_at_trx_commit is {} and not {wanted} on the server that TEST_MYSQL_URL names",
                found.concat()
            ));
        }
        Ok(())
    }

    fn pool(address: &Address, connections: u32) -> Result<Pool<Self>, Failure> {
        let mut options = MySqlConnectOptions::from_str(&address.url)?;
        if let Some(socket) = &address.socket {
            options = options.socket(socket);
        }
        Ok(PoolOptions::new()
            .max_connections(connections)
            .connect_lazy_with(options))
    }

    statements!(
        "SELECT remote_id, slug, name, description, uses, source FROM taxonomy WHERE source = ? ORDER BY slug"
    );

    fn singles(pool: &dyn Fn() -> Pool<Self>) -> Vec<Box<dyn Contender>> {
        vec![
            Box::new(ours::One(pool())),
            Box::new(Chain(pool())),
            Box::new(OnConflict(pool())),
            Box::new(sea_orm::One(pool().into())),
        ]
    }

    fn held(pool: &dyn Fn() -> Pool<Self>) -> Vec<Box<dyn Contender>> {
        vec![
            Box::new(ours::OneHeld(Held::new(pool()))),
            Box::new(OnConflictHeld(Held::new(pool()))),
        ]
    }

    fn bulks(pool: &dyn Fn() -> Pool<Self>) -> Vec<Box<dyn Contender>> {
        vec![
            Box::new(ours::Import(pool())),
            Box::new(Rows(pool())),
            Box::new(sea_orm::Many(pool().into())),
        ]
    }
}

impl Engine for Sqlite {
    const EMPTY: &'static str = "DELETE FROM taxonomy";
    const SETTLE: &'static str = "ANALYZE; PRAGMA wal_checkpoint(TRUNCATE)";
    const SOCKET: Option<&'static str> = None;
    const PROTOCOL: Option<Protocol> = None;
    const LOG_BYTES: &'static str = "SELECT NULL";

    async fn set_flush(_: &Pool<Self>, _: bool, _: bool) -> Result<(), String> {
        Ok(())
    }

    fn pool(address: &Address, connections: u32) -> Result<Pool<Self>, Failure> {
        let synchronous = if address.flush {
            SqliteSynchronous::Full
        } else {
            SqliteSynchronous::Off
        };
        let options = SqliteConnectOptions::from_str(&address.url)?
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(synchronous);
        Ok(PoolOptions::new()
            .max_connections(connections)
            .connect_lazy_with(options))
    }

    statements!(
        "SELECT remote_id, slug, name, description, uses, source FROM taxonomy WHERE source = ? ORDER BY slug"
    );

    fn singles(pool: &dyn Fn() -> Pool<Self>) -> Vec<Box<dyn Contender>> {
        vec![
            Box::new(ours::One(pool())),
            Box::new(Chain(pool())),
            Box::new(OnConflict(pool())),
            Box::new(sea_orm::One(pool().into())),
        ]
    }

    fn held(pool: &dyn Fn() -> Pool<Self>) -> Vec<Box<dyn Contender>> {
        vec![
            Box::new(ours::OneHeld(Held::new(pool()))),
            Box::new(OnConflictHeld(Held::new(pool()))),
        ]
    }

    fn bulks(pool: &dyn Fn() -> Pool<Self>) -> Vec<Box<dyn Contender>> {
        vec![
            Box::new(ours::Import(pool())),
            Box::new(InOneTransaction(pool())),
            Box::new(Rows(pool())),
            Box::new(sea_orm::Many(pool().into())),
        ]
    }
}

/// The path of the socket, if it is there.
pub(crate) async fn socket<DB: Engine>(pool: &Pool<DB>, url: &str) -> Option<PathBuf> {
    let found = DB::texts(pool, DB::SOCKET?.to_owned()).await;
    let path = PathBuf::from(found.first()?.split(',').next()?.trim());
    let path = if DB::TARGET == "postgres" {
        path
    } else {
        return path.exists().then_some(path);
    };
    let port = url.rsplit_once(':')?.1.split('/').next()?;
    path.join(format!(".s.PGSQL.{port}"))
        .exists()
        .then_some(path)
}
