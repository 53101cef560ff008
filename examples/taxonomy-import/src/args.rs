//! What the program can be asked for.

use std::path::PathBuf;

use clap::{Parser, ValueEnum};

use crate::import;

/// Import versions of a taxonomy: create what is new, update what differs, leave alone what does not.
///
/// Exit status: 0 if every record was stored or left alone by a rule, 1 if some could not be read or stored, or if an option
/// refused the import, 2 if nothing could be done or the import stopped on the way, 130 if Ctrl-C stopped it.
#[derive(Parser)]
#[command(version)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is an option of its own"
)]
pub(crate) struct Args {
    /// The database: sqlite://…, postgres://… or mysql://… (MariaDB too).
    #[arg(
        long,
        value_name = "URL",
        default_value = "sqlite://taxonomy.db?mode=rwc"
    )]
    pub(crate) database_url: String,

    /// Print what would be done, and write nothing: everything is done in one transaction, which is rolled back.
    #[arg(long)]
    pub(crate) dry_run: bool,

    /// How many records are written in one transaction.
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..))]
    chunk_size: u32,

    /// Leave rows alone that come of a newer version: a record's `source_updated_at` is compared with the row's.
    #[arg(long)]
    pub(crate) newer: bool,

    /// Leave rows alone whose column `locked` is true: an editor sets it.
    #[arg(long)]
    pub(crate) protect_locked: bool,

    /// What becomes of rows that a file does not have: each file is a whole version of the source.
    #[arg(long, value_enum, default_value_t = Missing::Keep)]
    missing: Missing,

    /// The largest share of the rows that may be missing, where those are deleted or marked.
    #[arg(long, value_name = "SHARE", default_value_t = 0.1, value_parser = share)]
    max_share: f64,

    /// What becomes of a record that finds a row which is marked as deleted.
    #[arg(long, value_enum, default_value_t = OnDeleted::Ignore)]
    on_deleted: OnDeleted,

    /// Write only records that find no row, or only those that find one.
    #[arg(long, value_enum)]
    only: Option<Only>,

    /// The largest share of the rows found that may be changed: with more of them, and more than twenty, nothing is written.
    #[arg(long, value_name = "SHARE", value_parser = share)]
    max_changed_share: Option<f64>,

    /// How many records of a file may fail: the next one stops the import.
    #[arg(long, value_name = "N")]
    max_failed: Option<u64>,

    /// Write the lines that failed to this file, as they came, to be mended and imported again.
    #[arg(long, value_name = "FILE")]
    pub(crate) rejected: Option<PathBuf>,

    /// Store one record after the other, each by itself, for comparison.
    #[arg(long, conflicts_with_all = ["chunk_size", "missing", "max_share", "only", "max_changed_share", "max_failed"])]
    pub(crate) one_by_one: bool,

    /// Print one JSON object a file instead of a table.
    #[arg(long)]
    pub(crate) json: bool,

    /// JSON Lines, `-` for standard input; of several files each is a newer version. Without any, three versions that come
    /// with the program.
    #[arg(value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
}

/// What becomes of rows that a file does not have.
#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Missing {
    /// They stay.
    Keep,
    /// They are deleted.
    Delete,
    /// They are marked as deleted.
    Mark,
}

/// What becomes of a record that finds a row which is marked as deleted.
#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum OnDeleted {
    /// The row is not there; it keeps its keys, so a record that needs one of them fails.
    Ignore,
    /// The row is taken, and comes back to life.
    Revive,
    /// The record fails.
    Refuse,
}

/// Which records are written.
#[derive(Clone, Copy, ValueEnum)]
enum Only {
    /// Those that find no row.
    Create,
    /// Those that find one.
    Update,
}

impl Args {
    /// What is asked of the import of a file.
    pub(crate) fn options(&self) -> import::Options {
        import::Options {
            chunk_size: self.chunk_size as usize,
            protect_locked: self.protect_locked,
            missing: match self.missing {
                Missing::Keep => upsert_runtime::Missing::Keep,
                Missing::Delete => upsert_runtime::Missing::Delete,
                Missing::Mark => upsert_runtime::Missing::Mark,
            },
            max_share: self.max_share,
            on_deleted: match self.on_deleted {
                OnDeleted::Ignore => upsert_runtime::OnDeleted::Ignore,
                OnDeleted::Revive => upsert_runtime::OnDeleted::Revive,
                OnDeleted::Refuse => upsert_runtime::OnDeleted::Refuse,
            },
            only: self.only.map(|only| match only {
                Only::Create => upsert_runtime::Only::Create,
                Only::Update => upsert_runtime::Only::Update,
            }),
            max_changed_share: self.max_changed_share,
            max_failed: self.max_failed,
        }
    }

    /// The first option that an older table, without the columns of the rules, has nothing for.
    pub(crate) fn needs_rule_columns(&self) -> Option<&'static str> {
        let needs = [
            (self.newer, "--newer"),
            (self.protect_locked, "--protect-locked"),
            (self.missing == Missing::Mark, "--missing mark"),
            (self.on_deleted != OnDeleted::Ignore, "--on-deleted"),
        ];
        let needed = needs.into_iter().find(|(is_asked, _)| *is_asked);
        needed.map(|(_, option)| option)
    }
}

/// A number from 0 to 1.
fn share(text: &str) -> Result<f64, String> {
    let share = text
        .parse()
        .ok()
        .filter(|share| (0.0..=1.0).contains(share));
    share.ok_or_else(|| "not a number from 0 to 1".to_owned())
}
