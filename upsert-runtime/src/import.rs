//! Many records: a whole version of a source, many in a statement.
//!
//! Who is who is settled over all records before anything is written. The room `plan` does that with numbers alone, `batch`
//! knows the statements of many rows, and `run` leads an import from its first reading to its report.

mod batch;
mod notify;
mod options;
mod plan;
mod run;
mod source;

pub(crate) use self::options::Options;
pub use self::options::{Missing, OnFailure, OnTakeover, Only};
pub(crate) use self::run::{run, run_in};
pub(crate) use self::source::{Source, SourceError};
