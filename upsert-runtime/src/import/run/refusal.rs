//! Why a record is not written, as an error.

use crate::backend::Supported;
use crate::error::{Error, Operation, Step};
use crate::import::plan::{Decision, Left};
use crate::mapping::Mapping;

/// A record's row may be read but not written.
pub(super) fn not_permitted<DB: Supported>(mapping: Mapping<DB>) -> Error {
    Error::out_of_reach(Step::new(Some(mapping.model.name), Operation::Lock))
}

/// The error that a decision is for its record; `None` if the record does not fail by it.
pub(super) fn refusal<DB: Supported>(mapping: Mapping<DB>, decision: Decision) -> Option<Error> {
    let model = mapping.model;
    let looked_up = |lookup: u8| {
        let lookup = model.lookups[usize::from(lookup)].name;
        Step::new(Some(model.name), Operation::LookUp { lookup })
    };
    // Another row or record has the key.
    let conflict = |key: u8, holder_is_deleted| {
        let (lookups, uniques) = (model.lookups.len(), mapping.fields.rules.uniques);
        let unique = usize::from(key)
            .checked_sub(lookups)
            .and_then(|unique| uniques.get(unique));
        Error::Conflict {
            at: match unique {
                None => looked_up(key),
                Some(_) => Step::new(Some(model.name), Operation::LookUpMany),
            },
            constraint: unique.map(|unique| unique.name.to_owned()),
            holder_is_deleted,
            source: None,
        }
    };
    Some(match decision {
        Decision::Row { .. } | Decision::Create | Decision::Superseded | Decision::Skipped => {
            return None;
        }
        Decision::Left { lookup, why, .. } => match why {
            Left::Protected | Left::Stale | Left::Skipped => return None,
            Left::Deleted => Error::Deleted {
                at: looked_up(lookup),
            },
            Left::KeyAltered(column) => Error::KeyAltered {
                at: Step::new(Some(model.name), Operation::Update),
                column: model.columns[column].field,
            },
        },
        Decision::NoKey => mapping.no_usable_key(),
        Decision::Identity {
            matched_by,
            claimed_by,
        } => Error::IdentityConflict {
            model: model.name,
            matched_by: model.lookups[usize::from(matched_by)].name,
            claimed_by: model.lookups[usize::from(claimed_by)].name,
        },
        Decision::Conflict { key, is_deleted } => conflict(key, is_deleted),
        Decision::Ambiguous { lookup } => Error::Ambiguous {
            at: looked_up(lookup),
        },
    })
}
