//! Many records.

mod oracle;
mod property;

pub(super) fn add(suite: &mut upsert_tests::Suite<crate::Sqlx>) {
    property::add(suite);
}
