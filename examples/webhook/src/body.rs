//! JSON, read.

use serde::de::DeserializeOwned;
use serde_json::error::Category;

use crate::refusal::Refusal;

/// Reads a body. The refusal names a place and no value: the error's own text quotes what has the wrong type.
pub(crate) fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refusal> {
    serde_json::from_slice(body).map_err(|error| match error.classify() {
        Category::Data => Refusal::Unfit {
            line: error.line(),
            column: error.column(),
        },
        Category::Io | Category::Syntax | Category::Eof => Refusal::NotJson {
            line: error.line(),
            column: error.column(),
        },
    })
}
