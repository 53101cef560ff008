//! Many records.

mod failures;
mod missing;
mod options;
mod oracle;
mod property;
mod statements;
mod together;

pub(super) fn add(suite: &mut upsert_tests::Suite<crate::Sqlx>) {
    failures::add(suite);
    missing::add(suite);
    options::add(suite);
    property::add(suite);
    statements::add(suite);
    together::add(suite);
}
