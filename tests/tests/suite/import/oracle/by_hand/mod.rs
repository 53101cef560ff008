//! The model's trickiest decisions.

mod ends;
mod identity;
mod writes;

use super::oracle::{Cause, Expected, Options, Outcome, Record, Row, Rules, expected, in_words};

fn rules() -> Rules {
    Rules {
        uniques: 1,
        newer: true,
        protect: true,
        ..Rules::default()
    }
}

fn options(rules: Rules) -> Options {
    Options {
        fold: str::to_owned,
        never: false,
        unclaimed: vec![false; 3],
        delete_missing: None,
        rules,
    }
}

fn import(rows: &[Row], records: &[Record], rules: Rules) -> Expected {
    expected(rows, records, &options(rules)).expect("nothing stops it")
}

fn stored(expected: &Expected) -> Vec<String> {
    in_words(&expected.rows)
}

const CONFLICT: Outcome = Outcome::Failed(Cause::Conflict);
const IDENTITY: Outcome = Outcome::Failed(Cause::Identity);
