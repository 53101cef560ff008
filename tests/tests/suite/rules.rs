//! Who may overwrite what, for one record.

use sqlx::types::chrono::{DateTime, Utc};
use upsert_runtime::{Error, LockedUpsert, RowOrNone, Upsert};
use upsert_tests::Target;

use super::races::until_one_waits;
use crate::{Db, Sqlx};

mod deleted;
mod holder;
mod json;
mod newer;
mod on_deleted;
mod order;
mod protect;
mod sent;
mod uncompared;
mod update_only;

pub(super) fn add(suite: &mut upsert_tests::Suite<Sqlx>) {
    deleted::add(suite);
    holder::add(suite);
    json::add(suite);
    newer::add(suite);
    on_deleted::add(suite);
    order::add(suite);
    protect::add(suite);
    sent::add(suite);
    uncompared::add(suite);
    update_only::add(suite);
}

/// The table of all models here; each model knows some of its columns.
const ARTICLE: &str = "CREATE TABLE article (id {id}, remote_id {text}, slug {text} NOT NULL, title {text} NOT NULL DEFAULT '-', \
     summary {text}, version bigint, fetched bigint NOT NULL DEFAULT 0, locked boolean NOT NULL DEFAULT FALSE, \
     place bigint, deleted_at {time} NULL, updated_at {now})";

/// How the unique indexes treat rows that are marked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Indexes {
    /// They leave them out.
    Partial,
    /// They have them in.
    Full,
}

/// Both ways, where both can be had.
fn both() -> impl Iterator<Item = Indexes> {
    let partial = (Sqlx::TARGET != "mysql").then_some(Indexes::Partial);
    partial.into_iter().chain([Indexes::Full])
}

/// The table, with unique indexes on both keys and on the place.
async fn with_table(db: &Db, indexes: Indexes) {
    let only = match indexes {
        Indexes::Partial => " WHERE deleted_at IS NULL",
        Indexes::Full => "",
    };
    let indexes = ["remote_id", "slug", "place"]
        .map(|column| format!("CREATE UNIQUE INDEX article_{column} ON article ({column}){only};"));
    // In one text: another connection of SQLite's would still know the index that goes.
    db.run(&format!(
        "DROP TABLE IF EXISTS article; {ARTICLE}; {}",
        indexes.concat()
    ))
    .await;
}

/// The table without any: several rows may have a key.
async fn without_indexes(db: &Db) {
    db.run(&format!("DROP TABLE IF EXISTS article; {ARTICLE}"))
        .await;
}

/// The beginning of a day, as the database writes it.
fn moment(day: &str) -> String {
    match Sqlx::TARGET {
        "sqlite" => format!("{day}T00:00:00.000Z"),
        "mysql" => format!("{day} 00:00:00"),
        _ => format!("{day} 00:00:00+00"),
    }
}

/// The ways to run an upsert.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Way {
    Run,
    RunOn,
    RunIn,
}

const WAYS: [Way; 3] = [Way::Run, Way::RunOn, Way::RunIn];

async fn run<M: upsert_runtime::Stored<Sqlx>, O: RowOrNone>(
    db: &Db,
    way: Way,
    upsert: Upsert<'_, M, O>,
) -> Result<O::Of<M>, Error> {
    match way {
        Way::Run => upsert.run(&db.pool).await,
        Way::RunOn => {
            let mut connection = db.pool.acquire().await.expect("a connection");
            upsert.run_on(&mut connection).await
        }
        Way::RunIn => {
            let mut tx = upsert_runtime::begin(&db.pool).await.expect("begun");
            let done = upsert.run_in(&mut tx).await;
            tx.commit().await.expect("a commit");
            done
        }
    }
}

/// Runs an upsert that has to wait for a transaction which has done `before`; that one commits once it waits.
async fn while_locked<M: upsert_runtime::Stored<Sqlx>, O: RowOrNone>(
    db: &Db,
    way: Way,
    before: &'static str,
    upsert: Upsert<'_, M, O>,
) -> Result<O::Of<M>, Error> {
    let mut holder = upsert_runtime::begin(&db.pool).await.expect("begun");
    let held = sqlx::raw_sql(before).execute(&mut *holder).await;
    held.unwrap_or_else(|error| panic!("{before}: {error}"));
    let commit = async {
        until_one_waits(db).await;
        holder.commit().await.expect("a commit");
    };
    let (done, ()) = tokio::join!(run(db, way, upsert), commit);
    done
}

/// All rules at once.
#[derive(Debug, Clone, PartialEq, LockedUpsert)]
#[lookup(remote_id, slug)]
#[upsert(table = "article")]
struct Article {
    id: i64,
    remote_id: Option<String>,
    slug: String,
    title: String,
    #[upsert(keep_none)]
    summary: Option<String>,
    #[upsert(newer)]
    version: Option<i64>,
    #[upsert(uncompared)]
    fetched: i64,
    locked: bool,
    #[upsert(unique)]
    place: Option<i64>,
    #[upsert(deleted)]
    deleted_at: Option<DateTime<Utc>>,
    #[upsert(touch)]
    updated_at: DateTime<Utc>,
}

fn article(remote_id: impl Into<Option<&'static str>>, slug: &str) -> NewArticle {
    NewArticle {
        remote_id: remote_id.into().map(str::to_owned),
        slug: slug.to_owned(),
        title: slug.to_owned(),
        summary: None,
        version: None,
        fetched: 0,
        locked: false,
        place: None,
    }
}

/// None of the rules that a model declares.
#[derive(Debug, Clone, PartialEq, LockedUpsert)]
#[lookup(slug)]
#[upsert(table = "article")]
struct Plain {
    id: i64,
    slug: String,
    title: String,
    #[upsert(readonly)]
    locked: bool,
}

fn plain(title: &str) -> NewPlain {
    NewPlain {
        slug: "a".to_owned(),
        title: title.to_owned(),
    }
}

/// What is stored, of each row in the order of their ids.
async fn stored(db: &Db, columns: &str) -> Vec<String> {
    let columns = columns.replace(", ", ", ' ', ");
    let columns = match Sqlx::TARGET {
        "sqlite" => columns.replace(", ", " || "),
        _ => format!("concat({columns})"),
    };
    db.texts(&format!("SELECT {columns} FROM article ORDER BY id"))
        .await
}
