//! What a caller asks of an import.

use std::fmt::{self, Debug, Formatter};
use std::pin::Pin;

use crate::error::{Error, Progress};
use crate::locking::Wait;
use crate::outcome::Outcome;
use crate::rules::{OnDeleted, Rules};
use crate::transaction::Retry;
use crate::value::{Changes, New, Row};

/// What becomes of rows that the import does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Missing {
    /// They stay; nobody looks for them.
    #[default]
    Keep,
    /// They are deleted, within [`Import::scope`](crate::Import::scope) and [`Import::max_share`](crate::Import::max_share).
    Delete,
    /// They are marked as deleted, within the same bounds: for a model with an `#[upsert(deleted)]` field. Where the unique indexes have marked
    /// rows in them, these keep their keys.
    Mark,
}

/// Which records an import writes. The others are [`Outcome::Skipped`](crate::Outcome::Skipped).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Only {
    /// Those that find no row.
    Create,
    /// Those that find one.
    Update,
}

/// What a record that fails does to the import.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnFailure {
    /// It is told in [`Report::failed`](crate::Report::failed); the others are imported.
    #[default]
    Report,
    /// Nothing is imported: [`Error::Aborted`](crate::Error::Aborted). It implies [`Import::atomic`](crate::Import::atomic).
    Abort,
}

/// Whether a record may take over a row that a fallback look-up found and that an earlier key says is another record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnTakeover {
    /// It may, unless the look-up is declared `unclaimed` or the earlier key is the id.
    #[default]
    UnlessClaimed,
    /// It may not: such a record fails with [`Error::IdentityConflict`](crate::Error::IdentityConflict).
    Never,
}

/// Says whether a row is so: whether it may be missing, or is to be left alone.
pub(crate) type OfRow<'f> = dyn FnMut(&Row) -> bool + Send + 'f;

/// Makes the updating data of a row and its record.
pub(crate) type Merge<'f> = dyn FnMut(&Row, &New) -> Changes + Send + 'f;

/// Is ready when an import is to stop.
pub(crate) type Stop<'f> = dyn Future<Output = ()> + Send + 'f;

/// Is told of a row that the record with this index was stored in.
pub(crate) type OnRow<'f> = dyn FnMut(u64, &Row, &Outcome) + Send + 'f;

/// Is told how far an import has come.
pub(crate) type OnProgress<'f> = dyn FnMut(&Progress) + Send + 'f;

/// What a caller asked for: the methods of [`Import`](crate::Import) say what each of these means.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is an option of its own"
)]
#[expect(unnameable_types, reason = "only this crate names it")]
pub struct Options<'f> {
    pub(crate) chunk_size: usize,
    pub(crate) dry_run: bool,
    pub(crate) wait: Option<Wait>,
    pub(crate) atomic: bool,
    pub(crate) on_failure: OnFailure,
    pub(crate) on_takeover: OnTakeover,
    pub(crate) missing: Missing,
    pub(crate) rules: CallerRules<'f>,
    pub(crate) max_share: f64,
    pub(crate) max_changed_share: Option<f64>,
    pub(crate) max_failed: Option<u64>,
    pub(crate) stop: Option<Pin<Box<Stop<'f>>>>,
    pub(crate) progress: Option<Box<OnProgress<'f>>>,
    pub(crate) each: Option<Box<OnRow<'f>>>,
    pub(crate) changes: bool,
    pub(crate) retry: Retry,
    /// Whether nothing is committed before the end. It is found when the import begins.
    pub(crate) is_one_transaction: bool,
    /// Whether the import as a whole is to come before or after any other writer. It is found when the import begins.
    pub(crate) is_serial: bool,
}

/// Who may overwrite what, as far as the caller says.
#[derive(Default)]
pub(crate) struct CallerRules<'f> {
    pub(crate) scope: Option<Box<OfRow<'f>>>,
    pub(crate) protect: Option<Box<OfRow<'f>>>,
    pub(crate) merge: Option<Box<Merge<'f>>>,
    pub(crate) only: Option<Only>,
    pub(crate) on_deleted: OnDeleted,
}

impl Options<'_> {
    /// Refuses what needs a column that the model does not have.
    pub(crate) fn check(&self, model: &'static str, rules: &Rules) -> Result<(), Error> {
        let needs_it = [
            (
                self.missing == Missing::Mark,
                "`Missing::Mark` for a model without `#[upsert(deleted)]`",
            ),
            (
                self.rules.on_deleted != OnDeleted::Ignore,
                "`on_deleted` for a model without `#[upsert(deleted)]`",
            ),
        ];
        match needs_it.into_iter().find(|(needs_it, _)| *needs_it) {
            Some((_, option)) if rules.deleted.is_none() => Err(Error::Unsupported {
                model: Some(model),
                option,
                database: "this crate",
            }),
            _ => Ok(()),
        }
    }
}

impl Default for Options<'_> {
    fn default() -> Self {
        Self {
            chunk_size: 1_000,
            dry_run: false,
            wait: None,
            atomic: false,
            on_failure: OnFailure::default(),
            on_takeover: OnTakeover::default(),
            missing: Missing::default(),
            rules: CallerRules::default(),
            max_share: 0.1,
            max_changed_share: None,
            max_failed: None,
            stop: None,
            progress: None,
            each: None,
            changes: false,
            retry: Retry::default(),
            is_one_transaction: false,
            is_serial: false,
        }
    }
}

impl Debug for Options<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options").finish_non_exhaustive()
    }
}
