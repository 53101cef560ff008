//! What an import in one transaction keeps in memory: keys, and rows only where they are to be told.

use std::sync::atomic::{AtomicUsize, Ordering};

use sqlx::encode::IsNull;
use sqlx::error::BoxDynError;
use sqlx::postgres::{PgHasArrayType, PgTypeInfo};
use sqlx::{Database, Decode, Encode, Type};
use tokio_stream::iter;
use upsert_runtime::{LockedUpsert, Report};

use crate::{Db, Sqlx};

tests![rows_are_kept_only_to_be_told];

/// How many values there are, and the most that there were at once.
static ALIVE: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

/// A text of which each value is counted.
#[derive(Debug, PartialEq)]
struct Counted(String);

impl Counted {
    fn new(text: String) -> Self {
        let alive = ALIVE.fetch_add(1, Ordering::Relaxed) + 1;
        MOST.fetch_max(alive, Ordering::Relaxed);
        Self(text)
    }
}

impl Clone for Counted {
    fn clone(&self) -> Self {
        Self::new(self.0.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        ALIVE.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Type<Sqlx> for Counted {
    fn type_info() -> <Sqlx as Database>::TypeInfo {
        <String as Type<Sqlx>>::type_info()
    }

    fn compatible(sql: &<Sqlx as Database>::TypeInfo) -> bool {
        <String as Type<Sqlx>>::compatible(sql)
    }
}

impl PgHasArrayType for Counted {
    fn array_type_info() -> PgTypeInfo {
        String::array_type_info()
    }
}

impl Encode<'_, Sqlx> for Counted {
    fn encode_by_ref(
        &self,
        buffer: &mut <Sqlx as Database>::ArgumentBuffer,
    ) -> Result<IsNull, BoxDynError> {
        <String as Encode<'_, Sqlx>>::encode_by_ref(&self.0, buffer)
    }
}

impl<'r> Decode<'r, Sqlx> for Counted {
    fn decode(value: <Sqlx as Database>::ValueRef<'r>) -> Result<Self, BoxDynError> {
        <String as Decode<'r, Sqlx>>::decode(value).map(Self::new)
    }
}

#[derive(Debug, Clone, PartialEq, LockedUpsert)]
#[lookup(slug)]
struct Weighed {
    id: i64,
    slug: String,
    body: Counted,
}

const ROWS: usize = 2_000;
const CHUNK: usize = 50;

/// Records of a chunk, its rows before and after, and what is on its way.
const FEW: usize = 10 * CHUNK;

/// An import of all rows, and the most values that there were meanwhile.
async fn import(
    db: &Db,
    body: &str,
    atomic: bool,
    changes: bool,
    each: bool,
) -> (Report<Weighed>, usize) {
    MOST.store(ALIVE.load(Ordering::Relaxed), Ordering::Relaxed);
    let open = || {
        iter((0..ROWS).map(|n| {
            Ok::<_, std::io::Error>(NewWeighed {
                slug: format!("s{n}"),
                body: Counted::new(body.to_owned()),
            })
        }))
    };
    let mut told = 0;
    let mut import = Weighed::import_from(open)
        .chunk_size(CHUNK)
        .atomic(atomic)
        .changes(changes);
    if each {
        import = import.each(|_, _, _| told += 1);
    }
    let report = import.run(&db.pool).await.expect("an import");
    assert_eq!(told, if each { ROWS } else { 0 });
    (report, MOST.load(Ordering::Relaxed))
}

async fn rows_are_kept_only_to_be_told(db: Db) {
    let db = db.locally().await;
    db.run("CREATE TABLE weighed (id {id}, slug {text} NOT NULL UNIQUE, body {text} NOT NULL)")
        .await;
    let rows = ROWS as u64;
    // Created, changed, unchanged; then rows that are unchanged, for whom changes are to be told.
    for (body, changes, counts) in [
        ("a", false, (rows, 0, 0)),
        ("b", false, (0, rows, 0)),
        ("b", false, (0, 0, rows)),
        ("b", true, (0, 0, rows)),
    ] {
        let (report, most) = import(&db, body, true, changes, false).await;
        assert_eq!((report.created, report.updated, report.unchanged), counts);
        assert!(most <= FEW, "{most} values at once, {counts:?}");
    }
    // What is told of a commit is kept for it, and what is committed chunk by chunk is told at once.
    let (_, most) = import(&db, "c", true, false, true).await;
    assert!(most >= ROWS, "{most} values at once");
    let (_, most) = import(&db, "d", false, false, true).await;
    assert!(most <= FEW, "{most} values at once");
    let (report, most) = import(&db, "e", true, true, false).await;
    assert_eq!(report.changes.len(), ROWS);
    assert!(most >= 2 * ROWS, "{most} values at once");
}
