//! On which database, by which way, with what done at a commit.

use std::fmt::{self, Display, Formatter};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A database and the way to it, as the arguments name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// By its Unix socket, as the next one but one.
    Postgres,
    PostgresTcp,
    MariaDb,
    MariaDbTcp,
    Sqlite,
}

impl Way {
    pub(crate) const NAMES: [(&'static str, Self); 5] = [
        ("postgres", Self::Postgres),
        ("postgres-tcp", Self::PostgresTcp),
        ("mariadb", Self::MariaDb),
        ("mariadb-tcp", Self::MariaDbTcp),
        ("sqlite", Self::Sqlite),
    ];

    pub(crate) fn name(self) -> &'static str {
        let known = Self::NAMES.iter().find(|(_, way)| *way == self);
        known.map_or("", |(name, _)| name)
    }

    fn is_tcp(self) -> bool {
        matches!(self, Self::PostgresTcp | Self::MariaDbTcp)
    }
}

impl FromStr for Way {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let known = Self::NAMES.iter().find(|(known, _)| *known == name);
        known
            .map(|(_, way)| *way)
            .ok_or_else(|| format!("no such database: `{name}`"))
    }
}

/// What comparisons have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Setting {
    pub(crate) way: Way,
    /// Whether a commit waits until it is on the disk.
    pub(crate) flush: bool,
    /// What each round trip takes in addition, by a proxy.
    pub(crate) delay: Duration,
}

impl Setting {
    /// Whether the way is TCP, which a proxy needs.
    pub(crate) fn is_tcp(&self) -> bool {
        self.way.is_tcp() || !self.delay.is_zero()
    }
}

/// `postgres`, `mariadb-tcp`, `sqlite-flushed`, `postgres-1ms`
impl Display for Setting {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(self.way.name())?;
        if self.flush {
            f.write_str("-flushed")?;
        }
        match self.delay.as_millis() {
            0 => Ok(()),
            delay => write!(f, "-{delay}ms"),
        }
    }
}

impl FromStr for Setting {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let (rest, delay) = match name
            .strip_suffix("ms")
            .and_then(|name| name.rsplit_once('-'))
        {
            Some((rest, delay)) => (
                rest,
                delay
                    .parse()
                    .map_err(|_| format!("no such delay: `{delay}`"))?,
            ),
            None => (name, 0),
        };
        let flushed = rest.strip_suffix("-flushed");
        Ok(Self {
            way: flushed.unwrap_or(rest).parse()?,
            flush: flushed.is_some(),
            delay: Duration::from_millis(delay),
        })
    }
}

/// How a program of its own connects.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Address {
    /// `postgres`, `mysql` or `sqlite`.
    pub(crate) target: String,
    /// With the database; on SQLite the file's path.
    pub(crate) url: String,
    pub(crate) socket: Option<PathBuf>,
    pub(crate) flush: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_is_called_by_what_differs_from_the_usual_one() {
        let usual = Setting {
            way: Way::Postgres,
            flush: false,
            delay: Duration::ZERO,
        };
        let delayed = Setting {
            flush: true,
            delay: Duration::from_millis(1),
            ..usual
        };
        assert_eq!(usual.to_string(), "postgres");
        assert_eq!(delayed.to_string(), "postgres-flushed-1ms");
        assert!(delayed.is_tcp() && !usual.is_tcp());
        for setting in [usual, delayed] {
            assert_eq!(setting.to_string().parse(), Ok(setting));
        }
    }
}
