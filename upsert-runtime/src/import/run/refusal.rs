//! Why a record is not written, as an error.

use crate::backend::Supported;
use crate::error::{Error, Operation, Step};
use crate::import::plan::Decision;
use crate::mapping::Mapping;
use crate::value::New;

/// A record's row may be read but not written.
pub(super) fn not_permitted<DB: Supported>(mapping: Mapping<DB>) -> Error {
    Error::out_of_reach(Step::new(Some(mapping.model.name), Operation::Lock))
}

/// The error that a decision is for its record; `None` if the record is written, or superseded.
pub(super) fn refusal<DB: Supported>(
    mapping: Mapping<DB>,
    decision: Decision,
    new: &New,
) -> Option<Error> {
    let model = mapping.model;
    let looked_up = |lookup: u8| {
        let lookup = model.lookups[usize::from(lookup)].name;
        Step::new(Some(model.name), Operation::LookUp { lookup })
    };
    // Another row or record has the key.
    let conflict = |lookup| Error::Conflict {
        at: looked_up(lookup),
        constraint: None,
        holder_is_deleted: false,
        source: None,
    };
    Some(match decision {
        Decision::Row { .. } | Decision::Create | Decision::Superseded => return None,
        Decision::NoKey => match mapping.check_usable(new) {
            Err(error) => error,
            // The plan knows no key where `check_usable` finds one: that cannot be, and is told as a conflict.
            Ok(()) => conflict(0),
        },
        Decision::Identity {
            matched_by,
            claimed_by,
        } => Error::IdentityConflict {
            model: model.name,
            matched_by: model.lookups[usize::from(matched_by)].name,
            claimed_by: model.lookups[usize::from(claimed_by)].name,
        },
        Decision::Conflict { lookup } => conflict(lookup),
        Decision::Ambiguous { lookup } => Error::Ambiguous {
            at: looked_up(lookup),
        },
    })
}
