//! Many rows in one statement each: what reads them, what locks them, and a chunk of records as a unit of work.

mod arrays;
mod cascade;
mod chunk;
mod create;
mod equality;
mod facts;
mod judge;
mod kept;
mod key_changes;
mod numbering;
mod passing;
mod read;
mod read_back;
mod select;
mod sight;
mod store;
mod write;

pub(super) use self::cascade::{Deleter, SelfReference};
pub(super) use self::chunk::{
    Attempt, Chunk, Group, Manner, Member, Moved, Settled, Written, moved,
};
pub(super) use self::facts::{Facts, ask};
pub(super) use self::judge::Judge;
pub(super) use self::kept::{KeptRow, KeptRows};
pub(super) use self::numbering::Numbering;
pub(super) use self::passing::KeyColumns;
pub(super) use self::read::{Cursor, KeyReader, Keyed, NumberedRow, SelectedRow};
pub(super) use self::write::left;
