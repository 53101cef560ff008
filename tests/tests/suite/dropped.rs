//! A call that is dropped in flight in a transaction of the caller's that goes on: all of its work is done, or none.
//!
//! On SQLite, since on a server such a transaction does not go on (`cancellation`).

use upsert_runtime::{InTransaction, LockedUpsert};

use super::cancellation::polled;
use super::models::{NewTaxonomy, Taxonomy, numbered, with_rows};
use crate::{Db, Sqlx};

tests![
    an_upsert on ["sqlite"],
    writes_of_a_guard on ["sqlite"],
    an_import on ["sqlite"],
    a_guard_that_goes_on on ["sqlite"],
];

const STATE: &str =
    "SELECT remote_id || '=' || slug || ':' || name FROM taxonomy ORDER BY remote_id";
const BEFORE: [&str; 4] = ["r0=s0:old", "r1=s1:old", "r2=s2:old", "r3=s3:old"];

#[derive(Debug, Clone, Copy)]
enum Call {
    Upsert,
    Save,
    Import,
}

impl Call {
    /// Makes the call and drops it after so many polls. Whether it was done before.
    async fn made<T: InTransaction<Database = Sqlx>>(self, tx: &mut T, polls: usize) -> bool {
        match self {
            Self::Upsert => {
                let upsert = Taxonomy::upsert(moved(0, "x")).run_in(tx);
                let done = polled(polls, upsert).await;
                done.map(|done| done.expect("an upsert")).is_some()
            }
            Self::Save => {
                let locked = Taxonomy::lock().by_slug(tx, "s0").await;
                let mut row = locked.expect("a lock").expect("a row");
                let done = polled(polls, row.set_slug("x").set_name("new").save()).await;
                done.map(|done| done.expect("a save")).is_some()
            }
            // Two pairs exchange their slugs.
            Self::Import => {
                let records = [(0, "s1"), (1, "s0"), (2, "s3"), (3, "s2"), (4, "s4")];
                let records = records.map(|(n, slug)| moved(n, slug));
                let import = Taxonomy::import(records).chunk_size(2).run_in(tx);
                let done = polled(polls, import).await;
                done.map(|done| done.expect("an import")).is_some()
            }
        }
    }

    fn after(self) -> Vec<&'static str> {
        match self {
            Self::Upsert | Self::Save => {
                let mut after = BEFORE.to_vec();
                after[0] = "r0=x:new";
                after
            }
            Self::Import => vec![
                "r0=s1:new",
                "r1=s0:new",
                "r2=s3:new",
                "r3=s2:new",
                "r4=s4:new",
            ],
        }
    }
}

fn moved(n: usize, slug: &str) -> NewTaxonomy {
    NewTaxonomy {
        slug: slug.to_owned(),
        ..numbered(n).named("new")
    }
}

/// The rows as they were before the call.
async fn set_back(db: &Db) {
    db.run("DELETE FROM taxonomy").await;
    for n in 0..4 {
        db.run(&format!(
            "INSERT INTO taxonomy (remote_id, slug, name, uses, source) VALUES ('r{n}', 's{n}', 'old', 0, 'x')"
        ))
        .await;
    }
}

/// Drops the call after 0, 1, 2, … polls, commits, and looks.
async fn all_or_none(db: Db, call: Call, sweeps: usize) {
    with_rows(&db, []).await;
    let mut undone = 0;
    for sweep in 0..sweeps {
        let is_ours = sweep % 2 == 0;
        for polls in 0.. {
            set_back(&db).await;
            let done = if is_ours {
                let mut tx = upsert_runtime::begin(&db.pool).await.expect("begun");
                let done = call.made(&mut tx, polls).await;
                tx.commit().await.expect("a commit");
                done
            } else {
                let mut tx = db.pool.begin().await.expect("begun");
                let done = call.made(&mut tx, polls).await;
                tx.commit().await.expect("a commit");
                done
            };
            let state = db.texts(STATE).await;
            let right = state == call.after() || (!done && state == BEFORE);
            assert!(right, "{call:?}, {polls} polls, ours: {is_ours}: {state:?}");
            undone += usize::from(polls > 0 && state == BEFORE);
            if done {
                break;
            }
        }
    }
    // How often depends on how many statements are under way long enough to be met.
    assert!(4 * undone >= sweeps, "undone {undone} times only");
}

async fn an_upsert(db: Db) {
    all_or_none(db, Call::Upsert, 20).await;
}

async fn writes_of_a_guard(db: Db) {
    all_or_none(db, Call::Save, 20).await;
}

async fn an_import(db: Db) {
    all_or_none(db, Call::Import, 6).await;
}

/// A guard does not know whether a write of its own that was dropped was done, and looks before the next one.
async fn a_guard_that_goes_on(db: Db) {
    with_rows(&db, []).await;
    for _ in 0..20 {
        for polls in 0.. {
            set_back(&db).await;
            let mut tx = upsert_runtime::begin(&db.pool).await.expect("begun");
            let locked = Taxonomy::lock().by_slug(&mut tx, "s0").await;
            let mut row = locked.expect("a lock").expect("a row");
            let done = polled(polls, row.update_name("new")).await.is_some();
            row.update_name("old").await.expect("an update");
            assert_eq!(row.name, "old");
            tx.commit().await.expect("a commit");
            assert_eq!(db.texts(STATE).await, BEFORE, "{polls} polls");
            if done {
                break;
            }
        }
    }
}
