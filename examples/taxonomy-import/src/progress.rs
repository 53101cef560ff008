//! The progress bar.

use indicatif::{ProgressBar, ProgressStyle};

use crate::source::Source;

/// How much of the file is read, so many times in all; nothing is drawn where stderr is no terminal.
pub(crate) fn progress_bar(source: &Source, times: u64) -> anyhow::Result<ProgressBar> {
    let style = ProgressStyle::with_template("{msg} {wide_bar} {percent:>3} %")?;
    Ok(ProgressBar::new(source.len * times)
        .with_style(style)
        .with_message(source.name.clone()))
}
