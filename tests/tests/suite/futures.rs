//! Every future of the public interface is `Send`, and what it gives is too: shown by compiling, also where the database is a
//! parameter.

use sqlx::Pool;
use upsert_runtime::{Backend, Error, LockedUpsert, Report, Retry, Stored, Upsert, Upserted, Wait};

use super::models::{LockedTaxonomy, NewTaxonomy, Taxonomy, TaxonomyChanges, record, with_rows};
use crate::{Db, Sqlx};

tests![are_send, are_returned, can_be_spawned];

fn send<T: Send>(value: T) -> T {
    value
}

async fn walk<DB: Backend>(pool: &Pool<DB>) -> Result<(), Error>
where
    Taxonomy: Stored<DB>,
{
    let mut tx = send(
        send(
            upsert_runtime::begin(pool)
                .wait(Wait::Forever)
                .into_future(),
        )
        .await?,
    );
    send(Taxonomy::upsert(record("r1", "rock")).run_in(&mut tx)).await?;
    let mut row = send(send(Taxonomy::lock().by_slug(&mut tx, "rock")).await?).expect("a row");
    send(row.update_name(String::from("Rock"))).await?;
    send(row.set_name("rock").save()).await?;
    send(row.refresh()).await?;
    let by_id = send(Taxonomy::lock().by_id(row.transaction(), 1)).await?;
    drop(by_id);
    send(row.delete()).await?;
    let new: NewTaxonomy = record("r1", "rock");
    send(send(Taxonomy::lock().find(&mut tx, &new)).await?);
    let mut rows = send(send(Taxonomy::lock().many_by_slug(&mut tx, ["rock"])).await?);
    let row: Option<LockedTaxonomy<'_, DB>> = send(rows.get_mut(0));
    drop(row);
    send(tx.commit()).await?;
    let tx = send(upsert_runtime::begin(pool).into_future()).await?;
    send(tx.rollback()).await?;
    let upsert = Taxonomy::upsert(record("r1", "rock")).retry(Retry::never());
    send(upsert.updating_with(|_| TaxonomyChanges::new()).run(pool)).await?;
    let changes = |_: &Taxonomy| TaxonomyChanges::new();
    send(Taxonomy::modify().by_slug(pool, "rock", changes)).await?;
    let changes = |_: &Taxonomy| Ok::<_, Error>(TaxonomyChanges::new());
    let mut held = send(pool.acquire().await.expect("a connection"));
    send(Taxonomy::upsert(record("r1", "rock")).run_on(&mut held)).await?;
    send(Taxonomy::import([record("r1", "rock")]).run_on(&mut held)).await?;
    send(Taxonomy::modify().try_by_slug(&mut held, "rock", changes)).await?;
    drop(held);
    send(Taxonomy::modify().try_by_slug(pool, "rock", changes)).await?;
    Ok(())
}

async fn are_send(db: Db) {
    with_rows(&db, []).await;
    send(walk(&db.pool)).await.expect("a walk");
}

/// A function that is not `async` may return a future that borrows from two places, whichever of them ends first.
fn returned(
    pool: &Pool<Sqlx>,
    log: &mut Vec<i64>,
    uses: &i64,
) -> impl Future<Output = Result<(), Error>> + Send {
    fn imported(
        pool: &Pool<Sqlx>,
        log: &mut Vec<i64>,
    ) -> impl Future<Output = Result<Report<Taxonomy>, Error>> + Send {
        let import = Taxonomy::import([record("r1", "rock")]);
        import.each(|_, row, _| log.push(row.id)).run(pool)
    }
    fn upserted(
        upsert: Upsert<'_, Taxonomy>,
        pool: &Pool<Sqlx>,
    ) -> impl Future<Output = Result<Upserted<Taxonomy>, Error>> + Send {
        upsert.run(pool)
    }
    fn modified(
        pool: &Pool<Sqlx>,
        changes: impl FnMut(&Taxonomy) -> TaxonomyChanges + Send,
    ) -> impl Future<Output = Result<Option<Upserted<Taxonomy>>, Error>> + Send {
        Taxonomy::modify().by_slug(pool, "rock", changes)
    }
    async move {
        imported(pool, log).await?;
        let changes = |_: &Taxonomy| TaxonomyChanges::new().uses(*uses);
        let upsert = Taxonomy::upsert(record("r1", "rock")).updating_with(changes);
        upserted(upsert, pool).await?;
        modified(pool, |row| TaxonomyChanges::new().uses(row.uses + *uses)).await?;
        Ok(())
    }
}

async fn are_returned(db: Db) {
    with_rows(&db, [record("r1", "rock")]).await;
    let mut log = Vec::new();
    returned(&db.pool, &mut log, &2).await.expect("no error");
    assert_eq!(log.len(), 1);
    let rock = Taxonomy::upsert(record("r1", "rock")).updating(TaxonomyChanges::new());
    assert_eq!(rock.run(&db.pool).await.expect("a row").row.uses, 4);
}

async fn can_be_spawned(db: Db) {
    with_rows(&db, [record("r1", "rock")]).await;
    let pool = db.pool.clone();
    let task = tokio::spawn(async move {
        let slug = String::from("rock");
        let mut tx = upsert_runtime::begin(&pool).await?;
        let mut row = Taxonomy::lock()
            .by_slug(&mut tx, slug.as_str())
            .await?
            .expect("a row");
        row.update_name(slug.as_str()).await?;
        row.set_uses(row.uses + 1).save().await?;
        let factor = row.uses + 1;
        let other: Option<LockedTaxonomy<'_, Sqlx>> =
            Taxonomy::lock().by_id(row.transaction(), 99).await?;
        assert!(other.is_none());
        tx.commit().await?;
        let changes = |row: &Taxonomy| TaxonomyChanges::new().uses(row.uses * factor);
        Taxonomy::modify().by_slug(&pool, &*slug, changes).await
    });
    let done = task.await.expect("no panic").expect("no error");
    assert_eq!(done.expect("a row").row.uses, 2);
}
