//! The lines that failed.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

/// Where the lines go that failed; nowhere, unless it was asked for.
pub(crate) struct Rejected(Option<BufWriter<File>>);

impl Rejected {
    /// Makes the file, or empties it. It is none of those that are to be imported, as a mended one of an earlier run is.
    pub(crate) fn create(path: Option<&Path>, files: &[PathBuf]) -> anyhow::Result<Self> {
        let Some(path) = path else {
            return Ok(Self(None));
        };
        if let Ok(place) = fs::canonicalize(path) {
            let is_place = |file: &PathBuf| fs::canonicalize(file).is_ok_and(|file| file == place);
            if files.iter().any(is_place) {
                bail!("--rejected would overwrite {}", path.display());
            }
        }
        let file = File::create(path)
            .with_context(|| format!("--rejected {} cannot be written", path.display()))?;
        Ok(Self(Some(BufWriter::new(file))))
    }

    /// Adds a line as it came.
    pub(crate) fn add(&mut self, line: &[u8]) -> anyhow::Result<()> {
        let Some(file) = &mut self.0 else {
            return Ok(());
        };
        let write = |file: &mut BufWriter<File>| -> io::Result<()> {
            file.write_all(line)?;
            // The last line of a file may have no end.
            if !line.ends_with(b"\n") {
                file.write_all(b"\n")?;
            }
            Ok(())
        };
        write(file).context("--rejected cannot be written")
    }

    /// Writes what is still in memory.
    pub(crate) fn flush(&mut self) -> anyhow::Result<()> {
        let flushed = self.0.as_mut().map_or(Ok(()), Write::flush);
        flushed.context("--rejected cannot be written")
    }
}
