//! What must be known of a table before anything is done with it. It is asked once an import, in one statement.

use crate::backend::{Dialect as _, Supported};
use crate::error::Error;
use crate::import::plan::Keys;
use crate::step::Session;

use super::read::compared_otherwise;

/// What a table is like.
#[derive(Default)]
pub(crate) struct Facts {
    /// Those of the key columns that the database compares otherwise than byte for byte: a collation key is selected for each.
    pub(crate) collated: Vec<usize>,
    /// Whether a write to a row may change or delete others of the table: by triggers, rules, foreign keys to itself.
    pub(crate) writes_itself: bool,
    /// Whether an update may be stored otherwise than it was written, or not at all.
    pub(crate) alters_updates: bool,
    /// Whether the database lets no two rows have equal keys of a look-up, so that a record whose keys nobody had needs not be looked
    /// up once more before its row is created.
    pub(crate) are_keys_unique: bool,
    /// For each key, whether rows that are marked as deleted have it too: the unique index has them in it.
    pub(crate) marked_hold: Vec<bool>,
}

/// Asks what must be known of the table. Fails if it cannot be told which of its keys are equal, or if a column cannot be read as
/// its field.
pub(crate) async fn ask<DB: Supported>(
    session: &mut Session<'_, DB>,
    keys: &Keys,
) -> Result<Facts, Error> {
    let mapping = session.mapping;
    let sql = mapping.sql();
    let names = keys.columns.iter().map(|&column| sql.names[column]);
    let names: Vec<&str> = names.collect();
    let collated = DB::Driver::collated(sql.from, &names);
    let incomparable = DB::Driver::incomparable(sql.from, &names);
    let facts = [&collated, &incomparable].map(|fact| fact.as_deref().unwrap_or("NULL"));
    let required = mapping.model.updated.iter().copied();
    let required = required.filter(|&column| !mapping.is_optional(column));
    let required: Vec<&str> = required.map(|column| sql.names[column]).collect();
    let writes_itself = DB::Driver::writes_itself(sql.from);
    let alters_updates = DB::Driver::alters_updates(sql.from, &required);
    let lookups = mapping.model.lookups.iter();
    let lookups = lookups.map(|key| {
        key.columns
            .iter()
            .map(|&column| sql.names[column])
            .collect()
    });
    let are_unique = |keys: &[Vec<&str>]| {
        DB::Driver::are_unique(sql.from, keys).unwrap_or_else(|| "NULL".to_owned())
    };
    let mut questions = vec![
        facts[0].to_owned(),
        facts[1].to_owned(),
        writes_itself,
        alters_updates,
        are_unique(&lookups.collect::<Vec<_>>()),
    ];
    if mapping.fields.rules.deleted.is_some() {
        for key in 0..keys.all() {
            let names = mapping
                .key_columns(key)
                .iter()
                .map(|&column| sql.names[column]);
            questions.push(are_unique(&[names.collect()]));
        }
    }
    let questions: Vec<&str> = questions.iter().map(String::as_str).collect();
    let answers = session.check_columns(&questions).await?;
    let is_one = |place: usize| answers.get(place).and_then(Option::as_deref) == Some(b"1");
    let (writes_itself, alters_updates) = (is_one(2), is_one(3));
    // Where all others wait for the whole database, looking once more costs little.
    let are_keys_unique = is_one(4) && DB::Driver::CAPABILITIES.locks_rows;
    let marked_hold = (0..keys.all()).map(|key| is_one(5 + key)).collect();
    if is_one(1) {
        return Err(compared_otherwise(mapping));
    }
    if collated.is_none() {
        let is_collated = |column: &usize| {
            let type_name = mapping.type_name(*column);
            DB::Driver::collation_key(&type_name, "", "").is_some()
        };
        return Ok(Facts {
            collated: keys.columns.iter().copied().filter(is_collated).collect(),
            writes_itself,
            alters_updates,
            are_keys_unique,
            marked_hold,
        });
    }
    let places = answers.first().cloned().flatten().unwrap_or_default();
    let places = places.split(|&byte| byte == b',');
    let column = |place: &[u8]| {
        let place: usize = str::from_utf8(place).ok()?.parse().ok()?;
        keys.columns.get(place).copied()
    };
    Ok(Facts {
        collated: places.filter_map(column).collect(),
        writes_itself,
        alters_updates,
        are_keys_unique,
        marked_hold,
    })
}
