//! The timeline on stdout: when, who, what.

use std::fmt::Display;
use std::io::Write;
use std::time::Instant;

use anstyle::{AnsiColor, Style};
use anyhow::anyhow;

/// Who speaks.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Actor {
    Holder,
    NoWait,
    TwoSecond,
    Waiter,
}

impl Actor {
    fn name(self) -> &'static str {
        match self {
            Self::Holder => "holder",
            Self::NoWait => "no-wait",
            Self::TwoSecond => "two-second",
            Self::Waiter => "waiter",
        }
    }

    fn style(self) -> Style {
        let color = match self {
            Self::Holder => AnsiColor::Yellow,
            Self::NoWait => AnsiColor::Red,
            Self::TwoSecond => AnsiColor::Magenta,
            Self::Waiter => AnsiColor::Green,
        };
        color.on_default()
    }
}

/// Prints each event with the time since the story began.
#[derive(Debug)]
pub(crate) struct Timeline {
    began: Instant,
}

impl Timeline {
    pub(crate) fn begin() -> Self {
        Self {
            began: Instant::now(),
        }
    }

    /// Prints that `actor` did `what`, now.
    pub(crate) fn say(&self, actor: Actor, what: impl Display) -> anyhow::Result<()> {
        let (name, style) = (actor.name(), actor.style());
        let time = self.began.elapsed().as_secs_f64();
        print(format_args!(
            "{time:>6.2} s  {style}{name:<10}{style:#}  {what}"
        ))
    }

    /// Prints what has come of it.
    pub(crate) fn end(&self, what: impl Display) -> anyhow::Result<()> {
        let time = self.began.elapsed().as_secs_f64();
        print(format_args!("{time:>6.2} s  {what}"))
    }
}

/// Prints a line.
pub(crate) fn print(line: impl Display) -> anyhow::Result<()> {
    // Not `println!`, which panics where the reader is gone. This stdout leaves colours out where there is no terminal.
    writeln!(anstream::stdout(), "{line}")
        .map_err(|error| anyhow!("the timeline cannot be written: {error}"))
}
