//! The suite: one source, compiled for each database.

#![allow(clippy::unwrap_used)] // `allow-unwrap-in-tests` knows the standard harness only

use upsert_tests::Suite;

use crate::Sqlx;

/// Names the tests of a file, and the databases of those that make sense on some only. A test that is left out is dead code,
/// which the build warns of.
macro_rules! tests {
    ($($name:ident $(on [$($target:literal),+])?),+ $(,)?) => {
        pub(super) fn add(suite: &mut upsert_tests::Suite<crate::Sqlx>) {
            let file = module_path!().split_once("suite::").map_or("", |(_, file)| file);
            $(
                let targets: &[&str] = &[$($($target),+)?];
                if targets.is_empty() || targets.contains(&<crate::Sqlx as upsert_tests::Target>::TARGET) {
                    suite.add(&format!("{file}::{}", stringify!($name)), $name);
                }
            )+
        }
    };
}

mod again;
mod alone;
mod altered_keys;
mod cancellation;
mod conflicts;
mod dropped;
mod errors;
mod examples;
mod faults;
mod fleeting;
mod full_disk;
mod futures;
mod guards;
mod held;
mod import;
mod keys;
mod lent;
mod locks;
mod log;
mod models;
mod modify;
mod names;
mod order;
mod policies;
mod races;
mod real_data;
mod rules;
mod same_values;
mod too_large;
mod transactions;
mod waits;
mod writes;

pub(crate) fn tests() -> Suite<Sqlx> {
    let mut suite = Suite::default();
    again::add(&mut suite);
    alone::add(&mut suite);
    altered_keys::add(&mut suite);
    cancellation::add(&mut suite);
    conflicts::add(&mut suite);
    dropped::add(&mut suite);
    errors::add(&mut suite);
    examples::add(&mut suite);
    faults::add(&mut suite);
    fleeting::add(&mut suite);
    full_disk::add(&mut suite);
    futures::add(&mut suite);
    guards::add(&mut suite);
    held::add(&mut suite);
    import::add(&mut suite);
    keys::add(&mut suite);
    lent::add(&mut suite);
    locks::add(&mut suite);
    modify::add(&mut suite);
    names::add(&mut suite);
    policies::add(&mut suite);
    order::add(&mut suite);
    races::add(&mut suite);
    real_data::add(&mut suite);
    rules::add(&mut suite);
    same_values::add(&mut suite);
    too_large::add(&mut suite);
    transactions::add(&mut suite);
    waits::add(&mut suite);
    writes::add(&mut suite);
    suite
}
