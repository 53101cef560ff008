use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use sqlx::Pool;
use tempfile::TempDir;

use crate::server::Server;
use crate::target::Target;

/// A database of one test.
#[derive(Debug)]
pub struct Database<DB: Target> {
    /// Up to 20 connections to it.
    pub pool: Pool<DB>,
    /// Its name on the server; on SQLite the file's path.
    pub name: String,
    server: Arc<Server>,
    folder: Arc<TempDir>,
    /// Whether another user was made.
    has_user: Arc<AtomicBool>,
}

impl<DB: Target> Clone for Database<DB> {
    fn clone(&self) -> Self {
        Self {
            pool: self.pool.clone(),
            name: self.name.clone(),
            server: Arc::clone(&self.server),
            folder: Arc::clone(&self.folder),
            has_user: Arc::clone(&self.has_user),
        }
    }
}

impl<DB: Target> Database<DB> {
    pub(crate) async fn create(server: &Arc<Server>) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let folder = TempDir::new().expect("a temporary folder");
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = DB::database_name(
            &format!("upsert_test_{}_{number}", std::process::id()),
            folder.path(),
        );
        DB::create_database(&server.url, &name).await;
        Self {
            pool: DB::connect(&server.url, &name, 20).await,
            name,
            server: Arc::clone(server),
            folder: Arc::new(folder),
            has_user: Arc::default(),
        }
    }

    pub(crate) async fn drop(self) {
        if self.has_user.load(Ordering::Relaxed) {
            let user = self.user();
            self.run(&format!("DROP USER IF EXISTS '{user}'@'%'")).await;
        }
        self.pool.close().await;
        DB::drop_database(&self.server.url, &self.name).await;
    }

    /// Another pool of at most `connections` connections to this database.
    pub async fn pool_of(&self, connections: u32) -> Pool<DB> {
        DB::connect(&self.server.url, &self.name, connections).await
    }

    /// Connections of another user of MariaDB, who has these rights and no others, as `SELECT, INSERT ON taxonomy`. The user goes with
    /// the database.
    ///
    /// # Panics
    ///
    /// If it cannot connect.
    pub async fn pool_with_rights(&self, rights: &[&str]) -> Pool<DB> {
        let user = self.user();
        self.has_user.store(true, Ordering::Relaxed);
        self.run(&format!("CREATE USER '{user}'@'%' IDENTIFIED BY 'word'"))
            .await;
        for rights in rights {
            self.run(&format!("GRANT {rights} TO '{user}'@'%'")).await;
        }
        let url = self.url();
        let (scheme, rest) = url.split_once("://").expect("a URL");
        let (_, place) = rest.rsplit_once('@').expect("a user");
        let pool = Pool::connect(&format!("{scheme}://{user}:word@{place}")).await;
        pool.expect("a connection")
    }

    /// No longer than the 32 letters that older servers let a user's name have.
    fn user(&self) -> String {
        self.name.replace("upsert_test", "u")
    }

    /// The same database by the shortest way to it, for tests of thousands of statements.
    #[must_use]
    pub async fn locally(mut self) -> Self {
        self.pool = DB::connect_locally(&self.server.url, &self.name, 20).await;
        self
    }

    /// Its URL.
    #[must_use]
    pub fn url(&self) -> String {
        DB::database_url(&self.server.url, &self.name)
    }

    /// A folder that goes with the test.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Runs a text of statements, in which `{id}`, `{text}`, `{long}`, `{time}` and `{now}` stand for what the database calls
    /// them.
    pub async fn run(&self, sql: &str) {
        DB::run_text(&self.pool, DB::spell(sql)).await;
    }

    /// The text of the first column of each row, `NULL` where it is so.
    pub async fn texts(&self, sql: &str) -> Vec<String> {
        DB::texts(&self.pool, sql.to_owned()).await
    }

    /// The number that a query gives.
    ///
    /// # Panics
    ///
    /// If it gives none.
    pub async fn number(&self, sql: &str) -> i64 {
        let texts = self.texts(sql).await;
        texts[0].parse().expect("a number")
    }
}
