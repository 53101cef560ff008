//! What a server says when it is in trouble, or when the way to it is.

use upsert_runtime::Outcome;

use super::models::{TAXONOMY, record, upsert};
use crate::Db;

tests![refusals_that_do_not_follow_each_other on ["postgres"]];

async fn refusals_that_do_not_follow_each_other(db: Db) {
    db.run(&TAXONOMY.replace("name {text} NOT NULL", "name {text} NOT NULL UNIQUE"))
        .await;
    upsert(&db, record("r1", "rock").named("taken")).await;
    // The numbers of a sequence are not rolled back. Two refusals, then another end of the attempt, then a third refusal.
    db.run(
        "CREATE SEQUENCE tries; \
         CREATE FUNCTION judge() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
         CASE nextval('tries') WHEN 1, 2, 4 THEN RETURN new; \
         WHEN 3 THEN RAISE EXCEPTION 'played' USING ERRCODE = 'serialization_failure'; \
         ELSE new.name := 'free'; RETURN new; END CASE; END $$; \
         CREATE TRIGGER judge BEFORE INSERT ON taxonomy FOR EACH ROW EXECUTE FUNCTION judge()",
    )
    .await;
    let done = upsert(&db, record("r2", "jazz").named("taken")).await;
    assert_eq!(done.outcome, Outcome::Created);
    assert_eq!(db.number("SELECT last_value FROM tries").await, 5);
}
