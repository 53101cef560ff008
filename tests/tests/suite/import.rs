//! Many records.

mod altered_rows;
mod beside;
mod between;
mod borrowed;
mod collations;
mod columns;
mod crowded;
mod deferred;
mod equality;
mod failures;
mod kept;
mod large;
mod lost;
mod missing;
mod only_changes;
mod options;
mod oracle;
mod own_writes;
mod parking;
mod property;
mod statements;
mod things;
mod together;
mod tree;
mod types;
mod unreadable;
mod users_types;
mod vanishing;

pub(super) fn add(suite: &mut upsert_tests::Suite<crate::Sqlx>) {
    altered_rows::add(suite);
    beside::add(suite);
    between::add(suite);
    borrowed::add(suite);
    collations::add(suite);
    columns::add(suite);
    equality::add(suite);
    crowded::add(suite);
    deferred::add(suite);
    failures::add(suite);
    kept::add(suite);
    large::add(suite);
    lost::add(suite);
    missing::add(suite);
    only_changes::add(suite);
    options::add(suite);
    own_writes::add(suite);
    parking::add(suite);
    property::add(suite);
    statements::add(suite);
    together::add(suite);
    tree::add(suite);
    types::add(suite);
    unreadable::add(suite);
    users_types::add(suite);
    vanishing::add(suite);
}
