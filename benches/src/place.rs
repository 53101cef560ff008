//! A database of this run, with the table in it.

use std::time::Duration;

use sqlx::Pool;
use tempfile::TempDir;
use upsert_tests::Server;

use crate::contender::Failure;
use crate::engine::{Engine, socket};
use crate::proxy::Proxy;
use crate::record::Record;
use crate::setting::{Address, Setting};

/// The suite's table; the words in braces are the database's.
const COLUMNS: &str = "(id {id}, remote_id {text} UNIQUE, slug {text} NOT NULL UNIQUE, name {text} NOT NULL, description {long}, \
     uses bigint NOT NULL, source {text} NOT NULL, created_at {now}, updated_at {now})";

/// A database, on a server that was named or started here.
#[derive(Debug)]
pub(crate) struct Place<DB: Engine> {
    pub(crate) pool: Pool<DB>,
    name: String,
    server: Server,
    _folder: TempDir,
}

impl<DB: Engine> Place<DB> {
    /// Starts a server and makes a database; `Err` says what is missing.
    pub(crate) async fn open() -> Result<Self, String> {
        let server = DB::server()?;
        let folder = TempDir::with_prefix("upsert-benches-").map_err(|error| error.to_string())?;
        let name = format!("upsert_benches_{}", std::process::id());
        let name = DB::database_name(&name, folder.path());
        DB::create_database(server.url(), &name).await;
        let pool = DB::connect(server.url(), &name, 2).await;
        for table in ["taxonomy", "seed"] {
            DB::run_text(&pool, DB::spell(&format!("CREATE TABLE {table} {COLUMNS}"))).await;
        }
        Ok(Self {
            pool,
            name,
            server,
            _folder: folder,
        })
    }

    pub(crate) async fn close(self) {
        self.pool.close().await;
        DB::drop_database(self.server.url(), &self.name).await;
    }

    /// How contenders connect; `Err` says why this setting is left out.
    pub(crate) async fn address(&self, setting: &Setting) -> Result<Address, String> {
        DB::set_flush(&self.pool, setting.flush, self.server.is_private()).await?;
        let url = DB::database_url(self.server.url(), &self.name);
        if !setting.delay.is_zero() {
            let proxy = self.proxy(setting.delay)?;
            return Ok(self.by_proxy(&proxy, setting.flush));
        }
        let mut socket = socket(&self.pool, &url).await;
        if setting.is_tcp() {
            socket = None;
        } else if socket.is_none() && DB::SOCKET.is_some() {
            return Err("the server's Unix socket is not on this machine".to_owned());
        }
        Ok(Address {
            target: DB::TARGET.to_owned(),
            url,
            socket,
            flush: setting.flush,
        })
    }

    /// A proxy to the server; `Err` says that there is no server.
    pub(crate) fn proxy(&self, delay: Duration) -> Result<Proxy, String> {
        let protocol = DB::PROTOCOL.ok_or("it is no server: nothing goes over a network")?;
        Proxy::start(self.host().to_owned(), protocol, delay).map_err(|error| error.to_string())
    }

    /// How contenders connect by a proxy.
    pub(crate) fn by_proxy(&self, proxy: &Proxy, flush: bool) -> Address {
        let url = DB::database_url(self.server.url(), &self.name);
        let url = url.replace(self.host(), &proxy.address.to_string());
        Address {
            target: DB::TARGET.to_owned(),
            url,
            socket: None,
            flush,
        }
    }

    /// `127.0.0.1:5432`
    fn host(&self) -> &str {
        let url = self.server.url();
        let place = url.split_once("://").map_or(url, |(_, rest)| rest);
        let place = place.split_once('/').map_or(place, |(place, _)| place);
        place.rsplit_once('@').map_or(place, |(_, host)| host)
    }

    /// A table with these rows alone.
    pub(crate) async fn fill(&self, rows: &[Record]) -> Result<(), Failure> {
        self.run(DB::EMPTY).await;
        DB::fill(&self.pool, "taxonomy", rows).await?;
        self.run(DB::SETTLE).await;
        Ok(())
    }

    /// Keeps rows, for a table that is filled with them again and again.
    pub(crate) async fn keep(&self, rows: &[Record]) -> Result<(), Failure> {
        self.run("DELETE FROM seed").await;
        DB::fill(&self.pool, "seed", rows).await?;
        Ok(())
    }

    /// A table with the rows that were kept.
    pub(crate) async fn reset(&self) {
        self.run(DB::EMPTY).await;
        self.run(
            "INSERT INTO taxonomy (remote_id, slug, name, description, uses, source) \
             SELECT remote_id, slug, name, description, uses, source FROM seed ORDER BY id",
        )
        .await;
        self.run(DB::SETTLE).await;
    }

    pub(crate) async fn rows(&self, source: &str) -> Result<Vec<Record>, Failure> {
        Ok(DB::rows(&self.pool, source).await?)
    }

    async fn run(&self, sql: &str) {
        for statement in sql.split("; ") {
            DB::run_text(&self.pool, statement.to_owned()).await;
        }
    }
}
