//! How many records, and how they come.

use std::fmt::{self, Display, Formatter};
use std::str::FromStr;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scale {
    /// One record a call, one call after the other.
    One,
    /// The same, all calls on one connection that is held.
    Held,
    /// Sixteen tasks at once, whose calls of one record meet on so many rows.
    Hot(usize),
    /// So many records in one call.
    Import(usize),
}

impl Display for Scale {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::One => f.write_str("one"),
            Self::Held => f.write_str("held"),
            Self::Hot(rows) => write!(f, "hot-{rows}"),
            Self::Import(records) => write!(f, "import-{records}"),
        }
    }
}

impl FromStr for Scale {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "one" => return Ok(Self::One),
            "held" => return Ok(Self::Held),
            _ => {}
        }
        let number = |prefix| {
            name.strip_prefix(prefix)?
                .parse()
                .ok()
                .filter(|number| *number > 0)
        };
        let hot = number("hot-").map(Self::Hot);
        hot.or_else(|| number("import-").map(Self::Import))
            .ok_or_else(|| {
                format!("no such scale: `{name}`; there are one, held, hot-N and import-N")
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scale_is_read_as_it_is_written() {
        for name in ["one", "held", "hot-1", "hot-100", "import-20000"] {
            assert_eq!(name.parse::<Scale>().unwrap().to_string(), name);
        }
        for name in ["two", "hot-", "import-0", "import-x"] {
            name.parse::<Scale>().unwrap_err();
        }
    }
}
