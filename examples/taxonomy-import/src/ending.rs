//! Why an import came to no good end, and what the program says to whoever called it.

use anyhow::anyhow;
use upsert_runtime::Error;

use crate::interrupt;
use crate::one_by_one::told;
use crate::source::Source;

/// Why a record failed, with the program's own options in place of the library's.
pub(crate) fn cause(error: &Error) -> String {
    match error {
        Error::Source { source } => source.to_string(),
        Error::Deleted { .. } => format!("{error}: `--on-deleted refuse`"),
        error => {
            let text = error.to_string();
            text.replace("`OnDeleted::Revive`", "`--on-deleted revive`")
        }
    }
}

/// Why an import was stopped.
pub(crate) struct Stopped {
    pub(crate) status: u8,
    pub(crate) cause: anyhow::Error,
}

/// Nothing could be done, or nothing more.
impl From<anyhow::Error> for Stopped {
    fn from(cause: anyhow::Error) -> Self {
        Self { status: 2, cause }
    }
}

impl Stopped {
    /// By Ctrl-C.
    pub(crate) fn interrupted(source: &Source, is_dry_run: bool) -> Self {
        let then = if is_dry_run {
            "a dry run stores nothing"
        } else {
            "what is counted is stored, and a second run goes on from there"
        };
        Self {
            status: interrupt::STATUS,
            cause: anyhow!("stopped by Ctrl-C at {}: {then}", source.name),
        }
    }

    /// By an option that allows no more. The library names its own.
    pub(crate) fn refused(source: &Source, option: &str, error: &Error) -> Self {
        let mine = format!("--{}", option.replace('_', "-"));
        let text = error.to_string().replace(option, &mine);
        Self {
            status: 1,
            cause: anyhow!("{}: {text}", source.name),
        }
    }

    /// By more failures than there may be.
    pub(crate) fn too_many_failed(source: &Source) -> Self {
        Self {
            status: 1,
            cause: anyhow!(
                "stopped at {}: more records failed than --max-failed allows",
                source.name
            ),
        }
    }

    /// By an error that would meet every other record, too.
    pub(crate) fn broken(source: &Source, cause: &Error) -> Self {
        Self::from(told(cause).context(format!("stopped at {}", source.name)))
    }
}
