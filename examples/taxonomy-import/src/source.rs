//! Where records come from: a file, or a version that is part of the program.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read};
use std::path::PathBuf;

use anyhow::{Context, bail};
use serde::de::IgnoredAny;

/// What the program imports if it is given no file.
const EMBEDDED: [(&str, &[u8]); 3] = [
    (
        "emoji-2.4.4.jsonl",
        include_bytes!("../data/emoji-2.4.4.jsonl"),
    ),
    (
        "emoji-4.1.0.jsonl",
        include_bytes!("../data/emoji-4.1.0.jsonl"),
    ),
    (
        "emoji-7.0.2.jsonl",
        include_bytes!("../data/emoji-7.0.2.jsonl"),
    ),
];

/// What some editors write before the first line.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The name of standard input.
const STANDARD_INPUT: &str = "-";

/// How many lines are looked at for one that is a JSON object.
const MOST_LINES_LOOKED_AT: usize = 100;

/// A version of the taxonomy, which can be read more than once.
pub(crate) struct Source {
    /// What messages call it.
    pub(crate) name: String,
    /// How many bytes it holds.
    pub(crate) len: u64,
    content: Content,
}

enum Content {
    Embedded(&'static [u8]),
    File(PathBuf),
    /// Of what can be read only once, such as a pipe.
    Memory(Vec<u8>),
}

/// A source being read, line by line.
pub(crate) struct Lines<'s> {
    /// The number of the line that was read last, from 1.
    pub(crate) line: u64,
    reader: Box<dyn BufRead + Send + 's>,
    buffer: Vec<u8>,
}

impl Source {
    /// The versions that are part of the program, the oldest first.
    pub(crate) fn embedded() -> Vec<Self> {
        let embedded = EMBEDDED.iter().map(|(name, bytes)| Self {
            name: (*name).to_owned(),
            len: bytes.len() as u64,
            content: Content::Embedded(bytes),
        });
        embedded.collect()
    }

    /// Opens all files. One that is no JSON Lines is told here, once, and not for each of its lines.
    pub(crate) fn open_all(paths: &[PathBuf]) -> anyhow::Result<Vec<Self>> {
        let mut sources: Vec<Self> = Vec::new();
        for path in paths {
            let source = Self::of(path)?;
            // The second one would be empty, which is no version of anything.
            if source.name == STANDARD_INPUT && sources.iter().any(|it| it.name == source.name) {
                bail!("standard input is read once, so `-` cannot come twice");
            }
            if !source.may_hold_records() {
                bail!(
                    "{} is no JSON Lines: none of its first lines is a JSON object",
                    source.name
                );
            }
            sources.push(source);
        }
        Ok(sources)
    }

    fn of(path: &PathBuf) -> anyhow::Result<Self> {
        let name = path.display().to_string();
        if name == STANDARD_INPUT {
            return Self::read(name, io::stdin());
        }
        // Not shown: it may hold a password.
        if name.contains("://") {
            bail!("a URL is no FILE; the database is named by --database-url");
        }
        let open = || -> io::Result<(fs::Metadata, File)> {
            let file = File::open(path)?;
            Ok((file.metadata()?, file))
        };
        let (metadata, file) = open().with_context(|| format!("{name} cannot be opened"))?;
        // It can be opened on Unix, and only fails when it is read.
        if metadata.is_dir() {
            bail!("{name} cannot be opened: it is a directory");
        }
        if metadata.is_file() {
            return Ok(Self {
                name,
                len: metadata.len(),
                content: Content::File(path.clone()),
            });
        }
        Self::read(name, file)
    }

    /// Reads what can be read only once.
    fn read(name: String, mut from: impl Read) -> anyhow::Result<Self> {
        let mut bytes = Vec::new();
        from.read_to_end(&mut bytes)
            .with_context(|| format!("{name} cannot be read"))?;
        Ok(Self {
            name,
            len: bytes.len() as u64,
            content: Content::Memory(bytes),
        })
    }

    /// Whether one of its first lines is a JSON object, or there is none. What cannot be read is told when it is to be imported.
    fn may_hold_records(&self) -> bool {
        let Ok(mut lines) = self.open() else {
            return true;
        };
        let mut looked_at = 0;
        while looked_at < MOST_LINES_LOOKED_AT {
            let Ok(line) = lines.next_line() else {
                return true;
            };
            let Some((text, _)) = line else {
                break;
            };
            let is_object = || serde_json::from_slice::<IgnoredAny>(text).is_ok();
            if text.starts_with(b"{") && is_object() {
                return true;
            }
            looked_at += usize::from(!text.is_empty());
        }
        looked_at == 0
    }

    /// Reads it from its beginning.
    pub(crate) fn open(&self) -> io::Result<Lines<'_>> {
        let reader: Box<dyn BufRead + Send + '_> = match &self.content {
            Content::Embedded(bytes) => Box::new(*bytes),
            Content::File(path) => Box::new(BufReader::new(File::open(path)?)),
            Content::Memory(bytes) => Box::new(bytes.as_slice()),
        };
        Ok(Lines {
            line: 0,
            reader,
            buffer: Vec::new(),
        })
    }
}

impl Lines<'_> {
    /// The next line and how many bytes it takes in the file; `None` at the end.
    pub(crate) fn next_line(&mut self) -> io::Result<Option<(&[u8], u64)>> {
        self.buffer.clear();
        let read = self.reader.read_until(b'\n', &mut self.buffer)?;
        if read == 0 {
            return Ok(None);
        }
        self.line += 1;
        Ok(Some((self.as_it_came().trim_ascii(), read as u64)))
    }

    /// The line that was read last, with its end.
    pub(crate) fn as_it_came(&self) -> &[u8] {
        let line = self.buffer.as_slice();
        if self.line == 1 {
            line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(line)
        } else {
            line
        }
    }
}
